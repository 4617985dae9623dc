"""Losses: blended alike, weighted alike, finite on extreme logits, indifferent to what should not matter."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_golden import FIVE, GOLDEN, OF_TEACHER, TEACHER, Y, features, logits

from autodistill import plugins
from autodistill.errors import SpecError, StudentError
from autodistill.inputs import Shapes
from autodistill.losses import Batch, blended, teacher_logits
from autodistill.losses.alpha_beta import AlphaBeta, ab_divergence
from autodistill.losses.dist import Dist
from autodistill.losses.dkd import Dkd
from autodistill.losses.none import NoTeacher
from autodistill.losses.relational import angles_apart, distances_apart
from autodistill.losses.skew_kl import SkewKl
from autodistill.losses.soft_targets import SoftTargets
from autodistill.losses.standardized_logits import StandardizedLogits
from autodistill.losses.taid import Taid

ONE = Shapes(numeric=1, cardinalities=(), classes=1, student_width=1, teacher_width=3)
TWO = Shapes(numeric=1, cardinalities=(), classes=2)
THREE = Shapes(numeric=1, cardinalities=(), classes=3, student_width=3, teacher_width=4)
OF_CLASSES = [name for name in plugins.names("losses") if not hasattr(plugins.find("losses", name), "max_classes")]
TEACHING = [name for name in OF_CLASSES if name != "none"]
OPTIONS = {"dkd": {"ramp": 0.0}}


def built(name, shapes, **options):
    """A loss of float64, its own parameters always the same."""
    torch.manual_seed(0)
    objective = plugins.build("losses", name, {**OPTIONS.get(name, {}), **options}).build(shapes)
    return objective.double() if isinstance(objective, torch.nn.Module) else objective


def batch(at=slice(None), **more):
    return Batch(
        student=logits()[at],
        teacher=TEACHER[at],
        y=Y[at],
        student_features=features()[at],
        teacher_features=OF_TEACHER[at],
        progress=1.0,
        **more,
    )


@pytest.mark.parametrize("name", TEACHING)
def test_teacher_and_labels_are_blended(name):
    alone, mixed, labels = (built(name, FIVE, teacher_weight=w)(batch()).item() for w in (1.0, 0.3, 0.0))
    assert labels == pytest.approx(GOLDEN["ce"]["loss"], rel=1e-9)
    assert mixed == pytest.approx(0.3 * alone + 0.7 * labels, rel=1e-9)


@pytest.mark.parametrize("name", OF_CLASSES)
def test_a_weight_counts_a_row_so_often(name):
    often = torch.tensor([0, 0, 1, 2, 2, 2])
    weight = torch.tensor([2.0, 1.0, 3.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    objective = built(name, FIVE)
    assert objective(batch(weight=weight)).item() == pytest.approx(objective(batch(often)).item(), rel=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("name", TEACHING)
def test_extreme_logits_in_float32_stay_finite(name, temperature):
    torch.manual_seed(0)
    student = torch.tensor([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0], [-80.0, 90.0, 1e-8], [-1e4, 1e4, 0.0]])
    student.requires_grad_()
    teacher = torch.tensor([[-1e4, 1e4, 0.0], [0.0, 0.0, 0.0], [1e3, -1e3, 0.0], [-1e4, 1e4, 0.0]])
    objective = plugins.build("losses", name, {"temperature": temperature}).build(THREE)
    more = {"student_features": student * 1.0, "teacher_features": torch.cat([teacher, teacher[:, :1]], dim=1)}
    value = objective(Batch(student=student, teacher=teacher, y=torch.tensor([0, 1, 2, 1]), progress=1.0, **more))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(student.grad).all()


@pytest.mark.parametrize(("alpha", "beta"), [(0.8, 0.3), (1.0, 1e-3), (1e-3, 1.0), (0.05, 0.0), (0.5, 0.5), (2.0, 2.0)])
def test_alpha_beta_has_float32_s_digits(alpha, beta):
    """Against the same in float64, where the formula as it is written still has digits."""
    student, teacher = logits().detach(), TEACHER
    log_q, log_p = student.log_softmax(dim=1), teacher.log_softmax(dim=1)
    exact = ab_divergence(log_q, log_p, alpha, beta)
    if beta:
        p, q, s = log_p.exp(), log_q.exp(), alpha + beta
        plain = -(p**alpha * q**beta - alpha / s * p**s - beta / s * q**s).sum(dim=1) / (alpha * beta)
        torch.testing.assert_close(exact, plain, rtol=1e-9, atol=0)
    single = ab_divergence(log_q.float(), log_p.float(), alpha, beta)
    torch.testing.assert_close(single.double(), exact, rtol=2e-4, atol=1e-8)


@pytest.mark.parametrize(("alpha", "beta", "near"), [(1.0, 0.0, (1.0, 1e-7)), (0.0, 1.0, (1e-7, 1.0))])
def test_alpha_beta_reaches_both_kullback_leibler_divergences(alpha, beta, near):
    log_q, log_p = logits().detach().log_softmax(dim=1), TEACHER.log_softmax(dim=1)
    first, second = (log_p, log_q) if alpha else (log_q, log_p)
    kl = (first.exp() * (first - second)).sum(dim=1)
    torch.testing.assert_close(ab_divergence(log_q, log_p, alpha, beta), kl, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(ab_divergence(log_q, log_p, *near), kl, rtol=1e-5, atol=0)


def test_alpha_beta_without_either_is_refused_where_it_is_read():
    with pytest.raises(SpecError, match=r"alpha \+ beta should be 0\.05 or more"):
        plugins.build("losses", "alpha_beta", {"alpha": 0.0, "beta": 0.0})


ROW = st.lists(st.floats(-20, 20), min_size=4, max_size=4)
PAIRS = st.lists(st.tuples(ROW, ROW), min_size=4, max_size=8)
FOUR = Shapes(numeric=1, cardinalities=(), classes=4)
OF_SHARES = [n for n in TEACHING if not plugins.find("losses", n).needs]


def rows(pairs):
    both = torch.tensor(pairs, dtype=torch.float64)
    return both[:, 0].clone().requires_grad_(), both[:, 1]


def telling(*sides):
    """Whether rows and columns of shares are far from constant: against dist's 1e-8 in the denominator."""
    shares = [side.softmax(dim=1) for side in sides]
    return min(s.std(dim=d).min().item() for s in shares for d in (0, 1)) > 0.01


