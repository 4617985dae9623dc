"""The chosen student beside its teacher: errors with intervals, and of a search what both cost."""

from collections.abc import Mapping
from typing import Any

from autodistill.records import Finding, Reading
from autodistill.report import chart, errors, names, numbers, sections, words

NOBODY = "no student"
SMALLER = {"size": "smaller", "latency": "faster", "latency@32": "faster", "parameters": "fewer", "macs": "fewer"}
LARGER = {"size": "larger", "latency": "slower", "latency@32": "slower"}


def chosen(report: Mapping[str, Any]) -> str | None:
    """The key of the student that the page is about: the certified one, else the finalist."""
    key = report.get("certified") or report.get("finalist")
    return str(key) if key else None


def search(report: Mapping[str, Any], found: list[Finding]) -> dict[str, Any]:
    """The student that a search chose: a row a quantity, each with spread, ratio and status."""
    key = chosen(report)
    entry = next((e for e in chart.entries(report) if e.candidate.key == key), None)
    teacher = report.get("teacher") or {}
    theirs = chart.readings(teacher.get("readings"))
    ours = dict(entry.readings) if entry else {}
    rows = [_audit_error(report, teacher, found)]
    rows.append(
        {
            "title": f"{errors.title(report)}, search split",
            "note": "in standard deviations of the target; steered the search, not a result"
            if errors.of_numbers(report)
            else "steered the search; not a result",
            "teacher": errors.search(teacher.get("error_search"), report),
            "student": errors.search(entry.error, report) if entry and entry.error is not None else NOBODY,
            "teacher_spread": "",
            "student_spread": "",
            "ratio": _difference(entry.error if entry else None, teacher.get("error_search"), report),
            "words": "",
        }
    )
    if errors.of_numbers(report):
        rows += [_score(f) for f in found if _of_all_rows(f) and f.options.get("metric") != "rmse"]
    rows += [_quantity(name, ours, theirs, found) for name in _quantities(ours, theirs)]
    if entry is None:
        rows = [row | {"student": NOBODY, "ratio": "–", "words": ""} for row in rows]
    return {
        "student": names.candidate_name(entry.candidate) if entry else "No student reached certification",
        "number": entry.candidate.number if entry else None,
        "certified": bool(report.get("certified")),
        "teacher": str(teacher.get("name", "not named")),
        "settings": names.settings(entry.candidate) if entry else [],
        "notes": [*map(str, teacher.get("notes", ()))],
        "present": entry is not None,
        "rows": rows,
    }


def audit(report: Mapping[str, Any], found: list[Finding]) -> dict[str, Any]:
    """The student of a table of predictions: its error, and what was found about all rows with either model."""
    teacher, student = (report.get(who) or {} for who in ("teacher", "student"))
    before, now = (one.get("error_audit") or {} for one in (teacher, student))
    loss = next((f for f in found if f.check == "accuracy_loss" and f.estimate is not None), None)
    rows = []
    if before or now:
        rows.append(
            {
                "title": "Error",
                "note": "share of the audited rows decided wrongly; interval of each",
                "teacher": numbers.percent(before.get("value"), 2),
                "student": numbers.percent(now.get("value"), 2),
                "teacher_spread": errors.interval(before),
                "student_spread": errors.interval(now),
                "ratio": _difference(now.get("value"), before.get("value"), report),
                "words": f"tested: {words.measured(loss)}" if loss else "",
            }
        )
    rows += [_score(f) for f in found if _of_all_rows(f)]
    return {
        "student": str(student.get("name", "not named")),
        "number": None,
        "certified": False,
        "teacher": str(teacher.get("name", "not named")),
        "settings": [],
        "notes": [] if report.get("notes") else [*map(str, teacher.get("notes", ()))],
        "present": True,
        "rows": rows,
    }


def _of_all_rows(finding: Finding) -> bool:
    return finding.check == "score_loss" and finding.group is None and finding.student is not None


def _score(finding: Finding) -> dict[str, Any]:
    name = words.score(finding) or words.check_title(finding.check)
    return {
        "title": name[:1].upper() + name[1:],
        "note": words.unit_name(finding),
        "teacher": words.own(finding, finding.teacher),
        "student": words.own(finding, finding.student),
        "teacher_spread": "",
        "student_spread": "",
        "ratio": f"{words.step(finding)}{numbers.NARROW}points" if finding.unit == "share" else words.step(finding),
        "words": f"tested: {words.measured(finding)}{' times' if finding.limit_kind == 'at_most_ratio' else ''}",
    }


