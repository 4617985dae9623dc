"""Artefacts: raw rows in, decisions out, in plain ONNX Runtime; equal inputs give equal bytes."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from autodistill import runtime
from autodistill.errors import ArtefactError
from autodistill.export import Answer, export, parameters, parity, trace, wrap
from autodistill.export.network import core_of
from autodistill.inputs.tabular import Tabular
from autodistill.students.boosted import Boosted
from autodistill.students.linear import Linear
from autodistill.students.majority import Majority
from autodistill.students.mlp import Mlp
from autodistill.students.tree import DecisionTree


@pytest.fixture(scope="module")
def network(loans):
    """A network of random weights, its template, and what is needed to export it."""
    got = loans(2)
    shapes = got.encoding.shapes(2)
    torch.manual_seed(0)
    module = Mlp(width=8).build(shapes, 2).eval()
    return got, module, trace(module, shapes), Answer(classes=got.classes, positive=1)


def scores(got, module, rows):
    numeric, codes = got.encoding.apply(rows)
    with torch.no_grad():
        return module(torch.from_numpy(numeric), torch.from_numpy(codes)).softmax(dim=1).numpy()


PLAIN = """
import json, sys
import numpy as np, onnxruntime
rows = json.load(open(sys.argv[2]))
session = onnxruntime.InferenceSession(sys.argv[1])
kinds = {"tensor(string)": object, "tensor(float)": np.float32}
feeds = {i.name: np.array(rows[i.name], kinds[i.type]) for i in session.get_inputs()}
label, no, yes = session.run(["label", "probability_no", "probability_yes"], feeds)
assert not [m for m in sys.modules if m.startswith(("autodistill", "torch"))]
print(json.dumps({"label": label.tolist(), "no": no.tolist(), "yes": yes.tolist()}))
"""


def test_plain_onnxruntime_gives_the_same_decisions_on_raw_rows(network, tmp_path):
    got, module, template, answer = network
    rows = {name: column[600:700].copy() for name, column in got.features.items()}
    rows["job"][:3] = ["", "None", "astronaut"]
    rows["savings"][:5] = np.nan
    artefact = export(got.encoding, module, answer, tmp_path / "s.onnx", got.at(slice(0, 300)), template=template)
    (tmp_path / "rows.json").write_text(json.dumps({name: column.tolist() for name, column in rows.items()}))
    command = [sys.executable, "-I", "-c", PLAIN, str(artefact.path), str(tmp_path / "rows.json")]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    expected = scores(got, module, rows)
    np.testing.assert_allclose(np.stack([found["no"], found["yes"]], axis=1), expected, atol=1e-6)
    recorded = runtime.predict(runtime.open(artefact.path), rows, np.arange(100), "search", 1)
    assert found["label"] == [got.classes[d] for d in recorded.decisions]


def test_the_file_says_what_it_is(network, tmp_path):
    got, module, template, _ = network
    answer = Answer(classes=got.classes, positive=1, threshold=0.4)
    artefact = export(got.encoding, module, answer, tmp_path / "s.onnx", got.at(slice(0, 300)), template=template)
    model = onnx.load(artefact.path)
    onnx.checker.check_model(model, full_check=True)
    said = {p.key: p.value for p in model.metadata_props}
    assert said["format"] == "autodistill/1"
    assert json.loads(said["classes"]) == ["no", "yes"]
    assert json.loads(said["inputs"])[:2] == [["age", "float"], ["job", "string"]]
    assert (said["positive"], float(said["threshold"]), said["precision"]) == ("yes", 0.4, "fp32")
    assert said["encoding"] == got.encoding.digest
    assert [len(i.type.tensor_type.shape.dim) for i in model.graph.input] == [1] * 5
    assert [o.name for o in model.graph.output] == ["label", "probability_no", "probability_yes"]
    assert artefact.size == artefact.path.stat().st_size
    assert artefact.parameters == sum(p.numel() for p in module.parameters())
    assert artefact.parity is not None
    assert artefact.parity < 1e-5
    assert b"site-packages" not in artefact.path.read_bytes()  # no traces of the machine that made it


def test_the_label_follows_the_threshold(network, tmp_path):
    got, module, template, _ = network
    rows = got.at(slice(600, 1200))
    for positive in (0, 1):
        middle = round(float(np.median(scores(got, module, rows)[:, positive])), 3)
        answer = Answer(classes=got.classes, positive=positive, threshold=middle)
        artefact = export(got.encoding, module, answer, tmp_path / "s.onnx", rows, template=template)
        session = runtime.open(artefact.path)
        (label,) = session.run(session.feed(rows), ["label"])
        recorded = runtime.predict(session, rows, np.arange(600), "search", positive, middle)
        assert label.tolist() == [got.classes[d] for d in recorded.decisions]
        assert len(set(label)) == 2


def test_equal_inputs_give_equal_bytes_and_training_changes_no_size(network, tmp_path):
    got, module, template, answer = network
    rows, shapes = got.at(slice(0, 300)), got.encoding.shapes(2)
    again = trace(module, shapes)
    torch.manual_seed(9)
    other = Mlp(width=8).build(shapes, 2)
    for precision, slack in (("fp32", 0), ("int8", 8)):  # a zero point of nought is written in fewer bytes
        first, second, third = (
            export(got.encoding, model, answer, tmp_path / f"{at}.onnx", rows, precision=precision, template=traced)
            for at, (model, traced) in enumerate([(module, template), (module, again), (other, template)])
        )
        assert first.path.read_bytes() == second.path.read_bytes()
        assert third.sha256 != first.sha256
        assert abs(third.size - first.size) <= slack
    assert other.training


def test_int8_products_are_int8_and_close(network, tmp_path):
    got, module, template, answer = network
    rows = got.at(slice(0, 300))
    artefact = export(got.encoding, module, answer, tmp_path / "q.onnx", rows, precision="int8", template=template)
    names = [n.op_type for n in onnx.load(artefact.path).graph.node]
    assert names.count("QuantizeLinear") == 2  # one a product, none behind the last
    assert "Relu" not in names
    found = runtime.open(artefact.path).probabilities(got.at(slice(600, 1200)))
    expected = scores(got, module, got.at(slice(600, 1200)))
    assert artefact.parity == pytest.approx(np.abs(found - expected).max(), abs=0.05)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.95


def test_a_template_takes_every_weight(loans):
    shapes = loans(3).encoding.shapes(3)
    module = Mlp(width=3, depth=2, periodic=2, activation="silu", dropout=0.1).build(shapes, 3)
    template = trace(module, shapes)
    assert template.whole
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in core_of(module, shapes, template).graph.initializer}
    for name, value in module.state_dict().items():
        np.testing.assert_array_equal(weights[name], value.numpy())


def test_a_template_of_another_network_is_not_believed(network, tmp_path):
    got, module, template, answer = network
    core = onnx.load_model_from_string(template.core)
    next(n for n in core.graph.node if n.op_type == "Relu").op_type = "Tanh"
    stale = type(template)(core=core.SerializeToString(), names=template.names, whole=True)
    rows = got.at(slice(0, 100))
    artefact = export(got.encoding, module, answer, tmp_path / "s.onnx", rows, template=stale)
    assert artefact.parity < 1e-5
    assert "Relu" in [n.op_type for n in onnx.load(artefact.path).graph.node]


@pytest.mark.parametrize(("column", "family"), [("number", Mlp(width=2)), ("word", Linear())])
def test_one_kind_of_column_alone(column, family, tmp_path):
    rng = np.random.default_rng(0)
    features = {
        "number": {"x": rng.normal(size=60).astype(np.float32)},
        "word": {"w": np.array(list("abc") * 20, object)},
    }[column]
    encoding = Tabular().fit(features, rng.integers(0, 2, 60), ("n", "y"))
    module = family.build(encoding.shapes(2), 2)
    assert export(encoding, module, Answer(classes=("n", "y")), tmp_path / "s.onnx", features).parity < 1e-5


def test_regression_answers_with_a_value(loans, tmp_path):
    got = loans(1)
    X = got.encoding.apply_matrix(got.features)
    model = Boosted(trees=5).build(got.encoding.shapes(1), 1).fit(X, got.y[:, None].astype(np.float32), None)
    artefact = wrap(got.encoding, model.onnx(), Answer(classes=()), tmp_path / "s.onnx")
    assert runtime.open(artefact.path).outputs == ("prediction",)
    assert parity(artefact, got.features, model.predict_proba(X)) < 1e-5


def test_a_library_s_own_conversion_is_wrapped_as_it_is(loans, tmp_path):
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier

    got = loans(3)
    X = got.encoding.apply_matrix(got.features)
    forest = RandomForestClassifier(5, max_depth=4, random_state=0).fit(X[:600], got.y[:600])
    core = to_onnx(forest, X[:1], options={"zipmap": False})
    artefact = wrap(got.encoding, core, Answer(classes=got.classes), tmp_path / "s.onnx", notes=("teacher",))
    assert parity(artefact, got.features, forest.predict_proba(X)) < 1e-5
    assert artefact.notes == ("teacher",)
    cuts = sum((tree.tree_.children_left >= 0).sum() for tree in forest.estimators_)
    leaves = sum((tree.tree_.children_left < 0).sum() for tree in forest.estimators_)
    assert parameters(core) == cuts + 3 * leaves


@pytest.mark.parametrize("forest", [False, True])
def test_trees_ask_only_for_the_columns_they_cut(loans, forest, tmp_path):
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier

    got = loans(2)
    X, soft = got.encoding.apply_matrix(got.features), np.eye(2, dtype=np.float32)[got.y]
    if forest:
        model = RandomForestClassifier(3, max_depth=2, random_state=0).fit(X, got.y)
        core = to_onnx(model, X[:1], options={"zipmap": False})
        cut = {int(f) for tree in model.estimators_ for f in tree.tree_.feature if f >= 0}
    else:
        model = DecisionTree(leaves=4).build(got.encoding.shapes(2), 2).fit(X, soft, None)
        core = model.onnx()
        cut = {int(f) for f in model._model.tree_.feature if f >= 0}
    before = core.SerializeToString(deterministic=True)
    artefact = wrap(got.encoding, core, Answer(classes=got.classes), tmp_path / "s.onnx")
    session = runtime.open(artefact.path)
    assert list(session.inputs) == [got.encoding.names[f] for f in sorted(cut)]
    assert [name for name, _ in json.loads(session.metadata["inputs"])] == list(session.inputs)
    assert len(cut) < 5
    assert parity(artefact, got.features, model.predict_proba(X)) < 1e-5
    assert core.SerializeToString(deterministic=True) == before


def test_a_constant_asks_for_one_column_to_count_its_rows(loans, tmp_path):
    got = loans(3)
    X, soft = got.encoding.apply_matrix(got.features), np.eye(3, dtype=np.float32)[got.y]
    model = Majority().build(got.encoding.shapes(3), 3).fit(X, soft, None)
    artefact = wrap(got.encoding, model.onnx(), Answer(classes=got.classes), tmp_path / "s.onnx")
    assert list(runtime.open(artefact.path).inputs) == ["age"]
    assert parity(artefact, got.features, model.predict_proba(X)) < 1e-6


@pytest.mark.parametrize("name", ["label", "probability_yes"])
def test_a_column_may_not_be_called_as_an_output(name, tmp_path):
    features = {name: np.arange(20, dtype=np.float32)}
    encoding = Tabular().fit(features, np.arange(20) % 2, ("no", "yes"))
    core = Boosted(trees=1, min_rows=2).build(encoding.shapes(2), 2)
    core = core.fit(encoding.apply_matrix(features), np.eye(2, dtype=np.float32)[np.arange(20) % 2], None).onnx()
    with pytest.raises(ArtefactError, match=f"'{name}'.*rename"):
        wrap(encoding, core, Answer(classes=("no", "yes")), tmp_path / "s.onnx")


def test_columns_may_have_any_other_name(tmp_path):
    names = ("/1", "/2", "x", "features", "logits", "numeric", "ä b")
    features = {name: np.arange(40, dtype=np.float32) for name in names}
    soft = np.eye(2, dtype=np.float32)[np.arange(40) // 20]
    encoding = Tabular().fit(features, np.arange(40) // 20, ("no", "yes"))
    X = encoding.apply_matrix(features)
    model = Boosted(trees=2, min_rows=2).build(encoding.shapes(2), 2).fit(X, soft, None)
    artefact = wrap(encoding, model.onnx(), Answer(classes=("no", "yes")), tmp_path / "s.onnx")
    assert parity(artefact, features, model.predict_proba(X)) < 1e-5


def test_a_core_of_other_inputs_is_refused(loans, tmp_path):
    got = loans(2)
    X = got.encoding.apply_matrix(got.features)
    core = Boosted(trees=1).build(got.encoding.shapes(2), 2).fit(X, np.eye(2, dtype=np.float32)[got.y], None).onnx()
    with pytest.raises(ArtefactError, match="inputs"):
        wrap(got.encoding, core, Answer(classes=got.classes), tmp_path / "s.onnx", form="split")
