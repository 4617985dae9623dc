"""Whose level is it? The rows': two looks that share any row, also through a third look, draw on one account."""

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill import records
from autodistill.errors import LedgerError

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What one look at some rows may spend.

    ``share`` is its one-sided level, ``spent`` what its account had spent with it, ``index`` its place (from 1) among
    the looks of ``account`` (named by the index of its first line), ``replay`` that the same look was paid for before,
    ``used`` how many of its rows an earlier look or opening had read, and ``accounts`` how many accounts of this kind
    the ledger now has.
    """

    share: float
    spent: float
    replay: bool
    account: int
    index: int
    used: int
    accounts: int


def cost(look: Mapping[str, Any], what: str = "look") -> str:
    """What a look cost, in words, from a report's record of it (a Look's fields beside ``looks`` and ``alpha``)."""
    times = look.get("looks") or look.get("openings") or 1
    place = f"{what} {look['index']}" + (f" of {times}" if look["index"] <= times else "")
    number = look["accounts"]
    said = (
        f"{place} on these rows, spent {look['share']:.4g} of {look['alpha']:.4g}, "
        f"{number} account{'' if number == 1 else 's'}"
    )
    if look.get("spent", look["share"]) > look["share"] * (1 + 1e-9):
        said += f"; {look['spent']:.4g} spent in all"
    return f"{said}; paid for before, so free" if look["replay"] else said


def row_hashes(rows: npt.NDArray[Any]) -> Hashes:
    """Sorted, distinct 8-byte hashes of row digests (text, bytes or integers), one a row."""
    encoded = (row if isinstance(row, bytes) else str(row).encode() for row in set(rows.tolist()))
    return np.unique(np.frombuffer(b"".join([sha256(row).digest()[:8] for row in encoded]), dtype=">u8").astype("<u8"))


def components(sets: Sequence[Hashes]) -> list[int]:
    """For each set of hashes, a label that it shares with every set that it is linked to by common members.

    Sets are sorted and distinct. Only members of several sets are looked up, so that many disjoint sets cost one sort.
    """
    if not sets:
        return []
    members = np.sort(np.concatenate(sets))
    shared = np.unique(members[1:][members[1:] == members[:-1]])
    last = np.full(shared.size, -1)  # of each shared member, the last set that held it
    links: list[tuple[int, int]] = []
    for own, one in enumerate(sets):
        at = np.searchsorted(shared, one)
        at = at[(at < shared.size) & (shared[np.minimum(at, shared.size - 1)] == one)] if shared.size else at[:0]
        before = np.bincount(last[at] + 1, minlength=1)[1:]
        links += [(own, int(other)) for other in np.flatnonzero(before)]
        last[at] = own
    if not links:
        return list(range(len(sets)))
    from scipy.sparse import coo_array  # a fifth of a second that a look at new rows does not need
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.array(links, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(links), dtype=np.int8), (rows, columns)), shape=(len(sets), len(sets)))
    labels: list[int] = connected_components(graph, directed=False)[1].tolist()
    return labels


def used(hashes: Hashes, before: Sequence[Hashes]) -> int:
    """How many of these rows are in any of the sets before."""
    if not before:
        return 0
    members = np.sort(np.concatenate(before))
    at = np.minimum(np.searchsorted(members, hashes), members.size - 1)
    return int((members[at] == hashes).sum()) if members.size else 0


def keep(folder: Path, hashes: Hashes) -> str:
    """Put the hashes of a look's rows on the disk, whole or not at all, and return their digest.

    Raises ``LedgerError`` where they cannot be written.
    """
    digest = records.digest(hashes.tobytes())
    part = folder / f"{digest}.part"
    try:
        folder.mkdir(exist_ok=True)
        with part.open("wb") as file:
            file.write(_file(hashes))
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / f"{digest}.npy")
    except OSError as fault:
        what = f"the row hashes of a look cannot be written ({fault.strerror}); nothing was paid"
        raise LedgerError(what, where=str(part), do="make room for them") from None
    return digest


def kept(folder: Path, digest: str) -> Hashes:
    """The hashes with this digest; raises ``LedgerError`` if they are missing or were changed."""
    path = folder / f"{digest}.npy"
    try:
        data = path.read_bytes() if path.is_file() else b""  # reading a pipe would wait for ever
        hashes: Hashes = np.load(io.BytesIO(data), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        fault = "are missing or unreadable"
    else:
        if records.digest(hashes.tobytes()) == digest and data == _file(hashes):
            return hashes  # the whole file: a reader of arrays overlooks what stands behind one
        fault = "do not have the digest that the ledger gives"
    raise LedgerError(f"the row hashes of a look {fault}", where=str(path), do="restore the file")


def _file(hashes: Hashes) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, hashes, allow_pickle=False)
    return buffer.getvalue()