@pytest.mark.parametrize("name", OF_SHARES)
@settings(max_examples=25, deadline=None)
@given(pairs=PAIRS)
def test_a_student_that_is_the_teacher_is_left_alone(name, pairs):
    """At equality the gradient is nothing, and the value nothing but for taid, whose cross entropy has the entropy."""
    _, teacher = rows(pairs)
    student, y = teacher.clone().requires_grad_(), torch.arange(len(teacher)) % 4
    objective = built(name, FOUR, teacher_weight=1.0)
    value = objective(Batch(student=student, teacher=teacher, y=y, progress=1.0))
    value.backward()
    if name == "dist" and not telling(teacher):
        return
    if name != "taid":
        assert abs(value.item()) < (1e-4 if name == "dist" else 1e-9)
    assert student.grad.abs().max() < (1e-4 if name == "dist" else 1e-6)


@pytest.mark.parametrize("name", [n for n in OF_SHARES if n != "standardized_logits"])
@settings(max_examples=25, deadline=None)
@given(pairs=PAIRS, order=st.permutations(range(4)), shift=st.floats(-50, 50))
def test_names_of_classes_order_of_rows_and_shifts_of_logits_do_not_matter(name, pairs, order, shift):
    student, teacher = rows(pairs)
    if name == "dist" and not telling(student, teacher):
        return
    y = torch.arange(len(teacher)) % 4
    value = built(name, FOUR)(Batch(student=student, teacher=teacher, y=y, progress=1.0)).item()
    renamed = torch.tensor([order.index(c) for c in range(4)])
    last = torch.arange(len(y) - 1, -1, -1)
    moved = built(name, FOUR)(
        Batch(
            student=student[last][:, list(order)] + shift, teacher=teacher[last][:, list(order)] - shift,
            y=renamed[y[last]], progress=1.0,
        )
    ).item()  # fmt: skip
    assert moved == pytest.approx(value, rel=1e-6, abs=1e-7)


