"""Contrasts of row-level metrics: a group with its reference, or with zero."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from autodistill.records import IntArray
from autodistill.stats.influence import Measured, Moments, Spread, Spreads, gradient, moments, spreads_of, step_sums
from autodistill.stats.shares import Floats, Limits, Numbers, mover

Parts = tuple[Spread, Spread | None]


@dataclass(frozen=True)
class RowGap:
    """Contrasts of teacher, student and change [C]: each a spread of the group and one of its reference, combined by
    MOVER as independent estimates; or one spread of the whole (against zero; or of rows that share clusters, where
    both sides depend on each other)."""

    parts: tuple[Parts, Parts, Parts]
    harm: int

    def _point(self, which: int) -> Floats:
        group, rest = self.parts[which]
        return np.asarray(self.harm * (group.estimate - (0.0 if rest is None else rest.estimate)))

    @cached_property
    def teacher(self) -> Floats:
        """u_T [C]."""
        return self._point(0)

    @cached_property
    def student(self) -> Floats:
        """u_S [C]."""
        return self._point(1)

    @cached_property
    def change(self) -> Floats:
        """D [C]."""
        return self._point(2)

    @property
    def silent(self) -> Floats:
        """1 where a side of the change has no error: nothing is certified there, [C]."""
        return np.asarray(np.any([part.error == 0 for part in self.parts[2] if part is not None], axis=0), float)

    def _limits(self, which: int, level: Numbers) -> Limits:
        group, rest = self.parts[which]
        limits = group.limits(level)
        if rest is not None:
            limits = mover(group.estimate, limits, rest.estimate, rest.limits(level))
        return limits if self.harm > 0 else (-limits[1], -limits[0])

    def teacher_limits(self, level: Numbers) -> Limits:
        """Limits of u_T."""
        return self._limits(0, level)

    def student_limits(self, level: Numbers) -> Limits:
        """Limits of u_S."""
        return self._limits(1, level)

    def change_limits(self, level: Numbers) -> Limits:
        """Limits of D."""
        return self._limits(2, level)


def against_zero(found: Spreads, harm: int) -> RowGap:
    """Each group's own values as contrasts with zero."""
    return RowGap(((found.teacher, None), (found.student, None), (found.change, None)), harm)


def between(data: Measured, group: Floats, rest: Floats) -> RowGap:
    """Contrasts of two unions of groups; ``group`` and ``rest`` [C, K + 1] are 1 for the groups that belong."""
    if data.cluster is not None:
        return _clustered(data, group, rest)
    first, second = (pooled(data, member) for member in (group, rest))
    parts = tuple((getattr(first, who), getattr(second, who)) for who in ("teacher", "student", "change"))
    return RowGap(parts, data.found.harm)  # type: ignore[arg-type]


def pooled(data: Measured, member: Floats) -> Spreads:
    """Unions of groups: the metric at their pooled sums, [C]; ``member`` [C, K + 1]."""
    slopes, values = _slopes(data, member)
    k = data.teacher.shape[1]
    both = np.concatenate([data.teacher.mean(axis=0), (data.student - data.teacher).mean(axis=0)])
    moving = [(c != c[0]).any() if len(c) else False for c in data.teacher.T]
    moving += [bool((s != t).any()) for t, s in zip(data.teacher.T, data.student.T, strict=True)]
    kept = np.flatnonzero(moving)

    def columns(part: slice) -> Floats:
        teacher = data.teacher[part]
        return np.concatenate([teacher, data.student[part] - teacher], axis=1)[:, kept]

    found: Moments = moments(columns, data.codes, data.size, both[kept]).pooled(member)
    scaled = [slope * found.count[:, None] for slope in slopes]
    weights = (
        np.concatenate([scaled[0], np.zeros((len(member), k))], axis=1)[:, kept],
        np.concatenate([scaled[1], scaled[1]], axis=1)[:, kept],
    )
    return spreads_of(data, found, values, weights, _worst(data, member))


def _worst(data: Measured, member: Floats) -> Floats:
    return np.asarray(np.where(member > 0, data.worst, 0.0).max(axis=1))


def _slopes(data: Measured, member: Floats) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Gradients [C, k] and values [C] of teacher and student in unions of groups."""
    slopes, values = [], []
    for terms in (data.teacher, data.student):
        sums, squares = step_sums(terms, data.codes, data.size)
        total, scale = member @ sums, np.sqrt((member @ sums) ** 2 + member @ squares)
        values.append(data.found.value(total))
        slopes.append(gradient(data.found.value, total, scale))
    return (slopes[0], slopes[1]), (values[0], values[1])


def _clustered(data: Measured, group: Floats, rest: Floats) -> RowGap:
    """Contrasts whose sides may share clusters: influences of the whole contrast, summed by cluster, one by one."""
    assert data.cluster is not None
    (first, first_values), (second, second_values) = _slopes(data, group), _slopes(data, rest)
    found: list[list[tuple[float, ...]]] = [[], [], []]
    most = np.maximum(_worst(data, group), _worst(data, rest))
    count = int(data.cluster.max()) + 1 if len(data.cluster) else 0
    for c in range(len(group)):
        sides = []
        for member, slopes in ((group[c], first), (rest[c], second)):
            at = np.flatnonzero(member[data.codes] > 0)
            sides.append([_by_cluster(data, at, who, slopes[who][c], count) for who in (0, 1)])
        teacher, student = (sides[0][who] - sides[1][who] for who in (0, 1))
        units = min(len(np.unique(data.cluster[member[data.codes] > 0])) for member in (group[c], rest[c]))
        for which, influence in enumerate((teacher, student, student - teacher)):
            square = float((influence**2).sum())
            tilt = float((influence**3).sum()) / square**1.5 if square > 0 else 0.0
            found[which].append((np.sqrt(units / max(units - 1, 1) * square), tilt, float(units), float(most[c])))
    values = [first_values[who] - second_values[who] for who in (0, 1)]
    spreads = [
        Spread(estimate=value, error=rows[:, 0], tilt=rows[:, 1], units=rows[:, 2], worst=rows[:, 3])
        for value, rows in zip(
            (*values, values[1] - values[0]), (np.array(f).reshape(-1, 4) for f in found), strict=True
        )
    ]
    return RowGap(((spreads[0], None), (spreads[1], None), (spreads[2], None)), data.found.harm)


def _by_cluster(data: Measured, at: IntArray, who: int, slope: Floats, count: int) -> Floats:
    """Influences on one side of a contrast, summed by cluster, [M]."""
    terms = (data.teacher, data.student)[who][at]
    assert data.cluster is not None
    return np.bincount(data.cluster[at], weights=terms @ slope, minlength=count).astype(float)
