"""Student families: what they learn, and that their ONNX core says the same."""

import itertools

import numpy as np
import pytest
import torch
from onnx import checker

from autodistill import plugins, runtime
from autodistill.errors import StudentError
from autodistill.export import trace
from autodistill.export.network import core_of
from autodistill.export.quantised import quantised
from autodistill.inputs import Shapes
from autodistill.students import _ensemble, stacked
from autodistill.students.boosted import Boosted
from autodistill.students.linear import Linear
from autodistill.students.majority import Majority
from autodistill.students.mlp import Mlp
from autodistill.students.tree import DecisionTree


def shares(y, classes, certainty=0.8):
    return (np.eye(classes, dtype=np.float32)[y] * (certainty - (1 - certainty) / (classes - 1))) + (1 - certainty) / (
        classes - 1
    )


def answers(core, X, targets):
    session = runtime.open(core.SerializeToString())
    (given,) = session.inputs
    found = session.run({given: X})[0]
    if session.outputs == ("logits",):
        found = np.exp(found - found.max(axis=1, keepdims=True))
        found /= found.sum(axis=1, keepdims=True)
    assert found.shape == (len(X), targets)
    return found


@pytest.mark.parametrize("classes", [1, 2, 3])
@pytest.mark.parametrize("family", [Boosted(trees=12, leaves=6), DecisionTree(leaves=12, min_rows=5), Majority()])
def test_fitted_families_export_what_they_predict(loans, family, classes):
    got = loans(classes)
    X = got.encoding.apply_matrix(got.features)
    soft = got.y[:, None].astype(np.float32) if classes == 1 else shares(got.y, classes)
    model = family.build(got.encoding.shapes(classes), classes).fit(X[:600], soft[:600], None)
    expected = model.predict_proba(X)
    core = model.onnx()
    np.testing.assert_allclose(answers(core, X, classes), expected, atol=2e-6)
    if classes > 1:
        np.testing.assert_allclose(expected.sum(axis=1), 1.0, atol=1e-5)
        right = (expected[600:].argmax(axis=1) == got.y[600:]).mean()
        constant = np.bincount(got.y[600:]).max() / 600
        assert right == constant if isinstance(family, Majority) else right > constant + 0.1


def test_a_cut_falls_where_the_library_puts_it():
    """Values on, just above and just below every cut go the same way although the cut is rounded to float32."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2)).astype(np.float32)
    y = ((X[:, 0] > 0.3) ^ (X[:, 1] > -0.2)).astype(np.int64)
    model = Boosted(trees=10, leaves=8, min_rows=1).build(Shapes(numeric=2, cardinalities=(), classes=2), 2)
    model.fit(X, np.eye(2, dtype=np.float32)[y], None)
    core = model.onnx()
    cuts = next(a for a in core.graph.node[0].attribute if a.name == "nodes_splits").t
    cuts = np.frombuffer(cuts.raw_data, np.float32)
    near = np.concatenate([cuts, np.nextafter(cuts, np.float32(9)), np.nextafter(cuts, np.float32(-9))])
    grid = np.stack([np.repeat(near, 3), np.tile(near, 3)], axis=1)
    np.testing.assert_allclose(answers(core, grid, 2), model.predict_proba(grid), atol=2e-6)


def test_rounding_a_cut_down_keeps_every_float32_on_its_side():
    cuts = np.array([0.1, 1 / 3, 1.0, 16777217.0, -0.1, 1e-46])
    down = _ensemble.rounded_down(cuts)
    for cut, low in zip(cuts, down, strict=True):
        for x in (low, np.nextafter(low, np.float32(np.inf)), np.nextafter(low, np.float32(-np.inf))):
            assert (float(x) <= cut) == (x <= low)


def test_the_library_keeps_its_trees_where_we_read_them():
    """scikit-learn's private arrays: if this fails after an upgrade, ``boosted`` cannot be exported."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    X, y = np.arange(100, dtype=np.float32)[:, None], np.arange(100) % 3
    model = HistGradientBoostingClassifier(max_iter=2, early_stopping=False).fit(X, y)
    assert np.ravel(model._baseline_prediction).shape == (3,)
    assert [len(round_) for round_ in model._predictors] == [3, 3]
    fields = model._predictors[0][0].nodes.dtype.names
    assert {"value", "feature_idx", "num_threshold", "left", "right", "is_leaf"} <= set(fields)


