import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from autodistill import runtime
from autodistill.errors import ArtefactError
from autodistill.runtime import graph


def expected(make: Any, rows: dict[str, Any]) -> np.ndarray:
    w = make.weights()
    hidden = np.maximum(make.features(rows) @ w["w1"] + w["b1"], 0)
    logits = hidden @ w["w2"] + w["b2"]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_raw_rows_become_probabilities_in_chunks_of_any_size(student: Path, rows: Any, make: Any) -> None:
    session = runtime.open(student)
    assert session.inputs == {"age": "float", "hours": "float", "sex": "string"}
    assert session.classes == ("no", "yes")
    whole = session.probabilities(rows)
    assert whole.dtype == np.float32
    assert whole.shape == (600, 2)
    np.testing.assert_allclose(whole, expected(make, rows), atol=1e-6)
    np.testing.assert_allclose(session.probabilities(rows, chunk=7), whole, atol=1e-6)
    nothing = {name: column[:0] for name, column in rows.items()}
    assert session.probabilities(nothing).shape == (0, 2)


def test_bytes_and_file_are_one_artefact(student: Path, rows: Any) -> None:
    from_file, from_bytes = runtime.open(student), runtime.open(student.read_bytes())
    np.testing.assert_array_equal(from_file.probabilities(rows), from_bytes.probabilities(rows))


def test_metadata_orders_the_classes_only_if_it_names_the_same(make: Any) -> None:
    def classes(text: str) -> tuple[str, ...]:
        return runtime.open(make.perceptron(classes=text).SerializeToString()).classes

    assert classes('["yes", "no"]') == ("yes", "no")
    assert classes('["yes", "maybe"]') == ("no", "yes")
    assert classes("not json") == ("no", "yes")


def test_predictions_follow_the_shared_rule(student: Path, rows: Any) -> None:
    session, ids = runtime.open(student), np.arange(600)
    scores = session.probabilities(rows)
    plain = runtime.predict(session, rows, ids, "audit")
    strict = runtime.predict(session, rows, ids, "audit", positive=1, threshold=0.9)
    np.testing.assert_array_equal(plain.decisions, np.where(scores[:, 1] > scores[:, 0], 1, 0))
    np.testing.assert_array_equal(strict.decisions, (scores[:, 1] >= 0.9).astype(int))
    assert (plain.view, plain.row_ids is ids) == ("audit", True)


def test_threads_are_explicit_and_do_not_spin(student: Path) -> None:
    asked = runtime.open(student, threads=2).native.get_session_options()
    assert (asked.intra_op_num_threads, asked.inter_op_num_threads) == (2, 1)
    assert asked.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_a_missing_column_is_named_in_one_line(student: Path, rows: Any) -> None:
    session = runtime.open(student)
    with pytest.raises(ArtefactError, match=r"no column 'hours' \(nor 1 more\); give a table") as caught:
        session.probabilities({"age": rows["age"]})
    assert "\n" not in str(caught.value)


def test_words_in_a_numeric_column_are_refused(student: Path, rows: Any) -> None:
    with pytest.raises(ArtefactError, match="column 'age' is not float"):
        runtime.open(student).probabilities(rows | {"age": np.array(["old"] * 600, dtype=object)})


def test_infinite_probabilities_are_refused(student: Path, rows: Any) -> None:
    broken = rows | {"age": np.where(np.arange(600) < 3, np.nan, rows["age"])}
    with pytest.raises(ArtefactError, match="not finite on 3 of 600 rows"):
        runtime.open(student).probabilities(broken)


def test_an_artefact_without_probabilities_opens_but_does_not_score() -> None:
    floor = Path(runtime.__file__).parent / "floor.onnx"
    with pytest.raises(ArtefactError, match="no 'probability_<class>' outputs"):
        runtime.open(floor).probabilities({"x": np.zeros(2, np.float32)})


def test_a_broken_file_is_refused_in_one_line(student: Path, tmp_path: Path) -> None:
    data = student.read_bytes()
    broken = [b"", b"nonsense", b"\x00" * 40, *(data[:cut] for cut in range(5, len(data) - 200, 61))]
    for at, content in enumerate(broken):
        path = tmp_path / f"{at}.onnx"
        path.write_bytes(content)
        with pytest.raises(ArtefactError) as caught:
            runtime.open(path)
        assert "\n" not in str(caught.value)
        assert path.name in str(caught.value)
    with pytest.raises(ArtefactError, match="cannot be read"):
        runtime.open(tmp_path / "absent.onnx")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_reading_flipped_bytes_ends_in_a_model_or_an_artefact_error(make: Any, data: st.DataObject) -> None:
    content = bytearray(make.perceptron().SerializeToString())
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ArtefactError):
        assert graph.read(bytes(content)).graph.outputs


def test_custom_operators_are_not_loaded(make: Any) -> None:
    model = make.perceptron()
    model.graph.node[5].domain = "evil.ops"
    model.opset_import.append(helper.make_opsetid("evil.ops", 1))
    with pytest.raises(ArtefactError, match="cannot open it"):
        runtime.open(model.SerializeToString())


