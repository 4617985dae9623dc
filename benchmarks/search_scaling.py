"""How a search gets faster with workers: simulated from recorded times to 64, and 1 and 2 measured here.

Simulated: the real controller and the real queue (``engine.pool.Pool``) over a crew that only passes time. Making a
file, reading a latency (0.6 s) and training take what was recorded (world ``adult``, ``forest``), times a factor such
that a candidate drawn at random costs 4 or 60 s; what the controller takes is what it took here, and stands in the
driver's way as it does in truth. ``apart``: a node of its own reads latencies, as a cluster has; ``drained``: trainings
stand still meanwhile, as on one machine. No transfer, no start of workers, no second machine's speed. Each search ends
with 256 distinct candidates.

Measured (``--measured TRIALS``): the loop of ``autodistill search`` on search_spaces/adult_income.yaml on this machine
with 1 and with 2 workers, and with 2 workers of a Ray started for it (extra ``ray``), as many distinct candidates each,
with an empty memory of readings. Preparing and certifying are not in the seconds; starting workers, and Ray itself, is.

Run: ``python benchmarks/search_scaling.py [--measured 24 [--only-measured]]``; it
writes ``results/search_scaling.json`` and ``.md``.
"""

import argparse
import heapq
import itertools
import json
import os
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
from search_replay import RESULTS, controller, drive
from world import World

from autodistill import journal, spec
from autodistill import measure as measuring
from autodistill.engine.pool import Pool
from autodistill.engine.protocol import Outcome, Task
from autodistill.records import Event
from autodistill.run import prepare
from autodistill.run.progress import silent
from autodistill.run.pumping import Pump

SPACE = Path("search_spaces/adult_income.yaml")
WORKERS = (1, 2, 4, 8, 16, 32, 64)
COSTS = (4.0, 60.0)
TRIALS = 256
CONTROLLERS = ("ours", "ours, tpe")
ENGINES = (("local", 1), ("local", 2), ("ray", 2))


class Passing:
    """A crew whose work is time: the driver's clock is ``now``."""

    def __init__(self, shop: drive.Shop, size: int, reads: Literal["drained", "apart"]) -> None:
        self.size, self.reads, self._shop = size, reads, shop
        self.now = self.worked = self.read = 0.0
        self.trained: dict[int, float] = {}
        self._order = itertools.count()
        self._ends: list[tuple[float, int, Task, Outcome]] = []

    @property
    def busy(self) -> int:
        """Workers that make or train."""
        return sum(task.kind != "read" for _, _, task, _ in self._ends)

    @property
    def reading(self) -> bool:
        """Whether a latency is being read."""
        return any(task.kind == "read" for _, _, task, _ in self._ends)

    def give(self, task: Task) -> None:
        """Know its outcome, and when."""
        job = task.job
        known = self._shop.known(job.candidate)
        outcome: Outcome = None
        if task.kind == "make":
            seconds = known["export"] + (known["epoch"] if known["fitted"] else 0.0)
        else:
            event, seconds, share = self._shop.do(job)
            outcome = event
            if task.kind == "read":
                seconds = drive.MEASURE
            self.trained[job.candidate.number] = self.trained.get(job.candidate.number, 0.0) + share
        if task.kind == "read":
            self.read += seconds
        else:
            self.worked += seconds
        heapq.heappush(self._ends, (self.now + seconds, next(self._order), task, outcome))

    def ended(self, timeout: float | None) -> list[tuple[Task, Outcome]]:  # noqa: ARG002 - a crew's signature
        """The next that ends."""
        if not self._ends:
            return []
        at, _, task, outcome = heapq.heappop(self._ends)
        self.now = max(self.now, at)
        return [(task, outcome)]

    def close(self) -> None:
        """Nothing to end."""


def simulate(world: World, name: str, cost: float, workers: int, reads: Literal["drained", "apart"]) -> dict[str, Any]:
    """One search; when it ended, what it found, and how busy everybody was."""
    once, twice = drive.per_training(world, 1.0), drive.per_training(world, 2.0)
    shop = drive.Shop(world, 1.0 + (cost - once) / (twice - once))
    crew = Passing(shop, workers, reads)
    seen: dict[str, Any] = {}
    bench = SimpleNamespace(
        seen=seen,
        reading_key=lambda candidate: candidate.architecture,
        lab=SimpleNamespace(known=lambda key: False),  # noqa: ARG005
        meters=lambda readings: (),  # noqa: ARG005
        constraint_names=(),
    )
    ours = controller(world, 0, name, trials=TRIALS)
    run, flying, ends = drive.Run(), 0, []
    with Pool(bench, crew) as pump:  # type: ignore[arg-type]
        while True:
            while flying < pump.slots:
                step, spent = timed(ours.next)
                crew.now += spent
                run.thought += spent
                for event in step.events:
                    take(run, shop, event, crew.now)
                    ends += [crew.now] * (event.kind in ("stopped", "skipped"))
                if step.job is None:
                    break
                pump.submit(step.job, None)
                flying += 1
            if not flying:
                break
            for event in pump.wait():
                if event.kind == "broken":
                    raise RuntimeError(event)
                flying -= 1
                _, spent = timed(lambda event=event: ours.tell(event))
                crew.now += spent
                run.thought += spent
                take(run, shop, event, crew.now)
                ends += [crew.now] * (event.kind == "finished")
    volume = drive.volume([one.point for one in run.found], world.reference)
    return {
        "controller": name,
        "cost": cost,
        "workers": workers,
        "reads": reads,
        "seconds": round(crew.now, 1),
        "middle_seconds": round(float(np.subtract(*np.quantile(ends, [0.75, 0.25]))), 1),
        "closed": len(ends),
        "hypervolume": round(volume, 5),
        "workers_busy": round(crew.worked / crew.now / workers, 3),
        "lane_busy": round(crew.read / crew.now, 3),
        "controller_busy": round(run.thought / crew.now, 3),
        "trained": round(sum(crew.trained.values()), 1),
    }


