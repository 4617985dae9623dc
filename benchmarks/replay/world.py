"""Worlds made of the recorded distillations, in which any recipe of the space has a learning curve and a price.

``forest``: a random forest a family predicts the logarithm of the best error by each rung. To it comes luck: the
residual curve, out of bag, of one of the ten nearest recorded recipes, so that curves cross as real ones do, shrunk
until luck is as large as the spread between trainings of one recipe. ``rough``: the same not shrunk, as if all that the
forest cannot explain were luck; no controller can learn that. ``nearest``: the recorded curve of the nearest recipe of
the family, untouched. In all, latency, energy, bytes and seconds are functions of the architecture alone, by
regression; luck is a function of the recipe, so that the same is trained to the same.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestRegressor

from autodistill import space as spaces
from autodistill.optimise.grid import Grid
from autodistill.records import Candidate, digest
from autodistill.spec import reader

HERE = Path(__file__).resolve().parent
RUNGS = (1, 3, 9, 27)
NEAR = 10
REFERENCE_US = 11.0
"""What the reference model takes where nothing disturbs it: latencies are scaled to that."""
COSTS = ("latency", "energy", "size")
WORST = {"adult": 0.24, "digits": 0.20}
"""The error of the reference point: the majority's, and for digits an error that nobody wants."""
ROWS = {"adult": 7_326, "digits": 539}
Array = npt.NDArray[np.float64]
Kind = Literal["forest", "rough", "nearest"]


@dataclass(frozen=True, kw_only=True)
class Known:
    """The recorded recipes of one family: places on the grid [n, d], log of the best error by each rung [n, r], log
    costs [n, 3], log seconds [n, 2] (of an epoch, or of the whole fit; of the export)."""

    columns: npt.NDArray[np.bool_]
    shape: npt.NDArray[np.bool_]
    u: Array
    curves: Array
    costs: Array
    seconds: Array
    spread: float


class World:
    """``curve``, ``costs`` and ``seconds`` of any candidate of ``space``."""

    def __init__(self, task: str, kind: Kind = "forest", table: Path | None = None) -> None:
        self.task, self.kind = task, kind
        node = reader.read(HERE / f"{task}.yaml")
        self.space = spaces.read(node.at("student").plain(), node.at("distill").plain(), node.where)
        self.grid = Grid(self.space)
        lines = pq.read_table(table or HERE / f"{task}.parquet").to_pylist()
        told = next(line for line in lines if line["teacher"])
        self.teacher = {"error": told["final"], **_costs(told)}
        self.known = {
            family: self._known([line for line in lines if line["family"] == family])
            for family in sorted({line["family"] for line in lines} - {None})
        }
        self.floor = 0.5 / ROWS[task]
        self._forests = {family: _forest(one) for family, one in self.known.items()}
        self._prices = {family: _Prices(one) for family, one in self.known.items()}

    @cached_property
    def reference(self) -> Array:
        """The corner under which hypervolume is counted: error, log10 latency, log10 energy."""
        return np.array([WORST[self.task], np.log10(self.teacher["latency"]), np.log10(self.teacher["energy"])])

    def _known(self, lines: list[dict[str, Any]]) -> Known:
        by_recipe: dict[str, list[dict[str, Any]]] = {}
        for line in lines:
            by_recipe.setdefault(line["recipe"], []).append(line)
        groups = list(by_recipe.values())
        u = self.grid.encode([json.loads(group[0]["parameters"]) for group in groups])
        active = self.grid.active(u)
        columns = active.any(axis=0) & (np.array([d.name for d in self.grid.dimensions]) != "family")
        names = [f"best{rung}" for rung in RUNGS] if lines[0]["best27"] is not None else ["final"]
        logs = [[np.log([max(line[name], 1e-4) for name in names]) for line in group] for group in groups]
        repeated = [np.var([one[-1] for one in many], ddof=1) for many in logs if len(many) > 1]
        return Known(
            columns=columns,
            shape=self.grid.shape & columns,
            u=np.where(active, u, -1.0)[:, columns],
            curves=np.array([np.mean(many, axis=0) for many in logs]),
            costs=np.log([list(_costs(group[0]).values()) for group in groups]),
            seconds=np.log(
                [[np.median([line["cpu"] / line["epochs"] for line in group]), group[0]["export"]] for group in groups]
            ),
            spread=float(np.sqrt(np.mean(repeated))) if repeated else 0.0,
        )

    def place(self, candidate: Candidate) -> tuple[Known, Array]:
        """Its family's recorded recipes, and its place among them [d]."""
        known = self.known[candidate.family]
        u = self.grid.encode([candidate.parameters])
        return known, np.where(self.grid.active(u), u, -1.0)[0, known.columns]

    def curve(self, candidate: Candidate) -> tuple[float, ...]:
        """The best error by each rung (a fit: one)."""
        known, u = self.place(candidate)
        category = self.grid.category[known.columns]
        away = np.where(category, known.u != u, np.where((u < 0) != (known.u < 0), 1.0, np.abs(known.u - u))).sum(
            axis=1
        )
        if self.kind == "nearest":
            logs = known.curves[int(np.argmin(away))]
        else:
            forest = self._forests[candidate.family]
            near = np.argsort(away, kind="stable")[:NEAR]
            lucky = near[int(digest(candidate.recipe.encode())[:6], 16) % len(near)]
            luck = forest.residuals[lucky]
            if self.kind == "forest":
                luck = luck * min(1.0, known.spread / float(np.std(forest.residuals[:, -1])))
            logs = forest.predict(u) + luck
        errors = np.minimum.accumulate(np.exp(logs))
        whole = np.maximum(np.round(errors * ROWS[self.task]), 1.0) / ROWS[self.task]
        return tuple(float(one) for one in whole)

    def costs(self, candidate: Candidate) -> dict[str, float]:
        """Latency (µs), energy (µJ), size (bytes)."""
        found = np.exp(self._prices[candidate.family].predict(self.place(candidate)[1])[:3])
        return dict(zip(COSTS, map(float, found), strict=True))

    def seconds(self, candidate: Candidate) -> tuple[float, float]:
        """Processor seconds of an epoch (of the whole fit), and of an export."""
        epoch, export = np.exp(self._prices[candidate.family].predict(self.place(candidate)[1])[3:])
        return float(epoch), float(export)

    def quality(self) -> dict[str, Any]:
        """How true the world is: of each family the share of variance of the last log error that is explained out of
        bag, that of its residual beside the spread of two trainings of one recipe, and rank correlations."""
        said = {}
        for family, known in self.known.items():
            forest, last = self._forests[family], known.curves[:, -1]
            left = forest.residuals[:, -1]
            said[family] = {
                "recipes": len(last),
                "explained": round(float(1 - np.var(left) / np.var(last)), 3),
                "residual": round(float(np.std(left)), 4),
                "repeat": round(known.spread, 4),
                "costs explained": {
                    name: round(float(one), 3) for name, one in zip(COSTS, self._prices[family].explained, strict=True)
                },
            }
            if known.curves.shape[1] > 1:
                ranks = [spearmanr(known.curves[:, at], last).statistic for at in range(len(RUNGS) - 1)]
                said[family]["rung ranks"] = {
                    str(rung): round(float(r), 2) for rung, r in zip(RUNGS, ranks, strict=False)
                }
        return said


