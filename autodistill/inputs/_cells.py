"""A column of arrays: Arrow tensors, lists of numbers or lists of lists, all of one shape."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autodistill.errors import TableError

ONE_SHAPE = "give every row an array of one shape"


def arrays(cells: pa.ChunkedArray, where: str, first: int = 0) -> npt.NDArray[np.number]:
    """The cells as one array [N, ...] (uint8 as it is, other numbers as float32); TableError with the first odd row,
    where the first of these is the row ``first`` of the table."""
    starts = (first + start for start in _starts(cells))
    parts = [_part(chunk, where, at) for chunk, at in zip(cells.chunks, starts, strict=True) if len(chunk)]
    shapes = {part.shape[1:] for part in parts}
    if len(shapes) != 1:
        raise TableError(f"its rows have the shapes {sorted(shapes)}", where=where, do=ONE_SHAPE)
    if any(part.dtype != np.uint8 for part in parts):
        parts = [part.astype(np.float32, copy=False) for part in parts]
    for start, part in zip(np.cumsum([first, *map(len, parts)]), parts, strict=False):
        odd = [] if part.dtype == np.uint8 else ~np.isfinite(part.reshape(len(part), -1)).all(axis=1)
        if np.any(odd):
            row = int(start + np.flatnonzero(odd)[0])
            raise TableError("a number is missing or infinite", where=f"{where}, row {row}", do="fill it")
    return np.concatenate(parts)


def _starts(cells: pa.ChunkedArray) -> list[int]:
    return [0, *np.cumsum([len(chunk) for chunk in cells.chunks]).tolist()][:-1]


def _part(chunk: pa.Array, where: str, start: int) -> npt.NDArray[np.number]:
    if isinstance(chunk, pa.FixedShapeTensorArray):
        return np.asarray(chunk.to_numpy_ndarray())
    shape: list[int] = [len(chunk)]
    values = chunk
    while isinstance(values, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
        lengths = np.asarray(values.value_lengths().to_numpy(zero_copy_only=False))
        if len(lengths) and (lengths != lengths[0]).any():
            inner = int(np.flatnonzero(lengths != lengths[0])[0])
            row = start + inner // max(1, int(np.prod(shape[1:])))
            what = f"has {lengths[inner]:.0f} entries where the first has {lengths[0]:.0f}"
            raise TableError(what, where=f"{where}, row {row}", do=ONE_SHAPE)
        shape.append(int(lengths[0]) if len(lengths) else 0)
        values = values.flatten()
    if len(shape) == 1 or not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        raise TableError(f"its cells are {chunk.type}", where=where, do="store arrays: tensors or lists of numbers")
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(shape)
