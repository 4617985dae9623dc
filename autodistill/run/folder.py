"""One run's folder: whose it is, whether it may go on, and what is written whole or not at all."""

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec

from autodistill.errors import RunError
from autodistill.records import FORMAT

WHAT_CHANGED = {
    "spec": "the experiment file",
    "policy": "the policy",
    "table": "the table",
    "splits": "the splits",
    "unlabelled": "the rows without label",
    "teacher": "the teacher",
    "version": "the version of autodistill",
}

BUDGETS = ("trials", "minutes", "energy_wh", "co2e_g")


def write_whole(path: Path, data: bytes | Callable[[IO[bytes]], None], mode: int = 0o644) -> None:
    """Write a file, or let it be written, so that a reader sees the old bytes or the new ones, never half; RunError
    where it cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                if isinstance(data, bytes):
                    file.write(data)
                else:
                    data(file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(mode)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as fault:
        raise RunError(
            f"cannot be written: {fault.strerror}",
            where=str(path),
            do="free some space or choose another folder with --out; every finished candidate is kept",
        ) from fault


@dataclass(frozen=True, kw_only=True)
class RunFile:
    """``run.json``: the digests that make a run this run, and the budget it was given so far."""

    name: str
    identity: Mapping[str, str]
    budget: Mapping[str, float]
    created: str
    finished: bool = False
    notes: tuple[str, ...] = field(default=())
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write it whole."""
        write_whole(folder / "run.json", msgspec.json.format(msgspec.json.encode(self), indent=1))


def read_run(folder: Path) -> RunFile | None:
    """What ``run.json`` says, or None where there is none; RunError where it cannot be read."""
    path = folder / "run.json"
    if not path.exists():
        return None
    try:
        run = msgspec.json.decode(path.read_bytes(), type=RunFile)
    except (OSError, msgspec.MsgspecError) as fault:
        raise RunError(f"cannot be read: {fault}", where=str(path), do="choose another folder with --out") from fault
    if run.format != FORMAT:
        raise RunError(
            f"has format {run.format}, this version reads {FORMAT}", where=str(path), do="use the version that wrote it"
        )
    return run


def refuse_change(folder: Path, old: RunFile, identity: Mapping[str, str]) -> None:
    """RunError naming what changed since the run began; nothing where nothing did."""
    changed = [WHAT_CHANGED[k] for k in WHAT_CHANGED if old.identity.get(k) != identity.get(k)]
    if changed:
        raise RunError(
            f"holds a run made before {' and '.join(changed)} changed",
            where=str(folder),
            do="give the new search its own folder with --out DIR (or remove this one)",
        )


def larger(budget: Mapping[str, Any], than: Mapping[str, Any]) -> bool:
    """Whether a budget allows more than the one a run was finished under."""
    return any((budget.get(k) or 0) > (than.get(k) or 0) for k in BUDGETS)
