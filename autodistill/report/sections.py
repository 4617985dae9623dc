"""The tables below the first screen but the audit's: controls, shortlist, candidates, data, cost, digests."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from autodistill.records import Entry, Finding, Reading
from autodistill.report import bars, chart, numbers, words


def percent_interval(value: Mapping[str, Any] | None) -> str:
    """``[low, high]`` of a share, in percent; empty where there is none."""
    if not value or value.get("low") is None or value.get("high") is None:
        return ""
    return f"[{numbers.fixed(100 * value['low'], 2)}, {numbers.fixed(100 * value['high'], 2)}]"


def points_interval(value: Mapping[str, Any] | None) -> str:
    """An estimate in points with its interval."""
    if not value or value.get("estimate") is None:
        return numbers.MISSING
    low, high = value.get("low"), value.get("high")
    bounds = (
        f" [{numbers.fixed(100 * low)}, {numbers.fixed(100 * high)}]" if low is not None and high is not None else ""
    )
    return numbers.points(value["estimate"]) + bounds


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


def worth(report: Mapping[str, Any]) -> dict[str, Any]:
    """Was distillation worth it: the student beside a twin that saw labels only."""
    found = report.get("worth") or {}
    if not found:
        return {"known": False, "sentence": "No label-only twin was trained, so this run cannot tell."}
    difference = found.get("difference") or {}
    estimate = difference.get("estimate")
    made = None
    if estimate is not None:
        made = Finding(
            id="worth",
            check="worth",
            split="audit",
            quantity="difference",
            estimate=estimate,
            low=difference.get("low"),
            high=difference.get("high"),
            level=0.05,
            method="",
            outcome="REPORTED",
        )
    return {
        "known": True,
        "sentence": found.get("sentence") or "The sentence was not recorded.",
        "student": numbers.points(found.get("student_loss"), 2),
        "twin": numbers.points(found.get("twin_loss"), 2),
        "difference": points_interval(difference),
        "bar": bars.drawn(made) if made else None,
    }


def controls(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What stands beside the candidates, read on the audit split without a test."""
    return [_control(control) for control in report.get("controls") or ()]


def _control(control: Mapping[str, Any]) -> dict[str, Any]:
    read = chart.readings(control.get("readings"))
    return {
        "title": str(control.get("title") or control["name"]),
        "what": str(control.get("what", "")),
        "search": numbers.percent(control.get("error"), 2),
        "audit": numbers.percent((control.get("audit_error") or {}).get("value"), 2),
        "audit_spread": percent_interval(control.get("audit_error")),
        "loss": "is the teacher" if control["name"] == "teacher" else points_interval(control.get("loss")),
        "readings": triple(read),
    }


def triple(read: Mapping[str, Reading]) -> list[dict[str, Any]]:
    """Size, latency and energy as cells."""
    energy = next((name for name in sorted(read) if name.startswith("energy")), "energy")
    cells = []
    for name in ("size", "latency", energy):
        reading = read.get(name)
        known = reading is not None and reading.value is not None
        status = reading.status if reading else "unavailable"
        cells.append(
            {
                "text": numbers.value(reading) if known or reading is not None else numbers.MISSING,
                "sort": reading.value if reading is not None and reading.value is not None else "",
                "spread": numbers.spread(reading),
                "status": "" if status in {"ok", "unavailable"} else status.replace("_", " "),
            }
        )
    return cells


def energy_title(report: Mapping[str, Any]) -> str:
    """The energy column's name with its tier."""
    names = {name for entry in chart.entries(report) for name in entry.readings if name.startswith("energy")}
    tier = min(names).partition(".")[2] if names else ""
    return f"Energy ({'estimated: ' if tier == 'modelled' else ''}{tier})" if tier else "Energy"