@pytest.mark.parametrize("family", [Boosted(trees=3), DecisionTree()])
def test_a_tree_that_never_cuts_exports(family):
    X = np.ones((50, 1), np.float32)
    soft = np.tile(np.array([[0.25, 0.75]], np.float32), (50, 1))
    model = family.build(Shapes(numeric=1, cardinalities=(), classes=2), 2).fit(X, soft, None)
    np.testing.assert_allclose(answers(model.onnx(), X, 2), soft, atol=1e-5)


def test_soft_labels_are_rows_once_a_class():
    X, soft = np.arange(3, dtype=np.float32)[:, None], np.array([[1.0, 0.0], [0.25, 0.75], [0.0, 1.0]], np.float32)
    rows, labels, weights = stacked(X, soft, np.array([1.0, 2.0, 1.0]))
    assert rows[:, 0].tolist() == [0, 1, 1, 2]
    assert labels.tolist() == [0, 0, 1, 1]
    assert weights.tolist() == [1.0, 0.5, 1.5, 1.0]


@pytest.mark.parametrize("family", [Boosted(trees=5), DecisionTree(leaves=8)])
def test_a_weight_counts(loans, family):
    got = loans(2)
    X, soft = got.encoding.apply_matrix(got.features), np.eye(2, dtype=np.float32)[got.y]
    build = family.build(got.encoding.shapes(2), 2).fit
    plain = build(X, soft, None).predict_proba(X)[:, 1].mean()
    weighted = build(X, soft, np.where(got.y == 1, 5.0, 1.0)).predict_proba(X)[:, 1].mean()
    assert weighted > plain + 0.1


def test_a_class_without_rows_is_refused():
    X, soft = np.ones((60, 1), np.float32), np.tile(np.array([[0.5, 0.5, 0.0]], np.float32), (60, 1))
    with pytest.raises(StudentError, match="no row"):
        Boosted().build(Shapes(numeric=1, cardinalities=(), classes=3), 3).fit(X, soft, None)


@pytest.mark.parametrize("shapes", [(3, (4, 5)), (0, (4, 5)), (3, ())])
@pytest.mark.parametrize(
    "family", [Linear(), Mlp(width=5, depth=0), Mlp(width=5, depth=2, periodic=2, activation="gelu", dropout=0.3)]
)
def test_networks_take_any_columns(family, shapes):
    inputs = Shapes(numeric=shapes[0], cardinalities=shapes[1], classes=3)
    module = family.build(inputs, 3).eval()
    codes = torch.tensor([[0, 4], [3, 8]])[:, : len(shapes[1])]
    assert module(torch.zeros(2, shapes[0]), codes).shape == (2, 3)


SHAPES = [(3, (4, 5)), (0, (4, 5)), (3, ())]
MLPS = [
    Mlp(width=5, depth=depth, embedding=3, periodic=periodic, activation=activation, dropout=dropout)
    for depth in (0, 1, 3)
    for periodic in (0, 2)
    for activation in ("relu", "gelu", "silu")
    for dropout in (0.0, 0.4)
]


def random_rows(shapes, rows=64):
    """Rows that meet every code, in the types of an encoding."""
    rng, firsts = np.random.default_rng(0), np.cumsum((0, *shapes[1]))
    codes = [rng.integers(first, last, rows) for first, last in itertools.pairwise(firsts)]
    numeric = rng.normal(size=(rows, shapes[0])).astype(np.float32)
    return numeric, np.stack(codes, axis=1) if codes else np.zeros((rows, 0), np.int64)


def random_network(family, shapes, classes=3):
    torch.manual_seed(1)
    module = family.build(Shapes(numeric=shapes[0], cardinalities=shapes[1], classes=classes), classes)
    with torch.no_grad():
        for value in module.parameters():  # the neutral zeros of an embedding would hide a wrong row
            value.copy_(torch.randn(value.shape))
    return module


def logits_of(core, numeric, codes):
    session = runtime.open(core.SerializeToString())
    feed = {"/numeric": numeric, "/codes": codes}
    (found,) = session.run({name: feed[name] for name in session.inputs}, ["logits"])
    return found


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("classes", [1, 3])
def test_a_network_writes_the_graph_of_what_it_computes(shapes, classes):
    numeric, codes = random_rows(shapes)
    for family in (Linear(), *MLPS):
        module = random_network(family, shapes, classes)
        core = module.onnx()
        checker.check_model(core, full_check=True)
        with torch.no_grad():
            expected = module.eval()(torch.from_numpy(numeric), torch.from_numpy(codes)).numpy()
        np.testing.assert_allclose(logits_of(core, numeric, codes), expected, rtol=1e-4, atol=1e-4, err_msg=str(family))
        assert [d.dim_value for d in core.graph.output[0].type.tensor_type.shape.dim] == [0, classes]


