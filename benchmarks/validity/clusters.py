"""Rows that share clusters: whole audits of simulated rows, at the margin of a loss and at the limit of a growth."""

from itertools import product
from typing import Any

import numpy as np

from autodistill import auditor
from autodistill.stats import paired_upper
from validity.common import ALPHA, Claim, again, check, evidence, named, policy

BOUND = ALPHA + 0.015
"""AUDIT §10: clusters may pass falsely in 5 % + 1.5 points."""

MARGIN = 0.05


def sizes(random: np.random.Generator, clusters: int, kind: str) -> np.ndarray:
    """Rows of each cluster: all ten, or log-normal with a mean near ten or forty."""
    if kind == "equal":
        return np.full(clusters, 10)
    mean, spread = {"uneven": (10, 0.8), "very uneven": (20, 1.3)}[kind]
    return np.maximum(1, np.rint(mean * np.exp(spread * random.standard_normal(clusters) - spread**2 / 2))).astype(int)


def outcomes(
    random: np.random.Generator, cluster: np.ndarray, clusters: int, rates: tuple[float, float], alike: float
) -> np.ndarray:
    """1 where only the teacher has it, 2 where only the student has it, else 0; rates vary between clusters with the
    intraclass correlation ``alike``."""
    weight = (1 - alike) / alike
    b, c = (random.beta(rate * weight, (1 - rate) * weight, clusters)[cluster] for rate in rates)
    number = random.random(len(cluster))
    return np.where(number < b, 1, np.where(number > 1 - c, 2, 0))


def loss(cell: tuple[Any, ...], seed: int, draws: int, naive: bool = False) -> float:
    """How often a student whose loss is the margin passes."""
    clusters, kind, alike = cell
    random, passed = np.random.default_rng(seed), 0
    rules = policy(check("accuracy_loss", {"at_most": MARGIN}))
    for _ in range(draws):
        cluster = np.repeat(np.arange(clusters), sizes(random, clusters, kind))
        case = outcomes(random, cluster, clusters, (0.065, 0.015), alike)
        if naive:
            b, c = (case == 1).sum(), (case == 2).sum()
            passed += bool(paired_upper(b, c, len(case), ALPHA) < MARGIN)
            continue
        judged = evidence(np.ones(len(case)), case != 2, case != 1, cluster=cluster)
        passed += auditor.audit(judged, rules)[0].outcome == "PASS"
    return passed / draws


def growth(cell: tuple[Any, ...], seed: int, draws: int) -> float:
    """How often a new gap of the limit's size passes; clusters lie in one group, or span both."""
    clusters, kind, alike, spans = cell
    random, passed = np.random.default_rng(seed), 0
    rules = policy(check("group_gap", {"grows_by_at_most": MARGIN}, metric="error"))
    for _ in range(draws):
        cluster = np.repeat(np.arange(clusters), sizes(random, clusters, kind))
        first = random.random(len(cluster)) < 0.4 if spans == "span" else cluster % 2 == 0
        case = np.where(
            first,
            outcomes(random, cluster, clusters, (0.065, 0.015), alike),
            outcomes(random, cluster, clusters, (0.015, 0.015), alike),
        )
        judged = evidence(np.ones(len(case)), case != 2, case != 1, {"g": np.where(first, "a", "b")}, cluster=cluster)
        passed += any(f.outcome == "PASS" and f.check == "group_gap" for f in auditor.audit(judged, rules))
    return passed / draws


def carried(cell: tuple[Any, ...], seed: int, draws: int) -> float:
    """The same where the whole loss of 2 points comes from a share of the clusters, of which a sample may hold none."""
    clusters, share, where = cell
    random, passed = np.random.default_rng(seed), 0
    loss_ = check("accuracy_loss", {"at_most": 0.02})
    grown = check("group_gap", {"grows_by_at_most": 0.02}, metric="error")
    for _ in range(draws):
        cluster = np.repeat(np.arange(clusters), sizes(random, clusters, "uneven"))
        first = cluster % 2 == 0
        hit = (random.random(clusters) < share)[cluster] & (first | (where == "loss"))
        number = random.random(len(cluster))
        lost, won = number < np.where(hit, 0.02 / share, 0.0) + 0.005, number > 0.995
        rules = policy(loss_ if where == "loss" else grown)
        groups = {} if where == "loss" else {"g": np.where(first, "a", "b")}
        judged = evidence(np.ones(len(cluster)), ~won, ~lost | won, groups, cluster=cluster)
        passed += any(f.outcome == "PASS" and f.limit is not None for f in auditor.audit(judged, rules))
    return passed / draws


def run(quick: bool) -> list[Claim]:
    """All claims about clusters."""
    draws = 60 if quick else 200
    counts = (20, 200) if quick else (20, 30, 60, 200)
    cells = list(product(counts, ("equal", "uneven", "very uneven"), (0.05, 0.3, 0.9)))
    names = ("clusters", "sizes", "intraclass correlation")
    cell, value, error, count = again(cells, loss, draws, top=3, more=12)
    rival = again(cells, lambda c, s, d: loss(c, s, d, True), draws, top=1, more=2)
    out = [
        Claim(
            topic="clusters",
            claim="false pass of the loss at the margin (auditor.audit)",
            cells=count,
            worst=named(names, cell),
            ours=value,
            error=error,
            bound=BOUND,
            rivals={"clusters ignored": rival[1]},
            rivals_at=f"its own worst: {named(names, rival[0])}",
        )
    ]
    for spans, what in (("nest", "clusters inside a group"), ("span", "clusters that span both groups")):
        chosen = [(*c, spans) for c in cells if c[0] >= 30 or quick]
        cell, value, error, count = again(chosen, growth, draws, top=3, more=8)
        out.append(
            Claim(
                topic="clusters",
                claim=f"false pass of growth at ε, {what} (auditor.audit)",
                cells=count,
                worst=named((*names, ""), cell),
                ours=value,
                error=error,
                bound=BOUND,
            )
        )
    for where, what, many in (("loss", "the loss", (40, 100, 400)), ("growth", "growth", (100, 200, 600))):
        rare = [(*c, where) for c in product(many[:2] if quick else many, (0.04, 0.1, 0.3))]
        cell, value, error, count = again(rare, carried, draws, top=2, more=10)
        out.append(
            Claim(
                topic="clusters",
                claim=f"false pass of {what} at 2 points, all carried by 4 to 30 % of the clusters",
                cells=count,
                worst=named(("clusters", "share that carries it", ""), cell),
                ours=value,
                error=error,
                bound=BOUND,
            )
        )
    return out
