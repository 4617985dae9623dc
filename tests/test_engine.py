"""Engines: several workers make what one process makes, whoever of them is killed; nothing is measured beside them."""

import operator
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import engines
import pytest
from engines import pumped
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from autodistill import engine, spec
from autodistill.engine import local, pool, worker
from autodistill.engine.in_process import InProcess
from autodistill.engine.local import Local
from autodistill.engine.pool import Pool
from autodistill.engine.protocol import Died, Fault, Outcome, Task
from autodistill.engine.worker import work
from autodistill.errors import RunError, SpecError
from autodistill.jobs import Workshop
from autodistill.records import Candidate, Entry, Job
from autodistill.run import reopening

PATIENCE = 60.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> engines.Trees:
    return engines.trees(tmp_path_factory.mktemp("trees"))


@pytest.fixture(scope="module")
def asked_shop(made: engines.Trees) -> tuple[spec.Spec, Workshop]:
    return made.shop(made.root / "run")


@pytest.fixture(scope="module")
def asked(asked_shop: tuple[spec.Spec, Workshop]) -> spec.Spec:
    return asked_shop[0]


@pytest.fixture
def shop(asked_shop: tuple[spec.Spec, Workshop], tmp_path: Path) -> Workshop:
    return engines.unread(asked_shop[1], tmp_path)


@pytest.fixture(scope="module")
def expected(asked_shop: tuple[spec.Spec, Workshop], tmp_path_factory: pytest.TempPathFactory) -> dict[int, Entry]:
    """What this process alone makes of some candidates."""
    shop = engines.unread(asked_shop[1], tmp_path_factory.mktemp("alone"))
    return pumped(InProcess(shop), engines.candidates(asked_shop[0], 8))


def overlapping(spans: list[tuple[str, float, float]]) -> list[Any]:
    """Readings during which anything else was done."""
    reads = [one for one in spans if one[0] == "read"]
    return [(a, b) for a in reads for b in spans if b is not a and a[1] < b[2] and b[1] < a[2]]


def test_workers_make_what_one_process_makes_although_they_are_killed(
    asked: spec.Spec, shop: Workshop, expected: dict[int, Entry], tmp_path: Path
) -> None:
    """A job whose worker dies is done by another; where that dies too the candidate is broken. The others never notice,
    and nothing is at work while anything is measured."""
    crew = Local(2, reopening.again(asked, shop))
    shop.lab.seconds, shop.lab.quiet = 0.05, lambda: crew.busy == 0  # type: ignore[attr-defined]
    places = [tmp_path / "once", tmp_path / "always"]
    for place in places:
        place.mkdir()
    dying = [deadly(8, places[0], 1), deadly(9, places[1], 99)]
    given_ = [*engines.candidates(asked, 8)]
    with Pool(shop, crew) as both:
        found = pumped(both, [*given_[:3], *dying, *given_[3:]])
        assert both.wait() == ()
        libraries = [Path(f"/proc/{pid}/maps") for pid in crew.pids]
        assert not any("libtorch" in path.read_text() for path in libraries if path.exists())
        pids = crew.pids
    assert {number: found[number] for number in expected} == expected
    assert found[8].state == "finished"
    assert (found[9].state, found[9].reason) == (
        "broken",
        "its process ended twice, the last time so: killed by SIGKILL",
    )
    assert len(list(places[1].glob("*.death"))) == pool.DEATHS
    assert [kind for kind, _, _ in both.spans].count("read") == 9
    assert not overlapping(both.spans)
    assert pids
    assert not any(_alive(pid) for pid in pids)


def deadly(number: int, folder: Path, lives: int) -> Candidate:
    return Candidate(
        number=number, family="engines.Deadly", student={"folder": str(folder), "lives": lives}, loss="none"
    )


