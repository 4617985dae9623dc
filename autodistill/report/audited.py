"""The tables of the audit: groups with their bars, required tests, what is shown without a verdict."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from autodistill.records import Finding
from autodistill.report import attributed, bars, chart, numbers, sentences, words

HEADS = {
    **{check: {"at_most": "Loss"} for check in ("worst_group_loss", "tail_loss", "score_loss")},
    "calibration": {"at_most": "The student's own", "grows_by_at_most": "Growth"},
    "impact_ratio": {"at_least": "Ratio"},
}
SIMPLE = frozenset({"class_collapse", "tail_loss", "cvar", "beats_control", "reliance_shift", "noise_flips"})
"""Checks of over-simplification: what is about the model's behaviour as a whole."""


def groups(
    found: Iterable[Finding], *, judged: bool, splits: Mapping[str, list[Finding]] | None = None
) -> list[dict[str, Any]]:
    """A table a check, metric and attribute; a row a group; a bar a limit. ``judged``: required tests, or the rest;
    ``splits``: attributions by the id of the gap that they split."""
    tables: dict[tuple[str, ...], list[Finding]] = {}
    for f in found:
        if f.group is not None:
            tables.setdefault(words.kind(f), []).extend(_each_group(f))
    shown = [(key, table) for key, table in tables.items() if any(f.required or f.limit for f in table) == judged]
    return [_group_table(key, table, splits or {}) for key, table in shown]


def _each_group(finding: Finding) -> list[Finding]:
    """A finding about the worst group as one a group, from the table that it carries."""
    table = finding.details.get("groups")
    if not isinstance(table, list | tuple):
        return [finding]
    gone: dict[str, Any] = dict.fromkeys(
        ("teacher", "student", "teacher_reference", "student_reference", "denominator", "rows_needed")
    )
    rows = []
    for row in table:
        known: dict[str, Any] = {name: row.get(name) for name in ("group", "estimate", "low", "high", "outcome")}
        named = str(row.get("group")) == finding.group
        note = "the largest of the groups: this is the one tested" if named and len(table) > 1 else ""
        one = replace(finding, **gone, **known, rows=int(row.get("rows", 0)), note=note, details={})
        rows.append(chart.withheld(one))
    return rows


def _group_table(key: tuple[str, ...], found: list[Finding], splits: Mapping[str, list[Finding]]) -> dict[str, Any]:
    check, *_, attribute = key
    tested = [f for f in found if f.estimate is not None or f.limit is not None]
    kinds = list(dict.fromkeys(f.limit_kind or f.quantity for f in tested))
    scales = {kind: bars.domain(f for f in tested if (f.limit_kind or f.quantity) == kind) for kind in kinds}
    by_group: dict[tuple[str, str], list[Finding]] = {}
    for f in found:
        by_group.setdefault((str(f.group), str(f.reference or "")), []).append(f)
    known = words.rate(found[0])
    shares = any(f.teacher is not None for f in found)
    notes = {f.note for f in found} if len(by_group) > 1 or not found[0].required else set()
    heads = {"at_most": "Gap now", "grows_by_at_most": "Growth of the gap", "gap_growth": "Growth of the gap"}
    heads = heads if check in {"group_gap", "score_gap"} else HEADS.get(check, {})
    parts = {f.id: splits[attributed.stem(f)] for f in found if attributed.stem(f) in splits}
    over = bars.domain(part for found_ in parts.values() for part in found_[:1])
    if len(notes) == 1:  # said once above the table, not in every row
        by_group = {group: [replace(f, note="") for f in rows] for group, rows in by_group.items()}
    return {
        "title": _table_title(found[0]),
        "check": check,
        "attribute": "kind of row" if check == "tail_loss" else attribute,
        "says": f"share of {known.what} that a model {known.does}" if known and shares else "",
        "columns": [heads.get(kind, words.check_title(kind)) for kind in kinds],
        "rows": [
            _group_row(group, table, kinds, scales)
            | {"part": next((attributed.cell(parts[f.id], over) for f in table if f.id in parts), None)}
            for group, table in by_group.items()
        ],
        "parts": bool(parts),
        "origins": any(f.origin for f in found),
        "note": notes.pop() if len(notes) == 1 else "",
        "shares": shares,
        "counted": (known.what if known else "rows").capitalize(),
    }


def _table_title(finding: Finding) -> str:
    about = words.about(finding)
    if finding.check == "score_loss":
        return f"Loss in {about}, group by group"
    scores = finding.check in {"group_gap", "score_gap", "calibration"}
    return about[:1].upper() + about[1:] if scores else words.check_title(finding.check)


