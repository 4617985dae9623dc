"""Copies of a run in a real MLflow on SQLite: complete, once each, and never in the way of the run."""

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
import report_data
from onnx import TensorProto, helper

from autodistill import records, report, track
from autodistill.errors import RunError

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # mlflow's own imports
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # MLflow leaves its SQLite connections to the collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def student(path: Path, cut: float = 30.0) -> Path:
    """A file as searches make them: raw columns in, label and probabilities out. Older than ``cut`` or "boss": yes."""
    nodes = [
        helper.make_node("LabelEncoder", ["job"], ["boss"], domain="ai.onnx.ml", keys_strings=["boss"],
                         values_floats=[1.0], default_float=0.0),
        helper.make_node("Greater", ["age", "cut"], ["old"]),
        helper.make_node("Cast", ["old"], ["aged"], to=TensorProto.FLOAT),
        helper.make_node("Max", ["aged", "boss"], ["probability_yes"]),
        helper.make_node("Sub", ["one", "probability_yes"], ["probability_no"]),
        helper.make_node("Cast", ["probability_yes"], ["code"], to=TensorProto.INT64),
        helper.make_node("LabelEncoder", ["code"], ["label"], domain="ai.onnx.ml", keys_int64s=[0, 1],
                         values_strings=["no", "yes"], default_string="no"),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "student",
        [
            helper.make_tensor_value_info("age", TensorProto.FLOAT, ["N"]),
            helper.make_tensor_value_info("job", TensorProto.STRING, ["N"]),
        ],
        [
            helper.make_tensor_value_info("label", TensorProto.STRING, ["N"]),
            helper.make_tensor_value_info("probability_no", TensorProto.FLOAT, ["N"]),
            helper.make_tensor_value_info("probability_yes", TensorProto.FLOAT, ["N"]),
        ],
        [
            helper.make_tensor("cut", TensorProto.FLOAT, [], [cut]),
            helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
        ],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(path))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A finished run that was tracked while it went, then once more by a resumed search."""
    home = tmp_path_factory.mktemp("track")
    folder, uri = home / "run", f"sqlite:///{home}/mlflow.db"
    found = report_data.certified(12)
    report.write(folder, found)
    onnx_file = student(folder / "student.onnx")
    first = track.Tracker(uri, "adult", "adult-income", folder)
    first.start({"seed": 0, "trials": 12})
    for entry in found["entries"][:7]:
        first.candidate(entry)
    first.close(None)  # as a search that is stopped
    second = track.Tracker(uri, "adult", "adult-income", folder)
    second.start({"seed": 0, "trials": 12})
    for entry in found["entries"]:
        second.candidate(entry)
    result = second.finish(found, folder, onnx_file)
    return {"uri": uri, "folder": folder, "report": found, "result": result, "home": home, "student": onnx_file}


def client(run: dict[str, Any]) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=run["uri"], registry_uri=run["uri"])


def children(run: dict[str, Any], parent: str) -> list[Any]:
    mlflow = client(run)
    experiment = mlflow.get_experiment_by_name("adult").experiment_id
    return list(mlflow.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'", max_results=1000))


def test_nothing_went_wrong(run: dict[str, Any]) -> None:
    assert run["result"].notes == ()
    assert run["result"].run_id
    assert run["result"].model_version == "1"


def test_every_candidate_is_one_nested_run_although_it_was_sent_twice(run: dict[str, Any]) -> None:
    there = [r.data.tags[track.KEY] for r in children(run, run["result"].run_id)]
    keys = [e.candidate.key for e in run["report"]["entries"]]
    assert sorted(there) == sorted(set(keys))


def test_a_candidate_carries_its_settings_and_figures(run: dict[str, Any]) -> None:
    entry = next(e for e in run["report"]["entries"] if e.state == "finished")
    by_key = {r.data.tags[track.KEY]: r for r in children(run, run["result"].run_id)}
    found = by_key[entry.candidate.key]
    assert found.data.metrics["error_search"] == entry.error
    assert found.data.metrics["latency_us"] == entry.readings["latency"].value
    assert found.data.metrics["size_bytes"] == entry.readings["size"].value
    assert found.data.metrics["energy_uJ.modelled"] == entry.readings["energy_uJ.modelled"].value
    assert found.data.metrics["latency_us.low"] == entry.readings["latency"].low
    assert found.data.params["family"] == entry.candidate.family
    assert found.info.status == "FINISHED"


def test_refused_and_broken_candidates_say_so(run: dict[str, Any]) -> None:
    states = [r.data.tags["autodistill.state"] for r in children(run, run["result"].run_id)]
    assert sorted(states) == sorted(e.state for e in run["report"]["entries"])


def test_the_parent_has_verdict_digests_and_the_reports_files(run: dict[str, Any]) -> None:
    mlflow = client(run)
    parent = mlflow.get_run(run["result"].run_id)
    assert parent.data.tags["autodistill.verdict"] == "PASS"
    assert parent.data.tags["autodistill.policy_sha256"] == run["report"]["policy"]["sha256"]
    assert parent.data.params["trials"] == "12"
    files = {Path(f.path).name for f in mlflow.list_artifacts(run["result"].run_id, "audit")}
    assert files == {"report.json", "report.html", "front.png", "candidates.csv"}
    assert parent.info.status == "FINISHED"


def test_the_registered_student_predicts_on_a_table_of_raw_rows(run: dict[str, Any]) -> None:
    import mlflow

    version = client(run).get_model_version("adult-income", "1")
    assert version.tags["autodistill.student_sha256"] == records.digest(run["student"].read_bytes())
    assert version.tags["autodistill.verdict"] == "PASS"
    assert client(run).get_model_version_by_alias("adult-income", "candidate").version == version.version
    mlflow.set_tracking_uri(run["uri"])
    model = mlflow.pyfunc.load_model("models:/adult-income/1")
    rows = pd.DataFrame({"job": ["boss", "clerk", "clerk"], "age": [20, 50, 25]})
    said = model.predict(rows)
    assert list(said["label"]) == ["yes", "yes", "no"]
    np.testing.assert_allclose(said["probability_yes"], [1.0, 1.0, 0.0])
    unread = model.predict(pd.DataFrame({"job": ["", "boss"], "age": [np.nan, 20.0]}))
    assert list(unread["label"]) == ["no", "yes"]


def test_the_registered_file_has_the_bytes_that_were_audited(run: dict[str, Any]) -> None:
    import mlflow

    mlflow.set_tracking_uri(run["uri"])
    there = Path(mlflow.artifacts.download_artifacts("models:/adult-income/1"))
    assert (there / "model.onnx").read_bytes() == run["student"].read_bytes()


def test_sync_of_a_tracked_run_adds_nothing(run: dict[str, Any]) -> None:
    before = len(children(run, run["result"].run_id))
    again = track.sync(run["uri"], "adult", run["folder"])
    assert again.run_id == run["result"].run_id
    assert again.model_version == "1"
    assert len(children(run, run["result"].run_id)) == before


def test_a_run_survives_a_server_that_is_away_and_catches_up(
    run: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    found = report_data.certified(4)
    report.write(tmp_path, found)
    tracker = track.Tracker("http://127.0.0.1:9", "adult", "away", tmp_path)
    started = time.monotonic()
    with caplog.at_level(logging.WARNING, logger="autodistill.track"):
        tracker.start({"seed": 0})
        assert time.monotonic() - started < 1.0  # the search does not wait
        for entry in found["entries"]:
            tracker.candidate(entry)
        result = tracker.finish(found, tmp_path, None)
    assert result.run_id is None
    assert "away" in result.notes[0]
    assert len([r for r in caplog.records if r.name == "autodistill.track"]) == 1
    later = track.sync(run["uri"], "adult", tmp_path)
    assert later.notes == ()
    assert later.run_id is not None
    assert len(children(run, later.run_id)) == 4


def test_a_folder_without_a_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no finished run"):
        track.sync("sqlite:///x.db", "adult", tmp_path)


def test_importing_track_loads_no_mlflow() -> None:
    import subprocess
    import sys

    code = "import sys, autodistill.track; sys.exit('mlflow' in sys.modules or 'onnx' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
