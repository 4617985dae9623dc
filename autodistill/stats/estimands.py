"""What a check may hand to the auditor: numbers, never an interval. The auditor picks the inference from the type."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from autodistill.records import IntArray
from autodistill.stats.shares import Floats


@dataclass(frozen=True, kw_only=True)
class PairedCounts:
    """A share of rows that both models have, or have not, by group, over a denominator that the data fix.

    ``cells`` [..., K, 2, 2]: rows by (teacher has it, student has it) in each of K groups ``names``; ``sizes`` [K] all
    rows of the groups. ``harm`` is 1 where a higher share is harmful, else −1. ``compare``: *whole* (K = 1: the
    student's loss), *each* (the loss in every group), *contrast* (each group with ``reference``, or with all other
    known groups), *ratio* (each group's share to the highest). ``unknown`` [..., 2, 2]: rows whose group is unknown.
    """

    names: tuple[str, ...]
    cells: Floats
    sizes: Floats
    harm: int
    compare: Literal["whole", "each", "contrast", "ratio"]
    reference: str | None = None
    unknown: Floats | None = None
    unknown_rows: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Shares:
    """A share that belongs to the pair of models (churn): ``count`` of ``n`` rows in each of ``names``, [K]."""

    names: tuple[str, ...]
    count: Floats
    n: Floats
    details: tuple[Mapping[str, float], ...] = ()


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
    student) is the rated class; ``rate`` turns [..., 2, 2] (label, decision) into the metric, undefined as NaN."""

    names: tuple[str, ...]
    tables: Floats
    sizes: Floats
    harm: int
    compare: Literal["contrast"] = "contrast"
    reference: str | None = None
    unknown: Floats | None = None
    unknown_rows: float = 0.0

    @staticmethod
    def rate(table: Floats) -> Floats:
        """Positive predictive value of [..., 2, 2] (label, decision), NaN where nothing was decided positive."""
        right, wrong = table[..., 1, 1], table[..., 0, 1]
        with np.errstate(invalid="ignore"):
            return np.asarray(right / (right + wrong))


@dataclass(frozen=True, kw_only=True)
class RowSums:
    """Means of row-level quantities: ``teacher`` and ``student`` [n], ``codes`` [n] the group of each row (an index
    into ``names``, −1 for none). ``more`` are display values by group."""

    names: tuple[str, ...]
    codes: IntArray
    teacher: npt.NDArray[np.float64]
    student: npt.NDArray[np.float64]
    quantity: str
    more: tuple[Mapping[str, float], ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class NotApplicable:
    """The quantity is not defined here, and why."""

    reason: str


Estimand: TypeAlias = PairedCounts | Counts | Shares | ClassCounts | RowSums | NotApplicable