@pytest.mark.parametrize(
    ("family", "shapes"),
    [
        (Linear(), SHAPES[0]),
        (Mlp(width=6, depth=1), SHAPES[1]),
        (Mlp(width=6, depth=2, activation="gelu", dropout=0.2), SHAPES[2]),
        (Mlp(width=6, depth=2, periodic=2, activation="silu", embedding=2), SHAPES[0]),
    ],
)
def test_a_written_graph_and_a_traced_one_decide_the_same(family, shapes):
    """The same operators on the same weights: equal to the last bit in fp32, and once quantised."""
    numeric, codes = random_rows(shapes, 300)
    module = random_network(family, shapes)
    inputs = Shapes(numeric=shapes[0], cardinalities=shapes[1], classes=3)
    written, traced = module.onnx(), core_of(module, inputs, trace(module, inputs))
    assert [n.op_type for n in written.graph.node] == [n.op_type for n in traced.graph.node]
    np.testing.assert_array_equal(logits_of(written, numeric, codes), logits_of(traced, numeric, codes))
    if "int8" in family.precisions:
        feeds = {"/numeric": numeric, "/codes": codes}
        both = [quantised(core, {i.name: feeds[i.name] for i in core.graph.input}) for core in (written, traced)]
        np.testing.assert_array_equal(*(logits_of(core, numeric, codes) for core in both))


@pytest.mark.parametrize(
    ("family", "options", "shapes"),
    [
        ("convnet", {"width": 4, "blocks": 3}, Shapes(numeric=81, cardinalities=(), classes=3, size=(9, 9))),
        ("convnet", {"width": 4, "blocks": 0}, Shapes(numeric=162, cardinalities=(), classes=3, size=(2, 9, 9))),
        ("resnet", {"width": 4, "blocks": 2}, Shapes(numeric=81, cardinalities=(), classes=3, size=(9, 9))),
        ("tcn", {"width": 4, "blocks": 2}, Shapes(numeric=40, cardinalities=(), classes=3, size=(2, 20))),
        ("tcn", {"width": 4, "blocks": 2, "kernel": 4}, Shapes(numeric=40, cardinalities=(), classes=3, size=(2, 20))),
        ("tcn", {"width": 4, "blocks": 0}, Shapes(numeric=40, cardinalities=(), classes=3, size=(2, 20))),
        ("gru", {"width": 4, "step": 1}, Shapes(numeric=40, cardinalities=(), classes=3, size=(2, 20))),
        ("gru", {"width": 4, "step": 3}, Shapes(numeric=40, cardinalities=(), classes=3, size=(2, 20))),
        ("textcnn", {"width": 4, "filters": 3}, Shapes(numeric=0, cardinalities=(12,), classes=3, length=7)),
        ("textcnn", {"width": 4, "filters": 3}, Shapes(numeric=0, cardinalities=(12,), classes=3, length=2)),
        ("embedding_bag", {"width": 4}, Shapes(numeric=0, cardinalities=(12,), classes=3, length=7)),
    ],
)
def test_a_network_of_one_column_writes_its_graph(family, options, shapes):
    torch.manual_seed(2)
    module = plugins.build("students", family, options).build(shapes, 3).eval()
    with torch.no_grad():
        for value in module.parameters():
            value.copy_(torch.randn(value.shape) * 0.3)
    numeric = torch.randn(6, *shapes.shape)
    codes = torch.randint(0, 12, (6, shapes.coded)) * (
        torch.arange(shapes.coded) < torch.tensor([[1], [2], [7], [5], [0], [3]])
    )
    core = module.onnx()
    checker.check_model(core, full_check=True)
    with torch.no_grad():
        expected = module(numeric, codes).numpy()
    np.testing.assert_allclose(logits_of(core, numeric.numpy(), codes.numpy()), expected, rtol=1e-4, atol=1e-5)


def test_linear_is_one_hot_rows_times_a_matrix():
    inputs = Shapes(numeric=2, cardinalities=(3, 4), classes=2)
    module = Linear().build(inputs, 2)
    numeric, codes = torch.randn(5, 2), torch.tensor([[0, 3], [1, 4], [2, 5], [0, 6], [2, 3]])
    hot = torch.zeros(5, 7).scatter_(1, codes, 1.0)
    expected = numeric @ module.weight.T + module.bias + hot @ module.table.weight
    torch.testing.assert_close(module(numeric, codes), expected)


