"""A whole search, small and real: what it leaves, that it repeats, and that nothing kills it."""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
import small_run
from filelock import FileLock

from autodistill import cli
from autodistill.records import Entry

KILLS = 8
PATIENCE = 60.0  # seconds after which a search that does not go on is an error
LOADED = [
    "autodistill.cli.search",
    "autodistill.run.searching",
    "autodistill.train",
    "onnxscript.function_libs.torch_lib.ops",
    "sklearn.ensemble",
    "torch._dynamo",
    "torch.onnx",
]
PLAIN = """
import json, sys
import numpy as np, onnxruntime as ort
from pyarrow import parquet
session = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
table = parquet.read_table(sys.argv[2]).to_pandas()
feed = {}
for one in session.get_inputs():
    text = one.type == "tensor(string)"
    feed[one.name] = table[one.name].to_numpy(object if text else np.float32)
labels = session.run(["label"], feed)[0]
assert not [name for name in sys.modules if name.startswith("autodistill")]
print(json.dumps(labels.tolist()))
"""


def test_it_ends_with_a_report_and_every_file(recorded: small_run.Run) -> None:
    report = recorded.report
    assert recorded.code == {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}[report["verdict"]["decision"]]
    for name in ("run.json", "journal.jsonl", "report.json", "report.html", "front.png", "candidates.csv",
                 "rows.parquet", "spec.yaml", "policy.yaml", "sealed.parquet", "readings.json", "student.onnx",
                 "teacher.onnx"):  # fmt: skip
        assert (recorded.folder / name).is_file(), name
    assert (recorded.folder / "sealed.parquet").stat().st_mode & 0o077 == 0
    assert (recorded.folder / "spec.yaml").read_text(encoding="utf-8") == recorded.file.read_text(encoding="utf-8")
    assert (recorded.root / "reports" / "ledger.jsonl").is_file()
    assert [entry["candidate"]["number"] for entry in report["entries"]] == sorted(
        entry["candidate"]["number"] for entry in report["entries"]
    )
    assert len(report["entries"]) == small_run.TRIALS
    assert {entry["candidate"]["family"] for entry in report["entries"]} == {"boosted", "tree", "linear", "mlp"}
    for entry in msgspec.convert(report["entries"], list[Entry]):
        if entry.state == "finished":
            home = recorded.folder / "candidates" / entry.candidate.key
            kept = {path.name for path in home.iterdir()}
            assert kept >= {"entry.json", "student.onnx", "predictions.search.parquet"}
    assert {c["name"] for c in report["controls"]} >= {"linear", "majority"}


