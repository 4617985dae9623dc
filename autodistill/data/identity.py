"""Who the rows of a table of predictions are, and digests of what was read and said."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autodistill.data.columns import strings
from autodistill.data.predicted import matching
from autodistill.records import Predictions
from autodistill.stats import Evidence, strata

if TYPE_CHECKING:
    from autodistill.data.outside import Asked


def rows(evidence: Evidence, asked: "Asked", table: pa.Table) -> npt.NDArray[np.str_]:
    """U16 [n]: who a row is, the first 8 bytes of a SHA-256 in hexadecimal.

    With ids it is over id, label and groups; without over place, label, groups and what the teacher said. Rows of one
    label and groups share the head of what is hashed, so that it is put together once.
    """
    groups = {name: evidence.encoded[name] for name in sorted(asked.groups)}
    sizes = {name: len(names) for name, (names, _) in groups.items()}
    stratum, of_stratum = strata({name: codes for name, (_, codes) in groups.items()}, sizes, len(evidence.y))
    label = evidence.y if evidence.classes else np.zeros(len(evidence.y), dtype=np.int64)
    kinds, kind = np.unique(stratum * max(1, len(evidence.classes)) + label, return_inverse=True)
    heads = []
    for at in kinds.tolist():
        where, code = divmod(at, max(1, len(evidence.classes)))
        cells = [evidence.classes[code]] if evidence.classes else []
        for name, (names, _) in groups.items():
            cells += [name, (*names, "")[of_stratum[name][where]]]
        heads.append(_joined([asked.id or "", *cells]))
    tails = _tails(evidence, asked, table)
    digests = b"".join([sha256(heads[at] + tail).digest()[:8] for at, tail in zip(kind.tolist(), tails, strict=True)])
    return np.frombuffer(digests.hex().encode(), dtype="S16").astype("U16")


def _tails(evidence: Evidence, asked: "Asked", table: pa.Table) -> Iterable[bytes]:
    """What tells rows of one label and groups apart, a row after the other."""
    columns = [strings(table[asked.id]).tolist()] if asked.id is not None else []
    if not evidence.classes:
        columns.append([repr(value) for value in evidence.y.tolist()])
    if asked.id is None:
        columns.append([str(place) for place in range(table.num_rows)])
        columns += [strings(table[name]).tolist() for name in matching(asked.teacher, table.column_names)]
    return map(_joined, zip(*columns, strict=True))


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
