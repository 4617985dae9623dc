"""The command line as a stranger uses it: one line for what is wrong, nothing heavy for what is light."""

import subprocess
import sys
from pathlib import Path

import pytest

from autodistill import cli

FILES = sorted((Path(__file__).parent / "malformed").rglob("*.yaml"))
EXPERIMENTS = [path for path in FILES if "polic" not in str(path)]


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_a_malformed_experiment_is_one_line_and_exit_2(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parent.parent)
    assert cli.main(["check", str(path)]) == cli.WRONG
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert path.name in said.err or "policies" in said.err
    assert "Traceback" not in said.err


def test_there_are_twenty_malformed_experiments() -> None:
    assert len(EXPERIMENTS) >= 20


@pytest.mark.parametrize("verb", ["check", "list", "show", "report", "predict", "measure"])
def test_a_reviewer_needs_no_torch(verb: str) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['mlflow'] = None\n"
        f"from importlib import import_module; import_module('autodistill.cli.{verb}')\n"
        "from autodistill import report, auditor, verdict, runtime, measure, data, spec\n"
        "from autodistill.run import predict\n"
        "from autodistill import cli; raise SystemExit(cli.main(['list', 'students']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "boosted" in done.stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom autodistill import cli\n"
        "try:\n    cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'torch', 'pandas', 'rich', 'optuna', 'mlflow', 'pydantic', 'onnxruntime'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]"
    assert "search" in done.stdout


def test_no_such_file_and_no_such_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "nowhere.yaml"]) == cli.WRONG
    assert cli.main(["show", "nowhere"]) == cli.WRONG
    assert cli.main(["list", "rooms"]) == cli.WRONG
    assert len(capsys.readouterr().err.splitlines()) == 3
