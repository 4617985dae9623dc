"""The timing process: ``python -m autodistill.runtime.worker JOB.json`` times a few models and writes what it saw.

It is fresh for every run, pinned to its cores where the system allows, with the garbage collector off, and imports
numpy and onnxruntime only. The models take turns in blocks of about half a millisecond, in random order, over the same
rows in the same order, with feeds that were built beforehand.

Samples are dropped by cause, not by size: those of a block in which the kernel took the processor away
(``ru_nivcsw`` moved). Where that is not counted, or too few blocks are clean, a block's samples are scaled to its time
on the processor. Interference only ever adds time, so a unit of calls is worth its 10th percentile; units (one row
each, or a fixed group of rows for calls too short to time singly) are averaged, so that the quantile is over
interference and not over easy rows.
"""

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

try:
    import resource

    COUNTS_PREEMPTION = hasattr(resource, "RUSAGE_THREAD")
except ImportError:  # Windows
    COUNTS_PREEMPTION = False

BLOCK_NS = 500_000
SINGLY_NS = 25_000  # calls from this length on are timed one by one: two clock readings are then under 1 %
WARM_NS = 50_000_000
WARM_CALLS = 5
ROWS = 256
BATCHES = 16  # different batches, when a call takes many rows
CLEAN_BLOCKS = 20
SAMPLES = 3  # a unit needs before its quantile is one
EXACT = 0.01  # half-width of the value's bootstrap interval at which a model is done
CHECK_EVERY = 24  # rounds
REST = 4  # a model that is done takes every fourth turn, so that it spans the run
QUANTILE = 10.0


class Timed:
    """One model at one batch size: its feeds, its units, its samples."""

    def __init__(self, name: str, session: runtime.Session, feeds: list[dict[str, Any]]) -> None:
        self.name, self.session, self.feeds = name, session, feeds
        self.groups = [[feed] for feed in feeds]  # the calls of each unit
        self.per_block, self.at = 1, 0
        self.samples: list[tuple[int, float, float, bool]] = []  # unit, wall ns, scale to processor time, clean
        self.blocks = self.clean = 0
        self.width: float | None = None
        self.done = False

    def call(self, feed: dict[str, Any]) -> None:
        self.session.native.run(None, feed)

    def size_up(self) -> None:
        """Choose how many calls make a unit and a block, from the quickest of a few calls."""
        took = []
        for feed in self.feeds[:WARM_CALLS]:
            start = time.perf_counter_ns()
            self.call(feed)
            took.append(time.perf_counter_ns() - start)
        quickest = max(min(took), 1)
        if quickest < SINGLY_NS:
            size = min(BLOCK_NS // quickest, len(self.feeds))
            self.groups = [self.feeds[at : at + size] for at in range(0, len(self.feeds), size)]
        else:
            self.per_block = min(max(BLOCK_NS // quickest, 4), len(self.feeds))

    def block(self) -> None:
        """One uncounted call, then the next units, with nothing between them but a reading of the clock."""
        units = [(self.at + step) % len(self.groups) for step in range(self.per_block)]
        groups = [self.groups[unit] for unit in units]
        call, clock, stamps = self.session.native.run, time.perf_counter_ns, []
        call(None, self.groups[units[0] - 1][-1])
        switches, on_cpu = _preemptions(), time.thread_time_ns()
        stamps.append(clock())
        for group in groups:
            for feed in group:
                call(None, feed)
            stamps.append(clock())
        on_cpu, clean = time.thread_time_ns() - on_cpu, _preemptions() == switches
        scale = min(on_cpu / (stamps[-1] - stamps[0]), 1.0)
        for unit, start, end in zip(units, stamps, stamps[1:], strict=False):
            self.samples.append((unit, (end - start) / len(self.groups[unit]), scale, clean))
        self.at = (self.at + self.per_block) % len(self.groups)
        self.blocks += 1
        self.clean += clean

    def clean_samples(self, clock: str) -> list[list[float]]:
        """Nanoseconds a call by unit, of the clean blocks (``wall``) or scaled to processor time (``on_cpu``)."""
        by_unit: list[list[float]] = [[] for _ in self.groups]
        for unit, ns, scale, clean in self.samples:
            if clock == "on_cpu":
                by_unit[unit].append(ns * scale)
            elif clean:
                by_unit[unit].append(ns)
        return [unit for unit in by_unit if unit]

    def check(self, draws: np.random.Generator, clock: str) -> None:
        """Is the value known to within ``EXACT``? By bootstrap within units."""
        by_unit = self.clean_samples(clock)
        least = min((len(unit) for unit in by_unit), default=0)
        if len(by_unit) == len(self.groups) and least >= SAMPLES and self.clean >= CLEAN_BLOCKS:
            picked = np.stack([np.asarray(unit)[draws.integers(len(unit), size=(40, least))] for unit in by_unit])
            values = np.percentile(picked, QUANTILE, axis=2).mean(axis=0)
            self.width = float(1.96 * values.std() / values.mean())
            self.done = self.width <= EXACT

    def result(self, clock: str) -> dict[str, Any]:
        """Microseconds a call, and how they came about."""
        if clock == "wall" and self.clean < CLEAN_BLOCKS and _resolution() <= 1000:
            clock = "on_cpu"
        by_unit = self.clean_samples(clock)
        pooled = np.concatenate([np.asarray(unit) for unit in by_unit]) if by_unit else np.zeros(0)
        if pooled.size == 0:
            return {"error": "no block of calls ran undisturbed"}
        value = float(np.mean([np.percentile(unit, QUANTILE) for unit in by_unit]))
        return {
            "p10": value / 1e3,
            "p50": float(np.mean([np.median(unit) for unit in by_unit])) / 1e3,
            "p95": float(np.percentile(pooled, 95)) / 1e3,
            "clock": clock,
            "half_width": self.width,
            "blocks": self.blocks,
            "dropped": 1 - self.clean / self.blocks,
            "units": len(by_unit),
            "calls": sum(len(self.groups[sample[0]]) for sample in self.samples),
            "rows": len(self.feeds),
        }


def _preemptions() -> int:
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw if COUNTS_PREEMPTION else 0


def _resolution() -> float:
    """Of the clock of time on the processor, in ns (Windows: 15 ms, useless here)."""
    return time.get_clock_info("thread_time").resolution * 1e9


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


def _load(
    models: list[dict[str, Any]], rows: dict[str, Any], job: dict[str, Any]
) -> tuple[list[Timed], dict[str, Any]]:
    """Models that open and answer, and why the others do not."""
    sessions: dict[str, runtime.Session] = {}
    timed, failed = [], {}
    for model in models:
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


def times(job: dict[str, Any]) -> dict[str, Any]:
    """Time a job's models: ``models`` (name, path, batch, synthetic), ``rows``, ``columns``, ``threads``, ``seed``,
    ``seconds``."""
    rows = _rows(job)
    timed, failed = _load(job["models"], rows, job)
    # the thread's own clock does not see an operator's other threads
    usable = _resolution() <= 1000 and job["threads"] == 1
    clock = "wall" if COUNTS_PREEMPTION or not usable else "on_cpu"
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
        "counts_preemption": COUNTS_PREEMPTION,
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


def main(path: Path) -> None:
    """Do the job of a file, and write its result beside it."""
    job = json.loads(path.read_text())
    pinned = pin(job["cores"])
    found = times(job) if job["kind"] == "times" else memory(job)
    path.with_suffix(".out").write_text(json.dumps(found | {"cores": pinned, "runtime": runtime.VERSION}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
