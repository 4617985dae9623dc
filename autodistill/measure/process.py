"""A timing process: a fresh interpreter a run, never a fork, that never outlives us. It may be started before there is
something to time, so that a reading does not wait for it."""

import contextlib
import json
import os
import subprocess
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MODULE = "autodistill.runtime.worker"
LIMIT = 120.0  # seconds until a process counts as hung
HOME = Path(__file__).resolve().parents[2]
SINGLE_THREADED = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)  # numpy's own pools stay out of the way


class Started:
    """A timing process that waits for its one job; ``common`` is what it loads meanwhile (``worker.Ready``).

    Raises OSError where it cannot be started. It ends with this object, if not before.
    """

    def __init__(self, common: Mapping[str, Any]) -> None:
        paths = os.pathsep.join(part for part in (str(HOME), os.environ.get("PYTHONPATH", "")) if part)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE],
            env=os.environ | dict.fromkeys(SINGLE_THREADED, "1") | {"PYTHONPATH": paths},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.end = weakref.finalize(self, _end, self._process)
        self._write(common)

    def alive(self) -> bool:
        """Whether it can still be given a job."""
        return self._process.poll() is None

    def do(self, job: Mapping[str, Any], limit: float = LIMIT) -> tuple[dict[str, Any], str]:
        """(what the process said, "") or ({}, why there is nothing). An interrupt kills the process and goes on up."""
        try:
            said, complaint = self._process.communicate(_line(job), limit)
        except subprocess.TimeoutExpired:
            return {}, f"the timing process passed its limit of {limit:g} s and was ended"
        finally:
            self.end()
        if self._process.returncode != 0:
            return {}, _ending(self._process.returncode, complaint.decode(errors="replace"))
        found: dict[str, Any] = json.loads(said)
        return found, ""

    def _write(self, common: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        with contextlib.suppress(BrokenPipeError):  # how it ended is said when it is asked
            self._process.stdin.write(_line(common))
            self._process.stdin.flush()


def run(job: Mapping[str, Any], limit: float = LIMIT) -> tuple[dict[str, Any], str]:
    """One job in a process of its own that loads nothing before: as ``Started.do``."""
    try:
        started = Started({})
    except OSError as error:
        return {}, f"the timing process could not be started ({error.strerror})"
    return started.do(job, limit)


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill it unless it has ended, and let go of its pipes."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):  # a line that it never read
                pipe.close()


def _ending(code: int, said: str) -> str:
    """Why a process ended, in one line."""
    if code in {-9, 137}:
        return "the timing process was killed (signal 9), as happens when memory runs out"
    if code < 0:
        return f"the timing process crashed (signal {-code})"
    lines = said.strip().splitlines()
    return f"the timing process failed: {lines[-1][:240] if lines else f'exit code {code}'}"
