"""Where a teacher comes from: a file is a source, its dataclass's ``label(task)`` gives the labels of every row.

A teacher that is fitted here labels its own train rows **out of fold**: row i by a model that was fitted without row i,
without its duplicates and without other rows of its entity, on an encoding fitted without them as well. Of a teacher
that was fitted elsewhere nobody here knows which rows it has seen, unless the experiment file says so: ``saw``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from autodistill.inputs import Encoding, Form
from autodistill.records import Features, FloatArray, IntArray

Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and what was done."""


PLACES = "places"
"""The output of a graph that says what follows each place of a text."""

Saw = Literal["out of fold", "unknown", "yes", "no"]
"""Whether the labels of the train rows are by a model that has seen these rows in its own training."""

SAW: dict[Saw, str] = {
    "unknown": "it was fitted elsewhere: train rows may have been seen, and may be labelled better than new ones",
    "yes": "it was fitted on the train rows, and labels them better than new ones",
    "no": "it was fitted elsewhere, and has not seen the train rows (so the experiment file says)",
}


def silent(done: int, total: int, what: str) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a source is asked to label.

    ``train`` int64 [n] are positions of the train rows in the table of N rows, ``folds`` int64 [n] the fold of each.
    ``encode(None)`` is float32 [N, F], all rows as one matrix, by the encoding fitted on the train split;
    ``encode(k)`` float32 [n, F], the train rows by one fitted without fold k. ``y`` [N] are class codes, or numbers
    where ``classes`` is empty; ``weights`` [N] or None. ``encoding`` is the one fitted on the train split, ``row_ids``
    [N] and ``row_digests`` [N] are the table's, and ``measured`` int64 [m] are the rows that artefacts are timed on.
    ``further`` are rows beside the table's, to be labelled as new ones are (nothing: there are none).
    """

    features: Features
    y: npt.NDArray[Any]
    classes: tuple[str, ...]
    weights: FloatArray | None
    train: IntArray
    folds: IntArray
    encode: Callable[[int | None], FloatArray]
    seed: int
    encoding: Encoding
    row_ids: npt.NDArray[Any]
    row_digests: npt.NDArray[Any]
    measured: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    further: Features = field(default_factory=dict)
    progress: Progress = silent


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A source's answer: ``scores`` float32 [N, C] (probabilities; [N, 1] for regression), train rows out of fold.

    ``features`` float32 [N, D] are what its last layer reads, for losses that compare features; a source that can give
    them says so by ``gives`` (ClassVar, a frozenset of "teacher_features", "places", "further"): others are refused
    beforehand. ``further`` float32 [M, C] are the scores of ``Task.further``, by a source that runs in Python and
    cannot be asked again once it has labelled.
    ``core`` is the model as serialised ONNX, or None and ``why_no_onnx``. It reads what an encoding gives in the form
    ``form``, the experiment's own or ``front``: a matrix float32 [N, F], or values by their names. It gives ``logits``
    or, as its last float output, probabilities [N, C]. Where a part of the preparation is Python's (a tokenizer),
    ``prepared`` holds what that part makes of the rows ``Task.measured``, by the name under which ``front`` reads it:
    then latency and size are without that part. ``saw`` is about the train rows. ``members`` are the models of an
    ensemble, each as it is alone. ``places`` is a graph of the same inputs as ``core`` whose output ``places`` float32
    [N, places, C] is what it says after each place of a text, the last one last, as probabilities.
    """

    name: str
    scores: FloatArray
    core: bytes | None = None
    why_no_onnx: str = ""
    members: "tuple[Labelled, ...]" = ()
    notes: tuple[str, ...] = field(default_factory=tuple)
    features: FloatArray | None = None
    further: FloatArray | None = None
    form: Form = "matrix"
    front: Encoding | None = None
    prepared: Features = field(default_factory=dict)
    saw: Saw = "out of fold"
    places: bytes | None = None


class Source(Protocol):
    """A teacher's plugin: a frozen dataclass whose fields are its options."""

    def label(self, task: Task) -> Labelled:
        """Labels of all rows. Raises ``TeacherError``."""
        ...

    def fingerprint(self) -> dict[str, str]:
        """What decides the labels beside options and rows: versions, digests of code. Raises ``TeacherError`` where
        the source cannot work with its options."""
        ...
