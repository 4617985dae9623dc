"""The teacher made smaller without a student: what is cut is what a library cuts, what is chosen keeps the rule."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from teachers_elsewhere import matrix, numbers, prepare
from torch import nn

from autodistill import runtime, teacher
from autodistill.controls import WITHIN, InapplicableError, Material
from autodistill.controls._trees import rounds, truncated
from autodistill.controls.pruned import STEPS, Pruned
from autodistill.controls.quantised import Quantised
from autodistill.errors import ArtefactError, TeacherError
from autodistill.inputs.tabular import Tabular
from autodistill.records import Dataset, decide
from autodistill.teachers._convert import convert, mean
from autodistill.teachers.torch import Torch

ROUNDS, KEPT = 12, 5
MODELS = [
    (GradientBoostingClassifier, 2), (GradientBoostingClassifier, 3), (RandomForestClassifier, 2),
    (RandomForestClassifier, 3), (ExtraTreesClassifier, 3), (GradientBoostingRegressor, 0), (RandomForestRegressor, 0),
]  # fmt: skip


def fitted(kind: Any, classes: int) -> tuple[Any, np.ndarray]:
    of = numbers(tuple("abc"[:classes]))
    return kind(n_estimators=ROUNDS, random_state=0).fit(matrix(of), of.y), matrix(of)


def said(core: Any, x: np.ndarray) -> np.ndarray:
    session = runtime.open(core.SerializeToString())
    last = [output.name for output in session.native.get_outputs() if output.type == "tensor(float)"][-1]
    found: np.ndarray = session.run({"features": x}, [last])[0]
    return found


def test_a_forest_within_another_model_is_a_mean_with_fewer_trees_too() -> None:
    of = numbers(())
    x, forests = matrix(of), [RandomForestRegressor(ROUNDS, random_state=seed) for seed in (0, 1)]
    booster = GradientBoostingRegressor(n_estimators=ROUNDS, random_state=0)
    y = of.y + 20.0
    share = KEPT / ROUNDS
    for whole in (make_pipeline(StandardScaler(), forests[0]), VotingRegressor([("a", forests[1]), ("b", booster)])):
        model = whole.fit(x, y)
        core = onnx.load_model_from_string(convert(model, 2, 0)[0] or b"")
        inside = model[-1] if hasattr(model, "steps") else model.estimators_[0]
        few = np.mean([tree.predict(StandardScaler().fit_transform(x) if hasattr(model, "steps") else x)
                       for tree in inside.estimators_[:KEPT]], axis=0)  # fmt: skip
        if not hasattr(model, "steps"):
            few = (few + list(model.estimators_[1].staged_predict(x))[KEPT - 1]) / 2
        np.testing.assert_allclose(said(truncated(core, share), x).ravel(), few, rtol=1e-3)


@pytest.mark.parametrize(("kind", "classes"), MODELS)
def test_fewer_rounds_are_the_model_as_it_was_then(kind: Any, classes: int) -> None:
    model, x = fitted(kind, classes)
    core = onnx.load_model_from_string(convert(model, 2, classes)[0] or b"")
    assert rounds(core) == ROUNDS
    if hasattr(model, "staged_predict"):
        staged = model.staged_predict_proba if classes else model.staged_predict
        expected = list(staged(x))[KEPT - 1]
    else:
        trees = model.estimators_[:KEPT]
        expected = np.mean([tree.predict_proba(x) if classes else tree.predict(x) for tree in trees], axis=0)
    before = core.SerializeToString()
    found = truncated(core, KEPT / ROUNDS)
    np.testing.assert_allclose(said(found, x), expected.reshape(len(x), -1), atol=1e-5)
    assert rounds(found) == KEPT
    assert core.SerializeToString() == before
    assert len(found.SerializeToString()) < len(before)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_fewer_rounds_of_other_peoples_boosters(library: str) -> None:
    pytest.importorskip("onnxmltools")
    name = {"lightgbm": "LGBMClassifier", "xgboost": "XGBClassifier"}[library]
    quiet = {"n_jobs": 1, "verbose": -1} if library == "lightgbm" else {}
    of = numbers(("a", "b", "c"))
    x = matrix(of)
    model = getattr(pytest.importorskip(library), name)(n_estimators=ROUNDS, **quiet).fit(x, of.y)
    first = {"num_iteration": KEPT} if library == "lightgbm" else {"iteration_range": (0, KEPT)}
    core = onnx.load_model_from_string(convert(model, 2, 3)[0] or b"")
    np.testing.assert_allclose(said(truncated(core, KEPT / ROUNDS), x), model.predict_proba(x, **first), atol=1e-5)


def test_members_of_a_weighted_mean_lose_the_same_share() -> None:
    models = [fitted(GradientBoostingClassifier, 2)[0], fitted(RandomForestClassifier, 2)[0]]
    x = matrix(numbers())
    core = onnx.load_model_from_string(mean([convert(m, 2, 2)[0] or b"" for m in models], np.array([0.25, 0.75])))
    parts = [
        list(models[0].staged_predict_proba(x))[2],
        np.mean([t.predict_proba(x) for t in models[1].estimators_[:3]], 0),
    ]
    np.testing.assert_allclose(said(truncated(core, 3 / ROUNDS), x), 0.25 * parts[0] + 0.75 * parts[1], atol=1e-5)


def material(of: Dataset, made: teacher.Teacher, **more: Any) -> Material:
    search = of.splits["search"]
    rows = of.rows("search")

    def error(data: bytes) -> float:
        scores = runtime.open(data).probabilities(rows)
        return float((decide(scores, of.positive, None) != of.y[search]).mean())

    own = float((made.decisions[search] != of.y[search]).mean())
    calibration = {name: column[:100] for name, column in of.rows("train").items()}
    given = {"onnx": made.onnx, "why_no_onnx": made.why_no_onnx, "rows": lambda: calibration, "error": error}
    return Material(**given, teacher_error=own, **more)


def test_the_pruned_teacher_is_the_smallest_that_keeps_the_rule(tmp_path: Path) -> None:
    of = numbers(n=3000)
    of.splits.update({"train": np.arange(1000), "search": np.arange(1000, 3000)})  # type: ignore[attr-defined]
    made = prepare(of, tmp_path, "sklearn", estimator="sklearn.ensemble.GradientBoostingClassifier", n_estimators=80)
    found = material(of, made)
    derived = Pruned().derive(found)
    kept = rounds(onnx.load_model_from_string(derived.onnx))
    model = GradientBoostingClassifier(n_estimators=80, random_state=0)
    encoding = Tabular().fit(of.rows("train"), of.y[:1000], of.classes)
    x = encoding.apply_matrix(of.features)
    model.fit(x[:1000], of.y[:1000])
    errors = [float((p.argmax(axis=1) != of.y)[1000:].mean()) for p in model.staged_predict_proba(x)]
    steps = sorted({int(np.ceil(step * 80)) for step in STEPS})
    first = next(k for k in steps if errors[k - 1] <= errors[-1] + WITHIN)
    assert kept == first < 80
    assert f"the first {kept} of the teacher's 80 rounds" in derived.what
    assert len(derived.onnx) < len(made.onnx or b"")


def test_what_cannot_be_pruned_says_why(tmp_path: Path) -> None:
    of = numbers()
    options = {"estimator": "sklearn.ensemble.GradientBoostingClassifier", "n_estimators": 4}
    boosted = material(of, prepare(of, tmp_path, "sklearn", **options))
    never = Material(**{**vars_of(boosted), "error": lambda data: 1.0})
    with pytest.raises(InapplicableError, match=r"fewer than its 4 rounds or trees err more than 0\.5 points above it"):
        Pruned().derive(never)
    linear = material(of, prepare(of, tmp_path, "sklearn", estimator="sklearn.linear_model.LogisticRegression"))
    with pytest.raises(InapplicableError, match="it has no trees, weights that are set to 0 leave its file as large"):
        Pruned().derive(linear)
    gone = Material(**{**vars_of(linear), "onnx": None, "why_no_onnx": "only its predictions are known"})
    for control in (Pruned(), Quantised()):
        with pytest.raises(InapplicableError, match="the teacher has no ONNX file: only its predictions are known"):
            control.derive(gone)


def vars_of(found: Material) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__dataclass_fields__}


class Wide(nn.Module):
    """A network with something to lose."""

    def __init__(self, hidden: int = 96) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.head = nn.Linear(hidden, 2)

    def forward(self, numeric: Any) -> Any:
        return self.head(self.body(numeric))


def trained(of: Dataset, path: Path) -> Path:
    torch.manual_seed(0)
    net, x, y = Wide(), torch.from_numpy(matrix(of)), torch.from_numpy(of.y)
    optimiser = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(60):
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimiser.step()
    torch.save(net.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, teacher.Teacher, dict[str, Any]]:
    folder, of = tmp_path_factory.mktemp("network"), numbers()
    options = {"path": str(trained(of, folder / "n.pt")), "network": f"{__name__}.Wide"}
    return of, prepare(of, folder, "torch", **options), options


def test_a_network_in_int8_is_smaller_and_decides_alike(network: Any) -> None:
    of, made, _ = network
    assert made.onnx is not None, made.why_no_onnx
    derived = Quantised().derive(material(of, made))
    assert "static int8, ranges of the activations on train rows" in derived.what
    assert len(derived.onnx) < 0.5 * len(made.onnx)
    one, two = (runtime.open(data).probabilities(of.features) for data in (made.onnx, derived.onnx))
    assert np.abs(one - two).max() > 0
    assert (one.argmax(axis=1) == two.argmax(axis=1)).mean() > 0.97


def attending() -> Any:
    """A graph in which activations are multiplied by activations, as in a transformer."""
    rng = np.random.default_rng(0)
    weight = numpy_helper.from_array(rng.normal(size=(64, 64)).astype(np.float32), "w")
    steps = [("MatMul", ["x", "w"], "h"), ("Transpose", ["h"], "t"), ("MatMul", ["h", "t"], "s")]
    steps.append(("MatMul", ["s", "h"], "probabilities"))
    nodes = [helper.make_node(op, read, [name]) for op, read, name in steps]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 64]) for name in ("x", "probabilities")]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_what_attends_is_quantised_in_each_call(network: Any) -> None:
    of, made, _ = network
    data = attending().SerializeToString()
    derived = Quantised().derive(Material(**{**vars_of(material(of, made)), "onnx": data}))
    assert "dynamic int8" in derived.what
    assert len(derived.onnx) < 0.5 * len(data)


def test_trees_are_not_made_of_products_and_no_runtime_has_smaller_ones(tmp_path: Path) -> None:
    of = numbers()
    made = prepare(of, tmp_path, "sklearn", estimator="sklearn.tree.DecisionTreeClassifier", max_depth=3)
    with pytest.raises(InapplicableError, match="it is made of trees, whose cuts and leaves are float32 in every"):
        Quantised().derive(material(of, made))
    with pytest.raises(ArtefactError, match=r"cannot open it: .*TreeEnsemble"):
        runtime.open(half_trees())


def half_trees() -> bytes:
    """One cut and two leaves in float16, as the standard's newest tree operator has them."""

    def half(name: str, values: list[float]) -> Any:
        return numpy_helper.from_array(np.array(values, np.float16), name)

    tensors = {"nodes_splits": half("s", [0.5]), "leaf_weights": half("l", [0.25, 0.75]),
               "nodes_modes": numpy_helper.from_array(np.array([0], np.uint8), "m")}  # fmt: skip
    lists = {"tree_roots": [0], "nodes_featureids": [0], "nodes_trueleafs": [1], "nodes_truenodeids": [0],
             "nodes_falseleafs": [1], "nodes_falsenodeids": [1], "leaf_targetids": [0, 0]}  # fmt: skip
    node = helper.make_node("TreeEnsemble", ["x"], ["y"], domain="ai.onnx.ml", n_targets=1, **tensors, **lists)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT16, ["N", 1]) for name in "xy")
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 5)]
    graph = helper.make_graph([node], "g", [x], [y])
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString())


