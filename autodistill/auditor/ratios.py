"""Findings on the ratio of each group's share to that of a reference, or to the highest (impact ratio)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from autodistill.auditor import clusters
from autodistill.auditor.contrasts import sides
from autodistill.auditor.look import LEAN, Bounds, Look, decide, finite, remarks, settle
from autodistill.auditor.losses import OPEN, nothing
from autodistill.auditor.sizes import by_root
from autodistill.records import Finding, Outcome
from autodistill.stats import PairedCounts, far_ratio_limits, katz, ratio_limits
from autodistill.stats.shares import Floats
from autodistill.verdict import Line

FOUR_FIFTHS = 0.8


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratios:
    """One model's shares in group and reference, and the student's ratio with its limits, arrays [C]. What stands for
    a test is turned: a loss is a low ratio."""

    pairs: tuple[tuple[str, str], ...]
    n: tuple[Floats, Floats]
    teacher: tuple[Floats, Floats]
    student: tuple[Floats, Floats]
    low: Floats
    high: Floats
    fail_high: Floats
    few: list[str]


def findings(look: Look, line: Line, found: PairedCounts) -> list[Finding]:
    """Against the policy's reference by score limits, which may decide; else against the highest, for display."""
    if found.reference is None:
        return _highest(look, line, found)
    if not line.pairs or found.reference not in found.names:
        return nothing(look, line, f"the reference {found.reference!r} is not a group")
    ratios = _ratios(look, found, line.pairs, gate=True)
    return [_against(look, line, found, ratios, at) for at in range(len(line.pairs))]


def _ratios(look: Look, found: PairedCounts, pairs: tuple[tuple[str, str], ...], *, gate: bool) -> Ratios:
    parts = sides(found.cells, found.unknown, found.names, pairs, -3)
    n = tuple(part.sum(axis=(-2, -1)) for part in parts)
    some = [np.where(total > 0, total, 1.0) for total in n]
    counts = [part[:, :, 1].sum(axis=-1) for part in parts]
    counted = (counts[0], n[0], counts[1], n[1])
    shared = clusters.ratio(look, found, pairs)
    low, high = clusters.limits_of_ratio(shared, ratio_limits if gate else katz)(*counted, look.level)
    far = clusters.limits_of_ratio(shared, far_ratio_limits)(*counted, look.fail_level)[1] if gate else high
    return Ratios(
        pairs=pairs,
        n=(n[0], n[1]),
        teacher=tuple(part[:, 1, :].sum(axis=-1) / rows for part, rows in zip(parts, some, strict=True)),
        student=tuple(count / rows for count, rows in zip(counts, some, strict=True)),
        low=low,
        high=high,
        fail_high=far,
        few=clusters.too_few_sides(shared, (n[0], n[1]), look.policy.n_min),
    )


def _ratio(one: float, other: float, n: float) -> float | None:
    return float(one / other) if n and other > 0 else None


def _against(look: Look, line: Line, found: PairedCounts, all_: Ratios, at: int) -> Finding:
    limit, value = line.limits.get("at_least"), _ratio(all_.student[0][at], all_.student[1][at], all_.n[0][at])
    margin = None if limit is None else -limit
    turned = Bounds(-1.0 if value is None else -value, -all_.high[at], -all_.low[at], -all_.fail_high[at])
    outcome: Outcome = "REPORTED" if margin is None else decide(turned, margin)
    notes = [all_.few[at]] if all_.few[at] else []
    if not notes and value is None:
        notes = ["nobody is selected in the reference: the ratio is not defined"]
    if notes:
        outcome = "INSUFFICIENT"
    sizes = sides(found.sizes, np.array(found.unknown_rows), found.names, all_.pairs, -1)
    size, others = float(sizes[0][at]), float(sizes[1][at])
    excluded = look.aside(line, (all_.pairs[at][0], size), (all_.pairs[at][1], others))
    outcome, required = settle(look, line, outcome, unknown_rows=found.unknown_rows, excluded=bool(excluded))
    notes += [] if notes else remarks(look, turned, margin, outcome, found.unknown_rows)
    if excluded:
        notes.append(f"under {look.policy.exclude_below:.0%} of the rows, left undecided: {look.policy.because}")
    needed = None
    if look.rows_needed and required and outcome in OPEN and LEAN not in notes and margin is not None and value:
        needed = by_root(turned.estimate, turned.high, margin, look.level, size)
    more: dict[str, Any] = {"fail_high": finite(all_.fail_high[at]), "rows_reference": int(others)}
    more |= {"excluded": excluded} if excluded else {}
    suffix = "" if limit is None else "/at_least"
    return look.finding(
        line,
        "at_least" if limit is not None else None,
        outcome,
        id=f"{line.prefix}={all_.pairs[at][0]}{suffix}",
        required=required,
        method="koopman" if found.cell is None else "koopman-clusters",
        statement="" if limit is None else f"ratio > {limit:g}",
        rows=int(size),
        rows_needed=needed,
        note="; ".join(notes),
        **_shown(all_, at, value, more),
    )


def _shown(all_: Ratios, at: int, value: float | None, more: dict[str, Any]) -> dict[str, Any]:
    """What a finding shows of one ratio, with the four-fifths screen beside it."""
    group, reference = all_.pairs[at]
    teacher = _ratio(all_.teacher[0][at], all_.teacher[1][at], all_.n[0][at])
    screen = {"teacher_ratio": teacher, "four_fifths": None if value is None else bool(value < FOUR_FIFTHS)}
    return {
        "group": group,
        "reference": reference,
        "teacher": float(all_.teacher[0][at]) if all_.n[0][at] else None,
        "student": float(all_.student[0][at]) if all_.n[0][at] else None,
        "teacher_reference": float(all_.teacher[1][at]),
        "student_reference": float(all_.student[1][at]),
        "quantity": "impact_ratio",
        "estimate": None if value is None else float(value),
        "low": None if value is None else finite(all_.low[at]),
        "high": None if value is None else finite(all_.high[at]),
        "denominator": int(all_.n[0][at]),
        "details": screen | {"denominator_reference": int(all_.n[1][at])} | more,
    }


def _highest(look: Look, line: Line, found: PairedCounts) -> list[Finding]:
    """Each group's share over the student's highest, with Katz's interval."""
    n = found.cells.sum(axis=(-2, -1))
    some = np.where(n > 0, n, 1.0)
    teacher, student = found.cells[:, 1, :].sum(axis=-1) / some, found.cells[:, :, 1].sum(axis=-1) / some
    top, highest = found.names[int(np.argmax(student))], float(teacher.max())
    all_ = _ratios(look, found, tuple((name, top) for name in found.names), gate=False)
    out = []
    for at, name in enumerate(found.names):
        values = _shown(all_, at, _ratio(student[at], float(student.max()), n[at]), {})
        # The teacher's own highest is another group's where the two disagree.
        values["teacher_reference"] = highest
        values["details"] |= {"teacher_ratio": _ratio(float(teacher[at]), highest, n[at])}
        if name == top:
            values |= {"low": None, "high": None}
        few = all_.few[at]
        out.append(
            look.finding(
                line,
                None,
                "INSUFFICIENT" if few else "REPORTED",
                id=f"{line.prefix}={name}",
                required=False,
                method="katz" if found.cell is None else "katz-clusters",
                rows=int(found.sizes[at]),
                note="; ".join([*([few] if few else []), "the highest rate is picked on the same rows"]),
                **values,
            )
        )
    return out