def test_a_worker_that_cannot_begin_is_one_line(asked: spec.Spec, shop: Workshop) -> None:
    nobody: Any = partial(operator.truediv, 1, 0)
    said = r"before they can begin \(exit 1: ZeroDivisionError: division by zero\)"
    with Pool(shop, Local(1, nobody)) as none, pytest.raises(RunError, match=said):
        pumped(none, engines.candidates(asked, 1))
    away = reopening.again(asked, shop)
    kept = away.args[0]  # type: ignore[attr-defined]
    gone = partial(reopening.reopen, replace(kept, scores=Path("gone.npy")))
    with Pool(shop, Local(1, gone)) as none, pytest.raises(RunError, match=r"gone\.npy: the teacher's labels"):
        pumped(none, engines.candidates(asked, 1))


PARENT = """
import sys, time
from autodistill.engine.local import Local, _start
hand = _start()
print(hand.process.pid, flush=True)
time.sleep(600)
"""


def test_workers_end_with_their_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert _alive(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    _gone([pid])


def test_a_worker_leaves_ctrl_c_to_its_parent() -> None:
    hand = local._start()
    try:
        assert os.getpgid(hand.process.pid) != os.getpgid(0)
        hand.line.send((sys.path, "."))
        hand.line.send(bool)
        assert hand.line.recv() == worker.READY
        os.kill(hand.process.pid, signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            hand.process.wait(0.2)
    finally:
        hand.end()


class Simulated:
    """A crew whose workers take no time: what ends next, and how, is drawn."""

    def __init__(self, size: int, shop: Workshop, reads: Literal["here", "drained", "apart"], seed: int) -> None:
        self.size, self.reads, self._shop, self._draw = size, reads, shop, random.Random(seed)
        self._tasks: list[Task] = []
        self._slot: Task | None = None
        self.deaths: dict[tuple[str, int], int] = {}
        self.mortality = 0.2

    @property
    def busy(self) -> int:
        return len(self._tasks)

    @property
    def reading(self) -> bool:
        return self._slot is not None

    def give(self, task: Task) -> None:
        if task.kind == "read":
            assert self.reads != "here"
            assert self._slot is None
            assert self.reads == "apart" or not self._tasks
            self._slot = task
            return
        assert len(self._tasks) < self.size
        assert self.reads == "apart" or self._slot is None
        self._tasks.append(task)

    def ended(self, timeout: float | None) -> list[tuple[Task, Outcome]]:
        if not self._tasks and self._slot is None:
            return []
        task = self._draw.choice([*self._tasks, *([] if self._slot is None else [self._slot])])
        if task is self._slot:
            self._slot = None
        else:
            self._tasks.remove(task)
        if self._draw.random() < self.mortality:
            mark = (task.kind, task.job.candidate.number)
            begun = self._draw.random() < 0.7
            self.deaths[mark] = self.deaths.get(mark, 0) + begun
            return [(task, Died(why="drawn", begun=begun))]
        return [(task, work(task, self._shop))]

    def close(self) -> None:
        self._tasks.clear()


@example(1, "drained", 841443398, 12)  # a reading died twice while the workers were drained
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 4), st.sampled_from(["here", "drained", "apart"]), st.integers(0, 9999), st.integers(1, 12))
def test_whatever_ends_first_every_candidate_ends_once_and_readings_are_alone(
    asked: spec.Spec,
    shop: Workshop,
    expected: dict[int, Entry],
    size: int,
    reads: Literal["here", "drained", "apart"],
    seed: int,
    count: int,
) -> None:
    again = engines.unread(shop, shop.folder)  # what was fitted by an example before is found
    crew = Simulated(size, again, reads, seed)
    if reads != "apart":
        again.lab.quiet = lambda: crew.busy == 0  # type: ignore[attr-defined]
    known = list(engines.candidates(asked, 8))
    given_ = [replace(known[number % 8], number=number) for number in range(count)]  # some share their files
    both = Pool(again, crew)
    both._again = _patient(both)  # type: ignore[method-assign]
    found = pumped(both, given_)
    assert sorted(found) == list(range(count))
    for number, entry in found.items():
        deaths = max((many for (_, one), many in crew.deaths.items() if one == number), default=0)
        if entry.state == "broken":
            assert deaths >= pool.DEATHS
        else:
            assert replace(entry, candidate=known[number % 8]) == expected[number % 8]
    assert both.wait() == ()
    if reads != "apart":
        assert not overlapping(both.spans)


