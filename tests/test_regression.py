"""A regression from its experiment file to a report, and what a search of numbers refuses."""

import numpy as np
import pytest
import torch

from autodistill import plugins, runtime, stats
from autodistill.errors import StudentError
from autodistill.export import Answer, export, parity, wrap
from autodistill.inputs import Shapes
from autodistill.losses import Batch
from autodistill.losses.none import NoTeacher
from autodistill.losses.squared_error import SquaredError

ONE = Shapes(numeric=1, cardinalities=(), classes=1)
GRADIENT = ("mlp", "linear")
FITTED = ("boosted", "tree", "majority")


def numbers(seed: int = 0, rows: int = 40) -> Batch:
    random = np.random.default_rng(seed)
    z, t, y = (torch.from_numpy(random.normal(size=rows)) for _ in range(3))
    return Batch(student=z[:, None].requires_grad_(), teacher=t[:, None], y=y)


def test_squared_error_is_the_distance_to_a_mix_and_what_no_student_changes():
    """(z − (w·t + (1 − w)·y))² + w·(1 − w)·(t − y)², whose second part has no gradient."""
    batch, w = numbers(), 0.7
    value = SquaredError(teacher_weight=w).build(ONE)(batch)
    value.backward()
    z, t, y = batch.student.detach().numpy()[:, 0], batch.teacher.numpy()[:, 0], batch.y.numpy()
    mixed = w * t + (1 - w) * y
    assert value.item() == pytest.approx(np.mean((z - mixed) ** 2 + w * (1 - w) * (t - y) ** 2), rel=1e-12)
    np.testing.assert_allclose(batch.student.grad.numpy()[:, 0], 2 * (z - mixed) / len(z), rtol=1e-12)


def test_weights_and_rows_without_label_count_as_they_are():
    batch, w = numbers(), 0.3
    z, t, y = batch.student.detach().numpy()[:, 0], batch.teacher.numpy()[:, 0], batch.y.numpy()
    weight, known = np.random.default_rng(1).uniform(0.5, 2, len(z)), np.arange(len(z)) < 15
    given = {"student": batch.student, "teacher": batch.teacher, "weight": torch.from_numpy(weight)}
    loss = SquaredError(teacher_weight=w).build(ONE)
    found = loss(Batch(y=batch.y, **given)).item()
    assert found == pytest.approx(np.average(w * (z - t) ** 2 + (1 - w) * (z - y) ** 2, weights=weight), rel=1e-12)
    found = loss(Batch(y=torch.from_numpy(y * known), labelled=torch.from_numpy(known), **given)).item()
    expected = np.where(known, w * (z - t) ** 2 + (1 - w) * (z - y) ** 2, (z - t) ** 2)
    assert found == pytest.approx(np.average(expected, weights=weight), rel=1e-12)
    alone = SquaredError(teacher_weight=0.0).build(ONE)(Batch(y=batch.y, **given)).item()
    assert alone == pytest.approx(NoTeacher().build(ONE)(Batch(y=batch.y, **given)).item(), rel=1e-12)


def test_large_values_stay_finite_in_float32():
    batch = Batch(student=torch.full((3, 1), 1e12), teacher=torch.full((3, 1), -1e12), y=torch.zeros(3))
    assert torch.isfinite(SquaredError().build(ONE)(batch))


def test_it_is_of_a_number():
    with pytest.raises(StudentError, match="squared_error is of a number, and the target has 3 classes"):
        SquaredError().build(Shapes(numeric=1, cardinalities=(), classes=3))


@pytest.mark.parametrize("family", GRADIENT)
def test_a_network_s_file_answers_in_the_target_s_units(loans, tmp_path, family):
    got = loans(1)
    torch.manual_seed(0)
    module = plugins.build("students", family, {}).build(got.encoding.shapes(1), 1)
    answer = Answer(classes=(), centre=52_000.0, spread=17_000.0)
    for precision in plugins.find("students", family).precisions:
        out = tmp_path / f"{precision}.onnx"
        artefact = export(got.encoding, module, answer, out, got.features, precision=precision)
        said = runtime.predict(runtime.open(out), got.features, np.arange(1200), "all")
        numeric, codes = (torch.from_numpy(part) for part in got.encoding.apply(got.features))
        with torch.no_grad():
            expected = 52_000 + 17_000 * module.eval()(numeric, codes).numpy()
        assert said.scores.shape == (1200, 1)
        assert said.decisions.dtype == np.float64
        np.testing.assert_array_equal(said.decisions, said.scores[:, 0])
        apart = np.abs(said.scores - expected).max()
        assert artefact.parity == pytest.approx(apart, rel=1e-5, abs=1e-2)
        assert apart < (0.05 if precision == "fp32" else 0.2 * 17_000)


@pytest.mark.parametrize("family", FITTED)
def test_a_fitted_family_s_file_answers_as_it_was_fitted(loans, tmp_path, family):
    got = loans(1)
    X, y = got.encoding.apply_matrix(got.features), (1000 * got.y[:, None]).astype(np.float32)
    model = plugins.build("students", family, {}).build(got.encoding.shapes(1), 1).fit(X, y, None)
    artefact = wrap(got.encoding, model.onnx(), Answer(classes=()), tmp_path / "s.onnx")
    assert parity(artefact, got.features, model.predict_proba(X)) < 1e-2
    said = runtime.predict(runtime.open(artefact.path), got.features, np.arange(1200), "all")
    assert said.scores.mean() == pytest.approx(y.mean(), rel=1e-4)


def test_a_root_mean_squared_error_has_the_limits_of_its_influence():
    """By the delta method, written out: the error of √m is sd(squares)/(2√m·√n), of a difference that of the sum."""
    random = np.random.default_rng(0)
    first, second = random.normal(size=4000) ** 2, (1.1 * random.normal(size=4000)) ** 2
    value, low, high = stats.root_limits(first, 0.05)
    assert value == pytest.approx(np.sqrt(first.mean()), rel=1e-12)
    error = first.std(ddof=1) / (2 * value * np.sqrt(4000))
    assert [high - value, value - low] == [pytest.approx(1.645 * error, rel=0.05)] * 2
    change, below, above = stats.root_difference(first, second, 0.05)
    a, b = np.sqrt(first.mean()), np.sqrt(second.mean())
    error = (first / (2 * a) - second / (2 * b)).std(ddof=1) / np.sqrt(4000)
    assert change == pytest.approx(a - b, rel=1e-12)
    assert above - below == pytest.approx(2 * 1.645 * error, rel=0.05)
    assert stats.root_difference(first, first, 0.05) == (0.0, 0.0, 0.0)
