"""Kept rows are bounded by bytes: the longest unused go first, what is mapped stays, what was half made goes."""

import gc
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from test_encoded import dataset, large

from autodistill import shelf
from autodistill.jobs.encoded import encoded, followed

__all__ = ["dataset", "large"]


@pytest.fixture
def made(loans: Any, dataset: Any, tmp_path: Path) -> Any:
    """Keeps rows under a name of their own; gives the arrays."""

    def one(name: str) -> Any:
        dataset.digests["train"] = name
        return encoded(loans(2).encoding, "matrix", dataset, "train", tmp_path)

    return one


def folders(cache: Path) -> set[str]:
    return {path.name for path in (cache / "rows").iterdir() if path.is_dir()}


def aged(cache: Path, seconds: int) -> None:
    """As if nothing there had been used for so long."""
    for path in (cache / "rows").glob(f"*/{shelf.RECORD}"):
        at = path.stat().st_mtime - seconds
        os.utime(path, (at, at))


@pytest.mark.usefixtures("large")
def test_the_longest_unused_goes_first(made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {}
    for name in ("a", "b", "c"):
        made(name)
        (names[name],) = folders(tmp_path) - set(names.values())
        aged(tmp_path, 100)
    size = sum(path.stat().st_size for path in (tmp_path / "rows" / names["a"]).iterdir())
    made("a")  # used again: b is now the oldest
    gc.collect()
    monkeypatch.setattr(shelf, "MOST", 3 * size)
    made("d")
    gc.collect()
    assert names["b"] not in folders(tmp_path)
    assert {names["a"], names["c"]} < folders(tmp_path)
    monkeypatch.setattr(shelf, "MOST", 1)
    made("e")
    assert len(folders(tmp_path)) == 1  # what is asked for is kept even where it is too much alone


@pytest.mark.usefixtures("large")
def test_what_is_mapped_stays_as_long_as_it_is(made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (held,) = made("a")
    expected, (folder,) = held.copy(), folders(tmp_path)
    monkeypatch.setattr(shelf, "MOST", 1)
    made("b")
    gc.collect()
    assert folder in folders(tmp_path)
    rest = held[5:]  # a part of it holds it too
    del held
    gc.collect()
    made("c")
    assert folder in folders(tmp_path)
    np.testing.assert_array_equal(rest, expected[5:])
    del rest
    gc.collect()
    made("d")
    assert folder not in folders(tmp_path)


@pytest.mark.usefixtures("large")
def test_what_a_killed_process_left_goes_and_what_is_being_made_stays(made: Any, tmp_path: Path) -> None:
    made("a")
    for name in ("left", "working"):
        (tmp_path / "rows" / f"{shelf.MAKING}{name}").mkdir()
        (tmp_path / "rows" / f"{shelf.MAKING}{name}" / "0.npy").write_bytes(b"half")
    with FileLock(tmp_path / "rows" / "working.lock"):
        made("b")
    left = [name for name in folders(tmp_path) if name.startswith(shelf.MAKING)]
    assert left == [f"{shelf.MAKING}working"]


@pytest.mark.usefixtures("large")
def test_a_disk_that_is_full_makes_room_first(made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made("a")
    gc.collect()
    made("b")
    gc.collect()
    before = folders(tmp_path)
    usage, said = shelf.shutil.disk_usage(tmp_path), iter([0, 1 << 40])
    monkeypatch.setattr(shelf.shutil, "disk_usage", lambda _: usage._replace(free=next(said)))
    made("c")
    assert len(before & folders(tmp_path)) == 1  # one was enough


@pytest.mark.usefixtures("large")
def test_further_rows_follow_known_ones_in_one_mapped_file(loans: Any, dataset: Any, tmp_path: Path) -> None:
    encoding = loans(2).encoding
    more = dataset.rows("search")
    known = encoded(encoding, "split", dataset, "train", tmp_path)
    expected = [np.concatenate(pair) for pair in zip(known, encoding.apply(more), strict=True)]
    for cache in (tmp_path, None):
        found = followed(encoding, known, ["rows", "more"], more, cache)
        assert all(isinstance(part.base, np.memmap) == (cache is not None) for part in found)
        for part, whole in zip(found, expected, strict=True):
            np.testing.assert_array_equal(part, whole)
    before = folders(tmp_path)
    followed(encoding, known, ["rows", "others"], more, tmp_path)
    assert len(folders(tmp_path) - before) == 1
