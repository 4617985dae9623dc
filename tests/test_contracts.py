"""What every plugin of a room must do, whoever wrote it: the folder is listed, nothing is named here."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from autodistill import plugins, runtime
from autodistill.errors import StudentError
from autodistill.export import Answer, export, trace, wrap
from autodistill.inputs import MODALITIES, Encoding, Shapes
from autodistill.losses import Batch

OF_CLASSES = [name for name in plugins.names("losses") if not hasattr(plugins.find("losses", name), "max_classes")]


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
    template = None if hasattr(module, "onnx") else trace(module, shapes)
    assert template is None or template.whole, "its weights cannot be put in by name: every export would be a trace"
    with torch.no_grad():
        wanted = module.eval()(numeric, codes).softmax(dim=1).numpy()
    rows = {name: column[:200] for name, column in features.items()}
    for precision in plugins.find("students", name).precisions:
        out = tmp_path / f"{precision}.onnx"
        artefact = export(encoding, module, Answer(classes=classes), out, rows, precision=precision, template=template)
        found = runtime.open(artefact.path).probabilities(features)
        assert found.shape == (many, 3)
        np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-5)
        if precision == "fp32":
            np.testing.assert_allclose(found, wanted, atol=1e-5)


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


@pytest.mark.parametrize("name", OF_CLASSES)
def test_a_loss(name):
    torch.manual_seed(0)
    shapes = Shapes(numeric=1, cardinalities=(), classes=4, student_width=4, teacher_width=6)
    objective = plugins.build("losses", name, {}).build(shapes)
    student, teacher, y = torch.randn(8, 4, requires_grad=True), torch.randn(8, 4), torch.arange(8) % 4
    said = {"teacher": teacher, "teacher_features": torch.cat([teacher, teacher[:, :2]], dim=1), "progress": 0.5}
    own = {"student": student, "student_features": student.tanh()}
    value = objective(Batch(y=y, weight=torch.ones(8), **own, **said))
    value.backward()
    assert value.shape == ()
    assert torch.isfinite(student.grad).all()
    assert student.grad.abs().sum() > 0
    torch.testing.assert_close(objective(Batch(y=y, **own, **said)), value)
    torch.testing.assert_close(objective(Batch(y=y, labelled=torch.ones(8, dtype=torch.bool), **own, **said)), value)
    right = copy.copy(teacher).requires_grad_()
    assert objective(Batch(student=right, student_features=right, y=teacher.argmax(dim=1), **said)) < value


@pytest.mark.parametrize("name", OF_CLASSES)
def test_rows_without_label_teach_what_the_teacher_says(name):
    """Their y says nothing; where no row has a label, nothing but the teacher is left."""
    torch.manual_seed(0)
    kind = plugins.find("losses", name)
    shapes = Shapes(numeric=1, cardinalities=(), classes=4, student_width=4, teacher_width=6)
    objective = kind(**({"teacher_weight": 0.3} if name != "none" else {})).build(shapes)
    student, y = torch.randn(8, 4), torch.arange(8) % 4
    said = {"teacher": torch.randn(8, 4), "teacher_features": torch.randn(8, 6), "student_features": student.tanh()}
    known = torch.arange(8) < 5
    others = y.where(known, (y + 1) % 4)
    batch = Batch(student=student, y=y, labelled=known, progress=0.5, **said)
    torch.testing.assert_close(objective(replace(batch, y=others)), objective(batch))
    if name == "none":
        alone = Batch(student=student[:5], y=y[:5])
        torch.testing.assert_close(objective(batch), objective(alone))
    else:
        sure = kind(teacher_weight=1.0).build(shapes)
        if isinstance(sure, torch.nn.Module):
            sure.load_state_dict(objective.state_dict())
        untold = objective(replace(batch, labelled=torch.zeros(8, dtype=torch.bool)))
        torch.testing.assert_close(untold, sure(replace(batch, labelled=None, y=said["teacher"].argmax(dim=1))))


@pytest.mark.parametrize("classes", [1, 2])
@pytest.mark.parametrize("name", plugins.names("losses"))
def test_a_loss_takes_few_classes_or_says_that_it_does_not(name, classes):
    kind = plugins.find("losses", name)
    shapes = Shapes(numeric=1, cardinalities=(), classes=classes, student_width=classes, teacher_width=3)
    if classes < getattr(kind, "min_classes", 0):
        with pytest.raises(StudentError, match="classes or more"):
            kind().build(shapes)
    elif classes > getattr(kind, "max_classes", classes):
        with pytest.raises(StudentError, match="of a number, and the target has 2 classes"):
            kind().build(shapes)
    else:
        student = torch.randn(8, classes, requires_grad=True)
        y = torch.arange(8) % 2 if classes == 2 else torch.randn(8)
        teacher = {"teacher": torch.randn(8, classes), "teacher_features": torch.randn(8, 3)}
        kind().build(shapes)(Batch(student=student, student_features=student * 2, y=y, **teacher)).backward()
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
