"""What of a difference is distillation's doing: said only as far as the intervals allow.

u_S − u_T = (u_S − u_C) [distillation] + (u_C − u_T) [not distillation], C the student's twin without distillation.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from autodistill.records import Finding
from autodistill.report import bars, numbers

RECIPE = "/recipe"


def by_stem(found: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Attributions by the id of what they split, without its limit; about the artefact before about the recipe."""
    out: dict[str, list[Finding]] = {}
    for finding in sorted(found, key=lambda f: f.id.endswith(RECIPE)):
        out.setdefault(finding.id.removeprefix("attribution/").removesuffix(RECIPE), []).append(finding)
    return out


def stem(finding: Finding) -> str:
    """A finding's id without its limit."""
    return finding.id.removesuffix(f"/{finding.limit_kind}") if finding.limit_kind else finding.id


def _other(finding: Finding) -> tuple[float, float | None, float | None] | None:
    """What is not distillation's: estimate and limits."""
    part = finding.details.get("not_distillation")
    if not isinstance(part, Mapping) or part.get("estimate") is None:
        return None
    return float(part["estimate"]), part.get("low"), part.get("high")


def _turned(part: tuple[float, float | None, float | None], turn: int) -> tuple[float, float | None, float | None]:
    """A part with its limits, positive on the side of the change that it is part of."""
    estimate, low, high = part
    if turn > 0:
        return part
    return -estimate, None if high is None else -high, None if low is None else -low


def _points(value: float, low: float | None, high: float | None) -> str:
    bounds = f" [{numbers.fixed(100 * low)}, {numbers.fixed(100 * high)}]" if None not in (low, high) else ""  # type: ignore[operator]
    return numbers.points(value) + bounds


def clause(finding: Finding, turn: int = 1, certain: bool = True) -> str:
    """One attribution as sentences. ``turn`` is −1 where the change that it splits is negative, and is told as its
    opposite; ``certain``: that change is surely not nothing."""
    other = _other(finding)
    if finding.estimate is None or other is None:
        return finding.note or "What of it is distillation's doing is not known: the reason was not recorded."
    mine, other = (_turned(part, turn) for part in ((finding.estimate, finding.low, finding.high), other))
    twins = "its twins without distillation show" if _seeds(finding) > 1 else "its twin without distillation shows"
    start = f"On average over seeds, {twins}" if finding.id.endswith(RECIPE) else twins[:1].upper() + twins[1:]
    parts = f"{start} {_points(*other)} of it, and {_points(*mine)} came with distillation"
    return f"{parts}: {_judged(mine, other, certain)}. {_about(finding)}."


def _judged(
    mine: tuple[float, float | None, float | None], other: tuple[float, float | None, float | None], certain: bool
) -> str:
    did, without = (part[1] is not None and part[1] > 0 for part in (mine, other))
    against = mine[2] is not None and mine[2] < 0
    if did and without:
        return "distillation did part of it, and part comes without it too (capacity, data or objective)"
    if did:
        return "distillation did it" if certain else "distillation moved it that way"
    if without:
        held = ", and distillation works against it" if against else ""
        return f"it comes without distillation too (capacity, data or objective){held}"
    return "distillation works against it" if against else "these rows cannot tell which of them made it"


def _seeds(finding: Finding) -> int:
    seeds = finding.details.get("seeds", 1)
    return int(seeds) if isinstance(seeds, int | float) else 1


def _about(finding: Finding) -> str:
    """What the statement speaks of."""
    about, seeds = finding.details.get("about"), _seeds(finding)
    if about == "the recipe":
        return f"About the recipe: {seeds} seeds of student and twin"
    if about == "this artefact":
        return f"About this student: against {seeds} seeds of its twin"
    return "Descriptive: one control, one seed"


def cell(found: list[Finding], over: bars.Domain) -> dict[str, Any] | None:
    """The first attribution of a gap as a cell of its table: distillation's part as a bar, the rest as text."""
    if not found:
        return None
    first, other = found[0], _other(found[0])
    if first.estimate is None:
        return {"bar": None, "text": first.note or "not known", "other": "", "about": ""}
    return {
        "bar": bars.bar(first, over),
        "text": _points(first.estimate, first.low, first.high),
        "other": f"without it: {_points(*other)}" if other else "",
        "about": str(first.details.get("about", "descriptive")),
    }


def line(report: Mapping[str, Any]) -> str:
    """All attributions of a report in one line, for a terminal; empty where there are none."""
    found = [f for f in msgspec.convert(report.get("attribution") or [], list[Finding]) if f.estimate is not None]
    found = [f for f in found if not f.id.endswith(RECIPE)]
    if not found:
        return ""
    did = [f for f in found if (f.low or 0) > 0 or (f.high or 0) < 0]
    named = ", ".join(_named(f) for f in did[:3]) + (f" and {len(did) - 3} more" if len(did) > 3 else "")
    where = (
        f"distillation itself moved {len(did)} of {len(found)} differences ({named})"
        if did
        else (f"in none of {len(found)} differences do these rows show distillation's own part")
    )
    return f"Attribution: {where}. {_about(found[0])}."


def _named(finding: Finding) -> str:
    metric = str(finding.options.get("metric", "accuracy")).replace("_", " ")
    who = f" for {finding.options.get('attribute')} = {finding.group}" if finding.group is not None else ""
    return f"{metric}{who} by {numbers.points(finding.estimate)}"
