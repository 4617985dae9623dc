"""What does a search cost beside its trainings, and does that grow with the number of candidates?

Nothing is trained or measured: candidates of ``search_spaces/adult_income.yaml`` get made-up errors and readings
(functions of their options), and the findings of one real audit of made-up predictions under the file's policy, so
that an entry is as long as a real one. Everything else is this package's own, in order, in a folder that is removed:

- ``controller``: ``Controller.next`` and ``tell`` of a measurement and a result, with the file's sampler.
- ``journal``: three events a candidate, each written and synced.
- ``entry``: ``entry.json`` and the search split's predictions in the candidate's folder.
- ``progress``: the line that a person sees.
- ``MLflow``: ``Tracker.candidate`` into SQLite, until all is sent. It has a thread of its own beside the trainings;
  here it has the machine to itself.
- ``Optuna``: the copy at a search's end into Optuna's journal file, a candidate.

A search is grown to a size by random proposals; then the sampler in question is given what happened and makes the last
``WINDOW`` candidates, which are timed: on the clock, and of this thread's processor. ``Going on`` is what opening a
journal of so many candidates and replaying it takes, once. Shares are of the median training time, which is given: it
is that of the networks of the same file (``train`` in their entries). Target: under 5 % of it, and flat.

Run: ``python benchmarks/search_overhead.py [--training 1.2] [--sampler exact] [--rungs]``; it writes
``benchmarks/results/search_overhead.json`` and ``.md``.
"""

import argparse
import json
import math
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

from autodistill import __version__, auditor, journal, records, spec, track, verdict
from autodistill.auditor import Evidence
from autodistill.jobs.files import keep
from autodistill.optimise import Controller, mirror
from autodistill.records import Candidate, Entry, Event, Finding, Job, Predictions, Reading
from autodistill.run import compose

SIZES = (100, 1_000, 5_000)
WINDOW = 50
ROWS = 7_326  # of Adult's search split
RESULTS = Path(__file__).parent / "results" / "search_overhead"
CRITICAL = ("controller", "journal", "entry", "progress")
BESIDE = ("MLflow", "Optuna")


@dataclass
class World:
    """What a search would have seen: the findings and predictions of every candidate, and its made-up numbers."""

    asked: spec.Spec
    names: tuple[str, ...]
    findings: tuple[Finding, ...]
    predictions: Predictions

    def readings(self, candidate: Candidate) -> dict[str, Reading]:
        """Costs that grow with whatever options say "more"."""
        more = sum(math.log(value + 1) for value in candidate.student.values() if isinstance(value, (int, float)))
        small = candidate.precision == "int8"
        values = {
            "latency": 30 + 4 * more - 2 * small,
            "energy": 0.05 * math.exp(0.6 * more) * (0.4 if small else 1),
            "size": 2000 * math.exp(0.4 * more) * (0.7 if small else 1),
        }
        units = {"latency": "µs", "energy": "µJ", "size": "B"}
        return {
            name: Reading(quantity=name, unit=units[name], value=value, low=value * 0.95, high=value * 1.05, method="-")
            for name, value in values.items()
        }

    def answer(self, job: Job) -> Event:
        """What would be told of a job."""
        candidate = job.candidate
        if job.kind == "measure":
            return Event(kind="measured", number=candidate.number, readings=self.readings(candidate))
        luck = int(candidate.recipe[:6], 16) / 16**6
        costs = self.readings(candidate)
        error = 0.13 + 0.08 / (1 + (costs["energy"].value or 0.0)) + 0.01 * luck
        if job.to_epoch is not None:
            data = {"epochs": job.to_epoch, "error": error * 1.1, "log_loss": 3 * error, "seconds": 0.1}
            return Event(kind="rung", number=candidate.number, data=data)
        entry = Entry(
            candidate=candidate,
            state="finished",
            readings=costs,
            error=error,
            constraints=tuple(luck - 0.9 for _ in self.names),
            findings=self.findings,
            verdict=verdict.judge(self.findings),
            seconds={"train": 1.0, "screen": 0.1},
            fidelity={"epochs": 20, "whole": True},
        )
        return Event(kind="finished", number=candidate.number, entry=entry)


