"""The tables between the first screen and the foot, but the audit's: worth, controls, shortlist, candidates."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from autodistill import stats
from autodistill.records import Entry, Finding, Reading
from autodistill.report import bars, chart, errors, grouped, names, numbers, sentences, terms, words


def error_of(loss: Finding | None, confidence: float | None) -> dict[str, float]:
    """The student's share of wrong decisions, from the finding about its loss, with Wilson limits; empty if unknown."""
    if loss is None or loss.student is None or loss.rows <= 0 or words.rate(loss) != words.RATES["accuracy"]:
        return {}
    wrong = 1 - loss.student
    level = loss.level if confidence is None else 1 - confidence
    low, high = stats.wilson(round(wrong * loss.rows), loss.rows, level)
    return {"value": wrong, "low": float(low), "high": float(high)}


def points_interval(value: Mapping[str, Any] | None) -> str:
    """An estimate in points with its interval."""
    if not value or value.get("estimate") is None:
        return numbers.MISSING
    low, high = value.get("low"), value.get("high")
    bounds = (
        f" [{numbers.fixed(100 * low)}, {numbers.fixed(100 * high)}]" if low is not None and high is not None else ""
    )
    return numbers.points(value["estimate"]) + bounds


def _step(value: Mapping[str, Any] | None, report: Mapping[str, Any], whole: bool = True) -> str:
    """A difference of errors, with its interval if ``whole``: in points, or of numbers in the target's unit."""
    given = value or {}
    if given.get("unit") == errors.TARGET:
        return errors.both(given, report) if whole else errors.value(given, report)
    return points_interval(given) if whole else numbers.points(given.get("estimate"), 2)


def worth(report: Mapping[str, Any]) -> dict[str, Any]:
    """Was distillation worth it: the student beside a twin that saw labels only."""
    found = report.get("worth") or {}
    if not found:
        return {"known": False, "sentence": "No label-only twin was trained, so this run cannot tell."}
    difference = found.get("difference") or {}
    if not difference:
        return {"known": False, "sentence": found.get("sentence") or "The sentence was not recorded."}
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
        "student": _step({**difference, "estimate": found.get("student_loss")}, report, whole=False),
        "twin": _step({**difference, "estimate": found.get("twin_loss")}, report, whole=False),
        "difference": _step(difference, report),
        "bar": bars.drawn(made) if made else None,
    }


def controls(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What stands beside the candidates, read on the audit split without a test."""
    return [_control(control, report) for control in report.get("controls") or ()]


def _control(control: Mapping[str, Any], report: Mapping[str, Any]) -> dict[str, Any]:
    read = chart.readings(control.get("readings"))
    missing = f"Not made: {control['reason']}" if control.get("reason") else ""
    return {
        "title": terms.model(str(control.get("title") or control["name"])),
        "what": " ".join(part for part in (str(control.get("what", "")), missing) if part),
        "search": errors.search(control.get("error"), report),
        "audit": errors.value(control.get("audit_error"), report),
        "audit_spread": errors.interval(control.get("audit_error")),
        "loss": "is the teacher" if control["name"] == "teacher" else _step(control.get("loss"), report),
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
                "text": numbers.value(reading) if known or reading is None else "unavailable",
                "why": "" if known or reading is None else reading.reason or "no reason recorded",
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
        open_ = [f for f in chart.findings(line.get("findings"), report) if f.required and f.outcome != "PASS"]
        lines.append(
            {
                "order": line.get("order"),
                "name": names.candidate_name(entry.candidate) if entry else line["key"],
                "number": entry.candidate.number if entry else None,
                "level": numbers.percent(line.get("level"), 2),
                "power": numbers.percent(line.get("power"), 0),
                "decision": line["decision"],
                "open": [sentences.sentence(f) for f in open_],
                "readings": triple(entry.readings) if entry else triple({}),
                "seeds": seeds(report, line),
            }
        )
    return lines


def seeds(report: Mapping[str, Any], line: Mapping[str, Any]) -> str:
    """The errors on the search split of a shortlisted recipe, trained with several seeds."""
    told = line.get("seeds") or {}
    seen = [one for one in told.get("errors") or () if one is not None]
    if not seen:
        return ""
    shown = [errors.search(one, report) for one in (min(seen), max(seen))]
    if len(seen) == 1:
        return f"{shown[0]}, one seed: {told.get('reason') or 'no more were trained'}"
    late = f"; {told['reason']}" if told.get("reason") else ""
    return f"{shown[0]} to {shown[1]} over {len(seen)} seeds{late}"


def candidates(report: Mapping[str, Any]) -> dict[str, Any]:
    """The table of candidates."""
    every, shown = len(report.get("entries") or ()), chart.shown(report)
    front, certified = set(report.get("front") or ()), report.get("certified")
    return {
        "rows": [_candidate(entry, front, certified, report) for entry in shown],
        "left_out": every - len(shown),
        "total": every,
        "families": sorted({entry.candidate.family for entry in shown}),
        "energy": energy_title(report),
        "counts": Counter(chart.screening(entry) for entry in chart.entries(report)),
    }


def _candidate(entry: Entry, front: set[str], certified: str | None, report: Mapping[str, Any]) -> dict[str, Any]:
    candidate, screened = entry.candidate, chart.screening(entry)
    return {
        "number": candidate.number,
        "key": candidate.key,
        "name": names.candidate_name(candidate),
        "settings": names.settings(candidate),
        "group_data": grouped.uses(candidate.fairness),
        "family": candidate.family,
        "screening": screened,
        "screening_words": chart.SCREEN_WORDS[screened],
        "front": candidate.key in front,
        "certified": candidate.key == certified,
        "error": _error(entry, report),
        "partly": chart.partly(entry),
        "error_sort": entry.error if entry.error is not None else "",
        "readings": triple(entry.readings),
        "why": names.shorten(chart.why(entry)),
    }


def _error(entry: Entry, report: Mapping[str, Any]) -> str:
    if entry.error is not None:
        return errors.search(entry.error, report)
    return "not trained" if entry.state in {"refused", "skipped"} else "none"


def refused(report: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Why candidates were refused, most frequent first."""
    found = (report.get("rejected_because") or {}).items()
    return [(terms.reason(str(why)), n) for why, n in sorted(found, key=lambda item: (-item[1], item[0]))]


def fairlearn(report: Mapping[str, Any]) -> list[dict[str, str]]:
    """fairlearn's point values as cells; those of very small groups withheld."""
    lines = []
    for found in report.get("fairlearn") or ():
        group, rows = found.get("group"), found.get("denominator")
        hidden = group is not None and rows is not None and rows < chart.SMALL_CELL
        cells = {
            who: "withheld" if hidden else "undefined" if found.get(who) is None else numbers.fixed(found[who], 4)
            for who in ("teacher", "student")
        }
        about = "all groups" if group is None else str(group) or "unknown"
        lines.append(
            {"metric": found["metric"].replace("_", " "), "attribute": found["attribute"], "group": about, **cells}
        )
    return lines
