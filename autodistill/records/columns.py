"""Columns that lie in files: their rows come into memory when they are asked for, and no more of them than that.

Such a column stands among ``Features`` where an array would: it has its length, shape, type and bytes, and
``column[rows]`` is an array. What an array can do beside, it cannot: whoever wants all of it at once must say so
(``numpy.asarray``) or walk it by ``pieces``. Another process is handed its file's name, never its content.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
At = slice | npt.NDArray[Any]

PIECE = 4 << 20  # bytes of rows that are looked at together; what is made of them may be ten times as large


class Column(ABC):
    """A column of N rows, or the rows ``at`` of it (int64, None: all)."""

    def __init__(self, at: npt.NDArray[np.int64] | None) -> None:
        self.at = at

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """The type of ``column[rows]``."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """[n, ...]."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes of all its rows."""

    @abstractmethod
    def of(self, at: npt.NDArray[np.int64]) -> "Column":
        """Some rows of the whole column, none of them read."""

    @abstractmethod
    def _read(self, at: At) -> Array:
        """Some rows of the whole column."""

    @property
    def ndim(self) -> int:
        """The rank, rows included."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: At | int) -> Any:
        if isinstance(at, int | np.integer):
            return self[np.array([at])][0]
        if not isinstance(at, slice | np.ndarray):
            raise TypeError("a column in a file is taken by rows: a slice, their places or one of them")
        return self._read(at if self.at is None else self.at[at])

    def __iter__(self) -> Iterator[Any]:
        for piece in pieces(cast("Array", self)):
            yield from piece

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self[:], dtype=dtype) if copy else np.asarray(self[:], dtype=dtype)


class Numbers(Column):
    """Arrays of one shape, mapped from a ``.npy`` file."""

    def __init__(self, path: Path, at: npt.NDArray[np.int64] | None = None) -> None:
        super().__init__(at)
        self.path = path
        self.array: Array = np.load(path, mmap_mode="r", allow_pickle=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return Numbers, (self.path, self.at)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.array) if self.at is None else len(self.at), *self.array.shape[1:])

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def of(self, at: npt.NDArray[np.int64]) -> "Numbers":
        some = object.__new__(Numbers)
        some.path, some.array, some.at = self.path, self.array, at
        return some

    def _read(self, at: At) -> Array:
        return np.asarray(self.array[at])  # adjacent rows stay mapped, others are copied


class Texts(Column):
    """Strings: their UTF-8 one after the other in one ``.npy`` file, and in another where each of them ends."""

    def __init__(self, text: Path, ends: Path, at: npt.NDArray[np.int64] | None = None) -> None:
        super().__init__(at)
        self.paths = (text, ends)
        self.text: Array = np.load(text, mmap_mode="r", allow_pickle=False)
        self.ends: Array = np.load(ends, mmap_mode="r", allow_pickle=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return Texts, (*self.paths, self.at)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(object)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.ends) if self.at is None else len(self.at),)

    @property
    def nbytes(self) -> int:
        return len(self.text) * len(self) // max(1, len(self.ends))

    def of(self, at: npt.NDArray[np.int64]) -> "Texts":
        some = object.__new__(Texts)
        some.paths, some.text, some.ends, some.at = self.paths, self.text, self.ends, at
        return some

    def _read(self, at: At) -> Array:
        rows = np.arange(len(self.ends))[at]
        stops = np.asarray(self.ends[rows])
        starts = np.where(rows > 0, self.ends[rows - 1], 0)
        found = np.empty(len(rows), dtype=object)
        text = memoryview(self.text.data)
        found[:] = [str(text[i:j], "utf-8") for i, j in zip(starts.tolist(), stops.tolist(), strict=True)]
        return found


def take(column: Array, at: npt.NDArray[Any]) -> Array:
    """Rows of a column by their places, or those for which ``at`` holds: a copy of an array; of a column in a file
    what reads them when they are asked for."""
    stored: Any = column
    if not isinstance(stored, Column):
        return np.asarray(column[at])
    places = np.flatnonzero(at) if at.dtype == bool else np.asarray(at, np.int64)
    return cast("Array", stored.of(places if stored.at is None else stored.at[places]))


def in_file(column: Array) -> bool:
    """Whether a column is one that is read as it is asked for."""
    return isinstance(cast("Any", column), Column)


def pieces(column: Array, most: int | None = None) -> Iterator[Array]:
    """A column's rows in order, so many at a time that no piece has more than ``most`` bytes (None: ``PIECE``;
    one row at least)."""
    step = max(1, (most or PIECE) * len(column) // max(1, column.nbytes))
    for at in range(0, len(column), step):
        yield column[at : at + step]


def batches(features: Mapping[str, Array], most: int | None = None) -> Iterator[Mapping[str, Array]]:
    """Columns of one length as arrays, so many rows at a time that they have no more than ``most`` bytes together;
    all rows at once where none of the columns is in a file."""
    if not any(in_file(column) for column in features.values()):
        yield features
        return
    many = min(len(column) for column in features.values())
    step = max(1, (most or PIECE) * many // max(1, sum(column.nbytes for column in features.values())))
    for at in range(0, many, step):
        yield {name: column[at : at + step] for name, column in features.items()}
