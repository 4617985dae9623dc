"""What a report claims is computed again, whoever signed it; what an approval was given in spite of is said aloud."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import small_run
from signed_run import RUN, ada, at, refused, restated, unproven

from autodistill import signoff
from autodistill.ledger import Ledger
from autodistill.records import digest
from autodistill.run import attest, waived

LOOK, LEVELS = "look: paid for in the ledger", "levels: as the look was divided"
FINDINGS, VERDICT = "findings: all that the policy requires", "verdict: follows from the findings"


@pytest.fixture
def own(recorded: small_run.Run, tmp_path: Path) -> Path:
    """The search as it ended, undecided, with nothing but its facts; to be changed."""
    shutil.copytree(recorded.root / "reports", tmp_path / "reports")
    (tmp_path / "policies").mkdir()
    public = signoff.public_text(signoff.auditor())
    line = f"keys:\n  - {{name: own, role: auditor, public: '{public}'}}\n"
    (tmp_path / "policies" / "trust.yaml").write_text(line)
    return tmp_path


def best(found: dict[str, Any]) -> dict[str, Any]:
    """The finalist's place in the shortlist."""
    one: dict[str, Any] = next(one for one in found["shortlist"] if one["key"] == found["finalist"])
    return one


def both(found: dict[str, Any], change: Callable[[list[dict[str, Any]]], Any]) -> None:
    """The same change to the finalist's findings, in both places where they are."""
    change(best(found)["findings"])
    change(found["findings"])


def loss(findings: list[dict[str, Any]]) -> dict[str, Any]:
    return next(one for one in findings if one["check"] == "accuracy_loss")


def other(found: dict[str, Any]) -> str:
    """A tested candidate that is not the smallest."""
    return next(str(one["key"]) for one in found["shortlist"] if one["key"] != found["certified"])