def _audit_error(report: Mapping[str, Any], teacher: Mapping[str, Any], found: list[Finding]) -> dict[str, Any]:
    line: Mapping[str, Any] = next((x for x in report.get("shortlist", ()) if x["key"] == chosen(report)), {})
    before = teacher.get("error_audit") or {}
    if errors.of_numbers(report):
        return _rmse(report, line, before, found)
    loss = next((f for f in found if f.check == "accuracy_loss" and f.estimate is not None), None)
    student = line.get("error_audit") or sections.error_of(loss, (report.get("policy") or {}).get("confidence"))
    if not student and loss is not None and loss.student is not None:
        student = {"value": 1 - loss.student}  # the finding speaks of rows decided rightly
    return {
        "title": "Error, audit split",
        "note": "share of rows decided wrongly; interval of each",
        "teacher": numbers.percent(before.get("value"), 2),
        "student": numbers.percent(student.get("value"), 2) if chosen(report) else NOBODY,
        "teacher_spread": errors.interval(before),
        "student_spread": errors.interval(student),
        "ratio": _difference(student.get("value"), before.get("value"), report),
        "words": f"tested: {words.measured(loss)}" if loss else "",
    }


def _rmse(
    report: Mapping[str, Any], line: Mapping[str, Any], before: Mapping[str, Any], found: list[Finding]
) -> dict[str, Any]:
    """The same of a regression: the root mean squared error in the target's unit."""
    tested = next((f for f in found if _of_all_rows(f) and f.options.get("metric") == "rmse" and f.required), None)
    ours, more = line.get("error_audit") or {}, line.get("loss") or {}
    sign = "+" if (more.get("estimate") or 0.0) > 0 else ""
    return {
        "title": f"{errors.title(report)}, audit split",
        "note": "in the target's own unit; interval of each",
        "teacher": errors.value(before, report),
        "student": errors.value(ours, report) if chosen(report) else NOBODY,
        "teacher_spread": errors.interval(before),
        "student_spread": errors.interval(ours),
        "ratio": sign + errors.value(more, report),
        "words": f"tested: {words.measured(tested)}" if tested else errors.interval(more),
    }


def _difference(student: float | None, teacher: float | None, report: Mapping[str, Any]) -> str:
    if student is None or teacher is None:
        return numbers.MISSING
    sign = "+" if student > teacher else ""
    return f"{sign}{errors.search_step(student - teacher, report)}"


def _quantities(ours: Mapping[str, Reading], theirs: Mapping[str, Reading]) -> list[str]:
    wanted = [name for name in chart.AXES if name != "energy" and (name in ours or name in theirs)]
    energies = sorted({name for name in (*ours, *theirs) if name.startswith("energy")}) or ["energy"]
    lead = [name for name in ("size", "latency", "latency@32") if name in wanted or name != "latency@32"]
    return [*lead, *energies, *(name for name in wanted if name not in lead)]


def _quantity(
    name: str, ours: Mapping[str, Reading], theirs: Mapping[str, Reading], found: list[Finding]
) -> dict[str, Any]:
    student, teacher = ours.get(name), theirs.get(name)
    s, t = (student.value if student else None), (teacher.value if teacher else None)
    factor, how = numbers.ratio(s, t) if s is not None and t is not None else "no ratio", ""
    quotient = s / t if s is not None and t else None
    together = ours.get("latency_ratio") if name == "latency" else None
    if together is not None and together.value is not None:
        quotient = together.value
        factor = f"{numbers.digits(quotient, 2)}{numbers.NARROW}×"
        tested = next((f for f in found if f.check == name and f.limit_kind == "at_most_ratio"), None)
        interval = f"tested: {words.measured(tested)}" if tested else numbers.spread(together)
        how = f"{interval}, read interleaved".strip(", ") + _status(together) + _apart(together, s, t)
    elif name.startswith("latency") and quotient is not None:
        how = "quotient of two readings"
    said = _factor_words(name, quotient)
    return {
        "title": numbers.title(name),
        "note": _how(student or teacher),
        "teacher": numbers.value(teacher),
        "student": numbers.value(student),
        "teacher_spread": numbers.spread(teacher) + _status(teacher),
        "student_spread": numbers.spread(student) + _status(student),
        "ratio": factor,
        "words": "; ".join(part for part in (said, how) if part),
    }


def _apart(together: Reading, student: float | None, teacher: float | None) -> str:
    """What the two readings apart come to, where the interval of the interleaved ratio has no place for it."""
    if student is None or not teacher or together.low is None or together.high is None:
        return ""
    quotient = student / teacher
    if together.low <= quotient <= together.high:
        return ""
    return f"; the two readings apart give {numbers.digits(quotient, 2)}{numbers.NARROW}×: the machine was not quiet"


def _factor_words(name: str, quotient: float | None) -> str:
    if not quotient:
        return ""
    kind = "energy" if name.startswith("energy") else name
    if quotient <= 1:
        return f"{numbers.digits(1 / quotient, 2)} times {SMALLER.get(kind, 'less')}"
    return f"{numbers.digits(quotient, 2)} times {LARGER.get(kind, 'more')}"


def _how(reading: Reading | None) -> str:
    if reading is None:
        return ""
    repeats = f", {reading.repeats} runs" if reading.repeats > 1 and reading.source == "measured" else ""
    return f"{reading.source}: {reading.method}{repeats}"


def _status(reading: Reading | None) -> str:
    if reading is None or reading.status in {"ok", "unavailable"}:
        return ""
    return f" ({reading.status.replace('_', ' ')})"
