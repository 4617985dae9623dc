"""Content addresses of rows, splits and tables: SHA-256 over a canonical form that is independent of file format, of
the order of rows and columns, and of library versions.

A row's canonical form: for each column in order of its name, the length and UTF-8 text of name and cell. Missing is
empty; a whole number has no decimal point; other numbers are Python's shortest form; bytes (and a
tensor's) are their own SHA-256.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def rows(columns: Mapping[str, pa.ChunkedArray]) -> npt.NDArray[np.void]:
    """V32 [N]: the SHA-256 of each row over the given columns. Two rows are equal iff their digests are."""
    cells = []
    for name in sorted(columns):
        texts, at = _texts(columns[name])
        prefix = _sized(name.encode())
        cells.append(np.array([prefix + _sized(text) for text in texts], dtype=object)[at])
    digests = b"".join(hashlib.sha256(b"".join(row)).digest() for row in zip(*cells, strict=True))
    return np.frombuffer(digests, dtype="V32")  # S32 would drop trailing zero bytes


def keys(digests: npt.NDArray[np.void]) -> npt.NDArray[np.uint64]:
    """uint64 [N]: the first 8 bytes of each digest, to compare and to sort by."""
    return _words(digests)[:, 0]


def short(digests: npt.NDArray[np.void]) -> npt.NDArray[np.str_]:
    """U16 [N]: the first 8 bytes of each digest, in hexadecimal."""
    return np.array([f"{key:016x}" for key in keys(digests).tolist()], dtype="U16")


def together(digests: npt.NDArray[np.void], header: Iterable[str] = ()) -> str:
    """One digest of many rows (hexadecimal), whatever their order."""
    sha = hashlib.sha256()
    for name in header:
        sha.update(_sized(name.encode()))
    sha.update(digests[np.lexsort(_words(digests).T[::-1])].tobytes())
    return sha.hexdigest()


def _words(digests: npt.NDArray[np.void]) -> npt.NDArray[np.uint64]:
    """uint64 [N, 4]: words that sort as the bytes do."""
    return np.frombuffer(digests.tobytes(), dtype=">u8").reshape(-1, 4).astype(np.uint64)


def _sized(text: bytes) -> bytes:
    return b"%d:%s" % (len(text), text)


def _texts(column: pa.ChunkedArray) -> tuple[list[bytes], npt.NDArray[np.int64]]:
    """The distinct cells as canonical text, and for each row which it is."""
    if isinstance(column.type, pa.FixedShapeTensorType):
        arrays = (array for chunk in column.chunks for array in chunk.to_numpy_ndarray())
        return [_text(array.tobytes()) for array in arrays], np.arange(len(column))
    if pa.types.is_nested(column.type) or pa.types.is_null(column.type):
        return [_text(value) for value in column.to_pylist()], np.arange(len(column))
    flat = column.combine_chunks()
    coded = flat if pa.types.is_dictionary(flat.type) else pc.dictionary_encode(flat, null_encoding="encode")
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    texts = [*(_text(value) for value in coded.dictionary.to_pylist()), b""]
    at = pc.fill_null(coded.indices, len(texts) - 1).to_numpy(zero_copy_only=False)
    return texts, at.astype(np.int64)


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
