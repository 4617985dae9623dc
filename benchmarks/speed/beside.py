"""The same quantities by fairlearn's bootstrap and by ours: 24 groups × 5 metrics × both models."""

import warnings
from functools import cache
from typing import Any

import numpy as np

from autodistill import plugins
from autodistill.auditor.contrasts import gap_of
from autodistill.stats import Evidence, Rows, Tables, wilson, z_value
from autodistill.verdict import pairs
from speed.rows import METRICS, fresh, made, middle

LEVEL = 0.025
DRAWS = 2000


def shares(table: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """metric -> how many rows have it, by teacher and student, and of how many, [..., 2, G]; from counts
    [..., G, 2, 2, 2] by (label, teacher's decision, student's decision)."""
    found = {}
    # By group, model, label and decision.
    each = np.stack([table.sum(axis=-1), table.sum(axis=-2)], axis=-3)
    has = {
        "selection_rate": each[..., 1].sum(axis=-1),
        "true_positive_rate": each[..., 1, 1],
        "false_positive_rate": each[..., 0, 1],
        "false_negative_rate": each[..., 1, 0],
        "accuracy": each[..., 0, 0] + each[..., 1, 1],
    }
    labels = each.sum(axis=-1)
    whole, no, yes = labels.sum(axis=-1), labels[..., 0], labels[..., 1]
    under = dict(zip(METRICS, (whole, yes, no, yes, whole), strict=True))
    for metric, count in has.items():
        found[metric] = (np.swapaxes(count, -1, -2), np.swapaxes(under[metric], -1, -2))
    return found


def counts(tables: Tables) -> np.ndarray:
    """[G, 2, 2, 2] by region."""
    return np.asarray(tables.by("region")[:-1].sum(axis=(-2, -1)))


def closed(tables: Tables) -> dict[str, Any]:
    """Intervals of every rate of both models, and of every contrast of both and of its change, five metrics."""
    out: dict[str, Any] = {}
    for metric, (has, n) in shares(counts(tables)).items():
        found = _checks()[metric].statistic(Rows(tables=tables), {})
        gap = gap_of(found, pairs(found.names))
        spans = gap.teacher_limits(LEVEL), gap.student_limits(LEVEL), gap.change_limits(LEVEL)
        out[metric] = (has / n, wilson(has, n, LEVEL), spans)
    return out


@cache
def _checks() -> dict[str, Any]:
    return {
        metric: plugins.build("checks", "group_gap", {"metric": metric, "attribute": "region"}) for metric in METRICS
    }


def resampled(tables: Tables) -> dict[str, Any]:
    """The same by 2,000 tables drawn at rates smoothed by ½ a cell: estimate ± z·SE."""
    table = counts(tables)
    flat = (table + 0.5).reshape(len(table), 8)
    rates = flat / flat.sum(axis=1, keepdims=True)
    n = table.sum(axis=(1, 2, 3)).astype(np.int64)
    drawn = np.random.default_rng(0).multinomial(n, rates, size=(DRAWS, len(table)))
    out: dict[str, Any] = {}
    points = shares(table)
    for metric, (has, under) in shares(drawn.reshape(DRAWS, -1, 2, 2, 2)).items():
        rate = has / under
        rest = (has.sum(axis=-1, keepdims=True) - has) / (under.sum(axis=-1, keepdims=True) - under)
        gap = rate - rest
        values = {"rate": rate, "gap": gap, "change": gap[:, 1] - gap[:, 0]}
        errors = {name: z_value(LEVEL) * value.std(axis=0) for name, value in values.items()}
        out[metric] = (points[metric][0] / points[metric][1], errors)
    return out


def fairlearns(evidence: Evidence, replicates: int | None) -> dict[str, Any]:
    """by_group of both models by fairlearn, with a bootstrap of ``replicates``, or without."""
    import fairlearn.metrics as fair
    from sklearn.metrics import accuracy_score

    rates = {name: getattr(fair, name) for name in METRICS[:4]} | {"accuracy": accuracy_score}
    more = {} if replicates is None else {"n_boot": replicates, "ci_quantiles": [LEVEL, 1 - LEVEL], "random_state": 0}
    found = {}
    for who, views in (("teacher", evidence.teacher), ("student", evidence.student)):
        frame = fair.MetricFrame(
            metrics=rates,
            y_true=evidence.y,
            y_pred=views["audit"].decisions,
            sensitive_features=evidence.groups["region"],
            **more,
        )
        found[who] = (frame.by_group, frame.by_group_ci if replicates else None)
    return found


def against_fairlearn(quick: bool) -> dict[str, Any]:
    """Part 1."""
    evidence = made(5_000 if quick else 50_000)
    times = 3 if quick else 15
    points = fairlearns(evidence, None)
    table = fresh(evidence).tables
    for metric, (has, n) in shares(counts(table)).items():
        for at, who in enumerate(("teacher", "student")):
            assert np.array_equal((has / n)[at], points[who][0][metric].to_numpy()), (metric, who)
    few, more = (2, 3) if quick else (2, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        base, high = (middle(lambda k=k: fairlearns(evidence, k), 1 if quick else 3) for k in (few, more))
    slope = (high - base) / (more - few)
    scaled = base + slope * (DRAWS - few)
    ours = {
        "closed form, from counts": middle(lambda: closed(table), times),
        "closed form, from rows": middle(lambda: closed(fresh(evidence).tables), times),
        "resampled (2,000 tables), from counts": middle(lambda: resampled(table), times),
        "resampled (2,000 tables), from rows": middle(lambda: resampled(fresh(evidence).tables), times),
    }
    return {
        "rows": len(evidence.y),
        "fairlearn": {"replicates timed": [few, more], "seconds": [base, high], "a replicate": slope, "2000": scaled},
        "ours": {name: {"seconds": seconds, "times faster": scaled / seconds} for name, seconds in ours.items()},
    }
