"""A search of seconds that trains no network: trees on a small table, over readings that nobody measured, so that it
can be run again and again, killed and compared. And a family that dies.
"""

import json
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import conftest
import numpy as np
import pandas as pd
from small_run import inside

from autodistill import spec
from autodistill.engine import Engine
from autodistill.inputs import Shapes
from autodistill.jobs import Workshop
from autodistill.measure import TEACHER, Book, Lab
from autodistill.optimise import start
from autodistill.records import Candidate, Entry, Event, Job, Reading, digest
from autodistill.run import prepare
from autodistill.run.progress import silent
from autodistill.students.tree import DecisionTree

ROWS, TRIALS, SEED = 1500, 12, 5

POLICY = """
name: loose
version: "1"
choose: size
looks: 50
require:
  - {check: accuracy_loss, at_most: 0.2}
  - {check: class_collapse}
  - {meter: size, at_most: 9 kB}
"""

SPEC = """
name: trees
seed: {seed}
data: {{table: {table}, target: paid, positive: "yes", groups: [town]}}
teacher: {{kind: sklearn, estimator: sklearn.ensemble.GradientBoostingClassifier, n_estimators: 10, max_depth: 3}}
student:
  - {{family: tree, leaves: [3, 4, 5, 6, 8, 10, 12, 16, 24, 32]}}
  - {{family: boosted, trees: [2, 3, 5, 8], leaves: [4, 8]}}
distill: {{loss: [soft_targets, none], temperature: [1.0, 2.0, 4.0]}}
objectives: [error, latency]
sampler: random
rungs: false
{more}
budget: {{trials: {trials}}}
policy: {policy}
"""


@dataclass(frozen=True)
class Trees:
    """An experiment in a folder with its table, policy, cache and readings."""

    root: Path

    @property
    def file(self) -> Path:
        return self.root / "trees.yaml"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def book(self) -> Path:
        return self.root / "book.json"

    def write(self, *, workers: int = 1, replayed: bool = True, trials: int = TRIALS, **engine: Any) -> Path:
        """The experiment file, asking for an engine."""
        asked = json.dumps({"workers": workers, **engine})
        more = f"engine: {asked}\n" + (f"measure: {{from: {self.book}}}" if replayed else "")
        text = SPEC.format(
            table=self.root / "loans.parquet",
            policy=self.root / "policy.yaml",
            seed=SEED,
            trials=trials,
            more=more,
        )
        self.file.write_text(text, encoding="utf-8")
        return self.file

    def shop(self, folder: Path, **asked: Any) -> tuple[spec.Spec, Workshop]:
        """The experiment and its workshop, with a folder of its own."""
        with inside(self.root, self.cache):
            found = spec.load(self.write(**asked))
            return found, prepare.prepare(found, folder, silent).shop


def trees(root: Path) -> Trees:
    """The experiment with made-up readings of whatever it may propose: the same every time, and exact."""
    made = Trees(root)
    features = dict(conftest.table(ROWS))
    paid = np.array(["no", "yes"], object)[conftest.truth(features, 2)]
    pd.DataFrame({**features, "paid": paid}).to_parquet(root / "loans.parquet")
    (root / "policy.yaml").write_text(POLICY, encoding="utf-8")
    book = Book(readings={TEACHER: readings(TEACHER, 400.0)})
    book.save(made.book)
    asked, shop = made.shop(root / "preparing")
    for point in start.every(asked.space):
        key = shop.reading_key(asked.space.candidate(0, point))
        book = book.plus(key, readings(key, 20.0 + int(digest(key.encode())[:2], 16) / 4))
    book.save(made.book)
    return made


def readings(key: str, latency: float) -> dict[str, Reading]:
    """Latency in µs with its interval, and a size in bytes."""
    said = {"method": "made up", "device": "none", "repeats": 3}
    return {
        "latency": Reading(quantity="latency", unit="µs", value=latency, low=latency, high=latency, **said),  # type: ignore[arg-type]
        "size": Reading(quantity="size", unit="B", value=4000.0 if key != TEACHER else 90_000.0, method="file"),
    }


class Unread(Lab):
    """A lab whose readings are made up, but unknown until an artefact is read; it takes ``seconds``, and ``spans`` has
    the (start, end) of each. ``quiet`` is asked while it reads: whether nobody else is at work."""

    seconds = 0.0

    def __init__(self, *asked: Any, **more: Any) -> None:
        super().__init__(*asked, **more)
        self.taken: dict[str, dict[str, Reading]] = {}
        self.spans: list[tuple[float, float]] = []
        self.quiet: Callable[[], bool] = lambda: True

    def known(self, key: str) -> bool:
        return key in self.taken

    def readings(self, key: str) -> Mapping[str, Reading]:
        return self.taken[key]

    def first(self, key: str, artefact: Path) -> Mapping[str, Reading]:
        assert artefact.exists()
        assert self.quiet()
        begun = time.monotonic()
        time.sleep(self.seconds)
        self.taken[key] = readings(key, 20.0 + int(digest(key.encode())[:2], 16) / 4)
        self.spans.append((begun, time.monotonic()))
        return self.taken[key]


def unread(shop: Workshop, folder: Path) -> Workshop:
    """The workshop with nothing measured and nothing made, in another folder."""
    lab = Unread(shop.lab.cache, shop.lab.rows, shop.lab.teacher_path)
    return replace(shop, lab=lab, folder=folder, kept=dict(shop.kept), seen={})


def pumped(
    engine: Engine, given: Iterable[Candidate], after: Callable[[Event], None] | None = None
) -> dict[int, Entry]:
    """Measure and train candidates as a search does, no more at once than there are slots; the entries by number."""
    jobs, flying = deque(Job(kind="measure", candidate=one) for one in given), {}
    entries: dict[int, Entry] = {}
    while jobs or flying:
        while jobs and len(flying) < engine.slots:
            job = jobs.popleft()
            flying[job.candidate.number] = job
            engine.submit(job, None)
        for event in engine.wait():
            job = flying.pop(event.number)
            if event.kind == "measured":
                jobs.appendleft(Job(kind="train", candidate=job.candidate))
            else:
                assert event.number not in entries
                assert event.entry is not None
                entries[event.number] = replace(event.entry, seconds={})
            if after is not None:
                after(event)
    return entries


def candidates(asked: spec.Spec, count: int) -> Iterator[Candidate]:
    """Some of the space, numbered from 0."""
    points = list(start.every(asked.space))[:: max(1, len(list(start.every(asked.space))) // count)]
    for number, point in enumerate(points[:count]):
        yield replace(asked.space.candidate(number, point), number=number)


@dataclass(frozen=True)
class Deadly:
    """A tree whose process is killed while it is built, until ``lives`` files of that many deaths lie in ``folder``."""

    trains: ClassVar[str] = "fit"
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    readings_depend_on: ClassVar[str] = "fit"

    folder: str = "."
    lives: int = 1

    def build(self, inputs: Shapes, outputs: int) -> Any:
        """A tree, or the end."""
        deaths = len(list(Path(self.folder).glob("*.death")))
        if deaths < self.lives:
            (Path(self.folder) / f"{deaths}.death").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return DecisionTree(leaves=4).build(inputs, outputs)
