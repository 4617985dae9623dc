"""Jobs: a training in rungs is the training in one go, whatever becomes of its checkpoints; a disk that is full is not
the candidate's fault."""

import dataclasses
import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import small_run
from test_train import equal

from autodistill import jobs, spec
from autodistill.errors import RunError, StudentError
from autodistill.jobs import Workshop, checkpoints, making
from autodistill.records import Candidate, Entry, Event, Job
from autodistill.run import prepare
from autodistill.run.progress import silent

EPOCHS = 9


@pytest.fixture(scope="module")
def bench(recorded: small_run.Run, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """The workshop of a search that replays what another one read."""
    root = tmp_path_factory.mktemp("jobs")
    with small_run.inside(root, recorded.cache):
        asked = spec.load(small_run.write(root, readings=recorded.readings))
        return prepare.prepare(asked, root / "run", silent).shop


@pytest.fixture
def shop(bench: Workshop, tmp_path: Path) -> Workshop:
    """The same with a folder of its own, and nothing made in it."""
    return dataclasses.replace(bench, folder=tmp_path, kept=dict(bench.kept), seen={})


def network(shop: Workshop, number: int = 0, **training: Any) -> Candidate:
    return Candidate(
        number=number,
        family="mlp",
        student={"width": 8, "depth": 1},
        loss="soft_targets",
        distill={"temperature": 2.0},
        training={"epochs": EPOCHS, "batch_size": 512, **training},
    )


def tree(number: int = 0) -> Candidate:
    return Candidate(number=number, family="tree", student={"leaves": 8}, loss="none")


def measured(shop: Workshop, candidate: Candidate) -> None:
    """Readings of any candidate of this run stand for this one's."""
    shop.seen[shop.reading_key(candidate)] = next(iter(shop.lab.book.readings.values()))  # type: ignore[union-attr]


def train(shop: Workshop, candidate: Candidate, to_epoch: int | None = None) -> Event:
    measured(shop, candidate)
    return jobs.do(Job(kind="train", candidate=candidate, to_epoch=to_epoch), shop)


def left(shop: Workshop, candidate: Candidate) -> dict[str, bytes]:
    """What a finished candidate leaves, but for how long it took."""
    names = ("student.onnx", "predictions.search.parquet")
    return {name: (shop.home(candidate) / name).read_bytes() for name in names}


def entry(event: Event) -> Entry:
    assert event.kind == "finished", event
    assert event.entry is not None
    return dataclasses.replace(event.entry, seconds={})


@pytest.fixture(scope="module")
def whole(bench: Workshop, tmp_path_factory: pytest.TempPathFactory) -> tuple[Entry, dict[str, bytes]]:
    shop = dataclasses.replace(bench, folder=tmp_path_factory.mktemp("whole"), seen={})
    done = entry(train(shop, network(shop)))
    return done, left(shop, network(shop))


def test_a_training_in_rungs_is_the_training_in_one_go(shop: Workshop, whole: tuple[Entry, dict[str, bytes]]) -> None:
    one, bytes_ = whole
    assert one.fidelity["whole"]
    assert one.fidelity["rungs"] == []
    candidate, seen = network(shop), []
    for epoch in (1, 3, 3, 6):  # the third again: killed between its checkpoint and the journal
        event = train(shop, candidate, epoch)
        assert event.kind == "rung"
        assert event.data["epochs"] == epoch
        assert event.entry is None
        seen.append({"epochs": epoch, "error": event.data["error"]})
        alone = making.descend(candidate, shop, to_epoch=epoch).trained
        assert event.data["error"] == alone.error == min(line["error"] for line in alone.history)
        assert event.data["log_loss"] == alone.history[alone.best_epoch - 1]["log_loss"]
    done = train(shop, candidate)
    assert done.entry is not None
    assert done.entry.fidelity["rungs"] == [seen[0], seen[1], seen[3]]
    assert dataclasses.replace(entry(done), fidelity={**done.entry.fidelity, "rungs": []}) == one
    assert left(shop, candidate) == bytes_
    assert not checkpoints.place(candidate, shop).exists()


def test_the_weights_go_on_and_are_not_trained_twice(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    from autodistill import train as trainer

    candidate, epochs = network(shop), []
    whole = making.descend(candidate, shop)
    real = trainer._epoch
    monkeypatch.setattr(trainer, "_epoch", lambda *a: epochs.append(a[5]) or real(*a))
    for to_epoch in (1, 3):
        train(shop, candidate, to_epoch)
    rest = making.descend(candidate, shop, kept=checkpoints.load(candidate, shop))
    assert epochs == list(range(EPOCHS))
    assert equal(rest.trained.state, whole.trained.state)
    assert rest.rungs == (1, 3)


HARM: dict[str, Callable[[Path], Any]] = {
    "removed": Path.unlink,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1000]),
    "flipped": lambda path: path.write_bytes(path.read_bytes()[:-3000] + b"\x55" + path.read_bytes()[-2999:]),
    "empty": lambda path: path.write_bytes(b""),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_lost_checkpoint_costs_time_and_nothing_else(
    shop: Workshop, whole: tuple[Entry, dict[str, bytes]], harm: str
) -> None:
    candidate = network(shop)
    train(shop, candidate, 3)
    HARM[harm](checkpoints.place(candidate, shop))
    assert checkpoints.load(candidate, shop) is None
    if harm == "a folder":
        checkpoints.place(candidate, shop).rmdir()
    assert entry(train(shop, candidate)) == whole[0]
    assert left(shop, candidate) == whole[1]


def test_a_checkpoint_of_another_plan_is_not_believed(shop: Workshop) -> None:
    candidate = network(shop)
    train(shop, candidate, 3)
    longer = network(shop, epochs=EPOCHS + 1)
    checkpoints.place(candidate, shop).rename(checkpoints.place(longer, shop))
    assert checkpoints.load(longer, shop) is None


def test_a_checkpoint_further_than_the_journal_says_the_rung_as_it_was(shop: Workshop) -> None:
    """The journal's last line was torn: what was asked for is asked for again."""
    candidate = network(shop)
    first = train(shop, candidate, 1)
    train(shop, candidate, 4)
    again = train(shop, candidate, 1)
    assert {**again.data, "seconds": 0} == {**first.data, "seconds": 0}


@pytest.mark.parametrize("to_epoch", [EPOCHS, EPOCHS + 5])
def test_the_last_rung_is_the_end(shop: Workshop, whole: tuple[Entry, dict[str, bytes]], to_epoch: int) -> None:
    assert entry(train(shop, network(shop), to_epoch)) == whole[0]


def test_a_deadline_finishes_what_there_is(shop: Workshop) -> None:
    candidate = network(shop)
    measured(shop, candidate)
    job = Job(kind="train", candidate=candidate, to_epoch=3)
    cut = entry(jobs.do(job, shop, time.monotonic() - 1))
    assert cut.fidelity == {"epochs": 1, "best_epoch": 1, "of": EPOCHS, "whole": False, "rungs": []}
    assert not checkpoints.place(candidate, shop).exists()


def test_a_fitted_family_has_one_rung_and_is_fitted_once(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever fitted it to be measured: it is found on the disk, and not where a byte of it is wrong."""
    from autodistill.students.tree import DecisionTree

    fits = []
    real = DecisionTree.build
    monkeypatch.setattr(DecisionTree, "build", lambda self, *a: fits.append(1) or real(self, *a))
    candidate = tree()
    assert jobs.prepare(Job(kind="measure", candidate=candidate), shop) is None
    first = entry(train(shop, candidate, 1))
    assert len(fits) == 1
    assert first.fidelity == {"whole": True}
    shop.home(candidate).joinpath(making.STUDENT).write_bytes(b"x")
    assert entry(train(shop, candidate)) == first
    assert len(fits) == 2


def test_a_disk_that_is_full_is_the_run_s_fault(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as fault:
            raise StudentError("its file could not be made") from fault

    monkeypatch.setattr(making, "finish", full)
    with pytest.raises(RunError, match=r"No space left on device.*the same command goes on"):
        train(shop, network(shop))


def test_a_candidate_that_breaks_is_an_entry(shop: Workshop) -> None:
    candidate = dataclasses.replace(tree(), student={"leaves": -1})
    for event in (jobs.prepare(Job(kind="measure", candidate=candidate), shop), train(shop, candidate)):
        assert event is not None
        assert event.kind == "broken"
        assert event.entry is not None
        assert event.entry.state == "broken"
        assert event.entry.reason
