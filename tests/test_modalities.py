"""Inputs of one column: what they read, what they make of it, and what they refuse."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image as Pictures

from autodistill import data
from autodistill.data import DataSpec, digest, modal, table
from autodistill.errors import TableError
from autodistill.inputs import _moments
from autodistill.inputs.audio import Audio, mel_filters
from autodistill.inputs.image import Image
from autodistill.inputs.series import Series
from autodistill.inputs.text import Text

HERE = Path()


def column(values):
    return pa.chunked_array([pa.array(values)])


def test_words_are_numbers_and_what_is_not_known_is_one_of_them():
    texts = np.array(["The cat, sat.", "a cat sat down", "", "the dog sat", 'DOG! the "cat"'], object)
    encoding = Text(column="x", min_rows=1, length=4, vocabulary=16).fit({"x": texts}, np.zeros(5), ())
    _, codes = encoding.apply({"x": np.array(["the CAT", "cat, cat cat cat cat", "zebra", "", "  "], object)})
    assert codes.shape == (5, 4)
    assert codes[0, 0] != codes[0, 1]
    assert len(set(codes[1])) == 1
    assert codes[1, 0] == codes[0, 1]
    assert codes[2].tolist() == [1, 0, 0, 0]
    assert codes[3:].sum() == 0
    counts = encoding.apply_matrix({"x": np.array(["cat cat dog"], object)})
    assert sorted(counts[0].tolist(), reverse=True)[:2] == [2.0, 1.0]
    with pytest.raises(TableError, match="enough rows"):
        Text(column="x", min_rows=9).fit({"x": texts}, np.zeros(5), ())


def test_a_spectrogram_is_what_numpy_makes_of_the_wave():
    rng = np.random.default_rng(3)
    waves = rng.uniform(-1, 1, (6, 1200)).astype(np.float32)
    kind = Audio(column="x", rate=8000, mels=12)
    encoding = kind.fit({"x": waves}, np.zeros(6), ())
    size, hop = 200, 80
    frames = np.stack([waves[:, at : at + size] for at in range(0, 1200 - size + 1, hop)], axis=1)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    power = np.abs(np.fft.rfft(frames * window, axis=2)) ** 2
    bands = np.log(power @ mel_filters(12, size, 8000).T + 1e-6).transpose(0, 2, 1)
    mean, spread = bands.mean(axis=(0, 2), keepdims=True), bands.std(axis=(0, 2), keepdims=True)
    np.testing.assert_allclose(encoding.apply({"x": waves})[0], (bands - mean) / spread, atol=2e-3)


@pytest.mark.parametrize("shape", [(50, 6, 7), (50, 6, 7, 3)])
def test_many_pictures_are_scaled_as_few_are(shape, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = []
    for whole in (_moments.WHOLE, 4 * pixels.nbytes // 5):
        monkeypatch.setattr(_moments, "WHOLE", whole)
        found.append(Image(column="x").fit({"x": pixels}, np.zeros(50), ()).apply({"x": pixels})[0])
    np.testing.assert_allclose(found[1], found[0], atol=1e-6)
    np.testing.assert_allclose(found[1].std(axis=(0, 2, 3)), 1.0, atol=1e-5)


def test_cells_of_arrays_are_read_a_few_rows_at_a_time(tmp_path, monkeypatch):
    waves = np.random.default_rng(0).normal(size=(90, 40)).astype(np.float32)
    plain = pa.FixedShapeTensorArray.from_numpy_ndarray(waves)
    pq.write_table(pa.table({"x": plain, "y": np.arange(90)}), tmp_path / "t.parquet", row_group_size=50)
    pq.write_table(pa.table({"x": waves.tolist(), "y": np.arange(90)}), tmp_path / "l.parquet")
    expected = data.fingerprint(tmp_path / "t.parquet"), data.fingerprint(tmp_path / "l.parquet")
    monkeypatch.setattr(table, "BATCH", 10 * 160)
    monkeypatch.setattr(digest, "BYTES", 700)
    for name, before in zip(("t", "l"), expected, strict=True):
        found = data.read(tmp_path / f"{name}.parquet")
        assert found["x"].num_chunks >= 9
        assert data.fingerprint(tmp_path / f"{name}.parquet") == before
        read = modal.read(found, ("series", {"column": "x"}), tmp_path / f"{name}.parquet")["x"]
        np.testing.assert_array_equal(read, waves)
    waves[71, 3] = np.nan
    bad = pa.FixedShapeTensorArray.from_numpy_ndarray(waves)
    pq.write_table(pa.table({"x": bad, "y": np.arange(90)}), tmp_path / "b.parquet")
    with pytest.raises(TableError, match="row 71"):
        modal.read(data.read(tmp_path / "b.parquet"), ("series", {"column": "x"}), tmp_path / "b.parquet")


def test_a_series_is_scaled_a_channel_and_summed_up():
    rng = np.random.default_rng(0)
    windows = rng.normal(5, 3, (50, 20, 2)).astype(np.float32)
    encoding = Series(column="x").fit({"x": windows}, np.zeros(50), ())
    scaled = (windows - windows.mean(axis=(0, 1))) / windows.std(axis=(0, 1))
    np.testing.assert_allclose(encoding.apply({"x": windows})[0], scaled.transpose(0, 2, 1), atol=1e-4)
    step = np.abs(np.diff(scaled, axis=1)).mean(axis=1)
    parts = [scaled.mean(axis=1), scaled.std(axis=1), scaled.min(axis=1), scaled.max(axis=1), step]
    np.testing.assert_allclose(encoding.apply_matrix({"x": windows}), np.concatenate(parts, axis=1), atol=1e-4)


def test_pictures_are_arrays_bytes_or_paths(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (3, 6, 6), dtype=np.uint8)
    encoded = []
    for at, one in enumerate(pixels):
        sink = io.BytesIO()
        Pictures.fromarray(one).save(sink, "PNG")
        encoded.append(sink.getvalue())
        (tmp_path / f"{at}.png").write_bytes(sink.getvalue())
    kind = Image(column="x")
    tensors = pa.chunked_array([pa.FixedShapeTensorArray.from_numpy_ndarray(pixels)])
    for cells in (tensors, column(pixels.tolist()), column(encoded), column([f"{at}.png" for at in range(3)])):
        np.testing.assert_array_equal(kind.read(cells, "x", tmp_path), pixels)
    scaled = Image(column="x", size=4).read(column(encoded), "x", tmp_path)
    assert scaled.shape == (3, 4, 4)


@pytest.mark.parametrize(
    ("kind", "values", "why"),
    [
        (Image(column="x"), [b"no picture"], "is no picture"),
        (Image(column="x"), ["../outside.png"], "leads out of"),
        (Image(column="x"), ["/etc/hostname"], "leads out of"),
        (Image(column="x"), ["missing.png"], "cannot be read"),
        (Image(column="x"), [[1, 2, 3]], "has the shape"),
        (Series(column="x"), [[1.0, 2.0], [1.0]], "row 1"),
        (Series(column="x"), [[1.0, None], [1.0, 2.0]], "row 0"),
        (Series(column="x"), [1.0, 2.0], "store arrays"),
        (Audio(column="x"), [[0.0] * 10], "shorter than one frame"),
        (Audio(column="x"), [[[0.0] * 800]], "has the shape"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(tmp_path, kind, values, why):
    with pytest.raises(TableError, match=why):
        kind.read(column(values), "x", tmp_path)


def test_rows_of_arrays_are_dealt_kept_and_told_apart(tmp_path):
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(400, 8, 2)).astype(np.float32)
    windows[300:] = windows[:100]  # duplicates, which must not be torn apart
    label = np.where(windows[:, :, 0].mean(axis=1) > 0, "up", "down")
    path = tmp_path / "t.parquet"
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(windows)
    pq.write_table(pa.table({"w": tensor, "y": label, "note": ["n"] * 400}), path)
    spec = DataSpec(table=path, target="y", input=("series", {"column": "w"}), positive="up")
    dataset = data.load(spec)
    assert list(dataset.features) == ["w"]
    assert dataset.leakage["exact_duplicates_across"] == 0
    np.testing.assert_array_equal(dataset.features["w"], windows)
    assert data.fingerprint(path) == dataset.digests["table"]
    np.testing.assert_array_equal(data.restored(pa.chunked_array([data.stored(windows)])), windows)
    assert data.rows(path, {"w": "float"}, ("series", {"column": "w"}))["w"].shape == windows.shape
    with pytest.raises(TableError, match="no column 'z'"):
        data.load(DataSpec(table=path, target="y", input=("series", {"column": "z"})))
    holes = pa.table({"w": pa.array([None, [1.0]]), "y": ["a", "b"]})
    with pytest.raises(TableError, match="row 0"):
        modal.read(holes, ("series", {"column": "w"}), HERE / "t.parquet")
