"""Small artefacts on raw rows: a perceptron with a look-up, a boosted ensemble, both as the exporter lays them out."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

COLUMNS = ("age", "hours", "sex")


def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    shapes = {"w1": (3, 16), "b1": (16,), "w2": (16, 2), "b2": (2,)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def tail(probabilities: str) -> list[onnx.NodeProto]:
    """From probabilities [N, 2] to ``probability_no``, ``probability_yes`` and ``label``."""
    make = helper.make_node
    return [
        make("Split", [probabilities], ["p0", "p1"], axis=1, num_outputs=2),
        make("Squeeze", ["p0", "one"], ["probability_no"]),
        make("Squeeze", ["p1", "one"], ["probability_yes"]),
        make("ArgMax", [probabilities], ["code"], axis=1, keepdims=0),
        make(
            "LabelEncoder", ["code"], ["label"], domain="ai.onnx.ml", keys_int64s=[0, 1], values_strings=["no", "yes"]
        ),
    ]


def finish(nodes: list[onnx.NodeProto], tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> onnx.ModelProto:
    info = helper.make_tensor_value_info
    inputs = [info(name, TensorProto.STRING if name == "sex" else TensorProto.FLOAT, ["N"]) for name in COLUMNS]
    outputs = [info("label", TensorProto.STRING, ["N"])]
    outputs += [info(f"probability_{name}", TensorProto.FLOAT, ["N"]) for name in ("no", "yes")]
    initializers = [numpy_helper.from_array(value, name) for name, value in tensors.items()]
    graph = helper.make_graph(nodes, "artefact", inputs, outputs, initializers)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    helper.set_model_props(model, metadata)
    return model


def front() -> list[onnx.NodeProto]:
    """From the columns to ``x`` [N, 3]; sex is M 0, F 1, anything else 2."""
    make = helper.make_node
    look_up = make(
        "LabelEncoder", ["sex"], ["sex_code"], domain="ai.onnx.ml", keys_strings=["M", "F"],
        values_floats=[0.0, 1.0], default_float=2.0,
    )  # fmt: skip
    columns = ["age", "hours", "sex_code"]
    wide = [make("Unsqueeze", [name, "one"], [f"{name}_2d"]) for name in columns]
    return [look_up, *wide, make("Concat", [f"{name}_2d" for name in columns], ["x"], axis=1)]


def perceptron(**metadata: str) -> onnx.ModelProto:
    make = helper.make_node
    nodes = [
        *front(),
        make("Gemm", ["x", "w1", "b1"], ["h"]),
        make("Relu", ["h"], ["r"]),
        make("Gemm", ["r", "w2", "b2"], ["logits"]),
        make("Softmax", ["logits"], ["p"], axis=1),
        *tail("p"),
    ]
    return finish(nodes, weights() | {"one": np.array([1])}, {"classes": '["no", "yes"]'} | metadata)


def table(rows: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "age": rng.normal(size=rows).astype(np.float32),
        "hours": rng.normal(size=rows).astype(np.float32),
        "sex": np.array(["M", "F", "", "other"], dtype=object)[rng.integers(0, 4, rows)],
        "unused": np.arange(rows, dtype=np.float32),
    }


def features(rows: dict[str, Any]) -> np.ndarray:
    """What the front end makes of rows, computed in numpy."""
    codes = np.array([{"M": 0.0, "F": 1.0}.get(sex, 2.0) for sex in rows["sex"]])
    return np.stack([rows["age"], rows["hours"], codes], axis=1).astype(np.float32)


@pytest.fixture(scope="session")
def rows() -> dict[str, Any]:
    return table(600)


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("artefacts") / "student.onnx"
    path.write_bytes(perceptron(architecture="perceptron-16").SerializeToString())
    return path


@pytest.fixture(scope="session")
def boosted(rows: dict[str, Any]) -> Any:
    from sklearn.ensemble import GradientBoostingClassifier

    x = features(rows)
    y = (x[:, 0] + x[:, 1] * (x[:, 2] == 1) > 0).astype(int)
    return GradientBoostingClassifier(n_estimators=30, max_depth=4, random_state=0).fit(x, y)


@pytest.fixture(scope="session")
def teacher(boosted: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from skl2onnx import to_onnx

    core = to_onnx(boosted, np.zeros((1, 3), np.float32), options={id(boosted): {"zipmap": False}}, target_opset=18)
    trees = next(node for node in core.graph.node if node.op_type.startswith("TreeEnsemble"))
    trees.input[0] = "x"
    trees.output[:] = ["ignored", "p"]
    path = tmp_path_factory.mktemp("artefacts") / "teacher.onnx"
    path.write_bytes(finish([*front(), trees, *tail("p")], {"one": np.array([1])}, {}).SerializeToString())
    return path


@pytest.fixture(scope="session")
def make() -> Any:
    """The builders above, for tests that make their own artefacts."""
    from types import SimpleNamespace

    return SimpleNamespace(
        table=table, features=features, perceptron=perceptron, weights=weights, finish=finish, front=front, tail=tail
    )
