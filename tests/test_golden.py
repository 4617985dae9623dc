"""Every loss against the values and gradients of published code (golden.json, float64), on closed-form inputs."""

import json
from pathlib import Path

import pytest
import torch

from autodistill.inputs import Shapes
from autodistill.losses import Batch
from autodistill.losses.alpha_beta import AlphaBeta
from autodistill.losses.dist import Dist
from autodistill.losses.dkd import Dkd
from autodistill.losses.hint import Hint
from autodistill.losses.jensen_shannon import JensenShannon
from autodistill.losses.none import NoTeacher
from autodistill.losses.probabilistic_transfer import neighbours_apart
from autodistill.losses.relational import distances_apart
from autodistill.losses.similarity_preserving import similarities_apart
from autodistill.losses.skew_kl import SkewKl
from autodistill.losses.soft_targets import SoftTargets
from autodistill.losses.standardized_logits import StandardizedLogits
from autodistill.losses.total_variation import TotalVariation

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())
FIVE = Shapes(numeric=1, cardinalities=(), classes=5, student_width=8, teacher_width=8)
ROW, CLASS, FEATURE = (torch.arange(n, dtype=torch.float64) for n in (6, 5, 8))
TEACHER, Y = 3 * torch.sin(1 + 0.7 * ROW[:, None] + 1.3 * CLASS), torch.arange(6) % 5
OF_TEACHER = torch.sin(0.3 * ROW[:, None] * (FEATURE + 1) + 0.1 * FEATURE)
ALONE = {"teacher_weight": 1.0}
NONE = {"ramp": 0.0, **ALONE}


def logits():
    return (2.5 * torch.cos(0.5 + 0.9 * ROW[:, None] - 0.8 * CLASS)).requires_grad_()


def features():
    return torch.cos(0.2 * ROW[:, None] * (FEATURE + 1) - 0.4 * FEATURE).requires_grad_()


def agrees(key, value, student, times=1.0):
    value.backward()
    assert value.item() == pytest.approx(times * GOLDEN[key]["loss"], rel=1e-9)
    assert student.grad.norm().item() == pytest.approx(times * GOLDEN[key]["grad_l2_wrt_student"], rel=1e-9)


# The last number is T² where the published value is without it.
OF_LOGITS = [
    ("ce", NoTeacher(), 1),
    ("ce", SoftTargets(teacher_weight=0.0), 1),
    ("ce", Dkd(teacher_weight=0.0), 1),
    ("kd_T1", SoftTargets(temperature=1.0, **ALONE), 1),
    ("kd_T2", SoftTargets(temperature=2.0, **ALONE), 1),
    ("kd_T2", AlphaBeta(alpha=1.0, beta=0.0, temperature=2.0, **ALONE), 1),
    ("kd_T2", SkewKl(skew=0.0, temperature=2.0, **ALONE), 1),
    ("kd_logitstd_T2", StandardizedLogits(temperature=2.0, **ALONE), 1),
    ("dkd_tckd_T1", Dkd(temperature=1.0, target=1.0, others=0.0, **NONE), 1),
    ("dkd_nckd_T1", Dkd(temperature=1.0, target=0.0, others=1.0, **NONE), 1),
    ("dkd_tckd_T4", Dkd(temperature=4.0, target=1.0, others=0.0, **NONE), 1),
    ("dkd_nckd_T4", Dkd(temperature=4.0, target=0.0, others=1.0, **NONE), 1),
    ("dkd_a1_b8_T4", Dkd(temperature=4.0, target=1.0, others=8.0, **NONE), 1),
    ("dist_tau1", Dist(temperature=1.0, **ALONE), 1),
    ("abkd_a0.8_b0.3_T4", AlphaBeta(temperature=4.0, alpha=0.8, beta=0.3, **ALONE), 16),
    ("skew_fkl_0.1", SkewKl(skew=0.1, **ALONE), 1),
    ("gjsd_beta0", JensenShannon(mix=0.0, **ALONE), 1),
    ("gjsd_beta0.1", JensenShannon(mix=0.1, **ALONE), 1),
    ("gjsd_beta0.5", JensenShannon(mix=0.5, **ALONE), 1),
    ("gjsd_beta0.9", JensenShannon(mix=0.9, **ALONE), 1),
    ("gjsd_beta1", JensenShannon(mix=1.0, **ALONE), 1),
    ("gjsd_beta1", AlphaBeta(alpha=0.0, beta=1.0, temperature=1.0, **ALONE), 1),
    ("tvd", TotalVariation(**ALONE), 1),
]
OF_FEATURES = [
    ("rkd_distance", distances_apart),
    ("similarity_preserving", similarities_apart),
    ("pkt", neighbours_apart),
]


@pytest.mark.parametrize(("key", "loss", "times"), OF_LOGITS)
def test_losses_of_logits(key, loss, times):
    student = logits()
    agrees(key, loss.build(FIVE)(Batch(student=student, teacher=TEACHER, y=Y)), student, times)


@pytest.mark.parametrize(("key", "apart"), OF_FEATURES)
def test_what_features_add(key, apart):
    student = features()
    agrees(key, apart(student, OF_TEACHER), student)


def test_a_hint_is_the_squared_distance_of_projected_features_beside_soft_targets():
    objective = Hint(temperature=2.0, strength=1.0, **ALONE).build(FIVE).double()
    with torch.no_grad():
        objective.projector.weight.copy_(torch.eye(8))
        objective.projector.bias.zero_()
    told, student = logits(), features()
    batch = Batch(student=told, teacher=TEACHER, y=Y, student_features=student, teacher_features=OF_TEACHER)
    value = objective(batch)
    value.backward()
    assert value.item() == pytest.approx(GOLDEN["kd_T2"]["loss"] + GOLDEN["hint_mse"]["loss"], rel=1e-9)
    assert student.grad.norm().item() == pytest.approx(GOLDEN["hint_mse"]["grad_l2_wrt_student"], rel=1e-9)
    assert told.grad.norm().item() == pytest.approx(GOLDEN["kd_T2"]["grad_l2_wrt_student"], rel=1e-9)


def test_no_published_value_is_left_out():
    """Attention transfer compares maps [n, C, H, W], which no student and no teacher here gives."""
    seen = {key for key, *_ in (*OF_LOGITS, *OF_FEATURES)} | {"hint_mse"}
    assert set(GOLDEN) - seen == {"attention_transfer_p2"}
