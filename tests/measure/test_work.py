from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from autodistill import runtime
from autodistill.errors import ArtefactError
from autodistill.runtime import graph, trees

RNG = np.random.default_rng(1)


def model(nodes: list[Any], shape: tuple[Any, ...], tensors: dict[str, np.ndarray], path: Path) -> Path:
    info = helper.make_tensor_value_info
    initializers = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in tensors.items()]
    made = helper.make_graph(
        nodes, "g", [info("x", TensorProto.FLOAT, shape)], [info("y", TensorProto.FLOAT, None)], initializers
    )
    made.output[0].type.tensor_type.ClearField("shape")
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    path.write_bytes(helper.make_model(made, opset_imports=opsets, ir_version=9).SerializeToString())
    return path


def torch_macs(network: Any, example: np.ndarray) -> float:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        network(torch.from_numpy(example))
    return float(counter.get_total_flops()) / 2


def test_the_macs_of_a_perceptron_are_torchs(tmp_path: Path) -> None:
    import torch

    node = helper.make_node
    tensors = {"a": RNG.normal(size=(12, 40)), "b": RNG.normal(size=40), "c": RNG.normal(size=(40, 5))}
    layers = [node("Gemm", ["x", "a", "b"], ["h"]), node("Relu", ["h"], ["r"]), node("MatMul", ["r", "c"], ["y"])]
    path = model(layers, ("N", 12), tensors, tmp_path / "m.onnx")
    network = torch.nn.Sequential(torch.nn.Linear(12, 40), torch.nn.ReLU(), torch.nn.Linear(40, 5, bias=False))
    x = RNG.normal(size=(8, 12)).astype(np.float32)
    counted = runtime.count(path, {"x": x}, batch=8)
    assert counted.macs == {"fp32": torch_macs(network, x) / 8}
    assert counted.unknown == ()
    assert counted.weights == 4 * (12 * 40 + 40 + 40 * 5)
    assert counted.weight_bytes == counted.weights / 8
    alone = runtime.count(path, {"x": x}, batch=1)
    assert (alone.macs, alone.weight_bytes) == (counted.macs, counted.weights)


