"""Count tables that another split could show, and which required tests pass on them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from autodistill.auditor import drawn, sizes
from autodistill.auditor.contrasts import denominators, gap_of, sides, upper
from autodistill.auditor.losses import loss_upper
from autodistill.records import LimitKind, Policy
from autodistill.stats import Counts, Estimand, Evidence, NotApplicable, PairedCounts, Rows, RowSums, Tables
from autodistill.stats.shares import Floats, ratio_limits
from autodistill.verdict import UNKNOWN, Line, lines

Bools = npt.NDArray[np.bool_]


def possible(label: int, classes: int) -> npt.NDArray[np.int64]:
    """Which of the 16 outcomes (teacher says it, student says it, teacher right, student right) can occur where the
    label is (1) or is not (0) the rated class: to say a class that is the label is to be right."""

    def fits(says: int, right: int) -> bool:
        return right == says if label else not (says and right) and (classes > 2 or right != says)

    outcomes = product((0, 1), repeat=4)
    return np.array([i for i, (t, s, tr, sr) in enumerate(outcomes) if fits(t, tr) and fits(s, sr)])


def rates_of(tables: Tables, classes: int) -> Floats:
    """Rates [S, 2, 16] by stratum and label, (count + ½)/(n + 2): ½ a cell is spread over the strata of each group, so
    that every group, not every combination of groups, is smoothed by its share."""
    cells = tables.cells.reshape(-1, 2, 16)
    n = cells.sum(axis=-1)
    weight = np.zeros_like(n) if tables.codes else np.ones_like(n)
    for codes in tables.codes.values():
        totals = np.zeros((int(codes.max(initial=0)) + 1, 2))
        np.add.at(totals, codes, n)
        weight = np.maximum(weight, n / np.maximum(totals[codes], 1))
    prior = np.zeros_like(cells)
    for label in (0, 1):
        prior[:, label, possible(label, classes)] = 0.5 * weight[:, label, None]
    smooth = cells + prior
    return np.asarray(smooth / np.maximum(smooth.sum(axis=-1, keepdims=True), 1e-300))


def draw(tables: Tables, rates: Floats, scale: float, draws: int, seed: int) -> Tables:
    """``draws`` tables with ``scale`` times the rows of each stratum and label, outcomes drawn at ``rates``."""
    n = np.rint(scale * tables.cells.sum(axis=(-4, -3, -2, -1))).astype(np.int64)
    random = np.random.default_rng(seed)
    cells = np.zeros((draws, *rates.shape))
    for label in (0, 1):
        # Only outcomes that have a rate: sixteen binomials a stratum would cost four times as much.
        used = np.flatnonzero(rates[:, label].any(axis=0))
        full = np.flatnonzero(n[:, label])
        if used.size and full.size:
            share = rates[full, label][:, used]
            drawn = random.multinomial(
                n[full, label], share / share.sum(axis=1, keepdims=True), size=(draws, full.size)
            )
            outcome = np.zeros((draws, full.size, 16))
            outcome[..., used] = drawn
            cells[:, full, label] = outcome
    return tables.with_cells(cells.reshape(draws, -1, 2, 2, 2, 2, 2))


@dataclass(frozen=True, kw_only=True, slots=True)
class Test:
    """One required test on many tables: the smallest limit that passes [...] (of ``at_least`` the largest), rows under
    it, whether it passes."""

    id: str
    line: Line
    kind: LimitKind
    group: str | None
    reference: str | None
    high: Floats
    n: Floats
    n_reference: Floats | None
    passes: Bools


@dataclass(frozen=True, kw_only=True, slots=True)
class Untold:
    """A required check that cannot be told from counts: what it says depends on rows (``rows``), or it is undefined."""

    id: str
    rows: bool


def tests(
    tables: Tables, policy: Policy, level: float, evidence: Evidence | None, scale: float
) -> Iterator[Test | Untold]:
    """Every required check with a limit on ``tables`` (leading axes are draws).

    What counts do not tell is drawn from the rows of ``evidence``, ``scale`` times as many; without it, and where a
    check needs views that it lacks, it is ``Untold``.
    """
    for line in lines(policy, tables.groups):
        if not line.required or line.compare == "classes":
            continue
        counted = evidence is None or evidence.classes
        found = line.check.statistic(Rows(tables=tables), {}) if counted else NotApplicable(reason="", rows=True)
        if isinstance(found, NotApplicable) and found.rows and evidence is not None:
            yield from _from_rows(tables, policy, level, line, (evidence, scale))
        elif not line.limits or isinstance(found, NotApplicable):
            yield Untold(id=line.prefix, rows=isinstance(found, NotApplicable) and found.rows)
        else:
            yield from _counted(tables, policy, level, line, found)


def _counted(tables: Tables, policy: Policy, level: float, line: Line, found: Estimand) -> Iterator[Test | Untold]:
    if isinstance(found, PairedCounts) and found.compare in {"whole", "each"} and "at_most" in line.limits:
        yield _loss(tables, policy, level, line, found)
    elif isinstance(found, PairedCounts) and found.compare == "ratio" and line.pairs:
        yield from _ratios(tables, policy, level, line, found)
    elif isinstance(found, PairedCounts) and found.compare == "contrast" and line.pairs:
        yield from _gaps(tables, policy, level, line, found)
    elif not isinstance(found, Counts):
        # Rates with a denominator of the decisions' own are not simulated: they neither help nor hinder.
        yield Untold(id=line.prefix, rows=True)


def _from_rows(
    tables: Tables, policy: Policy, level: float, line: Line, rows: tuple[Evidence, float]
) -> Iterator[Test | Untold]:
    """The tests of a line that speaks of rows: normal draws around its estimate; counts of rows drawn again."""
    evidence, scale = rows
    if any(view != "audit" and view not in evidence.student for view in getattr(line.check, "views", ())):
        yield Untold(id=line.prefix, rows=True)
        return
    draws = tables.cells.shape[0]
    found = (
        line.check.statistic(Rows(tables=evidence.tables, evidence=evidence), evidence.reference)
        if evidence.classes or getattr(line.check, "regression", False)
        else NotApplicable(reason="counts classes, and this task is a regression")
    )
    if isinstance(found, RowSums) and line.limits:
        for group, kind, fine in drawn.passes(evidence, policy, line, found, level=level, scale=scale, draws=draws):
            name = line.prefix + (f"={group}" if group else "") + f"/{kind}"
            blank = np.zeros(draws)
            yield Test(
                id=name,
                line=line,
                kind=kind,
                group=group or None,
                reference=None,
                high=blank,
                n=blank,
                n_reference=None,
                passes=fine,
            )
    elif isinstance(found, PairedCounts):
        again = sizes.draw(found.cells, scale, draws)
        yield from _counted(tables, policy, level, line, replace(found, cells=again, unknown=None))
    else:
        yield Untold(id=line.prefix, rows=not isinstance(found, NotApplicable))


def _excluded(tables: Tables, policy: Policy, line: Line) -> dict[str, bool]:
    if line.attribute is None or policy.exclude_below is None:
        return {}
    sizes = np.asarray(tables.sizes(line.attribute)).reshape(-1, len(tables.groups[line.attribute]) + 1)[0]
    names = tables.groups[line.attribute]
    return {name: bool(sizes[g] < policy.exclude_below * sizes.sum()) for g, name in enumerate(names)}


def _loss(tables: Tables, policy: Policy, level: float, line: Line, found: PairedCounts) -> Test:
    if policy.unknown == "require" and found.unknown is not None and found.compare == "each":
        cells = np.concatenate([found.cells, found.unknown[..., None, :, :]], axis=-3)
        found = replace(found, names=(*found.names, UNKNOWN), cells=cells, unknown=None)
    left_out = _excluded(tables, policy, line)
    kept = [g for g, name in enumerate(found.names) if not left_out.get(name)]
    cells = found.cells[..., kept, :, :]
    high, n = loss_upper(cells, found.harm, level), np.asarray(cells.sum(axis=(-2, -1)))
    fine = (high < line.limits["at_most"]) & (n >= policy.n_min)
    least = int(np.argmin(n.reshape(-1, len(kept))[0])) if kept else 0
    return Test(
        id=f"{line.prefix}/at_most",
        line=line,
        kind="at_most",
        group=found.names[kept[least]] or None if kept else None,
        reference=None,
        high=high.max(axis=-1) if kept else np.zeros(high.shape[:-1]),
        n=n[..., least] if kept else np.zeros(high.shape[:-1]),
        n_reference=None,
        passes=np.asarray(fine.all(axis=-1)),
    )


def _gaps(tables: Tables, policy: Policy, level: float, line: Line, found: PairedCounts) -> Iterator[Test]:
    left_out = _excluded(tables, policy, line)
    named = getattr(line.check, "reference", None) is not None
    kept = tuple((g, r) for g, r in line.pairs if not (left_out.get(g) or (left_out.get(r) and not named)))
    if not kept:
        return
    gap, (n, rest) = gap_of(found, kept), denominators(found, kept)
    enough = np.minimum(n, rest) >= policy.n_min
    for kind, limit in line.limits.items():
        high = upper(gap, kind, level)
        for at, (group, reference) in enumerate(kept):
            yield Test(
                id=f"{line.prefix}={group}/{kind}",
                line=line,
                kind=kind,
                group=group,
                reference=reference,
                high=high[..., at],
                n=n[..., at],
                n_reference=rest[..., at],
                passes=np.asarray(enough[..., at] & (high[..., at] < limit)),
            )


def _ratios(tables: Tables, policy: Policy, level: float, line: Line, found: PairedCounts) -> Iterator[Test]:
    left_out = _excluded(tables, policy, line)
    kept = tuple((g, r) for g, r in line.pairs if not left_out.get(g))
    if not kept:
        return
    group, rest = sides(found.cells, found.unknown, found.names, kept, -3)
    n, others = group.sum(axis=(-2, -1)), rest.sum(axis=(-2, -1))
    low, _ = ratio_limits(group[..., 1].sum(axis=-1), n, rest[..., 1].sum(axis=-1), others, level)
    passes = (np.minimum(n, others) >= policy.n_min) & (low > line.limits["at_least"])
    for at, (name, reference) in enumerate(kept):
        yield Test(
            id=f"{line.prefix}={name}/at_least",
            line=line,
            kind="at_least",
            group=name,
            reference=reference,
            high=low[..., at],
            n=n[..., at],
            n_reference=others[..., at],
            passes=np.asarray(passes[..., at]),
        )
