"""Distillation's doing: intervals that know about seeds, against intervals of rows alone."""

from itertools import product
from typing import Any

import numpy as np

from autodistill import auditor
from autodistill.auditor.attribution import attribution
from autodistill.records import Predictions
from autodistill.stats import Evidence
from validity.common import ALPHA, Claim, check, evidence, named, policy, worst

SEEDS = 3
RULES = policy(check("group_gap", {"grows_by_at_most": 0.05}, metric="error"))


def world(
    random: np.random.Generator, n: int, spread: float
) -> tuple[Evidence, list[Predictions], list[Predictions], dict[str, float]]:
    """Three students and three twins of a recipe whose gap varies by ``spread`` from seed to seed, and the truth."""
    group = random.random(n) < 0.3
    hard = random.random(n)
    doing = {"student": 0.10, "control": 0.06}

    def model(gap: float) -> np.ndarray:
        """Wrong where the row's own number is low; a quarter of the rows is decided anew by each model."""
        mixed = np.where(random.random(n) < 0.75, hard, random.random(n))
        return (mixed >= 0.15 + np.where(group, gap, 0.0)).astype(int)

    gaps = {arm: mean + spread * random.standard_normal(SEEDS) for arm, mean in doing.items()}
    said = {arm: [model(max(-0.15, gap)) for gap in values] for arm, values in gaps.items()}
    found = evidence(np.ones(n), model(0.02), said["student"][0], {"g": np.where(group, "a", "b")})

    def predictions(decisions: np.ndarray) -> Predictions:
        scores = np.stack([1 - decisions, decisions], axis=1).astype(np.float32)
        return Predictions(view="audit", row_ids=found.row_ids, scores=scores, decisions=decisions.astype(np.int64))

    arms = {arm: [predictions(one) for one in models] for arm, models in said.items()}
    truth = {"the recipe": doing["student"] - doing["control"], "this artefact": gaps["student"][0] - doing["control"]}
    return found, arms["student"], arms["control"], truth


def coverage(cell: tuple[Any, ...], draws: int) -> dict[str, float]:
    """How often two-sided 95 % intervals hold the truth."""
    n, spread = cell
    hits = {"the recipe": 0, "this artefact": 0, "rows only": 0}
    for seed in range(draws):
        found, students, controls, truth = world(np.random.default_rng(seed + 7919 * n), n, spread)
        for finding in attribution(found, RULES, level=ALPHA / 2, students=students, controls=controls):
            about = str(finding.details["about"])
            if about in truth and finding.low is not None and finding.high is not None:
                hits[about] += finding.low <= truth[about] <= finding.high
        one = auditor.Evidence(
            **{f: getattr(found, f) for f in found.__dataclass_fields__} | {"others": {"control": controls[0]}}
        )
        plain = attribution(one, RULES, level=ALPHA / 2)[0]
        if plain.low is not None and plain.high is not None:
            hits["rows only"] += plain.low <= truth["the recipe"] <= plain.high
    return {name: count / draws for name, count in hits.items()}


def run(quick: bool) -> list[Claim]:
    """Coverage about the recipe and about the artefact."""
    draws = 60 if quick else 400
    cells = list(product((500, 2000) if quick else (500, 2000, 8000), (0.01, 0.03)))
    found = {cell: coverage(cell, draws) for cell in cells}
    out = []
    for about in ("the recipe", "this artefact"):
        cell, value = worst({c: rates[about] for c, rates in found.items()}, least=True)
        rows = worst({c: rates["rows only"] for c, rates in found.items()}, least=True)
        most = max(rates[about] for rates in found.values())
        out.append(
            Claim(
                topic="attribution",
                claim=f"coverage of distillation's doing, two-sided 95 %, about {about}",
                cells=len(cells),
                worst=named(("rows", "spread of seeds"), cell),
                ours=value,
                error=float(np.sqrt(value * (1 - value) / draws)),
                bound=0.935,
                floor=True,
                rivals={"rows only, about the recipe": rows[1]},
                rivals_at=f"its own worst: {named(('rows', 'spread of seeds'), rows[0])}",
                note=f"3 seeds an arm; up to {100 * most:.1f} %",
            )
        )
    return out
