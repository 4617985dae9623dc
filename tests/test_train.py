"""Training: repeatable, resumable, stopped when asked, and it learns."""

import io
import math
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from autodistill import train
from autodistill.errors import StudentError
from autodistill.inputs import Shapes
from autodistill.losses import teacher_logits
from autodistill.losses.none import NoTeacher
from autodistill.losses.soft_targets import SoftTargets
from autodistill.space import Training
from autodistill.students.convnet import ConvNet
from autodistill.students.mlp import Mlp
from autodistill.train import Limits, Rows, errors, fit_gradient

TRAINING = Training(learning_rate=0.01, epochs=6, batch_size=64)


def rows(loans, at, teacher=False):
    numeric, codes = loans.encoding.apply(loans.at(at))
    y = loans.y[at]
    told = teacher_logits(np.eye(len(loans.classes))[y] * 0.8 + 0.1) if teacher else None
    return Rows(
        numeric=torch.from_numpy(numeric),
        codes=torch.from_numpy(codes),
        y=torch.from_numpy(y if loans.classes else y.astype(np.float32)),
        teacher=None if told is None else torch.from_numpy(told),
    )


def run(loans, loss=None, training=TRAINING, dropout=0.2, train=None, **options):
    classes = max(1, len(loans.classes))
    shapes = loans.encoding.shapes(classes)
    torch.manual_seed(0)
    module = Mlp(width=8, dropout=dropout).build(shapes, classes)
    data = train or rows(loans, slice(0, 600), teacher=bool(loans.classes))
    objective = (loss or SoftTargets()).build(shapes)
    return module, fit_gradient(module, objective, data, rows(loans, slice(600, 1200)), training, **options)


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_it_learns_and_returns_its_best_epoch(loans, classes):
    loss = NoTeacher() if classes == 1 else None
    module, trained = run(loans(classes), loss, Training(learning_rate=0.02, epochs=15, batch_size=64), dropout=0.0)
    search = rows(loans(classes), slice(600, 1200))
    fresh = Mlp(width=8).build(loans(classes).encoding.shapes(classes), classes)
    untrained, _ = errors(fresh(search.numeric, search.codes), search)
    module.load_state_dict(trained.state)
    error, log_loss = errors(module.eval()(search.numeric, search.codes), search)
    line = trained.history[trained.best_epoch - 1]
    assert error == trained.error == line["error"] == min(h["error"] for h in trained.history)
    assert log_loss == pytest.approx(line["log_loss"])
    assert error < 0.75 * untrained
    assert trained.complete
    assert trained.epochs == 15


def test_one_seed_one_result_whatever_ran_before(loans):
    _, first = run(loans(2), seed=3)
    torch.rand(17)
    _, second = run(loans(2), seed=3)
    _, other = run(loans(2), seed=4)
    assert equal(first.state, second.state)
    assert first.history == second.history
    assert not equal(first.checkpoint["module"], other.checkpoint["module"])


@pytest.mark.parametrize("cut", [1, 3, 5])
def test_a_cut_training_goes_on_as_if_it_was_not(loans, cut):
    _, whole = run(loans(2))
    _, part = run(loans(2), limits=Limits(to_epoch=cut))
    file = io.BytesIO()
    torch.save(part.checkpoint, file)
    file.seek(0)
    _, rest = run(loans(2), checkpoint=torch.load(file, weights_only=True))
    assert part.epochs == cut
    assert rest.history == whole.history
    assert equal(rest.state, whole.state)
    assert rest.best_epoch == whole.best_epoch


def test_limits_are_looked_at_every_epoch(loans):
    _, late = run(loans(2), limits=Limits(deadline=time.monotonic() - 1))
    assert (late.epochs, late.complete) == (1, False)
    asked = []
    _, stopped = run(loans(2), limits=Limits(stop=lambda: len(asked) == 2 or asked.append(1)))
    assert (stopped.epochs, stopped.complete) == (3, False)
    _, rung = run(loans(2), limits=Limits(to_epoch=2))
    assert (rung.epochs, rung.complete) == (2, True)


def test_a_row_of_no_weight_teaches_nothing(loans):
    data = rows(loans(2), slice(0, 600), teacher=True)
    weight = torch.ones(600)
    weight[300:] = 0.0
    wrong = data.y.clone()
    wrong[300:] = 1 - wrong[300:]
    with_weight = [Rows(numeric=data.numeric, codes=data.codes, y=y, weight=weight) for y in (data.y, wrong)]
    states = [run(loans(2), NoTeacher(), train=given)[1].state for given in with_weight]
    assert equal(*states)


def test_a_loss_that_is_not_finite_is_named(loans):
    data = rows(loans(2), slice(0, 600))
    broken = Rows(numeric=torch.full_like(data.numeric, math.nan), codes=data.codes, y=data.y)
    with pytest.raises(StudentError, match=r"epoch 1.*learning_rate"):
        run(loans(2), NoTeacher(), train=broken)


