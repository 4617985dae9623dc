"""Content addresses of rows, splits and tables: SHA-256 over a canonical form that is independent of file format, of
the order of rows and columns, and of library versions.

A row's canonical form: for each column in order of its name, the length and UTF-8 text of name and cell. Missing is
empty; a whole number has no decimal point; other numbers are Python's shortest form; bytes (and a
tensor's) are their own SHA-256.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

AT_ONCE = 1 << 16  # most rows whose canonical forms are in memory at a time
BYTES = 64 << 20  # of their cells, where rows are large
WHOLE = 2.0**63  # from here on a whole number is none of 64 bits
PLAIN = (1e-4, 1e9)
"""Between these, Arrow writes the shortest decimal that reads back, without an exponent, and so does Python."""


def rows(columns: Mapping[str, pa.ChunkedArray]) -> npt.NDArray[np.void]:
    """V32 [N]: the SHA-256 of each row over the given columns. Two rows are equal iff their digests are.

    By columns and a bounded number of rows at a time: but for the hash, no row is looked at by itself.
    """
    found = bytearray()
    for _, form in _forms(columns):
        found += _hashed(form)
    return _kept(found)


def labelled(columns: Mapping[str, pa.ChunkedArray], label: pa.ChunkedArray) -> tuple[npt.NDArray[np.void], ...]:
    """``rows`` of the columns with their label under the name "", and of the columns alone: the name comes first of
    all, so that each row is written once."""
    whole, alone = bytearray(), bytearray()
    for at, form in _forms(columns):
        whole += _hashed(_joined(_NAMELESS, _cells(label.slice(at, len(form))), form))
        alone += _hashed(form)
    return _kept(whole), _kept(alone)


def _forms(columns: Mapping[str, pa.ChunkedArray]) -> Iterator[tuple[int, pa.Array]]:
    """The canonical forms of some rows at a time, and which is the first."""
    names = sorted(columns)
    many = len(columns[names[0]])
    step = min(AT_ONCE, max(1, BYTES * many // max(1, sum(column.nbytes for column in columns.values()))))
    for at in range(0, many, step):
        parts = []
        for name in names:
            parts += [_scalar(_sized(name.encode())), _cells(columns[name].slice(at, step))]
        yield at, _joined(*parts)


def _joined(*parts: pa.Array | pa.Scalar) -> pa.Array:
    return pc.binary_join_element_wise(*parts, _scalar(b""))


def _scalar(text: bytes) -> pa.Scalar:
    return pa.scalar(text, pa.large_binary())


_NAMELESS = _scalar(b"0:")


def _hashed(form: pa.Array) -> bytes:
    _, places, data = form.buffers()
    ends = np.frombuffer(places, np.int64)[form.offset : form.offset + len(form) + 1].tolist()
    view = memoryview(data)
    return b"".join([hashlib.sha256(view[i:j]).digest() for i, j in pairwise(ends)])


def _kept(digests: bytearray) -> npt.NDArray[np.void]:
    return np.frombuffer(bytes(digests), dtype="V32")  # S32 would drop trailing zero bytes


def keys(digests: npt.NDArray[np.void]) -> npt.NDArray[np.uint64]:
    """uint64 [N]: the first 8 bytes of each digest, to compare and to sort by."""
    return _words(digests)[:, 0]


def short(digests: npt.NDArray[np.void]) -> npt.NDArray[np.str_]:
    """U16 [N]: the first 8 bytes of each digest, in hexadecimal."""
    first = np.frombuffer(digests.tobytes(), np.uint8).reshape(-1, 32)[:, :8]
    return np.frombuffer(first.tobytes().hex().encode(), dtype="S16").astype("U16")


def together(digests: npt.NDArray[np.void], header: Iterable[str] = ()) -> str:
    """One digest of many rows (hexadecimal), whatever their order."""
    sha = hashlib.sha256()
    for name in header:
        sha.update(_sized(name.encode()))
    words = _words(digests)
    order = np.argsort(words[:, 0])
    if (np.diff(words[order, 0]) == 0).any():  # rows that stand twice, mostly
        order = np.lexsort(words.T[::-1])
    sha.update(digests[order].tobytes())
    return sha.hexdigest()


def _words(digests: npt.NDArray[np.void]) -> npt.NDArray[np.uint64]:
    """uint64 [N, 4]: words that sort as the bytes do."""
    return np.frombuffer(digests.tobytes(), dtype=">u8").reshape(-1, 4).astype(np.uint64)


def _sized(text: bytes) -> bytes:
    return b"%d:%s" % (len(text), text)


def _cells(column: pa.ChunkedArray) -> pa.Array:
    """The canonical text of each cell after its length: Arrow's where it writes what Python writes, else Python's."""
    flat = column.combine_chunks()
    flat = pa.concat_arrays(flat.chunks) if isinstance(flat, pa.ChunkedArray) else flat
    flat = flat.dictionary_decode() if pa.types.is_dictionary(flat.type) else flat
    kind = flat.type
    if (
        pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
    ):
        text = pc.cast(flat, pa.large_string())
    elif pa.types.is_floating(kind):
        text = _numbers(pc.cast(flat, pa.float64()))
    elif isinstance(kind, pa.FixedShapeTensorType):
        values = np.ascontiguousarray(flat.to_numpy_ndarray())
        text = pa.array([hashlib.sha256(one.data).hexdigest().encode() for one in values], pa.large_binary())
    elif pa.types.is_fixed_size_binary(kind) and not flat.null_count:
        view, size = memoryview(flat.buffers()[1]), kind.byte_width
        starts = range(flat.offset * size, (flat.offset + len(flat)) * size, size)
        text = pa.array([hashlib.sha256(view[i : i + size]).hexdigest().encode() for i in starts], pa.large_binary())
    elif pa.types.is_nested(kind) or pa.types.is_null(kind):
        text = pa.array([_text(value) for value in flat.to_pylist()], pa.large_binary())
    else:
        coded = pc.dictionary_encode(flat)
        distinct = pa.array([_text(value) for value in coded.dictionary.to_pylist()], pa.large_binary())
        text = distinct.take(coded.indices)
    text = pc.fill_null(text.cast(pa.large_binary()), b"")
    length = pc.cast(pc.binary_length(text), pa.large_string()).cast(pa.large_binary())
    return pc.binary_join_element_wise(length, text, _scalar(b":"))


def _numbers(values: pa.Array) -> pa.Array:
    """Canonical texts of float64; NaN and null are null."""
    known = pc.if_else(pc.is_nan(values), None, values)
    number = known.to_numpy(zero_copy_only=False)
    size = np.abs(number)
    whole = (number == np.round(number)) & (size < WHOLE)
    plain = (size >= PLAIN[0]) & (size < PLAIN[1])
    text = pc.if_else(
        pa.array(whole),
        pc.cast(pc.cast(pc.if_else(pa.array(whole), known, None), pa.int64()), pa.large_string()),
        pc.cast(known, pa.large_string()),
    )
    odd = ~whole & ~plain & ~np.isnan(number)
    if odd.any():
        said = pa.array([_text(value).decode() for value in number[odd].tolist()], pa.large_string())
        text = pc.replace_with_mask(text, pa.array(odd), said)
    return text


def _text(value: Any) -> bytes:
    if value is None or (isinstance(value, float) and value != value):  # noqa: PLR0124  NaN
        return b""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, float):
        return str(int(value)).encode() if value.is_integer() else repr(value).encode()
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest().encode()
    return str(value).encode()
