"""Encoded rows. Large ones are made once, kept by content and mapped: workers share their pages, and they need not fit
into memory."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill import runtime, shelf
from autodistill.inputs import Encoding, Form
from autodistill.records import Dataset, Features, digest, in_file
from autodistill.records.columns import PIECE
from autodistill.shelf import Arrays

LEAST = 8 << 20  # bytes; fewer are encoded in a quarter of a second, and checked and mapped in a hundredth
CHUNK = 16 << 20  # bytes encoded at a time
FORMAT = 1


def encoded(encoding: Encoding, form: Form, dataset: Dataset, split: str, cache: Path | None) -> Arrays:
    """One split's rows: ``numeric`` float32 [n, K] and ``codes`` int64 [n, M] (form ``split``), or ``features``
    float32 [n, F] (form ``matrix``).

    From ``LEAST`` bytes on they are mapped from a file in ``cache``, copy on write: what is written into them is
    nobody else's. Where they cannot be kept (no cache, a full disk) they are in memory.
    """
    at = dataset.splits[split]
    apply = _apply(encoding, form)

    def parts(step: int) -> Iterator[Arrays]:
        return (apply(_rows(dataset.features, at[i : i + step])) for i in range(0, len(at), step))

    told = [FORMAT, form, encoding.digest, dataset.digests[split], runtime.VERSION]
    return kept(told, parts, len(at), cache, _raw(dataset.features))


def followed(encoding: Encoding, known: Arrays, told: list[str], more: Features, cache: Path | None) -> Arrays:
    """Encoded rows ``known`` of the form ``split`` and, after them, raw rows; ``told`` is what both are known by. As
    above, and no more than ``CHUNK`` bytes are ever copied where they are mapped."""
    many, others = len(known[0]), len(next(iter(more.values())))

    def parts(step: int) -> Iterator[Arrays]:
        yield from (tuple(part[i : i + step] for part in known) for i in range(0, many, step))
        yield from (encoding.apply(_rows(more, slice(i, i + step))) for i in range(0, others, step))

    return kept([FORMAT, "followed", encoding.digest, *told, runtime.VERSION], parts, many + others, cache, _raw(more))


def kept(
    told: list[Any], parts: Callable[[int], Iterator[Arrays]], rows: int, cache: Path | None, raw: int = 0
) -> Arrays:
    """Rows from where they are kept, or made so many at a time by ``parts`` and put there; ``raw`` are the bytes of a
    row before it is encoded, where they are not in memory."""
    first = tuple(part[:1] for part in next(parts(1)))
    width = max(1, sum(part.nbytes for part in first))
    step = max(1, min(CHUNK // width, PIECE // max(1, raw)))
    if cache is not None and rows * width >= LEAST:
        where = cache / "rows" / digest(json.dumps(told).encode())[:40]
        with contextlib.suppress(OSError), shelf.locked(where):
            return shelf.mapped(shelf.kept(where, rows * width, lambda: parts(step)))
    return _together(parts(step if raw else rows))


def _raw(features: Features) -> int:
    """Bytes of a row of the columns that are in files."""
    return sum(column.nbytes // max(1, len(column)) for column in features.values() if in_file(column))


def _together(parts: Iterator[Arrays]) -> Arrays:
    first, *rest = parts
    return tuple(np.concatenate(one) for one in zip(first, *rest, strict=True)) if rest else first


def _apply(encoding: Encoding, form: Form) -> Callable[[Features], Arrays]:
    return encoding.apply if form == "split" else lambda rows: (encoding.apply_matrix(rows),)


def _rows(features: Features, at: npt.NDArray[Any] | slice) -> Features:
    return {name: column[at] for name, column in features.items()}
