"""Series of fixed length in one column: arrays [T] or [T, C], such as a sensor's windows; scaled by the train split."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic.fields import Field

from autodistill.errors import TableError
from autodistill.inputs import FEATURES, NUMERIC, Encoding, Modality
from autodistill.inputs._cells import arrays
from autodistill.inputs._front import Front
from autodistill.inputs._moments import moments
from autodistill.records import Features


@dataclass(frozen=True)
class Series:
    """Windows of equal length: ``/numeric`` [N, C, T], each channel with mean 0 and deviation 1 over the train rows.

    For families that are fitted a window is its channels' mean, deviation, least, greatest and mean step.
    """

    modality: ClassVar[Modality] = "series"

    column: Annotated[str, Field(description="the column: arrays [T] or [T, C] of one shape")]

    def read(self, cells: pa.ChunkedArray, where: str, folder: Path, first: int = 0) -> npt.NDArray[Any]:  # noqa: ARG002
        """float32 [N, T] or [N, T, C]."""
        found = arrays(cells, where, first).astype(np.float32, copy=False)
        if found.ndim not in (2, 3):
            raise TableError(f"a series has the shape {found.shape[1:]}", where=where, do="store [T] or [T, C]")
        return found

    def fit(self, features: Features, y: npt.NDArray[Any], classes: Sequence[str]) -> Encoding:  # noqa: ARG002
        """Means and deviations of the channels, over the train rows."""
        values = features[self.column]
        mean, spread = moments(values, rank=3)
        length, channels = (*values.shape[1:], 1)[:2]

        def scaled(front: Front) -> str:
            value = front.add("Reshape", [self.column, front.constant("/deep", np.array([-1, length, channels]))])
            value = front.add("Sub", [value, front.constant("/mean", mean)])
            return front.add("Mul", [value, front.constant("/scale", 1.0 / spread)])

        split = Front(self.column, "float", values.shape[1:])
        split.add("Transpose", [scaled(split)], NUMERIC, perm=[0, 2, 1])
        matrix = Front(self.column, "float", values.shape[1:])
        _summary(matrix, scaled(matrix))
        return Encoding(
            inputs=((self.column, "float"),),
            numeric=channels * length,
            cardinalities=(),
            split=split.model(NUMERIC, "float", (channels, length)),
            matrix=matrix.model(FEATURES, "float", (5 * channels,)),
            modality="series",
            size=(channels, length),
        )


def _summary(front: Front, value: str) -> None:
    """Five numbers a channel [N, 5 C] of scaled windows [N, T, C]."""
    axis = front.constant("/time", np.array([1]))
    mean = front.add("ReduceMean", [value, axis], keepdims=0)
    square = front.add("ReduceMean", [front.add("Mul", [value, value]), axis], keepdims=0)
    variance = front.add("Relu", [front.add("Sub", [square, front.add("Mul", [mean, mean])])])
    least = front.add("ReduceMin", [value, axis], keepdims=0)
    greatest = front.add("ReduceMax", [value, axis], keepdims=0)
    begin, end = front.constant("/one", np.array([1])), front.constant("/far", np.array([2**31 - 1]))
    zero, last = front.constant("/zero", np.array([0])), front.constant("/last", np.array([-1]))
    later = front.add("Slice", [value, begin, end, axis])
    earlier = front.add("Slice", [value, zero, last, axis])
    step = front.add("ReduceMean", [front.add("Abs", [front.add("Sub", [later, earlier])]), axis], keepdims=0)
    front.add("Concat", [mean, front.add("Sqrt", [variance]), least, greatest, step], FEATURES, axis=1)
