"""Views of pictures and sounds: of train rows alone, labelled as they are seen, kept by what they are."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small_run
import test_modal_searches as toys
from scipy import ndimage

from autodistill import runtime, spec
from autodistill.errors import SpecError
from autodistill.inputs.audio import Audio
from autodistill.inputs.image import Image, _moved
from autodistill.jobs import Workshop, making, taught
from autodistill.jobs.perturbed import perturbed
from autodistill.losses import teacher_logits
from autodistill.records import SPLITS, Candidate
from autodistill.run import prepare
from autodistill.run.progress import silent
from autodistill.run.refusing import refuse_further

LEFT = "{kind: sklearn, estimator: sklearn.tree.DecisionTreeClassifier, max_depth: 1}"
Made = Callable[[np.random.Generator], tuple[Any, Any]]


def sides(rng: np.random.Generator) -> tuple[Any, Any]:
    """A bright column left or right of the middle: a picture that is mirrored is of the other class."""
    left = rng.random(toys.ROWS) < 0.5
    pixels = rng.integers(0, 60, (toys.ROWS, 8, 8), dtype=np.uint8)
    pixels[left, :, 2] = 250
    pixels[~left, :, 5] = 250
    return pa.FixedShapeTensorArray.from_numpy_ndarray(pixels), np.where(left, "left", "right")


def written(folder: Path, made: Made, asked: str, student: str, distill: str = "", teacher: str = LEFT) -> Path:
    cells, y = made(np.random.default_rng(1))
    side = pa.array(toys.GROUPS[np.arange(toys.ROWS) % 2])
    pq.write_table(pa.table({"x": cells, "y": pa.array(y), "side": side}), folder / "toy.parquet")
    (folder / "policy.yaml").write_text(toys.POLICY, encoding="utf-8")
    text = toys.SPEC.format(input=asked, teacher=teacher, student=student)
    text = text.replace("table: toy", f"table: {folder}/toy").replace("policy: ", f"policy: {folder}/")
    file = folder / "toy.yaml"
    file.write_text(text.replace("distill: {", f"distill: {{{distill}"), encoding="utf-8")
    return file


CONVNET = "[{family: convnet, width: 4, blocks: 1}]"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Pictures with a bar left or right, which may be mirrored, and a tree that looks at one pixel."""
    root = tmp_path_factory.mktemp("views")
    with small_run.inside(root, root / "cache"):
        file = written(root, sides, "{kind: image, column: x, flip: true}", CONVNET, "perturb: [0, 1, 2], ")
        return prepare.prepare(spec.load(file), root / "run", silent).shop


@pytest.fixture
def shop(bench: Workshop, tmp_path: Path) -> Workshop:
    return dataclasses.replace(bench, folder=tmp_path, kept={}, seen={}, cache=tmp_path / "cache")


def asked(**training: Any) -> Candidate:
    training = {"learning_rate": 0.02, "epochs": 2, "batch_size": 16, **training}
    student = {"width": 4, "blocks": 1}
    return Candidate(number=0, family="convnet", student=student, loss="soft_targets", distill={}, training=training)


def test_teacher_and_student_see_the_same_view(shop: Workshop) -> None:
    views = taught.further(taught.Training(perturb=2.0, jitter=0.2), shop)
    assert views is not None
    rows, _ = taught.rows(asked(perturb=2.0, jitter=0.2), shop)
    length = len(shop.dataset.splits["train"])
    assert len(rows.y) == 3 * length
    assert rows.teacher is not None
    assert rows.labelled is not None
    assert not rows.labelled[length:].any()
    np.testing.assert_array_equal(rows.numeric[length:].numpy(), shop.encoding.apply(views)[0])
    said = runtime.open(shop.teacher.onnx or b"").probabilities(views)
    np.testing.assert_array_equal(rows.teacher[length:].numpy(), teacher_logits(said))


def test_labels_are_of_the_view_and_not_of_the_picture(shop: Workshop) -> None:
    """A mirrored bar is on the other side, and that is what the teacher says of it."""
    train_rows = shop.dataset.rows("train")
    length = len(train_rows["x"])
    views = perturbed(train_rows, length, 0.01, 0, shop.modality)
    plain = perturbed(train_rows, length, 0.01, 0, Image(column="x"))
    drawn = perturbed({"x": np.arange(length, dtype=np.float32)}, length, 1e-9, 0)["x"].astype(int)
    columns = views["x"].astype(float).mean(axis=1)
    expected = (columns[:, 5] > columns[:, 2]).astype(int)
    label = shop.dataset.y[shop.dataset.splits["train"]][drawn]
    mirrored = expected != label
    assert 0.4 < mirrored.mean() < 0.6
    np.testing.assert_array_equal(taught.labels(views, shop).argmax(axis=1), expected)
    np.testing.assert_array_equal(taught.labels(plain, shop).argmax(axis=1), label)


