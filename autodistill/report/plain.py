"""The audit in plain words: one paragraph a group and quantity, what matters first, what passes folded away."""

from collections.abc import Iterable, Mapping
from typing import Any

from autodistill.records import Finding
from autodistill.report import attributed, chart, numbers, sentences, words

CHANGED = ("amplified", "introduced", "introduced (reversed)", "mitigated")
OPEN = frozenset({"INCONCLUSIVE", "INSUFFICIENT", "NOT_APPLICABLE"})
WORST = ("FAIL", "INCONCLUSIVE", "INSUFFICIENT", "NOT_APPLICABLE", "PASS", "REPORTED")
LEFT_OUT = frozenset({"attribution", "churn"})
"""Attribution is told with the gap that it splits; changed decisions have a section of their own."""


def items(report: Mapping[str, Any], found: Iterable[Finding]) -> dict[str, list[dict[str, Any]]]:
    """``said`` in order of weight, and ``folded``: what passes, or is shown only."""
    splits = attributed.by_stem(chart.findings(report.get("attribution")))
    directed = bool((report.get("data") or {}).get("favourable"))
    by_stem: dict[str, list[Finding]] = {}
    for finding in found:
        if finding.check not in LEFT_OUT and finding.split != "device" and _spoken(finding):
            by_stem.setdefault(attributed.stem(finding), []).append(finding)
    made = [_item(same, splits.get(stem, []), directed) for stem, same in by_stem.items()]
    ranked = sorted(made, key=lambda item: (item["rank"], item["order"]))
    return {
        "said": [item for item in ranked if item["rank"] < 4],
        "folded": [item for item in ranked if item["rank"] >= 4],
    }


def _spoken(finding: Finding) -> bool:
    """About a group; of what is about all rows, the required tests."""
    return finding.group is not None or finding.required


def _item(found: list[Finding], split: list[Finding], directed: bool) -> dict[str, Any]:
    worst = min(found, key=lambda f: WORST.index(f.outcome))
    origin = next((f.origin for f in found if f.origin), None)
    overall = worst.group is None
    rank = _rank(worst, origin)
    first = next((f for f in found if f.limit_kind == "grows_by_at_most"), found[0])
    return {
        "rank": 0 if overall and rank > 0 and worst.check in {*words.LOSSES, "score_loss"} else rank,
        "order": (CHANGED.index(origin) if origin in CHANGED else len(CHANGED), WORST.index(worst.outcome)),
        "outcome": worst.outcome,
        "outcome_words": words.OUTCOMES[worst.outcome],
        "who": words.who(worst) or "All rows",
        "about": words.about(worst),
        "text": _told(first, directed),
        "origin": origin,
        "origin_words": words.ORIGINS.get(origin, origin) if origin else "",
        "doing": [attributed.clause(f, *_changed(first, origin)) for f in split],
        "tests": [_test(f) for f in found],
    }


def _changed(finding: Finding, origin: str | None) -> tuple[int, bool]:
    """The sign of the change that an attribution splits, and whether there surely is one."""
    gap = finding.details.get("change")
    moved = finding.estimate if gap is None else gap
    turn = -1 if moved is not None and float(moved) < 0 else 1
    low = _moved(finding, turn)[0] if gap is not None else None
    if gap is None and None not in (finding.low, finding.high):
        low = min(turn * float(end) for end in (finding.low, finding.high) if end is not None)
    return turn, origin in CHANGED or (low is not None and low > 0)


def _rank(worst: Finding, origin: str | None) -> int:
    """FAIL, then what changed the gap, then what is not decided; the rest is folded."""
    if worst.outcome == "FAIL":
        return 1
    if origin in CHANGED:
        return 2
    return 3 if worst.required and worst.outcome in OPEN else 4


def _test(finding: Finding) -> dict[str, str]:
    """One tested limit, or that there was none."""
    names = {"grows_by_at_most": "growth", "at_most": "now" if finding.check in words.SIGNED else ""}
    name = names.get(finding.limit_kind or "", "")
    value = finding.note if finding.estimate is None else words.measured(finding)
    limit = f", limit {words.amount(finding, finding.limit)}" if finding.limit is not None else ""
    return {
        "outcome": finding.outcome,
        "outcome_words": words.OUTCOMES[finding.outcome],
        "text": f"{name} {value or 'no estimate'}{limit}".strip(),
        "needed": words.rows_needed(finding) if finding.outcome in OPEN else "",
    }


def _told(finding: Finding, directed: bool) -> str:
    """The comparison in the group, and what becomes of the gap; other checks in their own sentence."""
    moved = finding.details.get("change")
    if finding.check != "group_gap" or moved is None or finding.gap_teacher is None or finding.gap_student is None:
        return f"{sentences.body(finding)}."
    beside = sentences.comparison(finding)
    group = words.who(finding)
    start = f"For {group}, the student {beside}. " if beside else f"For {group}: "
    return start + _gap_told(finding, float(moved), directed)


def _gap_told(finding: Finding, moved: float, directed: bool) -> str:
    """Where the group stands beside its reference with either model, and by how much that moved."""
    teacher, student = float(finding.gap_teacher or 0), float(finding.gap_student or 0)
    beside = f"Beside {sentences.rest(finding)}, this group"
    low, high = _moved(finding, -1 if moved < 0 else 1)
    bounds = (
        f" [{numbers.fixed(100 * low)}, {numbers.fixed(100 * high)}]" if low is not None and high is not None else ""
    )
    size = numbers.points(abs(moved)) + bounds
    chance = ", which these rows cannot tell from no change" if low is not None and low <= 0 else ""
    was, now = _standing(teacher, directed), _standing(student, directed)
    if teacher * student < 0:
        return f"{beside} stands {now} with the student and {was} with the teacher: the gap moved by {size}{chance}."
    stands = f"{beside} stands {now} with the student and {numbers.points(abs(teacher))} with"
    if abs(moved) < sentences.SAME:
        return f"{stands} the teacher: the gap is as wide as before{bounds}."
    wider = "wider" if abs(student) > abs(teacher) else "narrower"
    return f"{stands} the teacher: the gap is {wider} by {size}{chance}."


def _moved(finding: Finding, turn: int) -> tuple[float | None, float | None]:
    """The limits of the gap's change, turned so that the change itself is positive."""
    ends = [finding.details.get(name) for name in ("change_low", "change_high")]
    known = sorted(turn * float(end) for end in ends if end is not None)
    return (known[0], known[1]) if len(known) == 2 else (None, None)


def _standing(gap: float, directed: bool) -> str:
    """How a group stands beside its reference; without a favourable class only how far off."""
    if not directed:
        return f"{numbers.points(abs(gap))} apart"
    return f"{numbers.points(abs(gap))} {'worse off' if gap > 0 else 'better off' if gap < 0 else 'apart'}"