CHANGES: dict[str, tuple[str, str, Callable[[dict[str, Any]], Any]]] = {
    "a larger share": (LOOK, "its share is", lambda r: r["method"]["looks"].update(share=0.05)),
    "another place": (LOOK, "another place", lambda r: r["method"]["looks"].update(index=2)),
    "fewer looks": (LOOK, "another place", lambda r: r["method"]["looks"].update(looks=1)),
    "no look": (LOOK, "names no look", lambda r: r["method"].update(looks={})),
    "another order": (
        LOOK,
        "other shortlist",
        lambda r: [one.update(order=6 - one["order"]) for one in r["shortlist"]],
    ),
    "a candidate left out": (
        LOOK,
        "other shortlist",
        lambda r: r.update(shortlist=[one for one in r["shortlist"] if one["key"] != other(r)]),
    ),
    "another level": (LEVELS, "its place gives", lambda r: best(r).update(level=0.04)),
    "a test at another level": (LEVELS, "is at level", lambda r: both(r, lambda f: loss(f).update(level=0.04))),
    "a test left out": (
        FINDINGS,
        "is required and not on record",
        lambda r: both(r, lambda f: f.remove(loss(f))),
    ),
    "a test for show": (
        FINDINGS,
        "not on record as such",
        lambda r: both(r, lambda f: loss(f).update(required=False)),
    ),
    "a PASS beyond its limit": (
        FINDINGS,
        "not inside its limit",
        lambda r: both(r, lambda f: loss(f).update(high=0.2)),
    ),
    "a PASS without an end": (FINDINGS, "not inside", lambda r: both(r, lambda f: loss(f).update(high=None))),
    "a loss that failed": (
        VERDICT,
        "its findings say FAIL",
        lambda r: both(r, lambda f: loss(f).update(outcome="FAIL")),
    ),
    "another student": (VERDICT, "by the findings it is", lambda r: r.update(certified=other(r), finalist=other(r))),
    "another finalist": (VERDICT, "the finalist is", lambda r: r.update(finalist=other(r))),
    "another verdict": (VERDICT, "the findings say PASS", lambda r: r["verdict"].update(decision="INCONCLUSIVE")),
    "findings of another": (
        VERDICT,
        "are not those of candidate",
        lambda r: r.update(findings=next(one["findings"] for one in r["shortlist"] if one["key"] == other(r))),
    ),
    "another file": (VERDICT, "is not the file of candidate", lambda r: r["files"].update({"student.onnx": "0" * 64})),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_report_that_the_auditors_key_signed_is_not_believed(own: Path, name: str) -> None:
    where, why, change = CHANGES[name]
    assert why in restated(own, change).get(where, "")


def test_the_same_report_signed_again_is_believed(own: Path) -> None:
    assert restated(own, lambda report: report) == {}


def test_other_rows_are_another_look(own: Path) -> None:
    """Fewer audit rows than were paid for, signed by the auditor's own key."""
    path = own / RUN / "rows.parquet"
    table = pq.read_table(path)
    audited = np.flatnonzero(table["split"].to_numpy(zero_copy_only=False) == "audit")
    pq.write_table(table.take(np.setdiff1d(np.arange(len(table)), audited[:1])), path)
    found = restated(own, lambda report: report)
    assert "other rows" in found[LOOK]


def test_facts_leave_nothing_out(own: Path) -> None:
    """A file that is laid beside the others later is none that anybody signed."""
    (own / RUN / "readings.json").unlink()
    assert restated(own, lambda report: report) == {}
    (own / RUN / "readings.json").write_text("{}")
    assert "leave out readings.json" in unproven(own)["facts: over everything that the run rests on"]


def test_a_look_that_the_facts_do_not_vouch_for_is_none(own: Path) -> None:
    """Lines that come after the head which the facts name are not those that the run rests on."""
    facts = signoff.peek((own / RUN / attest.FACTS).read_bytes())
    data, root = facts["predicate"]["autodistill"], own / "reports"
    lines = Ledger(root).lines()
    (root / "ledger.jsonl").unlink()
    look = next(line for line in lines if line.kind == "look")
    for line in [*(one for one in lines if one is not look), look]:
        Ledger(root).append(line.kind, line.data, at=line.at)
    head = Ledger(root).lines()[int(data["ledger"]["index"]) - 1]
    data["ledger"] = {"index": head.index, "sha256": head.sha256}
    (own / RUN / attest.FACTS).write_bytes(signoff.seal(facts, signoff.auditor()))
    assert "no line of the ledger that the facts vouch for" in unproven(own)[LOOK]


def test_an_audits_verdict_is_computed_whatever_its_notes_say(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 3000)
    teacher = np.where(rng.random(3000) < 0.1, 1 - y, y)
    student = np.where(rng.random(3000) < 0.1, 1 - teacher, teacher)  # eight points worse
    frame = {"who": [f"p{n}" for n in range(3000)], "y": y, "t": teacher, "s": student}
    pd.DataFrame(frame).to_csv(own / "said.csv", index=False)
    lines = "name: plain\nversion: '1'\nrequire:\n  - {check: accuracy_loss, at_most: 0.02}\n"
    (own / "plain.yaml").write_text(lines, encoding="utf-8")
    columns = ("--label", "y", "--teacher", "t", "--student", "s", "--id", "who")
    assert at(own, "audit", "said.csv", "--policy", "plain.yaml", *columns) == 1
    run = Path("reports") / "said"
    assert unproven(own, run) == {}

    def passing(report: dict[str, Any]) -> None:
        report["verdict"]["decision"] = "PASS"
        assert report["notes"]

    assert "the findings say FAIL" in restated(own, passing, run)[VERDICT]

    def another(report: dict[str, Any]) -> None:
        report["verdict"]["decision"] = "FAIL"
        report["data"]["columns"]["groups"] = ["who"]

    assert "other shortlist" in restated(own, another, run)[LOOK]
    capsys.readouterr()


FAILED = "impact_ratio/sex:Male=Female/at_least"
STRICT = (
    small_run.POLICY.replace("name: loose", "name: strict")
    .replace("0.10}", "0.0001}")
    .replace(
        "  - {check: class_collapse}",
        "  - {check: impact_ratio, attribute: sex, reference: Male, at_least: 0.95}\n  - {check: class_collapse}",
    )
)


def standing(found: dict[str, Any]) -> list[str]:
    """The names under which the tests that did not pass are waived, on the audit rows and on the sealed ones."""
    names = [f["id"] for f in found["findings"] if f["required"] and f["outcome"] != "PASS"]
    return [*names, *(f"sealed/{name}" for name in names)]


@pytest.fixture(scope="module")
def judged(signed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The signed project, its run judged again under a policy that no student meets; not to be changed."""
    root = tmp_path_factory.mktemp("judged") / "project"
    shutil.copytree(signed, root)
    (root / "strict.yaml").write_text(STRICT, encoding="utf-8")
    assert at(root, "report", "reports/small", "--policy", "strict.yaml") in {1, 3}
    return root


@pytest.fixture
def strict(judged: Path, tmp_path: Path) -> tuple[Path, Path]:
    """That project, to be changed, and the folder of the judgement in it."""
    root = tmp_path / "strict"
    shutil.copytree(judged, root)
    (home,) = (root / RUN / "policies").iterdir()
    return root, home.relative_to(root)


def test_what_failed_is_approved_by_name_only_and_said_aloud(
    strict: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root, run = strict
    found = json.loads((root / run / "report.json").read_bytes())
    assert found["certified"] is None
    capsys.readouterr()
    assert at(root, "sign", str(run), *ada("approved", "--anyway")) == 1
    said = capsys.readouterr().out
    names = standing(found)
    assert f"FAIL {FAILED}" in said
    assert FAILED in names
    leave = [part for name in names for part in ("--waive", name)]
    more = ("--because", "a pilot", "--until", "2090-01-01", "--anyway")
    for some in (leave[:-2], leave[2:]):  # one is missing
        assert at(root, "sign", str(run), *ada("approved-with-conditions", *some, *more)) in {1, 3}
    assert refused(root, run)
    capsys.readouterr()
    assert at(root, "sign", str(run), *ada("approved-with-conditions", *leave, *more)) == 0
    aloud = f"WAIVED BY NAME ALTHOUGH IT FAILED: {FAILED}"
    assert aloud in capsys.readouterr().out.replace("\n", " ")
    assert refused(root, run) == {}
    assert at(root, "verify", str(run)) == 0
    assert aloud in capsys.readouterr().out.replace("\n", " ")
    assert aloud in (root / run / "report.html").read_text()
    assert "WAIVED BY NAME ALTHOUGH IT FAILED" in (root / run / "README.md").read_text()
    (statement,) = (root / run).glob("statements/decision-*.dsse.json")
    predicate = signoff.peek(statement.read_bytes())["predicate"]
    assert aloud in predicate["in_spite_of"]
    assert {one["finding"]: one["outcome"] for one in predicate["waivers"]}[FAILED] == "FAIL"
    student = digest((root / run / "student.onnx").read_bytes())  # the finalist's, and so says the line
    assert predicate["scope"]["student"] == student
    assert Ledger(root / "reports").lines("signature")[-1].data["student"] == student
    assert found["files"][f"candidates/{found['finalist']}/student.onnx"] == student


def test_a_waiver_says_what_it_waives(strict: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """By the approver's own key, and another tool than ours: a FAIL is not waived as if it were undecided."""
    root, run = strict
    real = signoff.decision

    def softer(files: Any, decided: Any, more: dict[str, Any]) -> Any:
        mild = [one | {"outcome": "INCONCLUSIVE"} for one in more["waivers"]]
        return real(files, decided, more | {"waivers": mild, "in_spite_of": ""})

    monkeypatch.setattr(signoff, "decision", softer)
    found = json.loads((root / run / "report.json").read_bytes())
    names = standing(found)
    leave = [part for name in names for part in ("--waive", name)]
    more = ("--because", "a pilot", "--until", "2090-01-01", "--anyway")
    assert at(root, "sign", str(run), *ada("approved-with-conditions", *leave, *more)) == 0
    why = refused(root, run)["decision: every required test passed or is waived"]
    assert f"{FAILED} is waived as INCONCLUSIVE, and it is FAIL" in why


def test_nothing_that_could_be_waived_is_no_approval() -> None:
    fine = {"required": True, "outcome": "PASS", "split": "audit"}
    report = {"verdict": {"decision": "INCONCLUSIVE"}, "findings": []}
    assert "no test is there that could be waived" in waived.unproven(report, waived.tests(report, ()))
    report["verdict"]["decision"] = "PASS"
    assert waived.unproven(report, ()) == "nothing was required of it"
    assert fine["required"]


def test_whose_word_the_searchers_name_is(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The environment's claim, signed as that; the account's name counts, too."""
    monkeypatch.setenv("AUTODISTILL_RUN_BY", "Grace")
    assert restated(own, lambda report: report) == {}
    said = signoff.peek((own / RUN / attest.FACTS).read_bytes())["predicate"]["autodistill"]
    assert said["by"] == "Grace"
    assert "AUTODISTILL_RUN_BY" in said["by_from"]
    attest.rendered(own / RUN, attest.book(own / "reports"))
    assert "not proven" in (own / RUN / "report.html").read_text()
    key = signoff.make(own / "ada.pem")
    path = own / "policies" / "trust.yaml"
    path.write_text(path.read_text() + f"  - {{name: Ada, role: approver, public: '{signoff.public_text(key)}'}}\n")
    for name in ("grace", said["account"]):
        assert at(own, "sign", "reports/small", *ada("approved", by=name)) == 2
        assert "may not approve" in capsys.readouterr().err
    assert at(own, "sign", "reports/small", *ada("approved")) == 0
    assert at(own, "verify", "reports/small") == 0
    assert "run by Grace: the word of its environment" in capsys.readouterr().out.replace("\n", " ")


def test_what_was_changed_since_does_not_keep_an_approval(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A revocation does not wait for a run that verifies."""
    (copy / RUN / "rows.parquet").write_bytes(b"")
    assert at(copy, "sign", "reports/small", *ada("rejected", "--because", "x")) == 2
    assert at(copy, "sign", "reports/small", *ada("revoked", "--because", "somebody was here")) == 0
    assert "somebody was here" in refused(copy)["decision: not revoked"]
    capsys.readouterr()
