"""One large column is decoded some rows at a time and mapped: the same rows, digests and splits as in memory."""

import io
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image as Pictures

from autodistill import data, plugins, shelf
from autodistill.data import DataSpec, table, wide
from autodistill.errors import TableError
from autodistill.inputs.image import Image
from autodistill.jobs import taught
from autodistill.jobs.encoded import encoded
from autodistill.records import Dataset, columns, in_file, pieces, take

ROWS = 300
WORDS = np.array(["light", "heavy", "Öl", "small", "", "zebra"])


def png(pixels: Any) -> bytes:
    sink = io.BytesIO()
    Pictures.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()


def cells(kind: str, folder: Path) -> Any:
    """A column of its kind, some rows twice."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (ROWS, 6, 6), dtype=np.uint8)
    waves = rng.uniform(-1, 1, (ROWS, 900)).astype(np.float32)
    for one in (pixels, waves):
        one[250:] = one[:50]
    match kind:
        case "image":
            return pa.FixedShapeTensorArray.from_numpy_ndarray(pixels)
        case "bytes":
            return pa.array([png(one) for one in pixels])
        case "paths":
            for at, one in enumerate(pixels):
                (folder / f"{at}.png").write_bytes(png(one))
            return pa.array([f"{at}.png" for at in range(ROWS)])
        case "audio":
            return pa.FixedShapeTensorArray.from_numpy_ndarray(waves)
        case "series":
            return pa.array(waves[:, :20].tolist())
    drawn = WORDS[rng.integers(0, len(WORDS), (ROWS, 5))]
    return pa.array([f"{' '.join(row)} {at // 2}" for at, row in enumerate(drawn)])


KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "image": ("image", {}),
    "bytes": ("image", {"size": 8, "colour": True}),
    "paths": ("image", {}),
    "audio": ("audio", {"rate": 8000, "mels": 8}),
    "series": ("series", {}),
    "text": ("text", {"min_rows": 1}),
    "characters": ("characters", {}),
}


def written(kind: str, folder: Path, name: str = "t.parquet") -> Path:
    path = folder / name
    rng = np.random.default_rng(1)
    label = np.where(rng.random(ROWS) < 0.5, "yes", "no")
    found = pa.table({"x": cells(kind, folder), "y": label, "g": np.resize(["a", "b"], ROWS), "n": np.arange(ROWS) / 8})
    if name.endswith(".parquet"):
        pq.write_table(found, path, row_group_size=70)
    else:
        with pa.ipc.new_file(str(path), found.schema) as file:
            file.write_table(found, max_chunksize=70)
    return path


def loaded(path: Path, kind: str) -> Dataset:
    name, options = KINDS[kind]
    groups = (data.GroupSpec(column="g"),)
    return data.load(
        DataSpec(table=path, target="y", positive="yes", groups=groups, input=(name, {"column": "x", **options}))
    )


@pytest.fixture
def mapped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """From now on every column is large, and a piece of it is a few rows."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def begin(least: int = 1) -> Path:
        monkeypatch.setattr(wide, "LEAST", least)
        for room in (wide, table):
            monkeypatch.setattr(room, "BATCH", 20_000)
        monkeypatch.setattr(columns, "PIECE", 20_000)
        monkeypatch.setattr(data.digest, "BYTES", 30_000)
        return tmp_path / "cache" / "autodistill" / wide.KEPT

    return begin


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["split", "matrix"])
def test_mapped_rows_are_those_in_memory(kind: str, form: Any, mapped: Any, tmp_path: Path) -> None:
    path = written(kind, tmp_path)
    plain, before = loaded(path, kind), data.fingerprint(path)
    mapped()
    found = loaded(path, kind)
    assert in_file(found.features["x"])
    assert not in_file(plain.features["x"])
    assert (found.digests, found.leakage, found.notes) == (plain.digests, plain.leakage, plain.notes)
    assert data.fingerprint(path) == before == found.digests["table"]
    np.testing.assert_array_equal(found.row_digests, plain.row_digests)
    np.testing.assert_array_equal(found.units, plain.units)
    for name, at in plain.splits.items():
        np.testing.assert_array_equal(found.splits[name], at)
        np.testing.assert_array_equal(np.asarray(found.rows(name)["x"]), plain.rows(name)["x"])
    whole, own = found.features["x"], plain.features["x"]
    assert (whole.dtype, whole.shape, len(whole)) == (own.dtype, own.shape, len(own))
    assert list(whole[7:9].ravel()) == list(own[7:9].ravel())
    fitted = []
    for dataset in (plain, found):
        y = dataset.y[dataset.splits["train"]]
        fitted.append(
            plugins.build("inputs", KINDS[kind][0], {"column": "x", **KINDS[kind][1]}).fit(
                dataset.rows("train"), y, dataset.classes
            )
        )
    assert fitted[0].digest == fitted[1].digest
    for one, other in zip(
        encoded(fitted[0], form, plain, "search", None),
        encoded(fitted[1], form, found, "search", tmp_path),
        strict=True,
    ):
        assert one.tobytes() == other.tobytes()


