"""A PyTorch network as a teacher: programs, state dicts, what is unpickled only with trust, features, its artefact."""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from autodistill import runtime, teacher
from autodistill.errors import SpecError, TeacherError
from autodistill.inputs.image import Image
from autodistill.inputs.tabular import Tabular
from autodistill.records import Dataset, digest

N, TRAIN = 120, 60
HERE = f"tests.{__name__.rpartition('.')[2]}"
CLASSES = ("a", "b", "c")


def table(classes: tuple[str, ...] = CLASSES, **features: Any) -> Dataset:
    rng = np.random.default_rng(5)
    x = rng.normal(size=N).astype(np.float32)
    given = features or {"x": x, "job": rng.choice(["clerk", "smith"], N).astype(object)}
    parts = np.split(np.arange(N), [TRAIN, 80, 100])
    return Dataset(
        features=given,
        y=np.arange(N) % len(classes) if classes else x.astype(np.float64),
        classes=classes,
        positive=None,
        favourable=None,
        groups={},
        row_ids=np.arange(N),
        splits=dict(zip(("train", "search", "audit", "sealed"), parts, strict=True)),
        digests={},
        row_digests=np.array([digest(f"{at}".encode())[:16] for at in range(N)]),
        leakage={},
    )


def prepare(of: Dataset, cache: Path, path: Path, **options: Any) -> teacher.Teacher:
    kind = Image(column="picture") if "picture" in of.features else Tabular()
    encoding = kind.fit(of.rows("train"), of.y[of.splits["train"]], of.classes)
    return teacher.prepare("torch", {"path": str(path), **options}, of, encoding, cache=cache)


class Net(nn.Module):
    """Numbers and codes → logits."""

    def __init__(self, outputs: int = 3, hidden: int = 5) -> None:
        super().__init__()
        self.codes = nn.Embedding(8, 2)
        self.body = nn.Sequential(nn.Linear(1 + 2, hidden), nn.ReLU())
        self.head = nn.Linear(hidden, outputs)

    def forward(self, numeric: Any, codes: Any) -> Any:
        return self.head(self.body(torch.cat([numeric, self.codes(codes).flatten(1)], dim=1)))