def _group_row(
    group: tuple[str, str], found: list[Finding], kinds: list[str], scales: Mapping[str, bars.Domain]
) -> dict[str, Any]:
    first = found[0]
    by_kind = {f.limit_kind or f.quantity: f for f in found}
    rows = first.denominator if first.denominator is not None else first.rows
    hidden = first.note == chart.WITHHELD
    against = "rest" if first.reference in {None, "rest"} else f"{first.reference}:"
    rest = [words.own(first, v) if v is not None else "" for v in (first.teacher_reference, first.student_reference)]
    return {
        "group": group[0] or "unknown",
        "against": group[1],
        "rows": f"under {chart.SMALL_CELL}" if hidden else numbers.count(rows),
        "teacher": "withheld" if hidden else words.own(first, first.teacher),
        "student": "withheld" if hidden else words.own(first, first.student),
        "teacher_reference": f"{against} {rest[0]}" if rest[0] else "",
        "student_reference": f"{against} {rest[1]}" if rest[1] else "",
        "change": words.step(first),
        "tests": _test_cells(by_kind, kinds, scales),
        "origin": next((f.origin for f in found if f.origin), None),
        "origin_words": next((words.ORIGINS.get(f.origin, f.origin) for f in found if f.origin), ""),
        "sentences": [sentences.sentence(f) for f in found],
    }


def _test_cells(
    by_kind: Mapping[str, Finding], kinds: list[str], scales: Mapping[str, bars.Domain]
) -> list[dict[str, Any] | None]:
    """A cell a limit; what is noted of all of them stands in the first only."""
    cells = [_test_cell(by_kind.get(kind), scales[kind]) for kind in kinds]
    met: set[str] = set()
    for cell in cells:
        if cell is not None:
            cell["note"] = "" if cell["note"] in met else cell["note"]
            met.add(cell["note"])
    return cells


def _test_cell(finding: Finding | None, over: bars.Domain) -> dict[str, Any] | None:
    if finding is None:
        return None
    return {
        "bar": bars.bar(finding, over),
        "text": words.measured(finding),
        "note": finding.note if finding.estimate is not None else "",
        "outcome": finding.outcome,
        "outcome_words": words.OUTCOMES[finding.outcome],
    }


def test_row(finding: Finding) -> dict[str, Any]:
    """One test: what was asked, what was found, and what would decide it."""
    return {
        "finding": finding,
        "title": _test_title(finding),
        "who": words.who(finding),
        "estimate": words.amount(finding, finding.estimate) if finding.estimate is not None else "no estimate",
        "bar": bars.drawn(finding) if finding.limit is not None else None,
        "interval": words.interval(finding) or ("exact" if finding.low is not None else "no interval"),
        "limit": words.limit(finding) if finding.limit is not None else "" if finding.statement else "none",
        "outcome": finding.outcome,
        "outcome_words": words.OUTCOMES[finding.outcome],
        "needed": _needed(finding),
        "note": finding.note,
        "method": finding.method,
    }


def _test_title(finding: Finding) -> str:
    if finding.check in {"score_loss", "score_gap", "group_gap"}:
        kind = "Gap" if finding.check != "score_loss" else "Loss"
        growing = finding.limit_kind == "grows_by_at_most"
        return f"{'Growth of the gap' if growing else kind} in {words.about(finding)}"
    against = ", against the teacher" if finding.limit_kind == "at_most_ratio" else ""
    about = words.about(finding)
    title = words.check_title(finding.check)
    return (title + about[len(title) :] if about.startswith(title.lower()) else title) + against


def levels(found: Iterable[Finding]) -> str:
    """The confidence of each end of the intervals, in words."""
    each = sorted({1 - f.level for f in found})
    return " or ".join(numbers.percent(level, 2 if round(1000 * level) != 1000 * level else 1) for level in each)


def _needed(finding: Finding) -> str:
    if finding.outcome in {"PASS", "FAIL", "REPORTED"}:
        return "decided" if finding.outcome != "REPORTED" else "no test"
    if finding.rows_needed is None:
        return "leans towards a fail" if words.leans(finding) else "not computed"
    return f"{numbers.count(finding.rows_needed)} (here {numbers.count(finding.rows)})"


def tests(found: Iterable[Finding]) -> list[dict[str, Any]]:
    """Every required test of the finalist."""
    return [test_row(f) for f in found if f.required]


def others(found: Iterable[Finding]) -> list[dict[str, Any]]:
    """Over-simplification, required or not."""
    return [test_row(f) for f in found if f.check in SIMPLE and f.group is None]


def reported(found: Iterable[Finding], unjudged: Iterable[str] = ()) -> list[dict[str, Any]]:
    """What was computed and decides nothing, less what is said elsewhere: ``unjudged`` names meters."""
    aside = {*SIMPLE, *unjudged}
    return [test_row(f) for f in found if not f.required and f.group is None and f.check not in aside]
