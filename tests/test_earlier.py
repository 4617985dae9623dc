"""A search begins from an earlier one: by what that saw on its search split, and by nothing that its audit found."""

import json
import shutil
from pathlib import Path

import pytest
import small_run

from autodistill import cli
from autodistill.errors import RunError
from autodistill.run.earlier import earlier
from autodistill.run.folder import read_run

OBJECTIVES = ("error", "latency", "energy")


def identity(run: small_run.Run) -> dict[str, str]:
    found = read_run(run.folder)
    assert found is not None
    return dict(found.identity)


def test_the_front_and_all_that_was_trained(recorded: small_run.Run) -> None:
    found = earlier(str(recorded.folder), identity(recorded), OBJECTIVES)
    finished = {one["candidate"]["number"]: one for one in recorded.report["entries"] if one["state"] == "finished"}
    assert {one.candidate.number for one in found.entries} == set(finished)
    least = min(finished.values(), key=lambda one: one["error"])
    assert found.front[0] in [
        one["candidate"]["parameters"] for one in finished.values() if one["error"] == least["error"]
    ]
    assert 0 < len(found.front) <= len(finished)
    assert f"all {len(finished)}" in found.said


def test_of_other_rows_only_the_recipes(recorded: small_run.Run) -> None:
    same = earlier(str(recorded.folder), identity(recorded), OBJECTIVES)
    other = earlier(str(recorded.folder), {**identity(recorded), "splits": "others"}, OBJECTIVES)
    assert other.front == same.front
    assert other.entries == ()
    assert "splits" in other.said


def test_it_is_blind_to_the_audit(recorded: small_run.Run, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(recorded.folder, copy)
    (copy / "report.json").write_text("poison", encoding="utf-8")
    (copy / "rows.parquet").write_text("poison", encoding="utf-8")
    same = earlier(str(recorded.folder), identity(recorded), OBJECTIVES)
    assert earlier(str(copy), identity(recorded), OBJECTIVES).front == same.front


def test_what_is_no_run_is_refused(recorded: small_run.Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run to begin from"):
        earlier(str(tmp_path), {}, OBJECTIVES)
    copy = tmp_path / "run"
    shutil.copytree(recorded.folder, copy)
    (copy / "journal.jsonl").write_text("{}\n{}\n", encoding="utf-8")
    with pytest.raises(RunError, match="another format"):
        earlier(str(copy), {}, OBJECTIVES)


def test_a_search_begins_with_them(recorded: small_run.Run, tmp_path: Path) -> None:
    file = small_run.write(tmp_path, trials=6, seed=9)
    text = file.read_text(encoding="utf-8").replace("name: small", f"name: small\nwarm_start: {recorded.folder}")
    file.write_text(text, encoding="utf-8")
    with small_run.inside(tmp_path, recorded.cache):
        assert cli.main(["search", str(file)]) in (0, 1, 3)
    folder = tmp_path / "reports" / "small"
    begun = [
        one["candidate"]["parameters"] for one in small_run.events(folder) if one["kind"] in ("proposed", "duplicate")
    ]
    front = earlier(str(recorded.folder), {}, OBJECTIVES).front
    assert any(one == dict(front[0]) for one in begun)
    assert json.loads((folder / "report.json").read_bytes())["cost"]["trained"] > 0
