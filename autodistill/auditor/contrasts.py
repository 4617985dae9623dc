"""From a check's counts to contrasts, and to the smallest limit that each passes."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from autodistill.auditor import clusters
from autodistill.auditor.look import Look
from autodistill.records import LimitKind
from autodistill.stats import Counts, Gap, NormalGap, PairedCounts, PairedGap, gap_upper, growth_upper
from autodistill.stats.shares import Floats
from autodistill.verdict import REST, UNKNOWN

DRAWS = 2000
SEED = 31
DISCORDANT = 10
"""A PASS by a standard error needs so many discordant rows in each stratum."""


def sides(
    table: Floats, unknown: Floats | None, names: Sequence[str], pairs: Sequence[tuple[str, str]], axis: int
) -> tuple[Floats, Floats]:
    """Group and reference of each contrast, stacked on ``axis`` (negative, the groups' own) in place of the groups."""
    at = {name: position for position, name in enumerate(names)}
    total = table.sum(axis=axis)

    def part(name: str, other: str) -> Floats:
        if name == UNKNOWN:
            return np.asarray(unknown if unknown is not None else np.zeros_like(total))
        if name == REST:
            return np.asarray(total if other == UNKNOWN else total - np.take(table, at[other], axis=axis))
        return np.asarray(np.take(table, at[name], axis=axis))

    groups = [part(group, reference) for group, reference in pairs]
    rests = [part(reference, group) for group, reference in pairs]
    return np.stack(groups, axis=axis), np.stack(rests, axis=axis)


def gap_of(found: PairedCounts | Counts, pairs: Sequence[tuple[str, str]], look: Look | None = None) -> Gap:
    """The contrasts ``pairs`` with their limits: closed forms for fixed denominators, else resampled errors; where rows
    of ``look`` share clusters, from those."""
    if isinstance(found, PairedCounts):
        group, rest = sides(found.cells, found.unknown, found.names, pairs, -3)
        by_cluster = None if look is None else clusters.gap(look, found, pairs, group, rest)
        return by_cluster or PairedGap(group, rest, found.harm)
    group, rest = sides(found.tables, found.unknown, found.names, pairs, -4)
    rates = None if look is None else clusters.rates(look, found, pairs, _gaps(found, group, rest))
    return rates or resampled(found, group, rest)


def _gaps(found: Counts, group: Floats, rest: Floats) -> tuple[Floats, Floats]:
    """u of teacher and student from tables [..., K, 2, 2, 2]."""
    teacher, student = (
        np.asarray(found.harm * (found.rate(group.sum(axis=axis)) - found.rate(rest.sum(axis=axis))))
        for axis in (-1, -2)
    )
    return teacher, student


def resampled(found: Counts, group: Floats, rest: Floats) -> NormalGap:
    """Contrasts of a rate whose denominator depends on the decisions, from [K, 2, 2, 2] (label, teacher, student):
    the points are the data's, the errors those of ``DRAWS`` tables drawn at rates smoothed by ½ a cell."""
    random = np.random.default_rng(SEED)
    drawn = []
    for table in (group, rest):
        flat = (table + 0.5).reshape(len(table), 8)
        rates = flat / flat.sum(axis=-1, keepdims=True)
        n = table.sum(axis=(-3, -2, -1)).astype(np.int64)
        drawn.append(random.multinomial(n, rates, size=(DRAWS, len(table))).reshape(DRAWS, -1, 2, 2, 2).astype(float))

    teacher, student = _gaps(found, group, rest)
    t, s = _gaps(found, drawn[0], drawn[1])
    errors = tuple(_error(values) for values in (t, s, s - t))
    return NormalGap(teacher, student, student - teacher, (errors[0], errors[1], errors[2]))


def _error(values: Floats) -> Floats:
    """Standard error over draws [B, K], of those that are defined; infinite where over 1 % are not."""
    undefined = np.isnan(values).mean(axis=0)
    centre = np.where(np.isnan(values), 0.0, values).sum(axis=0) / np.maximum((~np.isnan(values)).sum(axis=0), 1)
    square = np.where(np.isnan(values), 0.0, (values - centre) ** 2).sum(axis=0)
    spread = np.sqrt(square / np.maximum((~np.isnan(values)).sum(axis=0) - 1, 1))
    return np.where(undefined > 0.01, np.inf, spread)


def denominators(found: PairedCounts | Counts, pairs: Sequence[tuple[str, str]]) -> tuple[Floats, Floats]:
    """Rows under the metric in group and reference, [..., C]: for PPV the smaller of both models' positive calls."""
    if isinstance(found, PairedCounts):
        group, rest = sides(found.cells, found.unknown, found.names, pairs, -3)
        return group.sum(axis=(-2, -1)), rest.sum(axis=(-2, -1))
    group, rest = sides(found.tables, found.unknown, found.names, pairs, -4)
    least = [np.minimum(t[..., 1, :].sum(axis=(-2, -1)), t[..., 1].sum(axis=(-2, -1))) for t in (group, rest)]
    return least[0], least[1]


def values_of(found: PairedCounts | Counts, pairs: Sequence[tuple[str, str]]) -> tuple[Floats, ...]:
    """The metric itself: teacher in group and reference, student in group and reference; NaN where undefined."""
    with np.errstate(invalid="ignore"):
        if isinstance(found, PairedCounts):
            parts = sides(found.cells, found.unknown, found.names, pairs, -3)
            n = [part.sum(axis=(-2, -1)) for part in parts]
            teacher = [part[:, 1, :].sum(axis=-1) / total for part, total in zip(parts, n, strict=True)]
            student = [part[:, :, 1].sum(axis=-1) / total for part, total in zip(parts, n, strict=True)]
        else:
            parts = sides(found.tables, found.unknown, found.names, pairs, -4)
            teacher = [found.rate(part.sum(axis=-1)) for part in parts]
            student = [found.rate(part.sum(axis=-2)) for part in parts]
    return (*teacher, *student)


def agreeing(found: Counts, pairs: Sequence[tuple[str, str]]) -> npt.NDArray[np.bool_]:
    """Whether a stratum has too few discordant rows for a standard error to certify anything, [C]."""
    parts = sides(found.tables, found.unknown, found.names, pairs, -4)
    return np.asarray(np.minimum(*(t[..., 0, 1].sum(axis=-1) + t[..., 1, 0].sum(axis=-1) for t in parts)) < DISCORDANT)


def upper(gap: Gap, kind: LimitKind, level: float | Floats) -> Floats:
    """The smallest limit of ``kind`` that passes at ``level``, [..., C]."""
    return growth_upper(gap, level) if kind == "grows_by_at_most" else gap_upper(gap, level)