@settings(max_examples=25, deadline=None)
@given(pairs=PAIRS, scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_standardised_logits_know_no_scale(pairs, scale, shift):
    student, teacher = rows(pairs)
    if min(student.std(dim=1).min(), teacher.std(dim=1).min()) < 0.1:
        return  # 1e-7 in the denominator
    objective = StandardizedLogits(teacher_weight=1.0).build(FOUR)
    value = objective(Batch(student=student, teacher=teacher, y=None)).item()
    scaled = objective(Batch(student=scale * student + shift, teacher=teacher, y=None)).item()
    assert scaled == pytest.approx(value, rel=1e-4, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(pairs=PAIRS, scale=st.floats(0.05, 0.95))
def test_dist_does_not_mind_shares_rescaled_by_row(pairs, scale):
    """Shares drawn towards the uniform ones: an affine map of a row."""
    student, teacher = rows(pairs)
    q = student.detach().softmax(dim=1)
    if min(q.std(dim=1).min(), teacher.softmax(dim=1).std(dim=1).min()) < 0.01:
        return  # 1e-8 in the denominator
    objective = Dist(columns=0.0, teacher_weight=1.0).build(FOUR)
    value = objective(Batch(student=q.log(), teacher=teacher, y=None)).item()
    drawn = objective(Batch(student=(scale * q + (1 - scale) / 4).log(), teacher=teacher, y=None)).item()
    assert drawn == pytest.approx(value, rel=1e-4, abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(pairs=PAIRS, scale=st.floats(0.1, 10), turn=st.floats(-3, 3))
def test_relations_do_not_mind_how_features_are_turned_scaled_or_moved(pairs, scale, turn):
    student, teacher = (side.detach() for side in rows(pairs))
    if torch.pdist(student).min() < 0.1:
        return
    cos, sin = np.cos(turn), np.sin(turn)
    about = torch.block_diag(torch.tensor([[cos, -sin], [sin, cos]]), torch.eye(2, dtype=torch.float64))
    other = scale * student @ about + 3.0
    for apart in (distances_apart, angles_apart):
        assert apart(other, teacher).item() == pytest.approx(apart(student, teacher).item(), rel=1e-5, abs=1e-7)
        assert apart(other, student).item() < 1e-9


def test_angles_are_those_of_three_rows():
    student, teacher = features().detach().numpy(), OF_TEACHER.numpy()

    def cosine(f, i, j, k):
        a, b = f[j] - f[i], f[k] - f[i]
        long = np.linalg.norm(a) * np.linalg.norm(b)
        return a @ b / long if long else 0.0

    total = 0.0
    for corner in np.ndindex(6, 6, 6):
        off = abs(cosine(student, *corner) - cosine(teacher, *corner))
        total += off**2 / 2 if off < 1 else off - 0.5
    assert angles_apart(torch.tensor(student), torch.tensor(teacher)).item() == pytest.approx(total / 6**3, rel=1e-9)


def test_the_teacher_s_term_of_dkd_rises():
    first, half, whole, later = (
        Dkd(teacher_weight=1.0, ramp=0.2).build(FIVE)(Batch(student=logits(), teacher=TEACHER, y=Y, progress=p)).item()
        for p in (0.0, 0.1, 0.2, 0.9)
    )
    assert first == 0.0
    assert half == pytest.approx(whole / 2)
    assert whole == later == pytest.approx(GOLDEN["dkd_a1_b8_T4"]["loss"])


def test_a_class_that_the_student_rules_out_costs_skew_kl_no_more_than_the_skew_says():
    student, teacher = torch.tensor([[1e4, 0.0]]), torch.tensor([[0.0, 1e4]])
    value = SkewKl(skew=0.1, teacher_weight=1.0).build(TWO)(Batch(student=student, teacher=teacher, y=None))
    assert value.item() == pytest.approx(-np.log(0.1), rel=1e-6)


def test_taid_goes_from_its_own_logits_to_the_teacher_s():
    """t by the authors' rule, computed again here; the target has no gradient."""
    objective = Taid(start=0.25, pace=1.0, teacher_weight=1.0).build(FIVE).double()
    t, trend, losses = 0.25, 0.0, []
    for step in range(6):
        student, progress = logits(), step / 6
        batch = Batch(student=student, teacher=TEACHER * (1 - step / 10), y=Y, progress=progress)
        value = objective(batch)
        assert objective(batch) == value  # a step counts once
        if step > 1:
            trend = 0.99 * trend + 0.01 * (losses[-2] - losses[-1]) / losses[-2]
        move = 1 / (1 + np.exp(-trend)) * (1 - t) if step > 1 else 0.0
        t = min(1.0, max(0.25 + 0.75 * progress, t + move))
        aim = ((1 - t) * student.detach() + t * batch.teacher).softmax(dim=1)
        expected = -(aim * student.log_softmax(dim=1)).sum(dim=1).mean()
        assert value.item() == pytest.approx(expected.item(), rel=1e-5)
        losses.append(value.item())
        value.backward()
        plain = logits()
        (-(aim * plain.log_softmax(dim=1)).sum(dim=1).mean()).backward()
        torch.testing.assert_close(student.grad, plain.grad, rtol=1e-5, atol=1e-7)
    assert t > 0.9


def test_standardised_logits_say_nothing_of_two_classes():
    with pytest.raises(StudentError, match="three classes"):
        StandardizedLogits().build(TWO)
    student = torch.tensor([[0.3, -2.0], [1.0, 4.0]], dtype=torch.float64, requires_grad=True)
    teacher = torch.tensor([[5.0, -1.0], [2.0, 1.0]], dtype=torch.float64)
    StandardizedLogits(teacher_weight=1.0).build(THREE)(  # past the refusal, to show its reason
        Batch(student=student, teacher=teacher, y=None)
    ).backward()
    assert student.grad.abs().max() < 1e-6


def test_regression_blends_squared_errors():
    batch = Batch(
        student=torch.tensor([[1.0], [2.0]]), teacher=torch.tensor([[0.0], [4.0]]), y=torch.tensor([3.0, 2.0])
    )
    assert NoTeacher().build(ONE)(batch).item() == pytest.approx(2.0)
    assert SoftTargets(teacher_weight=0.25).build(ONE)(batch).item() == pytest.approx(0.25 * 2.5 + 0.75 * 2.0)
    with pytest.raises(StudentError, match="two classes or more, here is a regression"):
        AlphaBeta().build(ONE)


def test_a_forest_that_is_certain_has_finite_logits():
    assert teacher_logits(np.array([[0.0, 1.0]])) == pytest.approx(np.log([[1e-4, 1.0]]), abs=1e-6)


def test_fitted_families_get_the_tempered_blend():
    z, y = np.array([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0]]), np.array([2, 0])
    found = blended(z, y, 2.0, 0.75)
    shares = np.exp(z / 2) / np.exp(z / 2).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, 0.75 * shares + 0.25 * np.eye(3)[y], rtol=1e-6)
    np.testing.assert_array_equal(blended(z, y, 1.0, 0.0), np.eye(3)[y])
