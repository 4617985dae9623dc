"""Who the rows of a table of predictions are, and digests of what was read and said."""

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autodistill.data import digest
from autodistill.data.columns import Place
from autodistill.data.labels import coded
from autodistill.data.predicted import matching
from autodistill.records import ObjectArray, Predictions

if TYPE_CHECKING:
    from autodistill.data.outside import Asked


def rows(
    table: pa.Table,
    asked: "Asked",
    y: npt.NDArray[Any],
    classes: tuple[str, ...],
    attributes: Mapping[str, ObjectArray],
) -> npt.NDArray[Any]:
    """U16 [n]: who a row is. With ids: id, label and groups; without: its place, label, groups and the teacher."""
    label = pa.array(y) if not classes else pa.DictionaryArray.from_arrays(pa.array(y), pa.array(classes))
    cells = {"label": pa.chunked_array([label])}
    cells |= {f"group:{name}": pa.chunked_array([pa.array(attributes[name])]) for name in asked.groups}
    if asked.id is not None:
        cells[f"id:{asked.id}"] = table[asked.id]
    else:
        cells["place"] = pa.chunked_array([pa.array(np.arange(table.num_rows))])
        cells |= {f"teacher:{name}": table[name] for name in matching(asked.teacher, table.column_names)}
    return digest.short(digest.rows(cells))


def content(columns: Mapping[str, pa.ChunkedArray]) -> str:
    """SHA-256 of columns in the order of their rows: each name, then its cells."""
    sha = sha256()
    for name, column in columns.items():
        sha.update(f"{len(name.encode())}:{name}".encode())
        if pa.types.is_floating(column.type):
            sha.update(np.ascontiguousarray(column.to_numpy(), dtype="<f8").tobytes())
        else:
            names, codes = coded(column, Place("", name))
            sha.update("".join(f"{len(one.encode())}:{one}" for one in names).encode())
            sha.update(codes.astype("<i8").tobytes())
    return sha.hexdigest()


def said(one: Predictions, classes: tuple[str, ...]) -> str:
    """SHA-256 of a model's predictions in the order of the rows."""
    sha = sha256("".join(f"{len(name.encode())}:{name}" for name in classes).encode())
    sha.update(np.ascontiguousarray(one.decisions, dtype="<i8" if classes else "<f8").tobytes())
    sha.update(np.ascontiguousarray(one.scores, dtype="<f8").tobytes())
    return sha.hexdigest()
