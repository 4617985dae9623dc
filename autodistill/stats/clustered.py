"""Rows that share clusters (a patient, a school): how much less they say than as many independent ones.

A share or a paired difference of clustered rows keeps its own test, fed with counts/deff and with Student's t for z:
``Effect.counts`` and ``Effect.level`` are those two changes. AUDIT §5 in the documentation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtrit

from autodistill.stats.disparity import PairedGap, signed
from autodistill.stats.shares import Floats, Limits, Numbers, clopper_pearson, mover, share_limits

LEAST, INFORMATIVE = 20, 10
"""No limits with fewer clusters, or with fewer in which anything varies: for a difference, in which the models differ;
for a share, in which its rarer outcome occurs. Where 4 of 100 clusters carry a loss a student at the margin passes in
8.8 % with 5 such clusters, in 5.9 % with 10."""

FURTHEST = 30.0
"""A critical value beyond it is taken as it: level 10⁻¹⁹⁷ is still a number."""


def t_value(level: Numbers, units: Numbers) -> Floats:
    """The deviate of Student's t with ``units`` − 1 degrees of freedom that is exceeded with probability ``level``."""
    freedom = np.maximum(np.asarray(units, float) - 1, 0.1)
    return np.asarray(np.minimum(-stdtrit(freedom, np.asarray(level, float)), FURTHEST))


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What clusters do to one quantity, arrays [...]: ``deff`` ≥ 1; ``units``, the effective number of clusters behind
    it; ``error``, its standard error; ``clusters`` with a row; ``known``, whether they are enough to say so."""

    deff: Floats
    units: Floats
    error: Floats
    clusters: Floats
    known: npt.NDArray[np.bool_]

    def level(self, level: Numbers) -> Floats:
        """The level at which a normal test has the critical value of Student's t at ``level``."""
        return np.asarray(ndtr(-t_value(level, self.units)))

    def counts(self, *values: Floats) -> tuple[Floats, ...]:
        """Counts divided by the design effect."""
        return tuple(np.asarray(value / self.deff) for value in values)

    def limits(self, test: Callable[..., Limits], counts: tuple[Floats, ...], level: Numbers) -> Limits:
        """Limits of ``test(*counts, level)`` for clustered rows; without end where too little is known."""
        low, high = test(*self.counts(*counts), self.level(level))
        return np.where(self.known, low, -np.inf), np.where(self.known, high, np.inf)


@dataclass(frozen=True)
class Influence:
    """What each cluster adds to an estimate [M], beyond its share of the rows (sums to zero), and how many clusters
    there are and vary."""

    values: Floats
    clusters: int
    varying: int

    @property
    def units(self) -> float:
        """(Σψ²)²/Σψ⁴: as many clusters of one weight would spread as much."""
        square = self.values**2
        total = float((square**2).sum())
        return float(square.sum()) ** 2 / total if total > 0 else 1.0

    @property
    def variance(self) -> float:
        """Σψ² · k/(k − 1), k the effective number of clusters: of one cluster nothing is known."""
        k = max(self.units, 1.0 + 1e-9)
        return float((self.values**2).sum()) * k / (k - 1)

    @property
    def known(self) -> bool:
        """Whether there are enough clusters for limits."""
        return self.clusters >= LEAST and self.varying >= INFORMATIVE

    def minus(self, other: "Influence") -> "Influence":
        """Of the difference of two estimates on the same clusters."""
        fewest = min(self.varying, other.varying)
        return Influence(self.values - other.values, min(self.clusters, other.clusters), fewest)


def influence(total: Floats, n: Floats, varying: npt.NDArray[np.bool_]) -> Influence:
    """Of Σ total/Σ n, from the sums by cluster [M]; ``varying`` says in which clusters anything does."""
    rows = float(n.sum())
    if rows <= 0:
        return Influence(np.zeros(len(n)), 0, 0)
    return Influence((total - total.sum() / rows * n) / rows, int((n > 0).sum()), int(varying.sum()))


def effect(found: Sequence[Influence], independent: Sequence[float]) -> Effect:
    """Of several strata, [K]; ``independent``: the variance that each estimate had if its rows were independent.

    The effective number of clusters, in the variance and in the degrees of freedom, in place of their plain number M:
    with M/(M − 1) and t of M − 1 a student at the margin passed up to 16.1 % of the time where sizes differ, with this
    6.6 % (560 cells: 20 to 400 clusters of 2 to 50 rows on average, equal or log-normal, intraclass correlation 0.05 to
    0.9, margins 2 to 10 points; naive limits: up to 70 %).
    """
    variance = np.array([one.variance for one in found])
    plain = np.array(independent)
    ratio = np.divide(variance, plain, out=np.ones_like(variance), where=plain > 0)
    return Effect(
        deff=np.maximum(1.0, ratio),
        units=np.array([one.units for one in found]),
        error=np.sqrt(variance),
        clusters=np.array([one.clusters for one in found], dtype=float),
        known=np.array([one.known for one in found], dtype=bool) & (plain > 0),
    )


