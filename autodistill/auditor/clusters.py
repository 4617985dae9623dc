"""From what each row counts for to what clusters do to each quantity of a check (AUDIT §5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from autodistill.auditor.look import Look
from autodistill.records import IntArray
from autodistill.stats import Counts, Gap, PairedCounts, Shares
from autodistill.stats.clustered import (
    INFORMATIVE,
    LEAST,
    ClusteredGap,
    ClusteredRates,
    Design,
    Effect,
    Influence,
    correlation,
    effect,
    influence,
)
from autodistill.stats.shares import Floats, Limits
from autodistill.verdict import REST, UNKNOWN

Counted: TypeAlias = PairedCounts | Counts | Shares
Pairs: TypeAlias = Sequence[tuple[str, str]]

FEW = f"rows share clusters: fewer than {LEAST}, or what varies lies in fewer than {INFORMATIVE} of them"


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows by cluster and cell: ``sums`` [U, J] for each group and cluster with a row, ``at`` [U] the cluster (of
    ``size``), group after group from ``starts``; ``names`` of the groups, those of unknown group last."""

    names: tuple[str, ...]
    size: int
    at: IntArray
    sums: Floats
    starts: IntArray

    def group(self, name: str) -> Floats:
        """[M, J] of one group."""
        g = self.names.index(name)
        part = slice(int(self.starts[g]), int(self.starts[g + 1]))
        out = np.zeros((self.size, self.sums.shape[1]))
        out[self.at[part]] = self.sums[part]
        return out

    def known(self) -> Floats:
        """[M, J] of all known groups."""
        end = int(self.starts[len(self.names) - 1])
        columns = [
            np.bincount(self.at[:end], self.sums[:end, j], minlength=self.size) for j in range(self.sums.shape[1])
        ]
        return np.stack(columns, axis=-1)


def table(look: Look, found: Counted, cells: int) -> Table | None:
    """The rows of ``found`` by cluster, or None where every row stands for itself."""
    seen = look.rows.evidence
    if seen is None or seen.clusters is None or found.cell is None or found.group is None:
        return None
    size = int(seen.clusters.max(initial=-1)) + 1
    inside = found.cell >= 0
    key, where = np.unique(found.group[inside] * size + seen.clusters[inside], return_inverse=True)
    sums = np.bincount(where * cells + found.cell[inside], minlength=len(key) * cells).astype(float)
    names = (*found.names, UNKNOWN)
    starts = np.searchsorted(key, np.arange(len(names) + 1) * size)
    return Table(names=names, size=size, at=key % size, sums=sums.reshape(-1, cells), starts=starts)


def _rarer(one: Floats, other: Floats) -> npt.NDArray[np.bool_]:
    a, b = one > 0, other > 0
    return a if a.sum() <= b.sum() else b


def _share(total: Floats, n: Floats) -> tuple[Influence, float]:
    rows = float(n.sum())
    p = float(total.sum()) / rows if rows else 0.0
    return influence(total, n, _rarer(total, n - total)), p * (1 - p) / rows if rows else 0.0


def _difference(sums: Floats) -> tuple[Influence, float]:
    n = sums.sum(axis=-1)
    rows, differ = float(n.sum()), sums[:, 1] + sums[:, 2]
    d = float((sums[:, 1] - sums[:, 2]).sum()) / rows if rows else 0.0
    return influence(sums[:, 1] - sums[:, 2], n, differ > 0), (differ.sum() / rows - d * d) / rows if rows else 0.0


def _paired(sums: Floats) -> list[tuple[Influence, float]]:
    """Teacher's share, student's share and their difference, each with its variance if rows were independent."""
    n = sums.sum(axis=-1)
    return [_share(sums[:, 2] + sums[:, 3], n), _share(sums[:, 1] + sums[:, 3], n), _difference(sums)]


def _rates(sums: Floats) -> list[tuple[Influence, float]]:
    """The same for the share of right ones among those that a model decides positive; cells by (label, teacher,
    student)."""
    t, s = sums[:, [2, 3, 6, 7]].sum(axis=-1), sums[:, [1, 3, 5, 7]].sum(axis=-1)
    (teacher, _), (student, _) = _share(sums[:, 6] + sums[:, 7], t), _share(sums[:, 5] + sums[:, 7], s)
    differ = int((sums[:, [1, 2, 5, 6]].sum(axis=-1) > 0).sum())
    both = student.minus(teacher)
    return [(teacher, 1.0), (student, 1.0), (Influence(both.values, both.clusters, min(differ, both.varying)), 1.0)]


def _design(sides: Sequence[tuple[tuple[Influence, float], tuple[Influence, float]]]) -> Design:
    group, rest = (list(zip(*side, strict=True)) for side in zip(*sides, strict=True))
    return Design(
        group=effect(*group),
        rest=effect(*rest),
        correlation=correlation([(one[0], other[0]) for one, other in sides]),
    )


def _designs(rows: Table, pairs: Pairs, parts: Callable[[Floats], list[tuple[Influence, float]]]) -> list[Design]:
    known = rows.known()

    def side(name: str, other: str) -> Floats:
        return known - rows.group(other) * (other != UNKNOWN) if name == REST else rows.group(name)

    sides = [(parts(side(group, rest)), parts(side(rest, group))) for group, rest in pairs]
    return [_design([(one[at], other[at]) for one, other in sides]) for at in range(3)]


def gap(look: Look, found: PairedCounts, pairs: Pairs, group: Floats, rest: Floats) -> ClusteredGap | None:
    """The contrasts of ``group`` and ``rest`` [C, 2, 2] for rows that share clusters; None where none do."""
    rows = table(look, found, 4)
    if rows is None:
        return None
    teacher, student, change = _designs(rows, pairs, _paired)
    return ClusteredGap(group, rest, found.harm, (teacher, student, change))