def smaller(of: Dataset, options: dict[str, Any], share: float) -> bytes:
    source = Torch(path=Path(options["path"]), network=options["network"])
    encoding = Tabular().fit(of.rows("train"), of.y[of.splits["train"]], of.classes)
    task = teacher.task_of(of, encoding, np.zeros(200, np.int64), 0, lambda _: encoding.apply_matrix(of.features))
    return teacher.artefact(source.pruned(task, share), of, encoding)


def test_a_network_loses_channels_and_is_trained_on(network: Any) -> None:
    pytest.importorskip("torch_pruning")
    of, made, options = network
    half = smaller(of, options, 0.5)
    assert len(half) < 0.5 * len(made.onnx)
    found = material(of, made, smaller=lambda share: half)
    assert found.error(half) <= found.teacher_error + 0.05


@pytest.mark.long
def test_the_pruned_network_is_the_smallest_that_keeps_the_rule(network: Any) -> None:
    pytest.importorskip("torch_pruning")
    of, made, options = network
    derived = Pruned().derive(material(of, made, smaller=lambda share: smaller(of, options, share)))
    assert "% of its channels, trained on for a little" in derived.what
    assert len(derived.onnx) < 0.5 * len(made.onnx)
    search = of.splits["search"]
    error = (runtime.open(derived.onnx).probabilities(of.rows("search")).argmax(axis=1) != of.y[search]).mean()
    assert error <= (made.decisions[search] != of.y[search]).mean() + WITHIN
    assert smaller(of, options, 0.5) == smaller(of, options, 0.5)


def test_a_program_keeps_its_channels(network: Any, tmp_path: Path) -> None:
    of = network[0]
    example = (torch.zeros(4, 2),)
    torch.export.save(
        torch.export.export(Wide(), example, dynamic_shapes=({0: torch.export.Dim("N")},)), tmp_path / "n.pt2"
    )
    with pytest.raises(TeacherError, match="no channel can be taken out"):
        smaller(of, {"path": str(tmp_path / "n.pt2"), "network": None}, 0.5)