def test_periodic_features_are_sines_and_cosines():
    module = Mlp(width=1, depth=1, periodic=3).build(Shapes(numeric=2, cardinalities=(), classes=2), 2)
    numeric = torch.randn(4, 2)
    seen = []
    module.layers.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    module(numeric, torch.zeros(4, 0, dtype=torch.int64))
    waves = seen[0][:, 2:].reshape(4, 2, 6)
    angle = numeric[:, :, None] * module.frequency.reshape(2, 6)
    torch.testing.assert_close(waves[..., 0::2], angle[..., 0::2].sin())
    torch.testing.assert_close(waves[..., 1::2], angle[..., 1::2].cos())


def test_what_training_never_meets_starts_neutral():
    module = Mlp().build(Shapes(numeric=1, cardinalities=(5, 4), classes=2), 2)
    assert (module.table.weight[[0, 1, 5, 6]] == 0).all()
    assert (module.table.weight[[2, 3, 4, 7, 8]] != 0).all()


def test_channels_of_very_different_size_stay_apart_in_int8():
    """A depthwise network under normalisation has them; one scale for all would round the small ones to nothing."""
    torch.manual_seed(0)
    shapes = Shapes(numeric=64, cardinalities=(), classes=3, size=(8, 8))
    module = plugins.build("students", "convnet", {"width": 8, "blocks": 2}).build(shapes, 3)
    rows = torch.randn(400, 1, 8, 8)
    for _ in range(30):
        module(rows, torch.empty(400, 0, dtype=torch.int64))  # the normalisation learns what comes in
    first, depthwise = module.body.layers[0], module.body.layers[2]
    size = torch.logspace(-1, 1, 8)  # what one layer makes large the next one makes small
    with torch.no_grad():
        first[1].weight *= size
        first[1].bias *= size
        depthwise[0].weight /= size.reshape(-1, 1, 1, 1)
    core = module.eval().onnx()
    feeds = {"/numeric": rows[:, 0].numpy()}
    sure, rough = (logits_of(one, feeds["/numeric"], None) for one in (core, quantised(core, feeds)))
    assert np.abs(rough - sure).mean() < 0.05 * np.ptp(sure)  # 0.03; 0.10 with one scale


def test_what_goes_into_a_logarithm_is_not_rounded():
    """Energies span decades: 256 even steps would leave the loudest decade alone, and of the rest nothing."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    weights = {"bands": rng.uniform(size=(16, 8)), "head": rng.normal(size=(8, 3))}
    nodes = [
        helper.make_node("MatMul", ["/numeric", "bands"], ["energy"]),
        helper.make_node("Log", ["energy"], ["mel"]),
        helper.make_node("MatMul", ["mel", "head"], ["logits"]),
    ]
    core = helper.make_model(
        helper.make_graph(
            nodes,
            "mel",
            [helper.make_tensor_value_info("/numeric", TensorProto.FLOAT, ["N", 16])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3])],
            [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    numeric = (10.0 ** rng.uniform(-4, 2, (400, 1)) * rng.uniform(0.5, 1.5, (400, 16))).astype(np.float32)
    sure = logits_of(core, numeric, None)
    made = quantised(core, {"/numeric": numeric})
    assert sum(node.op_type == "QuantizeLinear" for node in made.graph.node) == 1  # of the mel bands alone
    assert np.abs(logits_of(made, numeric, None) - sure).max() < 0.05 * np.ptp(sure)


def test_probabilities_before_a_logarithm_are_quantised():
    """A network that ends in log(softmax) is a network: what lies before its probabilities spans no decades."""
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(size=(64, 5)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["/numeric", "w"], ["z"]),
        helper.make_node("Softmax", ["z"], ["p"], axis=1),
        helper.make_node("Log", ["p"], ["logits"]),
    ]
    inputs = [helper.make_tensor_value_info("/numeric", TensorProto.FLOAT, ["N", 64])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 5])]
    graph = helper.make_graph(nodes, "net", inputs, outputs, [numpy_helper.from_array(weights, "w")])
    core = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    made = quantised(core, {"/numeric": np.random.default_rng(1).normal(size=(200, 64)).astype(np.float32)})
    assert any(node.op_type == "QuantizeLinear" for node in made.graph.node)
