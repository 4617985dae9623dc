"""A finished run judged again under another policy: no training, no teacher, one account of looks, nothing torn."""

import json
import multiprocessing
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
import small_run

import autodistill
from autodistill import auditor, cli, signoff, spec, verdict
from autodistill.errors import RunError, SpecError
from autodistill.ledger import Ledger, row_hashes
from autodistill.records import Entry, Finding, digest
from autodistill.run import attest, ordered, rejudging, sealed
from autodistill.run.finished import Finished

RUN = Path("reports/small")
OTHER = small_run.POLICY.replace("name: loose", "name: other").replace("looks: 20", "looks: 2")
STRICT = OTHER.replace("name: other", "name: strict").replace("at_most: 0.10", "at_most: 0.001")
FRESH = "it needs fresh rows"


@pytest.fixture
def place(recorded: small_run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the finished search with its ledger, to work in. Its policy spent 1/20 of the level."""
    root = tmp_path / "copy"
    shutil.copytree(recorded.root, root, ignore=shutil.ignore_patterns("cache"))
    text = (root / RUN / "spec.yaml").read_text()
    (root / RUN / "spec.yaml").write_text(text.replace(str(recorded.root), str(root)))
    with small_run.inside(root, recorded.cache):
        yield root


def written(text: str, name: str = "other.yaml") -> Path:
    Path(name).write_text(text)
    return Path(name)


def looks() -> list[Any]:
    return [line.data for line in Ledger(Path("reports")).lines("look")]


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of the run itself."""
    files = (one for one in folder.rglob("*") if one.is_file() and "policies" not in one.parts and one.name != ".lock")
    return {str(one): (one.read_bytes(), one.stat().st_mtime_ns) for one in files}


def test_another_policy_is_a_look_and_the_same_again_is_free(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, paid = snapshot(RUN), len(looks())
    file = written(OTHER)
    code = cli.main(["report", str(RUN), "--policy", str(file)])
    said = capsys.readouterr().out
    assert "look 2 of 2 on these rows, spent 0.025 of 0.05, 1 account; 0.0275 spent in all" in said
    assert "The policy other 1 came after the search, which was judged under loose 1" in said
    sha = digest(file.read_bytes())
    folder = RUN / "policies" / sha[:12]
    assert {one.name for one in folder.iterdir()} == {
        "report.json", "report.html", "front.png", "candidates.csv", "policy.yaml", "rows_to_read.csv", "candidates",
        "rows.parquet", "sealed.parquet", "spec.yaml", "student.onnx", "teacher.onnx", "statements", "README.md",
        "bom.cdx.json",
    }  # fmt: skip
    facts = signoff.peek((folder / attest.FACTS).read_bytes())["predicate"][signoff.OURS]
    assert facts["policy_came_after"]
    assert (folder / "policy.yaml").read_bytes() == file.read_bytes()
    found = json.loads((folder / "report.json").read_bytes())
    assert (
        found["rejudged"]["policy_before"]["sha256"]
        == json.loads((RUN / "report.json").read_bytes())["policy"]["sha256"]
    )
    assert found["rejudged"]["looks"] == found["method"]["looks"]
    assert found["policy"]["sha256"] == sha
    assert code == {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}[found["verdict"]["decision"]]
    page = (folder / "report.html").read_text()
    assert "came after the search" in page
    kept = {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()}
    assert cli.main(["report", str(RUN), "--policy", str(file)]) == code
    assert "a replay, and free" in capsys.readouterr().out
    shutil.rmtree(folder)
    again = autodistill.rejudge(RUN, file)  # its report is gone, the look is paid for
    assert again.report["method"]["looks"]["replay"]
    assert len(looks()) == paid + 1
    assert {one["key"]: one["findings"] for one in again.report["shortlist"]} == {
        one["key"]: one["findings"] for one in found["shortlist"]
    }
    assert set(kept) == {one for one in folder.rglob("*") if one.is_file()}
    assert {name: one for name, (one, _) in snapshot(RUN).items() if "predictions.audit" not in name} == {
        name: one for name, (one, _) in before.items() if "predictions.audit" not in name
    }


def test_its_findings_are_those_of_the_policy_from_the_search_split_on(place: Path) -> None:
    """The shortlist, its order and every finding computed a second way, from the report and the kept predictions."""
    found = autodistill.rejudge(RUN, written(OTHER)).report
    rules, old = spec.load_policy("other.yaml"), json.loads((RUN / "report.json").read_bytes())
    task, known = sealed.Task.of(old), sealed.known_groups(old)
    entries = [one for one in msgspec.convert(old["entries"], list[Entry]) if one.state == "finished"]
    teacher = msgspec.convert(old["teacher"]["readings"], dict[str, Any])

    def seen(key: str, split: str) -> auditor.Evidence:
        said = sealed.predictions(RUN / "candidates" / key / f"predictions.{split}.parquet", split)
        return sealed.evidence(sealed.read(RUN / "rows.parquet", split), task, said, known)

    scale = old["data"]["splits"]["audit"] / old["data"]["splits"]["search"]
    able = sorted(entries, key=lambda one: (one.readings["size"].value, one.candidate.key))
    able = [one for one in able if one.readings["size"].value < 20_000]
    power = {
        one.candidate.key: auditor.power(seen(one.candidate.key, "search"), rules, scale, 0.05 / 2 / 5) for one in able
    }
    likely = [one.candidate.key for one in able if power[one.candidate.key] >= 0.5][:5]
    z = {key: auditor.search_z(auditor.audit(seen(key, "search"), rules)) for key in likely}
    assert [one["key"] for one in found["shortlist"]] == sorted(likely, key=lambda key: -z[key])
    level = 0.025 / len(likely)
    for one in found["shortlist"]:
        assert one["level"] == pytest.approx(level)
        now = {f.id: f for f in auditor.audit(seen(one["key"], "audit"), rules, level=one["level"])}
        kept = [f for f in msgspec.convert(one["findings"], list[Finding]) if f.split == "audit"]
        assert [(f.id, f.outcome, f.estimate, f.high) for f in kept] == [
            (f.id, f.outcome, f.estimate, f.high) for f in now.values()
        ]
        level = 0.025 / len(likely) + (one["level"] if one["decision"] == "PASS" else 0.0)
    assert teacher == msgspec.convert(found["teacher"]["readings"], dict[str, Any])
    screened = {one.candidate.key: one for one in msgspec.convert(found["entries"], list[Entry])}
    for key in likely:
        assert {f.split for f in screened[key].findings} == {"search", "device"}
        assert screened[key].verdict == verdict.judge(screened[key].findings)


def test_a_stricter_policy_certifies_nothing_that_it_should_not(place: Path) -> None:
    found = autodistill.rejudge(RUN, written(STRICT))
    assert found.certified is None
    assert found.exit_code in {1, 3}
    losses = [one for one in found.report["findings"] if one["check"] == "accuracy_loss"]
    assert losses
    assert {one["limit"] for one in losses} == {0.001}


def test_where_the_level_is_spent_nothing_of_the_audit_split_is_read(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    autodistill.rejudge(RUN, written(OTHER))
    files = sorted(RUN.rglob("predictions.audit.parquet"))
    assert files
    for one in files:
        one.write_bytes(b"not to be read")
    before, splits = {one: one.stat().st_mtime_ns for one in files}, []
    real = sealed.read
    monkeypatch.setattr(sealed, "read", lambda path, split: (splits.append(split), real(path, split))[1])
    code = cli.main(["report", str(RUN), "--policy", str(written(STRICT, "strict.yaml"))])
    said = capsys.readouterr().out
    assert code == cli.INCONCLUSIVE
    assert FRESH in said.replace("\n", " ")
    assert "`looks:`" in said.replace("\n", " ")
    assert "nothing was read" in said
    assert splits == ["search"]
    assert {one: one.stat().st_mtime_ns for one in files} == before
    assert [one.read_bytes() for one in files] == [b"not to be read"] * len(files)
    sha = digest(Path("strict.yaml").read_bytes())
    found = json.loads((RUN / "policies" / sha[:12] / "report.json").read_bytes())
    assert found["verdict"]["decision"] == "INCONCLUSIVE"
    assert (found["findings"], found["fairlearn"], found["rows_to_read"], found["method"]["looks"]) == ([], [], {}, {})
    assert cli.main(["report", str(RUN), "--policy", "strict.yaml"]) == cli.INCONCLUSIVE


def test_the_order_is_policy_shortlist_look_rows(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, known = Ledger(Path("reports")), len(Ledger(Path("reports")).lines())
    real, at = sealed.read, {}
    monkeypatch.setattr(
        sealed,
        "read",
        lambda path, split: (at.setdefault(split, [x.kind for x in ledger.lines()]), real(path, split))[1],
    )
    autodistill.rejudge(RUN, written(OTHER))
    assert at["search"][known:] == ["policy"]
    assert at["audit"][known:] == ["policy", "shortlist", "look"]


def test_it_needs_neither_torch_nor_the_trainer_nor_the_teacher(place: Path) -> None:
    program = (
        "import sys\n"
        "for name in ('torch', 'optuna', 'mlflow'): sys.modules[name] = None\n"
        "import autodistill\n"
        "found = autodistill.rejudge('reports/small', 'other.yaml')\n"
        "rooms = ('teacher', 'teachers', 'train', 'jobs', 'optimise')\n"
        "loaded = [n for n in rooms if f'autodistill.{n}' in sys.modules]\n"
        "print(found.exit_code, loaded)\n"
    )
    written(OTHER)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split(" ", 1)[1].strip() == "[]"


def test_the_runs_own_policy_is_no_look(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (snapshot(Path("reports")), len(looks()))
    found = json.loads((RUN / "report.json").read_bytes())
    code = cli.main(["report", str(RUN), "--policy", "policy.yaml"])
    assert code == {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}[found["verdict"]["decision"]]
    assert "the policy that the run was made under: nothing was judged again" in capsys.readouterr().out
    assert (snapshot(Path("reports")), len(looks())) == before


def test_a_student_that_was_not_tested_is_run_on_the_table_while_that_is_the_runs(place: Path) -> None:
    kept = {one: one.read_bytes() for one in RUN.rglob("predictions.audit.parquet")}
    for one in kept:
        one.unlink()
    table = pd.read_parquet("adult.parquet")
    table.loc[0, "age"] += 1
    table.to_parquet("adult.parquet")
    paid = len(looks())
    with pytest.raises(RunError, match=r"not the table of this run any more, and what .* was not kept; restore"):
        autodistill.rejudge(RUN, written(OTHER))
    assert len(looks()) == paid
    small_run.people().to_parquet("adult.parquet")
    made = autodistill.rejudge(RUN, written(OTHER)).report
    shutil.rmtree(RUN / "policies")
    for one, content in kept.items():
        one.write_bytes(content)
    stored = autodistill.rejudge(RUN, written(OTHER)).report
    assert made["shortlist"] == stored["shortlist"]


def test_views_that_were_not_kept_are_not_applicable_with_a_reason(place: Path) -> None:
    lines = "{check: noise_flips, at_most: 0.1}", "{check: beats_control, control: label_only, at_least: 0.01}"
    text = OTHER.replace("require:\n", "require:\n" + "".join(f"  - {line}\n" for line in lines))
    found = autodistill.rejudge(RUN, written(text))
    notes = {one["check"]: one for one in found.report["findings"] if one["check"] in {"noise_flips", "beats_control"}}
    assert set(notes) == {"noise_flips", "beats_control"}
    for one in notes.values():
        assert one["outcome"] == "NOT_APPLICABLE"
        assert "were not kept" in one["note"]
    assert found.exit_code == cli.INCONCLUSIVE


def test_controls_whose_artefacts_are_there_are_read(place: Path) -> None:
    line = "require:\n  - {check: beats_control, control: majority, at_least: 0.01}\n"
    found = autodistill.rejudge(RUN, written(OTHER.replace("require:\n", line))).report
    one = next(one for one in found["findings"] if one["check"] == "beats_control")
    assert one["outcome"] in {"PASS", "INCONCLUSIVE", "FAIL"}
    control = next(one for one in found["controls"] if one["name"] == "majority")
    error = next(f for f in found["findings"] if f["check"] == "accuracy_loss")["student"]
    assert one["estimate"] == pytest.approx(control["audit_error"]["value"] - (1 - error))


def test_what_cannot_be_judged_again_is_one_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(OTHER)
    folder = autodistill.rejudge(RUN, file).folder
    race = OTHER.replace("{check: accuracy_loss", "{check: worst_group_loss, attribute: race")
    cases = {
        "is itself a judgement made again": [str(folder), "--policy", str(written(STRICT, "strict.yaml"))],
        "is not empty and holds no report": [str(RUN), "--policy", "strict.yaml", "--out", "."],
        "holds another report": [str(RUN), "--policy", "strict.yaml", "--out", str(folder)],
        "no group of this run": [str(RUN), "--policy", str(written(race, "race.yaml"))],
        "--out goes with --policy": [str(RUN), "--out", "elsewhere"],
        "--track goes without --policy": [str(RUN), "--policy", "strict.yaml", "--track", "sqlite:///x.db"],
        "no finished run is here": ["reports", "--policy", "strict.yaml"],
    }  # fmt: skip
    for line, asked in cases.items():
        assert cli.main(["report", *asked]) == cli.WRONG, line
        err = capsys.readouterr().err
        assert line in err
        assert err.count("\n") == 1
    with pytest.raises(SpecError, match="race"):
        autodistill.rejudge(RUN, "race.yaml")
    (RUN / "rows.parquet").write_bytes((RUN / "rows.parquet").read_bytes() + b"x")
    with pytest.raises(RunError, match="is not the file that was audited"):
        autodistill.rejudge(RUN, "strict.yaml")


def test_another_ledger_is_refused(place: Path) -> None:
    Path("elsewhere").mkdir()
    shutil.move("reports", "elsewhere/runs")
    with pytest.raises(RunError, match=r"knows nothing of the look that this run paid for"):
        autodistill.rejudge("elsewhere/runs/small", written(OTHER))


def test_it_can_lie_elsewhere(place: Path) -> None:
    found = autodistill.rejudge(RUN, written(OTHER), out="other/place")
    assert found.folder == Path("other/place")
    assert (found.folder / "report.html").is_file()
    assert not (RUN / "policies").exists()
    assert autodistill.rejudge(RUN, written(OTHER), out="other/place").again


def _judge(root: Path, cache: Path) -> None:
    with (
        small_run.inside(root, cache),
        Path("said.txt").open("a") as said,
        redirect_stdout(said),
        redirect_stderr(said),
    ):
        cli.main(["report", str(RUN), "--policy", "other.yaml"])


def test_kill_9_leaves_the_old_or_the_new(place: Path, recorded: small_run.Run) -> None:
    file, draw = written(OTHER), random.Random(4)
    folder = RUN / "policies" / digest(file.read_bytes())[:12]
    shutil.copytree(place, place.parent / "whole")
    started = time.monotonic()
    _judge(place.parent / "whole", recorded.cache)
    took = time.monotonic() - started
    whole = json.loads((place.parent / "whole" / folder / "report.json").read_bytes())
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["autodistill.run.rejudging", "autodistill.report", "matplotlib.pyplot"])
    for at in range(7):
        process = context.Process(target=_judge, args=(place, recorded.cache))
        process.start()
        if at == 0:  # its libraries are loaded while the first one waits for them
            time.sleep(0.5)
        time.sleep(draw.uniform(0, 1.2 * took))
        process.kill()
        process.join()
        if folder.exists():
            json.loads((folder / "report.json").read_bytes())
            assert {one.name for one in folder.iterdir()} >= {
                "report.html",
                "policy.yaml",
                "candidates.csv",
                "front.png",
            }
        assert Ledger(Path("reports")).verify() == []
    found = autodistill.rejudge(RUN, file).report
    assert [one["policy"] for one in looks()].count(digest(file.read_bytes())) == 1
    for name in ("verdict", "certified", "finalist", "shortlist", "findings", "fairlearn"):
        assert found[name] == whole[name], name
    assert not list((RUN / "policies").glob(".*.making"))


POLICY = """
name: {name}
version: "1"
looks: 2
require:
  - {{check: accuracy_loss, at_most: {limit}}}
  - {{check: group_gap, metric: true_positive_rate, attribute: sex, at_most: 0.5, grows_by_at_most: 0.4}}
"""


@pytest.fixture
def audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An audit of predictions in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    random_ = np.random.default_rng(5)
    y = random_.integers(0, 2, 800)
    said = {who: np.where(random_.random(800) < 0.15, 1 - y, y) for who in ("t", "s")}
    table = {
        "id": np.arange(800),
        "y": y,
        **said,
        "sex": random_.choice(["F", "M"], 800),
        "p": random_.integers(0, 90, 800),
    }
    pd.DataFrame(table).to_csv("table.csv", index=False)
    written(POLICY.format(name="first", limit=0.2), "first.yaml")
    written(POLICY.format(name="second", limit=0.01), "second.yaml")
    written(POLICY.format(name="third", limit=0.3), "third.yaml")
    return tmp_path


ASKED = ["table.csv", "--label", "y", "--teacher", "t", "--student", "s", "--group", "sex", "--id", "id",
         "--teacher-saw", "none", "--out", "reports/audit"]  # fmt: skip


def test_an_audit_of_predictions_is_judged_again(audited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Path("reports/audit")
    assert cli.main(["audit", *ASKED, "--policy", "first.yaml"]) == cli.OK
    before = snapshot(run)
    Path("table.csv").rename("gone.csv")  # the rows that were kept are enough
    code = cli.main(["report", str(run), "--policy", "second.yaml"])
    assert "look 2 of 2 on these rows, spent 0.025 of 0.05, 1 account" in capsys.readouterr().out
    assert snapshot(run) == before
    found = json.loads((run / "policies" / digest(Path("second.yaml").read_bytes())[:12] / "report.json").read_bytes())
    assert found["kind"] == "audit"
    assert "came after the audit" in found["rejudged"]["statement"]
    Path("gone.csv").rename("table.csv")
    direct = ["audit", *ASKED[:-1], "reports/again", "--policy", "second.yaml"]
    assert cli.main(direct) == code  # the same look by the other way: a replay
    other = json.loads(Path("reports/again/report.json").read_bytes())
    assert other["method"]["looks"]["replay"]
    for name in ("findings", "attribution", "fairlearn", "rows_to_read", "teacher", "student", "verdict"):
        assert found[name] == other[name], name
    assert len(looks()) == 2


def test_an_audit_whose_level_is_spent(audited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Path("reports/audit")
    cli.main(["audit", *ASKED, "--policy", "first.yaml"])
    cli.main(["report", str(run), "--policy", "second.yaml"])
    capsys.readouterr()
    assert cli.main(["report", str(run), "--policy", "third.yaml", "--json"]) == cli.INCONCLUSIVE
    found = json.loads(capsys.readouterr().out)
    assert found["findings"] == []
    assert FRESH in found["verdict"]["sentence"]
    assert "`looks:`" in found["verdict"]["sentence"]
    assert found["method"]["looks"] == {}
    assert len(looks()) == 2


def test_the_bench_shows_no_label_before_it_is_asked_for_evidence(place: Path) -> None:
    bench = Finished(
        folder=RUN, found=json.loads((RUN / "report.json").read_bytes()), policy=spec.load_policy("policy.yaml")
    )
    entries = bench.entries()
    listed, _ = ordered.shortlist(bench, [one for one in entries if one.state == "finished"])
    assert listed
    assert "audit" not in bench.kept
    assert not any(name.endswith("/audit") for name in bench.kept)
    rows = row_hashes(bench.audit_rows)
    assert digest(rows.tobytes()) in {one["rows"] for one in looks()}
    assert rejudging.FOLDER == "policies"
