"""What every plugin of a room must do, whoever wrote it: the folder is listed, nothing is named here."""

import copy

import numpy as np
import pytest
import torch

from autodistill import plugins, runtime
from autodistill.errors import StudentError
from autodistill.export import Answer, export, trace, wrap
from autodistill.inputs import MODALITIES, Encoding, Shapes
from autodistill.losses import Batch


def students(trains):
    return [name for name in plugins.names("students") if plugins.find("students", name).trains == trains]


def raw(modality):
    """Forty raw rows of a modality, as ``read`` gives them."""
    rng = np.random.default_rng(0)
    words = np.array(["good", "bad,", "The", "film"], object)
    return {
        "image": rng.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8),
        "text": np.array([" ".join(words[rng.integers(0, 4, 1 + at % 5)]) for at in range(40)], object),
        "audio": rng.uniform(-1, 1, (40, 2000)).astype(np.float32),
        "series": rng.normal(size=(40, 20, 3)).astype(np.float32),
    }[modality]


def encoded(modality, loans):
    """Raw rows of a modality, and the front end of the first input that reads it."""
    if modality == "table":
        got = loans(3)
        return got.features, got.encoding
    name = next(one for one in plugins.names("inputs") if plugins.find("inputs", one).modality == modality)
    features = {"cell": raw(modality)}
    return features, plugins.build("inputs", name, {"column": "cell"}).fit(features, np.arange(40) % 3, ("a", "b", "c"))


@pytest.mark.parametrize("room", ["students", "losses", "inputs"])
def test_every_option_has_a_default_and_says_what_it_does(room):
    for name in plugins.names(room):
        assert plugins.find(room, name).__doc__
        for option in plugins.options(room, name):
            assert option.doc, f"{room}/{name}: {option.name} has no description"
            # A modality of one column cannot guess which.
            assert not option.required or (room == "inputs" and option.name == "column")


@pytest.mark.parametrize("name", plugins.names("students"))
def test_a_student_declares_itself(name):
    kind = plugins.find("students", name)
    assert kind.trains in ("gradient", "fit")
    assert kind.readings_depend_on in ("architecture", "fit")
    assert set(kind.precisions) <= {"fp32", "int8"}
    assert kind.trains == "gradient" or kind.precisions == ("fp32",)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        (name, form)
        for name in students("gradient")
        for form in getattr(plugins.find("students", name), "forms", MODALITIES)
    ],
)
def test_a_gradient_student(name, form, loans, tmp_path):
    features, encoding = encoded(form, loans)
    many = len(next(iter(features.values())))
    classes = ("a", "b", "c")
    shapes = encoding.shapes(3)
    torch.manual_seed(0)
    module = plugins.build("students", name, {}).build(shapes, 3)
    numeric, codes = (torch.from_numpy(part) for part in encoding.apply(features))
    assert module.eval()(numeric, codes).shape == (many, 3)
    # Rows do not mix.
    torch.testing.assert_close(module(numeric[:1], codes[:1]), module(numeric, codes)[:1], atol=1e-5, rtol=1e-4)
    module.train()(numeric, codes).sum().backward()
    assert all(p.grad is not None for p in module.parameters())
    template = trace(module, shapes)
    assert template.whole, "its weights cannot be put in by name: every export would be a trace"
    rows = {name: column[:200] for name, column in features.items()}
    for precision in plugins.find("students", name).precisions:
        out = tmp_path / f"{precision}.onnx"
        artefact = export(encoding, module, Answer(classes=classes), out, rows, precision=precision, template=template)
        found = runtime.open(artefact.path).probabilities(features)
        assert found.shape == (many, 3)
        np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", students("fit"))
def test_a_fitted_student(name, classes, loans, tmp_path):
    got = loans(classes)
    X, y = got.encoding.apply_matrix(got.features), np.arange(1200) % classes
    soft = np.full((1200, classes), 0.1 / (classes - 1), np.float32)
    soft[np.arange(1200), y] = 0.9
    family = plugins.build("students", name, {})
    fitted = family.build(got.encoding.shapes(classes), classes).fit(X, soft, None)
    again = family.build(got.encoding.shapes(classes), classes).fit(X.copy(), soft.copy(), np.ones(1200, np.float32))
    np.testing.assert_array_equal(fitted.predict_proba(X), again.predict_proba(X))
    answer = Answer(classes=got.classes)
    first, second = (wrap(got.encoding, m.onnx(), answer, tmp_path / "s.onnx") for m in (fitted, again))
    assert first.sha256 == second.sha256
    found = runtime.open(first.path).probabilities(got.features)
    np.testing.assert_allclose(found, fitted.predict_proba(X), atol=5e-6)


@pytest.mark.parametrize("name", plugins.names("losses"))
def test_a_loss(name):
    torch.manual_seed(0)
    shapes = Shapes(numeric=1, cardinalities=(), classes=4)
    objective = plugins.build("losses", name, {}).build(shapes)
    student = torch.randn(8, 4, requires_grad=True)
    batch = Batch(student=student, y=torch.arange(8) % 4, teacher=torch.randn(8, 4), weight=torch.ones(8))
    value = objective(batch)
    value.backward()
    assert value.shape == ()
    assert torch.isfinite(student.grad).all()
    assert student.grad.abs().sum() > 0
    unweighted = objective(Batch(student=student, y=batch.y, teacher=batch.teacher))
    torch.testing.assert_close(unweighted, value)
    right = copy.copy(batch.teacher).requires_grad_()
    matched = objective(Batch(student=right, y=batch.teacher.argmax(dim=1), teacher=batch.teacher))
    assert matched < value


@pytest.mark.parametrize("name", plugins.names("losses"))
def test_a_loss_takes_two_classes_or_says_that_it_does_not(name):
    kind = plugins.find("losses", name)
    shapes = Shapes(numeric=1, cardinalities=(), classes=2)
    if getattr(kind, "min_classes", 2) > 2:
        with pytest.raises(StudentError):
            kind().build(shapes)
    else:
        student = torch.randn(8, 2, requires_grad=True)
        kind().build(shapes)(Batch(student=student, y=torch.arange(8) % 2, teacher=torch.randn(8, 2))).backward()
        assert student.grad.abs().sum() > 0


@pytest.mark.parametrize("name", plugins.names("inputs"))
def test_an_input_is_an_encoding_that_runs_anywhere(name, loans):
    kind = plugins.find("inputs", name)
    if kind.modality == "table":
        got = loans(2)
        features, y, classes = got.features, got.y, got.classes
        encoding = plugins.build("inputs", name, {}).fit(got.at(slice(0, 600)), got.y[:600], got.classes)
    else:
        features, y, classes = {"cell": raw(kind.modality)}, np.arange(40) % 2, ("no", "yes")
        encoding = plugins.build("inputs", name, {"column": "cell"}).fit(features, y, classes)
    assert isinstance(encoding, Encoding)
    assert encoding.names == tuple(features)
    assert encoding.modality == kind.modality
    some = {name: column[7:8] for name, column in features.items()}
    shapes = encoding.shapes(2)
    one, many = encoding.apply(some), encoding.apply(features)
    for single, whole, shape in zip(one, many, (shapes.shape, (shapes.coded,)), strict=True):
        assert whole.shape[1:] == shape
        np.testing.assert_allclose(single[0], whole[7], rtol=0, atol=1e-5)
    assert np.prod(shapes.shape) == shapes.numeric
    matrix = encoding.apply_matrix(features)
    np.testing.assert_allclose(matrix[7:8], encoding.apply_matrix(some), rtol=0, atol=1e-5)
    assert matrix.dtype == np.float32
    assert np.isfinite(matrix).all()
