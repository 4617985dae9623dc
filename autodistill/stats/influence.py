"""Standard errors and limits of metrics that are functions of sums over rows (``RowSums``), by their influence values.

The influence of a row is what it adds to the metric, to first order: the gradient of ``value`` at the group's sums
times the row's terms, scaled by the rows of the group (Hampel 1974). Influences of a metric of degree 0 sum to zero;
their variance over n is that of the metric, those of student less teacher give the paired change, and those of the
rows of one cluster are added up first. All of it is linear in rows and does not draw anything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, permutations

import numpy as np
import numpy.typing as npt

from autodistill.records import IntArray
from autodistill.stats.estimands import RowSums
from autodistill.stats.shares import Floats
from autodistill.stats.spread import Spread

CHUNK = 1 << 18
"""Rows that are turned into products at a time, so that memory does not grow with them."""

STEP = 1e-3


def gradient(value: Callable[[Floats], Floats], sums: Floats, scale: Floats) -> Floats:
    """∂value/∂sums [S, k] at ``sums`` [S, k], by central differences of the fourth order with steps of 10⁻³ ``scale``
    (exact for cubics, else to about 10⁻¹¹ of the value)."""
    out = np.zeros_like(sums)
    for column in range(sums.shape[-1]):
        step = np.zeros_like(sums)
        step[..., column] = STEP * np.where(scale[..., column] > 0, scale[..., column], 1.0)
        near = value(sums + step) - value(sums - step)
        far = value(sums + 2 * step) - value(sums - 2 * step)
        out[..., column] = (8 * near - far) / (12 * step[..., column])
    return out


@dataclass(frozen=True)
class Moments:
    """Count [S], and raw moments of m columns about a common centre: [S, m], [S, m, m], [S, m, m, m]."""

    count: Floats
    first: Floats
    second: Floats
    third: Floats

    def pooled(self, member: Floats) -> "Moments":
        """Moments of unions of strata; ``member`` [T, S] is 1 for each stratum that belongs."""
        return Moments(*(np.tensordot(member, part, 1) for part in (self.count, self.first, self.second, self.third)))

    def of(self, weights: Floats) -> tuple[Floats, Floats]:
        """Standard error of the mean of weights · columns, and its tilt, [S]; ``weights`` [S, m]."""
        n = np.maximum(self.count, 1.0)
        mean, square, cube = (
            self.first / n[:, None],
            self.second / n[:, None, None],
            self.third / n[:, None, None, None],
        )
        first = np.einsum("si,si->s", weights, mean)
        second = np.einsum("si,sj,sij->s", weights, weights, square)
        third = np.einsum("si,sj,sl,sijl->s", weights, weights, weights, cube)
        variance = np.maximum(second - first**2, 0.0)
        skew = third - 3 * first * second + 2 * first**3
        safe = np.where(variance > 0, variance, 1.0)
        error = np.sqrt(variance / np.maximum(n - 1, 1.0))
        return error, np.where(variance > 0, skew / safe**1.5 / np.sqrt(n), 0.0)


def moments(columns: Callable[[slice], Floats], codes: IntArray, size: int, centre: Floats) -> Moments:
    """Moments of the rows of each code; ``columns`` gives [rows, m] of a slice of the rows."""
    m = len(centre)
    found = [np.zeros((size, *(m,) * order)) for order in range(4)]
    products = [list(combinations_with_replacement(range(m), order)) for order in range(4)]
    for start in range(0, len(codes), CHUNK):
        part = slice(start, start + CHUNK)
        here, moved = codes[part], np.ascontiguousarray((columns(part) - centre).T)
        found[0] += np.bincount(here, minlength=size)
        product: dict[tuple[int, ...], Floats] = {(at,): column for at, column in enumerate(moved)}
        for order in (1, 2, 3):
            for which in products[order]:
                if order > 1:
                    product[which] = product[which[:-1]] * moved[which[-1]]
                total = np.bincount(here, weights=product[which], minlength=size)
                for same in set(permutations(which)):
                    found[order].reshape(size, -1)[:, _flat(same, m)] += total
    return Moments(*found)


def _flat(which: Sequence[int], m: int) -> int:
    """The place of one entry of an [m, m, …] array in its flat form."""
    return sum(at * m**power for power, at in enumerate(reversed(which)))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What rows (or, summed, clusters) say: ``codes`` [n] their group, len(names) where it is unknown; ``teacher`` and
    ``student`` [n, k]; ``cluster`` [n] int64, or None; ``some`` [n] whether the models differ there; rows, and rows
    that differ, by group [K + 1]."""

    found: RowSums
    codes: IntArray
    teacher: Floats
    student: Floats
    cluster: IntArray | None
    some: npt.NDArray[np.bool_]
    rows: Floats
    differ: Floats

    @property
    def units(self) -> Floats:
        """Independent units by group, [K + 1]."""
        return np.bincount(self.codes, minlength=self.size).astype(float)

    def clusters(self, member: Floats) -> tuple[Floats, Floats]:
        """Clusters (rows, where there are none), and those on which the models differ, in unions of groups [C]."""
        units, differ = self.units, np.bincount(self.codes[self.some], minlength=self.size).astype(float)
        if self.cluster is None:
            return member @ units, member @ differ
        out = np.zeros((2, len(member)))
        for c, one in enumerate(member > 0):
            if one.sum() == 1:
                out[:, c] = units[one][0], differ[one][0]
            else:
                here = one[self.codes]
                out[:, c] = [len(np.unique(self.cluster[at])) for at in (here, here & self.some)]
        return out[0], out[1]

    @property
    def size(self) -> int:
        """Groups and, last, the rows of none."""
        return len(self.found.names) + 1

    @property
    def worst(self) -> Floats:
        """[K + 1]; infinite where nothing limits what one row adds."""
        return np.broadcast_to(np.asarray(np.inf if self.found.worst is None else self.found.worst, float), self.size)


