"""Metrics that are not 0/1 counts: false passes and false FAILs of losses, gaps and calibration by influence values.

Each replicate of a cell is one group of one table, so that a cell is one pass over its rows. The limit is the loss in
the population, from ten million rows of the same law.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from autodistill import plugins
from autodistill.records import Predictions
from autodistill.stats import Evidence, Rows, RowSums, z_value
from autodistill.stats.influence import Measured, by_group, measured
from autodistill.stats.spread import Spread
from validity.common import ALPHA, BOUND, Claim, again, named

DISCORDANT, N_MIN = 10, 30
NAMES = ("metric", "law", "n")
SIZES = (100, 300, 1000, 3000, 10_000)


def logistic(x: np.ndarray) -> np.ndarray:
    """Probability of a log-odds."""
    return np.asarray(1 / (1 + np.exp(-x)))


Law = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""Draws n rows: label, teacher's and student's score (classification), or target and two predictions."""


def scored(base: float, sharp: float, noise: float, wrong: float = 0.0, share: float = 1.0) -> Law:
    """A calibrated teacher; on ``share`` of the rows the student's log-odds are ``sharp`` times the teacher's with
    ``noise``, on ``wrong`` of all rows it is sure of the other class, and elsewhere it repeats the teacher."""

    def draw(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        odds = random.normal(np.log(base / (1 - base)), 1.5, n)
        y = random.random(n) < logistic(odds)
        student = np.where(random.random(n) < share, sharp * odds + noise * random.normal(size=n), odds)
        student = np.where(random.random(n) < wrong, np.where(y, -9.0, 9.0), student)
        return y, logistic(odds), logistic(student)

    return draw


def numbers(tail: str, share: float = 1.0, scale: float = 0.3) -> Law:
    """A teacher with normal errors of 1; on ``share`` of the rows the student adds ``scale`` times a ``tail``."""

    def draw(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        y, error = random.normal(size=n), random.normal(size=n)
        if tail == "normal":
            more = random.normal(size=n)
        elif tail == "t5":
            more = random.standard_t(5, size=n)
        else:
            more = random.lognormal(0, 1, size=n)
        return y, y + error, y + error + np.where(random.random(n) < share, scale * more, 0.0)

    return draw


SCORED: Mapping[str, Law] = {
    "noisier": scored(0.5, 1.0, 0.7),
    "three times too sure": scored(0.5, 3.0, 1.0),
    "rare class, too sure": scored(0.1, 2.0, 1.0),
    "differs on 5 % of rows": scored(0.5, 1.0, 2.0, share=0.05),
    "differs on 20 % of rows, rare class": scored(0.1, 1.0, 2.0, share=0.2),
    "sure and wrong on 2 %": scored(0.5, 1.0, 0.05, wrong=0.02),
    "sure and wrong on 0.5 %": scored(0.5, 1.0, 0.05, wrong=0.005),
    "sure and wrong on 0.1 %": scored(0.5, 1.0, 0.05, wrong=0.001),
}
NUMBERS: Mapping[str, Law] = {
    "normal": numbers("normal"),
    "t5": numbers("t5"),
    "lognormal": numbers("lognormal"),
    "normal on 5 % of rows": numbers("normal", 0.05, 2.0),
    "lognormal on 20 % of rows": numbers("lognormal", 0.2, 1.0),
}
SCORE_METRICS = ("log_loss", "brier", "auc", "balanced_accuracy", "f1")
NUMBER_METRICS = ("rmse", "mae")


def table(law: Law, seed: int, n: int, groups: int) -> Evidence:
    """``groups`` replicates of n rows, each a group of its own."""
    random = np.random.default_rng(seed)
    y, teacher, student = law(random, n * groups)
    rows = np.arange(len(y))
    classes = ("no", "yes") if y.dtype == bool else ()

    def said(values: np.ndarray) -> dict[str, Predictions]:
        scores = np.stack([1 - values, values], axis=1) if classes else values[:, None]
        decided = (values > 0.5).astype(np.int64) if classes else values
        return {"audit": Predictions(view="audit", row_ids=rows, scores=scores.astype(np.float32), decisions=decided)}

    evidence = Evidence(
        split="audit",
        row_ids=rows,
        y=y.astype(np.int64) if classes else y,
        classes=classes,
        positive=1 if classes else None,
        favourable=1 if classes else None,
        groups={"replicate": np.broadcast_to(np.array("", dtype=object), len(y))},
        teacher=said(teacher),
        student=said(student),
    )
    # As the column would be coded; a million strings a cell would take most of the time.
    vars(evidence)["encoded"] = {"replicate": (tuple(map(str, range(groups))), rows // n)}
    return evidence


def counted(evidence: Evidence, name: str, **options: Any) -> Measured:
    """A check's rows in every replicate, as the auditor measures them."""
    check = plugins.build("checks", name, {"attribute": "replicate", **options})
    found = check.statistic(Rows(tables=None, evidence=evidence), {})  # type: ignore[arg-type]
    assert isinstance(found, RowSums), found
    return measured(found)


@cache
def truth(metric: str, law: str) -> float:
    """The loss in the population."""
    one = SCORED.get(law) or NUMBERS[law]
    drawn = [
        _loss(counted(table(one, 7_000_000 + at, 1_000_000, 1), "score_loss", metric=metric)).estimate[0]
        for at in range(10)
    ]
    return float(np.mean(drawn))


def _loss(data: Measured) -> Spread:
    """The change with harm upwards."""
    change = by_group(data).change
    if data.found.harm > 0:
        return change
    return replace(change, estimate=-change.estimate, tilt=-change.tilt)


def _left(data: Measured) -> tuple[np.ndarray, np.ndarray]:
    """Replicates that the rules leave to decide: enough rows under the metric; enough that differ for a PASS."""
    under = data.rows if data.found.denominators is None else data.found.denominators
    return under >= N_MIN, (data.differ >= DISCORDANT) & ~_loss(data).heavy


@cache
def rates(cell: tuple[str, str, int], seed: int, draws: int) -> Mapping[str, float]:
    """Shares of replicates at their limit: that pass, that pass by estimate + z·SE, that fail at a twentieth of α."""
    metric, law, n = cell
    limit, left = truth(metric, law), draws
    found = {"ours": 0, "plain": 0, "fail": 0}
    while left > 0:
        some = max(1, min(left, 2_000_000 // n))
        data = counted(table(SCORED.get(law) or NUMBERS[law], seed + left * 7919, n, some), "score_loss", metric=metric)
        loss, (under, differ) = _loss(data), _left(data)
        sure = under & differ & (loss.error > 0)
        found["ours"] += int(((loss.limits(ALPHA)[1] < limit) & sure)[:-1].sum())
        found["plain"] += int(((loss.estimate + z_value(ALPHA) * loss.error < limit) & sure)[:-1].sum())
        found["fail"] += int(((loss.limits(ALPHA / 20)[0] > limit) & under)[:-1].sum())
        left -= some
    return {name: count / draws for name, count in found.items()}


def run(quick: bool) -> list[Claim]:
    """One claim a metric on false passes, one for all on false FAILs at a twentieth of the level."""
    sizes, draws = ((300, 3000), 500) if quick else (SIZES, 2000)
    claims: list[Claim] = []
    failed: dict[tuple[str, str, int], float] = {}
    for metric in (*SCORE_METRICS, *NUMBER_METRICS):
        cells = list(product((metric,), SCORED if metric in SCORE_METRICS else NUMBERS, sizes))
        cell, value, error, count = again(cells, lambda c, s, d: rates(c, s, d)["ours"], draws, more=4)
        plain = {c: rates(c, 1000 + at, draws)["plain"] for at, c in enumerate(cells)}
        # The seeds of ``again``, so that each cell is drawn once.
        failed |= {c: rates(c, 1000 + at, draws)["fail"] for at, c in enumerate(cells)}
        top = max(plain, key=lambda c: plain[c])
        claims.append(
            Claim(
                topic="rowlevel",
                claim=f"false pass of a loss of {metric.replace('_', ' ')} at its limit",
                cells=count,
                worst=named(NAMES, cell),
                ours=value,
                error=error,
                bound=BOUND,
                rivals={"Wald": plain[top]},
                rivals_at=named(NAMES, top),
            )
        )
    cell = max(failed, key=lambda c: failed[c])
    fresh = rates(cell, 900_000, draws * 4)["fail"]
    claims.append(
        Claim(
            topic="rowlevel",
            claim="false FAIL at level/20 of a loss at its limit",
            cells=len(failed),
            worst=named(NAMES, cell),
            ours=fresh,
            error=float(np.sqrt(max(fresh * (1 - fresh), 1e-12) / (draws * 4))),
            bound=ALPHA / 20 + 0.005,
        )
    )
    return claims
