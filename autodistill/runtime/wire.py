"""Protocol buffers, read and appended to without their library: fields of a message, runs of numbers at once."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

VARINT, BLOCK, WORD = 0, 2, 5
_INT_TAG, _FLOAT_TAG = 8 << 3 | VARINT, 7 << 3 | WORD  # AttributeProto's ints and floats, which are not packed


def fields(data: memoryview) -> Iterator[tuple[int, int, Any]]:
    """(number, wire type, value) of a message; runs of unpacked ints and floats come out as one array."""
    at, end = 0, len(data)
    while at < end:
        tag, after = varint(data, at)
        wire = tag & 7
        if tag == _INT_TAG and after + 1 < end and data[after] < 0x80 and data[after + 1] == _INT_TAG:
            values, at = _ints(data, at)
            yield 8, BLOCK, values
        elif tag == _FLOAT_TAG and after + 4 < end and data[after + 4] == _FLOAT_TAG:
            floats, at = _floats(data, at)
            yield 7, BLOCK, floats
        elif wire == VARINT:
            value, at = varint(data, after)
            yield tag >> 3, wire, value
        elif wire == BLOCK:
            size, start = varint(data, after)
            at = start + size
            if at > end:
                raise ValueError("it is cut short")
            yield tag >> 3, wire, data[start:at]
        elif wire in {1, WORD}:
            at = after + (8 if wire == 1 else 4)
            if at > end:
                raise ValueError("it is cut short")
            yield tag >> 3, wire, data[after:at]
        else:
            raise ValueError("a field has no known type")


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """The number at a place, and the place after it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def signed(value: int) -> int:
    """An unsigned 64-bit number as the signed one it stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value


def varints(data: memoryview) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """All varints of a buffer at once, and where each ends (trees have them by the hundred thousand)."""
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw < 0x80) + 1
    if ends.size == 0:
        return np.zeros(0, np.int64), ends
    raw = raw[: ends[-1]]
    starts = np.concatenate(([0], ends[:-1]))
    place = np.arange(raw.size) - np.repeat(starts, ends - starts)
    shifted = (raw & 0x7F).astype(np.uint64) << np.minimum(7 * place, 63).astype(np.uint64)
    return np.add.reduceat(shifted, starts).view(np.int64), ends


def _ints(data: memoryview, at: int) -> tuple[npt.NDArray[np.int64], int]:
    """A run of ``ints`` written one by one: tag, value, tag, value, … read as one stream of varints."""
    values, ends = varints(data[at:])
    other = np.flatnonzero(values[0::2] != _INT_TAG)
    pairs = min(int(other[0]) if other.size else values.size, values.size // 2)
    return values[1 : 2 * pairs : 2].copy(), at + int(ends[2 * pairs - 1])


def _floats(data: memoryview, at: int) -> tuple[npt.NDArray[np.float32], int]:
    """A run of ``floats`` written one by one: tag, four bytes, …"""
    raw = np.frombuffer(data[at : at + (len(data) - at) // 5 * 5], dtype=[("tag", "u1"), ("value", "<f4")])
    other = np.flatnonzero(raw["tag"] != _FLOAT_TAG)
    count = int(other[0]) if other.size else raw.size
    return raw["value"][:count].astype(np.float32), at + 5 * count


def block(number: int, payload: bytes) -> bytes:
    """A field of bytes (a string or a message)."""
    return _number(number << 3 | BLOCK) + _number(len(payload)) + payload


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
