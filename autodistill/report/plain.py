"""The audit in plain words: one paragraph a group and quantity, what matters first, what passes folded away."""

from collections.abc import Iterable, Mapping
from typing import Any

from autodistill.records import Finding
from autodistill.report import attributed, chart, sentences, words

CHANGED = ("amplified", "introduced", "introduced (reversed)", "mitigated")
OPEN = frozenset({"INCONCLUSIVE", "INSUFFICIENT", "NOT_APPLICABLE"})
WORST = ("FAIL", "INCONCLUSIVE", "INSUFFICIENT", "NOT_APPLICABLE", "PASS", "REPORTED")
ERRORS = frozenset({"accuracy", "error", "brier", "log_loss", "rmse", "mae"})
"""Metrics whose worse side is known whichever class is favourable."""
NEUTRAL = frozenset({"mean_error", "calibration_in_the_large"})
"""Metrics that should be zero: neither side is the better one."""
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
        "rank": 1 if overall and rank and worst.check in {*words.LOSSES, "score_loss"} else rank,
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
    """FAIL, the loss over all rows (1), what changed the gap, what is not decided; the rest is folded."""
    if worst.outcome == "FAIL":
        return 0
    if origin in CHANGED:
        return 2
    return 3 if worst.required and worst.outcome in OPEN else 4


def _test(finding: Finding) -> dict[str, str]:
    """One tested limit, or that there was none."""
    names = {"grows_by_at_most": "growth", "at_most": "now" if finding.check in words.SIGNED else ""}
    name = names.get(finding.limit_kind or "", "")
    value = finding.note if finding.estimate is None else words.measured(finding)
    limit = f", limit {words.bound(finding)}" if finding.limit is not None else ""
    return {
        "outcome": finding.outcome,
        "outcome_words": words.OUTCOMES[finding.outcome],
        "text": f"{name} {value or 'no estimate'}{limit}".strip(),
        "needed": words.rows_needed(finding) if finding.outcome in OPEN else "",
    }


def _told(finding: Finding, favourable: bool) -> str:
    """The comparison in the group, and what becomes of the gap; other checks in their own sentence."""
    moved = finding.details.get("change")
    gaps = finding.check in {"group_gap", "score_gap"} and None not in (finding.gap_teacher, finding.gap_student)
    if moved is None or not gaps:
        return f"{sentences.body(finding)}."
    metric = str(finding.options.get("metric", ""))
    directed = metric in ERRORS or (favourable and metric not in NEUTRAL)
    return f"For {words.who(finding)}{_beside(finding)}{_gap_told(finding, float(moved), directed)}"


def _beside(finding: Finding) -> str:
    """What the student does in the group beside the teacher."""
    if sentences.comparison(finding):
        return f", the student {sentences.comparison(finding)}. "
    if finding.check == "score_gap" and finding.student is not None and finding.teacher is not None:
        values = words.own(finding, finding.student), words.own(finding, finding.teacher)
        return f", the {words.score(finding)} is {values[0]} with the student and {values[1]} with the teacher. "
    return ": "


def _gap_told(finding: Finding, moved: float, directed: bool) -> str:
    """Where the group stands beside its reference with either model, and by how much that moved."""
    teacher, student = float(finding.gap_teacher or 0), float(finding.gap_student or 0)
    beside = f"Beside {sentences.rest(finding)}, this group"
    low, high = _moved(finding, -1 if moved < 0 else 1)
    bounds = ""
    if low is not None and high is not None:
        bounds = f" [{words.amount(finding, low, unit=False)}, {words.amount(finding, high, unit=False)}]"
    size = words.amount(finding, abs(moved)) + bounds
    chance = ", which these rows cannot tell from no change" if low is not None and low <= 0 else ""
    was, now = (_standing(finding, gap, directed) for gap in (teacher, student))
    if teacher * student < 0:
        return f"{beside} stands {now} with the student and {was} with the teacher: the gap moved by {size}{chance}."
    stands = f"{beside} stands {now} with the student and {words.amount(finding, abs(teacher))} with"
    if not moved or words.amount(finding, abs(moved), unit=False) == words.amount(finding, 0.0, unit=False):
        return f"{stands} the teacher: the gap is as wide as before{bounds}."
    wider = "wider" if abs(student) > abs(teacher) else "narrower"
    return f"{stands} the teacher: the gap is {wider} by {size}{chance}."


def _moved(finding: Finding, turn: int) -> tuple[float | None, float | None]:
    """The limits of the gap's change, turned so that the change itself is positive."""
    ends = [finding.details.get(name) for name in ("change_low", "change_high")]
    known = sorted(turn * float(end) for end in ends if end is not None)
    return (known[0], known[1]) if len(known) == 2 else (None, None)


def _standing(finding: Finding, gap: float, directed: bool) -> str:
    """How a group stands beside its reference; only how far off where neither side is the better one."""
    way = ("worse off" if gap > 0 else "better off") if directed and gap else "apart"
    return f"{words.amount(finding, abs(gap))} {way}"
