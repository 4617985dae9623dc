"""One model's turns in a timing process: calls in blocks, samples, and how well they say what a call takes.

Samples are dropped by cause, not by size: those of a block in which the kernel took the processor away
(``ru_nivcsw`` moved). Where that is not counted, or too few blocks are clean, a block's samples are scaled to its time
on the processor. Interference only ever adds time, so a unit of calls is worth its 10th percentile; units (one row
each, or a fixed group of rows for calls too short to time singly) are averaged, so that the quantile is over
interference and not over easy rows.
"""

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill import runtime

try:
    import resource

    COUNTS_PREEMPTION = hasattr(resource, "RUSAGE_THREAD")
except ImportError:  # Windows
    COUNTS_PREEMPTION = False

BLOCK_NS = 500_000
SINGLY_NS = 25_000  # calls from this length on are timed one by one: two clock readings are then under 1 %
WARM_CALLS = 5
CLEAN_BLOCKS = 20
SAMPLES = 3  # a unit needs before its quantile is one
EXACT = 0.01  # half-width of the value's bootstrap interval at which a model is done
DRAWS = 40
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
        switches, on_cpu = preemptions(), time.thread_time_ns()
        stamps.append(clock())
        for group in groups:
            for feed in group:
                call(None, feed)
            stamps.append(clock())
        on_cpu, clean = time.thread_time_ns() - on_cpu, preemptions() == switches
        scale = min(on_cpu / (stamps[-1] - stamps[0]), 1.0)
        for unit, start, end in zip(units, stamps, stamps[1:], strict=False):
            self.samples.append((unit, (end - start) / len(self.groups[unit]), scale, clean))
        self.at = (self.at + self.per_block) % len(self.groups)
        self.blocks += 1
        self.clean += clean

    def clean_samples(self, clock: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Nanoseconds a call, unit after unit, and how many each unit has: of the clean blocks (``wall``), or scaled to
        processor time (``on_cpu``)."""
        found = np.array(self.samples, float).reshape(-1, 4)
        unit, ns, scale, clean = found[:, 0].astype(np.int64), found[:, 1], found[:, 2], found[:, 3] > 0
        if clock == "on_cpu":
            ns = ns * scale
        else:
            unit, ns = unit[clean], ns[clean]
        return ns[np.argsort(unit, kind="stable")], np.bincount(unit, minlength=len(self.groups))

    def check(self, draws: np.random.Generator, clock: str) -> None:
        """Is the value known to within ``EXACT``? By bootstrap within units."""
        ns, counts = self.clean_samples(clock)
        least = int(counts.min())
        if least >= SAMPLES and self.clean >= CLEAN_BLOCKS:
            share = draws.random((len(counts), DRAWS, least))
            first = np.cumsum(counts) - counts
            picked = ns[(share * counts[:, None, None]).astype(np.int64) + first[:, None, None]]
            values = np.percentile(picked, QUANTILE, axis=2).mean(axis=0)
            self.width = float(1.96 * values.std() / values.mean())
            self.done = self.width <= EXACT

    def result(self, clock: str) -> dict[str, Any]:
        """Microseconds a call, and how they came about."""
        if clock == "wall" and self.clean < CLEAN_BLOCKS and resolution() <= 1000:
            clock = "on_cpu"
        ns, counts = self.clean_samples(clock)
        if ns.size == 0:
            return {"error": "no block of calls ran undisturbed"}
        low, middle = _of_units(ns, counts, (QUANTILE, 50.0))
        return {
            "p10": low / 1e3,
            "p50": middle / 1e3,
            "p95": float(np.percentile(ns, 95)) / 1e3,
            "clock": clock,
            "half_width": self.width,
            "blocks": self.blocks,
            "dropped": 1 - self.clean / self.blocks,
            "units": int((counts > 0).sum()),
            "calls": sum(len(self.groups[sample[0]]) for sample in self.samples),
            "rows": len(self.feeds),
        }


def _of_units(
    ns: npt.NDArray[np.float64], counts: npt.NDArray[np.int64], quantiles: tuple[float, ...]
) -> tuple[float, ...]:
    """Means over units of each unit's own quantiles; units of as many samples are taken at once."""
    first, parts = np.cumsum(counts) - counts, []
    for many in np.unique(counts[counts > 0]):
        rows = ns[first[counts == many, None] + np.arange(many)]
        parts.append(np.percentile(rows, quantiles, axis=1))
    return tuple(float(mean) for mean in np.concatenate(parts, axis=1).mean(axis=1))


def preemptions() -> int:
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw if COUNTS_PREEMPTION else 0


def resolution() -> float:
    """Of the clock of time on the processor, in ns (Windows: 15 ms, useless here)."""
    return time.get_clock_info("thread_time").resolution * 1e9