def _epoch(group: list[dict[str, Any]]) -> float:
    """Processor seconds of an epoch, of a fit as a whole."""
    return float(np.median([line["cpu"] / line["epochs"] for line in group]))


def _costs(line: dict[str, Any]) -> dict[str, float]:
    return {
        "latency": line["latency"] * REFERENCE_US / line["reference"],
        "energy": line["energy"],
        "size": line["size"],
    }


class _forest:
    """A forest and its out-of-bag residuals [n, r]; outputs are standardised so that each rung counts alike."""

    def __init__(self, known: Known) -> None:
        self._mean, self._scale = known.curves.mean(axis=0), known.curves.std(axis=0) + 1e-9
        wanted = (known.curves - self._mean) / self._scale
        model = RandomForestRegressor(40, min_samples_leaf=2, max_features=0.7, oob_score=True, random_state=0)
        model.fit(known.u, wanted if wanted.shape[1] > 1 else wanted[:, 0])
        self._trees = [one.tree_ for one in model.estimators_]
        self.residuals = (wanted - model.oob_prediction_.reshape(wanted.shape)) * self._scale

    def predict(self, u: Array) -> Array:
        """[r] at one place."""
        row = u.astype(np.float32)[None]
        values = [tree.value[tree.apply(row)[0], :, 0] for tree in self._trees]
        return np.asarray(np.mean(values, axis=0) * self._scale + self._mean)


class _Prices:
    """Log costs and log seconds, by ridge regression on squares and products of the shape's places."""

    def __init__(self, known: Known) -> None:
        self._at = known.shape[known.columns]
        self._levels = [
            np.unique(column) if len(np.unique(column)) <= 10 else None for column in known.u[:, self._at].T
        ]
        wanted = np.concatenate([known.costs, known.seconds], axis=1)
        self._range = wanted.min(axis=0), wanted.max(axis=0)
        self._mean = wanted.mean(axis=0)
        design = np.stack([self._features(u) for u in known.u])
        fits = [_ridge(design, wanted - self._mean, penalty) for penalty in (0.01, 0.1, 1.0)]
        self._weights, left = min(fits, key=lambda fit: float((fit[1][:, :3] ** 2).mean()))
        self.explained = 1 - (left**2).mean(axis=0)[:3] / wanted.var(axis=0)[:3]

    def _features(self, u: Array) -> Array:
        parts: list[float] = [1.0]
        for value, levels in zip(u[self._at], self._levels, strict=True):
            parts += [value] if levels is None else [value, *(levels == value).astype(float)]
        first = np.array(parts)
        return np.concatenate([first, np.outer(first[1:], first[1:])[np.triu_indices(len(first) - 1)]])

    def predict(self, u: Array) -> Array:
        """Log costs and log seconds [5] at one place, within what was recorded."""
        return np.clip(self._features(u) @ self._weights + self._mean, *self._range)


def _ridge(design: Array, wanted: Array, penalty: float) -> tuple[Array, Array]:
    """Weights, and what each row is missed by when it is left out."""
    gram = design.T @ design + penalty * np.eye(design.shape[1])
    weights = np.linalg.solve(gram, design.T @ wanted)
    hat = np.einsum("ij,ji->i", design, np.linalg.solve(gram, design.T))
    return weights, (wanted - design @ weights) / (1 - np.minimum(hat, 0.99))[:, None]
