"""Rows without label, for the teacher to label: the transfer set."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autodistill.data import digest, modal
from autodistill.data.features import rows
from autodistill.errors import TableError
from autodistill.records import SPLITS, Dataset, Features, batches, take


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Raw rows [n] with the columns of a ``Dataset``, the digest of their content in their order, in which a teacher's
    labels of them are kept, and what is to be said of them."""

    features: Features
    digest: str
    notes: tuple[str, ...]


def transfer(path: Path, asked: tuple[str, Mapping[str, Any]], dataset: Dataset) -> Transfer:
    """The rows of the file ``path``, but for those that stand in the search, audit or sealed split as well: what a
    student is judged on is not taught. Other columns are ignored, a label among them. Raises ``TableError``.
    """
    kinds = {name: "string" if column.dtype == object else "float" for name, column in dataset.features.items()}
    found = rows(path, kinds, asked)
    for name, column in dataset.features.items():
        if found[name].shape[1:] != column.shape[1:]:
            shapes = f"{found[name].shape[1:]}, those of the table {column.shape[1:]}"
            raise TableError(f"its rows of {name!r} have the shape {shapes}", where=str(path), do="make them alike")
    judged = np.concatenate([dataset.splits[name] for name in SPLITS if name != "train"])
    known = _keys({name: take(column, judged) for name, column in dataset.features.items()})
    mine = _keys(found)
    fresh = ~np.isin(mine, known)
    if not fresh.any():
        raise TableError("all its rows are in the table's search, audit or sealed split", where=str(path))
    notes = [f"{fresh.sum():,} rows without label of {path.name} are labelled by the teacher and join training"]
    if not fresh.all():
        notes.append(f"{(~fresh).sum():,} rows of {path.name} are left out: they stand in a split that is judged")
    return Transfer(
        features={name: take(column, fresh) for name, column in found.items()},
        digest=hashlib.sha256(_digests(found)[fresh].tobytes() + repr(sorted(found)).encode()).hexdigest(),
        notes=tuple(notes),
    )


def _digests(features: Features) -> npt.NDArray[np.void]:
    return np.concatenate(
        [
            digest.rows({name: pa.chunked_array([modal.cells(column)]) for name, column in some.items()})
            for some in batches(features)
        ]
    )


def _keys(features: Features) -> npt.NDArray[np.uint64]:
    return digest.keys(_digests(features))
