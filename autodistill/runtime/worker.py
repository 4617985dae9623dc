"""The timing process: ``python -m autodistill.runtime.worker`` times a few models and says what it saw.

It is fresh for every run, pinned to its cores where the system allows, with the garbage collector off, and imports
numpy and onnxruntime only. The models take turns in blocks of about half a millisecond, in random order, over the same
rows in the same order, with feeds that were built beforehand (``stopwatch`` has the rest of the protocol).

Two lines of JSON come in: what may be loaded before there is a job (``{}``: nothing), then the job. One goes out. So it
can be started while somebody else works, and a reading need not wait for an interpreter and a large teacher.
"""

import contextlib
import gc
import json
import os
import random
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from autodistill import runtime
from autodistill.errors import ArtefactError
from autodistill.runtime import stopwatch
from autodistill.runtime.stopwatch import WARM_CALLS, Timed

if sys.platform != "win32":
    import resource

WARM_NS = 50_000_000
ROWS = 256
BATCHES = 16  # different batches, when a call takes many rows
CHECK_EVERY = 24  # rounds
REST = 4  # a model that is done takes every fourth turn, so that it spans the run


def _others() -> tuple[int, int] | None:
    """(busy, all) ticks of all processors so far, on Linux."""
    try:
        ticks = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    except (OSError, ValueError):
        return None
    return sum(ticks[:8]) - ticks[3] - ticks[4], sum(ticks[:8])


def pin(cores: list[int]) -> list[int]:
    """Stay on these cores, where the system allows; the cores that it is pinned to."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        return []
    try:
        os.sched_setaffinity(0, cores)
    except OSError:
        return []
    return cores


def feeds(session: runtime.Session, rows: Mapping[str, Any], batch: int, seed: int) -> list[dict[str, Any]]:
    """One feed a call, built beforehand: ``ROWS`` different rows in seeded order, or batches of them."""
    total = len(next(iter(rows.values())))
    order = np.random.default_rng(seed).permutation(total)
    count = min(ROWS, total) if batch == 1 else max(-(-ROWS // batch), BATCHES)
    return [session.feed(rows, np.take(order, range(i * batch, (i + 1) * batch), mode="wrap")) for i in range(count)]


def _rows(job: Mapping[str, Any]) -> dict[str, Any]:
    """The stored columns, strings as objects."""
    with np.load(job["rows"], allow_pickle=False) as stored:
        columns = {name: stored[f"c{at}"] for at, name in enumerate(job["columns"])}
    return {name: column.astype(object) if column.dtype.kind == "U" else column for name, column in columns.items()}


class Ready:
    """What a job has in common with others and may be loaded before it: the ``rows``, and sessions of ``paths``.

    An operator's further threads stay where they were started, and we are pinned only when the job comes: sessions are
    opened beforehand for one thread only.
    """

    def __init__(self, common: Mapping[str, Any]) -> None:
        self._from = common.get("rows")
        self._rows = None if self._from is None else _rows(common)
        self.sessions: dict[str, runtime.Session] = {}
        for path in common.get("paths", []) if common.get("threads") == 1 else []:
            with contextlib.suppress(ArtefactError):  # the job will say why
                self.sessions[path] = runtime.open(path, 1)

    def rows(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """The job's rows."""
        return self._rows if self._rows is not None and self._from == job["rows"] else _rows(job)


def _load(job: dict[str, Any], rows: dict[str, Any], ready: Ready) -> tuple[list[Timed], dict[str, Any]]:
    """Models that open and answer, and why the others do not."""
    sessions = dict(ready.sessions)
    timed, failed = [], {}
    for model in job["models"]:
        try:
            if model["path"] not in sessions:
                sessions[model["path"]] = runtime.open(model["path"], job["threads"])
            session = sessions[model["path"]]
            own = _random_rows(session) if model["synthetic"] else rows
            made = Timed(model["name"], session, feeds(session, own, model["batch"], job["seed"]))
            session.run(made.feeds[0])
            timed.append(made)
        except ArtefactError as error:
            failed[model["name"]] = {"error": str(error)}
    return timed, failed


def _random_rows(session: runtime.Session) -> dict[str, Any]:
    """Rows of the reference and the floor, which have one input of their own."""
    given = session.native.get_inputs()[0]
    width = [size for size in given.shape[1:] if isinstance(size, int)]
    return {given.name: np.random.default_rng(0).standard_normal((ROWS, *width), dtype=np.float32)}


def _turns(timed: list[Timed], job: dict[str, Any], clock: str) -> None:
    """Warm up, then take turns until all are exact or the time is up."""
    start = time.perf_counter_ns()
    calls = 0
    while time.perf_counter_ns() - start < WARM_NS or calls < WARM_CALLS:
        for model in timed:
            model.call(model.feeds[calls % len(model.feeds)])
        calls += 1
    for model in timed:
        model.size_up()
    dice, draws = random.Random(job["seed"]), np.random.default_rng(job["seed"])  # noqa: S311 — an order of turns
    until, parent = time.perf_counter_ns() + int(job["seconds"] * 1e9), os.getppid()
    turn, done = 0, False
    while not done and time.perf_counter_ns() < until:
        dice.shuffle(timed)
        for model in timed:
            if not model.done or turn % REST == 0:
                model.block()
        turn += 1
        if turn % CHECK_EVERY == 0:
            for model in timed:
                model.check(draws, clock)
            done = all(model.done for model in timed)
            if os.getppid() != parent:  # whoever asked is gone
                sys.exit(1)


def times(job: dict[str, Any], ready: Ready) -> dict[str, Any]:
    """Time a job's models: ``models`` (name, path, batch, synthetic), ``rows``, ``columns``, ``threads``, ``seed``,
    ``seconds``."""
    timed, failed = _load(job, ready.rows(job), ready)
    # the thread's own clock does not see an operator's other threads
    usable = stopwatch.resolution() <= 1000 and job["threads"] == 1
    clock = "wall" if stopwatch.COUNTS_PREEMPTION or not usable else "on_cpu"
    before = _others()
    gc.collect()
    gc.disable()
    _turns(timed, job, clock)
    gc.enable()
    after = _others()
    load = None
    if before and after and after[1] > before[1]:
        load = round((after[0] - before[0]) / (after[1] - before[1]) * (os.cpu_count() or 1) - job["threads"], 2)
    return {
        "models": {model.name: model.result(clock) for model in timed} | failed,
        "counts_preemption": stopwatch.COUNTS_PREEMPTION,
        "other_load": load,
    }


def memory(job: dict[str, Any]) -> dict[str, Any]:
    """Peak resident bytes of this process, before the artefact was opened and after it ran all rows."""
    rows = _rows(job)
    before = _peak()
    session = runtime.open(job["models"][0]["path"], job["threads"])
    for feed in feeds(session, rows, job["models"][0]["batch"], job["seed"]):
        session.run(feed)
    return {"before": before, "peak": _peak()}


def _peak() -> int | None:
    """Linux: this program's own high-water mark (``ru_maxrss`` survives exec and shows the parent's)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None


def main() -> None:
    """Answer one job; end without a word where none comes."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a runtime may print is no answer
    ready = Ready(json.loads(sys.stdin.readline() or "{}"))
    line = sys.stdin.readline()
    if not line:
        return
    job = json.loads(line)
    pinned = pin(job["cores"])
    found = times(job, ready) if job["kind"] == "times" else memory(job)
    with answer:
        answer.write(json.dumps(found | {"cores": pinned, "runtime": runtime.VERSION}))


if __name__ == "__main__":
    main()
