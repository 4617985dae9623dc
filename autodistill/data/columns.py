"""One column of an Arrow table -> numbers or strings that a model can take, or one clear line about what is wrong.

Numbers and booleans become float64 (NaN is missing), strings object arrays ("" is missing). Rows count from 0, the
header apart, so that they are the row ids of a table without an id column.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from autodistill.errors import TableError
from autodistill.records import FloatArray, ObjectArray

NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
MOSTLY = 0.9  # of a string column's cells: from here on the rest are taken for faults, not for categories


@dataclass(frozen=True, slots=True)
class Place:
    """Where a column is, for messages."""

    file: str
    column: str

    def __str__(self) -> str:
        return f"{self.file}, column {self.column!r}"

    def rows(self, wrong: npt.NDArray[np.bool_], first: int = 0) -> str:
        """With the first rows for which ``wrong`` holds, of those from ``first`` on."""
        at = first + np.flatnonzero(wrong)
        named = ", ".join(str(row) for row in at[:3])
        return f"{self}, row{'s' if len(at) > 1 else ''} {named}{', …' if len(at) > 3 else ''}"


Kind = Literal["number", "string", "empty"]


def kind(column: pa.ChunkedArray, place: Place) -> Kind:
    """How a column is read; refuses dates, nested values and bytes."""
    type_ = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if column.null_count == len(column):
        return "empty"
    if pa.types.is_boolean(type_) or pa.types.is_integer(type_) or _is_real(type_):
        return "number"
    if pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return "string"
    if pa.types.is_temporal(type_):
        do = "turn it into a number (such as days since a date), or name it under drop"
        raise TableError("dates and times are not read", where=str(place), do=do)
    raise TableError(f"values of type {type_} are not read", where=str(place), do="flatten it, or name it under drop")


def _is_real(type_: pa.DataType) -> bool:
    return bool(pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def numbers(column: pa.ChunkedArray, place: Place) -> FloatArray:
    """float64 [N], NaN where missing; refuses infinities. A string column of numbers is taken as numbers."""
    type_ = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    plain = column.cast(type_) if type_ != column.type else column
    try:
        values = plain.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
    except pa.ArrowInvalid:
        text = strings(column)
        fits = np.asarray(pc.match_substring_regex(pa.array(text, pa.string()), NUMBER))
        raise TableError("not a number", where=place.rows(~fits & (text != "")), do="correct it") from None
    if np.isinf(values).any():
        raise TableError("infinite", where=place.rows(np.isinf(values)), do="give a number, or leave the cell empty")
    return np.asarray(values, dtype=np.float64)


def strings(column: pa.ChunkedArray) -> ObjectArray:
    """object [N] of str, "" where missing; booleans are "false" and "true", whole numbers have no point."""
    type_ = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    plain = column.cast(type_) if type_ != column.type else column
    if _is_real(type_):
        return np.array([_number(v) for v in plain.cast(pa.float64(), safe=False).to_pylist()], dtype=object)
    if pa.types.is_null(type_):
        return np.full(len(column), "", dtype=object)
    known = pc.fill_null(plain.cast(pa.string()), "")
    return np.asarray(known.to_numpy(zero_copy_only=False), dtype=object)


def coded(text: ObjectArray) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.int64]]:
    """The distinct strings, sorted, and for each cell which it is. By hashing: a million take seconds to sort."""
    encoded = pa.array(text, pa.large_string()).dictionary_encode()
    names, rank = np.unique(np.array(encoded.dictionary.to_pylist(), dtype=str), return_inverse=True)
    return names, np.asarray(rank[encoded.indices.to_numpy()], dtype=np.int64)


def _number(value: float | None) -> str:
    if value is None or value != value:  # noqa: PLR0124  NaN is the one value that differs from itself
        return ""
    return str(int(value)) if value.is_integer() else repr(value)


def mixed(text: ObjectArray, place: Place) -> None:
    """Refuses a string column that is numbers but for a few cells, naming the first of those."""
    known = text != ""
    number = np.asarray(pc.match_substring_regex(pa.array(text, pa.string()), NUMBER)) & known
    if MOSTLY * known.sum() <= number.sum() < known.sum():
        odd = known & ~number
        value = text[np.flatnonzero(odd)[0]]
        raise TableError(
            f"numbers and strings are mixed: {odd.sum()} of {known.sum()} cells are no numbers, first {value!r}",
            where=place.rows(odd),
            do="correct or empty them, or name the column under drop",
        )


def single(column: pa.ChunkedArray, place: Place) -> npt.NDArray[np.float32]:
    """``numbers`` as float32 [N], as models take them."""
    values = numbers(column, place)
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    if np.isinf(narrow).any():
        raise TableError("too large for float32", where=place.rows(np.isinf(narrow)), do="scale the column")
    return narrow
