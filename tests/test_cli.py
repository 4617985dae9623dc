"""The verbs on a finished search, as a person, a pipe, a program and a reviewer without torch use them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_run

from autodistill import cli

MALFORMED = Path("tests") / "malformed"
ROOT = Path(__file__).parent.parent
REVIEWER = """
import sys
for name in ("torch", "mlflow", "optuna"):
    sys.modules[name] = None
from autodistill import cli
file, run, table = sys.argv[1:]
student = run + "/student.onnx"
codes = {
    "check": cli.main(["check", file]),
    "list": cli.main(["list"]),
    "show": cli.main(["show", run, "--all"]),
    "report": cli.main(["report", run]),
    "predict": cli.main(["predict", run, table]),
    "measure": cli.main(["measure", student, "--rows", table]),
}
print(codes, file=sys.stderr)
for verb in codes:
    try:
        cli.main([verb, "--help"])
    except SystemExit as end:
        assert end.code == 0
"""


@pytest.mark.parametrize("path", sorted((ROOT / MALFORMED).glob("*.yaml")), ids=lambda path: path.stem)
def test_check_says_in_one_line_what_is_wrong_with_a_file(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    file = path.relative_to(ROOT)
    expected = path.read_bytes().split(b"\n", 1)[0].decode().removeprefix("# expect: ")
    assert cli.main(["check", str(file)]) == cli.WRONG
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith(f"autodistill: {file}:")
    assert expected in err


def _with(row: int, column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def made(table: pd.DataFrame) -> pd.DataFrame:
        table = table.astype({column: object})
        table.loc[row, column] = value
        return table.astype({column: str}) if isinstance(value, str) else table

    return made


TABLES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "no target": (lambda t: t.drop(columns="income"), "'income' (target)"),
    "no group": (lambda t: t.drop(columns="sex"), "'sex' (groups)"),
    "one class": (lambda t: t.assign(income="<=50K"), "only one class, '<=50K'"),
    "another class": (lambda t: t.assign(income=t["income"].str.lower()), "no class '>50K' (positive)"),
    "target missing": (_with(7, "income", None), "column 'income', row 7"),
    "mixed": (_with(9, "age", "old"), "column 'age', row 9"),
    "infinite": (lambda t: t.assign(age=t["age"].where(t.index != 3, np.inf)), "column 'age', row 3"),
    "dates": (lambda t: t.assign(born=pd.Timestamp("2000-01-01")), "'born': dates and times"),
    "lists": (lambda t: t.assign(kids=[[1, 2]] * len(t)), "'kids': values of type list"),
    "reserved": (lambda t: t.assign(label=range(len(t))), "may not be named 'label'"),
    "copy of the target": (lambda t: t.assign(again=(t["income"] == ">50K") * 2), "'again': is the target"),
    "no rows": (lambda t: t.head(0), "the table is empty"),
    "one group": (lambda t: t.assign(sex="Male"), "only one group, 'Male'"),
}


@pytest.mark.parametrize("name", TABLES)
def test_check_says_in_one_line_what_is_wrong_with_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    change, said = TABLES[name]
    table = tmp_path / "people.parquet"
    change(small_run.people(300)).to_parquet(table)
    file = small_run.write(tmp_path, table=table)
    assert cli.main(["check", str(file)]) == cli.WRONG
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("autodistill: ")
    assert said in err


def test_a_reviewer_needs_neither_torch_nor_optuna_nor_mlflow(recorded: small_run.Run, tmp_path: Path) -> None:
    small_run.people(50).to_csv(tmp_path / "new.csv", index=False)
    given = [recorded.file, recorded.folder, tmp_path / "new.csv"]
    command = [sys.executable, "-c", REVIEWER, *map(str, given)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(recorded.cache)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    code = recorded.code
    expected = {"check": 0, "list": 0, "show": code, "report": 0, "predict": 0, "measure": 0}
    assert done.stderr.splitlines()[-1] == str(expected)
    assert "\x1b" not in done.stdout + done.stderr


def test_machines_read_json(recorded: small_run.Run, capsys: pytest.CaptureFixture[str]) -> None:
    run, file = str(recorded.folder), str(recorded.file)
    with small_run.inside(recorded.root, recorded.cache):
        found = {}
        for name, command in {
            "check": ["check", file], "search": ["search", file], "show": ["show", run], "list": ["list"],
            "report": ["report", run],
        }.items():  # fmt: skip
            cli.main([*command, "--json"])
            out, err = capsys.readouterr()
            assert err == ""
            found[name] = json.loads(out)
    assert found["search"] == found["show"] == recorded.report
    assert found["check"]["table"]["splits"] == recorded.report["data"]["splits"]
    assert set(found["list"]["students"]) >= {"boosted", "linear", "mlp", "tree"}
    assert found["list"]["students"]["mlp"]["options"]["width"]["type"]
    assert all(Path(recorded.root, path).is_file() for path in found["report"])


def test_a_pipe_reads_plain_words(recorded: small_run.Run, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["check", str(recorded.file)], ["show", str(recorded.folder), "--all"], ["list", "students"]):
        cli.main(command)
        out, err = capsys.readouterr()
        assert out.strip()
        assert "\x1b" not in out
        assert err == ""


def test_predict_answers_for_each_row(
    recorded: small_run.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_run.people(20).drop(columns="income").to_csv(tmp_path / "new.csv", index=False)
    assert cli.main(["predict", str(recorded.folder), str(tmp_path / "new.csv"), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 20
    assert {row["label"] for row in rows} <= {"<=50K", ">50K"}
    out = tmp_path / "scored.parquet"
    assert cli.main(["predict", str(recorded.folder), str(tmp_path / "new.csv"), "--out", str(out)]) == 0
    assert pd.read_parquet(out)["label"].tolist() == [row["label"] for row in rows]
    assert cli.main(["predict", str(recorded.folder), str(tmp_path / "new.csv"), "--out", "scored.doc"]) == cli.WRONG


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom autodistill import cli\n"
        "try:\n    cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'torch', 'pandas', 'rich', 'optuna', 'mlflow', 'pydantic', 'onnxruntime', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]"
    assert "search" in done.stdout


def test_no_such_file_and_no_such_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "nowhere.yaml"]) == cli.WRONG
    assert cli.main(["show", "nowhere"]) == cli.WRONG
    assert cli.main(["list", "rooms"]) == cli.WRONG
    assert cli.main(["-C", "nowhere", "list"]) == cli.WRONG
    assert len(capsys.readouterr().err.splitlines()) == 4