def timed(call: Any) -> tuple[Any, float]:
    """A result, and the processor seconds that it took."""
    begun = time.process_time()
    return call(), time.process_time() - begun


def take(run: drive.Run, shop: drive.Shop, event: Event, now: float) -> None:
    """Count a student."""
    run.count(event.kind)
    if event.kind in ("finished", "stopped") and event.entry is not None and event.entry.error is not None:
        costs = shop.known(event.entry.candidate)["costs"]
        whole = event.kind == "finished"
        run.found.append(drive.Found(at=now, trained=0.0, error=event.entry.error, whole=whole, **costs))


def measure(path: Path, trials: int) -> list[dict[str, Any]]:
    """The same search on each of ``ENGINES``, there and back."""
    said = []
    with tempfile.TemporaryDirectory() as room:
        made = prepare.prepare(spec.load(path), Path(room), silent).shop
        for turn, (kind, workers) in enumerate((*ENGINES, *reversed(ENGINES))):
            asked = spec.load(path, {"trials": trials, "workers": workers, "minutes": 60})
            asked = replace(asked, engine={**asked.engine, "kind": kind})
            folder = Path(room) / f"{turn}"
            lab = measuring.Lab(folder / "readings", made.lab.rows, made.lab.teacher_path)
            shop = replace(made, lab=lab, folder=folder, kept={}, seen={})
            before, begun = os.getloadavg()[0], time.monotonic()
            with journal.Journal(folder / "journal.jsonl") as log:
                pump = Pump(asked, shop, log, silent, None, lambda entry: None)  # noqa: ARG005
                pump.run()
            states = [entry.state for entry in pump.entries.values()]
            counts = {name: states.count(name) for name in ("finished", "stopped", "skipped", "broken")}
            load = [round(before, 2), round(os.getloadavg()[0], 2)]
            said.append(
                {
                    "engine": kind,
                    "workers": workers,
                    "seconds": round(time.monotonic() - begun, 1),
                    **counts,
                    "load": load,
                }
            )
            print(said[-1], flush=True)
    return said


def table(lines: list[dict[str, Any]]) -> list[str]:
    """A row a search; speed-ups are against one worker of the same kind."""
    names = ("controller", "s a candidate", "latency is read", "workers", "seconds", "speed-up")
    names += ("speed-up, middle half", "hypervolume to one worker's", "workers busy", "lane busy", "controller busy")
    rows = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for one in lines:
        same = ("controller", "cost", "reads")
        alone = next(o for o in lines if o["workers"] == 1 and all(o[name] == one[name] for name in same))
        figures = [
            f"{one['seconds']:.0f}",
            f"{alone['seconds'] / one['seconds']:.1f}",
            f"{alone['middle_seconds'] / max(one['middle_seconds'], 0.1):.1f}",
            f"{one['hypervolume'] / alone['hypervolume']:.3f}",
            *(f"{one[name]:.0%}" for name in ("workers_busy", "lane_busy", "controller_busy")),
        ]
        rows.append(
            f"| {one['controller']} | {one['cost']:.0f} | {one['reads']} | {one['workers']} | {' | '.join(figures)} |"
        )
    return rows


def main() -> None:
    """Simulate, measure if asked, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measured", type=int, default=0, metavar="TRIALS")
    parser.add_argument("--only-measured", action="store_true")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    path = RESULTS / "search_scaling.json"
    known = json.loads(path.read_text()) if path.exists() else {"simulated": [], "measured": []}
    if asked.measured:
        known["measured"] = measure(SPACE, asked.measured)
    if not asked.only_measured:
        world = World("adult")
        known["simulated"] = []
        for name, cost, reads in itertools.product(CONTROLLERS, COSTS, ("apart", "drained")):
            for workers in WORKERS if reads == "apart" else WORKERS[:3]:
                known["simulated"].append(simulate(world, name, cost, workers, reads))
                print(known["simulated"][-1], flush=True)
    path.write_text(json.dumps(known, indent=1) + "\n")
    text = ["## Simulated", "", *table(known["simulated"]), "", "## Measured", ""]
    text += ["| engine | workers | seconds | finished | stopped | skipped | load before, after |", "|---" * 7 + "|"]
    for one in known["measured"]:
        counts = [str(one[name]) for name in ("finished", "stopped", "skipped")]
        load = ", ".join(map(str, one["load"]))
        text.append(f"| {one['engine']} | {one['workers']} | {one['seconds']:.1f} | {' | '.join(counts)} | {load} |")
    path = path.with_suffix(".md")
    reading = path.read_text().split("<!-- tables -->")[0] if path.exists() else "# Workers\n\n"
    path.write_text(f"{reading}<!-- tables -->\n\n" + "\n".join(text) + "\n")


if __name__ == "__main__":
    main()
