"""Losses that compare features, from the teacher to the artefact; options of training; what is refused beforehand."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import small_run
import torch
from test_jobs import entry, left, network, train
from test_train import TRAINING, equal, rows, run

from autodistill import plugins, spec, teacher
from autodistill.errors import SpecError
from autodistill.jobs import Workshop, making, taught
from autodistill.losses.none import NoTeacher
from autodistill.records import Candidate
from autodistill.run import prepare
from autodistill.run.progress import silent
from autodistill.teachers import Labelled, Task
from autodistill.train import Limits, Rows

NEEDING = [name for name in plugins.names("losses") if plugins.find("losses", name).needs]
WIDTH = 6


@dataclass(frozen=True)
class Featured:
    """A fixed random layer and ridge regression on it: all that features need."""

    gives: ClassVar[frozenset[str]] = frozenset({"teacher_features"})
    tells: bool = True

    def fingerprint(self) -> dict[str, str]:
        return {}

    def label(self, task: Task) -> Labelled:
        X = task.encode(None)
        X = (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-6)
        hidden = np.tanh(X @ np.random.default_rng(0).normal(0, 0.5, (X.shape[1], WIDTH))).astype(np.float32)
        known, y = hidden[task.train], np.eye(len(task.classes))[task.y[task.train]]
        weights = np.linalg.solve(known.T @ known + np.eye(WIDTH), known.T @ y)
        scores = np.clip(hidden @ weights, 0.01, 0.99)
        scores = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
        return Labelled(name="featured", scores=scores, features=hidden if self.tells else None)


def written(root: Path, readings: Path, **parts: str) -> Path:
    """The small experiment with some of its lines changed."""
    file = small_run.write(root, readings=readings)
    text = file.read_text(encoding="utf-8")
    for old, new in parts.items():
        start = text.index(f"\n{old}:") + 1
        end = text.index("\n", start)
        while text[end + 1 :].startswith("  "):
            end = text.index("\n", end + 1)
        text = text[:start] + new + text[end:]
    file.write_text(text, encoding="utf-8")
    return file


TEACHER = "teacher: {kind: test_feature_losses.Featured}"
NETWORKS = "student: [{family: mlp, width: 8}]"
HINTED = "distill: {loss: [hint, soft_targets], epochs: 2, batch_size: 512}"


@pytest.fixture(scope="module")
def bench(recorded: small_run.Run, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """The workshop of a search whose teacher gives features."""
    root = tmp_path_factory.mktemp("features")
    with small_run.inside(root, root / "cache"):
        file = written(root, recorded.readings, teacher=TEACHER, student=NETWORKS, distill=HINTED)
        return prepare.prepare(spec.load(file), root / "run", silent).shop


@pytest.fixture
def shop(bench: Workshop, tmp_path: Path) -> Workshop:
    return dataclasses.replace(bench, folder=tmp_path, kept=dict(bench.kept), seen={})


def candidate(loss: str, **training: Any) -> Candidate:
    return dataclasses.replace(network(None, **{"epochs": 4, **training}), loss=loss, distill={})


def test_a_teacher_s_features_are_kept_and_found_again(bench: Workshop) -> None:
    assert bench.teacher.features.shape == (small_run.ROWS, WIDTH)
    with small_run.inside(bench.folder, bench.cache.parent):
        again = teacher.prepare(
            "test_feature_losses.Featured", {}, bench.dataset, bench.encoding, cache=bench.cache, seed=bench.seed,
            refit=lambda features, y: bench.encoding,
        )  # fmt: skip
    assert again.cached
    np.testing.assert_array_equal(again.features, bench.teacher.features)


@pytest.mark.parametrize("name", NEEDING)
def test_a_loss_of_features_trains_in_rungs_as_in_one_go(shop: Workshop, name: str, tmp_path: Path) -> None:
    one = candidate(name)
    whole = train(shop, one)
    assert entry(whole).fidelity["whole"]
    files = left(shop, one)
    cut = dataclasses.replace(shop, folder=tmp_path / "cut", seen={})
    assert train(cut, one, 2).kind == "rung"
    assert entry(train(cut, one)).error == entry(whole).error
    assert left(cut, one) == files


def test_a_projector_is_trained_and_is_not_in_the_student(shop: Workshop) -> None:
    one = candidate("hint")
    first = making.descend(one, shop, to_epoch=1).trained
    last = making.descend(one, shop).trained
    assert set(first.checkpoint["objective"]) == {"projector.weight", "projector.bias"}
    assert first.checkpoint["objective"]["projector.weight"].shape == (WIDTH, 8)
    assert not torch.equal(*(t.checkpoint["objective"]["projector.weight"] for t in (first, last)))
    assert not any("projector" in name for name in last.state)


def test_features_are_at_hand_for_those_that_ask(shop: Workshop) -> None:
    said = {name: taught.rows(candidate(name), shop)[0] for name in ("hint", "soft_targets", "none")}
    assert said["hint"].teacher_features is not None
    assert said["soft_targets"].teacher_features is None
    assert said["soft_targets"].teacher is not None
    assert said["none"].teacher is None


def test_a_network_is_its_head_on_its_features(shop: Workshop) -> None:
    shapes = shop.encoding.shapes(2)
    known, _ = shop.tensors(shop.encoding)
    for options in ({}, {"depth": 0}, {"depth": 2, "periodic": 2, "dropout": 0.1}):
        module = plugins.build("students", "mlp", options).build(shapes, 2).eval()
        apart = module.head(module.features(known.numeric, known.codes))
        torch.testing.assert_close(apart, module(known.numeric, known.codes))


def refused(root: Path, recorded: small_run.Run, match: str, **parts: str) -> None:
    with small_run.inside(root, recorded.cache):
        asked = spec.load(written(root, recorded.readings, **parts))
        with pytest.raises(SpecError, match=match):
            prepare.prepare(asked, root / "run", silent)


def test_features_that_a_side_does_not_have_are_refused_before_training(
    recorded: small_run.Run, tmp_path: Path
) -> None:
    refused(
        tmp_path / "a",
        recorded,
        r"hint needs the teacher's features; a teacher of kind sklearn gives none",
        distill=HINTED,
    )
    refused(
        tmp_path / "b",
        recorded,
        r"hint needs the student's features; linear has none",
        distill=HINTED,
        teacher=TEACHER,
    )
    refused(
        tmp_path / "c",
        recorded,
        r"hint needs the teacher's features; a teacher of kind \S+ gives none with these options",
        distill=HINTED,
        student=NETWORKS,
        teacher=TEACHER.replace("}", ", tells: false}"),
    )
    refused(
        tmp_path / "d",
        recorded,
        r"dkd needs 3 classes or more, the table has 2",
        distill="distill: {loss: [dkd, none], epochs: 2}",
    )


def test_the_last_epochs_may_see_labels_alone(loans: Any) -> None:
    """Until then nothing is different; after that the teacher, and rows without label, are not there."""
    data = rows(loans(2), slice(0, 600), teacher=True)
    _, plain = run(loans(2), training=TRAINING, train=data)
    tuning = dataclasses.replace(TRAINING, fine_tune=0.5)
    _, tuned = run(loans(2), training=tuning, train=data)
    assert tuned.history[:3] == plain.history[:3]
    assert tuned.history[3] != plain.history[3]
    labels = dataclasses.replace(data, teacher=None).at(slice(0, 200))
    _, went_on = run(loans(2), NoTeacher(), TRAINING, train=labels, checkpoint=tuned_at(loans, data, 3))
    known = torch.arange(600) < 200
    part = dataclasses.replace(data, labelled=known)
    _, whole = run(loans(2), training=tuning, train=part)
    assert went_on.history == whole.history
    assert equal(went_on.state, whole.state)


def tuned_at(loans: Any, data: Rows, epoch: int) -> Any:
    part = dataclasses.replace(data, labelled=torch.arange(600) < 200)
    return run(loans(2), training=TRAINING, train=part, limits=Limits(to_epoch=epoch))[1].checkpoint