def correlation(pairs: Sequence[tuple[Influence, Influence]]) -> Floats:
    """Of the estimates of two strata that share clusters, where it is negative and so widens their difference, [K].

    A positive one would narrow it and is not relied on.
    """
    out = np.zeros(len(pairs))
    for at, (one, other) in enumerate(pairs):
        size = float(np.sqrt((one.values**2).sum() * (other.values**2).sum()))
        out[at] = min(0.0, float((one.values * other.values).sum()) / size) if size > 0 else 0.0
    return out


@dataclass(frozen=True, kw_only=True)
class Design:
    """The effect of clusters on one quantity in group and reference [K], and the correlation of the two."""

    group: Effect
    rest: Effect
    correlation: Floats

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether both sides have limits."""
        return np.asarray(self.group.known & self.rest.known)

    def limits(self, test: Callable[..., Limits], counts: tuple[tuple[Floats, ...], ...], level: Numbers) -> Limits:
        """Of the difference of both sides, by MOVER; ``counts`` are those of ``test`` for each side."""
        sides = []
        for one, values in zip((self.group, self.rest), counts, strict=True):
            n = values[-1]
            total = (values[0] - values[1]) if len(values) == 3 else values[0]
            sides.append((np.asarray(total / np.where(n > 0, n, 1.0)), test(*one.counts(*values), one.level(level))))
        low, high = mover(*sides[0], *sides[1], self.correlation)
        return np.where(self.known, low, -np.inf), np.where(self.known, high, np.inf)


@dataclass(frozen=True)
class ClusteredGap(PairedGap):
    """Contrasts of a share with a fixed denominator, of rows that share clusters. A cluster may span the groups.

    ``designs``: of the teacher's share, the student's and their paired difference.

    Each side has its own effect and t, both are combined by MOVER with their correlation where that is negative. A
    limit of the whole contrast from its clusters' influences with t of M − 1 passed a change at its limit up to 29 % of
    the time, MOVER with t of M − 1 and no correlation 21 %; this under 6.5 % in 1,972 of 1,980 cells (clusters in one
    group each, spanning both, or either; 20 to 400 of 2 to 50 rows), in the others up to 11 %: 20 or 40 clusters
    of 50 rows where most of the change comes from whole clusters of which a sample may hold none. No limit that learns
    from the data how alike rows are can know of those.
    """

    designs: tuple[Design, Design, Design]

    def _share_limits(self, axis: int, level: Numbers, test: Callable[..., Limits]) -> Limits:
        x, y, _, _ = self.shares(axis)
        n = self.group.sum(axis=(-2, -1)), self.rest.sum(axis=(-2, -1))
        design = self.designs[0 if axis == -1 else 1]
        return signed(design.limits(test, ((x, n[0]), (y, n[1])), level), self.harm)

    def _gap_limits(self, axis: int, level: Numbers) -> Limits:
        return self._share_limits(axis, level, share_limits)

    def _change_limits(self, level: Numbers, limits: Callable[..., Limits]) -> Limits:
        counts = tuple((part[..., 0, 1], part[..., 1, 0], part.sum(axis=(-2, -1))) for part in (self.group, self.rest))
        return signed(self.designs[2].limits(limits, counts, level), self.harm)

    def far_student_limits(self, level: Numbers) -> Limits:
        """Limits of u_S far in the tail: the wider of those of Wilson's and of Clopper–Pearson's limits."""
        score, exact = self.student_limits(level), self._share_limits(-2, level, clopper_pearson)
        return np.minimum(score[0], exact[0]), np.maximum(score[1], exact[1])


@dataclass(frozen=True)
class ClusteredRates:
    """Contrasts of a rate whose denominator depends on the decisions, of rows that share clusters: each side's
    estimate ± t·SE from its clusters' influences, combined by MOVER."""

    teacher: Floats
    student: Floats
    change: Floats
    designs: tuple[Design, Design, Design]

    def _limits(self, which: int, centre: Floats, level: Numbers) -> Limits:
        design = self.designs[which]
        one, other = (t_value(level, side.units) * side.error for side in (design.group, design.rest))
        half = np.sqrt(one**2 + other**2 - 2 * design.correlation * one * other)
        return np.where(design.known, centre - half, -np.inf), np.where(design.known, centre + half, np.inf)

    def teacher_limits(self, level: Numbers) -> Limits:
        """Limits of u_T."""
        return self._limits(0, self.teacher, level)

    def student_limits(self, level: Numbers) -> Limits:
        """Limits of u_S."""
        return self._limits(1, self.student, level)

    def change_limits(self, level: Numbers) -> Limits:
        """Limits of D."""
        return self._limits(2, self.change, level)
