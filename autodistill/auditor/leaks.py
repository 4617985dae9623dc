"""Findings on two independent samples of one model: what it gives away about the rows it was trained on."""

import numpy as np

from autodistill.auditor.look import Bounds, Look, decide, remarks, settle
from autodistill.records import Finding, Outcome
from autodistill.stats import TwoSamples, clopper_pearson, mover, newcombe
from autodistill.verdict import Line


def advantage(look: Look, line: Line, found: TwoSamples) -> list[Finding]:
    """The difference of both shares, with Newcombe's limits; FAIL by the wider of those and of MOVER on exact ones."""
    (x, n), (y, m) = found.first, found.second
    empty = min(n, m) < 1
    low, high = newcombe(x, n, y, m, look.level)
    value = 0.0 if empty else x / n - y / m
    bounds = Bounds(value, float(low), float(high), _far_low(found, look.fail_level))
    limit = line.limits.get("at_most")
    outcome: Outcome = "REPORTED" if limit is None else decide(bounds, limit)
    notes = []
    if min(n, m) < look.policy.n_min:
        outcome = "INSUFFICIENT"
        notes.append(f"{n:.0f} members and {m:.0f} others to read, n_min is {look.policy.n_min}")
    outcome, required = settle(look, line, outcome, unknown_rows=0, excluded=False)
    notes += remarks(look, bounds, limit, outcome, 0)
    teacher = None
    if found.teacher is not None and min(found.teacher[0][1], found.teacher[1][1]) > 0:
        teacher = found.teacher[0][0] / found.teacher[0][1] - found.teacher[1][0] / found.teacher[1][1]
    return [
        look.finding(
            line,
            "at_most" if limit is not None else None,
            outcome,
            required=required,
            teacher=teacher,
            student=None if empty else value,
            quantity=found.quantity,
            estimate=None if empty else value,
            low=None if empty else bounds.low,
            high=None if empty else bounds.high,
            method="newcombe",
            statement="" if limit is None else f"advantage < {limit:g}",
            rows=int(n + m),
            denominator=int(min(n, m)),
            note="; ".join(notes),
            details={"members": int(n), "others": int(m), **found.details},
        )
    ]


def _far_low(found: TwoSamples, level: float) -> float:
    (x, n), (y, m) = found.first, found.second
    if min(n, m) < 1:
        return -1.0
    shares = np.asarray(x / n), np.asarray(y / m)
    exact, _ = mover(shares[0], clopper_pearson(x, n, level), shares[1], clopper_pearson(y, m, level))
    return float(min(exact, newcombe(x, n, y, m, level)[0]))
