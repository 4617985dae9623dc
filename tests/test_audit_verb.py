"""``audit TABLE``: predictions of models trained anywhere, from file to verdict, by command line and by Python."""

import csv
import json
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fairlearn.metrics
import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from audit_rows import COMPAS, check, policy

import autodistill
from autodistill import auditor, data, report
from autodistill.cli import main
from autodistill.records import Finding
from autodistill.run import kept_rows

POLICY = """
name: two-years
version: "1"
require:
  - {check: accuracy_loss, at_most: 0.03}
  - {check: group_gap, metric: false_positive_rate, attribute: race, at_most: 0.25, grows_by_at_most: 0.10}
report:
  - {check: group_gap, metric: false_negative_rate}
  - {check: churn}
  - {check: calibration}
"""
PLAIN = 'name: plain\nversion: "1"\nrequire:\n  - {check: accuracy_loss, at_most: 0.05}\n'
COMPAS_ASKED = ["compas.csv", "--policy", "policy.yaml", "--label", "recid", "--teacher", "high", "--student"]
COMPAS_ASKED += ["student", "--group", "race", "--id", "person"]


def compas_rows() -> dict[str, Any]:
    """ProPublica's counts as rows; the student changes every fiftieth decision."""
    race, label, high = [], [], []
    for name, counts in COMPAS.items():
        for count, (y, decided) in zip(counts, ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True):
            race += [name] * count
            label += [y] * count
            high += [decided] * count
    student = [1 - d if at % 50 == 0 else d for at, d in enumerate(high)]
    return {"person": range(1, len(race) + 1), "race": race, "recid": label, "high": high, "student": student}


def loans(rows: int = 900, seed: int = 3) -> dict[str, Any]:
    """Two classes, two groups, probabilities of both models, a patient for every third row."""
    random = np.random.default_rng(seed)
    sex = random.choice(["F", "M"], rows)
    y = (random.random(rows) < 0.4).astype(int)
    teacher = np.clip(0.15 + 0.7 * y + random.normal(0, 0.2, rows), 0, 1).round(4)
    student = np.clip(teacher + random.normal(0, 0.05, rows), 0, 1).round(4)
    return {"y": y, "t": teacher, "s": student, "c": np.clip(student + 0.1 * (sex == "F"), 0, 1).round(4), "sex": sex,
            "who": np.arange(rows), "patient": np.arange(rows) // 3}  # fmt: skip


def write(folder: Path, name: str, columns: Mapping[str, Any]) -> None:
    pd.DataFrame(dict(columns)).to_csv(folder / name, index=False)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own, with two policies: the ledger lies under it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "plain.yaml").write_text(PLAIN)
    return tmp_path


