"""Whose level is it? The rows': two looks that share any row, also through a third look, draw on one account."""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from autodistill import records
from autodistill.errors import LedgerError

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What one look at some rows may spend.

    ``share`` is its one-sided level, ``index`` its place (from 1) among the looks of ``account`` (named by the index of
    its first line), ``replay`` that the same look was paid for before, ``used`` how many of its rows an earlier look or
    opening had read, and ``accounts`` how many accounts of this kind the ledger now has.
    """

    share: float
    replay: bool
    account: int
    index: int
    used: int
    accounts: int


def row_hashes(rows: npt.NDArray[Any]) -> Hashes:
    """Sorted, distinct 8-byte hashes of row digests (text, bytes or integers), one a row."""
    distinct = np.unique(rows).tolist()
    encoded = (row if isinstance(row, bytes) else str(row).encode() for row in distinct)
    return np.unique(np.array([int(records.digest(row)[:16], 16) for row in encoded], dtype="<u8"))


def components(sets: Sequence[Hashes]) -> list[int]:
    """For each set of hashes, a label that it shares with every set that it is linked to by common members."""
    if not sets:
        return []
    members = np.concatenate(sets)
    owners = np.repeat(np.arange(len(sets)), [one.size for one in sets])
    order = np.argsort(members, kind="stable")
    same = members[order][1:] == members[order][:-1]
    one, other = owners[order][:-1][same], owners[order][1:][same]
    links = coo_array((np.ones(one.size, dtype=np.int8), (one, other)), shape=(len(sets), len(sets)))
    labels: list[int] = connected_components(links, directed=False)[1].tolist()
    return labels


def keep(folder: Path, hashes: Hashes) -> str:
    """Put the hashes of a look's rows on the disk, whole or not at all, and return their digest."""
    digest = records.digest(hashes.tobytes())
    folder.mkdir(exist_ok=True)
    buffer = io.BytesIO()
    np.save(buffer, hashes, allow_pickle=False)
    part = folder / f"{digest}.part"
    with part.open("wb") as file:
        file.write(buffer.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / f"{digest}.npy")
    return digest


def kept(folder: Path, digest: str) -> Hashes:
    """The hashes with this digest; raises ``LedgerError`` if they are missing or were changed."""
    path = folder / f"{digest}.npy"
    try:
        hashes: Hashes = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        fault = "are missing or unreadable"
    else:
        if records.digest(hashes.tobytes()) == digest:
            return hashes
        fault = "do not have the digest that the ledger gives"
    raise LedgerError(f"the row hashes of a look {fault}", where=str(path), do="restore the file")
