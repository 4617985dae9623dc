"""Encoded rows. Large ones are made once, kept by content and mapped: workers share their pages, and they need not fit
into memory."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from autodistill import runtime
from autodistill.inputs import Encoding, Form
from autodistill.jobs import shelf
from autodistill.records import Dataset, Features, digest

LEAST = 8 << 20  # bytes; fewer are encoded in a quarter of a second, and checked and mapped in a hundredth
CHUNK = 16 << 20  # bytes encoded at a time
FORMAT = 1

Arrays = tuple[npt.NDArray[Any], ...]


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
    return _kept(told, parts, len(at), cache)


def followed(encoding: Encoding, known: Arrays, told: list[str], more: Features, cache: Path | None) -> Arrays:
    """Encoded rows ``known`` of the form ``split`` and, after them, raw rows; ``told`` is what both are known by. As
    above, and no more than ``CHUNK`` bytes are ever copied where they are mapped."""
    many, others = len(known[0]), len(next(iter(more.values())))

    def parts(step: int) -> Iterator[Arrays]:
        yield from (tuple(part[i : i + step] for part in known) for i in range(0, many, step))
        yield from (encoding.apply(_rows(more, slice(i, i + step))) for i in range(0, others, step))

    return _kept([FORMAT, "followed", encoding.digest, *told, runtime.VERSION], parts, many + others, cache)


def _kept(told: list[Any], parts: Callable[[int], Iterator[Arrays]], rows: int, cache: Path | None) -> Arrays:
    """Rows from where they are kept, or made so many at a time by ``parts`` and put there."""
    first = tuple(part[:1] for part in next(parts(1)))
    width = max(1, sum(part.nbytes for part in first))
    if cache is None or rows * width < LEAST:
        return _together(parts(rows))
    where = cache / "rows" / digest(json.dumps(told).encode())[:40]
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(where.with_suffix(".lock")):
            found = _mapped(where)
            if found is None:
                shelf.make_room(where.parent, rows * width)
                _write(where, first, rows, parts(max(1, CHUNK // width)))
                found = _mapped(where)
    except OSError:
        found = None
    return _together(parts(rows)) if found is None else found


def _together(parts: Iterator[Arrays]) -> Arrays:
    first, *rest = parts
    return tuple(np.concatenate(one) for one in zip(first, *rest, strict=True)) if rest else first


def _apply(encoding: Encoding, form: Form) -> Callable[[Features], Arrays]:
    return encoding.apply if form == "split" else lambda rows: (encoding.apply_matrix(rows),)


def _rows(features: Features, at: npt.NDArray[Any] | slice) -> Features:
    return {name: column[at] for name, column in features.items()}


def _write(where: Path, first: Arrays, rows: int, parts: Iterator[Arrays]) -> None:
    """Keep chunks of rows as one array a file, whole or not at all. Written, not mapped: a full disk is then an
    OSError and not the end of the process."""
    out = where.with_name(shelf.MAKING + where.name)  # one name: whoever is killed here leaves what the next one finds
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(mode=0o700)
    try:
        files = [(out / f"{at}.npy").open("wb") for at in range(len(first))]
        try:
            for file, one in zip(files, first, strict=True):
                shape = {"descr": one.dtype.str, "fortran_order": False, "shape": (rows, *one.shape[1:])}
                np.lib.format.write_array_header_1_0(file, shape)
            for chunk in parts:
                for file, one in zip(files, chunk, strict=True):
                    file.write(np.ascontiguousarray(one).data)
            for file in files:
                file.flush()
                os.fsync(file.fileno())
        finally:
            for file in files:
                file.close()
        about = {"digests": [_digest(out / f"{at}.npy") for at in range(len(first))]}
        (out / shelf.RECORD).write_text(json.dumps(about), encoding="utf-8")
        if where.exists():  # damaged: a sound one would have been mapped
            shutil.rmtree(where)
        out.rename(where)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _mapped(where: Path) -> Arrays | None:
    """The arrays kept there; None where there are none or a byte is wrong."""
    try:
        kept = json.loads((where / shelf.RECORD).read_text(encoding="utf-8"))["digests"]
        paths = [where / f"{at}.npy" for at in range(len(kept))]
        if [_digest(path) for path in paths] != kept:
            return None
        found = tuple(np.load(path, mmap_mode="c", allow_pickle=False) for path in paths)
        shelf.hold(where, found)
        return tuple(np.asarray(part) for part in found)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
