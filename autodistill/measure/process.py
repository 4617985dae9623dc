"""Start a timing process and wait for what it saw. It is a fresh interpreter, never a fork, and never outlives us."""

import json
import os
import subprocess
import sys
import tempfile
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


def run(job: Mapping[str, Any], limit: float = LIMIT) -> tuple[dict[str, Any], str]:
    """(what the process wrote, "") or ({}, why there is nothing). An interrupt kills the process and goes on up."""
    paths = os.pathsep.join(part for part in (str(HOME), os.environ.get("PYTHONPATH", "")) if part)
    surroundings = os.environ | dict.fromkeys(SINGLE_THREADED, "1") | {"PYTHONPATH": paths}
    with tempfile.TemporaryDirectory(prefix="autodistill-") as folder:
        file = Path(folder) / "job.json"
        file.write_text(json.dumps(job))
        try:
            ended = subprocess.run(
                [sys.executable, "-P", "-m", MODULE, str(file)],
                env=surroundings,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {}, f"the timing process passed its limit of {limit:g} s and was ended"
        except OSError as error:
            return {}, f"the timing process could not be started ({error.strerror})"
        if ended.returncode != 0:
            return {}, _ending(ended.returncode, ended.stderr.decode(errors="replace"))
        found: dict[str, Any] = json.loads(file.with_suffix(".out").read_bytes())
        return found, ""


def _ending(code: int, said: str) -> str:
    """Why a process ended, in one line."""
    if code in {-9, 137}:
        return "the timing process was killed (signal 9), as happens when memory runs out"
    if code < 0:
        return f"the timing process crashed (signal {-code})"
    lines = said.strip().splitlines()
    return f"the timing process failed: {lines[-1][:240] if lines else f'exit code {code}'}"
