"""A table that grows: each row keeps the split that it was first given, and only new rows are dealt.

What is kept is one parquet file, written whole. A row is known by the digest of all its cells, and stays known when it
vanishes from the table: a new row that equals an earlier one in features and label, or is of its entity, goes where
that one went. A new row that ties rows of two splits together is left out of all four: anywhere it would leak.
"""

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from autodistill.data import digest, split
from autodistill.data.asked import DataSpec
from autodistill.data.dataset import Keyed, load
from autodistill.errors import TableError
from autodistill.records import FORMAT, SPLITS, Dataset, IntArray

ASIDE = -1
NAMES = (*SPLITS, "")  # the last stands for a row that was left out


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How the table differs from what was seen before ``date``. ``new`` rows by split ("" is left out); ``vanished``
    were there the last time, ``gone`` at any earlier time; ``first``: nothing was seen before."""

    first: bool
    new: Mapping[str, int]
    vanished: int = 0
    gone: int = 0
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """New rows in all."""
        return sum(self.new.values())


@dataclass(frozen=True, kw_only=True)
class Known:
    """Every row that was ever seen [K]: digest, split (index into ``SPLITS``, or -1), keys of what may not be torn
    apart, the dates of its first and last appearance. ``columns`` and ``entity`` are those that the digests are of."""

    content: npt.NDArray[np.void]
    split: IntArray
    same: npt.NDArray[np.uint64]
    entity: npt.NDArray[np.uint64]
    first: npt.NDArray[Any]
    last: npt.NDArray[Any]
    columns: tuple[str, ...] = ()
    has_entity: bool = False


def load_kept(
    spec: DataSpec, seed: int, file: Path, date: str, adopt: Mapping[str, str] | None = None
) -> tuple[Dataset, Growth]:
    """The table with the splits that are kept in ``file``, and what is new in it; ``file`` is then up to date.

    ``date`` (YYYY-MM-DD) is when this table is seen. ``adopt``, where nothing is kept yet, maps the short digests of
    rows that an earlier run held out to their splits; that run trained on all others. Raises ``TableError`` where the
    table's columns are others than before, or its split column contradicts what is kept.
    """
    dealer = _Dealer(file=file, table=str(spec.table), date=date, before=_read(file), adopt=adopt or {})
    dataset = load(spec, seed, dealer.deal)
    assert dealer.now is not None  # noqa: S101 - load has dealt the rows
    _write(file, dealer.now)
    return dataset, dealer.growth()


@dataclass
class _Dealer:
    """One dealing: what was known before, what is known after it."""

    file: Path
    table: str
    date: str
    before: Known | None
    adopt: Mapping[str, str]
    now: Known | None = None
    adopted: bool = False
    aside: int = 0
    present: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def deal(self, rows: Keyed) -> IntArray:
        """The kept split of each row that is known, then of those that belong to one, then a share of the rest."""
        old = self.before or _nothing()
        if self.before is not None and (old.columns, old.has_entity) != (rows.columns, rows.entity is not None):
            odd = sorted(set(old.columns) ^ set(rows.columns))
            what = f"its columns are not those of the nights before ({', '.join(odd[:3]) or 'the entity column'})"
            raise TableError(what, where=self.table, do="keep the columns, or begin anew under another name:")
        place = {digest_: at for at, digest_ in enumerate(_bytes(old.content))}
        at = np.array([place.get(one, -1) for one in _bytes(rows.content)], dtype=np.int64)
        known = at >= 0
        chosen = np.full(len(at), ASIDE, dtype=np.int64)
        chosen[known] = old.split[at[known]]
        names = [self.adopt.get(one, "") for one in digest.short(rows.content)] if self.before is None else []
        self.adopted = any(names)  # else that run was of another table
        if self.adopted:
            chosen = np.array([SPLITS.index(name) if name in SPLITS else ASIDE for name in names], dtype=np.int64)
            known = chosen >= 0
        if rows.named is not None:
            self._refuse_moved(rows.named, chosen, known)
            chosen = rows.named
        else:
            chosen = self._joined(rows, chosen, known, np.setdiff1d(np.arange(len(old.split)), at))
        self._learn(rows, chosen, at, old)
        return chosen

    def _refuse_moved(self, named: IntArray, chosen: IntArray, known: npt.NDArray[np.bool_]) -> None:
        moved = np.flatnonzero(known & (named != chosen))
        if len(moved):
            was, now = NAMES[chosen[moved[0]]], NAMES[named[moved[0]]]
            what = f"the split column moves {len(moved)} rows (row {moved[0]} from {was} to {now})"
            raise TableError(what, where=self.table, do="a row keeps its first split: restore the column")

    def _joined(
        self, rows: Keyed, chosen: IntArray, known: npt.NDArray[np.bool_], vanished: npt.NDArray[Any]
    ) -> IntArray:
        """Rows that are not known: to the one split that their unit has, aside where it has two, dealt where none."""
        old = self.before or _nothing()
        keys = [np.concatenate([rows.same, old.same[vanished]])]
        if rows.entity is not None:
            keys.append(np.concatenate([rows.entity, old.entity[vanished]]))
        unit = split.units(keys)
        has = np.concatenate([chosen, old.split[vanished]])
        settled = np.concatenate([known, np.ones(len(vanished), dtype=bool)]) & (has >= 0)
        low = np.full(int(unit.max()) + 1, len(SPLITS), dtype=np.int64)
        high = np.full(int(unit.max()) + 1, ASIDE, dtype=np.int64)
        np.minimum.at(low, unit[settled], has[settled])
        np.maximum.at(high, unit[settled], has[settled])
        mine = unit[: len(chosen)]
        tied, free = ~known & (high[mine] >= 0), ~known & (high[mine] < 0)
        out = chosen.copy()
        out[tied] = np.where(low[mine] == high[mine], high[mine], ASIDE)[tied]
        self.aside = int((out[tied] < 0).sum())
        if free.any():
            if self.adopted:
                out[free] = SPLITS.index("train")
            else:
                dealt = np.bincount(out[out >= 0], minlength=len(SPLITS)).tolist() if self.before else None
                out[free] = rows.assign(np.flatnonzero(free), dealt)
        return out

    def _learn(self, rows: Keyed, chosen: IntArray, at: IntArray, old: Known) -> None:
        """What is known from now on: each distinct row once."""
        self.present = np.isin(np.arange(len(old.split)), at)
        _, new = np.unique(np.array(_bytes(rows.content))[at < 0], return_index=True)
        new = np.flatnonzero(at < 0)[np.sort(new)]
        entity = np.zeros(len(chosen), dtype=np.uint64) if rows.entity is None else rows.entity
        day = np.full(len(new), self.date, dtype=object)
        last = np.where(self.present, self.date, old.last.astype(object))
        self.now = Known(
            content=np.concatenate([old.content, rows.content[new]]),
            split=np.concatenate([old.split, chosen[new]]),
            same=np.concatenate([old.same, rows.same[new]]),
            entity=np.concatenate([old.entity, entity[new]]),
            first=np.concatenate([old.first, day]),
            last=np.concatenate([last, day]),
            columns=rows.columns,
            has_entity=rows.entity is not None,
        )

    def growth(self) -> Growth:
        """Counted by the dates that are kept, so that a night that goes on counts as it did when it began."""
        now = self.now or _nothing()
        earlier = now.first < self.date
        fresh = now.split[(now.first == self.date) & (now.last == self.date)]
        before = max((day for day in (self.before or _nothing()).last if day < self.date), default="")
        notes = []
        if self.aside:
            notes.append(f"{self.aside} new rows tie rows of two splits together and are left out")
        vanished, gone = int((now.last == before).sum()) if before else 0, int((now.last < self.date).sum())
        if vanished:
            notes.append(f"{vanished} rows of the last night are no longer in the table")
        return Growth(
            first=not earlier.any(),
            new={
                name: int((fresh == code).sum()) for code, name in zip((*range(len(SPLITS)), ASIDE), NAMES, strict=True)
            },
            vanished=vanished,
            gone=gone,
            notes=tuple(notes),
        )


def _nothing() -> Known:
    return Known(
        content=np.zeros(0, dtype="V32"),
        split=np.zeros(0, dtype=np.int64),
        same=np.zeros(0, dtype=np.uint64),
        entity=np.zeros(0, dtype=np.uint64),
        first=np.zeros(0, dtype=object),
        last=np.zeros(0, dtype=object),
    )


def _bytes(content: npt.NDArray[np.void]) -> list[bytes]:
    data = content.tobytes()
    return [data[start : start + 32] for start in range(0, len(data), 32)]


def _read(file: Path) -> Known | None:
    if not file.exists():
        return None
    try:
        table = pq.ParquetFile(io.BytesIO(file.read_bytes())).read(use_threads=False)
        about = msgspec.json.decode(table.schema.metadata[b"autodistill"])
        if about["format"] != FORMAT:
            raise ValueError(f"format {about['format']}, not {FORMAT}")
        columns = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
        return Known(
            content=np.frombuffer(b"".join(table["row"].to_pylist()), dtype="V32"),
            split=np.array([NAMES.index(name) if name else ASIDE for name in columns["split"]], dtype=np.int64),
            same=columns["same"].astype(np.uint64),
            entity=columns["entity"].astype(np.uint64),
            first=columns["first"].astype(object),
            last=columns["last"].astype(object),
            columns=tuple(about["columns"]),
            has_entity=bool(about["entity"]),
        )
    except (OSError, KeyError, ValueError, TypeError, msgspec.DecodeError, pa.ArrowException) as fault:
        what = f"the splits of the nights before cannot be read: {' '.join(str(fault).split())[:120]}"
        raise TableError(
            what, where=str(file), do="restore the file: without it audited rows could be trained on"
        ) from None


def _write(file: Path, known: Known) -> None:
    about = msgspec.json.encode({"format": FORMAT, "columns": known.columns, "entity": known.has_entity})
    columns: Mapping[str, Sequence[Any]] = {
        "row": pa.array(_bytes(known.content), type=pa.binary()),
        "split": pa.array([NAMES[code] for code in known.split]),
        "same": pa.array(known.same),
        "entity": pa.array(known.entity),
        "first": pa.array(known.first.astype(str).tolist()),
        "last": pa.array(known.last.astype(str).tolist()),
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata({b"autodistill": about}), sink, compression="zstd")
    part = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(sink.getbuffer())
            out.flush()
            os.fsync(out.fileno())
        part.replace(file)
    except OSError as fault:
        raise TableError(f"the splits cannot be kept ({fault.strerror})", where=str(file), do="make room") from None
