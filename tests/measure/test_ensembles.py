"""Trees as the students write them: their visits and sizes, and that every student's work can be counted."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestRegressor

from autodistill import plugins, runtime
from autodistill.errors import ArtefactError
from autodistill.export import Answer, export, wrap
from autodistill.runtime import graph, trees


def fitted(got: Any, family: str, classes: int, **options: Any) -> tuple[Any, np.ndarray]:
    x = got.encoding.apply_matrix(got.features)
    soft = got.y[:, None].astype(np.float32) if classes == 1 else np.eye(classes, dtype=np.float32)[got.y]
    return plugins.build("students", family, options).build(got.encoding.shapes(classes), classes).fit(x, soft, None), x


def plain_visits(nodes: Any, row: np.ndarray) -> int:
    """Nodes that a row meets in one of scikit-learn's boosted trees, its leaf included."""
    at, met = 0, 1
    while not nodes[at]["is_leaf"]:
        yes = row[nodes[at]["feature_idx"]] <= nodes[at]["num_threshold"]
        at, met = int(nodes[at]["left"] if yes else nodes[at]["right"]), met + 1
    return met


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_a_tree_s_visits_are_the_path_that_sklearn_takes(loans: Any, classes: int, tmp_path: Path) -> None:
    got = loans(classes)
    model, x = fitted(got, "tree", classes, leaves=20, min_rows=5)
    artefact = wrap(got.encoding, model.onnx(), Answer(classes=got.classes), tmp_path / "s.onnx")
    counted = runtime.count(artefact.path, got.features)
    assert counted.unknown == ()
    assert counted.tree_visits == pytest.approx(model._model.decision_path(x).sum() / len(x))
    assert counted.tree_bytes == model._model.tree_.node_count * trees.NODE_BYTES == 39 * trees.NODE_BYTES
    assert counted.weights < 4 * 20 * classes + 200  # the table of shares, not the cuts: those are in tree_bytes


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_boosted_visits_are_those_of_a_plain_walk(loans: Any, classes: int, tmp_path: Path) -> None:
    got = loans(classes)
    model, x = fitted(got, "boosted", classes, trees=5, leaves=7)
    artefact = wrap(got.encoding, model.onnx(), Answer(classes=got.classes), tmp_path / "s.onnx")
    grown = [one.nodes for round_ in model._model._predictors for one in round_]
    met = sum(plain_visits(nodes, row) for nodes in grown for row in x) / len(x)
    counted = runtime.count(artefact.path, got.features)
    assert (counted.unknown, counted.macs) == ((), {})
    assert counted.tree_visits == pytest.approx(met)
    assert counted.tree_bytes == sum(map(len, grown)) * trees.NODE_BYTES


def test_both_layouts_of_the_same_trees_cost_the_same(loans: Any, tmp_path: Path) -> None:
    """skl2onnx spells a forest out in the older layout; the same trees are written in the newer one."""
    from autodistill.students import _ensemble as ensemble

    got = loans(1)
    x = got.encoding.apply_matrix(got.features)
    forest = RandomForestRegressor(4, max_depth=5, random_state=0).fit(x, got.y)
    same = [
        ensemble.Tree(
            feature=one.feature.astype(np.int64), cut=one.threshold, left=one.children_left.astype(np.int64),
            right=one.children_right.astype(np.int64), leaf=one.children_left < 0, value=one.value.ravel(), target=0,
        )
        for one in (estimator.tree_ for estimator in forest.estimators_)
    ]  # fmt: skip
    new = ensemble.model([ensemble.node(same, 1, "features", "values")], x.shape[1], "values", 1)
    found = []
    for name, core in (("old", to_onnx(forest, x[:1])), ("new", new)):
        artefact = wrap(got.encoding, core, Answer(classes=()), tmp_path / f"{name}.onnx")
        found.append(runtime.count(artefact.path, got.features))
    old, new_ = found
    assert "TreeEnsembleRegressor" in {n.op_type for n in onnx.load(tmp_path / "old.onnx").graph.node}
    assert (old.tree_visits, old.tree_bytes, old.unknown) == (new_.tree_visits, new_.tree_bytes, new_.unknown)
    assert old.weights == new_.weights


def changed(**attributes: Any) -> graph.Node:
    """Two cuts and three leaves: x0 ≤ 0.5 ends at once, else x1 > 0.5 decides."""

    def tensor(values: np.ndarray, kind: int) -> graph.Tensor:
        return graph.Tensor("", kind, values.shape, None, values)

    given = {
        "tree_roots": np.array([0]), "nodes_featureids": np.array([0, 1]),
        "nodes_splits": tensor(np.array([0.5, 0.5], np.float32), 1),
        "nodes_modes": tensor(np.array([0, 3], np.uint8), 2),
        "nodes_truenodeids": np.array([0, 1]), "nodes_trueleafs": np.array([1, 1]),
        "nodes_falsenodeids": np.array([1, 2]), "nodes_falseleafs": np.array([0, 1]),
        "leaf_weights": tensor(np.zeros(3, np.float32), 1),
    }  # fmt: skip
    return graph.Node("TreeEnsemble", "ai.onnx.ml", "", ("x",), ("y",), given | attributes)


