"""Where a search ends badly, or is handed something that it should not trust: one line, and nothing lost."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import small_run

from autodistill import cli, export, report
from autodistill.errors import RunError


def nothing_fits(policy: str) -> str:
    """A policy that no file can meet."""
    return policy.replace("at_most: 20 kB", "at_most: 10 B")


def test_a_search_in_which_every_candidate_is_refused_still_reports(tmp_path: Path) -> None:
    run = small_run.search(tmp_path, tmp_path / "cache", policy=nothing_fits(small_run.POLICY), trials=4)
    found = run.report
    assert {entry["state"] for entry in found["entries"]} == {"refused"}
    assert (run.code, found["front"], found["certified"], found["finalist"]) == (cli.REFUSED, [], None, None)
    assert found["verdict"]["decision"] == "FAIL"
    assert (run.folder / "report.html").is_file()
    with small_run.inside(tmp_path, tmp_path / "cache"):
        assert cli.main(["show", str(run.folder), "--all"]) == cli.REFUSED


def test_a_regression_under_a_policy_of_classes_is_refused_before_anything_is_fitted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = small_run.write(tmp_path)
    text = file.read_text(encoding="utf-8")
    regression = tmp_path / "regression.yaml"
    words = text.replace("target: income", "target: age\n  task: regression").replace('  positive: ">50K"\n', "")
    regression.write_text(words, encoding="utf-8")
    with small_run.inside(tmp_path, tmp_path / "cache"):
        assert cli.main(["search", str(regression)]) == cli.WRONG
    said = capsys.readouterr().err.splitlines()[-1]
    assert "accuracy_loss speaks of classes, and this target is a number" in said
    assert not (tmp_path / "cache" / "autodistill" / "teachers").exists()


def test_sizes_are_those_of_the_files_that_ship(recorded: small_run.Run) -> None:
    found = recorded.report
    for entry in found["entries"]:
        if entry["state"] == "finished":
            key = next(
                folder.name
                for folder in (recorded.folder / "candidates").iterdir()
                if (folder / "entry.json").exists()
                and json.loads((folder / "entry.json").read_bytes())["candidate"]["number"]
                == entry["candidate"]["number"]
            )
            path = recorded.folder / "candidates" / key / "student.onnx"
            assert entry["readings"]["size"]["value"] == path.stat().st_size
            assert path.with_name("predictions.search.parquet").stat().st_mode & 0o077 == 0


def test_predict_answers_only_with_the_audited_file(recorded: small_run.Run, tmp_path: Path) -> None:
    from autodistill import predict

    run = tmp_path / "run"
    shutil.copytree(recorded.folder, run)
    found = report.read(run)
    key = found["certified"]
    assert key is not None
    table = recorded.root / "adult.parquet"
    assert len(predict(run, table)) == small_run.ROWS
    path = run / "candidates" / key / "student.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(RunError, match="not the file that was audited"):
        predict(run, table)
    found["certified"] = f"../../{key}"
    (run / "report.json").write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(RunError, match="missing"):
        predict(run, table)


@pytest.mark.parametrize(
    "damage",
    [
        lambda found: {"format": found["format"]},
        lambda found: {**found, "entries": [{"candidate": 3}]},
        lambda found: {**found, "verdict": {"decision": "SPLENDID"}},
        lambda found: {**found, "verdict": []},
        lambda found: {**found, "findings": [{}]},
    ],
)
def test_a_damaged_report_is_one_line(
    recorded: small_run.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Any
) -> None:
    (tmp_path / "report.json").write_text(json.dumps(damage(recorded.report)), encoding="utf-8")
    for verb in ("show", "report"):
        assert cli.main([verb, str(tmp_path)]) == cli.WRONG
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_killed_export_leaves_no_half_file(loans: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from autodistill import plugins

    table = loans(2)
    shapes = table.encoding.shapes(2)
    import numpy as np

    matrix = table.encoding.apply_matrix(table.features)
    model = plugins.build("students", "majority", {}).build(shapes, 2)
    core = model.fit(matrix, np.eye(2, dtype=np.float32)[table.y], None).onnx()

    def cut(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", cut)
    out = tmp_path / "shape.onnx"
    with pytest.raises(KeyboardInterrupt):
        export.wrap(table.encoding, core, export.Answer(classes=("no", "yes")), out)
    assert not out.exists()
