"""Log-loss, Brier and AUC: whole audits of simulated rows of a student that is worse by exactly the limit."""

from functools import cache
from itertools import product
from typing import Any

import numpy as np

from autodistill import auditor
from autodistill.stats import z_value
from validity.common import ALPHA, BOUND, Claim, again, check, evidence, named, policy

METRICS = ("log_loss", "brier", "auc")
LAWS = {"noisy": (1.0, 0.6, 0.0), "overconfident": (2.0, 0.2, 0.0), "few rows badly wrong": (1.0, 0.05, 0.02)}
"""Of the student's log-odds: sharpness, noise, and the share of rows on which it is sure of the wrong class."""


def rows(random: np.random.Generator, n: int, law: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and both models' probabilities of class 1, [n]; the teacher is calibrated."""
    sharp, noise, wrong = LAWS[law]
    odds = random.normal(-0.5, 1.5, n)
    y = random.random(n) < 1 / (1 + np.exp(-odds))
    said = sharp * odds + noise * random.standard_normal(n)
    said = np.where(random.random(n) < wrong, np.where(y, -5.0, 5.0), said)
    return y, *((1 / (1 + np.exp(-part))).astype(np.float32) for part in (odds, said))


def metric(name: str, y: np.ndarray, p: np.ndarray) -> float:
    """The metric by its definition."""
    p = p.astype(float)
    if name == "auc":
        order = np.argsort(p, kind="stable")
        ranks = np.empty(len(p))
        ranks[order] = np.arange(1, len(p) + 1)
        positives = int(y.sum())
        return float((ranks[y].sum() - positives * (positives + 1) / 2) / positives / (len(y) - positives))
    return float(np.mean(-np.log(np.where(y, p, 1 - p))) if name == "log_loss" else np.mean((p - y) ** 2))


@cache
def truth(name: str, law: str) -> float:
    """The student's loss in the population, from four million rows."""
    y, teacher, student = rows(np.random.default_rng(99), 4_000_000, law)
    loss = metric(name, y, student) - metric(name, y, teacher)
    return -loss if name == "auc" else loss


def passes(cell: tuple[Any, ...], seed: int, draws: int) -> float:
    """How often such a student passes its own loss as the limit."""
    name, law, n = cell
    random, passed = np.random.default_rng(seed), 0
    rules = policy(check("score_loss", {"at_most": truth(name, law)}, metric=name))
    for _ in range(draws):
        y, teacher, student = rows(random, n, law)
        judged = evidence(y, teacher >= 0.5, student >= 0.5, scores=(teacher, student))
        passed += auditor.audit(judged, rules)[0].outcome == "PASS"
    return passed / draws


def plain(cell: tuple[Any, ...], seed: int, draws: int) -> float:
    """The same by the mean difference and z·SE (log-loss and Brier)."""
    name, law, n = cell
    random, passed, limit = np.random.default_rng(seed), 0, truth(name, law)
    for _ in range(draws):
        y, *both = rows(random, n, law)
        if name == "log_loss":
            teacher, student = (-np.log(np.where(y, p, 1 - p)) for p in both)
        else:
            teacher, student = ((p - y) ** 2 for p in both)
        change = student - teacher
        passed += change.mean() + float(z_value(ALPHA)) * change.std(ddof=1) / n**0.5 < limit
    return passed / draws


def run(quick: bool) -> list[Claim]:
    """False pass of row-level metrics at their limit."""
    draws = 60 if quick else 250
    sizes = (100, 1000) if quick else (100, 300, 1000, 4000)
    names = ("metric", "law:", "rows")
    cells = list(product(METRICS, LAWS, sizes))
    cell, value, error, count = again(cells, passes, draws, top=3, more=12)
    rival = again([c for c in cells if c[0] != "auc"], plain, draws, top=2, more=6)
    return [
        Claim(
            topic="row-level metrics",
            claim="false pass of log-loss, Brier and AUC at the limit (auditor.audit)",
            cells=count,
            worst=named(names, cell),
            ours=value,
            error=error,
            bound=BOUND,
            rivals={"Wald": rival[1]},
            rivals_at=f"Wald's own worst: {named(names, rival[0])}",
        )
    ]
