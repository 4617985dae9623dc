"""Modalities: what turns columns of the table into tensors.

A modality is one file with one frozen dataclass; ``fit(features, y, classes)`` gives an ``Encoding``. An encoding *is*
an ONNX graph fitted on the train split. Training tensors are that graph's own output, and the graph goes into every
artefact, so there is no second implementation of the preparation that could drift.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np

from autodistill.records import Features, FloatArray, IntArray, digest

Form = Literal["split", "matrix"]
Inputs = tuple[tuple[str, Literal["string", "float"]], ...]

NUMERIC, CODES, FEATURES = "/numeric", "/codes", "/features"  # a slash first: no column is called so


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """What a student is built for: ``numeric`` columns, ``cardinalities`` of the coded columns, ``classes``."""

    numeric: int
    cardinalities: tuple[int, ...]
    classes: int

    @property
    def table(self) -> int:
        """Rows of the one table that all coded columns share."""
        return sum(self.cardinalities)


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """A fitted front end in two forms, each a serialised ONNX model on rank-1 raw columns (string or float32).

    ``split`` (for networks): ``/numeric`` float32 [N, K], imputed and scaled, and ``/codes`` int64 [N, M]; an output is
    absent where there is no such column. Codes index ONE table of ``sum(cardinalities)`` rows: offset of the column
    + code, where code 0 is missing, 1 unseen (or rare), then the categories ordered by their train target rate.
    ``matrix`` (for trees): ``/features`` float32 [N, F] in order of ``inputs``: imputed numbers, and codes as ordinals.
    """

    inputs: Inputs
    numeric: int
    cardinalities: tuple[int, ...]
    split: bytes
    matrix: bytes
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns read, in order."""
        return tuple(name for name, _ in self.inputs)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where each coded column begins in the shared table."""
        return tuple(int(at) for at in np.cumsum((0, *self.cardinalities))[:-1])

    @cached_property
    def digest(self) -> str:
        """Content address of the fitted preparation."""
        return digest(self.split + self.matrix)

    def shapes(self, classes: int) -> Shapes:
        """What to build a student for; ``classes`` is 1 for regression."""
        return Shapes(numeric=self.numeric, cardinalities=self.cardinalities, classes=classes)

    def graph(self, form: Form = "split") -> Any:
        """The front end alone, as an ``onnx.ModelProto``."""
        import onnx

        return onnx.load_model_from_string(self.split if form == "split" else self.matrix)

    def apply(self, features: Features) -> tuple[FloatArray, IntArray]:
        """``numeric`` float32 [n, K] and ``codes`` int64 [n, M] of raw rows, computed by the graph itself."""
        found = _outputs(self.split, features)
        rows = self._rows(features)
        numeric = found.get(NUMERIC, np.empty((rows, 0), np.float32))
        return numeric, found.get(CODES, np.empty((rows, 0), np.int64))

    def apply_matrix(self, features: Features) -> FloatArray:
        """``features`` float32 [n, F] of raw rows, for trees and for teachers that take one matrix."""
        matrix: FloatArray = _outputs(self.matrix, features)[FEATURES]
        return matrix

    def example(self, rows: int = 1) -> Features:
        """Rows of the right names and types, for exporting: zeros and missing strings."""
        return {
            name: np.full(rows, "", dtype=object) if kind == "string" else np.zeros(rows, np.float32)
            for name, kind in self.inputs
        }

    def _rows(self, features: Features) -> int:
        return len(features[self.inputs[0][0]])


@lru_cache(maxsize=64)
def _session(model: bytes) -> Any:
    """Opened once a process: the same few front ends prepare the rows of every candidate."""
    from autodistill import runtime

    return runtime.open(model)


def _outputs(model: bytes, features: Features) -> dict[str, Any]:
    session = _session(model)
    return dict(zip(session.outputs, session.run(session.feed(features)), strict=True))
