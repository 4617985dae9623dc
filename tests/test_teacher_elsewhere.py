"""Teachers that were fitted elsewhere: tables of predictions, ONNX files, saved estimators; and what is refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from teachers_elsewhere import N, matrix, numbers, prepare

from autodistill import data, teacher
from autodistill.data import DataSpec
from autodistill.errors import SpecError, TeacherError
from autodistill.records import Dataset
from autodistill.runtime import open as opened


def softmax(z: np.ndarray) -> np.ndarray:
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def said(of: Dataset, path: Path, columns: Mapping[str, Any], **more: Any) -> Path:
    frame = pd.DataFrame({"id": of.row_ids, **columns, **more})
    frame.sample(frac=1, random_state=0).to_csv(path, index=False)
    return path


def test_predictions_are_joined_by_row_id_and_say_that_the_train_rows_may_have_been_seen(tmp_path: Path) -> None:
    of = numbers(("a", "b", "c"))
    z = np.random.default_rng(0).normal(size=(N, 3))
    path = said(of, tmp_path / "p.csv", {"p_c": z[:, 2], "p_a": z[:, 0], "p_b": z[:, 1]})
    found = prepare(of, tmp_path, "predictions", table=path, row_id="id", prefix="p_", logits=True)
    np.testing.assert_allclose(found.scores, softmax(z), atol=1e-6)
    assert (found.saw, found.onnx) == ("unknown", None)
    assert "train rows may have been seen" in found.notes[0]
    assert found.why_no_onnx == "only its predictions are known"
    again = prepare(of, tmp_path, "predictions", table=path, row_id="id", prefix="p_", logits=True)
    assert (again.cached, again.saw) == (True, "unknown")
    said(of, path, {"p_c": z[:, 2], "p_a": z[:, 0], "p_b": -z[:, 1]})
    assert not prepare(of, tmp_path, "predictions", table=path, row_id="id", prefix="p_", logits=True).cached


def test_one_column_speaks_for_two_classes_and_another_of_numbers(tmp_path: Path) -> None:
    of = numbers()
    p = np.random.default_rng(0).random(N)
    path = said(of, tmp_path / "p.csv", {"p": p, "q": np.log(p / (1 - p))})
    for options in ({"columns": {"b": "p"}}, {"columns": {"b": "q"}, "logits": True}):
        found = prepare(of, tmp_path, "predictions", table=path, row_id="id", **options)
        np.testing.assert_allclose(found.scores, np.stack([1 - p, p], axis=1), atol=1e-6)
    other = prepare(of, tmp_path, "predictions", table=path, row_id="id", columns={"a": "p"})
    np.testing.assert_allclose(other.scores, np.stack([p, 1 - p], axis=1), atol=1e-6)
    flipped = prepare(of, tmp_path, "predictions", table=path, row_id="id", columns={"a": "q"}, logits=True)
    np.testing.assert_allclose(flipped.scores, np.stack([p, 1 - p], axis=1), atol=1e-6)
    value = prepare(numbers(()), tmp_path, "predictions", table=path, row_id="id", value="q")
    np.testing.assert_allclose(value.scores[:, 0], np.log(p / (1 - p)), rtol=1e-6)


def test_without_row_ids_the_table_is_the_experiments_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=200)
    p = 1 / (1 + np.exp(-x))
    frame = pd.DataFrame({"x": x, "y": np.where(rng.random(200) < p, "yes", "no"), "p": p})
    frame["part"] = rng.choice(["train", "search", "audit", "sealed"], 200)
    frame.to_csv(tmp_path / "t.csv", index=False)
    asked = DataSpec(table=tmp_path / "t.csv", target="y", positive="yes", drop=("p",), split="part")
    of = data.load(asked)
    found = prepare(of, tmp_path, "predictions", table=tmp_path / "t.csv", columns={"yes": "p"})
    np.testing.assert_allclose(found.scores[:, 1], p, atol=1e-6)
    frame.iloc[::-1].to_csv(tmp_path / "u.csv", index=False)  # the same rows, in another order
    with pytest.raises(TeacherError, match="not the experiment's own table"):
        prepare(of, tmp_path, "predictions", table=tmp_path / "u.csv", columns={"yes": "p"})
    kept = data.load(DataSpec(table=tmp_path / "t.csv", target="y", positive="yes", split="part"))
    with pytest.raises(TeacherError, match=r"'p' is the teacher's, and a feature of the student too.* drop"):
        prepare(kept, tmp_path, "predictions", table=tmp_path / "t.csv", columns={"yes": "p"})


P = np.full(N, 0.25)


@pytest.mark.parametrize(
    ("columns", "options", "what"),
    [
        ({"a": P, "b": P}, {"columns": {"a": "a", "b": "b"}}, "do not add up to 1 for row r0, and for 399 more"),
        ({"a": P * 8, "b": 1 - P * 8}, {"prefix": ""}, "nothing says which columns"),
        ({"p_a": P * 8, "p_b": 1 - P * 8}, {"prefix": "p_"}, r"outside \[0, 1\] for row r0.* is it a logit"),
        ({"p_a": P, "p_c": P}, {"prefix": "p_"}, r"it has 2 classes \(a, c\), the table 2 classes \(a, b\)"),
        ({"p_a": P, "p_b": P, "p_c": P}, {"prefix": "p_"}, r"it has 3 classes \(a, b, c\), the table 2"),
        ({"p_a": np.where(np.arange(N) == 7, np.nan, 1), "p_b": 0 * P}, {"prefix": "p_"}, "1 predictions are missing"),
        ({"p": P}, {"value": "p"}, "the teacher gives a value, the table has classes"),
        ({"p": P}, {"columns": {"b": "q"}}, "it has no column 'q'"),
        ({"p": P}, {"prefix": "r_"}, "no column begins with 'r_'"),
    ],
)
def test_predictions_that_cannot_be_meant_are_refused(columns: Any, options: Any, what: str, tmp_path: Path) -> None:
    path = said(numbers(), tmp_path / "p.csv", columns)
    with pytest.raises((TeacherError, SpecError), match=what) as fault:
        prepare(numbers(), tmp_path, "predictions", table=path, row_id="id", **options)
    assert "\n" not in str(fault.value)


def test_a_row_without_a_prediction_is_named_with_both_sides(tmp_path: Path) -> None:
    of = numbers()
    path = tmp_path / "p.parquet"
    pd.DataFrame({"id": of.row_ids[5:], "p": P[5:]}).to_parquet(path)
    with pytest.raises(TeacherError, match=r"it says nothing of row r0 and 4 more of 400; .* begins with r5"):
        prepare(of, tmp_path, "predictions", table=path, row_id="id", columns={"b": "p"})
    pd.DataFrame({"id": [*of.row_ids, "r3"], "p": [*P, 0.5]}).to_parquet(path)
    with pytest.raises(TeacherError, match="row r3 stands twice"):
        prepare(of, tmp_path, "predictions", table=path, row_id="id", columns={"b": "p"})
    with pytest.raises(TeacherError, match="no column 'key'"):
        teacher.check("predictions", {"table": str(path), "row_id": "key", "columns": {"b": "p"}})


def saved(model: Any, path: Path, **more: Any) -> Path:
    initial = more.pop("initial", [("input", FloatTensorType([None, 2]))])
    path.write_bytes(to_onnx(model, initial_types=initial, target_opset=18, **more).SerializeToString())
    return path


@pytest.mark.parametrize("classes", [("a", "b"), ("a", "b", "c")])
def test_an_onnx_file_of_one_matrix_is_the_artefact_with_its_columns_in_front(
    classes: tuple[str, ...], tmp_path: Path
) -> None:
    of = numbers(classes)
    names = np.array([f"k{name}" for name in reversed(classes)])[::-1]  # other names, in another order
    model = LogisticRegression().fit(matrix(of), names[len(classes) - 1 - of.y])
    path = saved(model, tmp_path / "m.onnx", options={"zipmap": False})
    called = dict(zip(classes, (str(n) for n in names[::-1]), strict=True))
    found = prepare(of, tmp_path, "onnx", path=path, output="probabilities", classes=called)
    expected = model.predict_proba(matrix(of))[:, [list(model.classes_).index(called[name]) for name in classes]]
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)
    assert found.onnx is not None, found.why_no_onnx
    session = opened(found.onnx)
    assert tuple(session.inputs) == ("x", "z")
    np.testing.assert_allclose(session.probabilities(of.features), expected, atol=1e-6)
    with pytest.raises(TeacherError, match=r"it has .* classes \(k.*\), the table .* classes \(a, b"):
        prepare(of, tmp_path, "onnx", path=path, output="probabilities")
    by_label = prepare(of, tmp_path, "onnx", path=path, says="labels", classes=called)
    assert (by_label.decisions == expected.argmax(axis=1)).all()
    assert "labels and no probabilities" in by_label.why_no_onnx


def test_an_onnx_file_that_reads_columns_by_name(tmp_path: Path) -> None:
    of = numbers(words=True)
    frame = pd.DataFrame(dict(of.features))
    chain = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["job"]), remainder="passthrough"), LogisticRegression()
    ).fit(frame, of.y)
    initial = [
        ("x", FloatTensorType([None, 1])),
        ("zed", FloatTensorType([None, 1])),
        ("job", StringTensorType([None, 1])),
    ]
    chain = chain.fit(frame.rename(columns={"z": "zed"}), of.y)
    path = saved(chain, tmp_path / "m.onnx", initial=initial, options={"zipmap": False})
    found = prepare(of, tmp_path, "onnx", path=path, output="probabilities", inputs={"zed": "z"})
    expected = chain.predict_proba(frame.rename(columns={"z": "zed"}))
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)
    assert found.onnx is not None, found.why_no_onnx
    np.testing.assert_allclose(opened(found.onnx).probabilities(of.features), expected, atol=1e-6)
    assert "does not name its classes: taken in the order a, b" in " ".join(found.notes)
    with pytest.raises(TeacherError, match="it reads x, zed, job; the table has x, z, job, and no 'zed'"):
        prepare(of, tmp_path, "onnx", path=path, output="probabilities")


def test_an_artefact_of_this_package_is_a_teacher_and_regression_too(tmp_path: Path) -> None:
    of = numbers()
    one = prepare(of, tmp_path, "sklearn", estimator="sklearn.tree.DecisionTreeClassifier", max_depth=3)
    (tmp_path / "one.onnx").write_bytes(one.onnx or b"")
    two = prepare(of, tmp_path, "onnx", path=tmp_path / "one.onnx", saw="yes")
    np.testing.assert_allclose(two.scores[200:], one.scores[200:], atol=1e-6)
    assert two.onnx is not None
    assert "fitted on the train rows" in two.notes[0]
    of = numbers(())
    model = Ridge().fit(matrix(of), of.y)
    found = prepare(of, tmp_path, "onnx", path=saved(model, tmp_path / "r.onnx"))
    np.testing.assert_allclose(found.decisions, model.predict(matrix(of)), atol=1e-5)
    assert found.onnx is not None


def test_a_file_for_a_fixed_number_of_rows_labels_all_and_is_no_artefact(tmp_path: Path) -> None:
    of = numbers()
    model = LogisticRegression().fit(matrix(of), of.y)
    path = saved(model, tmp_path / "m.onnx", initial=[("i", FloatTensorType([7, 2]))], options={"zipmap": False})
    found = prepare(of, tmp_path, "onnx", path=path, output="probabilities")
    np.testing.assert_allclose(found.scores, model.predict_proba(matrix(of)), atol=1e-6)
    assert found.why_no_onnx == "it takes 7 rows a call and no other number"


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({}, "several of its outputs can be probabilities"),
        ({"output": "probability"}, "no output 'probability'; did you mean probabilities"),
        ({"output": "probabilities", "inputs": {"y": "x"}}, "no input 'y'"),
        ({"output": "probabilities", "columns": ["x", "zz"]}, "the table has no column 'zz'"),
        ({"output": "probabilities", "columns": ["x", "z", "x"]}, r"has 2 columns, the table gives 3 \(x, z, x\)"),
        ({"output": "probabilities", "says": "logits"}, None),
        ({"output": "probabilities", "order": ["a", "b", "c"]}, r"it has 3 classes \(a, b, c\), the table 2"),
    ],
)
def test_what_an_onnx_file_cannot_answer_is_refused(options: Any, what: str | None, tmp_path: Path) -> None:
    of = numbers()
    model = LogisticRegression().fit(matrix(of), of.y)
    path = saved(model, tmp_path / "m.onnx", options={"zipmap": False})
    if not options:  # a second output of numbers
        graph = onnx.load(path)
        extra = onnx.helper.make_tensor_value_info("input_twice", onnx.TensorProto.FLOAT, ["N", 2])
        graph.graph.node.append(onnx.helper.make_node("Add", ["input", "input"], ["input_twice"]))
        graph.graph.output.append(extra)
        onnx.save(graph, path)
    if what is None:
        found = prepare(of, tmp_path, "onnx", path=path, **options)
        np.testing.assert_allclose(found.scores, softmax(model.predict_proba(matrix(of))), atol=1e-6)
        return
    with pytest.raises(TeacherError, match=what) as fault:
        prepare(of, tmp_path, "onnx", path=path, **options)
    assert "\n" not in str(fault.value)


def test_another_number_of_classes_is_refused_with_both_sides(tmp_path: Path) -> None:
    three = numbers(("a", "b", "c"))
    model = LogisticRegression().fit(matrix(three), three.y)
    path = saved(model, tmp_path / "m.onnx", options={"zipmap": False})
    with pytest.raises(TeacherError, match=r"it gives 3 numbers a row, the table has 2 classes \(a, b\)"):
        prepare(numbers(), tmp_path, "onnx", path=path, output="probabilities")
    with pytest.raises(TeacherError, match="gives 3 numbers a row, the table has a number as its target"):
        prepare(numbers(()), tmp_path, "onnx", path=path, output="probabilities")
