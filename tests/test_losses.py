"""Losses against published code's values (golden.json, float64) and against numpy."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from autodistill.errors import StudentError
from autodistill.inputs import Shapes
from autodistill.losses import Batch, blended, teacher_logits
from autodistill.losses.none import NoTeacher
from autodistill.losses.soft_targets import SoftTargets
from autodistill.losses.standardized_logits import StandardizedLogits

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())
FIVE = Shapes(numeric=1, cardinalities=(), classes=5)
TWO = Shapes(numeric=1, cardinalities=(), classes=2)
ONE = Shapes(numeric=1, cardinalities=(), classes=1)


def logits():
    i, j = torch.arange(6, dtype=torch.float64)[:, None], torch.arange(5, dtype=torch.float64)[None]
    student = (2.5 * torch.cos(0.5 + 0.9 * i - 0.8 * j)).requires_grad_()
    return student, 3 * torch.sin(1 + 0.7 * i + 1.3 * j), torch.arange(6) % 5


@pytest.mark.parametrize(
    ("key", "loss"),
    [
        ("ce", NoTeacher()),
        ("ce", SoftTargets(teacher_weight=0.0)),
        ("ce", StandardizedLogits(teacher_weight=0.0)),
        ("kd_T1", SoftTargets(temperature=1.0, teacher_weight=1.0)),
        ("kd_T2", SoftTargets(temperature=2.0, teacher_weight=1.0)),
        ("kd_logitstd_T2", StandardizedLogits(temperature=2.0, teacher_weight=1.0)),
    ],
)
def test_golden_values_and_gradients(key, loss):
    student, teacher, y = logits()
    value = loss.build(FIVE)(Batch(student=student, teacher=teacher, y=y))
    value.backward()
    assert value.item() == pytest.approx(GOLDEN[key]["loss"], rel=1e-9)
    assert student.grad.norm().item() == pytest.approx(GOLDEN[key]["grad_l2_wrt_student"], rel=1e-9)


@pytest.mark.parametrize(("kind", "key"), [(SoftTargets, "kd_T2"), (StandardizedLogits, "kd_logitstd_T2")])
def test_teacher_and_labels_are_blended(kind, key):
    student, teacher, y = logits()
    value = kind(temperature=2.0, teacher_weight=0.3).build(FIVE)(Batch(student=student, teacher=teacher, y=y))
    assert value.item() == pytest.approx(0.3 * GOLDEN[key]["loss"] + 0.7 * GOLDEN["ce"]["loss"], rel=1e-9)


@pytest.mark.parametrize("loss", [NoTeacher(), SoftTargets(), StandardizedLogits()])
def test_a_weight_counts_a_row_so_often(loss):
    student, teacher, y = logits()
    often = torch.tensor([0, 0, 1, 2, 2, 2])
    weight = torch.tensor([2.0, 1.0, 3.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    objective = loss.build(FIVE)
    repeated = objective(Batch(student=student[often], teacher=teacher[often], y=y[often]))
    weighted = objective(Batch(student=student, teacher=teacher, y=y, weight=weight))
    assert weighted.item() == pytest.approx(repeated.item(), rel=1e-12)


@pytest.mark.parametrize("loss", [NoTeacher(), SoftTargets(temperature=4.0), StandardizedLogits(temperature=4.0)])
def test_extreme_logits_in_float32_stay_finite(loss):
    student = torch.tensor([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0], [-80.0, 90.0, 1e-8]], requires_grad=True)
    teacher = torch.tensor([[-1e4, 1e4, 0.0], [0.0, 0.0, 0.0], [1e3, -1e3, 0.0]])
    shapes = Shapes(numeric=1, cardinalities=(), classes=3)
    value = loss.build(shapes)(Batch(student=student, teacher=teacher, y=torch.tensor([0, 1, 2])))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(student.grad).all()


def test_standardised_logits_say_nothing_of_two_classes():
    with pytest.raises(StudentError, match="three classes"):
        StandardizedLogits().build(TWO)
    student = torch.tensor([[0.3, -2.0], [1.0, 4.0]], dtype=torch.float64, requires_grad=True)
    teacher = torch.tensor([[5.0, -1.0], [2.0, 1.0]], dtype=torch.float64)
    shapes = Shapes(numeric=1, cardinalities=(), classes=3)  # past the refusal, to show its reason
    StandardizedLogits(teacher_weight=1.0).build(shapes)(Batch(student=student, teacher=teacher, y=None)).backward()
    assert student.grad.abs().max() < 1e-6


def test_regression_blends_squared_errors():
    batch = Batch(
        student=torch.tensor([[1.0], [2.0]]), teacher=torch.tensor([[0.0], [4.0]]), y=torch.tensor([3.0, 2.0])
    )
    assert NoTeacher().build(ONE)(batch).item() == pytest.approx(2.0)
    assert SoftTargets(teacher_weight=0.25).build(ONE)(batch).item() == pytest.approx(0.25 * 2.5 + 0.75 * 2.0)


def test_a_forest_that_is_certain_has_finite_logits():
    assert teacher_logits(np.array([[0.0, 1.0]])) == pytest.approx(np.log([[1e-4, 1.0]]), abs=1e-6)


def test_fitted_families_get_the_tempered_blend():
    z, y = np.array([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0]]), np.array([2, 0])
    found = blended(z, y, 2.0, 0.75)
    shares = np.exp(z / 2) / np.exp(z / 2).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, 0.75 * shares + 0.25 * np.eye(3)[y], rtol=1e-6)
    np.testing.assert_array_equal(blended(z, y, 1.0, 0.0), np.eye(3)[y])
