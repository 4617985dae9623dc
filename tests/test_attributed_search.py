"""A whole search whose finalist learned from its teacher: what distillation did, further views, controls as a test."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
import small_run

from autodistill import spec
from autodistill.ledger import Ledger
from autodistill.records import Candidate, Entry, Finding
from autodistill.run import attributing, deep, ordered, sealed, searching, seeds
from autodistill.run.progress import Progress, silent

POLICY = """
name: further
version: "1"
choose: size
looks: 20
rows_shown: ids
require:
  - {check: accuracy_loss, at_most: 0.15}
  - {check: beats_control, control: majority, at_least: 0.005}
  - {meter: size, at_most: 60 kB}
report:
  - {check: group_gap, metric: false_negative_rate}
  - {check: beats_control, control: label_only}
  - {check: beats_control, control: linear}
  - {check: reliance_shift, column: education}
  - {check: reliance_shift, column: sex}
  - {check: noise_flips}
  - {check: noise_flips, scale: 0.5}
  - {check: membership}
"""
STUDENTS = """student:
  - {family: mlp, width: [8, 12], depth: 1}
distill:
  loss: [soft_targets]
  temperature: 2.0
  epochs: 8
  learning_rate: 0.02
  batch_size: 128
"""


def asked(folder: Path, students: str = STUDENTS, trials: int = 2, **more: Any) -> Path:
    """The small experiment with students that learn from their teacher."""
    file = small_run.write(folder, policy=POLICY, trials=trials, **more)
    text = file.read_text(encoding="utf-8")
    start, end = text.index("student:\n"), text.index("objectives:")
    file.write_text(text[:start] + students + text[end:], encoding="utf-8")
    return file


@dataclass(frozen=True)
class Done:
    """A finished search: where, its report, what it said while it ran."""

    root: Path
    report: dict[str, Any]
    said: list[Progress]

    @property
    def folder(self) -> Path:
        return self.root / "reports" / "small"


def searched(file: Path, root: Path, cache: Path) -> Done:
    said: list[Progress] = []
    with small_run.inside(root, cache):
        searching.search(file, watch=said.append)
    return Done(root, json.loads((root / "reports" / "small" / "report.json").read_bytes()), said)


@pytest.fixture(scope="module")
def done(recorded: small_run.Run, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The search, run once; it shares the first small run's table and teacher."""
    root = tmp_path_factory.mktemp("attributed")
    return searched(asked(root, table=recorded.root / "adult.parquet"), root, recorded.cache)


def finding(report: dict[str, Any], prefix: str) -> dict[str, Any]:
    return next(one for one in report["findings"] if one["id"].startswith(prefix))


def test_a_margin_over_the_majority_can_be_required(done: Done) -> None:
    found = finding(done.report, "beats_control/majority")
    assert (found["required"], found["outcome"], found["limit_kind"]) == (True, "PASS", "at_least")
    assert done.report["certified"], done.report["verdict"]
    assert found["id"] in done.report["verdict"]["because"]
    audited = pq.read_table(home(done) / "predictions.audit.parquet").to_pandas()
    kept = pq.read_table(done.folder / "rows.parquet").to_pandas()
    y = kept[kept["split"] == "audit"]["y"].to_numpy()
    right = audited["decision"].to_numpy() == y
    majority = y == 0  # most people of the train rows earn less
    assert found["estimate"] == pytest.approx(right.mean() - majority.mean())
    assert found["low"] > found["limit"]


def home(done: Done) -> Path:
    return done.folder / "candidates" / str(done.report["finalist"])


def test_what_certification_alone_can_read_does_not_count_against_a_candidate_before(done: Done) -> None:
    for entry in done.report["entries"]:
        assert not [one for one in entry["findings"] if one["check"] in {"beats_control", "membership", "noise_flips"}]
        if entry["verdict"] is not None:
            assert not [one for one in entry["verdict"]["because"] if one.startswith("beats_control")]
    assert all(one["power"] > 0 for one in done.report["shortlist"])