@pytest.fixture(scope="module")
def compas(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The audit of COMPAS by command line: its folder and report."""
    root = tmp_path_factory.mktemp("compas")
    write(root, "compas.csv", compas_rows())
    (root / "policy.yaml").write_text(POLICY)
    command = [sys.executable, "-m", "autodistill", "-C", str(root), "audit", *COMPAS_ASKED, "--teacher-saw", "none"]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert done.returncode == 3, found["verdict"]
    return root / "reports" / "compas", found


def findings(found: Mapping[str, Any]) -> list[Finding]:
    return msgspec.convert(found["findings"], list[Finding])


def listed(folder: Path) -> list[dict[str, str]]:
    """The rows to read."""
    return list(csv.DictReader((folder / "rows_to_read.csv").read_text().splitlines()))


def ask(frame: Any, **more: Any) -> autodistill.AuditReport:
    given: dict[str, Any] = {"policy": policy(check("accuracy_loss", {"at_most": 0.05})), "label": "y"}
    given |= {"teacher": "t", "student": "s"}
    return autodistill.audit(frame, **(given | more))


def test_compas_gives_the_published_rates(compas: tuple[Path, dict[str, Any]]) -> None:
    rates = {}
    for f in findings(compas[1]):
        if f.check == "group_gap" and f.options["metric"] in {"false_positive_rate", "false_negative_rate"}:
            rates[f.group, f.options["metric"]] = f.teacher
    for name, (tn, fp, fn, tp) in COMPAS.items():
        assert rates[name, "false_positive_rate"] == fp / (tn + fp)
        assert rates[name, "false_negative_rate"] == fn / (fn + tp)
    assert rates["African-American", "false_positive_rate"] == pytest.approx(0.4485, abs=5e-5)
    assert rates["Caucasian", "false_negative_rate"] == pytest.approx(0.4772, abs=5e-5)


def test_compas_shows_fairlearns_values(compas: tuple[Path, dict[str, Any]]) -> None:
    values = {row["metric"]: row for row in compas[1]["fairlearn"] if "group" not in row}
    assert values["demographic_parity_difference"]["teacher"] == pytest.approx(0.457118, abs=5e-7)
    rows = compas_rows()
    for metric, row in values.items():
        for who, column in (("teacher", "high"), ("student", "student")):
            ask_it = getattr(fairlearn.metrics, metric)
            assert row[who] == ask_it(rows["recid"], rows[column], sensitive_features=rows["race"])


def test_tiny_groups_are_listed_and_never_dropped(compas: tuple[Path, dict[str, Any]]) -> None:
    few = {f.group for f in findings(compas[1]) if f.outcome == "INSUFFICIENT" and f.required}
    assert few == {"Asian", "Native American"}
    assert compas[1]["data"]["groups"]["race"]["Native American"] == 18
    assert sum(compas[1]["data"]["groups"]["race"].values()) == compas[1]["data"]["rows"] == 7214


def test_the_report_is_a_searchs_in_its_keys(compas: tuple[Path, dict[str, Any]]) -> None:
    folder, found = compas
    assert found["kind"] == "audit"
    assert (found["entries"], found["front"], found["certified"], found["measure"]) == ([], [], None, None)
    again = report.read(folder)
    assert again["verdict"] == found["verdict"]
    assert found["method"]["looks"]["index"] == 1
    assert found["method"]["looks"]["share"] == pytest.approx(0.05)
    assert {f.level for f in findings(found)} == {0.05}
    assert any(f.origin for f in findings(found))
    assert found["teacher"]["saw"] == "none"
    assert found["teacher"]["error_audit"]["value"] == pytest.approx(1 - (2681 + 2035) / 7214)
    assert found["data"]["positive"] == "1"


def test_files_are_whole_and_rows_are_private(compas: tuple[Path, dict[str, Any]]) -> None:
    folder, found = compas
    for name in ("report.json", "report.html", "rows.parquet", "policy.yaml", "rows_to_read.csv", "run.json"):
        assert (folder / name).stat().st_size
    for name in ("rows.parquet", "rows_to_read.csv", "report.html"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert (folder / "policy.yaml").read_text() == POLICY
    rows = listed(folder)
    counts = found["rows_to_read"]["counts"]
    assert len(rows) == sum(counts.values()) == 145
    assert {row["kind"] for row in rows} == {"good", "bad"}
    assert not found["rows_to_read"]["shown"]
    assert found["rows_to_read"]["ids"] == []
    first = compas_rows()
    for row in rows[:20]:
        at = int(row["id"]) - 1
        assert (row["label"], row["teacher"], row["student"], row["race"]) == tuple(
            str(first[name][at]) for name in ("recid", "high", "student", "race")
        )


def test_kept_rows_judge_the_same(compas: tuple[Path, dict[str, Any]]) -> None:
    folder, found = compas
    evidence, digests = kept_rows.read(folder, found["data"])
    assert len(set(digests)) == 7214
    again = auditor.audit(evidence, policy(check("accuracy_loss", {"at_most": 0.03})), level=0.05)
    first = next(f for f in findings(found) if f.check == "accuracy_loss")
    second = next(f for f in again if f.check == "accuracy_loss")
    assert (first.estimate, first.low, first.high, first.outcome) == (
        second.estimate, second.low, second.high, second.outcome,
    )  # fmt: skip
    assert evidence.teacher["audit"].scores.shape == (7214, 0)


def test_decisions_alone_have_no_calibration(compas: tuple[Path, dict[str, Any]]) -> None:
    (lone,) = {f.outcome for f in findings(compas[1]) if f.check == "calibration"}
    assert lone == "NOT_APPLICABLE"


def test_python_says_what_the_command_line_says(compas: tuple[Path, dict[str, Any]]) -> None:
    folder, found = compas
    rows = compas_rows()
    asked = {"label": "recid", "teacher": "high", "student": "student", "groups": "race", "id": "person"}
    frames = (
        pd.DataFrame(rows),
        pa.table({k: list(v) for k, v in rows.items()}),
        rows,
        folder.parents[1] / "compas.csv",
    )
    for frame in frames:
        mine = autodistill.audit(frame, policy=folder / "policy.yaml", teacher_saw="none", **asked)
        assert mine.report["findings"] == found["findings"]
        assert mine.verdict.sentence == found["verdict"]["sentence"]
        assert mine.report["fairlearn"] == found["fairlearn"]
        assert mine.report["data"]["sha256"] == found["data"]["sha256"]
        assert (mine.exit_code, mine.folder) == (3, None)
    assert any("no look was paid for" in note for note in mine.report["notes"])
    assert json.loads(mine.to_json())["verdict"]["decision"] == "INCONCLUSIVE"
    table = mine.to_pandas()
    assert len(table) == len(mine.findings)
    assert {"check", "metric", "attribute", "group", "estimate", "outcome"} <= set(table.columns)
    assert "INCONCLUSIVE" in mine.summary()


def test_without_out_nothing_is_written(place: Path) -> None:
    before = sorted(place.iterdir())
    ask(pd.DataFrame(loans()))
    assert sorted(place.iterdir()) == before


def test_an_audit_opens_no_heavy_library(place: Path) -> None:
    write(place, "compas.csv", compas_rows())
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from autodistill.cli import main\n"
        f"rc = main({['audit', *COMPAS_ASKED]!r})\n"
        "heavy = {'mlflow', 'onnxruntime', 'onnx', 'optuna', 'sklearn', 'fairlearn', 'matplotlib', 'skl2onnx', 'ray'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "sys.exit(rc)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=place)
    assert (done.returncode, done.stderr) == (3, "")
    assert "INCONCLUSIVE" in done.stdout
    assert "\x1b" not in done.stdout


def test_an_identical_audit_is_a_replay_and_free(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(place, "compas.csv", compas_rows())
    first = main(["audit", *COMPAS_ASKED, "--json"])
    one = json.loads(capsys.readouterr().out)
    second = main(["audit", *COMPAS_ASKED, "--json"])
    two = json.loads(capsys.readouterr().out)
    assert first == second == 3
    assert (one["method"]["looks"]["replay"], two["method"]["looks"]["replay"]) == (False, True)
    assert one["findings"] == two["findings"]
    lines = [json.loads(line) for line in (place / "reports" / "ledger.jsonl").read_text().splitlines()]
    paid = [line["kind"] for line in lines if line["kind"] not in {"signature", "rendered"}]  # facts, signed each time
    assert paid == ["policy", "look"]


def test_a_second_student_on_spent_rows_is_shown_and_not_decided(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = loans() | {"other": loans()["t"]}
    write(place, "loans.csv", columns)
    common = ["audit", "loans.csv", "--policy", "plain.yaml", "--label", "y", "--teacher", "t", "--id", "who"]
    assert main([*common, "--student", "s", "--out", "first"]) == 0
    capsys.readouterr()
    assert main([*common, "--student", "other", "--out", "second", "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    loss = next(f for f in findings(found) if f.check == "accuracy_loss")
    assert (loss.outcome, loss.estimate) == ("INCONCLUSIVE", 0.0)
    assert "level is spent" in loss.note
    assert "fresh rows" in found["verdict"]["sentence"]
    assert found["method"]["looks"] == {}


def test_a_policy_with_two_looks_pays_for_two_students(place: Path) -> None:
    (place / "two.yaml").write_text(PLAIN + "looks: 2\n")
    write(place, "loans.csv", loans() | {"other": loans()["t"]})
    common = ["audit", "loans.csv", "--policy", "two.yaml", "--label", "y", "--teacher", "t", "--id", "who"]
    assert main([*common, "--student", "s", "--out", "first"]) == 0
    assert main([*common, "--student", "other", "--out", "second"]) == 0
    found = report.read(place / "second")
    assert found["method"]["looks"]["index"] == 2
    assert {f.level for f in findings(found) if f.required} == {0.025}


def test_other_questions_of_one_pair_are_other_looks(place: Path) -> None:
    write(place, "loans.csv", loans())
    common = ["audit", "loans.csv", "--policy", "plain.yaml", "--label", "y", "--teacher", "t", "--student", "s"]
    assert main([*common, "--out", "one"]) == 0
    assert main([*common, "--positive", "0", "--out", "two"]) == 3
    # Else those groups, or that control, could be kept with which it passes.
    assert main([*common, "--group", "sex", "--out", "three"]) == 3
    assert main([*common, "--control", "c", "--out", "four"]) == 3
    assert main([*common, "--teacher-saw", "none", "--out", "five"]) == 0


def test_rows_are_known_without_some_of_them(place: Path) -> None:
    """Ids that number the rows still do where a row was taken out."""
    columns = loans() | {"who": np.arange(900)}
    write(place, "all.csv", columns)
    write(place, "less.csv", {name: np.delete(np.asarray(column), 500) for name, column in columns.items()})
    common = ["--policy", "plain.yaml", "--label", "y", "--teacher", "t", "--student", "s", "--id", "who"]
    assert main(["audit", "all.csv", *common]) == 0
    assert main(["audit", "less.csv", *common]) == 3


@pytest.mark.parametrize(
    ("before", "says"),
    [
        ({"notes.txt": "mine"}, "is not empty and holds no audit"),
        ({"run.json": '{"name":"x","identity":{"spec":"1"},"budget":{},"created":"now"}'}, "a run of another kind"),
        ({"run.json": "{"}, "cannot be read"),
    ],
)
def test_a_folder_that_holds_something_else_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str], before: dict[str, str], says: str
) -> None:
    write(place, "loans.csv", loans())
    (place / "taken").mkdir()
    for name, text in before.items():
        (place / "taken" / name).write_text(text)
    command = ["audit", "loans.csv", "--policy", "plain.yaml", "--label", "y", "--teacher", "t", "--student", "s"]
    assert main([*command, "--out", "taken"]) == 2
    line = capsys.readouterr().err
    assert says in line
    assert "--out" in line
    assert sorted(p.name for p in (place / "taken").iterdir() if p.name[0] != ".") == sorted(before)
    assert not (place / "reports").exists()


def test_another_audit_in_the_same_folder_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(place, "loans.csv", loans())
    command = ["audit", "loans.csv", "--policy", "plain.yaml", "--label", "y", "--teacher", "t", "--student", "s"]
    assert main(command) == 0
    capsys.readouterr()
    assert main([*command, "--group", "sex"]) == 2
    assert "holds another audit (what was asked" in capsys.readouterr().err


def test_probabilities_are_decided_at_the_threshold(place: Path) -> None:
    rows = loans()
    for threshold in (None, 0.5, 0.3):
        found = ask(pd.DataFrame(rows), threshold=threshold)
        at = 0.5 if threshold is None else threshold
        t, s = (rows["t"] >= at).astype(int), (rows["s"] >= at).astype(int)
        loss = next(f for f in found.findings if f.check == "accuracy_loss")
        assert loss.estimate == pytest.approx(((t == rows["y"]).mean()) - (s == rows["y"]).mean(), abs=1e-12)
        assert found.report["data"]["threshold"] == at
    calibrated = ask(pd.DataFrame(rows), policy=policy(check("accuracy_loss", {"at_most": 0.1}),
                                                       report=(check("calibration"),)))  # fmt: skip
    assert any(f.check == "calibration" and f.outcome != "NOT_APPLICABLE" for f in calibrated.findings)


def test_a_probability_of_exactly_one_half_is_positive() -> None:
    rows = {"y": [1, 0] * 50, "t": [0.5, 0.25] * 50, "s": [0.5, 0.5] * 50}
    loss = next(f for f in ask(rows).findings if f.check == "accuracy_loss")
    assert (loss.teacher, loss.student) == (1.0, 0.5)


def test_named_classes_and_the_favourable_one() -> None:
    rows = loans()
    rows["y"] = np.where(rows["y"] == 1, "granted", "refused")
    found = ask(rows, positive="refused", favourable="granted", groups=["sex"])
    assert found.report["data"]["positive"] == "refused"
    assert found.report["data"]["favourable"] == "granted"
    error = found.report["teacher"]["error_audit"]["value"]
    decided = np.where(rows["t"] >= 0.5, "refused", "granted")
    assert error == pytest.approx((decided != rows["y"]).mean())


def three(rows: int = 600) -> dict[str, Any]:
    random = np.random.default_rng(5)
    y = random.choice(["a", "b", "c"], rows)
    columns: dict[str, Any] = {"y": y, "sex": random.choice(["F", "M"], rows)}
    for who, noise in (("t", 0.5), ("s", 0.6)):
        logits = 2.0 * (y[:, None] == np.array(["a", "b", "c"])) + random.normal(0, noise, (rows, 3))
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        columns |= {f"{who}_p_{name}": p[:, at] for at, name in enumerate("abc")}
        columns[who] = np.array(list("abc"))[p.argmax(axis=1)]
    return columns


def test_many_classes_by_prefix_say_what_their_decisions_say() -> None:
    rows = three()
    by_prefix = ask(rows, teacher="t_p_*", student="s_p_*", groups="sex")
    by_decision = ask(rows, groups="sex")
    one, two = (next(f for f in r.findings if f.check == "accuracy_loss") for r in (by_prefix, by_decision))
    assert (one.estimate, one.high, one.outcome) == (two.estimate, two.high, two.outcome)
    assert by_prefix.report["data"]["classes"] == ["a", "b", "c"]
    assert by_prefix.report["data"]["positive"] is None
    gaps = ask(rows, groups="sex", positive="b", policy=policy(check("accuracy_loss", {"at_most": 0.1}),
               report=(check("group_gap", metric="true_positive_rate"),)))  # fmt: skip
    rate = next(f for f in gaps.findings if f.check == "group_gap")
    at = (rows["y"] == "b") & (rows["sex"] == rate.group)
    assert rate.student == pytest.approx((rows["s"][at] == "b").mean())


def test_a_regression_is_audited_where_a_quantity_is_defined() -> None:
    random = np.random.default_rng(2)
    y = random.normal(0, 1, 400)
    rows = {"y": y, "t": y + random.normal(0, 0.3, 400), "s": y + random.normal(0, 0.35, 400)}
    found = ask(rows, task="regression", groups=())
    assert found.report["data"]["classes"] == []
    assert found.report["teacher"]["error_audit"] is None
    loss = next(f for f in found.findings if f.check == "accuracy_loss")
    assert loss.outcome == "NOT_APPLICABLE"
    assert "regression" in loss.note
    assert found.exit_code == 3
    assert found.report["rows_to_read"]["reason"]


def test_clusters_reach_the_auditor() -> None:
    with_clusters = ask(loans(), cluster="patient", id="who")
    without = ask(loans(), id="who")
    one, two = (next(f for f in r.findings if f.check == "accuracy_loss") for r in (with_clusters, without))
    assert one.estimate == two.estimate or one.note
    assert (one.high, one.method, one.note) != (two.high, two.method, two.note)


def test_a_control_splits_the_gap() -> None:
    rules = policy(
        check("accuracy_loss", {"at_most": 0.05}),
        check("group_gap", {"at_most": 0.3}, metric="true_positive_rate", attribute="sex"),
    )
    found = ask(loans(), groups="sex", control="c", policy=rules)
    split = msgspec.convert(found.report["attribution"], list[Finding])
    assert {f.check for f in split} == {"attribution"}
    assert all(f.outcome == "REPORTED" and not f.required for f in split)
    gap = next(f for f in split if f.group == "F")
    assert gap.estimate is not None
    assert ask(loans(), groups="sex", policy=rules).report["attribution"] == []


def test_origins_need_a_declaration() -> None:
    rules = policy(check("group_gap", {"at_most": 0.3, "grows_by_at_most": 0.1}, metric="selection_rate"))
    known = ask(loans(), groups="sex", policy=rules, teacher_saw="none")
    unknown = ask(loans(), groups="sex", policy=rules)
    assert any(f.origin for f in known.findings)
    assert not any(f.origin for f in unknown.findings)
    assert any("--teacher-saw" in note for note in unknown.report["notes"])
    assert [f.outcome for f in known.findings] == [f.outcome for f in unknown.findings]


def test_intersections_are_audited(place: Path) -> None:
    random = np.random.default_rng(9)
    rows = loans() | {"old": random.choice(["under 40", "over 40"], 900)}
    write(place, "loans.csv", rows)
    command = ["audit", "loans.csv", "--policy", "plain.yaml", "--label", "y", "--teacher", "t", "--student", "s"]
    assert main([*command, "--group", "sex", "--group", "old", "--cross", "sex,old"]) == 0
    groups = report.read(place / "reports" / "loans")["data"]["groups"]
    assert set(groups["sex & old"]) == {f"{a} & {b}" for a in "FM" for b in ("under 40", "over 40")}
    assert sum(groups["sex & old"].values()) == 900


def test_meters_of_the_policy_are_not_judged(place: Path) -> None:
    (place / "m.yaml").write_text(
        PLAIN + "  - {meter: latency, at_most_ratio: 0.5}\n  - {meter: size, at_most: 9 kB}\n"
    )
    found = ask(loans(), policy=place / "m.yaml")
    meters = [f for f in found.findings if f.check in {"latency", "size"}]
    assert [(f.outcome, f.required) for f in meters] == [("NOT_APPLICABLE", False)] * 2
    assert found.report["method"]["not_judged"] == ["latency", "size"]
    assert found.verdict.decision == "PASS"
    assert "latency, size" in found.verdict.sentence


def test_labels_are_matched_by_what_they_mean() -> None:
    y, t = np.resize([0, 1, 1], 300), np.resize([0, 1, 1, 0], 300)
    expected = next(f for f in ask({"y": y, "t": t, "s": y}).findings if f.check == "accuracy_loss").estimate
    for label, teacher in (
        (y, t.astype(str)), (y.astype(str), t), (y.astype(bool), t), (y.astype(float), t.astype(bool)),
        (np.where(y, "True", "False"), t), (y, t.astype(float)), (y.astype(str), t.astype(float)),
    ):  # fmt: skip
        found = ask({"y": label, "t": teacher, "s": y})
        assert next(f for f in found.findings if f.check == "accuracy_loss").estimate == expected
        assert found.report["data"]["positive"] is not None


def test_a_decision_that_is_no_label_is_wrong_and_said_so() -> None:
    y = np.resize(["no", "yes"], 200)
    t = y.astype(object)
    t[3] = "abstains"
    found = ask({"y": y, "t": np.where(y == "no", "no", "yes"), "s": t}, positive="yes")
    assert found.report["student"]["error_audit"]["value"] == 1 / 200
    assert any("'abstains'" in note for note in found.report["notes"])


def test_ids_know_rows_in_any_order(place: Path) -> None:
    write(place, "one.csv", loans())
    order = np.random.default_rng(0).permutation(900)
    write(place, "two.csv", {name: np.asarray(column)[order] for name, column in loans().items()})
    common = ["--policy", "plain.yaml", "--label", "y", "--teacher", "t", "--student", "s", "--id", "who"]
    assert main(["audit", "one.csv", *common]) == 0
    # The same rows, said by the same models, but another table: the account of the rows is known again.
    assert main(["audit", "two.csv", *common]) == 3


def test_confident_teachers_come_first_and_ids_are_shown_if_the_policy_says_so(place: Path) -> None:
    (place / "shown.yaml").write_text(PLAIN + "rows_shown: ids\n")
    rows = loans()
    found = ask(rows, policy=place / "shown.yaml", id="who", groups="sex", out=place / "shown")
    reading = found.report["rows_to_read"]
    t, s = rows["t"] >= 0.5, rows["s"] >= 0.5
    flips = np.flatnonzero(t != s)
    sure = np.where(t, rows["t"], 1 - rows["t"])
    assert reading["ids"] == [str(at) for at in flips[np.argsort(-sure[flips], kind="stable")]][:20]
    confidence = [float(row["teacher_confidence"]) for row in listed(place / "shown")]
    assert confidence == sorted(confidence, reverse=True)
    share = {line["group"]: line["share"] for line in reading["groups"]}
    assert share["F"] == pytest.approx((rows["sex"][flips] == "F").mean())


def test_the_majority_stands_beside_as_a_control() -> None:
    found = data.outside(loans(), data.Asked(label="y", teacher="t", student="s", control="c"))
    assert set(found.evidence.others) == {"control", "majority"}
    assert set(found.evidence.others["majority"].decisions.tolist()) == {0}
    assert not data.outside(three(), data.Asked(label="y", teacher="t", student="s")).evidence.positive


def test_the_example_of_the_readme_is_what_the_verb_prints(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, root / "data" / "make_compas.py", place / "compas.csv"], check=True)
    rows = list(csv.DictReader((place / "compas.csv").read_text().splitlines()))
    for name, counts in COMPAS.items():
        mine = [(row["rearrested"], row["high"]) for row in rows if row["race"] == name]
        assert tuple(mine.count(pair) for pair in (("0", "0"), ("0", "1"), ("1", "0"), ("1", "1"))) == counts
    asked = ["compas.csv", "--policy", str(root / "policies" / "rearrest.yaml"), "--label", "rearrested", "--teacher"]
    asked += ["high", "--student", "student", "--group", "race", "--id", "person", "--favourable", "0"]
    assert main(["audit", *asked, "--teacher-saw", "none"]) == 1
    printed = {line.rstrip() for line in capsys.readouterr().out.replace("\u202f", " ").splitlines()}
    shown = (root / "README.md").read_text().split("<!-- audit-output -->")[1].split("```")[1].splitlines()[1:]
    assert {line for line in shown if line != "…"} <= printed