def test_the_teacher_is_asked_once_a_view_and_again_for_any_other(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = taught.rows(asked(perturb=1.0), shop)
    kept = list((shop.cache or Path()).glob("taught/*/0.npy"))
    assert len(kept) == 1
    real, opened = runtime.open, []
    monkeypatch.setattr(taught.runtime, "open", lambda *a: opened.append(a) or real(*a))
    fresh = dataclasses.replace(shop, kept={})
    again, _ = taught.rows(asked(perturb=1.0), fresh)
    assert opened == []
    np.testing.assert_array_equal(again.teacher, first.teacher)
    np.testing.assert_array_equal(again.numeric, first.numeric)
    others = [
        (asked(perturb=2.0), fresh),
        (asked(perturb=1.0, jitter=0.2), fresh),
        (asked(perturb=1.0), dataclasses.replace(shop, kept={}, seed=1)),
        (asked(perturb=1.0), dataclasses.replace(shop, kept={}, modality=Image(column="x"))),
        (asked(perturb=1.0), dataclasses.replace(shop, kept={}, teacher=_other(shop))),
    ]
    for at, (candidate, one) in enumerate(others, start=1):
        taught.rows(candidate, one)
        assert len(opened) == at
    assert len(list((shop.cache or Path()).glob("taught/*/0.npy"))) == 1 + len(others)


def _other(shop: Workshop) -> Any:
    return dataclasses.replace(shop.teacher, digest="another")


def test_judged_rows_are_never_seen_by_a_view(shop: Workshop) -> None:
    judged = np.concatenate([shop.dataset.splits[name] for name in SPLITS if name != "train"])
    cells = shop.dataset.features["x"].copy()
    cells[judged] = 255 - cells[judged]
    blind = dataclasses.replace(shop, dataset=dataclasses.replace(shop.dataset, features={"x": cells}))
    training = taught.Training(perturb=2.0)
    np.testing.assert_array_equal(taught.further(training, blind)["x"], taught.further(training, shop)["x"])  # type: ignore[index]
    _, plain = taught.rows(asked(), shop)
    _, search = taught.rows(asked(perturb=2.0), dataclasses.replace(shop, kept={}))
    np.testing.assert_array_equal(plain.numeric, search.numeric)
    np.testing.assert_array_equal(plain.y, search.y)


def test_a_training_learns_of_them(shop: Workshop) -> None:
    """The teacher looks at one pixel: what it says of a bar elsewhere, train rows do not tell."""
    fresh = perturbed(shop.dataset.rows("train"), toys.ROWS, 0.3, 99, shop.modality)
    expected = taught.labels(fresh, shop).argmax(axis=1)
    agreed = []
    for many in (0.0, 2.0):
        made, reached = making.make(asked(perturb=many, jitter=0.3, epochs=12), shop, home=shop.folder / str(many))
        assert reached["whole"]
        agreed.append((runtime.open(made.path).probabilities(fresh).argmax(axis=1) == expected).mean())
    assert agreed[1] > agreed[0] + 0.05


def test_pictures_are_moved_within_their_range() -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(20, 200, (40, 9, 12), dtype=np.uint8)
    kind = Image(column="x")

    def view(values: Any, jitter: float, one: Image = kind) -> Any:
        return one.perturbed(values, jitter, np.random.default_rng(5))

    np.testing.assert_array_equal(view(grey, 1e-4), grey)
    moved = view(grey, 0.3)
    assert moved.dtype == np.uint8
    assert moved.shape == grey.shape
    assert (moved != grey).any(axis=(1, 2)).all()
    assert moved.min() >= grey.min()
    assert moved.max() <= grey.max()
    np.testing.assert_array_equal(moved, view(grey, 0.3))
    deep = np.stack([grey] * 3, axis=3).astype(np.float32)
    coloured = view(deep, 0.3)
    assert coloured.shape == deep.shape
    np.testing.assert_allclose(coloured[..., 0].round(), moved, atol=1)
    np.testing.assert_array_equal(coloured[..., 0], coloured[..., 2])
    flipped = view(grey, 1e-4, Image(column="x", flip=True))
    same, mirrored = ((flipped == of).all(axis=(1, 2)) for of in (grey, grey[:, :, ::-1]))
    assert (same | mirrored).all()
    assert 10 < mirrored.sum() < 30
    noise = rng.standard_normal((40, 20, 20)).astype(np.float32)
    patched = [np.unique(one, return_counts=True)[1].max() == 100 for one in view(noise, 0.5)]  # 10 by 10 of one mean
    assert 10 < sum(patched) < 30


def test_a_picture_is_moved_as_scipy_moves_it() -> None:
    """Without noise of edges and patches: the map itself, of a picture that is wider than high."""
    across, along = np.mgrid[0:20, 0:31]
    picture = (np.sin(across / 3) + np.cos(along / 4)).astype(np.float32)[None]
    no = np.zeros(1, bool)
    inside = (slice(7, 13), slice(9, 22))

    def moved(*moves: float) -> Any:
        return _moved(picture, np.array([moves]), no)[0][inside]

    shifted = ndimage.shift(picture[0], (0.2 * 20, -0.1 * 31), order=1)
    np.testing.assert_allclose(moved(0.1, -0.2, 0, 0), shifted[inside], atol=1e-4)
    turned = ndimage.rotate(picture[0], -0.3 * 90, reshape=False, order=1)
    np.testing.assert_allclose(moved(0, 0, 0.3, 0), turned[inside], atol=1e-4)
    matrix, middle = np.eye(2) / 1.25, np.array([9.5, 15.0])
    larger = ndimage.affine_transform(picture[0], matrix, middle - matrix @ middle, order=1)
    np.testing.assert_allclose(moved(0, 0, 0, 0.25), larger[inside], atol=1e-4)
    np.testing.assert_allclose(_moved(picture, np.zeros((1, 4)), ~no)[0], picture[0, :, ::-1], atol=1e-5)


def test_sounds_are_shifted_scaled_and_noised() -> None:
    rng = np.random.default_rng(0)
    waves = (0.5 * rng.standard_normal((30, 800)).clip(-1.5, 1.5)).astype(np.float32)
    seen = Audio(column="x").perturbed(waves, 0.2, np.random.default_rng(3))
    assert seen.dtype == np.float32
    assert np.abs(seen).max() <= 1.0
    for wave, view in zip(waves, seen, strict=True):
        lags = np.array([np.corrcoef(np.roll(wave, lag), view)[0, 1] for lag in range(-160, 161)])
        assert lags.max() > 0.9  # noise of a fifth of the deviation at most, and a little is cut
        ratio = view.std() / wave.std()
        assert 10**-0.2 * 0.9 < ratio < 10**0.2 * 1.1
    np.testing.assert_array_equal(seen, Audio(column="x").perturbed(waves, 0.2, np.random.default_rng(3)))
    loud = np.full((1, 10), -3.0, np.float32)
    assert Audio(column="x").perturbed(loud, 1.0, np.random.default_rng(0)).min() >= -3.0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("perturb: 1.0", "perturb: -1"), r"distill\.perturb.*greater than or equal to 0"),
        (("perturb: 1.0", "perturb: [0, yes]"), r"distill\.perturb"),
        (("perturb: 1.0", "perturb: 1.0, jitter: 2"), r"distill\.jitter.*less than or equal to 1"),
        (("column: x", "column: x, flip: 3"), r"data\.input.*flip"),
        (("perturb: 1.0", "perturb: 1.0, flip: true"), r"option 'flip'"),
    ],
)
def test_malformed_options_are_one_line(tmp_path: Path, change: tuple[str, str], why: str) -> None:
    file = written(tmp_path, sides, "{kind: image, column: x}", CONVNET, "perturb: 1.0, ")
    file.write_text(file.read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    with pytest.raises(SpecError, match=why) as fault:
        spec.load(file)
    assert "\n" not in str(fault.value)


def test_a_series_and_a_text_have_no_views(bench: Workshop, tmp_path: Path) -> None:
    for kind, family in (("series", "tcn"), ("text", "embedding_bag")):
        made, form, *_ = toys.MODALITIES[kind]
        file = written(tmp_path, made, form, f"[{{family: {family}}}]", "perturb: 1.0, ")
        with pytest.raises(SpecError, match=f"sounds are perturbed, and the input is of the kind {kind}"):
            refuse_further(spec.load(file), bench.teacher)
