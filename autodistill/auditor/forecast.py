"""What a split can decide, said before it is read: predicted power, and the smallest margins that its rows certify."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autodistill.auditor.simulate import Test, Untold, draw, rates_of, tests
from autodistill.records import Dataset, LimitKind, Policy
from autodistill.stats import Evidence, Tables, encode_group, strata
from autodistill.stats.shares import Floats

SCORES = "depends on predictions, not on labels and groups alone: not among all"
DRAWS = 1000
SEED = 4711


def power(evidence: Evidence, policy: Policy, scale: float, level: float | None = None) -> float:
    """Predicted power: the share of simulated splits, ``scale`` times as large as the judged one, on which all required
    checks pass at ``level`` together. Rates are (count + ½)/(n + 2), the seed is fixed (1,000 tables: ± 1.6 points);
    metrics of scores are drawn around their estimates, by themselves. Rows that share clusters count as rows/deff, the
    design effect of the loss.

    0 where a required check cannot be decided at all. Rules without a limit (class_collapse) and what only further
    views tell are not simulated.
    """
    tables = evidence.tables
    fewer = scale if evidence.clusters is None else scale / design_effect(evidence)
    drawn = draw(tables, rates_of(tables, max(2, len(evidence.classes))), fewer, DRAWS, SEED)
    alive = np.ones(DRAWS, dtype=bool)
    for test in tests(drawn, policy, policy.alpha if level is None else level, evidence, scale):
        if isinstance(test, Untold):
            if not test.rows:
                return 0.0
            continue
        alive &= test.passes
    return float(alive.mean())


def design_effect(evidence: Evidence) -> float:
    """How many times larger the variance of the loss of accuracy is than of as many independent rows; at least 1."""
    if evidence.clusters is None or not evidence.classes:
        return 1.0
    right = [views[evidence.split].decisions == evidence.y for views in (evidence.teacher, evidence.student)]
    loss = right[0].astype(float) - right[1]
    excess = loss - loss.mean()
    own = float((excess**2).sum())
    count = int(evidence.clusters.max()) + 1
    shared = float((np.bincount(evidence.clusters, weights=excess) ** 2).sum()) * count / max(1, count - 1)
    return max(1.0, shared / own) if own > 0 else 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Certifiable:
    """What one required test can do on a split, if the student neither gains nor loses.

    ``margin`` is the smallest limit that passes at expected counts; ``power`` the share of simulated splits that pass
    ``limit``, ``reach`` the tightest limit that nine of ten of them pass. ``id`` "all" is every required test together.
    ``denominator`` rows under the metric in the group.
    """

    id: str
    check: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    group: str | None = None
    reference: str | None = None
    denominator: int = 0
    denominator_reference: int | None = None
    limit: float | None = None
    limit_kind: LimitKind | None = None
    margin: float | None = None
    reach: float | None = None
    power: float = 0.0
    note: str = ""


def certifiable(
    policy: Policy,
    dataset: Dataset,
    split: str = "audit",
    *,
    level: float | None = None,
    error: float = 0.15,
    disagreement: float = 0.05,
) -> tuple[Certifiable, ...]:
    """For each required test: rows, the smallest margin that this split certifies at zero change, and its power.

    From labels and groups only: a test of scores is listed with a note and left out of "all", which comes last.
    ``error`` is the teacher's assumed share of wrong rows under each label, ``disagreement`` the assumed share of rows
    on which just one of both is right, half to each.
    """
    if not dataset.classes:
        return (Certifiable(id="all", note="depends on predictions: nothing is counted in a regression"),)
    alpha = policy.alpha if level is None else level
    expected = _expected(dataset, split, error, disagreement)
    n = expected.cells.reshape(-1, 2, 16)
    rates = n / np.maximum(n.sum(axis=-1, keepdims=True), 1e-300)
    drawn = draw(expected, rates, 1.0, DRAWS, SEED)
    out: list[Certifiable] = []
    alive = np.ones(DRAWS, dtype=bool)
    for point, many in zip(*(tests(one, policy, alpha, None, 1.0) for one in (expected, drawn)), strict=True):
        if isinstance(point, Untold) or isinstance(many, Untold):
            told = isinstance(point, Untold) and point.rows
            alive &= told
            out.append(Certifiable(id=point.id, note=SCORES if told else "cannot be decided on these data"))
            continue
        alive &= many.passes
        out.append(_record(point, many, policy))
    return (*out, Certifiable(id="all", power=float(alive.mean())))


def _record(point: Test, many: Test, policy: Policy) -> Certifiable:
    least = min(float(point.n), float("inf") if point.n_reference is None else float(point.n_reference))
    return Certifiable(
        id=point.id,
        check=point.line.name,
        options=point.line.options,
        group=point.group,
        reference=point.reference,
        denominator=round(float(point.n)),
        denominator_reference=None if point.n_reference is None else round(float(point.n_reference)),
        limit=point.line.limits[point.kind],
        limit_kind=point.kind,
        margin=float(point.high),
        reach=_reach(many),
        power=float(many.passes.mean()),
        note="" if least >= policy.n_min else f"under n_min {policy.n_min}: INSUFFICIENT",
    )


def _reach(many: Test) -> float:
    if many.kind == "at_least":
        return float(np.quantile(many.high, 0.1, method="lower"))
    return float(np.quantile(many.high, 0.9, method="higher"))


def _expected(dataset: Dataset, split: str, error: float, disagreement: float) -> Tables:
    """The table that a split shows on average, [S, 2, 2, 2, 2, 2]."""
    at = dataset.splits[split]
    names, codes = {}, {}
    for attribute, column in dataset.groups.items():
        everyone = tuple(sorted({str(value) for value in column.tolist()} - {""}))
        names[attribute], codes[attribute] = encode_group(column[at], everyone)
    stratum, of_stratum = strata(codes, {name: len(values) for name, values in names.items()}, len(at))
    rated = dataset.positive if dataset.positive is not None else dataset.favourable
    label = (dataset.y[at] == rated).astype(np.int64)
    size = int(stratum.max()) + 1 if len(at) else 0
    n = np.bincount(stratum * 2 + label, minlength=2 * size).reshape(size, 2).astype(float)
    shares = _shares(error, disagreement, len(dataset.classes))
    cells = n[:, :, None, None, None, None] * shares[None]
    turned = dataset.favourable is not None and dataset.favourable != rated
    turn = -1 if turned else 1
    return Tables(groups=names, codes=of_stratum, cells=cells, turn=turn, rated=rated is not None)


def _shares(error: float, disagreement: float, classes: int) -> Floats:
    """Shares [2, 2, 2, 2, 2] (label; teacher, student say it; teacher, student right) at zero change."""
    half = disagreement / 2
    joint = {(1, 1): 1 - error - half, (1, 0): half, (0, 1): half, (0, 0): max(error - half, 0.0)}
    shares = np.zeros((2, 2, 2, 2, 2))
    for (t, s), share in joint.items():
        shares[1, t, s, t, s] += share
        # A wrong row of another class says the rated one as often as any other wrong class.
        says = 1 / (classes - 1)
        shares[0, 1 - t, 1 - s, t, s] += share * says
        shares[0, 0, 0, t, s] += share * (1 - says)
    return np.asarray(shares / shares.sum(axis=(1, 2, 3, 4), keepdims=True))
