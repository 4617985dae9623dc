"""The catalogue of errors: each class is provoked, printed as one line, and listed with what to do."""

from pathlib import Path

import error_page
import pytest

from autodistill import cli


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_every_class_has_a_provocation_and_the_page_lists_them_all() -> None:
    named = [line.removeprefix("## ") for line in error_page.PAGE.read_text(encoding="utf-8").splitlines()
             if line.startswith("## ")]  # fmt: skip
    assert named == list(error_page.classes()) == list(error_page.PROVOKED)


@pytest.mark.parametrize("name", error_page.PROVOKED)
def test_what_is_provoked_is_of_that_class_and_says_what_to_do(tmp_path: Path, name: str) -> None:
    fault = error_page.provoked(name, tmp_path)
    assert type(fault) is error_page.classes()[name]
    assert fault.what
    assert fault.do or name == "LevelSpentError"
    assert "\n" not in str(fault)


def test_the_page_is_what_the_classes_and_their_lines_say(tmp_path: Path) -> None:
    """``python tests/error_page.py`` writes it anew."""
    assert error_page.page(tmp_path) == error_page.PAGE.read_text(encoding="utf-8")


def test_the_command_line_prints_one_line_and_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error_page.prepared(tmp_path)
    with error_page.inside(tmp_path):
        assert cli.main(["show", "reports/people"]) == cli.WRONG
    out, err = capsys.readouterr()
    assert (out, err.strip()) == ("", f"autodistill: {error_page.provoked('RunError', tmp_path)}")
