"""What a check may hand to the auditor: numbers, never an interval. The auditor picks the inference from the type."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from autodistill.records import IntArray
from autodistill.stats.shares import Floats

Cells: TypeAlias = npt.NDArray[np.int8]


@dataclass(frozen=True, kw_only=True)
class PairedCounts:
    """A share of rows that both models have, or have not, by group, over a denominator that the data fix.

    ``cells`` [..., K, 2, 2]: rows by (teacher has it, student has it) in each of K groups ``names``; ``sizes`` [K] all
    rows of the groups. ``harm`` is 1 where a higher share is harmful, else −1. ``compare``: *whole* (K = 1: the
    student's loss), *each* (the loss in every group), *contrast* (each group with ``reference``, or with all other
    known groups), *ratio* (each group's share to ``reference``, else to the highest). ``unknown`` [..., 2, 2]: rows
    whose group is unknown. Where rows share clusters, ``cell`` int8 [n] says what each counts for (2·teacher has it +
    student has it, −1 outside the denominator) and ``group`` [n] for which of ``names`` (K where it is unknown).
    """

    names: tuple[str, ...]
    cells: Floats
    sizes: Floats
    harm: int
    compare: Literal["whole", "each", "contrast", "ratio"]
    reference: str | None = None
    unknown: Floats | None = None
    unknown_rows: float = 0.0
    cell: Cells | None = None
    group: IntArray | None = None


@dataclass(frozen=True, kw_only=True)
class Shares:
    """A share that belongs to the pair of models (churn): ``count`` of ``n`` rows in each of ``names``, [K].

    ``cell`` and ``group`` as in ``PairedCounts``, where 1 has it and 0 has it not.
    """

    names: tuple[str, ...]
    count: Floats
    n: Floats
    details: tuple[Mapping[str, float], ...] = ()
    cell: Cells | None = None
    group: IntArray | None = None


@dataclass(frozen=True, kw_only=True)
class ClassCounts:
    """How often each class is the label, the teacher's and the student's decision, [C]; ``keep`` is the least share of
    the teacher's count that the student must reach."""

    names: tuple[str, ...]
    labels: Floats
    teacher: Floats
    student: Floats
    keep: float


@dataclass(frozen=True, kw_only=True)
class Counts:
    """A rate whose denominator depends on the decisions (PPV): ``tables`` [..., K, 2, 2, 2] by (label, teacher,
    student) is the rated class; ``rate`` turns [..., 2, 2] (label, decision) into the metric, undefined as NaN.
    ``cell`` and ``group`` as in ``PairedCounts``: 4·label + 2·teacher + student."""

    names: tuple[str, ...]
    tables: Floats
    sizes: Floats
    harm: int
    compare: Literal["contrast"] = "contrast"
    reference: str | None = None
    unknown: Floats | None = None
    unknown_rows: float = 0.0
    cell: Cells | None = None
    group: IntArray | None = None

    @staticmethod
    def rate(table: Floats) -> Floats:
        """Positive predictive value of [..., 2, 2] (label, decision), NaN where nothing was decided positive."""
        right, wrong = table[..., 1, 1], table[..., 0, 1]
        with np.errstate(invalid="ignore"):
            return np.asarray(right / (right + wrong))


@dataclass(frozen=True, kw_only=True)
class RowSums:
    """A metric that is a function of sums over rows: log-loss, Brier, F1, RMSE, calibration.

    ``teacher`` and ``student`` [n, k] hold the row-level terms, ``codes`` [n] the group of each row (an index into
    ``names``, anything outside for none); ``value`` maps sums [..., k] to the metric [...], NaN where it is undefined,
    and does not change when all sums are scaled (it is homogeneous of degree 0, so that the influences of the rows sum
    to zero). ``harm`` is 1 where a higher value is harmful, else −1. ``compare``: *whole* (K = 1: the student's
    loss), *each* (the loss in every group), *contrast* (each group with ``reference`` or all other known groups),
    *zero* (each group's own value, which should be 0). ``differs`` [n]: rows on which the models differ; fewer than ten
    certify nothing. ``worst``: the most that one row can add to the metric, times the rows of its group, a scalar or
    [K + 1] (rows of no known group last); None where nothing limits it. ``denominators`` [K + 1]: rows under the
    metric, the group's own if left out. ``ratio``: whether student over teacher means anything. ``curve``: for a
    metric near a square, SE²/(4 value) of the teacher's and the student's [K + 1], 0 or left out for any other.
    ``more`` are display values by group.
    """

    names: tuple[str, ...]
    codes: IntArray
    teacher: Floats
    student: Floats
    value: Callable[[Floats], Floats]
    harm: int
    quantity: str
    compare: Literal["whole", "each", "contrast", "zero"] = "whole"
    reference: str | None = None
    differs: npt.NDArray[np.bool_] | None = None
    worst: float | Floats | None = None
    denominators: Floats | None = None
    ratio: bool = False
    curve: tuple[Floats, Floats] | None = None
    more: tuple[Mapping[str, float], ...] = field(default=())

    @staticmethod
    def mean(sums: Floats) -> Floats:
        """The mean of the first term over the second, which counts rows: the commonest ``value``."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan))


@dataclass(frozen=True, kw_only=True)
class TwoSamples:
    """The difference of one model's shares in two independent samples (members and others): (count, rows) of each for
    the student, and for the teacher where it is known. Higher is harmful."""

    first: tuple[float, float]
    second: tuple[float, float]
    teacher: tuple[tuple[float, float], tuple[float, float]] | None
    quantity: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NotApplicable:
    """The quantity is not defined here, and why; ``rows``: it would be, if rows were known beside their counts."""

    reason: str
    rows: bool = False


Estimand: TypeAlias = PairedCounts | Counts | Shares | ClassCounts | RowSums | TwoSamples | NotApplicable