def world(file: Path) -> World:
    """The experiment file, and one audit of made-up predictions of as many rows as its search split has."""
    asked = spec.load(file, {})
    rng = np.random.default_rng(0)
    y = (rng.random(ROWS) < 0.24).astype(np.int64)
    sex = np.array(["Female", "Male"], object)[(rng.random(ROWS) < 0.67).astype(int)]
    race = np.array(["Black", "Other", "White"], object)[rng.choice(3, ROWS, p=[0.1, 0.05, 0.85])]
    groups = {"sex": sex, "race": race}
    known = {name: tuple(sorted(set(column))) for name, column in groups.items()}

    def said(flips: float) -> Predictions:
        wrong = rng.random(ROWS) < flips
        sure = np.where(wrong, 1 - y, y) * 0.8 + 0.1
        scores = np.stack([1 - sure, sure], axis=1).astype(np.float32)
        return Predictions(view="search", row_ids=np.arange(ROWS), scores=scores, decisions=scores.argmax(axis=1))

    teacher, student = said(0.13), said(0.135)
    evidence = Evidence(
        split="search", row_ids=np.arange(ROWS), y=y, classes=("<=50K", ">50K"), positive=1, favourable=1,
        groups=groups, teacher={"search": teacher}, student={"search": student}, known=known,
    )  # fmt: skip
    screened = verdict.screened(asked.policy)
    findings = tuple(auditor.audit(evidence, screened))
    return World(asked, verdict.constraint_names(screened, known), findings, student)


@dataclass
class Clock:
    """Seconds of each part of each candidate: on the clock, and of this thread's processor."""

    seconds: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    _now: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0]))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time within to a part of the present candidate."""
        wall, busy = time.perf_counter(), time.thread_time()
        yield
        self._now[name][0] += time.perf_counter() - wall
        self._now[name][1] += time.thread_time() - busy

    def turn(self) -> None:
        """The present candidate is done."""
        for name, spent in self._now.items():
            self.seconds[name].append((spent[0], spent[1]))
        self._now.clear()

    def told(self) -> dict[str, dict[str, float]]:
        """Milliseconds a candidate."""
        return {
            name: {
                "median_ms": 1e3 * median(wall for wall, _ in spent),
                "mean_ms": 1e3 * fmean(wall for wall, _ in spent),
                "processor_ms": 1e3 * fmean(busy for _, busy in spent),
            }
            for name, spent in self.seconds.items()
        }


@dataclass
class Search:
    """A search that grows: its events, its folder, its copy in MLflow."""

    seen: World
    folder: Path
    rungs: bool
    log: journal.Journal
    events: list[Event] = field(default_factory=list)
    entries: dict[int, Entry] = field(default_factory=dict)
    best: Entry | None = None

    def grow(self, controller: Controller, many: int, clock: Clock, copy: "track._Copy | None") -> None:
        """Go on to ``many`` candidates as ``run`` does, with a job's result made up."""
        while len(self.entries) < many:
            with clock.part("controller"):
                step = controller.next()
            for event in step.events:
                self._append(event, clock)
                if event.entry is not None:  # stopped or skipped: a candidate that is done as well
                    clock.turn()
            if step.job is None:
                raise SystemExit(f"the search ended at {len(self.entries)} candidates: {step.reason}")
            event = self.seen.answer(step.job)
            self._append(event, clock)
            with clock.part("controller"):
                controller.tell(event)
            with clock.part("progress"):
                choose = self.seen.asked.policy.choose
                self.best = self.best if event.entry is None else compose.better(self.best, event.entry, choose)
                compose.best_so_far(self.best, choose)
            if event.entry is not None:
                self._finish(event.entry, clock, copy)

    def _append(self, event: Event, clock: Clock) -> None:
        with clock.part("journal"):
            self.log.append(event)
        self.events.append(event)
        if event.entry is not None:
            self.entries[event.number] = event.entry

    def _finish(self, entry: Entry, clock: Clock, copy: "track._Copy | None") -> None:
        home = self.folder / "candidates" / entry.candidate.key
        with clock.part("entry"):
            keep(home, entry)
            keep(home, self.seen.predictions)
        if copy is not None:
            with clock.part("MLflow"):
                copy.candidate(entry)
        clock.turn()

    def controller(self, sampler: str) -> Controller:
        """One that knows what happened so far, as when a search goes on."""
        made = controller_of(self.seen, sampler, self.rungs)
        made.replay(self.events)
        return made


def controller_of(seen: World, sampler: str, rungs: bool) -> Controller:
    """The controller as ``run`` makes it."""
    meters = {f"{m.name}/{limit}" for m in seen.asked.policy.require if m.kind == "meter" for limit in m.limits}
    return Controller(
        seen.asked.space,
        seen.asked.objectives,
        seen.names,
        0,
        sampler=sampler,
        exact=[name for name in seen.names if name in meters],
        rungs=rungs,
        gate=rungs,
        choose=seen.asked.policy.choose,
        tie=0.004,
    )