class Convolved(nn.Module):
    """uint8 pictures [n, H, W] → probabilities."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(1, 4, 3)
        self.head = nn.Linear(4, 3)

    def forward(self, picture: Any) -> Any:
        maps = self.body(picture[:, None].float() / 255)
        return self.head(maps.mean(dim=(2, 3))).softmax(dim=1)


def doubled(features: Any) -> Any:
    return np.stack([features["x"], 2 * features["x"]], axis=1)


def network(make: Callable[[], nn.Module] = Net) -> Any:
    torch.manual_seed(0)
    return make().eval()


def expected(of: Dataset, net: Any) -> tuple[np.ndarray, np.ndarray]:
    encoding = Tabular().fit(of.rows("train"), of.y[of.splits["train"]], of.classes)
    numeric, codes = (torch.from_numpy(part) for part in encoding.apply(of.features))
    hidden = net.body(torch.cat([numeric, net.codes(codes).flatten(1)], dim=1))
    return net.head(hidden).softmax(dim=1).detach().numpy(), hidden.detach().numpy()


def exported(net: Any, path: Path, example: tuple[Any, ...], rows: bool = True) -> Path:
    axis = torch.export.Dim("N")
    shapes = tuple({0: axis} for _ in example) if rows else None
    torch.export.save(torch.export.export(net, example, dynamic_shapes=shapes), path)
    return path


EXAMPLE = (torch.zeros(4, 1), torch.zeros(4, 1, dtype=torch.int64))


def test_a_state_dict_labels_with_features_and_becomes_an_artefact(tmp_path: Path) -> None:
    of, net = table(), network()
    torch.save(net.state_dict(), tmp_path / "n.pt")
    found = prepare(of, tmp_path, tmp_path / "n.pt", network=f"{HERE}.Net", hook="body", order=["c", "a", "b"], batch=7)
    shares, hidden = expected(of, net)
    np.testing.assert_allclose(found.scores, shares[:, [1, 2, 0]], atol=1e-6)
    assert found.features is not None
    np.testing.assert_allclose(found.features, hidden, atol=1e-6)
    assert found.onnx is not None, found.why_no_onnx
    session = runtime.open(found.onnx)
    assert session.classes == CLASSES
    np.testing.assert_allclose(session.probabilities(of.features), shares[:, [1, 2, 0]], atol=1e-5)
    assert found.saw == "unknown"
    again = prepare(of, tmp_path, tmp_path / "n.pt", network=f"{HERE}.Net", hook="body", order=["c", "a", "b"], batch=7)
    assert again.cached
    assert again.features is not None
    np.testing.assert_array_equal(again.features, found.features)


@pytest.mark.parametrize("hook", [None, "body"])
def test_a_program_is_run_as_it_is(hook: str | None, tmp_path: Path) -> None:
    of, net = table(), network()
    path = exported(net, tmp_path / "n.pt2", EXAMPLE)
    found = prepare(of, tmp_path, path, artefact=False, **({"hook": hook} if hook else {}))
    shares, hidden = expected(of, net)
    np.testing.assert_allclose(found.scores, shares, atol=1e-6)
    if hook:
        np.testing.assert_allclose(found.features, hidden, atol=1e-6)
    assert found.why_no_onnx == "none was asked for"
    assert "taken in the order a, b, c" in " ".join(found.notes)


@pytest.mark.long
def test_a_program_becomes_an_artefact(tmp_path: Path) -> None:
    of, net = table(), network()
    found = prepare(of, tmp_path, exported(net, tmp_path / "n.pt2", EXAMPLE))
    assert found.onnx is not None, found.why_no_onnx
    np.testing.assert_allclose(runtime.open(found.onnx).probabilities(of.features), expected(of, net)[0], atol=1e-5)


def test_a_program_for_a_fixed_number_of_rows(tmp_path: Path) -> None:
    of, net = table(), network()
    found = prepare(of, tmp_path, exported(net, tmp_path / "n.pt2", EXAMPLE, rows=False))
    np.testing.assert_allclose(found.scores, expected(of, net)[0], atol=1e-6)
    assert "one number of rows a call" in found.why_no_onnx


def test_pictures_as_they_are_in_their_column(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (N, 6, 6)).astype(np.uint8)
    of, net = table(picture=pictures), network(Convolved)
    torch.save(net.state_dict(), tmp_path / "n.pt")
    asked = {"network": f"{HERE}.Convolved", "reads": "columns", "says": "probabilities", "hook": "body"}
    found = prepare(of, tmp_path, tmp_path / "n.pt", **asked)
    np.testing.assert_allclose(found.scores, net(torch.from_numpy(pictures)).detach().numpy(), atol=1e-6)
    maps = net.body(torch.from_numpy(pictures)[:, None].float() / 255)
    np.testing.assert_allclose(found.features, maps.mean(dim=(2, 3)).detach().numpy(), atol=1e-6)
    assert found.onnx is not None, found.why_no_onnx
    np.testing.assert_allclose(runtime.open(found.onnx).probabilities(of.features), found.scores, atol=1e-5)


def test_a_function_may_prepare_and_one_number_is_a_regression(tmp_path: Path) -> None:
    of, net = table(()), network(lambda: nn.Linear(2, 1))
    torch.save(net.state_dict(), tmp_path / "n.pt")
    asked = {"network": "torch.nn.Linear", "in_features": 2, "out_features": 1, "prepare": f"{HERE}.doubled"}
    found = prepare(of, tmp_path, tmp_path / "n.pt", **asked)
    x = torch.from_numpy(doubled(of.features))
    np.testing.assert_allclose(found.decisions, net(x)[:, 0].detach().numpy(), atol=1e-6)
    assert "doubled prepares its rows in Python" in found.why_no_onnx
    two = prepare(table(("a", "b")), tmp_path, tmp_path / "n.pt", **asked)
    np.testing.assert_allclose(two.scores[:, 1], net(x)[:, 0].sigmoid().detach().numpy(), atol=1e-6)


def test_safetensors(tmp_path: Path) -> None:
    save = pytest.importorskip("safetensors.torch").save_file
    of, net = table(), network()
    save(net.state_dict(), tmp_path / "n.safetensors")
    found = prepare(of, tmp_path, tmp_path / "n.safetensors", network=f"{HERE}.Net", artefact=False)
    np.testing.assert_allclose(found.scores, expected(of, net)[0], atol=1e-6)


class Bomb:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["BOMB"],)


@pytest.fixture
def bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BOMB", str(tmp_path / "gone off"))
    return tmp_path / "gone off"


def test_nothing_is_unpickled_without_trust(tmp_path: Path, bomb: Path) -> None:
    torch.save({"x": Bomb()}, tmp_path / "n.pt")
    with pytest.raises(TeacherError, match=r"holds more than tensors.*trust: true"):
        teacher.check("torch", {"path": str(tmp_path / "n.pt"), "network": f"{HERE}.Net"})
    assert not bomb.exists()
    of, net = table(), network()
    torch.save(net, tmp_path / "whole.pt")
    with pytest.raises(TeacherError, match="holds more than tensors"):
        prepare(of, tmp_path, tmp_path / "whole.pt")
    found = prepare(of, tmp_path, tmp_path / "whole.pt", trust=True, artefact=False)
    np.testing.assert_allclose(found.scores, expected(of, net)[0], atol=1e-6)


def changed(path: Path, part: str, change: Callable[[bytes], bytes]) -> Path:
    out = path.with_name("changed.pt2")
    with zipfile.ZipFile(path) as given, zipfile.ZipFile(out, "w") as made:
        for name in given.namelist():
            data = given.read(name)
            made.writestr(name, change(data) if name.endswith(part) else data)
    return out


def pickled() -> bytes:
    buffer = io.BytesIO()
    torch.save(Bomb(), buffer)
    return buffer.getvalue()


def with_pickled_weight(data: bytes) -> bytes:
    told = json.loads(data)
    next(iter(told["config"].values()))["use_pickle"] = True
    return json.dumps(told).encode()


RUNS = "__import__('os').mkdir('x')"


@pytest.mark.parametrize(
    ("part", "change", "what"),
    [
        ("model_weights_config.json", with_pickled_weight, "codes.weight is a pickle"),
        ("sample_inputs/model.pt", lambda data: pickled(), "example inputs are more than tensors"),
        ("models/model.json", lambda d: d.replace(b"torch.ops.aten.relu.default", b"torch.os.mkdir"), "torch.os.mkdir"),
        ("models/model.json", lambda d: d.replace(b"Symbol('s", RUNS.encode() + b" or Symbol('s"), "the expression"),
        ("models/model.json", lambda d: d.replace(b"L['numeric']", RUNS.encode()), "the condition"),
    ],
)
def test_a_program_that_would_run_code_is_not_read_without_trust(
    part: str, change: Any, what: str, tmp_path: Path, bomb: Path
) -> None:
    path = changed(exported(network(), tmp_path / "n.pt2", EXAMPLE), part, change)
    with pytest.raises(TeacherError, match=f"not read without trust: .*{what}"):
        teacher.check("torch", {"path": str(path)})
    assert not bomb.exists()


@pytest.mark.parametrize(
    ("made", "options", "what"),
    [
        (lambda: Net(2), {"network": "Net"}, r"head.weight is \[2, 5\] in the file, \[3, 5\] in"),
        (
            lambda: Net(2),
            {"network": "Net", "outputs": 2},
            r"gives 2 numbers a row, the table has 3 classes \(a, b, c\)",
        ),
        (Net, {"network": "Convolved"}, "the file has 'codes.weight', .*Convolved has"),
        (Net, {"network": "Net", "hook": "bodies"}, "no layer 'bodies'; did you mean"),
        (Net, {"network": "Net", "order": ["a", "b", "d"]}, r"3 classes \(a, b, d\), the table 3 classes \(a, b, c\)"),
        (Net, {"network": "Net", "reads": "columns"}, "'job' holds strings"),
        (Net, {}, "holds weights, and not what they are weights of"),
        (Net, {"network": "Nets"}, "has no Nets"),
        (Net, {"hidden": 3}, "no option 'hidden'"),
        (Net, {"network": "Net", "prepare": f"{HERE}.doubled"}, r"is given float32 \[2, 2\], and fails on that"),
    ],
)
def test_what_does_not_fit_is_refused_with_both_sides(made: Any, options: Any, what: str, tmp_path: Path) -> None:
    torch.save(network(made).state_dict(), tmp_path / "n.pt")
    if "network" in options:
        options = {**options, "network": f"{HERE}.{options['network']}"}
    with pytest.raises((TeacherError, SpecError), match=what) as fault:
        prepare(table(), tmp_path, tmp_path / "n.pt", **options)
    assert "\n" not in str(fault.value)


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "n.pt2").write_bytes(pickle.dumps(1))
    with pytest.raises(TeacherError, match="it is no exported program"):
        teacher.check("torch", {"path": str(tmp_path / "n.pt2")})
    with pytest.raises(TeacherError, match="no file"):
        teacher.check("torch", {"path": str(tmp_path / "m.pt2")})