def rates(look: Look, found: Counts, pairs: Pairs, points: tuple[Floats, Floats]) -> ClusteredRates | None:
    """The contrasts of a rate with a denominator of the decisions' own; ``points`` are u of teacher and student."""
    rows = table(look, found, 8)
    if rows is None:
        return None
    teacher, student, change = _designs(rows, pairs, _rates)
    return ClusteredRates(points[0], points[1], points[1] - points[0], (teacher, student, change))


def undefined(gap: Gap, n_min: int) -> list[str]:
    """Why each contrast cannot be decided at all: too few clusters in one of its denominators; "" where it can."""
    if not isinstance(gap, ClusteredGap | ClusteredRates):
        return [""] * len(gap.change)
    design = gap.designs[2]
    both = zip(design.group.clusters, design.rest.clusters, strict=True)
    few = [(one, other) if min(one, other) < n_min else None for one, other in both]
    words = "{:.0f} clusters in the group and {:.0f} in the reference, n_min is {}"
    return ["" if pair is None else words.format(*pair, n_min) for pair in few]


def change(look: Look, found: PairedCounts) -> Effect | None:
    """What clusters do to the paired difference in each group of ``found`` [K]."""
    rows = table(look, found, 4)
    if rows is None:
        return None
    return effect(*zip(*(_difference(rows.group(name)) for name in found.names), strict=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratio:
    """What clusters do to the ratio of two shares: ``design`` of the student's shares, ``spread`` of the logarithm of
    their ratio where clusters span both, over what it is without that."""

    design: Design
    spread: Floats


def ratio(look: Look, found: PairedCounts, pairs: Pairs) -> Ratio | None:
    """The effect of clusters on the student's share in each group over its reference; None where none are shared."""
    rows = table(look, found, 4)
    if rows is None:
        return None
    design = _designs(rows, pairs, _paired)[1]
    group, rest = sides_of(rows, pairs)
    p, q = ((part[:, 1] + part[:, 3]) / np.maximum(part.sum(axis=-1), 1.0) for part in (group, rest))
    one = np.divide(design.group.error, p, out=np.zeros_like(p), where=p > 0)
    other = np.divide(design.rest.error, q, out=np.zeros_like(q), where=q > 0)
    plain = one**2 + other**2
    joint = plain - 2 * design.correlation * one * other
    return Ratio(design=design, spread=np.divide(joint, plain, out=np.ones_like(plain), where=plain > 0))


def sides_of(rows: Table, pairs: Pairs) -> tuple[Floats, Floats]:
    """Counts [C, J] of group and reference."""
    known = rows.known().sum(axis=0)

    def total(name: str, other: str) -> Floats:
        if name == REST:
            return np.asarray(known - rows.group(other).sum(axis=0) * (other != UNKNOWN))
        return np.asarray(rows.group(name).sum(axis=0))

    return np.stack([total(*pair) for pair in pairs]), np.stack([total(*pair[::-1]) for pair in pairs])


def limits_of_ratio(of: Ratio | None, test: Callable[..., Limits]) -> Callable[..., Limits]:
    """``test(x, n, y, m, level)`` for rows that share clusters."""
    if of is None:
        return test
    one, other, known = of.design.group, of.design.rest, of.design.known

    def clustered(x: Floats, n: Floats, y: Floats, m: Floats, level: float) -> Limits:
        first, second = one.deff * of.spread, other.deff * of.spread
        # One t for both: that of the side with fewer clusters behind it.
        at = np.minimum(one.level(level), other.level(level))
        low, high = test(x / first, n / first, y / second, m / second, at)
        return np.where(known, low, 0.0), np.where(known, high, np.inf)

    return clustered


def too_few_sides(of: Ratio | None, n: tuple[Floats, Floats], n_min: int) -> list[str]:
    """Why each ratio cannot be decided: a denominator too small in rows, or in clusters; "" where it can."""
    one, other = n if of is None else (of.design.group.clusters, of.design.rest.clusters)
    what = "rows" if of is None else "clusters"
    known = np.ones(len(one), dtype=bool) if of is None else of.design.known
    words = f"{{:.0f}} {what} in the group and {{:.0f}} in the reference, n_min is {n_min}"
    return [
        words.format(a, b) if min(a, b) < n_min else "" if fine else FEW
        for a, b, fine in zip(one, other, known, strict=True)
    ]


def described(of: Effect, at: int) -> dict[str, Any]:
    """What the page may say of the clusters behind one number."""
    return {"clusters": float(of.clusters[at]), "design_effect": float(of.deff[at])}


def shares(look: Look, found: Shares) -> Effect | None:
    """What clusters do to each share [K]."""
    rows = table(look, found, 2)
    if rows is None:
        return None
    sums = [rows.group(name) for name in found.names]
    return effect(*zip(*(_share(part[:, 1], part.sum(axis=-1)) for part in sums), strict=True))


def limits(of: Effect | None, test: Callable[..., Limits]) -> Callable[..., Limits]:
    """``test`` for rows that share clusters, with the same arguments."""
    if of is None:
        return test
    return lambda *values: of.limits(test, tuple(np.asarray(v, float) for v in values[:-1]), values[-1])


def too_few(of: Effect | None, n: Floats, n_min: int) -> tuple[npt.NDArray[np.bool_], list[str]]:
    """Which denominators are too small, and what to say of each if it is: rows, or clusters where rows share them."""
    if of is None:
        return n < n_min, [f"{rows:.0f} rows, under n_min {n_min}" for rows in n]
    small = of.clusters < n_min
    words = [
        f"{many:.0f} clusters, under n_min {n_min}" if less else FEW
        for many, less in zip(of.clusters, small, strict=True)
    ]
    return np.asarray(small | ~of.known), words
