"""Folders that cannot be written: one line, exit code 2, and nothing that was there is lost."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import small_run
from signed_run import RUN, ada, at, refused, trust

from autodistill import cli, signoff
from autodistill.errors import LedgerError
from autodistill.ledger import Ledger
from autodistill.run import attest
from autodistill.signoff import head as heads


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a person is told."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("autodistill: ")]
    assert len(lines) == 1, lines
    return lines[0]


def content(folder: Path) -> dict[Path, bytes]:
    """Every file but the locks."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock")}


@contextmanager
def readonly(folder: Path) -> Iterator[None]:
    """A folder of which nobody may change the entries; skips where this user may all the same."""
    folder.chmod(0o555)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("this user writes into read-only folders (root)")
        yield
    finally:
        folder.chmod(0o755)


@pytest.fixture
def keyless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No auditor's key, and a file where its folder should be."""
    (tmp_path / "config").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_a_search_without_a_place_for_its_key_does_not_begin(
    keyless: None, recorded: small_run.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del keyless
    with small_run.inside(tmp_path / "work", recorded.cache):
        assert cli.main(["search", str(recorded.file)]) == 2
    error = capsys.readouterr().err
    assert "set XDG_CONFIG_HOME" in error
    assert "preparing the teacher" not in error
    assert content(tmp_path / "work") == {}


def test_a_search_without_a_place_for_its_ledger_does_not_begin(
    recorded: small_run.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "reports").write_text("")
    with small_run.inside(tmp_path / "work", recorded.cache):
        for more in ([], ["--out", "elsewhere"]):
            assert cli.main(["search", str(recorded.file), *more]) == 2
            assert "cannot be written" in said(capsys)
    assert set(content(tmp_path / "work")) == {tmp_path / "work" / "reports"}


def test_pages_are_not_written_over_where_the_ledger_would_not_know(
    keyless: None, copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del keyless
    before = content(copy)
    verbs = [("report", "reports/small"), ("sign", "reports/small", *ada("rejected", "--because", "x"))]
    for verb in verbs:
        assert at(copy, *verb) == 2
        assert "set XDG_CONFIG_HOME" in said(capsys)
    assert content(copy) == before
    monkeypatch.undo()
    assert refused(copy) == {}


def test_a_head_that_cannot_be_written_adds_no_line(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(copy)
    (copy / "reports" / heads.NEXT / "x").mkdir(parents=True)
    with pytest.raises(LedgerError, match="the line was not added"):
        attest.book(copy / "reports").append("alias", {})
    assert at(copy, "sign", "reports/small", *ada("revoked", "--because", "drift")) == 2
    assert "the line was not added" in said(capsys)
    shutil.rmtree(copy / "reports" / heads.NEXT)
    assert {path: data for path, data in content(copy).items() if path.suffix != ".part"} == before
    assert refused(copy) == {}


def test_an_opening_that_cannot_be_kept_is_paid_once(
    recorded: small_run.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(recorded.root / "reports", tmp_path / "reports")
    trust(tmp_path, [("Ada", "approver", signoff.make(tmp_path / "ada.pem"))])
    for name in ("predictions.sealed.parquet", "sealed.dsse.json"):
        blocked = tmp_path / RUN / "statements" / name
        (blocked / "x").mkdir(parents=True)
        assert at(tmp_path, "sign", "reports/small", *ada("approved")) == 2
        assert "cannot be written" in said(capsys)
        shutil.rmtree(blocked)
    assert at(tmp_path, "sign", "reports/small", *ada("approved")) == 0
    assert len(Ledger(tmp_path / "reports").lines("opening")) == 1
    assert refused(tmp_path) == {}


def test_read_only_folders_are_one_line(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(copy)
    decide = ("sign", "reports/small", *ada("rejected", "--because", "x"))
    folders = {copy / RUN / "statements": decide, copy / "reports": decide, copy / RUN: ("report", "reports/small")}
    for folder, verb in folders.items():
        with readonly(folder):
            assert at(copy, *verb) == 2, folder
            assert "cannot be written" in said(capsys)
            assert refused(copy) == {}  # to verify nothing is written
    assert content(copy) == before
