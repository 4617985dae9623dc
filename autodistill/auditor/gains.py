"""Findings on superiority: the student errs less than another model by more than a margin (AUDIT §2, δ < 0)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill.auditor import clusters
from autodistill.auditor.look import Bounds, Look, clean, decide, finite, remarks, settle
from autodistill.auditor.losses import OPEN, discordant
from autodistill.auditor.sizes import by_root, scale_needed
from autodistill.records import Finding, Outcome
from autodistill.stats import PairedCounts, far_paired_limits, mcnemar, paired_limits
from autodistill.stats.shares import Floats
from autodistill.verdict import Line


def gain(look: Look, line: Line, found: PairedCounts) -> list[Finding]:
    """Accuracy of the student less that of the other model, on the same rows. PASS where its lower limit is above
    ``at_least``: the loss, turned, is under −``at_least`` by Tango's test and by Clopper–Pearson limits. (By Tango's
    alone a student exactly at the margin passes in up to 8.9 % of small splits, with the guard in 7.3 %, so in 5.2 %.)
    """
    counts, shared = discordant(found.cells, found.harm), clusters.change(look, found)
    b, c, n = (float(part[0]) for part in counts)
    low = float(clusters.limits(shared, paired_limits)(*counts, look.level)[0][0])
    far = clusters.limits(shared, far_paired_limits)
    high, fail_low = float(far(*counts, look.level)[1][0]), float(far(*counts, look.fail_level)[0][0])
    loss = Bounds((b - c) / n if n else 0.0, low, high, fail_low)
    limit = line.limits.get("at_least")
    margin = None if limit is None else -limit
    outcome: Outcome = "REPORTED" if margin is None else decide(loss, margin)
    notes = []
    few, why = clusters.too_few(shared, counts[2], look.policy.n_min)
    if few[0]:
        outcome = "INSUFFICIENT"
        notes.append(why[0])
    outcome, required = settle(look, line, outcome, unknown_rows=0, excluded=False)
    notes += remarks(look, loss, margin, outcome, 0)
    needed = None
    if look.rows_needed and required and outcome in OPEN and margin is not None:
        by_clusters = by_root(loss.estimate, loss.high, margin, look.level, n)
        needed = _needed(look, found, margin) if shared is None else by_clusters
    cells = found.cells[0]
    details: dict[str, Any] = {"b": b, "c": c, "disagreement": (b + c) / n if n else 0.0}
    details |= {"mcnemar_p": mcnemar(b, c)} if shared is None else clusters.described(shared, 0)
    return [
        look.finding(
            line,
            "at_least" if limit is not None else None,
            outcome,
            required=required,
            reference=str(line.options.get("control", "")) or None,
            student=float(cells[:, 1].sum() / n) if n else None,
            student_reference=float(cells[1].sum() / n) if n else None,
            quantity="gain",
            estimate=-loss.estimate if n else None,
            low=finite(-loss.high) if n else None,
            high=finite(-loss.low) if n else None,
            method="tango-exact" if shared is None else "tango-exact-clusters",
            statement="" if limit is None else f"gain > {limit:g}",
            rows=int(n),
            denominator=int(n),
            rows_needed=needed,
            note="; ".join(notes),
            details=clean(details | {"fail_high": finite(-loss.fail_low)}),
        )
    ]


def _needed(look: Look, found: PairedCounts, margin: float) -> int | None:
    """Rows like these at which the gain passes with 80 % power; None where it leans towards a FAIL."""

    def passes(cells: Floats) -> npt.NDArray[np.bool_]:
        enough = cells.sum(axis=(-2, -1)) >= look.policy.n_min
        high = far_paired_limits(*discordant(cells, found.harm), look.level)[1]
        return np.asarray((enough & (high < margin)).all(axis=-1))

    b, c, n = (float(part[0]) for part in discordant(found.cells, found.harm))
    if not n or b - c >= margin * n:
        return None
    scale = scale_needed(found.cells, passes, look.level)
    return None if scale is None else int(np.ceil(scale * n))
