"""What the arms of ``search_efficiency.py`` share: a table, a fitted teacher, its kept labels, and what is counted."""

import importlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from optuna._hypervolume import compute_hypervolume

from autodistill import jobs, measure, spec
from autodistill.run import prepare
from autodistill.run.progress import silent

Point = tuple[float, float, float]
"""Error on the search split, latency and energy as logarithms to base 10 of shares of the teacher's."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A student. ``at``: seconds of its arm; ``acceptable``: trained in full, and all constraints met."""

    at: float
    point: Point
    bytes: float
    acceptable: bool
    family: str


@dataclass(kw_only=True)
class Arm:
    """One arm of one seed and what it came to."""

    task: str
    name: str
    seed: int
    shop: jobs.Workshop
    counts: dict[str, int] = field(default_factory=dict)
    wall: float = 0.0
    cpu: float = 0.0
    load: tuple[float, float] = (0.0, 0.0)
    found: list[Found] = field(default_factory=list)

    def count(self, what: str) -> None:
        """One more."""
        self.counts[what] = self.counts.get(what, 0) + 1


class Fitted:
    """A fitted teacher: a weighted mean of scikit-learn estimators."""

    def __init__(self, models: Sequence[tuple[float, Any]]) -> None:
        self.models = models

    def predict_proba(self, rows: Any) -> Any:
        """Shares [n, C]."""
        return sum(weight * model.predict_proba(rows) for weight, model in self.models)


class Bench:
    """What all arms of a task share, made once and on nobody's clock. ``worst``: the error of the reference point."""

    def __init__(self, task: str, path: Path, room: Path, worst: float) -> None:
        self.task, self.spec, self.room, self.worst = task, spec.load(path), room, worst
        self.path = path
        self.shop = prepare.prepare(self.spec, room / "prepared", silent).shop
        self.ranking, self.labels = self.shop.ranking, self.shop.teacher_logits
        self.rows = self.shop.matrix(self.shop.encoding)
        self.y = self.shop.dataset.y[self.shop.dataset.splits["train"]]
        self.teacher = self._fitted()
        self.energy = self.shop.teacher_readings["energy"].value or math.nan

    def _fitted(self) -> Fitted:
        """The teacher as a user has it: estimators fitted on the train rows, and their weights in its labels."""
        kind, options = self.spec.teacher
        members = options["members"] if kind == "ensemble" else [options]
        weights = np.ones(1)
        if len(members) > 1:
            told = np.stack([one.scores.ravel() for one in self.shop.teacher.members], axis=1)
            weights = np.linalg.lstsq(told, self.shop.teacher.scores.ravel(), rcond=None)[0].round(4)
        models = []
        for member, weight in zip(members, weights, strict=True):
            given = {name: value for name, value in member.items() if name not in ("estimator", "options")}
            given |= member.get("options", {})
            module, _, name = member["estimator"].rpartition(".")
            made = getattr(importlib.import_module(module), name)
            if weight:
                models.append((float(weight), made(random_state=self.spec.seed, **given).fit(self.rows, self.y)))
        return Fitted(models)

    def arm(self, name: str, seed: int) -> Arm:
        """A workshop that remembers no reading."""
        folder = self.room / f"{name} {seed}"
        lab = measure.Lab(
            folder / "readings",
            self.shop.lab.rows,
            self.shop.lab.teacher_path,
            batch=self.spec.measure.batch,
            threads=self.spec.measure.threads,
        )
        shop = replace(self.shop, lab=lab, folder=folder, kept={}, seen={})
        shop.__dict__.update(ranking=self.ranking, teacher_logits=self.labels)
        _ = shop.calibration, shop.constraint_names, shop.groups
        return Arm(task=self.task, name=name, seed=seed, shop=shop)

    def take(
        self, arm: Arm, at: float, family: str, error: float, readings: Any, constraints: Sequence[float] | None
    ) -> None:
        """Count a student; ``constraints`` is None for one that was stopped. What cannot be read is only counted."""
        latency, energy = readings["latency_ratio"].value, readings["energy"].value
        if latency is None or energy is None:
            return arm.count("unread")
        point = (error, math.log10(latency), math.log10(energy / self.energy))
        acceptable = constraints is not None and max(constraints, default=0.0) <= 0
        size = readings["size"].value
        arm.found.append(Found(at=round(at, 2), point=point, bytes=size, acceptable=acceptable, family=family))
        return None

    def volume(self, points: Sequence[Point]) -> float:
        """Hypervolume under (``worst``, the teacher's latency, the teacher's energy)."""
        corner = (self.worst, 0.0, 0.0)
        inside = [one for one in points if all(a < b for a, b in zip(one, corner, strict=True))]
        return float(compute_hypervolume(np.unique(np.array(inside), axis=0), np.array(corner))) if inside else 0.0


def cpu_seconds() -> float:
    """Of this process and its ended children."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system
