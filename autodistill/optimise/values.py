"""From readings to what the optimiser is told: objectives, ties within measurement error, redundancy."""

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from autodistill.records import Reading

TIE = 0.03
TIE_FAST = 0.05
FAST_US = 10.0
MICROSECONDS = {"ns": 1e-3, "us": 1.0, "µs": 1.0, "ms": 1e3, "s": 1e6}
REDUNDANT = 0.05


def reading(readings: Mapping[str, Reading], objective: str) -> Reading | None:
    """The reading of an objective. A quantity's name may carry its unit and tier: ``energy`` finds
    ``energy_uJ.modelled``, but ``latency`` finds neither ``latency@32`` nor ``latency_ratio``."""
    if objective in readings:
        return readings[objective]
    tiered = re.compile(re.escape(objective) + r"(_[numk]?(J|s|B|Wh))?(\.(measured|modelled))?")
    return next((readings[name] for name in sorted(readings) if tiered.fullmatch(name)), None)


def objectives(names: Sequence[str], error: float | None, readings: Mapping[str, Reading]) -> tuple[float | None, ...]:
    """A value for each objective, smaller being better: ``error`` as it is, readings to their tie width; None where
    there is none (never a stand-in)."""
    found = (None if name == "error" else reading(readings, name) for name in names)
    return tuple(
        error if name == "error" else None if one is None or one.value is None else settled(one, one.value)
        for name, one in zip(names, found, strict=True)
    )


def settled(one: Reading, value: float) -> float:
    """A value at the resolution of its measurement, so that noise does not steer.

    What was measured with an interval goes to a geometric grid of 3 % steps (times under 10 µs: 5 %), anchored at
    10 µs so that order is kept; what is counted or modelled is exact.
    """
    if one.source == "modelled" or one.low is None or value <= 0:
        return value
    unit = MICROSECONDS.get(one.unit)
    anchor = FAST_US / unit if unit else 1.0
    step = math.log1p(TIE_FAST if unit and value < anchor else TIE)
    return anchor * math.exp(step * round(math.log(value / anchor) / step))


def ordered_differently(read: Sequence[Mapping[str, Reading]], one: str, other: str) -> float:
    """The share of the pairs of candidates that two costs order differently, less than 3 % apart being a tie.

    A tie in one cost only counts as well: the other still tells the two apart. Candidates without both are left out.
    """
    both = ((reading(readings, one), reading(readings, other)) for readings in read)
    costs = np.array([(a.value, b.value) for a, b in both if a and b and a.value and b.value], dtype=float)
    i, j = np.triu_indices(len(costs), k=1)
    if not i.size:
        return 0.0
    apart = np.log(costs[i] / costs[j])
    order = np.where(np.abs(apart) <= math.log1p(TIE), 0, np.sign(apart))
    return float(np.mean(order[:, 0] != order[:, 1]))