def shortlist(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The candidates that were certified or not, in the order of their tests."""
    by_key = {entry.candidate.key: entry for entry in chart.entries(report)}
    lines = []
    for line in sorted(report.get("shortlist") or (), key=lambda x: x.get("order", 0)):
        entry = by_key.get(line["key"])
        open_ = [f for f in chart.findings(line.get("findings")) if f.required and f.outcome != "PASS"]
        lines.append(
            {
                "order": line.get("order"),
                "name": words.candidate_name(entry.candidate) if entry else line["key"],
                "number": entry.candidate.number if entry else None,
                "level": numbers.percent(line.get("level"), 2),
                "power": numbers.percent(line.get("power"), 0),
                "decision": line["decision"],
                "open": [words.sentence(f) for f in open_],
                "readings": triple(entry.readings) if entry else triple({}),
            }
        )
    return lines


def candidates(report: Mapping[str, Any]) -> dict[str, Any]:
    """The table of candidates."""
    every, shown = len(report.get("entries") or ()), chart.shown(report)
    front, certified = set(report.get("front") or ()), report.get("certified")
    return {
        "rows": [_candidate(entry, front, certified) for entry in shown],
        "left_out": every - len(shown),
        "total": every,
        "families": sorted({entry.candidate.family for entry in shown}),
        "energy": energy_title(report),
        "counts": Counter(chart.screening(entry) for entry in chart.entries(report)),
    }


def _candidate(entry: Entry, front: set[str], certified: str | None) -> dict[str, Any]:
    candidate, screened = entry.candidate, chart.screening(entry)
    return {
        "number": candidate.number,
        "key": candidate.key,
        "name": words.candidate_name(candidate),
        "settings": words.settings(candidate),
        "family": candidate.family,
        "screening": screened,
        "screening_words": chart.SCREEN_WORDS[screened],
        "front": candidate.key in front,
        "certified": candidate.key == certified,
        "error": numbers.percent(entry.error, 2)
        if entry.error is not None
        else "not trained"
        if entry.state == "refused"
        else "none",
        "error_sort": entry.error if entry.error is not None else "",
        "readings": triple(entry.readings),
        "why": shorten(chart.why(entry)),
    }


def shorten(text: str, length: int = 400) -> str:
    """A long text cut at a word, said to be cut."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1].rsplit(" ", 1)[0] + " … (cut)"


def refused(report: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Why candidates were refused, most frequent first."""
    return sorted((report.get("rejected_because") or {}).items(), key=lambda item: (-item[1], item[0]))


def measured(report: Mapping[str, Any]) -> dict[str, Any]:
    """How the readings were taken: method and status by quantity, the machine, the runtime's floor."""
    about = report.get("measure") or {}
    every = [r for entry in chart.entries(report) for r in entry.readings.values()]
    every += chart.readings((report.get("teacher") or {}).get("readings")).values()
    methods: dict[str, dict[str, Any]] = {}
    for reading in every:
        line = methods.setdefault(reading.quantity, {"title": numbers.title(reading.quantity), "statuses": Counter()})
        line["statuses"][reading.status.replace("_", " ")] += 1
        line |= {"method": reading.method, "source": reading.source, "device": reading.device}
    floor = about.get("runtime_floor")
    floor_reading = chart.readings({"floor": floor})["floor"] if floor else None
    machine = about.get("machine")
    return {
        "tier": about.get("tier") or numbers.MISSING,
        "floor": f"{numbers.value(floor_reading)} {numbers.spread(floor_reading)}".strip(),
        "machine": pairs(machine) if isinstance(machine, Mapping) else [("machine", plain(machine))],
        "methods": [line for _, line in sorted(methods.items())],
        "notes": [str(note) for note in about.get("notes") or ()],
    }


def data(report: Mapping[str, Any]) -> dict[str, Any]:
    """The table: where it came from, its splits, its groups, its leaks."""
    about = report.get("data") or {}
    groups_ = about.get("groups") or {}
    return {
        "facts": [(key, plain(about.get(key))) for key in ("table", "rows", "positive", "favourable")]
        + [("classes", ", ".join(map(str, about.get("classes") or ())) or numbers.MISSING)],
        "splits": [(name, numbers.count(n)) for name, n in (about.get("splits") or {}).items()],
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
        "leakage": pairs(about.get("leakage") or {}),
        "notes": [str(note) for note in about.get("notes") or ()],
    }


def method(report: Mapping[str, Any], found: Iterable[Finding]) -> dict[str, Any]:
    """How the decision was made: levels, looks, number of statements."""
    about, policy = report.get("method") or {}, report.get("policy") or {}
    levels = sorted({f.level for f in found if f.required})
    return {
        "confidence": numbers.percent(policy["confidence"], 0) if "confidence" in policy else numbers.MISSING,
        "choose": plain(policy.get("choose")),
        "m": plain(about.get("m")),
        "rule": plain(about.get("shortlist_rule")),
        "looks": pairs(about.get("looks") or {}),
        "levels": ", ".join(numbers.percent(level, 2) for level in levels) or numbers.MISSING,
    }


def cost(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the search spent."""
    about = report.get("cost") or {}
    spent = about.get("seconds") or {}
    counted = [(key.replace("_", " "), plain(about.get(key))) for key in ("trained", "refused", "duplicates", "broken")]
    return {
        "counts": counted,
        "seconds": [(key.replace("_", " "), numbers.seconds(value)) for key, value in spent.items()],
        "extra": pairs(
            {k: v for k, v in about.items() if k not in {"seconds", "trained", "refused", "duplicates", "broken"}}
        ),
    }


def purpose(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the system is for and who answers for it."""
    spec = report.get("spec") or {}
    names = {"purpose": "Purpose", "owner": "Owner", "out_of_scope": "Out of scope", "seed": "Seed", "trials": "Trials"}
    return [(words_, plain(spec.get(key))) for key, words_ in names.items()]


def digests(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """SHA-256 of everything that the decision rests on."""
    lines = [(name, plain((report.get(name) or {}).get("sha256"))) for name in ("spec", "policy", "data")]
    lines.append(("teacher", plain((report.get("teacher") or {}).get("digest"))))
    return lines + [(name, plain(value)) for name, value in (report.get("files") or {}).items()]
