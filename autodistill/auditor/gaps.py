"""Findings on the gap between each group and its reference: two tests, one accounting, one origin label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autodistill.auditor import clusters
from autodistill.auditor.contrasts import agreeing, denominators, gap_of, sides, upper, values_of
from autodistill.auditor.look import LEAN, Bounds, Look, clean, decide, remarks, settle
from autodistill.auditor.losses import OPEN, nothing
from autodistill.auditor.sizes import by_root, scale_needed
from autodistill.records import Finding, LimitKind, Outcome
from autodistill.stats import (
    LABELS,
    Counts,
    Gap,
    NormalGap,
    PairedCounts,
    PairedGap,
    accounting,
    far_limits,
    gap_bounds,
    growth_low,
    growth_upper,
    origins,
    thresholds,
)
from autodistill.stats.clustered import ClusteredGap
from autodistill.stats.disparity import CHANGE_SHARE, GAP_SHARE, growth_high
from autodistill.stats.shares import Floats, Limits
from autodistill.verdict import REST, UNKNOWN, Line, pairs

QUANTITY = {"at_most": "gap", "grows_by_at_most": "gap_growth"}
METHODS = {"at_most": "mover-wilson", "grows_by_at_most": "mover-tango"}
FEW = "fewer than 10 discordant rows: a standard error certifies nothing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Contrasts:
    """All contrasts of one check on one attribute, as arrays [C]; a reference of "" is the value zero. ``undefined``
    and ``silent`` say why a contrast cannot be decided, or not be passed ("" where it can)."""

    pairs: tuple[tuple[str, str], ...]
    gap: Gap
    n: tuple[Floats, Floats]
    sizes: tuple[Floats, Floats]
    values: tuple[Floats, ...]
    methods: Mapping[str, str]
    unknown_rows: float
    undefined: Sequence[str]
    silent: Sequence[str]
    quantities: Mapping[str, str]
    teacher: Limits
    student: Limits
    change: Limits
    bounds: dict[str, tuple[Floats, Floats, Floats, Floats]]
    margins: Floats
    labels: list[str | None]


def _level_rows(limits: Limits, row: int) -> Limits:
    return limits[0][row], limits[1][row]


def contrasts(look: Look, line: Line, found: PairedCounts | Counts) -> Contrasts:
    """Everything that the findings of ``line`` say, computed once for all of its contrasts and levels."""
    compared = pairs(line.names, found.reference)
    gap = gap_of(found, compared, look)
    undefined, silent = clusters.undefined(gap, look.policy.n_min), [""] * len(compared)
    if isinstance(gap, NormalGap):
        finite = np.isfinite(gap.change_limits(look.level)[1]) & np.isfinite(gap.student_limits(look.level)[1])
        undefined = ["" if fine else "undefined in over 1 % of resampled tables" for fine in finite]
    if isinstance(found, Counts):
        silent = [FEW if few else "" for few in agreeing(found, compared)]
    return assemble(
        look,
        line,
        pairs=compared,
        gap=gap,
        n=denominators(found, compared),
        sizes=sides(found.sizes, np.array(found.unknown_rows), found.names, compared, -1),
        values=values_of(found, compared),
        methods=_methods(gap),
        unknown_rows=found.unknown_rows,
        undefined=undefined,
        silent=silent,
        quantities=QUANTITY,
    )


def _methods(gap: Gap) -> Mapping[str, str]:
    if isinstance(gap, ClusteredGap):
        return {kind: f"{method}-clusters" for kind, method in METHODS.items()}
    if isinstance(gap, PairedGap):
        return METHODS
    return dict.fromkeys(QUANTITY, "resampled-se" if isinstance(gap, NormalGap) else "clusters-se")


def assemble(look: Look, line: Line, *, gap: Gap, **known: Any) -> Contrasts:
    """Contrasts from their ``gap`` and what is ``known`` beside it (the other fields of ``Contrasts``)."""
    # Rows of levels: the PASS bounds, growth's two shares, the labels' half.
    share = look.level * np.array([1.0, GAP_SHARE, CHANGE_SHARE, 0.5])[:, None]
    student, change = gap.student_limits(share[[0, 1, 3]]), gap.change_limits(share[[0, 2, 3]])
    teacher = gap.teacher_limits(share[[0, 3]])
    one = [_level_rows(student, row) for row in range(3)]
    two = [_level_rows(change, row) for row in range(3)]
    far = far_limits(gap, look.fail_level)
    size = gap_bounds(one[0])
    bounds = {
        "at_most": (np.abs(gap.student), size[0], size[1], gap_bounds(far[0])[0]),
        "grows_by_at_most": (
            accounting(gap.teacher, gap.student)[1],
            growth_low(one[0], two[0]),
            growth_high(one[1], two[1]),
            growth_low(*far),
        ),
    }
    marks = thresholds(line.limits.get("at_most"), line.limits.get("grows_by_at_most"))
    labels: list[str | None] = [None] * len(known["pairs"])
    if marks is not None:
        labels = [LABELS[at] for at in origins(_level_rows(teacher, 1), one[2], two[2], *marks)]
    return Contrasts(
        gap=gap,
        teacher=_level_rows(teacher, 0),
        student=one[0],
        change=two[0],
        bounds=bounds,
        margins=_margins(gap, look.level),
        labels=labels,
        **known,
    )


def _margins(gap: Gap, level: float) -> Floats:
    """The smallest growth limit that these rows pass at no change and their own disagreement, [C]."""
    if not isinstance(gap, PairedGap):
        return growth_upper(gap, level)
    return growth_upper(replace(gap, group=_even(gap.group), rest=_even(gap.rest)), level)


def _even(cells: Floats) -> Floats:
    return np.asarray((cells + np.swapaxes(cells, -1, -2)) / 2)


def findings(look: Look, line: Line, found: PairedCounts | Counts) -> list[Finding]:
    """One finding a contrast and limit; unknown rows are listed with their own rates."""
    if not pairs(line.names, found.reference):
        missing = found.reference is not None and found.reference not in found.names
        why = f"the reference {found.reference!r} is not a group" if missing else "fewer than two known groups"
        return nothing(look, line, why) + unlisted(look, line, found)
    return listed(look, line, contrasts(look, line, found)) + unlisted(look, line, found)


def listed(look: Look, line: Line, computed: Contrasts) -> list[Finding]:
    """One finding a contrast and limit, or one a contrast where there is no limit."""
    kinds: tuple[LimitKind | None, ...] = tuple(line.limits) or (None,)
    return [_finding(look, line, computed, at, kind) for at in range(len(computed.pairs)) for kind in kinds]


def _decide(look: Look, all_: Contrasts, at: int, bounds: Bounds, limit: float | None) -> tuple[Outcome, list[str]]:
    """Outcome of one contrast by its own numbers, and why it is not more."""
    n, rest = float(all_.n[0][at]), float(all_.n[1][at])
    if min(n, rest) < look.policy.n_min:
        against = f" in the group and {rest:.0f} in the reference" if all_.pairs[at][1] else ""
        return "INSUFFICIENT", [f"{n:.0f} rows{against}, n_min is {look.policy.n_min}"]
    if all_.undefined[at] or np.isinf(bounds.high):
        return "INSUFFICIENT", [all_.undefined[at] or clusters.FEW]
    outcome: Outcome = "REPORTED" if limit is None else decide(bounds, limit)
    if outcome == "PASS" and all_.silent[at]:
        return "INCONCLUSIVE", [all_.silent[at]]
    return outcome, []


def _finding(look: Look, line: Line, all_: Contrasts, at: int, kind: LimitKind | None) -> Finding:
    group, reference = all_.pairs[at]
    n, rest = float(all_.n[0][at]), float(all_.n[1][at])
    size, others = float(all_.sizes[0][at]), float(all_.sizes[1][at])
    tested = kind or "grows_by_at_most"
    bounds = Bounds(*(float(end[at]) for end in all_.bounds[tested]))
    limit = line.limits.get(kind) if kind is not None else None
    outcome, notes = _decide(look, all_, at, bounds, limit)
    undecided = outcome == "INSUFFICIENT"
    excluded = look.aside(line, (group, size), (reference, others))
    outcome, required = settle(look, line, outcome, unknown_rows=all_.unknown_rows, excluded=bool(excluded))
    if not undecided:
        notes += remarks(look, bounds, limit, outcome, all_.unknown_rows)
    if excluded:
        notes.append(f"under {look.policy.exclude_below:.0%} of the rows, left undecided: {look.policy.because}")
    needed = None
    open_ = required and outcome in OPEN and LEAN not in notes and not all_.silent[at]
    if look.rows_needed and open_ and kind is not None:
        needed = _needed(look, all_, at, kind, bounds, line.limits[kind])
    if min(n, rest) <= 0:
        bounds = Bounds(*(float("nan"),) * 4)
    values = [_finite(float(v[at])) for v in all_.values]
    gaps = [_finite(float(u[at])) if min(n, rest) > 0 else None for u in (all_.gap.teacher, all_.gap.student)]
    return look.finding(
        line,
        kind,
        outcome,
        id=line.prefix + (f"={group}" if group else "") + (f"/{kind}" if kind is not None else ""),
        required=required,
        group=group or None,
        reference=reference or None,
        **dict(zip(("teacher", "teacher_reference", "student", "student_reference"), values, strict=True)),
        quantity=all_.quantities[tested],
        estimate=_finite(bounds.estimate),
        low=_finite(bounds.low),
        high=_finite(bounds.high),
        gap_teacher=gaps[0],
        gap_student=gaps[1],
        method=all_.methods[tested],
        statement=_statement(tested, limit, reference),
        origin=None if undecided else all_.labels[at],
        rows=int(size),
        denominator=int(n),
        rows_needed=needed,
        note="; ".join(notes),
        details=_details(all_, at, bounds, tested) | ({"excluded": excluded} if excluded else {}),
    )


def _statement(tested: str, limit: float | None, reference: str) -> str:
    if limit is None:
        return ""
    what = "|gap|" if reference else "|value|"
    return f"{what} < {limit:g}" if tested == "at_most" else f"growth < {limit:g}"


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _details(all_: Contrasts, at: int, bounds: Bounds, tested: str) -> dict[str, Any]:
    reference = all_.pairs[at][1]
    inherited, grown, mitigated = (float(part) for part in accounting(all_.gap.teacher[at], all_.gap.student[at]))
    if not np.isfinite(inherited) or not np.isfinite(bounds.estimate):
        return {}
    spans = {"teacher": all_.teacher, "student": all_.student, "change": all_.change}
    ends = {
        f"{name}_{end}": _finite(float(spans[name][i][at])) for name in spans for i, end in ((0, "low"), (1, "high"))
    }
    return clean(
        {
            "inherited": inherited,
            "grown": grown,
            "mitigated": mitigated,
            "change": float(all_.gap.change[at]),
            **ends,
            "fail_low": _finite(bounds.fail_low),
            "smallest_margin": _finite(float(all_.margins[at]))
            if tested == "grows_by_at_most"
            else _finite(bounds.high),
            **({"denominator_reference": all_.n[1][at], "rows_reference": all_.sizes[1][at]} if reference else {}),
        }
    )


def _needed(look: Look, all_: Contrasts, at: int, kind: LimitKind, bounds: Bounds, limit: float) -> int | None:
    """Rows in the group at which this contrast passes with 80 % power, its reference growing in proportion."""
    gap, rows = all_.gap, float(all_.sizes[0][at])
    if not isinstance(gap, PairedGap) or isinstance(gap, ClusteredGap):
        return by_root(bounds.estimate, bounds.high, limit, look.level, rows)
    strata, harm = np.stack([gap.group[at], gap.rest[at]]), gap.harm
    n_min = look.policy.n_min

    def passes(cells: Floats) -> "np.ndarray[Any, Any]":
        drawn = PairedGap(cells[:, 0], cells[:, 1], harm)
        enough = cells.sum(axis=(-2, -1)).min(axis=-1) >= n_min
        return np.asarray(enough & (upper(drawn, kind, look.level) < limit))

    if strata.sum(axis=(-2, -1)).min() < 1:
        return None
    scale = scale_needed(strata, passes, look.level)
    return None if scale is None else int(np.ceil(scale * rows))


def unlisted(look: Look, line: Line, found: PairedCounts | Counts) -> list[Finding]:
    """Rows of unknown group with their own rates, where there are any and the policy does not judge them."""
    if not found.unknown_rows or look.policy.unknown == "require" or found.unknown is None:
        return []
    values = [float(v[0]) if np.isfinite(v[0]) else None for v in values_of(found, ((UNKNOWN, REST),))]
    return [
        look.finding(
            line,
            None,
            "REPORTED",
            id=f"{line.prefix}={UNKNOWN}",
            required=False,
            group=UNKNOWN,
            quantity=str(line.options.get("metric", line.name)),
            teacher=values[0],
            student=values[2],
            method="none",
            rows=int(found.unknown_rows),
            note="rows whose group is unknown: listed, not in the reference, not judged",
        )
    ]