def test_errors_are_numpys(loans):
    search = rows(loans(3), slice(0, 50))
    outputs = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    z, y = outputs.numpy().astype(float), search.y.numpy()
    q = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    error, log_loss = errors(outputs, search)
    assert error == pytest.approx((z.argmax(axis=1) != y).mean())
    assert log_loss == pytest.approx(-np.log(q[np.arange(50), y]).mean(), rel=1e-5)
    value = rows(loans(1), slice(0, 50))
    rmse, _ = errors(outputs[:, :1], value)
    expected = np.sqrt(np.mean((z[:, 0] - value.y.numpy()) ** 2)) / np.std(value.y.numpy())
    assert rmse == pytest.approx(expected, rel=1e-5)


def test_float32_on_a_processor_and_mixed_where_a_device_has_it(loans, monkeypatch):
    """No GPU here: bfloat16 passes of this processor go through the code that a GPU would."""
    assert train.mixed("cpu") is None
    _, whole = run(loans(2))
    monkeypatch.setattr(train, "mixed", lambda device: torch.bfloat16)
    module, half = run(loans(2))
    _, part = run(loans(2), limits=Limits(to_epoch=2))
    _, rest = run(loans(2), checkpoint=part.checkpoint)
    assert {value.dtype for value in module.state_dict().values() if value.is_floating_point()} == {torch.float32}
    assert not equal(half.state, whole.state)
    assert half.error == pytest.approx(whole.error, abs=0.05)
    assert equal(rest.state, half.state)


def test_float16_losses_are_scaled_and_the_scale_goes_on(loans, monkeypatch):
    monkeypatch.setattr(train, "mixed", lambda device: torch.float16)
    _, whole = run(loans(2))
    _, part = run(loans(2), limits=Limits(to_epoch=3))
    _, rest = run(loans(2), checkpoint=part.checkpoint)
    assert part.checkpoint["learner"]["scaler"]["scale"] == 65536.0
    assert equal(rest.state, whole.state)


def test_rows_that_are_mapped_are_read_batch_by_batch_and_never_copied_whole(loans, monkeypatch, tmp_path):
    """The same training as of rows in memory; what is copied is no more than a batch, what is judged a few rows."""
    got = rows(loans(2), slice(0, 600), teacher=True)
    _, expected = run(loans(2), train=got)
    kept = []
    for name in ("numeric", "codes"):
        np.save(tmp_path / f"{name}.npy", getattr(got, name).numpy())
        kept.append(np.load(tmp_path / f"{name}.npy", mmap_mode="c"))
    mapped = replace(got, numeric=torch.from_numpy(np.asarray(kept[0])), codes=torch.from_numpy(np.asarray(kept[1])))
    monkeypatch.setattr(train, "COPIED", 0)
    monkeypatch.setattr(train, "PASSED", 40 * got.size // 600)
    copied, passed, real = [], [], Rows.at

    def at(self, index):
        found = real(self, index)
        same = found.numeric.untyped_storage().data_ptr() == self.numeric.untyped_storage().data_ptr()
        (passed if same else copied).append(len(found.y))
        return found

    monkeypatch.setattr(Rows, "at", at)
    _, found = run(loans(2), train=mapped)
    assert [one["loss"] for one in found.history] == [one["loss"] for one in expected.history]
    assert [one["error"] for one in found.history] == pytest.approx([one["error"] for one in expected.history])
    assert set(copied) == {TRAINING.batch_size}
    assert max(passed) <= 40
    np.testing.assert_array_equal(kept[0], got.numeric.numpy())


def test_labelled_rows_that_come_first_are_no_copy(loans):
    got = rows(loans(2), slice(0, 300), teacher=True)
    more = rows(loans(2), slice(300, 350), teacher=True)
    both = [torch.cat([getattr(one, name) for one in (got, more)]) for name in ("numeric", "codes")]
    alone = got.followed(*both, more.teacher).labels_alone()
    assert alone.numeric.data_ptr() == both[0].data_ptr()
    assert torch.equal(alone.numeric, got.numeric)
    assert torch.equal(alone.y, got.y)
    mixed = replace(got, labelled=torch.arange(300) % 2 == 0).labels_alone()
    assert torch.equal(mixed.numeric, got.numeric[::2])


def pictures(many):
    torch.manual_seed(0)
    y = torch.arange(many) % 3
    numeric = torch.randn(many, 1, 8, 8) + y.reshape(-1, 1, 1, 1)
    return Rows(numeric=numeric, codes=torch.empty(many, 0, dtype=torch.int64), y=y)


def test_a_batch_of_one_row_is_two_where_batches_are_normalised():
    """On the last map, of one place, one row has no deviation."""
    shapes = Shapes(numeric=64, cardinalities=(), classes=3, size=(8, 8))
    torch.manual_seed(0)
    module = ConvNet(width=4, blocks=4).build(shapes, 3)
    found = fit_gradient(module, NoTeacher().build(shapes), pictures(9), pictures(9), Training(batch_size=1, epochs=1))
    assert found.complete


def test_a_checkpoint_of_another_network_is_as_if_it_were_not_there():
    shapes = Shapes(numeric=64, cardinalities=(), classes=3, size=(8, 8))
    objective, training = NoTeacher().build(shapes), Training(batch_size=4, epochs=2)

    def trained(width, checkpoint):
        torch.manual_seed(0)
        module = ConvNet(width=width, blocks=1).build(shapes, 3)
        return fit_gradient(module, objective, pictures(12), pictures(12), training, checkpoint=checkpoint)

    other = trained(4, None).checkpoint
    assert equal(trained(8, other).state, trained(8, None).state)
