"""Findings on accuracy loss: of all rows, and of the group that loses most."""

from typing import Any

import numpy as np

from autodistill.auditor.look import Bounds, Look, clean, decide, remarks, settle
from autodistill.auditor.sizes import scale_needed
from autodistill.records import Finding, Outcome
from autodistill.stats import PairedCounts, mcnemar, paired_limits, paired_upper
from autodistill.stats.shares import Floats
from autodistill.verdict import Line


def discordant(cells: Floats, harm: int) -> tuple[Floats, Floats, Floats]:
    """b (worse with the student), c (better), n from cells [..., 2, 2] by (teacher has it, student has it)."""
    only_teacher, only_student, n = cells[..., 1, 0], cells[..., 0, 1], cells.sum(axis=(-2, -1))
    return (only_teacher, only_student, n) if harm < 0 else (only_student, only_teacher, n)


def loss_upper(cells: Floats, harm: int, level: float) -> Floats:
    """The smallest limit on the loss that passes, [...]."""
    return paired_upper(*discordant(cells, harm), level)


def _margin(cells: Floats, harm: int, level: float) -> float:
    """The smallest limit that these rows pass at no loss and their own disagreement."""
    b, c, n = discordant(cells, harm)
    return float(paired_upper((b + c) / 2, (b + c) / 2, n, level))


def whole(look: Look, line: Line, found: PairedCounts) -> list[Finding]:
    """One finding a limit on the loss over all rows."""
    levels = np.array([look.level, look.fail_level])
    b, c, n = (float(part[0]) for part in discordant(found.cells, found.harm))
    low, high = paired_limits(b, c, n, levels)
    bounds = Bounds(estimate=(b - c) / n if n else 0.0, low=low[0], high=high[0], fail_low=low[1])
    rights = _shares(found.cells[0])
    limit = line.limits.get("at_most")
    outcome: Outcome = "REPORTED" if limit is None else decide(bounds, limit)
    if n < look.policy.n_min:
        outcome = "INSUFFICIENT"
    outcome, required = settle(look, line, outcome, unknown_rows=0, excluded=False)
    notes = remarks(look, bounds, limit, outcome, 0)
    if outcome == "INSUFFICIENT":
        notes.append(f"{n:.0f} rows, under n_min {look.policy.n_min}")
    rows_needed = None
    if look.rows_needed and limit is not None and outcome in {"INCONCLUSIVE", "INSUFFICIENT"}:
        rows_needed = _needed(look, found, np.array([0]), limit, n)
    return [
        look.finding(
            line,
            "at_most" if limit is not None else None,
            outcome,
            required=required,
            teacher=rights[0],
            student=rights[1],
            quantity="loss",
            estimate=bounds.estimate if n else None,
            low=float(bounds.low),
            high=float(bounds.high),
            method="tango-guard",
            statement=f"loss < {limit:g}" if limit is not None else "",
            rows=int(n),
            denominator=int(n),
            rows_needed=rows_needed,
            note="; ".join(notes),
            details=clean(
                {
                    "b": b,
                    "c": c,
                    "disagreement": (b + c) / n if n else 0.0,
                    "mcnemar_p": mcnemar(b, c),
                    "fail_low": bounds.fail_low,
                    "smallest_margin": _margin(found.cells[0], found.harm, look.level),
                }
            ),
        )
    ]


def _shares(cells: Floats) -> tuple[float | None, float | None]:
    """The teacher's and the student's own value from cells [2, 2]; None of no rows."""
    n = cells.sum()
    return (float(cells[1].sum() / n), float(cells[:, 1].sum() / n)) if n else (None, None)


def _needed(look: Look, found: PairedCounts, groups: "np.ndarray[Any, Any]", limit: float, rows: float) -> int | None:
    """Rows like these at which every one of ``groups`` passes with 80 % power; None if they lean towards a FAIL."""

    def passes(cells: Floats) -> "np.ndarray[Any, Any]":
        enough = cells.sum(axis=(-2, -1)) >= look.policy.n_min
        return np.asarray((enough & (loss_upper(cells, found.harm, look.level) < limit)).all(axis=-1))

    cells = found.cells[groups]
    b, c, n = discordant(cells, found.harm)
    if not n.all() or ((b - c) >= limit * n).any():
        return None
    scale = scale_needed(cells, passes, look.level)
    return None if scale is None else int(np.ceil(scale * rows))


