"""The rows of one split as counts: everything that a rate of decisions depends on, in a table whose size does not
depend on the number of rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill.errors import TableError
from autodistill.records import IntArray, ObjectArray, Predictions
from autodistill.stats.shares import Floats

UNKNOWN = ""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the audit sees of two models on one split: labels, groups and predictions, never a model.

    ``y`` int64 [n] class codes (float64 for regression, ``classes`` empty); ``positive`` is the class that rates speak
    of, ``favourable`` the one that people want (code or None); ``groups`` attribute -> object [n] ("" is unknown);
    ``teacher`` and ``student`` view -> Predictions, of which the view named as ``split`` is the one judged;
    ``reference`` what checks fixed on the search split; ``cluster`` [n] what rows share (a patient);
    ``known`` attribute -> names that exist although this split may have no row of them; ``others`` name ->
    Predictions of further models on the judged rows (``control``: the student's twin without distillation;
    ``majority``, ``linear``); ``labels`` view -> y of a view whose rows are not the judged ones (``train``).
    A view of the same rows (``noise``, ``permuted:<column>``) has no labels of its own.
    """

    split: str
    row_ids: npt.NDArray[Any]
    y: npt.NDArray[Any]
    classes: tuple[str, ...]
    positive: int | None
    favourable: int | None
    groups: Mapping[str, ObjectArray]
    teacher: Mapping[str, Predictions]
    student: Mapping[str, Predictions]
    reference: Mapping[str, Any] = field(default_factory=dict)
    cluster: npt.NDArray[Any] | None = None
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    others: Mapping[str, Predictions] = field(default_factory=dict)
    labels: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for who, views in (("teacher", self.teacher), ("student", self.student)):
            if self.split not in views:
                raise TableError(f"the {who}'s predictions on the {self.split} split are missing", where="evidence")
            if not np.array_equal(views[self.split].row_ids, self.row_ids):
                raise TableError(f"the {who}'s predictions are of other rows than the labels", where="evidence")
        for who, other in self.others.items():
            if not np.array_equal(other.row_ids, self.row_ids):
                raise TableError(f"the predictions of {who!r} are of other rows than the labels", where="evidence")
        shared = [] if self.cluster is None else [("cluster", self.cluster)]
        for name, column in (("y", self.y), *self.groups.items(), *shared):
            if len(column) != len(self.row_ids):
                what = f"{name} has {len(column)} rows, not {len(self.row_ids)}"
                raise TableError(what, where="evidence", do="give one value a row")

    @property
    def rated(self) -> int | None:
        """The class that rates speak of, one against the rest."""
        return self.positive if self.positive is not None else self.favourable

    @property
    def turn(self) -> int:
        """−1 where the rated class is not the favourable one: what was harmful is then wanted. 1 if none is named."""
        return self.turn_of(self.rated)

    def turn_of(self, rated: int | None) -> int:
        """``turn`` with another class in the place of the rated one."""
        return -1 if self.favourable is not None and self.favourable != rated else 1

    @cached_property
    def encoded(self) -> Mapping[str, tuple[tuple[str, ...], IntArray]]:
        """Attribute -> (sorted known names, int64 [n] codes; len(names) is unknown)."""
        return {name: encode_group(column, self.known.get(name, ())) for name, column in self.groups.items()}

    @cached_property
    def clusters(self) -> IntArray | None:
        """int64 [n]: the cluster of each row, from 0; None where every row stands for itself."""
        if self.cluster is None:
            return None
        # Mixed kinds of ids cannot be sorted as they are.
        names = self.cluster.astype(str) if self.cluster.dtype == object else self.cluster
        return np.asarray(np.unique(names, return_inverse=True)[1], dtype=np.int64)

    @cached_property
    def tables(self) -> "Tables":
        """The count tables of the judged split."""
        return tabulate(self, self.rated)

    @cached_property
    def _of_class(self) -> "dict[int, Tables]":
        return {}

    def tables_of(self, rated: int) -> "Tables":
        """The same with another class in the place of the rated one."""
        if rated == self.rated:
            return self.tables
        if rated not in self._of_class:
            self._of_class[rated] = tabulate(self, rated)
        return self._of_class[rated]


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Counts by stratum (each combination of groups that has a row) and by what label and decisions say.

    ``cells`` [..., S, 2, 2, 2, 2, 2] over: label is the rated class, teacher says it, student says it, teacher is
    right, student is right. Leading axes are simulated tables. ``groups`` attribute -> sorted known names;
    ``codes`` attribute -> int64 [S], where len(names) stands for unknown. ``turn`` as in Evidence.
    """

    groups: Mapping[str, tuple[str, ...]]
    codes: Mapping[str, IntArray]
    cells: Floats
    turn: int = 1
    rated: bool = True

    @property
    def rows(self) -> float:
        """How many rows one table counts."""
        return float(self.cells.sum(axis=tuple(range(-6, 0))).flat[0]) if self.cells.size else 0.0

    def by(self, attribute: str | None) -> Floats:
        """[..., G + 1, 2, 2, 2, 2, 2] by the groups of one attribute, unknown last; [..., 1, …] for all rows."""
        if attribute is None:
            return np.asarray(self.cells.sum(axis=-6, keepdims=True))
        codes, size = self.codes[attribute], len(self.groups[attribute]) + 1
        out = np.zeros((*self.cells.shape[:-6], size, *self.cells.shape[-5:]))
        if not codes.size:
            return out
        order = np.argsort(codes, kind="stable")
        present, starts = np.unique(codes[order], return_index=True)
        out[..., present, :, :, :, :, :] = np.add.reduceat(self.cells[..., order, :, :, :, :, :], starts, axis=-6)
        return out

    def sizes(self, attribute: str | None) -> Floats:
        """Rows by group [..., G + 1], unknown last."""
        return np.asarray(self.by(attribute).sum(axis=(-5, -4, -3, -2, -1)))

    def with_cells(self, cells: Floats) -> "Tables":
        """The same strata with other counts."""
        return replace(self, cells=cells)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What a check reads: count tables, and behind them the rows (None where the tables are simulated)."""

    tables: Tables
    evidence: Evidence | None = None