def test_missing_values_go_where_the_tree_sends_them() -> None:
    x = np.array([[0.5, 0.0], [np.nan, 0.0], [1.0, np.nan]], np.float32)
    assert trees.known(changed())
    assert trees.size(changed()) == 5
    assert [trees.visits(changed(), row[None]) for row in x] == [2, 3, 3]
    tracked = changed(nodes_missing_value_tracks_true=np.array([1, 0]))
    assert [trees.visits(tracked, row[None]) for row in x] == [2, 2, 3]


def test_trees_that_cannot_be_walked_are_refused() -> None:
    x = np.ones((4, 2), np.float32)
    with pytest.raises(ArtefactError, match="feature that its input lacks"):
        trees.visits(changed(), x[:, :1])
    with pytest.raises(ArtefactError, match="path without a leaf"):
        trees.visits(changed(nodes_falsenodeids=np.array([0, 2])), x)
    for name, value in {"nodes_falsenodeids": [1, 3], "nodes_truenodeids": [-1, 1], "tree_roots": [2]}.items():
        with pytest.raises(ArtefactError, match="node is not there"):
            trees.visits(changed(**{name: np.array(value)}), x)
    member = graph.Tensor("", 2, (2,), None, np.array([0, 6], np.uint8))
    assert not trees.known(changed(nodes_modes=member))
    assert not trees.known(changed(nodes_splits=graph.Tensor("", 11, (2,))))
    assert not trees.known(changed(nodes_trueleafs=None))


@pytest.mark.parametrize("raw", [True, False])
def test_tensors_in_attributes_are_read_as_the_onnx_package_reads_them(raw: bool) -> None:
    real, whole = np.array([[1.5, -2.0, np.inf]], np.float32), np.array([0, 7, 128, 255], np.uint8)
    kinds = {"real": (TensorProto.FLOAT, real), "whole": (TensorProto.UINT8, whole)}
    given = {
        name: helper.make_tensor(name, kind, values.shape, values.tobytes() if raw else values.ravel(), raw=raw)
        for name, (kind, values) in kinds.items()
    }
    node = helper.make_node("Any", ["a"], ["b"], **given)
    info = helper.make_tensor_value_info("b", TensorProto.FLOAT, [1])
    model = helper.make_model(helper.make_graph([node], "g", [], [info]))
    found = graph.read(model.SerializeToString()).graph.nodes[0].attributes
    for name, tensor in given.items():
        expected = numpy_helper.to_array(tensor)
        np.testing.assert_array_equal(found[name].values.reshape(found[name].dims), expected)
        assert found[name].values.dtype == expected.dtype
    node.attribute[0].t.dims[0] = 9
    model = helper.make_model(helper.make_graph([node], "g", [], [info]))
    with pytest.raises(ArtefactError, match="values that its shape says"):
        graph.read(model.SerializeToString())


NETWORKS = [
    ("mlp", {"activation": name, "periodic": at}, precision)
    for at, name in enumerate(("relu", "gelu", "silu"))
    for precision in ("fp32", "int8")
]


@pytest.mark.filterwarnings("ignore")  # of the quantiser
@pytest.mark.parametrize(("family", "options", "precision"), [*NETWORKS, ("linear", {}, "fp32")])
def test_a_network_s_work_has_a_rule_for_every_operator(
    loans: Any, family: str, options: dict[str, Any], precision: str, tmp_path: Path
) -> None:
    got = loans(2)
    torch.manual_seed(0)
    module = plugins.build("students", family, options).build(got.encoding.shapes(2), 2)
    answer = Answer(classes=got.classes, positive=1, threshold=0.4)
    artefact = export(got.encoding, module, answer, tmp_path / "s.onnx", got.at(slice(0, 100)), precision=precision)
    counted = runtime.count(artefact.path, got.features)
    assert (counted.unknown, set(counted.macs)) == ((), {precision})


def test_a_constant_s_work_is_counted(loans: Any, tmp_path: Path) -> None:
    got = loans(2)
    model, _ = fitted(got, "majority", 2)
    artefact = wrap(got.encoding, model.onnx(), Answer(classes=got.classes), tmp_path / "s.onnx")
    counted = runtime.count(artefact.path, got.features)
    assert (counted.unknown, counted.macs, counted.tree_visits) == ((), {}, 4)  # a cut and a leaf, a class
