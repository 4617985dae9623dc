"""Where a reading was taken: the machine, its runtime, and the files that remember how fast it was."""

import contextlib
import json
import os
import platform
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from autodistill import runtime

DAY = 24 * 3600.0
KEPT = 1 << 20  # bytes of remembered references; older halves are dropped beyond


def environment() -> dict[str, Any]:
    """Machine, processor and runtime, as a report shows them (no host name: it says nothing and may be private)."""
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "python": platform.python_version(),
        "onnxruntime": runtime.VERSION,
    }


def name(found: Mapping[str, Any], threads: int) -> str:
    """The device in one line, as readings carry it."""
    plural = "" if threads == 1 else "s"
    return f"{found['processor']}, {threads} thread{plural}, onnxruntime {found['onnxruntime']}"


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.lower().startswith(("model name", "hardware")) and ":" in line:
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def cores(threads: int) -> list[int]:
    """The processors to pin a timing process to: the last that are allowed (the first serves interrupts)."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))[-threads:]


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One timing process at a time on this machine, so that two searches do not slow each other's readings."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "measure.lock").open("a+") as held:
        _lock(held.fileno())
        try:
            yield
        finally:
            _unlock(held.fileno())


try:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)

except ImportError:  # Windows
    import msvcrt

    def _lock(file: int) -> None:
        while True:
            with contextlib.suppress(OSError):  # it gives up after ten seconds
                msvcrt.locking(file, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
                return

    def _unlock(file: int) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]


class References:
    """How fast the reference model ran on this machine, runtime and processor: the gate that tells a slow phase.

    One line a run, appended whole; a torn line is skipped.
    """

    def __init__(self, folder: Path, device: str, pinned: list[int]) -> None:
        self.path, self.device = folder / "references.jsonl", f"{device} {pinned}"
        self._seen: list[tuple[float, float]] = []
        self._size = -1

    def add(self, at: float, p10: float) -> None:
        """Remember one run's reference, µs a call."""
        if self.path.exists() and self.path.stat().st_size > KEPT:
            write(self.path, b"".join(self.path.read_bytes().splitlines(keepends=True)[-KEPT // 256 :]))
        with self.path.open("ab") as file:
            file.write(json.dumps({"at": at, "device": self.device, "p10": p10}).encode() + b"\n")

    def best(self, at: float) -> float | None:
        """The least within a day of a time."""
        size = self.path.stat().st_size if self.path.exists() else 0
        if size != self._size:
            self._seen, self._size = self._read(), size
        return min((p10 for when, p10 in self._seen if abs(when - at) <= DAY), default=None)

    def _read(self) -> list[tuple[float, float]]:
        seen = []
        for line in self.path.read_bytes().splitlines() if self.path.exists() else []:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                found = json.loads(line)
                if found["device"] == self.device:
                    seen.append((float(found["at"]), float(found["p10"])))
        return seen


def write(path: Path, data: bytes) -> None:
    """A file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}.tmp")
    draft.write_bytes(data)
    draft.replace(path)