def with_outside_weights(make: Any, folder: Path, location: str) -> Path:
    model = make.perceptron()
    first = model.graph.initializer[0]
    (folder / "weights.bin").write_bytes(first.raw_data)
    first.ClearField("raw_data")
    first.data_location = TensorProto.EXTERNAL
    first.external_data.add(key="location", value=location)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_beside_the_file_are_read(make: Any, rows: Any, tmp_path: Path) -> None:
    session = runtime.open(with_outside_weights(make, tmp_path, "weights.bin"))
    np.testing.assert_allclose(session.probabilities(rows), expected(make, rows), atol=1e-6)


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "", "sub/../../weights.bin", "link/weights.bin"])
def test_weights_outside_the_folder_are_refused(make: Any, tmp_path: Path, location: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "link").symlink_to(tmp_path)
    path = with_outside_weights(make, home, location)
    (tmp_path / "weights.bin").write_bytes((home / "weights.bin").read_bytes())
    with pytest.raises(ArtefactError, match="outside its own folder"):
        runtime.open(path)


def test_weights_outside_are_seen_in_constants_subgraphs_and_doubled_graphs(make: Any, tmp_path: Path) -> None:
    outside = helper.make_tensor("c", TensorProto.FLOAT, [1], [1.0])
    outside.ClearField("float_data")
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="../secret")
    constant = helper.make_node("Constant", [], ["c"], value=outside)
    info = helper.make_tensor_value_info("c", TensorProto.FLOAT, [1])
    branch = helper.make_graph([constant], "branch", [], [info])
    chosen = helper.make_node("If", ["code"], ["d"], then_branch=branch, else_branch=branch)
    for extra in (constant, chosen):
        model = make.perceptron()
        model.graph.node.append(extra)
        with pytest.raises(ArtefactError, match="outside its own folder"):
            runtime.open(model.SerializeToString())
    # two graphs in one file are one graph to protocol buffers: the first half must not hide
    hidden = onnx.ModelProto()
    hidden.graph.initializer.append(outside)
    with pytest.raises(ArtefactError, match="outside its own folder"):
        runtime.open(hidden.SerializeToString() + make.perceptron().SerializeToString())


@settings(max_examples=60, deadline=None)
@given(
    ints=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20),
    floats=st.lists(st.floats(width=32, allow_nan=False), max_size=20),
    words=st.lists(st.text(max_size=5), max_size=5),
    one=st.integers(-(2**63), 2**63 - 1),
)
def test_attributes_are_read_as_the_onnx_package_reads_them(
    ints: list[int], floats: list[float], words: list[str], one: int
) -> None:
    given_lists = {"ints": ints, "floats": floats, "words": words}
    node = helper.make_node("Any", ["a", ""], ["b"], name="n", domain="d", one=one, ratio=0.5)
    kinds = {
        "ints": onnx.AttributeProto.INTS,
        "floats": onnx.AttributeProto.FLOATS,
        "words": onnx.AttributeProto.STRINGS,
    }
    node.attribute.extend(helper.make_attribute(k, v, attr_type=kinds[k]) for k, v in given_lists.items())
    info = helper.make_tensor_value_info("b", TensorProto.FLOAT, [1])
    model = helper.make_model(helper.make_graph([node], "g", [], [info]))
    found = graph.read(model.SerializeToString()).graph.nodes[0]
    assert (found.op, found.domain, found.name, found.inputs, found.outputs) == ("Any", "d", "n", ("a", ""), ("b",))
    assert (found.attributes["one"], found.attributes["ratio"]) == (one, 0.5)
    for name, values in given_lists.items():
        read = found.attributes[name]
        if values:
            encoded = [v.encode() for v in values] if name == "words" else values
            assert [v if isinstance(v, bytes) else v.item() for v in read] == encoded
        else:
            assert read is None


def test_weights_are_counted_with_their_shapes(make: Any) -> None:
    model = make.perceptron()
    found = graph.read(model.SerializeToString())
    assert {t.name: t.dims for t in found.graph.weights} == {t.name: tuple(t.dims) for t in model.graph.initializer}
    assert found.graph.parameters() == sum(numpy_helper.to_array(t).size for t in model.graph.initializer) - 1
    assert found.metadata["classes"] == '["no", "yes"]'


def test_inner_values_come_out_without_rewriting_the_model(student: Path, rows: Any, make: Any) -> None:
    session = runtime.open(graph.with_outputs(student.read_bytes(), ("x", "logits")))
    x, logits = session.run(session.feed(rows), ("x", "logits"))
    np.testing.assert_allclose(x, make.features(rows))
    assert logits.shape == (600, 2)


def test_reference_and_floor_are_what_they_are_called() -> None:
    folder = Path(runtime.__file__).parent
    floor, reference = (onnx.load(folder / f"{name}.onnx") for name in ("floor", "reference"))
    assert [node.op_type for node in floor.graph.node] == ["Relu"]
    assert [node.op_type for node in reference.graph.node] == ["Gemm", "Relu", "Gemm", "Relu", "Gemm", "Softmax"]
    assert [tuple(t.dims) for t in reference.graph.initializer] == [(16, 64), (64,), (64, 64), (64,), (64, 2), (2,)]
    onnx.checker.check_model(reference)


def test_opening_says_nothing(student: Path, capfd: pytest.CaptureFixture[str]) -> None:
    runtime.open(student).probabilities({"age": np.zeros(1), "hours": np.zeros(1), "sex": np.array([""])})
    assert capfd.readouterr() == ("", "")
    assert os.environ.get("ORT_LOG") is None
