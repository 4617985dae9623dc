"""Encoded rows that are kept: the same numbers, mapped, made once; damaged ones are made again."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autodistill import shelf
from autodistill.jobs import encoded as room
from autodistill.jobs.encoded import encoded


@pytest.fixture
def dataset(loans: Any) -> Any:
    got = loans(2)
    order = np.random.default_rng(0).permutation(1200)
    splits = {"train": order[:900], "search": order[900:]}
    return SimpleNamespace(
        features=got.features,
        splits=splits,
        digests={name: f"rows of {name}" for name in splits},
        rows=lambda split: {name: column[splits[split]] for name, column in got.features.items()},
    )


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LEAST", 1)
    monkeypatch.setattr(room, "CHUNK", 4096)


def plain(encoding: Any, form: str, rows: Any) -> Any:
    return encoding.apply(rows) if form == "split" else (encoding.apply_matrix(rows),)


def files(cache: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in sorted((cache / "rows").rglob("*.npy"))}


@pytest.mark.parametrize("form", ["split", "matrix"])
@pytest.mark.usefixtures("large")
def test_kept_rows_are_those_of_the_graph_and_are_mapped(loans: Any, dataset: Any, form: Any, tmp_path: Path) -> None:
    encoding = loans(2).encoding
    for split in ("train", "search"):
        expected = plain(encoding, form, dataset.rows(split))
        for _ in range(2):
            found = encoded(encoding, form, dataset, split, tmp_path)
            assert [part.dtype for part in found] == [part.dtype for part in expected]
            for part, whole in zip(found, expected, strict=True):
                np.testing.assert_array_equal(part, whole)
                assert isinstance(part.base, np.memmap)
                assert part.flags.writeable
    assert len(files(tmp_path)) == 2 * len(expected)


@pytest.mark.usefixtures("large")
def test_what_is_written_into_rows_stays_with_the_writer(loans: Any, dataset: Any, tmp_path: Path) -> None:
    (first,) = encoded(loans(2).encoding, "matrix", dataset, "train", tmp_path)
    expected = first.copy()
    first[:] = -1.0
    (second,) = encoded(loans(2).encoding, "matrix", dataset, "train", tmp_path)
    np.testing.assert_array_equal(second, expected)


@pytest.mark.parametrize("harm", ["a byte", "cut", "gone", "about"])
@pytest.mark.usefixtures("large")
def test_damaged_rows_are_made_again(loans: Any, dataset: Any, harm: str, tmp_path: Path) -> None:
    encoding = loans(2).encoding
    expected = encoding.apply(dataset.rows("train"))
    encoded(encoding, "split", dataset, "train", tmp_path)
    path = next(iter(files(tmp_path)))
    data = path.read_bytes()
    match harm:
        case "a byte":
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        case "cut":
            path.write_bytes(data[:-8])
        case "gone":
            path.unlink()
        case "about":
            (path.parent / shelf.RECORD).write_text(json.dumps({"digests": None}))
    for part, whole in zip(encoded(encoding, "split", dataset, "train", tmp_path), expected, strict=True):
        np.testing.assert_array_equal(part, whole)
    assert path.read_bytes() == data
    assert not list(tmp_path.rglob(".making-*"))


@pytest.mark.usefixtures("large")
def test_other_rows_and_other_encodings_are_kept_apart(loans: Any, dataset: Any, tmp_path: Path) -> None:
    encoded(loans(2).encoding, "matrix", dataset, "train", tmp_path)
    dataset.digests["train"] = "other rows"
    encoded(loans(2).encoding, "matrix", dataset, "train", tmp_path)
    encoded(loans(3).encoding, "matrix", dataset, "train", tmp_path)
    assert len(files(tmp_path)) == 3


def test_few_rows_and_rows_without_a_cache_stay_in_memory(loans: Any, dataset: Any, tmp_path: Path) -> None:
    for cache in (None, tmp_path):
        found = encoded(loans(2).encoding, "split", dataset, "train", cache)
        for part, whole in zip(found, loans(2).encoding.apply(dataset.rows("train")), strict=True):
            np.testing.assert_array_equal(part, whole)
    assert not (tmp_path / "rows").exists()


@pytest.mark.usefixtures("large")
def test_where_nothing_can_be_kept_rows_are_in_memory(loans: Any, dataset: Any, tmp_path: Path) -> None:
    (tmp_path / "rows").write_text("a file where the folder should be")
    (found,) = encoded(loans(2).encoding, "matrix", dataset, "train", tmp_path)
    np.testing.assert_array_equal(found, loans(2).encoding.apply_matrix(dataset.rows("train")))


@pytest.mark.usefixtures("large")
def test_a_full_disk_leaves_nothing_and_stops_nothing(
    loans: Any, dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shelf.os, "fsync", full)
    (found,) = encoded(loans(2).encoding, "matrix", dataset, "train", tmp_path)
    np.testing.assert_array_equal(found, loans(2).encoding.apply_matrix(dataset.rows("train")))
    assert [path.suffix for path in (tmp_path / "rows").iterdir()] == [".lock"]


@pytest.mark.usefixtures("large")
def test_two_workers_make_them_once(loans: Any, dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, write = [], shelf._write
    monkeypatch.setattr(shelf, "_write", lambda where, *rest: written.append(where) or write(where, *rest))
    encoding = loans(2).encoding
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: encoded(encoding, "split", dataset, "train", tmp_path), range(2)))
    assert len(written) == 1
    for parts in found:
        for part, whole in zip(parts, encoding.apply(dataset.rows("train")), strict=True):
            np.testing.assert_array_equal(part, whole)