@pytest.mark.parametrize(("group", "stride"), [(1, 1), (4, 2)])
def test_the_macs_of_a_convolution_are_torchs(tmp_path: Path, group: int, stride: int) -> None:
    import torch

    kernel = RNG.normal(size=(8, 4 // group, 3, 3))
    convolution = helper.make_node("Conv", ["x", "k"], ["y"], group=group, strides=[stride] * 2, pads=[1, 1, 1, 1])
    path = model([convolution], ("N", 4, 9, 9), {"k": kernel}, tmp_path / "m.onnx")
    network = torch.nn.Conv2d(4, 8, 3, stride=stride, padding=1, groups=group, bias=False)
    x = RNG.normal(size=(2, 4, 9, 9)).astype(np.float32)
    assert runtime.count(path, {"x": x}, batch=2).macs == {"fp32": torch_macs(network, x) / 2}


def test_batched_and_transposed_products_are_counted(tmp_path: Path) -> None:
    node = helper.make_node
    turned = node("FusedMatMul", ["x", "w"], ["y"], domain="com.microsoft", transB=1)
    path = model([turned], ("N", 6, 10), {"w": RNG.normal(size=(3, 10))}, tmp_path / "turned.onnx")
    x = RNG.normal(size=(4, 6, 10)).astype(np.float32)
    assert runtime.count(path, {"x": x}, batch=4).macs == {"fp32": 6 * 10 * 3}
    score = [node("Transpose", ["x"], ["t"], perm=[0, 2, 1]), node("MatMul", ["x", "t"], ["y"])]
    path = model(score, ("N", 6, 10), {}, tmp_path / "score.onnx")
    assert runtime.count(path, {"x": x}, batch=4).macs == {"fp32": 6 * 10 * 6}


def test_a_recurrent_network_is_counted(tmp_path: Path) -> None:
    tensors = {"w": RNG.normal(size=(1, 20, 3)), "r": RNG.normal(size=(1, 20, 5))}
    lstm = helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=5)
    path = model([lstm], (7, "N", 3), tensors, tmp_path / "m.onnx")
    x = RNG.normal(size=(7, 1, 3)).astype(np.float32)
    assert runtime.count(path, {"x": x}, batch=1).macs == {"fp32": 7 * (20 * 3 + 20 * 5)}


def test_a_table_of_embeddings_costs_the_rows_that_are_read(tmp_path: Path) -> None:
    node = helper.make_node
    steps = [node("Cast", ["x"], ["i"], to=TensorProto.INT64), node("Gather", ["table", "i"], ["y"])]
    path = model(steps, ("N",), {"table": RNG.normal(size=(1000, 8))}, tmp_path / "m.onnx")
    counted = runtime.count(path, {"x": np.arange(4, dtype=np.float32)}, batch=1)
    assert (counted.weight_bytes, counted.weights) == (8 * 4, 1000 * 8 * 4)


def test_an_operator_without_a_rule_is_named_not_counted_as_nothing(tmp_path: Path) -> None:
    product = helper.make_node("Einsum", ["x", "w"], ["y"], equation="ni,ij->nj")
    path = model([product], ("N", 3), {"w": RNG.normal(size=(3, 2))}, tmp_path / "m.onnx")
    assert runtime.count(path, {"x": np.ones((2, 3), np.float32)}).unknown == ("Einsum",)


@pytest.mark.filterwarnings("ignore")  # of onnxruntime.quantization, about a model that was not preprocessed
def test_a_quantised_artefact_is_counted_as_it_runs(student: Path, rows: Any, tmp_path: Path) -> None:
    from onnxruntime import quantization

    opened = runtime.open(student)

    class Feeds(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = [opened.feed(rows, slice(at, at + 50)) for at in range(0, 200, 50)]

        def get_next(self) -> dict[str, Any] | None:
            return self.left.pop() if self.left else None

    small = tmp_path / "int8.onnx"
    quantization.quantize_static(student, small, Feeds(), op_types_to_quantize=["Gemm", "MatMul"])
    plain, quantised = runtime.count(student, rows), runtime.count(small, rows)
    assert plain.macs == {"fp32": 3 * 16 + 16 * 2}
    assert quantised.macs == {"int8": 3 * 16 + 16 * 2}
    assert quantised.unknown == ()


def test_tree_visits_are_the_paths_that_sklearn_takes(teacher: Path, boosted: Any, rows: Any, make: Any) -> None:
    x = make.features(rows)
    paths = sum(tree.decision_path(x).sum() for tree in boosted.estimators_.ravel()) / len(x)
    counted = runtime.count(teacher, rows)
    assert counted.tree_visits == pytest.approx(paths)
    nodes = sum(tree.tree_.node_count for tree in boosted.estimators_.ravel())
    assert counted.tree_bytes == nodes * trees.NODE_BYTES
    assert (counted.macs, counted.unknown) == ({}, ())
    words = np.mean([len(sex.encode()) for sex in rows["sex"]])
    assert counted.key_bytes == pytest.approx(words + 8)  # and the int64 code that becomes a label


STUMP = {
    "nodes_treeids": np.array([0, 0, 0]), "nodes_nodeids": np.array([0, 1, 2]), "nodes_featureids": np.array([1, 0, 0]),
    "nodes_values": np.array([0.5, 0, 0], np.float32), "nodes_truenodeids": np.array([1, 0, 0]),
    "nodes_falsenodeids": np.array([2, 0, 0]), "nodes_modes": [b"BRANCH_LEQ", b"LEAF", b"LEAF"],
}  # fmt: skip


def stump(**changed: Any) -> graph.Node:
    return graph.Node("TreeEnsembleRegressor", "ai.onnx.ml", "", ("x",), ("y",), STUMP | changed)


def test_trees_that_cannot_be_walked_are_refused() -> None:
    x = np.zeros((4, 2), np.float32)
    assert trees.visits(stump(), x) == 2
    with pytest.raises(ArtefactError, match="path without a leaf"):
        trees.visits(stump(nodes_truenodeids=np.array([0, 0, 0])), x)
    with pytest.raises(ArtefactError, match="feature that its input lacks"):
        trees.visits(stump(), x[:, :1])
    assert trees.known(stump())
    assert not trees.known(stump(nodes_modes=[b"BRANCH_MEMBER", b"LEAF", b"LEAF"]))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="cannot be read"):
        runtime.count(tmp_path / "absent.onnx", {"x": np.zeros(1, np.float32)})


def test_missing_values_go_where_the_tree_sends_them() -> None:
    attributes = {
        "nodes_treeids": np.array([0, 0, 0, 0, 0]), "nodes_nodeids": np.array([0, 1, 2, 3, 4]),
        "nodes_featureids": np.array([0, 0, 1, 0, 0]), "nodes_values": np.array([0.5, 0, 0.5, 0, 0], np.float32),
        "nodes_truenodeids": np.array([1, 0, 3, 0, 0]), "nodes_falsenodeids": np.array([2, 0, 4, 0, 0]),
        "nodes_modes": [b"BRANCH_LEQ", b"LEAF", b"BRANCH_GT", b"LEAF", b"LEAF"],
    }  # fmt: skip
    x = np.array([[0.0, 0.0], [np.nan, 0.0], [1.0, np.nan]], np.float32)

    def visits(**more: Any) -> list[float]:
        node = graph.Node("TreeEnsembleRegressor", "ai.onnx.ml", "", ("x",), ("y",), attributes | more)
        return [trees.visits(node, row[None]) for row in x]

    assert visits() == [2, 3, 3]
    assert visits(nodes_missing_value_tracks_true=np.array([1, 0, 0, 0, 0])) == [2, 2, 3]


@pytest.mark.filterwarnings("ignore")
def test_a_linear_model_is_counted_by_its_coefficients(tmp_path: Path) -> None:
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    x = RNG.normal(size=(60, 4)).astype(np.float32)
    fitted = LogisticRegression().fit(x, np.arange(60) % 3)
    path = tmp_path / "linear.onnx"
    path.write_bytes(to_onnx(fitted, x[:1], options={id(fitted): {"zipmap": False}}).SerializeToString())
    counted = runtime.count(path, {"X": x}, batch=5)
    assert counted.macs == {"fp32": 12}
    assert counted.weight_bytes == 4 * 12 / 5
