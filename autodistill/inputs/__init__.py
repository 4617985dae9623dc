"""Modalities: what turns columns of the table into tensors.

A modality is one file with one frozen dataclass; ``fit(features, y, classes)`` gives an ``Encoding``. One that takes
its input from a single column names it in a field ``column``, and ``read(cells, where, folder, first)`` decodes Arrow
cells of that column, the rows from ``first`` on, to one array [n, ...] of uint8, float32 or (text) object, or raises
``TableError`` with the row. A large column is decoded some rows at a time and mapped from a file: what ``fit`` is given
may be a ``Column``, of which no more should be in memory than ``pieces`` of it. Where cells only name what they stand
for (paths), ``behind(cells, where, folder)`` is a digest of that.

An encoding *is* an ONNX graph fitted on the train split. Training tensors are that graph's own output, and the graph
goes into every artefact, so there is no second implementation of the preparation that could drift.
"""

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np

from autodistill.records import Features, FloatArray, IntArray, batches, digest

Form = Literal["split", "matrix"]
Modality = Literal["table", "image", "text", "audio", "series"]
MODALITIES: tuple[Modality, ...] = ("table", "image", "text", "audio", "series")
Inputs = tuple[tuple[str, Literal["string", "float", "uint8", "int64"]], ...]

NUMERIC, CODES, FEATURES = "/numeric", "/codes", "/features"  # a slash first: no column is called so


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """What a student is built for: ``numeric`` numbers a row in the shape ``size`` (a table's row is flat), ``coded``
    codes a row with the ``cardinalities`` of their columns (a text has one: its vocabulary), ``classes``; ``vectors``
    [sum(cardinalities), D] are what word vectors begin as, the widest direction first and of spread one. A loss that
    compares features is also told how many numbers a row the student's and the teacher's have (else 0)."""

    numeric: int
    cardinalities: tuple[int, ...]
    classes: int
    modality: Modality = "table"
    size: tuple[int, ...] = ()
    length: int | None = None
    vectors: FloatArray | None = field(default=None, compare=False, repr=False)
    student_width: int = 0
    teacher_width: int = 0

    @property
    def coded(self) -> int:
        """Codes a row: one a coded column, or a text's tokens."""
        return len(self.cardinalities) if self.length is None else self.length

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a row's numbers."""
        return self.size or (self.numeric,)

    @property
    def table(self) -> int:
        """Rows of the one table that all coded columns share."""
        return sum(self.cardinalities)


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """A fitted front end in two forms, each a serialised ONNX model on rank-1 raw columns (string or float32).

    ``split`` (for networks): ``/numeric`` float32 [N, K], imputed and scaled ([N, *size] where a row is no flat list of
    numbers: an image [N, C, H, W], a series or a spectrogram [N, C, T]), and ``/codes`` int64 [N, M] (a text: [N,
    length] tokens, 0 fills up); an output is absent where there is no such column. Codes index ONE table of
    ``sum(cardinalities)`` rows: offset of the column + code, where code 0 is missing, 1 unseen (or rare), then the
    categories ordered by their train target rate.
    ``follows`` says of each code of a text which class it is as a target, −1 where it is none: empty where a class is
    no token, so that nothing is known of what follows inside a text.
    ``matrix`` (for trees): ``/features`` float32 [N, F] in order of ``inputs``: imputed numbers, and codes as ordinals;
    of the other modalities what their files say.
    """

    inputs: Inputs
    numeric: int
    cardinalities: tuple[int, ...]
    split: bytes
    matrix: bytes
    modality: Modality = "table"
    size: tuple[int, ...] = ()
    length: int | None = None
    notes: tuple[str, ...] = ()
    follows: tuple[int, ...] = ()
    vectors: FloatArray | None = field(default=None, compare=False, repr=False)
    vectors_digest: str = ""

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
        """Content address of the fitted preparation; of vectors by what they are made of, since their last digits are
        another processor's or another number of threads' own."""
        return digest(self.split + self.matrix + self.vectors_digest.encode())

    def shapes(self, classes: int) -> Shapes:
        """What to build a student for; ``classes`` is 1 for regression."""
        return Shapes(
            numeric=self.numeric,
            cardinalities=self.cardinalities,
            classes=classes,
            modality=self.modality,
            size=self.size,
            length=self.length,
            vectors=self.vectors,
        )

    def graph(self, form: Form = "split") -> Any:
        """The front end alone, as an ``onnx.ModelProto``."""
        import onnx

        return onnx.load_model_from_string(self.split if form == "split" else self.matrix)

    def apply(self, features: Features) -> tuple[FloatArray, IntArray]:
        """``numeric`` float32 [n, K] (or [n, *size]) and ``codes`` int64 [n, M] of raw rows, by the graph itself."""
        found = _outputs(self.split, features)
        rows = self._rows(features)
        numeric = found.get(NUMERIC, np.empty((rows, 0), np.float32))
        return numeric, found.get(CODES, np.empty((rows, 0), np.int64))

    def apply_matrix(self, features: Features) -> FloatArray:
        """``features`` float32 [n, F] of raw rows, for trees and for teachers that take one matrix."""
        matrix: FloatArray = _outputs(self.matrix, features)[FEATURES]
        return matrix

    def _rows(self, features: Features) -> int:
        return len(features[self.inputs[0][0]])


@lru_cache(maxsize=64)
def _session(model: bytes) -> Any:
    """Opened once a process: the same few front ends prepare the rows of every candidate."""
    from autodistill import runtime

    return runtime.open(model)


def _outputs(model: bytes, features: Features) -> dict[str, Any]:
    session = _session(model)
    read = {name: features[name] for name in session.inputs if name in features}
    parts = [session.run(session.feed(some)) for some in batches(read)]
    found = parts[0] if len(parts) == 1 else [np.concatenate(one) for one in zip(*parts, strict=True)]
    return dict(zip(session.outputs, found, strict=True))
