"""The tables at the foot of the page: readings, data, method, cost, purpose, digests."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from autodistill.records import SPLITS, Finding
from autodistill.report import chart, numbers, terms

COUNTS = ("trained", "stopped", "skipped", "refused", "duplicates", "broken")
LATER = frozenset({"stopped", "skipped"})
"""What reports of earlier versions do not count."""


def pairs(record: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested mapping as lines of name and text."""
    lines: list[tuple[str, str]] = []
    for key, value in record.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            lines += pairs(value, f"{name}: ") or [(name, "none")]
        elif isinstance(value, list | tuple):
            lines.append((name, ", ".join(map(str, value)) or "none"))
        else:
            lines.append((name, plain(value)))
    return lines


def plain(value: Any) -> str:
    """A value of a record as text; absent is said."""
    if value is None or value == "":
        return numbers.MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return numbers.count(value)
    return numbers.digits(value, 4) if isinstance(value, float) else str(value)


def measured(report: Mapping[str, Any]) -> dict[str, Any]:
    """How the readings were taken: method and status by quantity, the machine, the runtime's floor."""
    about = report.get("measure") or {}
    every = [item for entry in chart.entries(report) for item in entry.readings.items()]
    every += chart.readings((report.get("teacher") or {}).get("readings")).items()
    methods: dict[str, dict[str, Any]] = {}
    for name, reading in every:
        line = methods.setdefault(name, {"title": numbers.title(name), "statuses": Counter(), "method": ""})
        line["statuses"][reading.status.replace("_", " ")] += 1
        if reading.value is not None and not line["method"]:
            line |= {"method": reading.method, "source": reading.source, "device": reading.device}
    for line in methods.values():
        if not line["method"]:
            line |= {"method": "no value was read", "source": "none", "device": ""}
    floor = about.get("runtime_floor")
    floor_reading = chart.readings({"floor": floor})["floor"] if floor else None
    machine = about.get("machine")
    return {
        "tier": _tier(methods) or about.get("tier") or numbers.MISSING,
        "floor": f"{numbers.value(floor_reading)} {numbers.spread(floor_reading)}".strip(),
        "machine": pairs(machine) if isinstance(machine, Mapping) else [("machine", plain(machine))],
        "methods": [line for _, line in sorted(methods.items())],
        "notes": [str(note) for note in about.get("notes") or ()],
    }


def _tier(names: Iterable[str]) -> str:
    """Where the energies come from, as their names say."""
    return ", ".join(sorted({name.partition(".")[2] for name in names if name.startswith("energy")} - {""}))


def data(report: Mapping[str, Any]) -> dict[str, Any]:
    """The table: where it came from, its splits, its groups, its leaks."""
    about = report.get("data") or {}
    groups_, splits = about.get("groups") or {}, about.get("splits") or {}
    return {
        "facts": _facts(about),
        "splits": [(name, numbers.count(splits[name])) for name in sorted(splits, key=_order)],
        "groups": [
            (
                name,
                [
                    (str(g) or "unknown", numbers.count(n) if n >= chart.SMALL_CELL else f"under {chart.SMALL_CELL}")
                    for g, n in sizes.items()
                ],
            )
            for name, sizes in groups_.items()
        ],
        "leakage": [(name, plain(value)) for name, value in terms.leaks(about.get("leakage") or {})],
        "notes": [str(note) for note in about.get("notes") or ()],
    }


def _facts(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    if about.get("classes"):
        told = [(key, plain(about.get(key))) for key in ("table", "rows", "positive", "favourable")]
        return [*told, ("classes", ", ".join(map(str, about["classes"])))]
    told = [(key, plain(about[key])) for key in ("table", "rows", "target") if about.get(key) is not None]
    return [
        *told,
        ("task", "a regression: the target is a number"),
        ("unit", str(about.get("unit") or numbers.MISSING)),
    ]


def _order(split: str) -> int:
    return SPLITS.index(split) if split in SPLITS else len(SPLITS)


def method(report: Mapping[str, Any], found: Iterable[Finding]) -> dict[str, Any]:
    """How the decision was made: levels, looks, number of statements."""
    about, policy = report.get("method") or {}, report.get("policy") or {}
    levels = sorted({f.level for f in found if f.required})
    return {
        "confidence": numbers.percent(policy["confidence"], 0) if "confidence" in policy else numbers.MISSING,
        "choose": plain(policy.get("choose")),
        "m": plain(about.get("m")),
        "rule": plain(about.get("shortlist_rule")),
        "looks": terms.looks(about.get("looks") or {}),
        "levels": ", ".join(numbers.percent(level, 2) for level in levels) or numbers.MISSING,
    }


def cost(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the search spent."""
    about = report.get("cost") or {}
    spent = about.get("seconds") or {}
    words = {"trained": "trained to the end", "stopped": "stopped early", "skipped": "left untrained"}
    known = [key for key in COUNTS if key in about or key not in LATER]
    counted = [(words.get(key, key), plain(about.get(key))) for key in known]
    return {
        "counts": counted,
        "seconds": [(key.replace("_", " "), numbers.seconds(value)) for key, value in spent.items()],
        "extra": [*drawn(about.get("footprint") or {}), *pairs({k: v for k, v in about.items() if _other(k, v)})],
    }


def drawn(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Energy and CO2e of the search itself, each called an estimate, or why there are none."""
    if "energy_wh" not in found:
        return [("energy of the search", f"not read: {found['reason']}")] if found.get("reason") else []
    how = f"estimated by {found.get('method')} from the load of {found.get('processor') or 'the processor'}"
    lines = [("energy of the search", f"{found['energy_wh']:.3g} Wh, {how}")]
    if "co2e_g" in found:
        lines.append(("CO2e of the search", f"{found['co2e_g']:.3g} g, estimated with {found['country']}'s mix"))
    return lines


def _other(key: str, value: Any) -> bool:
    return key not in {"seconds", "footprint", *COUNTS} and value not in ("", None)


def purpose(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the system is for and who answers for it."""
    spec = report.get("spec") or {}
    names = {"purpose": "Purpose", "owner": "Owner", "out_of_scope": "Out of scope", "seed": "Seed", "trials": "Trials"}
    return [(words_, plain(spec.get(key))) for key, words_ in names.items()]


def digests(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """SHA-256 of everything that the decision rests on; an audit of predictions has no experiment file."""
    lines = [(name, plain((report.get(name) or {}).get("sha256"))) for name in ("spec", "policy", "data")]
    lines += [(who, plain(report[who].get("digest"))) for who in ("teacher", "student") if report.get(who)]
    lines = lines if report.get("kind") != "audit" else [line for line in lines if line[0] != "spec"]
    return lines + [(name, plain(value)) for name, value in (report.get("files") or {}).items()]