def test_the_same_command_again_runs_nothing(
    recorded: small_run.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in recorded.folder.rglob("*") if path.is_file()}
    with small_run.inside(recorded.root, tmp_path / "an empty cache"):
        assert cli.main(["search", str(recorded.file)]) == recorded.code
    said = capsys.readouterr()
    assert "nothing was run again" in said.err
    assert recorded.report["verdict"]["sentence"][:40] in said.out
    assert {path: path.read_bytes() for path in recorded.folder.rglob("*") if path.is_file()} == before


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"seed": small_run.SEED + 1}, "the experiment file changed"),
    "policy": ({"policy": small_run.POLICY.replace("0.10", "0.11")}, "the policy changed"),
    "both": (
        {"seed": small_run.SEED + 1, "policy": small_run.POLICY.replace("0.10", "0.11")},
        "the experiment file and the policy changed",
    ),
    "table": ({"people": 3990}, "the table and the splits and the teacher changed"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_search_in_the_folder_is_refused(
    recorded: small_run.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    options, said = CHANGES[change]
    # The table is the one of the run, by its path: what is changed in it is seen although the file says the same.
    rows, options = options.get("people"), {k: v for k, v in options.items() if k != "people"}
    table = recorded.root / "adult.parquet"
    whole = table.read_bytes()
    kept = {path: path.read_bytes() for path in recorded.folder.rglob("*") if path.is_file() and path.name != ".lock"}
    try:
        if rows is not None:
            small_run.people(rows).to_parquet(table)
            trials = small_run.TRIALS + 1  # a larger budget goes on, so that the table is read
            command = ["search", str(recorded.file), "--trials", str(trials)]
        else:
            command = ["search", str(small_run.write(tmp_path, table=table, **options)), "--out", str(recorded.folder)]
        with small_run.inside(recorded.root, recorded.cache):
            assert cli.main(command) == cli.WRONG
    finally:
        table.write_bytes(whole)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("autodistill:")]
    assert len(lines) == 1
    assert said in lines[0]
    assert "--out" in lines[0]
    assert all(path.read_bytes() == before for path, before in kept.items())  # the run that is there stays as it was


def test_a_second_process_in_the_folder_is_refused(recorded: small_run.Run, capsys: pytest.CaptureFixture[str]) -> None:
    with small_run.inside(recorded.root, recorded.cache), FileLock(recorded.folder / ".lock"):
        assert cli.main(["search", str(recorded.file)]) == cli.WRONG
    assert "another process" in capsys.readouterr().err


def test_the_student_alone_gives_the_audited_decisions(recorded: small_run.Run, tmp_path: Path) -> None:
    report = recorded.report
    key = report["certified"]
    assert key, report["verdict"]
    audited = pq.read_table(recorded.folder / "candidates" / key / "predictions.audit.parquet").to_pandas()
    assert len(audited) == report["data"]["splits"]["audit"]
    raw = tmp_path / "raw.parquet"
    small_run.people().iloc[audited["row_id"].astype(int).to_numpy()].to_parquet(raw)
    command = [sys.executable, "-c", PLAIN, str(recorded.folder / "student.onnx"), str(raw)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    codes = [report["data"]["classes"].index(label) for label in json.loads(done.stdout)]
    assert codes == audited["decision"].tolist()
    wrong = (small_run.people().iloc[audited["row_id"].astype(int)]["income"].to_numpy() == ">50K") != np.array(codes)
    loss = next(one for one in report["findings"] if one["check"] == "accuracy_loss")
    assert 1 - loss["student"] == pytest.approx(wrong.mean())


def test_one_seed_and_one_set_of_readings_give_one_search(recorded: small_run.Run, replayed: small_run.Run) -> None:
    assert small_run.told(replayed.report) == small_run.told(recorded.report)


def test_the_search_sees_no_audit_row(recorded: small_run.Run, replayed: small_run.Run, tmp_path: Path) -> None:
    """Nothing the search knows is of the audit split, and other labels there change nothing that it does."""
    for entry in replayed.report["entries"]:
        assert {finding["split"] for finding in entry["findings"]} <= {"search", "device"}
    table = small_run.people()
    table["part"] = "train"
    for name in ("rows", "sealed"):
        kept = pq.read_table(replayed.folder / f"{name}.parquet", columns=["row_id", "split"]).to_pandas()
        table.loc[kept["row_id"].astype(int), "part"] = kept["split"].to_numpy()
    audit = table["part"] == "audit"
    table.loc[audit, "income"] = table.loc[audit, "income"].map({"<=50K": ">50K", ">50K": "<=50K"})
    table.to_parquet(tmp_path / "flipped.parquet")
    flipped = small_run.search(
        tmp_path, recorded.cache, table=tmp_path / "flipped.parquet", split="part", readings=recorded.readings
    ).report
    assert small_run.screened(flipped) == small_run.screened(replayed.report)
    order = [(one["key"], one["order"], one["power"]) for one in flipped["shortlist"]]
    assert order == [(one["key"], one["order"], one["power"]) for one in replayed.report["shortlist"]]
    assert flipped["findings"] != replayed.report["findings"]


@pytest.fixture(scope="module")
def replayed(recorded: small_run.Run, tmp_path_factory: pytest.TempPathFactory) -> small_run.Run:
    """The search again over the readings of the first."""
    return small_run.search(tmp_path_factory.mktemp("replayed"), recorded.cache, readings=recorded.readings)


def test_kill_9_loses_nothing_and_changes_nothing(
    recorded: small_run.Run, replayed: small_run.Run, tmp_path: Path
) -> None:
    file = small_run.write(tmp_path, readings=recorded.readings)
    folder = tmp_path / "reports" / "small"
    draw, kept = random.Random(8), []
    for at in range(KILLS):
        with _searching(file, tmp_path, recorded.cache) as process:
            further = draw.choice([0, 1, 1]) if at < KILLS - 1 else small_run.TRIALS  # the last while it certifies
            target = min(len(kept) + further, small_run.TRIALS)
            until = time.monotonic() + PATIENCE
            while process.is_alive() and len(small_run.finished(folder)) < target:
                assert time.monotonic() < until, f"nothing was finished after kill {at}"
                time.sleep(0.005)
            time.sleep(draw.uniform(0, 0.15))
            assert process.is_alive()
            process.kill()
        now = small_run.finished(folder)
        assert now[: len(kept)] == kept
        kept = now
    assert kept
    again = small_run.search(tmp_path, recorded.cache, readings=recorded.readings)
    assert small_run.finished(folder)[: len(kept)] == kept
    numbers = [json.loads(line)["number"] for line in small_run.finished(folder)]
    assert len(numbers) == len(set(numbers)) == small_run.TRIALS
    assert small_run.told(again.report) == small_run.told(replayed.report)


@contextmanager
def _searching(file: Path, root: Path, cache: Path) -> Iterator[Any]:
    """A search in a process of its own, forked from one in which the libraries are loaded and nothing was run."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    process = context.Process(target=small_run.in_process, args=(file, root, cache))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def test_ctrl_c_is_one_line_and_goes_on(recorded: small_run.Run, replayed: small_run.Run, tmp_path: Path) -> None:
    file = small_run.write(tmp_path, readings=recorded.readings)
    folder = tmp_path / "reports" / "small"
    environment = {**os.environ, "XDG_CACHE_HOME": str(recorded.cache)}
    command = [sys.executable, "-m", "autodistill", "search", str(file)]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + PATIENCE
    while len(small_run.finished(folder)) < 2:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    assert process.returncode == cli.INTERRUPTED
    assert said.splitlines()[-1].startswith("interrupted: nothing that was finished is lost")
    assert "Traceback" not in said
    kept = small_run.finished(folder)
    again = small_run.search(tmp_path, recorded.cache, readings=recorded.readings)
    assert small_run.finished(folder)[: len(kept)] == kept
    assert small_run.told(again.report) == small_run.told(replayed.report)
