"""Tables in Arrow's file format: what Parquet gives, a part at a time, or one line about what is wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from autodistill import data
from autodistill.data import DataSpec
from autodistill.errors import TableError

ROWS = 240


def made() -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "wave": pa.array(rng.normal(size=(ROWS, 12)).astype(np.float32).tolist(), pa.list_(pa.float32())),
            "word": pa.array(np.resize(["a", "b", None], ROWS)),
            "kind": pa.array(np.resize(["x", "y"], ROWS)).dictionary_encode(),
            "n": rng.normal(size=ROWS),
            "y": np.where(rng.random(ROWS) < 0.5, "yes", "no"),
        }
    )


def arrow(path: Path, table: pa.Table, compression: str | None = None, together: int = 50) -> Path:
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(str(path), table.schema, options=options) as file:
        file.write_table(table, max_chunksize=together)
    return path


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("name", ["t.arrow", "t.feather"])
def test_an_arrow_file_is_the_table_that_parquet_is(name: str, compression: str | None, tmp_path: Path) -> None:
    table = made()
    path = arrow(tmp_path / name, table, compression)
    pq.write_table(table, tmp_path / "t.parquet")
    assert data.read(path).equals(data.read(tmp_path / "t.parquet"))
    assert data.fingerprint(path) == data.fingerprint(tmp_path / "t.parquet")
    opened = data.source(path)
    assert (opened.rows, opened.names) == (ROWS, tuple(table.column_names))
    some = list(opened.batches(["y", "n"], rows=30))
    assert [len(one) for one in some] == [30, 20] * 4 + [30, 10]
    assert pa.concat_tables(some).equals(table.select(["y", "n"]))
    for asked in (("tabular", {}), ("series", {"column": "wave"})):
        loaded = [
            data.load(DataSpec(table=one, target="y", input=asked, drop=() if asked[1] else ("wave",)))
            for one in (path, tmp_path / "t.parquet")
        ]
        assert loaded[0].digests == loaded[1].digests


def test_what_pandas_writes_is_read_without_its_index(tmp_path: Path) -> None:
    frame = made().select(["word", "n", "y"]).to_pandas()
    feather.write_feather(frame, tmp_path / "t.feather")
    assert data.source(tmp_path / "t.feather").names == ("word", "n", "y")


def broken(how: str, path: Path) -> None:
    sound = arrow(path, made()).read_bytes()
    match how:
        case "cut":
            path.write_bytes(sound[: len(sound) // 2])
        case "cut at its end":
            path.write_bytes(sound[:-3])
        case "other":
            path.write_bytes(b"age,y\n1,2\n" * 9)
        case "nothing":
            path.write_bytes(b"")
        case "old":
            path.write_bytes(b"FEA1" + bytes(200) + b"FEA1")
        case "no rows":
            arrow(path, made().slice(0, 0))
        case "twice":
            arrow(path, made().append_column("n", made()["n"]))
        case "ends":  # where a string ends, far outside of the file
            at = sound.index(np.array([0, 1, 2, 2, 3], "<i4").tobytes())
            path.write_bytes(sound[: at + 8] + (1 << 30).to_bytes(4, "little") + sound[at + 12 :])


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("cut", "not"), ("cut at its end", "not"), ("other", "not an Arrow file, whatever its name says"),
        ("nothing", "not an Arrow file"), ("old", "not an Arrow file, whatever its name says; save it in Arrow's file"),
        ("no rows", "the table is empty"), ("twice", "two columns are named 'n'"), ("ends", "offset"),
    ],
)  # fmt: skip
def test_a_broken_arrow_file_is_refused_in_one_line(how: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "t.arrow"
    broken(how, path)
    with pytest.raises(TableError) as caught:
        data.load(DataSpec(table=path, target="y", drop=("wave",)))
    line = str(caught.value)
    assert line.startswith(str(path))
    assert said in line.lower() or said in line
    assert "\n" not in line
    assert caught.value.do


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")  # numbers out of thin air
def test_random_damage_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.arrow"
    sound = arrow(path, made()).read_bytes()
    rng: Any = np.random.default_rng(7)
    for _ in range(150):
        changed = bytearray(sound)
        for at in rng.integers(0, len(sound), 3):
            changed[at] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        try:
            data.load(DataSpec(table=path, target="y", drop=("wave",)))
        except TableError as fault:
            assert "\n" not in str(fault)  # noqa: PT017
