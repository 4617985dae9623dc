"""Contrasts of row-level metrics: a group with its reference, or with zero."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from autodistill.records import IntArray
from autodistill.stats.influence import (
    Measured,
    Moments,
    Spreads,
    gradient,
    moments,
    spreads_of,
    step_sums,
)
from autodistill.stats.shares import Floats, Limits, Numbers, mover
from autodistill.stats.spread import Spread

Parts = tuple[Spread, Spread | None]


@dataclass(frozen=True)
class RowGap:
    """Contrasts of teacher, student and change [C]: each a spread of the group and one of its reference, combined by
    MOVER as independent estimates; or one spread of the whole (against zero; or of rows that share clusters, where
    both sides depend on each other). ``values`` are the metric itself: the teacher's in group and reference (NaN where
    that is zero), the student's."""

    parts: tuple[Parts, Parts, Parts]
    values: tuple[Floats, Floats, Floats, Floats]
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
    def least_error(self) -> Floats:
        """The smaller standard error of the change on either side, [C]: nothing is certified where it is 0."""
        return np.asarray(np.min([part.error for part in self.parts[2] if part is not None], axis=0))

    @property
    def heavy(self) -> npt.NDArray[np.bool_]:
        """Whether the student's gap or its change rests on a few rows that nothing limits, [C]."""
        parts = [part for pair in self.parts[1:] for part in pair if part is not None]
        return np.asarray(np.any([part.heavy for part in parts], axis=0))

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


def against_zero(found: Spreads, at: IntArray, harm: int) -> RowGap:
    """The own values of the groups ``at`` as contrasts with zero."""
    teacher, student, change = (part.take(at) for part in (found.teacher, found.student, found.change))
    nothing = np.full(len(at), np.nan)
    values = (teacher.estimate, nothing, student.estimate, nothing)
    return RowGap(((teacher, None), (student, None), (change, None)), values, harm)


def between(data: Measured, group: Floats, rest: Floats) -> RowGap:
    """Contrasts of two unions of groups; ``group`` and ``rest`` [C, K + 1] are 1 for the groups that belong."""
    if data.cluster is not None:
        return _clustered(data, data.cluster, group, rest)
    parts = _sides(data, group, rest)
    (first, second), (third, fourth) = parts[:2]
    values = (first.estimate, second.estimate, third.estimate, fourth.estimate)
    return RowGap((parts[0], parts[1], parts[2]), values, data.found.harm)


def _sides(data: Measured, group: Floats, rest: Floats) -> tuple[tuple[Spread, Spread], ...]:
    """Group and reference of the teacher's value, the student's and the change."""
    one, other = (pooled(data, member) for member in (group, rest))
    return (one.teacher, other.teacher), (one.student, other.student), (one.change, other.change)


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
    return spreads_of(found, values, weights, _worst(data, member))


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


def _clustered(data: Measured, cluster: IntArray, group: Floats, rest: Floats) -> RowGap:
    """Contrasts whose sides may share clusters: influences of the whole contrast, summed by cluster, one by one.

    The degrees of freedom are those of the side with fewer clusters.
    """
    (first, first_values), (second, second_values) = _slopes(data, group), _slopes(data, rest)
    units = np.minimum(data.clusters(group)[0], data.clusters(rest)[0])
    count = int(cluster.max()) + 1 if len(cluster) else 0
    error, tilt = np.zeros((3, len(group))), np.zeros((3, len(group)))
    for c, sides in enumerate(zip(group, rest, strict=True)):
        at = [np.flatnonzero(member[data.codes] > 0) for member in sides]
        influence = np.zeros((3, count))
        for who, terms in enumerate((data.teacher, data.student)):
            for rows, slope, sign in zip(at, (first[who][c], second[who][c]), (1, -1), strict=True):
                influence[who] += sign * np.bincount(cluster[rows], weights=terms[rows] @ slope, minlength=count)
        influence[2] = influence[1] - influence[0]
        square = (influence**2).sum(axis=1)
        error[:, c] = np.sqrt(units[c] / max(units[c] - 1, 1) * square)
        tilt[:, c] = (influence**3).sum(axis=1) / np.where(square > 0, square, 1.0) ** 1.5
    teacher, student = (a - b for a, b in zip(first_values, second_values, strict=True))
    most = np.maximum(_worst(data, group), _worst(data, rest))
    flat = np.zeros(len(group))
    parts = [
        (Spread(estimate=value, error=error[who], tilt=tilt[who], units=units, worst=most, curve=flat), None)
        for who, value in enumerate((teacher, student, student - teacher))
    ]
    shown = (first_values[0], second_values[0], first_values[1], second_values[1])
    return RowGap((parts[0], parts[1], parts[2]), shown, data.found.harm)
