"""Who the rows of a table of predictions are, and digests of what was read and said."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autodistill.data.columns import strings
from autodistill.data.predicted import matching
from autodistill.records import Predictions

if TYPE_CHECKING:
    from autodistill.data.outside import Asked
    from autodistill.stats import Evidence

SPARSE = 10
"""Ids up to so many times the rows only number them."""


def rows(evidence: "Evidence", asked: "Asked", table: pa.Table) -> npt.NDArray[np.str_]:
    """U16 [n]: who a row is, the first 8 bytes of a SHA-256 in hexadecimal: of its id and label.

    The groups that an audit asks about are no part of it: the same rows asked about another group stay the same rows.
    Ids that only number rows (0, 1, 2 …, some may be left out) are those of any other table too: then what the teacher
    said belongs to it. Without ids it is of place, label and what the teacher said.
    """
    named = None if asked.id is None else strings(table[asked.id])
    columns = [evidence.y.tolist()] if named is None else [evidence.y.tolist(), named.tolist()]
    if evidence.classes:
        columns[0] = [evidence.classes[code] for code in columns[0]]
    else:
        columns[0] = [repr(value) for value in columns[0]]
    if named is None or _numbering(named):
        columns += [] if named is not None else [[str(place) for place in range(table.num_rows)]]
        columns += [strings(table[name]).tolist() for name in matching(asked.teacher, table.column_names)]
    head = _joined([asked.id or "", asked.label])
    digests = b"".join([sha256(head + _joined(cells)).digest()[:8] for cells in zip(*columns, strict=True)])
    return np.frombuffer(digests.hex().encode(), dtype="S16").astype("U16")


def _numbering(named: npt.NDArray[Any]) -> bool:
    """Whether ids are just whole numbers from 0 or 1 on, in any order, of which up to nine in ten may be left out: a
    table without a few of its rows still has the others."""
    most = SPARSE * len(named)
    digits = len(str(most))
    return all(len(one) <= digits and one.isdecimal() and int(one) <= most for one in named.tolist())


def _joined(cells: Iterable[str]) -> bytes:
    """Cells as bytes that no other cells give."""
    return "".join([f"{len(cell)}:{cell}" for cell in cells]).encode()


def content(columns: Mapping[str, pa.ChunkedArray]) -> str:
    """SHA-256 of columns in the order of their rows: each name, then its cells."""
    sha = sha256()
    for name, column in columns.items():
        sha.update(_joined([name]))
        if pa.types.is_floating(column.type):
            sha.update(np.ascontiguousarray(column.to_numpy(), dtype="<f8").tobytes())
        else:
            sha.update(_joined(strings(column).tolist()))
    return sha.hexdigest()


def said(one: Predictions, classes: tuple[str, ...]) -> str:
    """SHA-256 of a model's predictions in the order of the rows."""
    sha = sha256(_joined(classes))
    sha.update(np.ascontiguousarray(one.decisions, dtype="<i8" if classes else "<f8").tobytes())
    sha.update(np.ascontiguousarray(one.scores, dtype="<f8").tobytes())
    return sha.hexdigest()
