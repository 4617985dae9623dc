"""Rows beyond the labelled ones, and a network between teacher and student."""

import dataclasses
import gc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import small_run
import torch
from test_feature_losses import HINTED, NETWORKS, TEACHER, refused, written
from test_jobs import entry, network, train, tree

from autodistill import data, runtime, shelf, spec
from autodistill.errors import SpecError, TableError
from autodistill.jobs import Workshop, making, perturbed, taught
from autodistill.losses import blended, teacher_logits
from autodistill.records import Candidate
from autodistill.run import prepare
from autodistill.run.progress import silent

MORE = 700


@pytest.fixture(scope="module")
def bench(recorded: small_run.Run, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """The small search with 700 further people, and with 50 whom it judges."""
    root = tmp_path_factory.mktemp("transfer")
    with small_run.inside(root, recorded.cache):
        file = written(root, recorded.readings)
        before = prepare.prepare(spec.load(file), root / "before", silent).shop.dataset
        people = pd.read_parquet(small_run.ADULT)
        judged = people.iloc[np.sort(before.row_ids[before.splits["audit"]])[:50]]
        people.iloc[small_run.ROWS : small_run.ROWS + MORE].drop(columns="income").to_parquet(root / "more.parquet")
        both = pd.concat([pd.read_parquet(root / "more.parquet"), judged.drop(columns="income")])
        both.to_parquet(root / "more.parquet")
        text = file.read_text(encoding="utf-8").replace(
            "  target:", f"  unlabelled: {root / 'more.parquet'}\n  target:"
        )
        file.write_text(text, encoding="utf-8")
        return prepare.prepare(spec.load(file), root / "run", silent).shop


@pytest.fixture
def shop(bench: Workshop, tmp_path: Path) -> Workshop:
    return dataclasses.replace(bench, folder=tmp_path, kept={}, seen={}, cache=tmp_path / "cache")


def taught_by(loss: str, **training: Any) -> Candidate:
    return dataclasses.replace(network(None, **{"epochs": 2, **training}), loss=loss, distill={})  # type: ignore[arg-type]


def test_what_is_judged_is_not_taught(bench: Workshop) -> None:
    dataset = bench.dataset
    assert bench.unlabelled is not None
    many = len(bench.unlabelled["age"])
    assert MORE - 60 < many <= MORE  # some of the further people are the like of one who is judged
    judged = np.concatenate([dataset.splits[name] for name in ("search", "audit", "sealed")])
    seen = {tuple(column[at] for column in dataset.features.values()) for at in judged}
    assert not seen & {tuple(row) for row in zip(*(bench.unlabelled[n] for n in dataset.features), strict=True)}
    said = [note for note in dataset.notes if "more.parquet" in note]
    assert said == [
        f"{many} rows without label of more.parquet are labelled by the teacher and join training",
        f"{MORE + 50 - many} rows of more.parquet are left out: they stand in a split that is judged",
    ]


def test_rows_without_label_join_with_what_the_teacher_s_file_says(shop: Workshop) -> None:
    train_rows = len(shop.dataset.splits["train"])
    rows, _ = taught.rows(taught_by("soft_targets"), shop)
    assert rows.labelled is not None
    assert rows.teacher is not None
    assert shop.unlabelled is not None
    assert int(rows.labelled.sum()) == train_rows
    assert not rows.labelled[train_rows:].any()
    said = runtime.open(shop.teacher.onnx).probabilities(shop.unlabelled)
    np.testing.assert_array_equal(rows.teacher[train_rows:].numpy(), teacher_logits(said))
    alone, _ = taught.rows(taught_by("none"), shop)
    assert len(alone.y) == train_rows
    assert alone.labelled is None
    assert entry(train(shop, taught_by("soft_targets"))).fidelity["whole"]


def test_a_fitted_family_learns_of_them_too(shop: Workshop) -> None:
    without = dataclasses.replace(shop, unlabelled=None)
    loss = dataclasses.replace(tree(), loss="soft_targets", distill={"temperature": 2.0, "teacher_weight": 0.5})
    found, plain = (making.make(loss, one, home=one.folder / str(at))[0] for at, one in enumerate((shop, without)))
    assert found.sha256 != plain.sha256
    labels = dataclasses.replace(tree(), loss="none")
    found, plain = (making.make(labels, one, home=one.folder / f"n{at}")[0] for at, one in enumerate((shop, without)))
    assert found.sha256 == plain.sha256
    assert shop.reading_key(loss) != dataclasses.replace(shop, unlabelled_digest="other").reading_key(loss)
    said = taught.labels(shop.unlabelled, shop)  # type: ignore[arg-type]
    shares = blended(said, np.zeros(len(said), np.int64), 1.0, 1.0)
    np.testing.assert_allclose(shares, runtime.open(shop.teacher.onnx).probabilities(shop.unlabelled), atol=1e-3)


def test_the_teacher_is_asked_once(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    first = np.array(taught.labels(shop.unlabelled, shop))  # type: ignore[arg-type]
    files = list((shop.cache / "taught").glob("*/0.npy"))  # type: ignore[operator]
    monkeypatch.setattr(runtime, "open", lambda *_: pytest.fail("asked again"))
    again = dataclasses.replace(shop, kept={})
    np.testing.assert_array_equal(taught.labels(shop.unlabelled, again), first)  # type: ignore[arg-type]
    monkeypatch.undo()
    files[0].write_bytes(files[0].read_bytes()[:-1] + b"\x07")  # a damaged one is made again
    np.testing.assert_array_equal(taught.labels(shop.unlabelled, dataclasses.replace(shop, kept={})), first)  # type: ignore[arg-type]


def test_what_it_said_is_kept_within_a_bound(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "MOST", 1)
    folder = shop.cache / "taught"  # type: ignore[operator]
    asked = [{name: column[at:] for name, column in shop.unlabelled.items()} for at in (1, 2)]  # type: ignore[union-attr]
    for features in asked:
        taught.labels(features, dataclasses.replace(shop, kept={}))
        gc.collect()
        assert len(list(folder.glob("*/0.npy"))) == 1
    held = dataclasses.replace(shop, kept={})
    said = taught.labels(asked[0], held)
    taught.labels(asked[1], dataclasses.replace(shop, kept={}))
    assert len(list(folder.glob("*/0.npy"))) == 2  # what is in use stays
    assert np.isfinite(said).all()


def test_perturbed_rows_are_near_train_rows_and_the_same_again(shop: Workshop) -> None:
    train_rows = shop.dataset.rows("train")
    length = len(train_rows["age"])
    many = length + 300
    found = perturbed.perturbed(train_rows, many, 0.1, 3)
    again = perturbed.perturbed(train_rows, many, 0.1, 3)
    other = perturbed.perturbed(train_rows, many, 0.1, 4)
    for name, column in train_rows.items():
        assert found[name].dtype == column.dtype
        assert len(found[name]) == many
        np.testing.assert_array_equal(found[name], again[name])
        assert (found[name] != other[name]).any()
        assert set(found[name]) <= set(column) if column.dtype == object else True
    order = np.random.default_rng(0)
    plain = perturbed.perturbed({"at": np.arange(length, dtype=np.float32)}, length, 1e-9, 3)["at"]
    np.testing.assert_array_equal(np.sort(plain), np.arange(length))  # each row once before any twice
    numbers = np.round(order.normal(40, 12, 5000)).astype(np.float32)
    words = order.choice(np.array(["a", "b"], object), 5000)
    gaps = np.where(order.random(5000) < 0.2, np.nan, numbers).astype(np.float32)
    rows = {"n": numbers, "w": words, "g": gaps, "m": np.full(5000, np.nan, np.float32), "at": np.arange(5000.0) * 1.5}
    moved = perturbed.perturbed(rows, 5000, 0.2, 0)
    at = perturbed.perturbed({"at": np.arange(5000.0, dtype=np.float64)}, 5000, 1e-12, 0)["at"].astype(int)
    assert (moved["n"] == np.round(moved["n"])).all()
    assert moved["n"].min() >= numbers.min()
    assert moved["n"].max() <= numbers.max()
    assert np.std(moved["n"] - numbers[at]) == pytest.approx(0.2 * numbers.std(), rel=0.1)
    assert np.mean(moved["w"] != words[at]) == pytest.approx(0.2 / 2, abs=0.02)  # half of the swaps are for the same
    np.testing.assert_array_equal(np.isnan(moved["g"]), np.isnan(gaps[at]))
    assert np.isnan(moved["m"]).all()


def test_perturbed_rows_are_labelled_and_join(shop: Workshop) -> None:
    alone = dataclasses.replace(shop, unlabelled=None)
    length = len(shop.dataset.splits["train"])
    rows, _ = taught.rows(taught_by("soft_targets", perturb=1.5, jitter=0.2), alone)
    assert len(rows.y) == length + round(1.5 * length)
    less, _ = taught.rows(taught_by("soft_targets", perturb=0.5, jitter=0.2), alone)
    none, _ = taught.rows(taught_by("soft_targets"), alone)
    assert (len(less.y), len(none.y)) == (length + round(0.5 * length), length)
    assert entry(train(alone, taught_by("soft_targets", perturb=0.5))).fidelity["whole"]


def test_an_assistant_stands_between_and_is_trained_once(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    from autodistill import train as trainer

    trained = []
    real = trainer.fit_gradient
    monkeypatch.setattr(trainer, "fit_gradient", lambda *a, **k: trained.append(a[4]) or real(*a, **k))
    fast = {"epochs": 20, "learning_rate": 0.02, "batch_size": 128}
    first, _ = taught.rows(taught_by("soft_targets", assistant=32, **fast), shop)
    told, _ = taught.rows(taught_by("soft_targets"), shop)
    again, _ = taught.rows(taught_by("soft_targets", assistant=32, fine_tune=0.5, **fast), shop)
    later, _ = taught.rows(taught_by("taid", assistant=32, **fast), dataclasses.replace(shop, kept={}))
    assert len(trained) == 1
    assert first.teacher is not None
    assert torch.equal(first.teacher, again.teacher)  # type: ignore[arg-type]
    assert torch.equal(first.teacher, later.teacher)  # type: ignore[arg-type]
    assert first.teacher.shape == told.teacher.shape  # type: ignore[union-attr]
    assert not torch.equal(first.teacher, told.teacher)  # type: ignore[arg-type]
    between = first.teacher.softmax(dim=1) - told.teacher.softmax(dim=1)  # type: ignore[union-attr]
    assert between.abs().mean() < 0.1  # it learned of the teacher
    wider, _ = taught.rows(taught_by("soft_targets", assistant=33, **fast), shop)
    assert len(trained) == 2
    assert not torch.equal(wider.teacher, first.teacher)  # type: ignore[arg-type]


def test_what_cannot_be_labelled_is_refused_before_training(recorded: small_run.Run, tmp_path: Path) -> None:
    asked = "distill: {perturb: [0, 1], epochs: 2}"
    why = r"this one cannot be asked again: it has no ONNX file"
    refused(tmp_path / "a", recorded, why, distill=asked, teacher=TEACHER)
    hinted = HINTED.replace("epochs", "perturb: 1.0, epochs")
    refused(tmp_path / "b", recorded, why, distill=hinted, teacher=TEACHER, student=NETWORKS)
    refused(
        tmp_path / "c",
        recorded,
        r"an assistant is of another width, and linear has none",
        distill="distill: {assistant: [32, null], epochs: 2}",
    )


def test_a_file_of_other_rows_is_refused(bench: Workshop, tmp_path: Path) -> None:
    pd.DataFrame({"age": [1.0]}).to_parquet(tmp_path / "one.parquet")
    with pytest.raises(TableError, match="no column"):
        data.transfer(tmp_path / "one.parquet", ("tabular", {}), bench.dataset)
    audit = {name: column[bench.dataset.splits["audit"]] for name, column in bench.dataset.features.items()}
    pd.DataFrame(audit).to_parquet(tmp_path / "judged.parquet")
    with pytest.raises(TableError, match="all its rows are in the table's"):
        data.transfer(tmp_path / "judged.parquet", ("tabular", {}), bench.dataset)


def test_a_missing_file_is_a_line_of_the_experiment(recorded: small_run.Run, tmp_path: Path) -> None:
    file = written(tmp_path, recorded.readings)
    file.write_text(file.read_text().replace("  target:", "  unlabelled: nowhere.parquet\n  target:"), encoding="utf-8")
    with small_run.inside(tmp_path, recorded.cache), pytest.raises(SpecError, match=r"no table at nowhere\.parquet"):
        spec.load(file)


def test_rows_in_another_order_are_other_rows(bench: Workshop, tmp_path: Path) -> None:
    """A teacher that runs in Python gives its labels by place, and they are kept under this digest."""
    people = pd.read_parquet(small_run.ADULT).iloc[small_run.ROWS : small_run.ROWS + 40]
    found = []
    for at, some in enumerate((people, people.iloc[::-1], people)):
        some.to_parquet(tmp_path / f"{at}.parquet")
        found.append(data.transfer(tmp_path / f"{at}.parquet", ("tabular", {}), bench.dataset))
    assert found[0].digest != found[1].digest
    assert found[0].digest == found[2].digest