@dataclass(frozen=True)
class Marked:
    """What each row [n] counts for where rows share clusters: see ``PairedCounts``."""

    evidence: Evidence
    group: IntArray

    def says(self, rated: int | None) -> tuple[npt.NDArray[np.bool_], ...]:
        """Whether the label, the teacher and the student are the class ``rated``."""
        seen = self.evidence
        return seen.y == rated, self._of(seen.teacher) == rated, self._of(seen.student) == rated

    def right(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Whether the teacher and the student decide as labelled."""
        seen = self.evidence
        return self._of(seen.teacher) == seen.y, self._of(seen.student) == seen.y

    def cells(self, *bits: npt.NDArray[np.bool_], inside: npt.NDArray[np.bool_] | None = None) -> dict[str, Any]:
        """``cell`` and ``group`` of an estimand, from what each row has, coarsest first; −1 where it is not inside."""
        code = np.zeros(len(self.group), dtype=np.int8)
        for bit in bits:
            code = np.asarray(2 * code + bit, dtype=np.int8)
        return {"cell": code if inside is None else np.where(inside, code, np.int8(-1)), "group": self.group}

    def _of(self, views: Mapping[str, Predictions]) -> npt.NDArray[Any]:
        return views[self.evidence.split].decisions


def marked(rows: Rows, attribute: str | None) -> Marked | None:
    """The rows behind the tables by group of ``attribute`` (all 0 without one), or None where none share a cluster."""
    if rows.evidence is None or rows.evidence.cluster is None:
        return None
    none = np.zeros(len(rows.evidence.row_ids), dtype=np.int64)
    return Marked(rows.evidence, none if attribute is None else rows.evidence.encoded[attribute][1])


def encode_group(column: ObjectArray, known: tuple[str, ...] = ()) -> tuple[tuple[str, ...], IntArray]:
    """Sorted names and int64 [n] codes of a group column; "" (unknown) has the code len(names)."""
    values = column.tolist()
    present = {value: str(value) for value in set(values)}
    names = tuple(sorted(({*present.values()} | set(known)) - {UNKNOWN}))
    order = {name: at for at, name in enumerate(names)} | {UNKNOWN: len(names)}
    code = {value: order[name] for value, name in present.items()}
    return names, np.fromiter(map(code.__getitem__, values), dtype=np.int64, count=len(values))


def strata(groups: Mapping[str, IntArray], sizes: Mapping[str, int], rows: int) -> tuple[IntArray, dict[str, IntArray]]:
    """The stratum of each row, int64 [n], and the code of each attribute by stratum, [S]."""
    stratum = np.zeros(rows, dtype=np.int64)
    size = 1 if rows else 0
    for name, codes in groups.items():
        # Compressed after each attribute, so that the code never outgrows rows × groups.
        stratum = stratum * (sizes[name] + 1) + codes
        span = size * (sizes[name] + 1)
        if span <= rows + 65536:
            # A rank by counting: sorting ten million rows takes a second an attribute, this a twentieth of it.
            seen = np.bincount(stratum, minlength=span) > 0
            stratum, size = (np.cumsum(seen) - 1)[stratum], int(seen.sum())
        else:
            found, stratum = np.unique(stratum, return_inverse=True)
            size = len(found)
    of_stratum: dict[str, IntArray] = {}
    for name, codes in groups.items():
        of_stratum[name] = np.zeros(size, dtype=np.int64)
        of_stratum[name][stratum] = codes
    return stratum, of_stratum


def tabulate(evidence: Evidence, rated: int | None) -> Tables:
    """Count the judged split of ``evidence`` (classification) by class ``rated`` against the rest. One pass over the
    rows; later costs do not see them."""
    names = {attribute: known for attribute, (known, _) in evidence.encoded.items()}
    codes = {attribute: coded for attribute, (_, coded) in evidence.encoded.items()}
    rows = len(evidence.row_ids)
    stratum, of_stratum = strata(codes, {name: len(values) for name, values in names.items()}, rows)
    size = int(stratum.max()) + 1 if rows else 0
    y, turn = evidence.y, evidence.turn_of(rated)
    teacher = evidence.teacher[evidence.split].decisions
    student = evidence.student[evidence.split].decisions
    outcome = np.zeros(rows, dtype=np.uint8)
    for bit in (y == rated, teacher == rated, student == rated, teacher == y, student == y):
        outcome = outcome * 2 + bit
    cells = np.bincount(stratum * 32 + outcome, minlength=size * 32).astype(float).reshape(size, 2, 2, 2, 2, 2)
    return Tables(groups=names, codes=of_stratum, cells=cells, turn=turn, rated=rated is not None)


def known_groups(evidence: Evidence) -> dict[str, tuple[str, ...]]:
    """Attribute -> its known names, sorted: those with rows here and those that are known to exist."""
    return dict(evidence.tables.groups)
