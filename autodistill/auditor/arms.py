"""Rates of several models on the same rows, and the error of a weighted sum of them: rows, and seeds of training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from autodistill.records import Predictions
from autodistill.stats import Evidence, z_value
from autodistill.stats.shares import Floats

LEAST = 20
"""Fewer clusters give no error worth the name (AUDIT §5)."""

Side = npt.NDArray[np.bool_]


def terms(evidence: Evidence, metric: str, rated: int | None, model: Predictions) -> tuple[Floats, Floats]:
    """(has [n], counts [n]) of a model: the metric, of the class ``rated``, in a set of rows is Σ has / Σ counts."""
    says, y = model.decisions, evidence.y
    if metric in {"accuracy", "error"}:
        return ((says == y) == (metric == "accuracy")).astype(float), np.ones(len(y))
    positive, label = says == rated, y == rated
    counted = {
        "selection_rate": np.ones(len(y), dtype=bool),
        "true_positive_rate": label,
        "false_negative_rate": label,
        "false_positive_rate": ~label,
        "positive_predictive_value": positive,
    }[metric]
    has = label if metric == "positive_predictive_value" else ~positive if metric == "false_negative_rate" else positive
    return (has & counted).astype(float), counted.astype(float)


@dataclass(frozen=True, kw_only=True)
class Sum:
    """A weighted sum of models' values: its estimate, its variance by source, and each source's degrees of freedom."""

    estimate: float
    variances: tuple[float, ...]
    freedoms: tuple[float, ...]

    def limits(self, level: float) -> tuple[float, float]:
        """Estimate and what each end reaches, one-sided at ``level``.

        With seeds in both arms t·SE at Satterthwaite's (1946) degrees of freedom. With seeds in one arm those are too
        many (measured: 92.2 % for a nominal 95 % at three seeds), so the two sources' own limits are combined as MOVER
        does: √((t₁·SE₁)² + (t₂·SE₂)²), which covers 95 % or more.
        """
        if len(self.variances) > 2:
            total = sum(self.variances)
            spent = sum(v * v / f for v, f in zip(self.variances, self.freedoms, strict=True))
            reach = _t(level, total * total / spent if spent > 0 else np.inf) * total**0.5
        else:
            own = (_t(level, f) ** 2 * v for v, f in zip(self.variances, self.freedoms, strict=True))
            reach = sum(own) ** 0.5
        return self.estimate - reach, self.estimate + reach

    def part(self, level: float) -> tuple[float, float, float]:
        """Estimate and limits."""
        return (self.estimate, *self.limits(level))


def _t(level: float, freedom: float) -> float:
    return float(stdtrit(freedom, 1 - level) if np.isfinite(freedom) else z_value(level))


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A metric's contrast between two sets of rows: ``harm``·(value in ``group`` − value in ``rest``), or the value in
    ``group`` alone where ``rest`` is None; ``rated`` is the class that a rate is of."""

    evidence: Evidence
    metric: str
    harm: int
    group: Side
    rest: Side | None
    rated: int | None = None

    @property
    def sides(self) -> tuple[tuple[int, Side], ...]:
        """(sign, rows) of the one or two sets of rows."""
        return ((self.harm, self.group), *(((-self.harm, self.rest),) if self.rest is not None else ()))

    def value(self, model: Predictions) -> float:
        """u of one model; NaN where a denominator is 0."""
        has, counts = terms(self.evidence, self.metric, self.rated, model)
        with np.errstate(invalid="ignore"):
            return float(sum(sign * np.divide(has[at].sum(), counts[at].sum()) for sign, at in self.sides))

    def counted(self, model: Predictions, at: Side) -> int:
        """Rows under the metric among ``at``."""
        return int(terms(self.evidence, self.metric, self.rated, model)[1][at].sum())

    def _influence(self, model: Predictions, at: Side) -> Floats:
        """How much each row moves the rate of ``at``: (has − rate·counts)/Σ counts, 0 elsewhere; sums to zero."""
        has, counts = terms(self.evidence, self.metric, self.rated, model)
        total = counts[at].sum()
        with np.errstate(invalid="ignore"):
            return np.where(at, (has - has[at].sum() / total * counts) / total, 0.0)

    def row_variance(
        self, models: Sequence[Predictions], weights: Sequence[float], level: float
    ) -> tuple[float, float]:
        """Variance over rows of Σ weight·u, the models given, and its degrees of freedom.

        Each side's own is no less than what the exact limit of no discordant row in n, 1 − level^(1/n), stands for: a
        side on which all models agree is evidence, not proof.
        """
        cluster = self.evidence.cluster
        parts, least, rows = [], [], 0
        for sign, at in self.sides:
            moved = np.zeros(len(at))
            for model, weight in zip(models, weights, strict=True):
                moved += weight * sign * self._influence(model, at)
            n = max(2, *(self.counted(model, at) for model in models))
            parts.append(moved)
            least.append(((1 - level ** (1 / n)) / float(z_value(level))) ** 2)
            rows += n
        if cluster is None:
            own = [float((part**2).sum()) for part in parts]
            return sum(max(pair) for pair in zip(own, least, strict=True)), float(rows - len(parts))
        code = np.unique(cluster, return_inverse=True)[1]
        sums = np.bincount(code, weights=np.sum(parts, axis=0))
        count = max(2, len(sums))
        return max(count / (count - 1) * float((sums**2).sum()), sum(least)), float(count - 1)

    def difference(self, first: Sequence[Predictions], second: Sequence[Predictions], level: float) -> Sum:
        """Mean u of ``first`` less mean u of ``second``: the rows' variance, and s²/k of each arm of k ≥ 2 seeds.

        An arm of one model is that model, not a recipe: it adds no variance of its own.
        """
        values = [np.array([self.value(model) for model in arm]) for arm in (first, second)]
        models = [*first, *second]
        weights = [1 / len(first)] * len(first) + [-1 / len(second)] * len(second)
        rows, freedom = self.row_variance(models, weights, level)
        seeds = [arm for arm in values if len(arm) > 1]
        return Sum(
            estimate=float(values[0].mean() - values[1].mean()),
            variances=(rows, *(float(arm.var(ddof=1)) / len(arm) for arm in seeds)),
            freedoms=(freedom, *(float(len(arm) - 1) for arm in seeds)),
        )


def few_clusters(evidence: Evidence) -> bool:
    """Whether rows share clusters, and too few of them."""
    return evidence.cluster is not None and len(np.unique(evidence.cluster)) < LEAST
