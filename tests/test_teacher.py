"""The teacher: out-of-fold labels, the artefact's own labels, the cache, ensembles, and what is refused."""

import gc
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from autodistill import shelf, teacher
from autodistill.errors import SpecError, TeacherError
from autodistill.inputs import Encoding
from autodistill.inputs.tabular import Tabular
from autodistill.records import Dataset, Features, digest
from autodistill.teacher import folds
from autodistill.teachers.ensemble import weigh
from autodistill.teachers.sklearn import Sklearn

TREE = {"estimator": "sklearn.tree.DecisionTreeClassifier", "max_depth": 3}
BOOSTER = {"estimator": "sklearn.ensemble.GradientBoostingClassifier", "n_estimators": 12, "max_depth": 3}
HERE = __name__.rpartition(".")[2]


def dataset(n: int = 600, classes: int = 2, seed: int = 0, **more: Any) -> Dataset:
    rng = np.random.default_rng(seed)
    age = rng.normal(size=n).astype(np.float32)
    age[rng.random(n) < 0.05] = np.nan
    job = rng.choice(["", "clerk", "smith", "cook"], n).astype(object)
    score = np.nan_to_num(age) + (job == "smith") + rng.normal(size=n) * 0.5
    y = np.digitize(score, np.quantile(score, np.arange(1, classes) / classes)).astype(np.int64)
    order = rng.permutation(n)
    parts = np.split(order, (np.array([0.4, 0.6, 0.8]) * n).astype(int))
    given: dict[str, Any] = {
        "features": {"age": age, "job": job},
        "y": y,
        "classes": tuple(f"c{at}" for at in range(classes)),
        "positive": 1 if classes == 2 else None,
        "favourable": None,
        "groups": {},
        "row_ids": np.arange(n),
        "splits": dict(zip(("train", "search", "audit", "sealed"), parts, strict=True)),
        "digests": {},
        "row_digests": np.array([digest(f"{age[i]}{job[i]}{y[i]}{i}".encode())[:16] for i in range(n)]),
        "leakage": {},
    }
    return Dataset(**(given | more))


def refit(of: Dataset) -> Callable[[Features, npt.NDArray[Any]], Encoding]:
    return lambda features, y: Tabular().fit(features, y, of.classes)


def prepare(of: Dataset, cache: Path, kind: str = "sklearn", options: Any = None, **more: Any) -> teacher.Teacher:
    encoding = Tabular().fit(of.rows("train"), of.y[of.splits["train"]], of.classes)
    return teacher.prepare(kind, TREE if options is None else options, of, encoding, cache=cache, **more)


def run(onnx: bytes, of: Dataset) -> dict[str, Any]:
    """The artefact in plain onnxruntime on raw rows."""
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(of.features)), strict=True))


@pytest.mark.parametrize("classes", [2, 3])
def test_train_rows_are_labelled_out_of_fold_and_the_rest_by_the_artefact(tmp_path: Path, classes: int) -> None:
    of = dataset(classes=classes)
    found = prepare(of, tmp_path, options=BOOSTER, seed=3, refit=refit(of))
    train, rest = of.splits["train"], np.concatenate([of.splits[s] for s in ("search", "audit", "sealed")])
    assert found.onnx is not None
    artefact = run(found.onnx, of)
    own = np.stack([artefact[f"probability_{name}"] for name in of.classes], axis=1)
    np.testing.assert_allclose(found.scores[rest], own[rest], atol=1e-6)  # more threads add in another order
    assert (np.array(of.classes)[found.decisions[rest]] == artefact["label"][rest]).all()
    # The out-of-fold labels a second way: a loop over the folds.
    fold = folds.assign(of, 3)
    for k in np.unique(fold):
        inside, out = train[fold != k], train[fold == k]
        encoding = refit(of)({n: c[inside] for n, c in of.features.items()}, of.y[inside])
        matrix = encoding.apply_matrix(of.features)
        model = GradientBoostingClassifier(n_estimators=12, max_depth=3, random_state=3)
        model.fit(matrix[inside], of.y[inside])
        np.testing.assert_allclose(found.scores[out], model.predict_proba(matrix[out]), atol=1e-6)
    assert np.abs(found.scores[train] - own[train]).max() > 0.01
    assert any("the artefact is within" in note and "0 decisions differ" in note for note in found.notes)


