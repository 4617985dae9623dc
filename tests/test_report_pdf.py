"""A report printed to PDF: by a Chromium of this machine, whole or not at all, and one line where there is none."""

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
import report_data

from autodistill import cli, report
from autodistill.errors import UserError
from autodistill.report import pdf


def _there() -> bool:
    try:
        return bool(pdf.browser())
    except UserError:
        return False


chromium = pytest.mark.skipif(not _there(), reason="no Chromium on PATH, and AUTODISTILL_CHROMIUM names none")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pdf") / "run"
    report.write(folder, report_data.certified(12))
    return folder


def program(path: Path, *lines: str) -> str:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return str(path)


def said(capsys: pytest.CaptureFixture[str], arguments: Sequence[str]) -> str:
    assert cli.main(list(arguments)) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    return err


@chromium
def test_a_report_is_printed_on_a4_whole_and_for_its_owner_only(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = run / "report.html"
    before = page.read_bytes()
    assert cli.main(["report", str(run), "--pdf"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(run / "report.pdf")
    made = (run / "report.pdf").read_bytes()
    assert stat.S_IMODE((run / "report.pdf").stat().st_mode) == 0o600
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", made)
    assert len(boxes) >= 5
    assert {(round(float(w)), round(float(h))) for w, h in boxes} == {(595, 842)}  # 210 × 297 mm in points
    assert page.read_bytes() == before


def test_without_a_chromium_it_is_one_line_and_nothing_is_written(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(pdf.NAMED, raising=False)
    before = (run / "report.html").stat().st_mtime_ns
    err = said(capsys, ["report", str(run), "--pdf"])
    assert "no Chromium or Chrome is here" in err
    assert pdf.NAMED in err
    assert (run / "report.html").stat().st_mtime_ns == before
    monkeypatch.setenv(pdf.NAMED, "/nowhere/chromium")
    assert "'/nowhere/chromium' is no program" in said(capsys, ["report", str(run), "--pdf"])
    assert "--pdf goes without --policy" in said(capsys, ["report", str(run), "--pdf", "--policy", "x.yaml"])


def test_a_chromium_that_fails_hangs_or_prints_nothing_is_one_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, out = run / "report.html", tmp_path / "out.pdf"
    for lines, why in {
        ("echo first >&2", "echo 'no display' >&2", "exit 3"): "did not print: no display",
        ("exit 0",): "did not print: it gave no reason",
        ("sleep 30 &", "wait"): "did not print within 0.5 s",
    }.items():
        monkeypatch.setenv(pdf.NAMED, program(tmp_path / "browser", *lines))
        with pytest.raises(UserError, match=why):
            pdf.write(page, out, seconds=0.5 if "sleep" in lines[0] else 30)
        assert not out.exists()


def test_where_the_file_cannot_be_is_said(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ('for one in "$@"; do case $one in --print-to-pdf=*) echo "%PDF-1" > "${one#*=}";; esac; done',)
    monkeypatch.setenv(pdf.NAMED, program(tmp_path / "browser", *lines))
    assert cli.main(["report", str(run), "--pdf", str(tmp_path / "fine.pdf")]) == 0
    assert (tmp_path / "fine.pdf").read_bytes() == b"%PDF-1\n"
    assert not list(tmp_path.glob(".*"))
    with pytest.raises(UserError, match="cannot be written"):
        pdf.write(run / "report.html", tmp_path / "no" / "such" / "folder.pdf")


def test_the_browser_is_told_to_use_no_network_and_a_profile_of_its_own(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = tmp_path / "heard"
    monkeypatch.setenv(pdf.NAMED, program(tmp_path / "browser", f'printf "%s\\n" "$@" > {heard}', "exit 1"))
    with pytest.raises(UserError):
        pdf.write(run / "report.html", tmp_path / "out.pdf")
    arguments = heard.read_text().splitlines()
    assert arguments[-1] == (run / "report.html").resolve().as_uri()
    assert "--host-resolver-rules=MAP * ~NOTFOUND" in arguments
    profile = next(one for one in arguments if one.startswith("--user-data-dir=")).partition("=")[2]
    assert not Path(profile).exists()  # gone with the print
    assert ("--no-sandbox" in arguments) == (os.geteuid() == 0)
