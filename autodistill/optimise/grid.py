"""Many points of a conditional space at once, as numbers in [0, 1]."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill.optimise.gp import Points
from autodistill.records import FloatArray
from autodistill.space import Dimension, Space

INACTIVE = {True: -1.0, False: 0.5}
"""What stands for an inactive dimension: for categories one more category, for numbers the middle."""


class Grid:
    """A space's points as arrays ``u`` [n, D]: numbers in [0, 1] on their (logarithmic) scale, categories by place.

    Every dimension has a value, also where it is inactive; ``points`` hides those.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.dimensions = space.dimensions
        self.category = np.array([d.kind == "choice" for d in self.dimensions], dtype=bool)
        self._place = {d.name: i for i, d in enumerate(self.dimensions)}
        labels = tuple(f"{branch.label}." for branch in space.branches)
        self.shape = np.array([d.name == "family" or d.name.startswith(labels) for d in self.dimensions], dtype=bool)
        """The dimensions that decide an artefact's shape, and so its exact costs."""
        self._conditions = list(self._read_conditions())

    def draw(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Points at random, uniform in every dimension."""
        return self._snap(rng.uniform(size=(count, len(self.dimensions))), fresh=True)

    def mutate(self, u: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Each point with one or two of its active dimensions changed: numbers mostly by a little."""
        count, size = u.shape
        active = self.active(u)
        order = np.where(active, rng.uniform(size=u.shape), np.inf).argsort(axis=1)
        changed = np.zeros(u.shape, dtype=bool)
        rows = np.arange(count)
        changed[rows, order[:, 0]] = True
        if size > 1:
            changed[rows, order[:, 1]] |= rng.uniform(size=count) < 0.5
        width = rng.choice([0.05, 0.2], size=u.shape)
        near = np.clip(u + width * rng.normal(size=u.shape), 0, 1)
        fresh = self._snap(rng.uniform(size=u.shape), fresh=True)
        return self._snap(np.where(changed, np.where(self.category, fresh, near), u))

    def active(self, u: FloatArray) -> npt.NDArray[np.bool_]:
        """Which dimensions count, for each point [n, D]."""
        active = np.ones(u.shape, dtype=bool)
        for columns, parents in self._conditions:
            held = np.ones(len(u), dtype=bool)
            for j, among in parents:
                held &= among[u[:, j].astype(np.intp)] & active[:, j]
            active[:, columns] = held[:, None]
        return active

    def _read_conditions(self) -> Iterator[tuple[list[int], list[tuple[int, npt.NDArray[np.bool_]]]]]:
        """For each condition, parents first: the dimensions that it decides; of each parent which choices will do."""
        for when in dict.fromkeys(d.when for d in self.dimensions if d.when):
            parents = [(self._place[parent], among) for parent, among in when]
            told = [(j, np.isin(self.dimensions[j].choices, among)) for j, among in parents]
            yield [i for i, d in enumerate(self.dimensions) if d.when == when], told

    def points(self, u: FloatArray, only: npt.NDArray[np.bool_] | None = None) -> Points:
        """The points as a process sees them, in all dimensions or some."""
        hidden = np.array([INACTIVE[bool(one)] for one in self.category])
        at = np.where(self.active(u), u, hidden)
        keep = np.ones(len(self.category), dtype=bool) if only is None else only
        return Points(at=at[:, keep], category=self.category[keep])

    def encode(self, values: Sequence[Mapping[str, Any]]) -> FloatArray:
        """Points from a sampler's values."""
        u = np.where(self.category, 0.0, 0.5) * np.ones((len(values), 1))
        for row, one in enumerate(values):
            for name, value in one.items():
                i = self._place[name]
                u[row, i] = _encode(self.dimensions[i], value)
        return u

    def decode(self, u: FloatArray) -> dict[str, Any]:
        """The active values of one point [D]."""
        active = self.active(u[None])[0]
        return {d.name: _decode(d, u[i]) for i, d in enumerate(self.dimensions) if active[i]}

    def _snap(self, u: FloatArray, *, fresh: bool = False) -> FloatArray:
        """Points on what a dimension can be: categories (from a share, if ``fresh``) and whole numbers."""
        snapped = u.copy()
        for i, dimension in enumerate(self.dimensions):
            if dimension.kind == "choice" and fresh:
                snapped[:, i] = np.floor(u[:, i] * len(dimension.choices))
            elif dimension.kind == "int":
                low, high = dimension.low, dimension.high
                if dimension.log:
                    whole = np.round(low * (high / low) ** u[:, i])
                    snapped[:, i] = np.log(whole / low) / math.log(high / low)
                else:
                    snapped[:, i] = np.round(u[:, i] * (high - low)) / (high - low)
        return snapped


def _encode(dimension: Dimension, value: Any) -> float:
    if dimension.kind == "choice":
        return float(dimension.choices.index(value))
    low, high = dimension.low, dimension.high
    return math.log(value / low) / math.log(high / low) if dimension.log else (value - low) / (high - low)


def _decode(dimension: Dimension, u: float) -> Any:
    if dimension.kind == "choice":
        return dimension.choices[int(u)]
    low, high = dimension.low, dimension.high
    value = low * (high / low) ** u if dimension.log else low + u * (high - low)
    inside = min(max(float(value), low), high)
    return round(inside) if dimension.kind == "int" else float(inside)
