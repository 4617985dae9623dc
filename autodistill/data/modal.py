"""One column that is the input: images, text, sound or series instead of a table's many features.

The modality's plugin reads the cells; here are only its place in the table and how its rows are told apart and kept.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autodistill import plugins
from autodistill.data.columns import Place, strings
from autodistill.errors import TableError
from autodistill.plugins import suggest
from autodistill.records import Features


def column(asked: tuple[str, Mapping[str, Any]]) -> str | None:
    """The column that an ``input`` names; None for a modality of many columns (a table)."""
    found = asked[1].get("column")
    return None if found is None else str(found)


def read(table: pa.Table, asked: tuple[str, Mapping[str, Any]], path: Path) -> Features:
    """{column: array [N, ...]} of the one column that is the input, decoded by its modality.

    Strings of a text are object [N]; images, waves and series are arrays of rank 2 or more. Raises ``TableError``.
    """
    kind, options = asked
    name = str(column(asked))
    if name not in table.column_names:
        raise TableError(f"no column {name!r} (input)", where=str(path), do=suggest(name, table.column_names))
    cells, place = table[name], Place(str(path), name)
    refuse_missing(cells, place)
    modality = plugins.build("inputs", kind, options)
    if not hasattr(modality, "read"):
        return {name: strings(cells)}
    return {name: modality.read(cells, str(place), path.parent)}


def refuse_missing(cells: pa.ChunkedArray, place: Place, first: int = 0) -> None:
    """TableError with the rows that are missing among those from ``first`` on."""
    if cells.null_count:
        where = place.rows(np.asarray(cells.is_null().to_numpy()), first)
        raise TableError("cells are missing", where=where, do="fill them or drop the rows")


def cells(values: npt.NDArray[Any]) -> pa.Array:
    """An array [N, ...] as one Arrow column: bytes of fixed length a row where it has a rank above 1 (no copy)."""
    if values.ndim == 1:
        return pa.array(values, from_pandas=True)
    flat = np.ascontiguousarray(values)
    size = flat.nbytes // max(1, len(flat))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), len(flat), [None, pa.py_buffer(flat)])


def stored(values: npt.NDArray[Any]) -> pa.Array:
    """An array [N, ...] as a column that keeps its shape on disk."""
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(values))


def restored(kept: pa.ChunkedArray) -> npt.NDArray[Any]:
    """What ``stored`` wrote."""
    whole = kept.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks)
    if isinstance(whole, pa.FixedShapeTensorArray):
        return np.asarray(whole.to_numpy_ndarray())
    return np.asarray(whole.to_numpy(zero_copy_only=False))
