"""A folder of large arrays, bounded by bytes: what was used longest ago goes first, and never what is in use.

Each kept thing is a folder with a record. Whoever maps its arrays holds a shared lock on the record for as long as they
live, in whatever process; only what can be locked for oneself is removed. Where a file system has no such locks,
nothing is.
"""

import contextlib
import os
import shutil
import weakref
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

MOST = 32 << 30  # bytes kept in all, but for what is in use
RECORD = "about.json"
MAKING = ".making-"


def hold(where: Path, arrays: tuple[Any, ...]) -> None:
    """Keep a folder from being removed for as long as any of ``arrays`` lives, and note that it was used now."""
    with contextlib.suppress(OSError):
        os.utime(where / RECORD)
        for array in arrays:
            record = (where / RECORD).open("rb")
            weakref.finalize(array, record.close)
            _share(record.fileno())


def make_room(folder: Path, needed: int) -> None:
    """Remove what was used longest ago until ``needed`` more bytes fit, and what a killed process left half made."""
    for left in folder.glob(f"{MAKING}*"):
        _remove_unfinished(left)
    kept = sorted((_used(path), _size(path), path) for path in folder.iterdir() if (path / RECORD).is_file())
    total = sum(size for _, size, _ in kept)
    for _, size, path in kept:
        if total + needed <= MOST and needed <= shutil.disk_usage(folder).free:
            return
        if _removed(path):
            total -= size


def _used(path: Path) -> float:
    with contextlib.suppress(OSError):
        return (path / RECORD).stat().st_mtime
    return 0.0


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return sum(one.stat().st_size for one in path.iterdir())
    return 0


def _removed(path: Path) -> bool:
    """Whether it is gone: nobody else holds it or is about to."""
    lock = FileLock(path.with_suffix(".lock"))
    try:
        with lock.acquire(blocking=False):
            with (path / RECORD).open("rb") as record:
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