def test_further_views_are_read_and_kept(done: Done) -> None:
    report = done.report
    audit, train = (report["data"]["splits"][name] for name in ("audit", "train"))
    for prefix in ("reliance_shift/education", "noise_flips", "noise_flips/0.5"):
        found = finding(report, prefix)
        assert (found["outcome"], found["rows"]) == ("REPORTED", audit), found
        assert None not in (found["teacher"], found["student"], found["low"], found["high"])
    assert finding(report, "noise_flips/0.5")["student"] > finding(report, "noise_flips")["student"]
    away = finding(report, "reliance_shift/sex")
    assert away["outcome"] == "NOT_APPLICABLE"
    assert "the models read no column 'sex'" in away["note"]
    leak = finding(report, "membership")
    assert (leak["details"]["members"], leak["details"]["others"]) == (train // 2, audit // 2)
    assert 0.4 < leak["details"]["auc_student"] < 0.65
    kept = {path.name for path in home(done).glob("predictions.*.parquet")}
    views = ("audit", "search", "train", "noise", "noise%3A0.5", "permuted%3Aeducation")
    assert kept == {f"predictions.{view}.parquet" for view in views}
    assert all(path.stat().st_mode & 0o077 == 0 for path in home(done).glob("predictions.*.parquet"))


def test_the_gaps_are_split_over_three_seeds_of_both(done: Done) -> None:
    found = msgspec.convert(done.report["attribution"], list[Finding])
    assert [f.id for f in found] == [
        "attribution/accuracy_loss",
        "attribution/accuracy_loss/recipe",
        "attribution/group_gap/false_negative_rate/sex=Female",
        "attribution/group_gap/false_negative_rate/sex=Female/recipe",
    ]
    for f in found:
        assert f.details["seeds"] == 3
        whole = f.estimate + f.details["not_distillation"]["estimate"]
        assert whole == pytest.approx(f.details["student"] - f.details["teacher"], abs=1e-12)
    loss = finding(done.report, "accuracy_loss")
    assert found[0].details["student"] - found[0].details["teacher"] == pytest.approx(loss["estimate"], abs=1e-12)
    recipe = done.report["worth"]["recipe"]
    assert recipe["estimate"] == pytest.approx(-found[1].estimate)
    assert "Over 3 seeds of both" in done.report["worth"]["sentence"]
    # Two more seeds of each tested student, none of which is trained again; its twin, two more of the finalist's.
    trained = sorted(path.parent.name for path in (done.folder / "replicates").glob("*/student.onnx"))
    assert len(trained) == 2 + 3 * len(done.report["shortlist"])
    assert {name.rpartition("-")[2] for name in trained} == {"0", "1", "2"}
    assert len({path.read_bytes() for path in (done.folder / "replicates").glob("*/student.onnx")}) == len(trained)
    assert done.report["cost"]["seconds"]["attribution"] > 0
    assert [one.seconds_left is not None for one in done.said if "several seeds" in one.text] == [True] * 6


def test_a_shortlisted_recipe_has_its_error_with_three_seeds(done: Done) -> None:
    entries = {one.candidate.key: one for one in msgspec.convert(done.report["entries"], list[Entry])}
    for line in done.report["shortlist"]:
        told = line["seeds"]
        assert len(told["errors"]) == 3
        assert told["reason"] == ""
        assert told["errors"][0] == entries[line["key"]].error
        assert len(set(told["errors"])) > 1  # training is random
        text = (done.folder / "report.html").read_text(encoding="utf-8")
        assert f"{100 * min(told['errors']):.2f}" in text
        assert "over 3 seeds" in text


def test_rows_to_read_are_in_a_file_of_their_owners(done: Done) -> None:
    said, file = done.report["rows_to_read"], done.folder / "rows_to_read.csv"
    assert file.stat().st_mode & 0o077 == 0
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == sum(said["counts"].values()) > 0
    assert [row["id"] for row in rows[:20]] == said["ids"]
    sure = [float(row["teacher_confidence"]) for row in rows]
    assert sure == sorted(sure, reverse=True)
    assert done.report["files"]["rows_to_read.csv"]


def test_a_replay_and_a_larger_budget_train_no_twin_again(done: Done, recorded: small_run.Run, tmp_path: Path) -> None:
    replay = asked(tmp_path, table=recorded.root / "adult.parquet", readings=done.folder / "readings.json")
    again = searched(replay, tmp_path, recorded.cache)
    assert small_run.told(again.report) == small_run.told(done.report)
    assert again.report["attribution"] == done.report["attribution"]
    kept = {path: path.stat().st_mtime_ns for path in again.folder.glob("*/*/student.onnx") if "cand" not in str(path)}
    run = json.loads((again.folder / "run.json").read_bytes())
    (again.folder / "run.json").write_text(json.dumps(run | {"finished": False}), encoding="utf-8")
    third = searched(replay, tmp_path, recorded.cache)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert third.report["attribution"] == done.report["attribution"]


def test_its_findings_can_be_computed_again_from_what_is_kept(done: Done) -> None:
    assert deep.differences(done.folder, done.report) == []
    kept = next(done.folder.glob("controls/majority/predictions.audit.parquet"))
    whole = kept.read_bytes()
    try:
        kept.write_bytes((done.folder / "controls" / "linear" / kept.name).read_bytes())
        assert "beats_control/majority/at_least" in deep.differences(done.folder, done.report)[0]
    finally:
        kept.write_bytes(whole)


def test_the_margin_over_a_control_is_tested_on_the_sealed_rows_too(done: Done, tmp_path: Path) -> None:
    rules = spec.load_policy(done.folder / "policy.yaml")
    opened = sealed.open_for(done.folder, done.report, rules, Ledger(tmp_path))
    found = next(one for one in opened.findings if one.id == "beats_control/majority/at_least")
    assert found.outcome in {"PASS", "INCONCLUSIVE"}
    assert found.rows == done.report["data"]["splits"]["sealed"]
    other = {**done.report, "files": {**done.report["files"], "controls/majority/student.onnx": "0" * 64}}
    opened = sealed.open_for(done.folder, other, rules, Ledger(tmp_path))
    found = next(one for one in opened.findings if one.id == "beats_control/majority/at_least")
    assert (found.outcome, opened.verdict.decision) == ("NOT_APPLICABLE", "INCONCLUSIVE")
    assert "not the file that was audited" in found.note


def test_a_finalist_without_a_teacher_has_nothing_to_attribute() -> None:
    candidate = Candidate(number=1, family="mlp", student={"width": 8}, loss="none")
    one = ordered.Tested(entry=Entry(candidate=candidate, state="finished"), order=0, power=0.9)
    none: Any = None  # nothing of the run is looked at
    found = attributing.attribute(none, ordered.Certification(shortlist=(one,), finalist=one), 60.0, silent)
    assert found.findings == ()
    assert "without its teacher" in found.reason


def test_further_seeds_that_would_take_long_are_left_and_said(
    done: Done, recorded: small_run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert attributing._few(12.0, 600.0) == attributing._few(15.0, 10.0) == ""
    assert attributing._few(480.0, 600.0).startswith("further seeds of both would have taken some 32 min, more than")
    for module in (attributing, seeds):
        monkeypatch.setattr(module, "SHARE", 0.0)
        monkeypatch.setattr(module, "LEAST", 0.0)
    replay = asked(tmp_path, table=recorded.root / "adult.parquet", readings=done.folder / "readings.json")
    report = searched(replay, tmp_path, recorded.cache).report
    assert {line["details"]["about"] for line in report["attribution"]} == {"descriptive"}
    assert [line["seeds"]["reason"] for line in report["shortlist"]] == [seeds.LATE] * len(report["shortlist"])
    assert "One twin, one seed" in report["worth"]["sentence"]
    assert (
        "(Further seeds of both would have taken some 0 min, more than half of the search.)"
        in report["worth"]["sentence"]
    )


def test_a_fitted_family_has_one_seed_and_says_so(recorded: small_run.Run) -> None:
    report = recorded.report
    finalist = next(e["candidate"] for e in report["entries"] if report["finalist"].startswith(recipe_of(e)))
    if finalist["loss"] == "none" or finalist["family"] == "mlp":
        pytest.skip(f"the finalist is {finalist['family']} with {finalist['loss']}")
    assert {f["details"]["about"] for f in report["attribution"]} == {"descriptive"}
    assert all("without randomness" in f["note"] for f in report["attribution"])


def recipe_of(entry: dict[str, Any]) -> str:
    return msgspec.convert(entry["candidate"], Candidate).recipe