def _patient(both: Pool) -> Callable[[Task, Died], None]:
    """Drawn deaths before a beginning may come in a row; three of them would be the machine's fault."""
    real = both._again

    def again(task: Task, died: Died) -> None:
        both._stillborn = 0
        real(task, died)

    return again


def test_a_fault_of_the_run_comes_after_what_was_done(asked: spec.Spec, shop: Workshop) -> None:
    class Full(Simulated):
        def ended(self, timeout: float | None) -> list[tuple[Task, Outcome]]:
            tasks, self._tasks = self._tasks, []
            first, *rest = tasks
            return [(one, Fault(what="no space", where="here", do="make room")) for one in rest] + [
                (first, work(first, self._shop))
            ]

    with Pool(shop, Full(2, shop, "here", 0)) as both:
        for one in engines.candidates(asked, 2):
            shop.seen[shop.reading_key(one)] = engines.readings("", 1.0)
            both.submit(Job(kind="train", candidate=one), None)
        assert [event.kind for event in both.wait()] == ["finished"]
        with pytest.raises(RunError, match="here: no space; make room"):
            both.wait()


def test_a_reading_that_the_run_cannot_go_on_without(asked: spec.Spec, shop: Workshop) -> None:
    def missing() -> bool:
        raise RunError("the recorded readings have none", where="measure.from")

    crew = Simulated(2, shop, "here", 1)
    crew.mortality = 0.0
    with Pool(shop, crew) as both:
        for one in engines.candidates(asked, 3):
            both.submit(Job(kind="measure", candidate=one), None)
        shop.lab.quiet = missing  # type: ignore[attr-defined]
        with pytest.raises(RunError, match=r"measure\.from: the recorded"):
            both.wait()


def test_slots_leave_room_for_candidates_that_wait_to_be_measured(asked: spec.Spec, shop: Workshop) -> None:
    both = Pool(shop, Simulated(2, shop, "here", 0))
    seen = []
    for one in engines.candidates(asked, 4):
        seen.append(both.slots)
        both.submit(Job(kind="measure", candidate=one), None)
    assert [*seen, both.slots] == [2, 3, 4, 4, 4]


def test_waiting_ends_after_a_while(asked: spec.Spec, shop: Workshop) -> None:
    slow: Any = partial(time.sleep, 600)
    with Pool(shop, Local(1, slow)) as one:
        assert one.wait(0.0) == ()
        candidate = next(iter(engines.candidates(asked, 1)))
        one.submit(Job(kind="measure", candidate=candidate), None)
        assert one.wait(0.05) == ()


WRONG = {
    "engine: {workers: 0}": r"engine\.workers: .*greater than or equal to 1",
    "engine: {kind: rya}": r"engine\.kind: no engine 'rya'; did you mean ray",
    "engine: {address: auto}": r"engine\.address: local workers have no address",
    "engine: {wokers: 2}": r"wokers.*did you mean workers",
}


@pytest.mark.parametrize("given_", WRONG)
def test_a_wrong_engine_is_one_line(made: engines.Trees, given_: str) -> None:
    made.write(replayed=False)
    text = made.file.read_text()
    made.file.write_text(text.replace('engine: {"workers": 1}', given_))
    with pytest.raises(SpecError, match=WRONG[given_]):
        spec.load(made.file)


def test_ray_that_is_not_installed_is_one_line(made: engines.Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("autodistill.spec.settings", "autodistill.engine"):
        monkeypatch.setattr(f"{module}.find_spec", lambda name: None)
    with pytest.raises(SpecError, match=r"Ray is not installed; pip install 'autodistill-audit\[ray\]'"):
        spec.load(made.write(replayed=False, kind="ray"))
    with pytest.raises(SpecError, match="Ray is not installed"):
        engine.refuse({"kind": "ray"})


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _gone(pids: list[int]) -> None:
    until = time.monotonic() + PATIENCE
    while any(_alive(pid) for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.01)
