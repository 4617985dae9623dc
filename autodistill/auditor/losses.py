"""Findings on accuracy loss: of all rows, and of the group that loses most."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill.auditor import clusters
from autodistill.auditor.look import Bounds, Look, clean, decide, finite, remarks, settle
from autodistill.auditor.sizes import by_root, scale_needed
from autodistill.records import Finding, Outcome
from autodistill.stats import PairedCounts, far_paired_limits, mcnemar, paired_limits, paired_upper
from autodistill.stats.clustered import Effect
from autodistill.stats.shares import Floats
from autodistill.verdict import UNKNOWN, Line

OPEN = frozenset({"INCONCLUSIVE", "INSUFFICIENT"})


def discordant(cells: Floats, harm: int) -> tuple[Floats, Floats, Floats]:
    """b (worse with the student), c (better), n from cells [..., 2, 2] by (teacher has it, student has it)."""
    only_teacher, only_student, n = cells[..., 1, 0], cells[..., 0, 1], cells.sum(axis=(-2, -1))
    return (only_teacher, only_student, n) if harm < 0 else (only_student, only_teacher, n)


def loss_upper(cells: Floats, harm: int, level: float) -> Floats:
    """The smallest limit on the loss that passes, [...]."""
    return paired_upper(*discordant(cells, harm), level)


def nothing(look: Look, line: Line, reason: str) -> list[Finding]:
    """NOT_APPLICABLE for each limit of the line, with the reason."""
    return [
        look.finding(line, kind, "NOT_APPLICABLE", quantity=line.name, method="none", note=reason)
        for kind in (tuple(line.limits) or (None,))
    ]


def whole(look: Look, line: Line, found: PairedCounts) -> list[Finding]:
    """The finding on the loss over all rows."""
    counts, shared = discordant(found.cells, found.harm), clusters.change(look, found)
    b, c, n = (float(part[0]) for part in counts)
    low, high = (float(end[0]) for end in clusters.limits(shared, paired_limits)(*counts, look.level))
    fail_low = clusters.limits(shared, far_paired_limits)(*counts, look.fail_level)[0]
    bounds = Bounds((b - c) / n if n else 0.0, low, high, float(fail_low[0]))
    outcome: Outcome = "REPORTED" if "at_most" not in line.limits else decide(bounds, line.limits["at_most"])
    notes = []
    few, why = clusters.too_few(shared, counts[2], look.policy.n_min)
    if few[0]:
        outcome = "INSUFFICIENT"
        notes.append(why[0])
    outcome, required = settle(look, line, outcome, unknown_rows=0, excluded=False)
    notes += remarks(look, bounds, line.limits.get("at_most"), outcome, 0)
    details: dict[str, Any] = {"b": b, "c": c, "disagreement": (b + c) / n if n else 0.0}
    details |= {"mcnemar_p": mcnemar(b, c)} if shared is None else clusters.described(shared, 0)
    margin = _margins(found, look.level, shared)[0]
    details |= {"fail_low": finite(bounds.fail_low), "smallest_margin": finite(margin)}
    quantity = str(getattr(line.check, "quantity", "loss"))
    common = {"quantity": quantity, "rows": int(n), "required": required, "note": "; ".join(notes)}
    common |= {"statement": quantity.replace("_", " "), "details": clean(details)}
    return [_finding(look, line, outcome, bounds, found, 0, **common)]


def _finding(
    look: Look, line: Line, outcome: Outcome, bounds: Bounds, found: PairedCounts, at: int, **values: Any
) -> Finding:
    """A finding on the loss in group ``at`` of ``found``."""
    cells, limit = found.cells[at], line.limits.get("at_most")
    n = float(cells.sum())
    group = values.get("group")
    what = f"{values.pop('statement')} < {limit:g}" if limit is not None else values.pop("statement")
    needed, rows = None, float(found.sizes[at])
    if look.rows_needed and limit is not None and outcome in OPEN and values["required"]:
        by_cluster = clusters.table(look, found, 4) is not None
        needed = (
            by_root(bounds.estimate, bounds.high, limit, look.level, rows)
            if by_cluster
            else _needed(look, found, limit, rows)
        )
    return look.finding(
        line,
        "at_most" if limit is not None else None,
        outcome,
        teacher=float(cells[1].sum() / n) if n else None,
        student=float(cells[:, 1].sum() / n) if n else None,
        estimate=bounds.estimate if n else None,
        low=finite(bounds.low) if n else None,
        high=finite(bounds.high) if n else None,
        method="tango-guard" if found.cell is None else "tango-guard-clusters",
        statement=what + (" in every group" if group is not None else ""),
        denominator=int(n),
        rows_needed=needed,
        **values,
    )


def _margins(found: PairedCounts, level: float, shared: Effect | None) -> Floats:
    """The smallest limit that these rows pass at no loss and their own disagreement, [K]."""
    b, c, n = discordant(found.cells, found.harm)
    return clusters.limits(shared, paired_limits)((b + c) / 2, (b + c) / 2, n, level)[1]


def _needed(look: Look, found: PairedCounts, limit: float, rows: float) -> int | None:
    """Rows like these at which every group passes with 80 % power; None if one leans towards a FAIL."""

    def passes(cells: Floats) -> npt.NDArray[np.bool_]:
        enough = cells.sum(axis=(-2, -1)) >= look.policy.n_min
        return np.asarray((enough & (loss_upper(cells, found.harm, look.level) < limit)).all(axis=-1))

    b, c, n = discordant(found.cells, found.harm)
    if not n.all() or ((b - c) >= limit * n).any():
        return None
    scale = scale_needed(found.cells, passes, look.level)
    return None if scale is None else int(np.ceil(scale * rows))


@dataclass(frozen=True, slots=True)
class _Groups:
    """The losses of all judged groups: limits [G], which are too small, which group loses most of those that count."""

    loss: Floats
    low: Floats
    shared_low: Floats
    high: Floats
    fail_low: Floats
    few: npt.NDArray[np.bool_]
    why: list[str]
    counted: npt.NDArray[np.int64]
    margins: Floats

    @property
    def worst(self) -> int:
        return int(self.counted[np.argmax(self.loss[self.counted])])

    @property
    def bounds(self) -> Bounds:
        """Of the maximum: high at α is the largest upper bound, low at α/G the largest lower one."""
        low, high, fail = (float(v[self.counted].max()) for v in (self.shared_low, self.high, self.fail_low))
        return Bounds(float(self.loss[self.worst]), low, high, fail)


def _groups(look: Look, found: PairedCounts) -> _Groups:
    (b, c, n), shared = discordant(found.cells, found.harm), clusters.change(look, found)
    low, high = clusters.limits(shared, paired_limits)(b, c, n, look.level)
    levels = np.array([look.fail_level, look.level / len(found.names)])[:, None]
    far = clusters.limits(shared, far_paired_limits)(b, c, n, levels)[0]
    few, why = clusters.too_few(shared, n, look.policy.n_min)
    counted = np.flatnonzero(~few) if not few.all() else np.arange(len(n))
    margins, loss = _margins(found, look.level, shared), (b - c) / np.where(n > 0, n, 1.0)
    return _Groups(loss, low, far[1], high, far[0], few, why, counted, margins)


def _judged(look: Look, found: PairedCounts) -> tuple[PairedCounts, list[str]]:
    """The groups that the policy speaks of, and the names of those that it leaves undecided."""
    grouped = found.unknown is not None
    if look.policy.unknown == "require" and found.unknown is not None:
        cells, sizes = np.concatenate([found.cells, found.unknown[None]]), np.append(found.sizes, found.unknown_rows)
        found = replace(found, names=(*found.names, UNKNOWN), cells=cells, sizes=sizes, unknown=None)
    # Leave is given for small groups of people; parts that a check makes itself (rare classes) have none.
    tiny = np.array([grouped and look.excluded(float(size)) for size in found.sizes], dtype=bool)
    kept = np.flatnonzero(~tiny)
    names = tuple(found.names[g] for g in kept)
    aside = [found.names[g] for g in np.flatnonzero(tiny)]
    group = None
    if found.group is not None:
        # A row of no judged group gets the code behind the last, which is that of the unknown.
        code = np.full(len(found.names) + 1, len(kept), dtype=np.int64)
        code[kept] = np.arange(len(kept))
        group = code[found.group]
    return replace(found, names=names, cells=found.cells[kept], sizes=found.sizes[kept], group=group), aside


def each(look: Look, line: Line, found: PairedCounts) -> list[Finding]:
    """The finding on the group with the largest loss, over all groups that the policy speaks of."""
    found, aside = _judged(look, found)
    if not found.names:
        return nothing(look, line, "no group is known" if not aside else f"all groups are left out: {', '.join(aside)}")
    groups = _groups(look, found)
    bounds, limit = groups.bounds, line.limits.get("at_most")
    outcome: Outcome = "REPORTED" if limit is None else decide(bounds, limit)
    notes = [f"largest of {len(groups.counted)} losses, biased upwards"] if len(groups.counted) > 1 else []
    if groups.few.any():
        outcome = outcome if outcome == "FAIL" and not groups.few.all() else "INSUFFICIENT"
        notes.append("; ".join(f"{found.names[g]}: {groups.why[g]}" for g in np.flatnonzero(groups.few)))
    outcome, required = settle(look, line, outcome, unknown_rows=found.unknown_rows, excluded=False)
    notes += remarks(look, bounds, limit, outcome, found.unknown_rows)
    margin = float(groups.margins[groups.counted].max())
    details: dict[str, Any] = {"groups": _table(found, groups, limit), "fail_low": finite(bounds.fail_low)}
    details |= {"smallest_margin": finite(margin)} | ({"excluded": aside} if aside else {})
    values = {"group": found.names[groups.worst], "quantity": "worst_loss", "rows": int(found.sizes[groups.worst])}
    values |= {"required": required, "note": "; ".join(notes), "details": details, "statement": "loss"}
    return [_finding(look, line, outcome, bounds, found, groups.worst, **values)]


def _table(found: PairedCounts, groups: _Groups, limit: float | None) -> list[dict[str, Any]]:
    """One row a group, for display: its loss with limits at ``level`` and what it would be called by itself."""
    rows = []
    b, c, n = discordant(found.cells, found.harm)
    for g, name in enumerate(found.names):
        loss, low, high = float(groups.loss[g]), float(groups.low[g]), float(groups.high[g])
        outcome: Outcome = "REPORTED"
        if groups.few[g]:
            outcome = "INSUFFICIENT"
        elif limit is not None:
            outcome = decide(Bounds(loss, low, high, float(groups.fail_low[g])), limit)
        row = {"group": name, "outcome": outcome, "estimate": loss, "low": finite(low), "high": finite(high)}
        row |= {"rows": n[g]}
        rows.append(clean(row | {"b": b[g], "c": c[g]}))
    return rows
