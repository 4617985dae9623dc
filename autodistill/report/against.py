"""Distillation against traditional compression: the student, its twin and what anyone would try first, in one table.

A row whose model cannot be had says why. Everything is read off a report's plain values, so that a run that is judged
again has its own.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from autodistill.records import Candidate
from autodistill.report import errors, numbers, terms

ORDER = ("label_only", "quantised", "pruned", "linear", "majority")
TITLES = {
    "label_only": "Its twin, trained on labels alone",
    "quantised": "The teacher in int8",
    "pruned": "The teacher, pruned",
    "linear": "Linear",
    "majority": "Majority",
}
MEAN = "Always the mean"
NOBODY = "no candidate was tested on the audit split, so there is no student to stand beside"
ELSEWHERE = "it was trained for the search's finalist, which is another student, and judging again trains nothing"
Plain = Mapping[str, Any]


def rows(report: Plain) -> list[dict[str, Any]]:
    """The table's rows in a fixed order. ``size_ratio`` and ``latency_ratio`` are to the teacher's, ``error`` is of the
    audit split, ``difference`` how much oftener than the teacher it is wrong there; what is None has its ``reason``."""
    by_name = {str(one["name"]): one for one in report.get("controls") or ()}
    teacher = (report.get("teacher") or {}).get("readings") or {}
    entry = _entry(report)
    controls = [_control(name, by_name.get(name), entry, teacher) for name in ORDER]
    if errors.of_numbers(report):
        controls = [{**one, "title": MEAN} if one["name"] == "majority" else one for one in controls]
    return [_student(report, entry, teacher), *controls]


def told(report: Plain) -> list[dict[str, Any]]:
    """The rows that a report holds; of one that is older than this table, made from the rest of it."""
    found = report.get("against")
    return [dict(row) for row in found] if found is not None else rows(report)


def _entry(report: Plain) -> Plain | None:
    """The student that the page is about, as the search left it."""
    key = report.get("certified") or report.get("finalist")
    return next((one for one in report.get("entries") or () if key is not None and _key(one) == key), None)


def _student(report: Plain, entry: Plain | None, teacher: Plain) -> dict[str, Any]:
    key = report.get("certified") or report.get("finalist")
    line: Plain = next((one for one in report.get("shortlist") or () if one["key"] == key), {})
    certified = bool(report.get("certified"))
    title = "The certified student" if certified else "The finalist, not certified" if entry else "No student"
    said = {"name": "student", "title": title, "what": "", "decision": line.get("decision"), "reason": ""}
    if entry is None:
        return {**said, **_costs({}, teacher), "error": None, "difference": None, "reason": NOBODY}
    error, difference = line.get("error_audit"), line.get("loss")
    reason = "" if error else "the audit rows were not read"
    candidate = entry["candidate"]
    what = f"{candidate['family']}, loss {candidate['loss']}, {candidate['precision']}"
    costs = _costs(entry.get("readings") or {}, teacher)
    return {**said, "what": what, **costs, "error": error, "difference": difference, "reason": reason}


def _control(name: str, control: Plain | None, entry: Plain | None, teacher: Plain) -> dict[str, Any]:
    said = {"name": name, "title": TITLES[name], "decision": None}
    lacking = _lacking(name, control, entry)
    if control is None or lacking:
        return {**said, "what": "", **_costs({}, teacher), "error": None, "difference": None, "reason": lacking}
    return {
        **said,
        "what": str(control.get("what") or ""),
        **_costs(control.get("readings") or {}, teacher),
        "error": control.get("audit_error"),
        "difference": control.get("loss"),
        "reason": str(control.get("reason") or "").removeprefix("not applicable: "),
    }


def _lacking(name: str, control: Plain | None, entry: Plain | None) -> str:
    """Why a row has no model ("" where it has one)."""
    if entry is None:
        return NOBODY
    student = entry["candidate"]
    if control is None:
        own = {"label_only": "was trained on labels alone", "linear": "is linear and was trained on labels alone"}
        alone = name in own and student["loss"] == "none" and (name == "label_only" or student["family"] == name)
        return f"the student itself {own[name]}" if alone else "this run has none"
    made = control.get("candidate") if name == "label_only" else None
    parts = ("family", "student", "precision")
    return ELSEWHERE if made and any(made[part] != student[part] for part in parts) else ""


def _costs(read: Plain, teacher: Plain) -> dict[str, Any]:
    """Both ratios to the teacher; a latency is the quotient of calls read in turns, or of two readings."""
    own, theirs = (_value(one, "size") for one in (read, teacher))
    ratio = read.get("latency_ratio") or {}
    latency: dict[str, Any] | None
    if ratio.get("value") is not None:
        latency = {name: ratio.get(name) for name in ("value", "low", "high")}
    else:
        mine, other = (_value(one, "latency") for one in (read, teacher))
        latency = {"value": mine / other, "low": None, "high": None} if mine and other else None
    why = "" if latency or not read else _why(ratio, read.get("latency") or {}, teacher.get("latency") or {})
    return {
        "size_ratio": own / theirs if own and theirs else None,
        "latency_ratio": latency,
        "latency_reason": why,
    }


def _why(*readings: Plain) -> str:
    return next((str(one["reason"]) for one in readings if one.get("reason")), "not read")


def _value(readings: Plain, name: str) -> float | None:
    found = (readings.get(name) or {}).get("value")
    return None if found is None else float(found)


def _key(entry: Plain) -> str:
    """A candidate's key of an entry's plain values."""
    return msgspec.convert(entry["candidate"], Candidate).key


def shown(report: Plain) -> list[dict[str, str]]:
    """The rows as finished texts."""
    return [_texts(row, report) for row in told(report)]


def _texts(row: Plain, report: Plain) -> dict[str, str]:
    made = row["error"] is not None or row["size_ratio"] is not None
    absent = "–" if not made else ""
    student = row["name"] == "student"
    error, difference = row["error"] or {}, row["difference"] or {}
    return {
        "title": terms.model(str(row["title"])),
        "what": str(row["what"]),
        "reason": f"{'Not made: ' if not made else ''}{row['reason']}" if row["reason"] else "",
        "size": times(row["size_ratio"]) or absent or numbers.MISSING,
        "latency": times((row["latency_ratio"] or {}).get("value")) or absent or "none",
        "latency_spread": _spread(row["latency_ratio"] or {}) or (str(row.get("latency_reason") or "") if made else ""),
        "error": errors.value(error, report) if error else absent or "none",
        "error_spread": errors.interval(error),
        "difference": errors.value(difference, report) if difference else absent or "none",
        "difference_spread": errors.interval(difference),
        "verdict": str(row["decision"] or ("not tested" if student else "not judged")),
    }


def times(value: float | None) -> str:
    """A ratio to the teacher: ``0.36×``; "" where there is none."""
    return "" if value is None else f"{numbers.digits(value, 2)}{numbers.NARROW}×"


def _spread(found: Plain) -> str:
    if found.get("low") is None or found.get("high") is None:
        return ""
    return f"[{numbers.digits(found['low'], 2)}, {numbers.digits(found['high'], 2)}]"


def teacher_line(report: Plain) -> str:
    """What all rows are compared with."""
    found = (report.get("teacher") or {}).get("error_audit") or {}
    if not found:
        return "The teacher's own error on the audit split was not recorded."
    rate, limits = errors.value(found, report), errors.interval(found)
    if errors.of_numbers(report):
        return f"Errors are root mean squared errors; the teacher's own on the audit rows is {rate} {limits}."
    return f"The teacher itself errs on {rate} of the audit rows {limits}."
