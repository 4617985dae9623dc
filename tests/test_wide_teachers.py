"""Teachers label rows that lie in a file as they label them in memory, and so do their artefacts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from test_teacher_huggingface import CALLED, TEXT, N, bert, prepare, table, texts

from autodistill import teacher
from autodistill.inputs.image import Image
from autodistill.records import columns
from autodistill.records.columns import Numbers, Texts

__all__ = ["bert"]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "PIECE", 300)


def in_file(column: Any, folder: Path) -> Any:
    """The same rows in a file."""
    if column.dtype != object:
        np.save(folder / "0.npy", column)
        return Numbers(folder / "0.npy")
    parts = [text.encode() for text in column]
    np.save(folder / "0.npy", np.frombuffer(b"".join(parts), np.uint8))
    np.save(folder / "1.npy", np.cumsum([len(part) for part in parts]))
    return Texts(folder / "0.npy", folder / "1.npy")


def both(column: Any, tmp_path: Path) -> list[Any]:
    """A table of these rows in memory, and of the same in a file."""
    of = table(column)
    return [of, replace(of, features={"it": in_file(column, tmp_path)})]


def alike(found: list[teacher.Teacher]) -> None:
    plain, other = found
    assert plain.digest == other.digest
    np.testing.assert_allclose(other.scores, plain.scores, atol=1e-6)
    assert np.ptp(plain.scores[:, 0]) > 1e-3
    assert (plain.onnx, plain.why_no_onnx) == (other.onnx, other.why_no_onnx)


@pytest.mark.parametrize("encoder", [False, True])
def test_a_model_of_hugging_face(encoder: bool, bert: Path, tmp_path: Path) -> None:
    asked = {"encoder": True} if encoder else {"classes": CALLED, "features": True}
    found = [
        prepare(of, TEXT, tmp_path / str(at), bert, batch=7, **asked) for at, of in enumerate(both(texts(), tmp_path))
    ]
    alike(found)
    np.testing.assert_allclose(found[1].features, found[0].features, atol=1e-6)


def pictures() -> Any:
    return np.random.default_rng(0).integers(0, 256, (N, 5, 5), dtype=np.uint8)


def labelled(kind: str, options: dict[str, Any], tmp_path: Path) -> list[teacher.Teacher]:
    found = []
    for at, of in enumerate(both(pictures(), tmp_path)):
        train = of.splits["train"]
        encoding = Image(column="it").fit(of.rows("train"), of.y[train], of.classes)
        refit = lambda features, y: Image(column="it").fit(features, y, ("no", "yes"))  # noqa: E731
        found.append(teacher.prepare(kind, options, of, encoding, cache=tmp_path / str(at), refit=refit))
    return found


def test_a_file_of_onnx(tmp_path: Path) -> None:
    weight = np.random.default_rng(1).normal(size=(25, 2)).astype(np.float32) / 900
    nodes = [
        helper.make_node("Cast", ["it"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["real"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["logits"]),
    ]
    given = helper.make_tensor_value_info("it", TensorProto.UINT8, ["N", 5, 5])
    result = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2])
    graph = helper.make_graph(nodes, "g", [given], [result], [numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "m.onnx")
    alike(labelled("onnx", {"path": str(tmp_path / "m.onnx"), "says": "logits"}, tmp_path))


class Net(torch.nn.Module):
    """A line over pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(25, 2)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.line(pixels.float().flatten(1) / 255)


@pytest.mark.parametrize("reads", ["columns", "encoded"])
def test_a_network_of_pytorch(reads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    torch.manual_seed(0)
    torch.save(Net().state_dict(), tmp_path / "net.pt")
    options = {"path": str(tmp_path / "net.pt"), "network": "test_wide_teachers.Net", "reads": reads}
    alike(labelled("torch", options, tmp_path))


def test_an_estimator_that_is_fitted_by_folds(tmp_path: Path) -> None:
    alike(labelled("sklearn", {"estimator": "sklearn.linear_model.LogisticRegression", "C": 0.01}, tmp_path))
