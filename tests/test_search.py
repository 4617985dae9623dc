"""A whole search, small and real: what it leaves, that it repeats, and that nothing kills it."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import small_run
from filelock import FileLock

from autodistill import cli

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # torch.onnx and its converters, of each other
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:torch.*"),
]
KILLS = 8
PLAIN = """
import json, sys
import numpy as np, onnxruntime as ort
from pyarrow import parquet
session = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
table = parquet.read_table(sys.argv[2]).to_pandas()
feed = {}
for one in session.get_inputs():
    column = table[one.name]
    text = one.type == "tensor(string)"
    feed[one.name] = column.fillna("").astype(str).to_numpy(object) if text else column.to_numpy(np.float32)
assert "autodistill" not in sys.modules
print(json.dumps([str(label) for label in session.run(["label"], feed)[0]]))
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> small_run.Run:
    """A search that measured; the others replay its readings."""
    root = tmp_path_factory.mktemp("recorded")
    return small_run.search(root, root / "cache")


def test_it_ends_with_a_report_and_every_file(recorded: small_run.Run, capsys: pytest.CaptureFixture[str]) -> None:
    report = recorded.report
    assert recorded.code == {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}[report["verdict"]["decision"]]
    for name in ("run.json", "journal.jsonl", "report.html", "front.png", "candidates.csv", "rows.parquet",
                 "spec.yaml", "policy.yaml", "sealed.parquet", "student.onnx", "readings.json"):  # fmt: skip
        assert (recorded.folder / name).is_file(), name
    assert (recorded.folder / "sealed.parquet").stat().st_mode & 0o077 == 0
    assert len(report["entries"]) == small_run.TRIALS
    assert {c["name"] for c in report["controls"]} >= {"linear", "majority"} or report["finalist"] is None
    before = (recorded.folder / "journal.jsonl").read_bytes()
    with small_run.inside(recorded.root, recorded.cache):
        assert cli.main(["search", str(recorded.file)]) == recorded.code
    assert (recorded.folder / "journal.jsonl").read_bytes() == before
    assert "nothing was run again" in capsys.readouterr().err


def test_the_search_sees_no_audit_finding(recorded: small_run.Run) -> None:
    seen = {f["split"] for entry in recorded.report["entries"] for f in entry["findings"]}
    assert seen <= {"search", "device"}
    kept = {f["split"] for e in small_run.events(recorded.folder) for f in (e["entry"] or {"findings": []})["findings"]}
    assert kept <= {"search", "device"}


def test_something_else_in_the_folder_is_refused(
    recorded: small_run.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = small_run.write(tmp_path, seed=small_run.SEED + 1)
    with small_run.inside(recorded.root, recorded.cache):
        assert cli.main(["search", str(other), "--out", str(recorded.folder)]) == cli.WRONG
    assert "the experiment file" in capsys.readouterr().err
    with small_run.inside(recorded.root, recorded.cache), FileLock(recorded.folder / ".lock"):
        assert cli.main(["search", str(recorded.file)]) == cli.WRONG
    assert "another process" in capsys.readouterr().err


def test_the_student_runs_without_this_package(recorded: small_run.Run) -> None:
    report = recorded.report
    key = report["certified"] or report["finalist"]
    audited = pq.read_table(recorded.folder / "candidates" / key / "predictions.search.parquet").to_pandas()
    table = small_run.people().iloc[audited["row_id"].astype(int).to_numpy()]
    raw = recorded.root / "raw.parquet"
    table.to_parquet(raw)
    path = str(recorded.folder / "student.onnx")
    done = subprocess.run([sys.executable, "-c", PLAIN, path, str(raw)], capture_output=True, text=True, check=True)
    classes = report["data"]["classes"]
    assert pd.Series(eval(done.stdout)).map(classes.index).tolist() == audited["decision"].tolist()


def test_one_seed_and_one_set_of_readings_give_one_search(recorded: small_run.Run, tmp_path: Path) -> None:
    one, two = (
        small_run.search(tmp_path / name, recorded.cache, readings=recorded.readings).report for name in ("one", "two")
    )
    assert small_run.told(one) == small_run.told(two)
    assert [e["candidate"] for e in one["entries"]] == [e["candidate"] for e in recorded.report["entries"]]


def test_kill_9_loses_nothing_and_changes_nothing(recorded: small_run.Run, tmp_path: Path) -> None:
    whole = small_run.search(tmp_path / "whole", recorded.cache, readings=recorded.readings).report
    file = small_run.write(tmp_path / "cut", readings=recorded.readings)
    folder = tmp_path / "cut" / "reports" / "small"
    draw = random.Random(8)
    environment = {**os.environ, "XDG_CACHE_HOME": str(recorded.cache), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "autodistill", "search", str(file)]
    kept: list[str] = []
    for _ in range(KILLS):
        process = subprocess.Popen(command, cwd=tmp_path / "cut", env=environment, stderr=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL)  # fmt: skip
        target, patience = len(kept) + draw.choice([1, 2]), time.monotonic() + 20
        while process.poll() is None and time.monotonic() < patience and len(_finished(folder)) < target:
            time.sleep(0.02)
        time.sleep(draw.uniform(0, 0.15))
        process.kill()
        process.wait()
        now = _finished(folder)
        assert now[: len(kept)] == kept
        kept = now
    with small_run.inside(tmp_path / "cut", recorded.cache):
        cli.main(["search", str(file)])
    report = small_run.Run(tmp_path / "cut", recorded.cache, file, 0).report
    numbers = [event["number"] for event in small_run.events(folder) if event["entry"]]
    assert len(numbers) == len(set(numbers))
    assert small_run.told(report) == small_run.told(whole)


def _finished(folder: Path) -> list[str]:
    if not (folder / "journal.jsonl").exists():
        return []
    return [e["entry"]["candidate"]["family"] + str(e["number"]) for e in small_run.events(folder) if e["entry"]]
