"""Which required row-level tests another split would pass: normal draws around what these rows say."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from autodistill.auditor.rowlevel import compare
from autodistill.auditor.rowlosses import DISCORDANT, side_of
from autodistill.records import IntArray, LimitKind, Policy
from autodistill.stats import Evidence, RowSums, gap_bounds, z_value
from autodistill.stats.disparity import CHANGE_SHARE, GAP_SHARE, growth_high
from autodistill.stats.influence import Measured, Spreads, by_group, measured
from autodistill.stats.shares import Floats, Limits
from autodistill.verdict import UNKNOWN, Line

SEED = 2903
Passes = tuple[str, LimitKind, npt.NDArray[np.bool_]]


def passes(
    evidence: Evidence, policy: Policy, line: Line, found: RowSums, *, level: float, scale: float, draws: int
) -> Iterator[Passes]:
    """(group, kind, passes [draws]) of each limit of ``line`` on splits ``scale`` times as large.

    Estimates are drawn from a normal law with the standard error of these rows over √scale; the length of each limit
    shrinks by √scale too. Groups, the student's gap and its change are drawn by themselves, so that a line with many
    tests is thought less likely to pass than it is. None passes on fewer rows than n_min, or than ten that differ.
    """
    data = measured(found, evidence.clusters)
    spreads = by_group(data)
    random = np.random.default_rng(SEED)
    if found.compare in {"contrast", "zero"}:
        yield from _gaps(policy, line, data, spreads, _Draw(level, scale, draws, random))
        return
    for kind, limit in line.limits.items():
        if kind == "at_most_ratio" and not found.ratio:
            yield "", kind, np.zeros(draws, dtype=bool)
            continue
        kept = _kept(policy, data)
        spread = (spreads.ratio if kind == "at_most_ratio" else spreads.change).take(kept)
        low, high = spread.limits(level)
        value, reach = (spread.estimate, high) if found.harm > 0 else (-spread.estimate, -low)
        drawn = value + (random.normal(size=(draws, len(kept))) * spread.error + reach - value) / np.sqrt(scale)
        most = np.log(limit) if kind == "at_most_ratio" else limit
        side = side_of(data, np.eye(data.size)[kept])
        enough = _enough(policy, side.under, side.differ, scale) & (spread.error > 0) & ~spread.heavy
        yield "", kind, np.asarray(((drawn < most) & enough).all(axis=1))


class _Draw:
    """One forecast: its level, how much larger the split is, how many draws."""

    def __init__(self, level: float, scale: float, draws: int, random: np.random.Generator) -> None:
        self.level, self.scale, self.draws, self.random = level, scale, draws, random

    def moved(self, limits: Limits, centre: Floats, level: float) -> Limits:
        """Limits at a fraction of ``level``, of splits drawn around ``centre`` [C]: [draws, C] each."""
        error = (limits[1] - limits[0]) / (2 * float(z_value(level)))
        shift = self.random.normal(size=(self.draws, len(centre))) * error / np.sqrt(self.scale)
        low, high = ((end - centre) / np.sqrt(self.scale) + centre for end in limits)
        return low + shift, high + shift


def _kept(policy: Policy, data: Measured) -> IntArray:
    """Codes of the groups that the policy judges."""
    names = data.found.names
    least = 0.0 if policy.exclude_below is None else policy.exclude_below * float(data.rows.sum())
    judged = [g for g, name in enumerate(names) if not name or data.rows[g] >= least]
    if policy.unknown == "require" and data.found.compare == "each" and data.rows[-1]:
        judged.append(len(names))
    return np.array(judged, dtype=np.int64)


def _enough(policy: Policy, under: Floats, differ: Floats, scale: float) -> npt.NDArray[np.bool_]:
    return np.asarray((scale * under >= policy.n_min) & (scale * differ >= DISCORDANT))


def _gaps(policy: Policy, line: Line, data: Measured, spreads: Spreads, draw: _Draw) -> Iterator[Passes]:
    compared, gap, (first, second) = compare(line, data, spreads)
    enough = (
        _enough(policy, np.minimum(first.under, second.under), np.minimum(first.differ, second.differ), draw.scale)
        & (gap.least_error > 0)
        & ~gap.heavy
    )
    least = 0.0 if policy.exclude_below is None else policy.exclude_below * float(data.rows.sum())
    share = draw.level * GAP_SHARE, draw.level * CHANGE_SHARE
    for kind, limit in line.limits.items():
        if kind == "at_most":
            high = gap_bounds(draw.moved(gap.student_limits(draw.level), gap.student, draw.level))[1]
        else:
            own = draw.moved(gap.student_limits(share[0]), gap.student, share[0])
            high = growth_high(own, draw.moved(gap.change_limits(share[1]), gap.change, share[1]))
        for c, (group, _) in enumerate(compared):
            if group in {"", UNKNOWN} or first.rows[c] >= least:
                yield group, kind, np.asarray(enough[c] & (high[:, c] < limit))
