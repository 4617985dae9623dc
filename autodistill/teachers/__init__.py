"""Where a teacher comes from: a file is a source, its dataclass's ``label(task)`` gives the labels of every row.

A teacher that is fitted here labels its own train rows **out of fold**: row i by a model that was fitted without row i,
without its duplicates and without other rows of its entity, on an encoding fitted without them as well.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy.typing as npt

from autodistill.records import Features, FloatArray, IntArray

Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and what was done."""


def silent(done: int, total: int, what: str) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a source is asked to label.

    ``train`` int64 [n] are positions of the train rows in the table of N rows, ``folds`` int64 [n] the fold of each.
    ``encode(None)`` is float32 [N, F], all rows as one matrix, by the encoding fitted on the train split;
    ``encode(k)`` float32 [n, F], the train rows by one fitted without fold k. ``y`` [N] are class codes, or numbers
    where ``classes`` is empty; ``weights`` [N] or None.
    """

    features: Features
    y: npt.NDArray[Any]
    classes: tuple[str, ...]
    weights: FloatArray | None
    train: IntArray
    folds: IntArray
    encode: Callable[[int | None], FloatArray]
    seed: int
    progress: Progress = silent


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A source's answer: ``scores`` float32 [N, C] (probabilities; [N, 1] for regression), train rows out of fold.

    ``core`` is the model as serialised ONNX, ``features`` float32 [N, F] -> ``probabilities`` [N, C], or None and
    ``why_no_onnx``. ``members`` are the models of an ensemble, each as it is alone.
    """

    name: str
    scores: FloatArray
    core: bytes | None = None
    why_no_onnx: str = ""
    members: "tuple[Labelled, ...]" = ()
    notes: tuple[str, ...] = field(default_factory=tuple)


class Source(Protocol):
    """A teacher's plugin: a frozen dataclass whose fields are its options."""

    def label(self, task: Task) -> Labelled:
        """Labels of all rows. Raises ``TeacherError``."""
        ...

    def fingerprint(self) -> dict[str, str]:
        """What decides the labels beside options and rows: versions, digests of code. Raises ``TeacherError`` where
        the source cannot work with its options."""
        ...