def test_the_second_time_it_is_read_and_nothing_is_fitted(tmp_path: Path) -> None:
    of = dataset()
    steps: list[tuple[int, int]] = []
    one = prepare(of, tmp_path, progress=lambda done, total, what: steps.append((done, total)))
    assert steps == [(at, 6) for at in range(1, 7)]
    two = prepare(of, tmp_path, progress=lambda done, total, what: pytest.fail("fitted again"))
    assert (one.cached, two.cached) == (False, True)
    assert isinstance(two.scores, np.memmap)
    assert (one.scores == two.scores).all()
    assert (one.digest, one.onnx, one.notes, one.seconds) == (two.digest, two.onnx, two.notes, two.seconds)


def test_what_is_kept_is_arrays_onnx_and_json(tmp_path: Path) -> None:
    prepare(dataset(), tmp_path)
    kept = {p.suffix for p in tmp_path.rglob("*") if p.is_file()}
    assert kept == {".npy", ".onnx", ".json", ".lock"}
    for path in tmp_path.rglob("*.npy"):
        np.load(path, allow_pickle=False)
    assert not list(tmp_path.rglob(".making-*"))


@pytest.mark.parametrize("name", ["0.npy", "0.onnx", "teacher.json"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, name: str) -> None:
    scores = np.array(prepare(dataset(), tmp_path).scores)
    path = next(tmp_path.rglob(name))
    sound = path.read_bytes()
    path.write_bytes(sound[:-9] + b"x" * 9)
    two = prepare(dataset(), tmp_path)
    assert not two.cached
    assert (scores == two.scores).all()
    path.unlink()
    assert not prepare(dataset(), tmp_path).cached
    assert prepare(dataset(), tmp_path).cached


@pytest.mark.parametrize(
    "other",
    [
        {"options": TREE | {"max_depth": 4}},
        {"seed": 1},
        {"of": dataset(seed=1)},
        {"of": dataset(weights=np.linspace(0.5, 2, 600))},
    ],
)
def test_another_question_is_another_address(tmp_path: Path, other: dict[str, Any]) -> None:
    one = prepare(dataset(), tmp_path)
    two = prepare(other.pop("of", dataset()), tmp_path, **other)
    assert one.digest != two.digest
    assert not two.cached


def test_order_of_rows_changes_places_and_nothing_else(tmp_path: Path) -> None:
    of = dataset()
    order = np.random.default_rng(9).permutation(len(of.y))
    place = np.argsort(order)
    moved = dataset(
        features={n: c[order] for n, c in of.features.items()},
        y=of.y[order],
        row_digests=of.row_digests[order],
        splits={name: place[at] for name, at in of.splits.items()},
    )
    one, two = prepare(of, tmp_path), prepare(moved, tmp_path)
    assert one.digest == two.digest
    assert (one.scores[order] == two.scores).all()
    assert not two.cached


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 80), st.integers(1, 40), st.integers(0, 10**6))
def test_folds_keep_units_together_and_cover(n: int, units: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    unit = rng.integers(0, units, n)
    unit[:2] = [0, 1]
    splits = {"train": np.arange(n)} | {name: np.arange(0) for name in ("search", "audit", "sealed")}
    of = dataset(n=600, units=np.concatenate([unit, np.arange(1000, 1600 - n)]), splits=splits)
    fold = folds.assign(of, seed)
    assert sorted(set(fold)) == list(range(len(set(fold))))
    assert 2 <= len(set(fold)) <= 5 or len(set(unit)) < 5
    for one in set(unit):
        assert len(set(fold[unit == one])) == 1


def test_folds_are_stratified(tmp_path: Path) -> None:
    of = dataset(n=2000)
    fold = folds.assign(of, 0)
    y = of.y[of.splits["train"]]
    counts = np.array([[int(((fold == k) & (y == c)).sum()) for c in (0, 1)] for k in range(5)])
    assert (np.ptp(counts, axis=0) <= 1).all()


def make_raw(max_depth: int = 3) -> Any:
    """An estimator with a preparation of its own."""
    return make_pipeline(OneHotEncoder(handle_unknown="ignore"), DecisionTreeClassifier(max_depth=max_depth))


def test_raw_rows_for_an_estimator_with_its_own_preparation(tmp_path: Path) -> None:
    found = prepare(dataset(), tmp_path, options={"estimator": f"tests.{HERE}.make_raw", "raw": True, "max_depth": 4})
    assert found.onnx is None
    assert "prepares raw rows itself" in found.why_no_onnx
    assert np.allclose(found.scores.sum(axis=1), 1, atol=1e-5)


class NoProba:
    """Not a teacher for classes."""

    def fit(self, X: Any, y: Any) -> None:
        """Nothing to learn."""


class Constant:
    """Cannot be converted; has no seed; takes any option."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def fit(self, X: Any, y: Any) -> None:
        self.classes_ = np.unique(y)

    def predict_proba(self, X: Any) -> Any:
        share = self.options.get("share", 0.25)
        return np.tile([1 - share, share], (len(X), 1))


def test_what_cannot_be_converted_says_why_and_labels_all_the_same(tmp_path: Path) -> None:
    found = prepare(dataset(), tmp_path, options={"estimator": f"tests.{HERE}.Constant", "share": 0.75})
    assert found.onnx is None
    assert "Constant cannot be converted" in found.why_no_onnx
    assert (found.scores == np.float32([0.25, 0.75])).all()


def test_a_class_that_a_fold_has_not_seen_has_probability_zero(tmp_path: Path) -> None:
    of = dataset(classes=3)
    train = of.splits["train"]
    y = np.where(of.y == 2, 1, of.y)
    y[train[:2]] = 2  # two rows of a third class, in two folds
    of = dataset(classes=3, y=y)
    found = prepare(of, tmp_path)
    assert found.scores.shape == (600, 3)
    assert np.allclose(found.scores.sum(axis=1), 1, atol=1e-5)


def test_regression(tmp_path: Path) -> None:
    y = np.nan_to_num(dataset().features["age"]).astype(np.float64) * 2
    of = replace(dataset(y=y), classes=(), positive=None)
    found = prepare(of, tmp_path, options={"estimator": "sklearn.tree.DecisionTreeRegressor", "max_depth": 6})
    assert found.scores.shape == (600, 1)
    assert found.decisions.dtype == np.float64
    assert found.onnx is not None
    rest = of.splits["audit"]
    assert np.abs(found.decisions[rest] - y[rest]).mean() < 0.5 * np.abs(y[rest] - y.mean()).mean()


MEMBERS = {"members": [TREE, BOOSTER, {"estimator": "sklearn.naive_bayes.GaussianNB"}]}


def test_an_ensemble_is_one_graph_and_its_members_stand_beside_it(tmp_path: Path) -> None:
    of = dataset(n=1500)
    found = prepare(of, tmp_path, kind="ensemble", options=MEMBERS)
    assert [m.name for m in found.members] == [
        "DecisionTreeClassifier",
        "GradientBoostingClassifier",
        "GaussianNB",
    ]
    assert found.onnx is not None
    own = run(found.onnx, of)["probability_c1"]
    rest = np.concatenate([of.splits[s] for s in ("search", "audit", "sealed")])
    np.testing.assert_allclose(found.scores[rest, 1], own[rest], atol=1e-6)
    train = of.splits["train"]
    errors = [float((m.decisions[train] != of.y[train]).mean()) for m in found.members]
    assert float((found.decisions[train] != of.y[train]).mean()) <= min(errors)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4), st.integers(2, 3))
def test_weights_are_on_the_simplex_and_never_worse_than_the_best(seed: int, members: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, 200)
    logits = rng.normal(size=(members, 200, classes)) + rng.uniform(0, 2, (members, 1, 1)) * np.eye(classes)[y]
    fold = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    weights, note = weigh(fold, y)
    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= 0
    error = (np.tensordot(weights, fold, axes=1).argmax(axis=1) != y).mean()
    assert error <= (fold.argmax(axis=2) != y).mean(axis=1).min()
    assert note.startswith("out-of-fold error")


def test_weights_minimise_the_log_loss() -> None:
    rng = np.random.default_rng(5)
    y = rng.integers(0, 2, 4000)
    signal = np.stack([y + rng.normal(size=4000) * s for s in (1.0, 1.0)])
    p = 1 / (1 + np.exp(-3 * (signal - 0.5)))
    fold = np.stack([1 - p, p], axis=2)
    weights, _ = weigh(fold, y)
    grid = np.linspace(0, 1, 201)
    own = fold[:, np.arange(4000), y]
    losses = [-np.log(w * own[0] + (1 - w) * own[1]).mean() for w in grid]
    assert weights[0] == pytest.approx(grid[int(np.argmin(losses))], abs=0.01)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"estimator": "GradientBoostingClassifier"}, "is not an import path"),
    ({"estimator": "sklearn.ensembles.GradientBoostingClassifier"}, "cannot import sklearn.ensembles"),
    ({"estimator": "sklearn.ensemble.GradientBoosting"}, "did you mean GradientBoosting"),
    (
        {"estimator": "sklearn.tree.DecisionTreeClassifier", "max_dept": 3},
        "no option 'max_dept'; did you mean max_depth",
    ),
    ({"estimator": "sklearn.tree.DecisionTreeClassifier", "max_depth": -3}, "failed (InvalidParameterError"),
    ({"estimator": f"tests.{HERE}.NoProba"}, "has no predict_proba()"),
    ({"estimator": "os.path.join", "a": "x"}, "gives nothing with fit()"),
]


@pytest.mark.parametrize(("options", "said"), REFUSED)
def test_refused_in_one_line(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(TeacherError) as caught:
        prepare(dataset(), tmp_path, options=options)
    line = str(caught.value)
    assert line.startswith("teacher")
    assert said in line
    assert "\n" not in line
    assert not list(tmp_path.rglob("teacher.json"))


def test_wrong_options_are_refused_without_a_table() -> None:
    teacher.check("sklearn", BOOSTER)
    teacher.check("ensemble", MEMBERS)
    with pytest.raises(TeacherError, match="no option 'tres'"):
        teacher.check("sklearn", TREE | {"tres": 3})
    with pytest.raises(SpecError, match="members"):
        teacher.check("ensemble", {"members": [TREE]})
    with pytest.raises(SpecError, match="estimator is missing"):
        teacher.check("ensemble", {"members": [TREE, {"max_depth": 3}]})


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "teachers").write_text("a file")
    with pytest.raises(TeacherError, match="the cache cannot be written"):
        prepare(dataset(), tmp_path)


def test_fingerprint_knows_the_code_of_the_estimator() -> None:
    found = Sklearn(estimator=f"tests.{HERE}.Constant").fingerprint()
    assert found[f"tests.{HERE}.Constant"] == digest(Path(__file__).read_bytes())
    assert json.dumps(found)


def test_lightgbm(tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    pytest.importorskip("onnxmltools")
    options = {"estimator": "lightgbm.LGBMClassifier", "n_estimators": 10, "verbose": -1}
    found = prepare(dataset(), tmp_path, options=options)
    assert found.onnx is not None
    assert not found.why_no_onnx


def test_labels_are_bounded_and_those_in_use_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "MOST", 1)
    of, folder = dataset(), tmp_path / "teachers"

    def there() -> set[str]:
        return {path.name for path in folder.iterdir() if path.is_dir()}

    first = prepare(of, tmp_path, seed=1)
    (own,) = there()
    (folder / ".making-left").mkdir()  # by a process that was killed
    second = prepare(of, tmp_path, seed=2)
    assert own in there()
    assert not (folder / ".making-left").exists()
    scores = np.array(first.scores)
    assert len(there()) == 2
    del first
    gc.collect()
    third = prepare(of, tmp_path, seed=3)
    assert own not in there()
    assert len(there()) == 2
    again = prepare(of, tmp_path, seed=1)  # what went is made again
    np.testing.assert_array_equal(again.scores, scores)
    assert not again.cached
    assert len({one.digest for one in (second, third, again)}) == 3
