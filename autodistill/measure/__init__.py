"""Readings of an exported artefact, with their spread: latency, energy, size, memory. No torch, no pandas.

``Lab`` takes and remembers readings in a search, ``Book`` keeps them on disk for a replay, ``command`` is the verb for
the device that will carry the student.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autodistill import runtime
from autodistill.errors import ArtefactError, RunError
from autodistill.measure import machine
from autodistill.measure import rows as table
from autodistill.measure.book import Book, load
from autodistill.measure.lab import TEACHER, Lab
from autodistill.meters import Run
from autodistill.meters.latency import APART
from autodistill.records import FORMAT, Features, Reading, digest, plain

__all__ = ["APART", "TEACHER", "Book", "Lab", "Run", "command", "load", "read"]

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autodistill" / "measure"
RUNS = 3  # a ratio has an interval from three processes on


def read(
    artefact: Path,
    rows: Features,
    *,
    key: str,
    cache: Path,
    teacher: Path | None = None,
    batch: int = 1,
    threads: int = 1,
) -> Mapping[str, Reading]:
    """The readings of one artefact after one run (``Lab.first``)."""
    return Lab(cache, rows, teacher, batch=batch, threads=threads).first(key, artefact)


def command(
    artefact: Path,
    teacher: Path | None,
    rows: Path,
    out: Path | None,
    batch: int = 1,
    threads: int = 1,
    *,
    runs: int = RUNS,
    cache: Path = CACHE,
) -> dict[str, Any]:
    """The verb ``measure``: ``runs`` runs, ``APART`` seconds apart, of an artefact and its teacher on this machine.

    ``rows`` is a CSV or .npz file with the artefact's columns. The readings go into ``out`` under the artefact's
    architecture (its metadata ``architecture``, else its digest) and "teacher", beside what that file already has from
    this machine; what is returned is what a program would read.
    """
    opened = [runtime.open(path, threads) for path in (artefact, teacher) if path is not None]
    columns = table.load(rows, {name: kind for session in opened for name, kind in session.inputs.items()})
    own = opened[0].metadata.get("architecture") or digest(artefact.read_bytes())[:12]
    book = load(out) if out is not None and out.exists() else Book()
    here = machine.environment()
    if dict(book.environment) != here:
        raise RunError("it has readings of another machine or runtime", where=str(out), do="name another file")
    lab = Lab(cache, columns, teacher, batch=batch, threads=threads)
    asked = {own: artefact} | ({TEACHER: teacher} if teacher is not None else {})
    for turn in range(runs):
        for key, path in asked.items():
            lab.again(key, path, wait=turn > 0)
    for key, path in asked.items():
        book = book.plus(key, {**lab.readings(key), "peak_memory": lab.memory(key, path)})
    broken = book.readings[own]["latency"]
    if broken.status == "unavailable":
        raise ArtefactError(broken.reason, where=str(artefact), do="export it again")
    if out is not None:
        book.save(out)
    readings = {key: plain(dict(book.readings[key])) for key in asked}
    return {"format": FORMAT, "key": own, "environment": here, "at": time.time(), "readings": readings}
