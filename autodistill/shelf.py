"""A folder of large arrays, bounded by bytes: what was used longest ago goes first, and never what is in use.

Each kept thing is a folder of ``.npy`` files with a record of their digests, whole or not there. Whoever maps its
arrays holds a shared lock on the record for as long as they live, in whatever process; only what can be locked for
oneself is removed. Where a file system has no such locks, nothing is.
"""

import contextlib
import hashlib
import json
import os
import shutil
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

MOST = 32 << 30  # bytes kept in all, but for what is in use
RECORD = "about.json"
MAKING = ".making-"

Arrays = tuple[npt.NDArray[Any], ...]


def kept(where: Path, needed: int, parts: Callable[[], Iterator[Arrays]]) -> list[Path]:
    """The sound files that are kept in ``where``, one an array; where there are none or a byte is wrong, ``parts`` are
    written there one after the other, about ``needed`` bytes. One process at a time makes them. The caller maps them
    before it lets go of the lock: see ``locked``. Raises ``OSError`` where they cannot be kept."""
    found = sound(where)
    if found is not None:
        return found
    make_room(where.parent, needed)
    return _write(where, parts())


def mapped(paths: list[Path]) -> Arrays:
    """The arrays of kept files, copy on write: what is written into them is nobody else's. They are held."""
    found = tuple(np.load(path, mmap_mode="c", allow_pickle=False) for path in paths)
    hold(paths[0].parent, found)
    return tuple(np.asarray(part) for part in found)


@contextlib.contextmanager
def locked(where: Path) -> Iterator[None]:
    """Alone with what is or comes to be kept in ``where``: it is neither made nor removed by anybody else."""
    where.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(where.with_suffix(".lock")):
        yield


def sound(where: Path) -> list[Path] | None:
    """The files kept in ``where``; None where there are none or a byte is wrong."""
    try:
        told = json.loads((where / RECORD).read_text(encoding="utf-8"))["digests"]
        paths = [where / f"{at}.npy" for at in range(len(told))]
        return paths if [_digest(path) for path in paths] == told else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(where: Path, parts: Iterator[Arrays]) -> list[Path]:
    """Keep chunks of rows as one array a file, whole or not at all. Written, not mapped: a full disk is then an
    OSError and not the end of the process."""
    out = where.with_name(MAKING + where.name)  # one name: whoever is killed here leaves what the next one finds
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(mode=0o700)
    try:
        with contextlib.ExitStack() as opened:
            files: list[IO[bytes]] = []
            shapes: list[tuple[np.dtype[Any], list[int]]] = []
            for chunk in parts:
                for at, one in enumerate(chunk):
                    if at == len(files):
                        files.append(opened.enter_context((out / f"{at}.npy").open("wb")))
                        shapes.append((one.dtype, [0, *one.shape[1:]]))
                        _head(files[at], *shapes[at])
                    files[at].write(np.ascontiguousarray(one).data)
                    shapes[at][1][0] += len(one)
            for file, shape in zip(files, shapes, strict=True):
                _head(file, *shape)
                file.flush()
                os.fsync(file.fileno())
        about = {"digests": [_digest(out / f"{at}.npy") for at in range(len(files))]}
        (out / RECORD).write_text(json.dumps(about), encoding="utf-8")
        if where.exists():  # damaged: a sound one would have been found
            shutil.rmtree(where)
        out.rename(where)
        return [where / f"{at}.npy" for at in range(len(files))]
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _head(file: IO[bytes], dtype: np.dtype[Any], shape: list[int]) -> None:
    """The head of a ``.npy`` file, which has room for any number of rows: it is written before they are known."""
    file.seek(0)
    about = {"descr": dtype.str, "fortran_order": False, "shape": tuple(shape)}
    np.lib.format.write_array_header_1_0(file, about)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hold(where: Path, arrays: tuple[Any, ...], name: str = RECORD) -> None:
    """Keep a folder from being removed for as long as any of ``arrays`` lives, and note that it was used now; its
    record has this ``name``."""
    with contextlib.suppress(OSError):
        os.utime(where / name)
        for array in arrays:
            record = (where / name).open("rb")
            weakref.finalize(array, record.close)
            _share(record.fileno())


def make_room(folder: Path, needed: int, name: str = RECORD) -> None:
    """Remove what was used longest ago until ``needed`` more bytes fit, and what a killed process left half made."""
    for left in folder.glob(f"{MAKING}*"):
        _remove_unfinished(left)
    kept = sorted((_used(path / name), _size(path), path) for path in folder.iterdir() if (path / name).is_file())
    total = sum(size for _, size, _ in kept)
    for _, size, path in kept:
        if total + needed <= MOST and needed <= shutil.disk_usage(folder).free:
            return
        if _removed(path, name):
            total -= size


def _used(record: Path) -> float:
    with contextlib.suppress(OSError):
        return record.stat().st_mtime
    return 0.0


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return sum(one.stat().st_size for one in path.iterdir())
    return 0


def _removed(path: Path, name: str) -> bool:
    """Whether it is gone: nobody else holds it or is about to."""
    lock = FileLock(path.with_suffix(".lock"))
    try:
        with lock.acquire(blocking=False):
            with (path / name).open("rb") as record:
                _own(record.fileno())
            shutil.rmtree(path)
    except (OSError, Timeout):
        return False
    return True


def _remove_unfinished(path: Path) -> None:
    """A killed process's lock died with it; one that is at work still has it."""
    lock = FileLock(path.with_name(path.name.removeprefix(MAKING)).with_suffix(".lock"))
    with contextlib.suppress(OSError, Timeout), lock.acquire(blocking=False):
        shutil.rmtree(path)


try:
    import fcntl

    def _share(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def _own(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

except ImportError:  # Windows, which itself refuses to remove a file that somebody has open

    def _share(file: int) -> None: ...

    def _own(file: int) -> None: ...
