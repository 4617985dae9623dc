"""Where a search starts, and where it goes when the sampler only repeats itself."""

import math
from collections.abc import Callable, Container, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from autodistill.space import Dimension, Space

Values = Mapping[str, Any]
COUNTABLE = 5_000
"""A space of at most so many recipes is listed to find what is unseen; in a larger one so many draws must find one."""


def first(space: Space) -> tuple[Values, ...]:
    """The candidates that every search begins with: one of each branch at its mid-points, learning from the teacher
    where it can, and the first branch that can learn from labels alone doing so."""
    families = next((d.choices for d in space.dimensions if d.name == "family"), (None,))
    begun = [walk(space, _middle, {} if label is None else {"family": label}) for label in families]
    for values in begun:
        for name in ("loss", "fit_loss"):
            arm = next((d for d in space.active(values) if d.name == name), None)
            if arm is not None and "none" in arm.choices and values[name] != "none":
                return (*begun, walk(space, _middle, {**values, name: "none"}))
    return tuple(begun)


def admit(space: Space, values: Values) -> Values | None:
    """An earlier study's values for this space: what is new here at its mid-point, None if any value lies outside."""
    inside = walk(space, _middle, values)
    for dimension in space.active(inside):
        if not _inside(dimension, inside[dimension.name]):
            return None
    return inside


def _inside(dimension: Dimension, value: Any) -> bool:
    if dimension.kind == "choice":
        return value in dimension.choices
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return dimension.low <= value <= dimension.high and (dimension.kind == "float" or value == int(value))


def draw(space: Space, rng: np.random.Generator) -> Values:
    """One point, each active dimension uniform in its range (or in the logarithm of it)."""

    def uniform(dimension: Dimension) -> Any:
        if dimension.kind == "choice":
            return dimension.choices[int(rng.integers(len(dimension.choices)))]
        if dimension.kind == "int" and not dimension.log:
            return int(rng.integers(int(dimension.low), int(dimension.high) + 1))
        return _between(dimension, float(rng.uniform()))

    return walk(space, uniform)


def unseen(space: Space, rng: np.random.Generator, seen: Container[str]) -> Values | None:
    """A point whose recipe is not among those ``seen``, uniformly at random; None if there is none."""

    def new(point: Values) -> bool:
        return space.candidate(0, point).recipe not in seen

    size = space.size()
    if size is not None and size <= COUNTABLE:
        left = [one for one in every(space) if new(one)]
        return left[int(rng.integers(len(left)))] if left else None
    return next((one for one in (draw(space, rng) for _ in range(COUNTABLE)) if new(one)), None)


def every(space: Space) -> Iterator[Values]:
    """All points of a space without continuous dimensions, in order."""

    def grow(values: dict[str, Any]) -> Iterator[Values]:
        dimension = next((d for d in space.active(values) if d.name not in values), None)
        if dimension is None:
            yield values
            return
        whole = range(int(dimension.low), int(dimension.high) + 1)
        for choice in dimension.choices if dimension.kind == "choice" else whole:
            yield from grow({**values, dimension.name: choice})

    return grow({})


def walk(space: Space, choose: Callable[[Dimension], Any], given: Values = MappingProxyType({})) -> dict[str, Any]:
    """A value for each active dimension, parents first: as given, or chosen."""
    values: dict[str, Any] = {}
    for dimension in space.dimensions:
        if all(values.get(parent) in among for parent, among in dimension.when):
            values[dimension.name] = given[dimension.name] if dimension.name in given else choose(dimension)
    return values


def _middle(dimension: Dimension) -> Any:
    if dimension.kind != "choice":
        return _between(dimension, 0.5)
    if dimension.name in ("loss", "fit_loss"):
        return next((loss for loss in dimension.choices if loss != "none"), "none")
    numbers = all(isinstance(choice, int | float) for choice in dimension.choices)
    return dimension.choices[(len(dimension.choices) - 1) // 2 if numbers else 0]


def _between(dimension: Dimension, share: float) -> Any:
    """The value at ``share`` of the way from low to high."""
    low, high = dimension.low, dimension.high
    value = math.exp(math.log(low) + share * math.log(high / low)) if dimension.log else low + share * (high - low)
    return min(max(round(value) if dimension.kind == "int" else value, low), high)