def kept(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


@pytest.mark.parametrize("kind", ["bytes", "paths", "text"])
def test_a_column_is_decoded_once_and_again_where_what_it_is_made_of_differs(
    kind: str, mapped: Any, tmp_path: Path
) -> None:
    path, folder = written(kind, tmp_path), mapped()
    loaded(path, kind)
    (first,) = kept(folder)
    made = (first / "0.npy").stat().st_ino
    loaded(path, kind)
    assert kept(folder) == [first]
    assert (first / "0.npy").stat().st_ino == made
    if kind == "paths":  # the table is the same, the picture is not
        (tmp_path / "3.png").write_bytes(png(np.zeros((6, 6), np.uint8)))
        assert not np.asarray(loaded(path, kind).features["x"][3:4]).any()
    elif kind == "bytes":
        dataset = data.load(DataSpec(table=path, target="y", input=("image", {"column": "x", "size": 4})))
        assert dataset.features["x"].shape == (ROWS, 4, 4)
    else:
        data.rows(path, {"x": "string"}, ("text", {"column": "x"}))  # by its own cells alone
    assert len(kept(folder)) == 2


@pytest.mark.parametrize("harm", ["a byte", "cut", "gone", "half made"])
def test_damaged_and_half_made_rows_are_never_trusted(harm: str, mapped: Any, tmp_path: Path) -> None:
    path, folder = written("bytes", tmp_path), mapped()
    expected = np.array(loaded(path, "bytes").features["x"])
    (where,) = kept(folder)
    file = where / "0.npy"
    sound = file.read_bytes()
    if harm == "a byte":
        file.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    elif harm == "cut":
        file.write_bytes(sound[:-9])
    elif harm == "gone":
        file.unlink()
    else:  # a process that was killed while it wrote
        where.rename(where.with_name(shelf.MAKING + where.name))
        (folder / f"{shelf.MAKING}{'0' * 40}").mkdir()
    np.testing.assert_array_equal(np.asarray(loaded(path, "bytes").features["x"]), expected)
    assert kept(folder) == [where]
    assert file.read_bytes() == sound


def test_what_is_in_use_stays_and_the_longest_unused_goes(
    mapped: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, folder = written("image", tmp_path), mapped()
    monkeypatch.setattr(shelf, "MOST", 1)
    held = loaded(path, "image").rows("audit")["x"]
    expected = np.array(held)
    (first,) = kept(folder)
    loaded(written("text", tmp_path), "text")
    assert first in kept(folder)
    np.testing.assert_array_equal(np.asarray(held), expected)
    del held
    loaded(written("series", tmp_path), "series")
    assert first not in kept(folder)


def test_another_process_is_handed_a_files_name(mapped: Any, tmp_path: Path) -> None:
    mapped()
    for kind in ("image", "text"):
        rows = loaded(written(kind, tmp_path), kind).rows("train")["x"]
        handed = pickle.dumps(rows)
        assert len(handed) < 8 * len(rows) + 1000
        np.testing.assert_array_equal(np.asarray(pickle.loads(handed)), np.asarray(rows))


@pytest.mark.parametrize("kind", ["image", "text"])
def test_rows_are_taken_as_of_an_array(kind: str, mapped: Any, tmp_path: Path) -> None:
    path = written(kind, tmp_path)
    plain = loaded(path, kind).features["x"]
    mapped()
    column = loaded(path, kind).features["x"]
    at = np.random.default_rng(0).permutation(ROWS)[:90]
    some, own = take(column, at), plain[at]
    for index in (slice(3, 20), slice(None, None, 7), slice(-5, None), np.array([5, 0, 5]), -1, 4):
        np.testing.assert_array_equal(column[index], plain[index])
        np.testing.assert_array_equal(some[index], own[index])
    np.testing.assert_array_equal(np.asarray(take(some, at[:30] > 100)), own[:30][at[:30] > 100])
    np.testing.assert_array_equal(np.asarray(take(some, np.array([8, 2]))), own[[8, 2]])
    parts = list(pieces(some, 400))
    assert len(parts) > 5
    np.testing.assert_array_equal(np.concatenate(parts), own)
    np.testing.assert_array_equal(list(some), list(own))
    with pytest.raises(TypeError):
        column[..., None]


def odd(kind: str, tmp_path: Path) -> Path:
    """A table whose row 271 is wrong."""
    path, made = tmp_path / "t.parquet", cells("bytes" if kind != "number" else "audio", tmp_path)
    values: list[Any] = made.to_pylist() if kind != "number" else np.asarray(made.to_numpy_ndarray()).tolist()
    values[271] = {
        "missing": None,
        "number": [float("nan"), *values[271][1:]],
        "picture": b"no picture",
        "shape": png(np.zeros((5, 6), np.uint8)),
    }[kind]
    label = np.resize(["yes", "no", "no"], ROWS)
    kinds = pa.list_(pa.float32()) if kind == "number" else pa.binary()
    pq.write_table(pa.table({"x": pa.array(values, kinds), "y": label}), path)
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
    [("missing", "row 271: cells are missing"), ("number", "row 271: a number is missing or infinite"),
     ("picture", "row 271: is no picture"), ("shape", "row 271: a picture is (5, 6)")],
)  # fmt: skip
def test_an_odd_row_is_named_as_in_memory(kind: str, said: str, mapped: Any, tmp_path: Path) -> None:
    path = odd(kind, tmp_path)
    asked = ("audio", {"column": "x", "rate": 8000}) if kind == "number" else ("image", {"column": "x"})
    for large in (False, True):
        if large:
            mapped()
        with pytest.raises(TableError) as caught:
            data.load(DataSpec(table=path, target="y", input=asked))
        assert said in str(caught.value).replace(
            "has the shape (5, 6) where the first has (6, 6)", "a picture is (5, 6)"
        )
        assert "\n" not in str(caught.value)


def test_where_it_cannot_be_kept_one_line_says_how_much_and_where(
    mapped: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, folder = written("image", tmp_path), mapped()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shelf.os, "fsync", full)
    with pytest.raises(TableError, match=r"column 'x' takes 0\.0 GB decoded, which cannot be kept \(No space left"):
        loaded(path, "image")
    assert not kept(folder)


def test_large_cells_that_are_small_pictures_are_decoded_into_memory(mapped: Any, tmp_path: Path) -> None:
    path = written("bytes", tmp_path)
    plain = loaded(path, "bytes").features["x"]
    folder = mapped(least=path.stat().st_size)
    asked = ("image", {"column": "x", "size": 4})
    found = data.load(DataSpec(table=path, target="y", input=asked)).features["x"]
    assert isinstance(found, np.ndarray)
    assert found.shape == (ROWS, 4, 4) != plain.shape
    assert not folder.exists()


@pytest.mark.parametrize("kind", ["image", "text"])
def test_rows_without_label_are_those_of_memory(kind: str, mapped: Any, tmp_path: Path) -> None:
    path = written(kind, tmp_path)
    more = pq.read_table(path).slice(100)["x"].combine_chunks()
    pq.write_table(pa.table({"x": more}), tmp_path / "more.parquet", row_group_size=40)
    asked = (KINDS[kind][0], {"column": "x", **KINDS[kind][1]})
    found = []
    for large in (False, True):
        if large:
            mapped()
        found.append(data.transfer(tmp_path / "more.parquet", asked, loaded(path, kind)))
        assert in_file(found[-1].features["x"]) == large
    plain, own = found
    assert (own.digest, own.notes) == (plain.digest, plain.notes)
    assert 0 < len(own.features["x"]) < len(more)
    np.testing.assert_array_equal(np.asarray(own.features["x"]), plain.features["x"])
    train = loaded(path, kind).rows("train")["x"]
    assert taught._content({"x": train}) == taught._content({"x": np.asarray(train)})


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_a_small_table_of_large_pictures_is_mapped_too(name: str, mapped: Any, tmp_path: Path) -> None:
    written("paths", tmp_path)
    table_ = pq.read_table(tmp_path / "t.parquet")
    if name == "t.csv":
        table_.to_pandas().to_csv(tmp_path / name, index=False)
    asked = DataSpec(table=tmp_path / name, target="y", input=("image", {"column": "x", "size": 40}))
    plain = data.load(asked)
    mapped(least=ROWS * 40 * 40)  # of the decoded, and far more than the table has
    found = data.load(asked)
    assert (tmp_path / name).stat().st_size < ROWS * 40
    assert in_file(found.features["x"])
    assert found.digests == plain.digests
    np.testing.assert_array_equal(np.asarray(found.features["x"]), plain.features["x"])


STOPPED = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
import test_wide
from autodistill import shelf
from autodistill.data import wide
wide.LEAST = 1
shelf.os.fsync = lambda file: time.sleep(600)  # all is written, nothing is whole yet
test_wide.loaded(Path({path!r}), "bytes")
"""


def test_a_process_that_is_killed_while_it_writes_leaves_nothing_that_is_trusted(mapped: Any, tmp_path: Path) -> None:
    path, folder = written("bytes", tmp_path), mapped()
    program = STOPPED.format(tests=str(Path(__file__).parent), path=str(path))
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        while not list(folder.glob(f"{shelf.MAKING}*/0.npy")):
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    assert len(kept(folder)) == 1  # half made
    found = loaded(path, "bytes").features["x"]
    expected = Image(column="x", size=8, colour=True).read(pq.read_table(path)["x"], "x", tmp_path)
    np.testing.assert_array_equal(np.asarray(found), expected)
    (where,) = kept(folder)
    assert not where.name.startswith(shelf.MAKING)