def measured(found: RowSums, cluster: npt.NDArray[np.generic] | None = None) -> Measured:
    """Count what there is; rows that share a cluster and a group become one."""
    size = len(found.names) + 1
    codes = np.where((found.codes >= 0) & (found.codes < size), found.codes, size - 1)
    differs = found.differs if found.differs is not None else (found.teacher != found.student).any(axis=1)
    rows, differ = (np.bincount(c, minlength=size).astype(float) for c in (codes, codes[differs]))
    if cluster is None:
        return Measured(
            found=found,
            codes=codes,
            teacher=found.teacher,
            student=found.student,
            cluster=None,
            some=differs,
            rows=rows,
            differ=differ,
        )
    names, at = np.unique(cluster, return_inverse=True)
    pairs, where = np.unique(codes * len(names) + at, return_inverse=True)
    teacher, student = (_added(terms, where, len(pairs)) for terms in (found.teacher, found.student))
    codes = pairs // len(names)
    some = np.bincount(where, weights=differs, minlength=len(pairs)) > 0
    return Measured(
        found=found,
        codes=codes,
        teacher=teacher,
        student=student,
        cluster=pairs % len(names),
        some=some,
        rows=rows,
        differ=differ,
    )


def _added(terms: Floats, codes: IntArray, size: int, power: int = 1) -> Floats:
    """Sums of each column of ``terms`` [n, k], to a power, by code: [S, k]."""
    columns = (column if power == 1 else column**power for column in terms.T)
    return np.stack([np.bincount(codes, weights=column, minlength=size).astype(float) for column in columns], axis=1)


def step_sums(terms: Floats, codes: IntArray, size: int) -> tuple[Floats, Floats]:
    """Sums and sums of squares [S, k] of each code: √(sum² + squares) is the scale of a step."""
    return _added(terms, codes, size), _added(terms, codes, size, 2)


@dataclass(frozen=True, kw_only=True)
class Spreads:
    """The metric of the teacher, the student and its change, [S] each, and log(student/teacher)."""

    teacher: Spread
    student: Spread
    change: Spread
    ratio: Spread


def by_group(data: Measured) -> Spreads:
    """Each group by itself, [K + 1], rows of no known group last."""
    parts = []
    for terms in (data.teacher, data.student):
        sums, squares = step_sums(terms, data.codes, data.size)
        scale = np.sqrt(sums**2 + squares)
        parts.append((terms, data.found.value(sums), gradient(data.found.value, sums, scale) * data.units[:, None]))
    (t_terms, t_value, t_slope), (s_terms, s_value, s_slope) = parts

    def influences(part: slice) -> Floats:
        here = data.codes[part]
        teacher = np.einsum("nk,nk->n", t_terms[part], t_slope[here])
        student = np.einsum("nk,nk->n", s_terms[part], s_slope[here])
        return np.stack([teacher, student - teacher], axis=1)

    found = moments(influences, data.codes, data.size, np.zeros(2))
    one = np.ones(data.size)
    ends = np.stack([one, 0 * one], 1), np.stack([one, one], 1)
    spreads = spreads_of(found, (t_value, s_value), ends, data.worst)
    if data.found.curve is not None:
        teacher, student = data.found.curve
        spreads = Spreads(
            teacher=replace(spreads.teacher, curve=teacher),
            student=replace(spreads.student, curve=student),
            change=replace(spreads.change, curve=teacher + student),
            ratio=spreads.ratio,
        )
    return spreads


def spreads_of(found: Moments, values: tuple[Floats, Floats], weights: tuple[Floats, Floats], worst: Floats) -> Spreads:
    """Spreads from moments, of strata with these values and weights of the columns (teacher's, student's)."""
    (t_value, s_value), (t_weights, s_weights) = values, weights

    def spread(estimate: Floats, weight: Floats, most: Floats) -> Spread:
        error, tilt = found.of(np.where(np.isfinite(weight), weight, 0.0))
        error = np.where(np.isfinite(estimate), error, np.nan)
        flat = np.zeros_like(error)
        return Spread(estimate=estimate, error=error, tilt=tilt, units=found.count, worst=most, curve=flat)

    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.where((s_value > 0) & (t_value > 0), np.log(s_value / t_value), np.nan)
        relative = s_weights / s_value[:, None] - t_weights / t_value[:, None]
        share = np.where(s_value > 0, worst / s_value, np.inf)
    return Spreads(
        teacher=spread(t_value, t_weights, worst),
        student=spread(s_value, s_weights, worst),
        change=spread(s_value - t_value, s_weights - t_weights, worst),
        ratio=spread(logs, relative, share),
    )