def search(
    seen: World, folder: Path, given: argparse.Namespace, said: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """What each part costs at each size."""
    found = {}
    copy = track._Copy(f"sqlite:///{folder}/mlflow.db", "overhead", "it", folder)
    copy.open({})
    with journal.Journal(folder / "journal.jsonl") as log:
        grown = Search(seen, folder, given.rungs, log)
        for many in given.sizes:
            told = copy if many <= given.mlflow_to else None
            grown.grow(grown.controller("random"), many - WINDOW, Clock(), told)
            start, clock = time.perf_counter(), Clock()
            controller = grown.controller(given.sampler)
            replayed = time.perf_counter() - start
            grown.grow(controller, many, clock, told)
            found[str(many)] = {
                **clock.told(),
                "Optuna": mirrored(folder, controller, many),
                "going on": {"replay_s": replayed, **opened(folder)},
                "entry_bytes": len(records.encode(grown.entries[max(grown.entries)])),
            }
            said(f"{many} candidates")
    return found


def mirrored(folder: Path, controller: Controller, many: int) -> dict[str, float]:
    """A whole copy into a new Optuna journal, a candidate."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage, clock = JournalStorage(JournalFileBackend(str(folder / f"optuna-{many}.log"))), Clock()
    with clock.part("all"):
        why = mirror(storage, "overhead", controller)
    if why:
        raise SystemExit(why)
    clock.turn()
    return {name: value / many for name, value in clock.told()["all"].items()}


def opened(folder: Path) -> dict[str, float]:
    """Seconds to open the journal."""
    copy = folder / "copy.jsonl"
    copy.write_bytes((folder / "journal.jsonl").read_bytes())
    start = time.perf_counter()
    with journal.Journal(copy):
        return {"opening_s": time.perf_counter() - start, "bytes": float(copy.stat().st_size)}


def page(found: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """The tables, in Markdown."""
    parts = (*CRITICAL, *BESIDE)
    lines = [
        "# What a search costs beside its trainings (`search_overhead.py`)",
        "",
        f"autodistill {about['version']}, sampler `{about['sampler']}`, rungs {'on' if about['rungs'] else 'off'}; "
        f"{about['cores']} cores shared with other work, load {about['load'][0]:.1f} before and {about['load'][1]:.1f} "
        f"after. Milliseconds a candidate over the {WINDOW} candidates up to a size: processor / median on the clock "
        f"(on so busy a machine the clock also counts other people's work). `share` is of a median training of "
        f"{about['training_s']:g} s: processor time of controller and progress, mean time on the clock of what is "
        "written and synced.",
        "",
        "| candidates | " + " | ".join(parts) + " | controller, journal, entry, progress: share |",
        "|---" * (len(parts) + 2) + "|",
    ]
    for many, one in found.items():
        cells = [f"{one[p]['processor_ms']:.1f} / {one[p]['median_ms']:.1f}" if p in one else "–" for p in parts]
        lines.append(f"| {int(many):,} | " + " | ".join(cells) + f" | {share(one, about['training_s']):.1%} |")
    lines += ["", "Going on after a stop:", ""]
    lines += ["| candidates | journal | opened in | replayed in |", "|---|---|---|---|"]
    for many, one in found.items():
        again = one["going on"]
        took = " | ".join(f"{again[name]:.2f} s" for name in ("opening_s", "replay_s"))
        lines.append(f"| {int(many):,} | {again['bytes'] / 1e6:.1f} MB | {took} |")
    return "\n".join(lines) + "\n"


def share(one: Mapping[str, Any], training: float) -> float:
    """Of a training: what a candidate costs beside it, where the search waits for it."""
    busy = sum(one[name]["processor_ms"] for name in ("controller", "progress"))
    return float((busy + sum(one[name]["mean_ms"] for name in ("journal", "entry"))) / 1e3 / training)


def main() -> None:
    """Run it, and write the results."""
    ask = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    ask.add_argument("--training", type=float, default=1.2, help="median seconds of a training")
    ask.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    ask.add_argument("--sampler", default="exact")
    ask.add_argument("--rungs", action="store_true", help="with rungs and gate, as `rungs: true` in a file")
    ask.add_argument("--mlflow-to", type=int, default=1_000, help="the largest size at which MLflow has all of it")
    ask.add_argument("--file", type=Path, default=Path("search_spaces/adult_income.yaml"))
    ask.add_argument("--out", type=Path, default=RESULTS)
    given = ask.parse_args()
    seen, start, before = world(given.file), time.monotonic(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
        found = search(
            seen, Path(folder), given, lambda text: print(f"{time.monotonic() - start:6.0f} s  {text}", flush=True)
        )
    about = {
        "version": __version__,
        "sampler": given.sampler,
        "rungs": given.rungs,
        "training_s": given.training,
        "cores": os.cpu_count(),
        "load": [before, os.getloadavg()[0]],
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.with_suffix(".json").write_text(json.dumps({**about, "sizes": found}, indent=1) + "\n")
    given.out.with_suffix(".md").write_text(page(found, about))
    print(given.out.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
