"""Estimators that were saved, other people's boosters, pipelines: labels, artefacts, and what is not unpickled."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from teachers_elsewhere import matrix, numbers, prepare

from autodistill import runtime, teacher
from autodistill.errors import SpecError, TeacherError

BOTH = [("a", "b"), ("a", "b", "c")]


@pytest.mark.parametrize("classes", BOTH)
def test_a_saved_forest_of_a_matrix(classes: tuple[str, ...], tmp_path: Path) -> None:
    io = pytest.importorskip("skops.io")
    of = numbers(classes)
    names = np.array(classes)[::-1]
    called = {name: f"k{at}" for at, name in enumerate(names)}
    model = RandomForestClassifier(5, random_state=0).fit(matrix(of), [called[classes[code]] for code in of.y])
    io.dump(model, tmp_path / "m.skops")
    found = prepare(of, tmp_path, "sklearn", estimator=tmp_path / "m.skops", classes=called)
    expected = model.predict_proba(matrix(of))[:, ::-1]
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)
    assert found.onnx is not None, found.why_no_onnx
    np.testing.assert_allclose(runtime.open(found.onnx).probabilities(of.features), expected, atol=1e-5)
    assert (found.saw, found.name) == ("unknown", "m")
    with pytest.raises(TeacherError, match=r"it has \d classes \(k0.*\), the table \d classes \(a, b"):
        prepare(of, tmp_path, "sklearn", estimator=tmp_path / "m.skops")
    three = numbers(("a", "b", "c")[: 5 - len(classes)])
    with pytest.raises(
        TeacherError, match=rf"it has {len(classes)} classes \(k0, .*\), the table {len(three.classes)}"
    ):
        prepare(three, tmp_path, "sklearn", estimator=tmp_path / "m.skops")


def test_a_saved_pipeline_of_columns_is_an_artefact_that_reads_them(tmp_path: Path) -> None:
    io = pytest.importorskip("skops.io")
    of = numbers(words=True)
    frame = pd.DataFrame(dict(of.features))[["job", "x"]]  # fewer, in another order
    numeric = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer((OneHotEncoder(), ["job"]), (numeric, ["x"]))
    model = make_pipeline(columns, LogisticRegression()).fit(frame, of.y)
    io.dump(model, tmp_path / "m.skops")
    found = prepare(of, tmp_path, "sklearn", estimator=tmp_path / "m.skops")
    expected = model.predict_proba(frame)
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)
    assert found.onnx is not None, found.why_no_onnx
    session = runtime.open(found.onnx)
    assert set(session.inputs) == {"job", "x"}
    np.testing.assert_allclose(session.probabilities(of.features), expected, atol=1e-5)
    assert "its classes are numbers: taken in the order a, b" in found.notes
    with pytest.raises(TeacherError, match="it reads job, x; the table has x, z, and no 'job'"):
        prepare(numbers(), tmp_path, "sklearn", estimator=tmp_path / "m.skops")


def test_a_fitted_pipeline_of_raw_rows_is_an_artefact_where_it_can_be_converted(tmp_path: Path) -> None:
    of = numbers()
    options = {"estimator": f"{__name__}.chain", "raw": True}
    found = prepare(of, tmp_path, "sklearn", **options)
    assert found.onnx is not None, found.why_no_onnx
    assert found.saw == "out of fold"
    np.testing.assert_allclose(runtime.open(found.onnx).probabilities(of.features)[200:], found.scores[200:], atol=1e-6)


def chain() -> Any:
    """A pipeline that takes a DataFrame."""
    return make_pipeline(make_column_transformer((StandardScaler(), ["z", "x"])), LogisticRegression())


def test_a_class_that_scikit_learn_merely_imports_is_not_called_without_trust(tmp_path: Path) -> None:
    io = pytest.importorskip("skops.io")
    model = LogisticRegression().fit(np.arange(8.0)[:, None], np.arange(8) % 2)
    model.spare = (str(tmp_path / "mine.txt"), "wb")
    io.dump(model, tmp_path / "good.skops")
    (tmp_path / "mine.txt").write_text("precious", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "good.skops") as good, zipfile.ZipFile(tmp_path / "m.skops", "w") as bad:
        schema = json.loads(good.read("schema.json"))
        own = schema["content"]["content"]
        own["spare"] = {"__class__": "GzipFile", "__module__": "sklearn.datasets._covtype",
                        "__loader__": "ConstructorFromReduceNode", "__id__": 1, "content": own["spare"]}  # fmt: skip
        for name in good.namelist():
            bad.writestr(name, json.dumps(schema) if name == "schema.json" else good.read(name))
    with pytest.raises(TeacherError, match=r"types that skops does not know as safe: .*GzipFile; trust"):
        teacher.check("sklearn", {"estimator": str(tmp_path / "m.skops")})
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "precious"


class Bomb:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["BOMB"],)


def test_nothing_is_unpickled_without_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOMB", str(tmp_path / "gone off"))
    for name in ("m.joblib", "m.pkl"):
        joblib.dump(Bomb(), tmp_path / name)
        with pytest.raises(TeacherError, match=r"is a pickle: reading it runs whatever was put into it; trust: true"):
            teacher.check("sklearn", {"estimator": str(tmp_path / name)})
    io = pytest.importorskip("skops.io")
    io.dump(make_pipeline(Odd()), tmp_path / "m.skops")
    with pytest.raises(TeacherError, match=r"types that skops does not know as safe: .*Odd; trust"):
        teacher.check("sklearn", {"estimator": str(tmp_path / "m.skops")})
    assert not (tmp_path / "gone off").exists()
    of = numbers(())
    model = Ridge().fit(matrix(of), of.y)
    joblib.dump(model, tmp_path / "r.joblib")
    found = prepare(of, tmp_path, "sklearn", estimator=tmp_path / "r.joblib", trust=True, saw="no")
    np.testing.assert_allclose(found.decisions, model.predict(matrix(of)), atol=1e-5)
    assert found.onnx is not None, found.why_no_onnx
    assert "has not seen the train rows" in found.notes[0]


class Odd:
    """A type that no library of safe types knows."""

    def fit(self, X: Any, y: Any = None) -> "Odd":
        return self

    def transform(self, X: Any) -> Any:
        return X


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({}, "estimator is missing"),
        ({"estimator": "m.skops"}, "no file m.skops"),
        ({"estimator": "sklearn.linear_model.Ridge", "saved": "README.md"}, "README.md is of no known kind"),
    ],
)
def test_what_cannot_be_loaded(options: Any, what: str) -> None:
    with pytest.raises((TeacherError, SpecError), match=what):
        teacher.check("sklearn", options)


def test_a_saved_member_is_no_member() -> None:
    tree = {"estimator": "sklearn.tree.DecisionTreeClassifier"}
    with pytest.raises(SpecError, match="a saved member may have seen the rows"):
        teacher.check("ensemble", {"members": [tree, {"estimator": "m.skops"}]})


BOOSTERS = [
    ("lightgbm", "LGBMClassifier", "LGBMRegressor", {"n_estimators": 8}),
    ("xgboost", "XGBClassifier", "XGBRegressor", {"n_estimators": 8}),
    ("catboost", "CatBoostClassifier", "CatBoostRegressor", {"iterations": 8}),
]


@pytest.mark.parametrize(("library", "classifier", "regressor", "options"), BOOSTERS)
@pytest.mark.parametrize("classes", [*BOTH, ()])
def test_other_peoples_boosters_are_fitted_out_of_fold_and_become_artefacts(
    library: str, classifier: str, regressor: str, options: Any, classes: tuple[str, ...], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    pytest.importorskip(library)
    pytest.importorskip("onnxmltools")
    monkeypatch.chdir(tmp_path)
    of = numbers(classes)
    path = f"{library}.{classifier if classes else regressor}"
    found = prepare(of, tmp_path / "cache", "sklearn", estimator=path, **options)
    assert found.onnx is not None, found.why_no_onnx
    assert found.saw == "out of fold"
    train, rest = of.splits["train"], np.arange(200, len(of.y))
    if classes:
        assert (found.decisions == of.y)[train].mean() > 0.8
    else:
        assert np.corrcoef(found.decisions[rest], of.y[rest])[0, 1] > 0.8
    assert [p.name for p in tmp_path.iterdir()] == ["cache"]  # CatBoost leaves files where it runs, if it may


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_a_booster_at_the_end_of_a_pipeline(library: str, tmp_path: Path) -> None:
    pytest.importorskip(library)
    pytest.importorskip("onnxmltools")
    found = prepare(numbers(), tmp_path, "sklearn", estimator=f"{__name__}.{library}_chain")
    assert found.onnx is not None, found.why_no_onnx


def lightgbm_chain() -> Any:
    """LightGBM behind an imputer."""
    from lightgbm import LGBMClassifier

    return make_pipeline(SimpleImputer(), LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1))


def xgboost_chain() -> Any:
    """XGBoost behind an imputer."""
    from xgboost import XGBClassifier

    return make_pipeline(SimpleImputer(), XGBClassifier(n_estimators=5, n_jobs=1))


@pytest.mark.parametrize(
    ("library", "name", "file"),
    [
        ("xgboost", "XGBClassifier", "m.json"),
        ("xgboost", "XGBClassifier", "m.ubj"),
        ("catboost", "CatBoostClassifier", "m.cbm"),
    ],
)
def test_boosters_in_their_own_format_need_no_trust(library: str, name: str, file: str, tmp_path: Path) -> None:
    made = getattr(pytest.importorskip(library), name)
    of = numbers(("a", "b", "c"))
    quiet = {"verbose": 0, "allow_writing_files": False} if library == "catboost" else {}
    model = made(n_estimators=5, **quiet).fit(matrix(of), of.y)
    model.save_model(str(tmp_path / file))
    found = prepare(of, tmp_path, "sklearn", estimator=f"{library}.{name}", saved=tmp_path / file)
    np.testing.assert_allclose(found.scores, model.predict_proba(matrix(of)), atol=1e-6)
    assert found.onnx is not None, found.why_no_onnx
    with pytest.raises(TeacherError, match=r"it cannot read m\.\w+ itself"):
        teacher.check("sklearn", {"estimator": "sklearn.linear_model.Ridge", "saved": str(tmp_path / file)})