def each(look: Look, line: Line, found: PairedCounts) -> list[Finding]:
    """One finding a limit: the group with the largest loss, over all groups that the policy speaks of."""
    names, cells, sizes = list(found.names), found.cells, found.sizes
    if look.policy.unknown == "require" and found.unknown is not None:
        names.append("(unknown)")
        cells, sizes = np.concatenate([cells, found.unknown[None]]), np.append(sizes, found.unknown_rows)
    if not names:
        return nothing(look, line, "no group is known")
    excluded = np.array([look.excluded(size) for size in sizes])
    b, c, n = discordant(cells, found.harm)
    levels = np.array([look.level, look.fail_level, look.level / len(names)])[:, None]
    low, high = paired_limits(b, c, n, levels)
    loss = (b - c) / np.where(n > 0, n, 1.0)
    few = n < look.policy.n_min
    judged = np.flatnonzero(~excluded)
    counted = judged[~few[judged]]
    limit = line.limits.get("at_most")
    groups = [
        clean({"n": n[g], "estimate": loss[g], "low": low[2, g], "high": high[0, g], "loss_low": low[0, g], "b": b[g]})
        | {"group": names[g], "outcome": _one(limit, (low[1, g], high[0, g]), few=few[g], excluded=excluded[g])}
        for g in range(len(names))
    ]
    ranked = counted if counted.size else judged if judged.size else np.arange(len(names))
    worst = int(ranked[np.argmax(loss[ranked])])
    bounds = Bounds(
        estimate=float(loss[worst]),
        low=float(low[2, ranked].max()),
        high=float(high[0, ranked].max()),
        fail_low=float(low[1, ranked].max()),
    )
    outcome: Outcome = "REPORTED" if limit is None else decide(bounds, limit)
    if outcome != "FAIL" and (few[judged].any() or not judged.size):
        outcome = "INSUFFICIENT"
    outcome, required = settle(look, line, outcome, unknown_rows=found.unknown_rows, excluded=not judged.size)
    notes = [f"largest of {len(ranked)} losses, biased upwards", *remarks(look, bounds, limit, outcome, 0)]
    if few.any():
        short = ", ".join(f"{names[g]} ({n[g]:.0f})" for g in np.flatnonzero(few))
        notes.append(f"under n_min {look.policy.n_min} rows: {short}")
    if look.capped(found.unknown_rows):
        notes += remarks(look, bounds, None, outcome, found.unknown_rows)
    rows_needed = None
    if look.rows_needed and limit is not None and outcome in {"INCONCLUSIVE", "INSUFFICIENT"} and judged.size:
        rows_needed = _needed(look, found, judged[judged < len(found.names)], limit, float(sizes[worst]))
    rights = _shares(cells[worst])
    return [
        look.finding(
            line,
            "at_most" if limit is not None else None,
            outcome,
            required=required,
            group=names[worst],
            teacher=rights[0],
            student=rights[1],
            quantity="worst_loss",
            estimate=bounds.estimate,
            low=bounds.low,
            high=bounds.high,
            method="tango-guard",
            statement=f"loss < {limit:g} in every group" if limit is not None else "",
            rows=int(sizes[worst]),
            denominator=int(n[worst]),
            rows_needed=rows_needed,
            note="; ".join(notes),
            details={
                "groups": groups,
                "fail_low": bounds.fail_low,
                "smallest_margin": max(_margin(cells[g], found.harm, look.level) for g in ranked),
                **({"excluded": [names[g] for g in np.flatnonzero(excluded)]} if excluded.any() else {}),
            },
        )
    ]


def _one(limit: float | None, ends: tuple[float, float], *, few: bool, excluded: bool) -> str:
    if few:
        return "INSUFFICIENT"
    if limit is None or excluded:
        return "REPORTED"
    return decide(Bounds(estimate=0.0, low=ends[0], high=ends[1], fail_low=ends[0]), limit)


def nothing(look: Look, line: Line, reason: str) -> Finding:
    """NOT_APPLICABLE, with the reason."""
    return look.finding(
        line, next(iter(line.limits), None), "NOT_APPLICABLE", quantity=line.name, method="none", note=reason
    )
