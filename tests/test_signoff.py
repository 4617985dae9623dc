"""Signing and verifying a real run: what holds, what is refused, and that nothing crashes a verifier."""

import base64
import json
import os
import random
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import small_run
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
from signed_run import ada, asked, at, refused, trust

from autodistill import cli, signoff, spec, verdict
from autodistill.errors import LedgerError, RunError, SignatureError, SpecError
from autodistill.ledger import Ledger
from autodistill.nightly import champion
from autodistill.records import digest
from autodistill.run import attest, sealed
from autodistill.run.deep import differences
from autodistill.signoff import envelope, keys

NOW = "2100-01-01T00:00:00Z"


def test_the_encoding_is_the_published_one() -> None:
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert envelope.pae("http://example.com/HelloWorld", b"hello world") == expected


def test_an_independent_implementation_verifies_every_envelope(signed: Path) -> None:
    files = sorted((signed / "reports" / "small" / "statements").glob("*.dsse.json"))
    assert len(files) == 3  # facts, the sealed test, the decision
    public = {signoff.key_id(one.public): one for one in asked(signed).trust.keys}
    for file in files:
        found = Envelope.from_dict(json.loads(file.read_bytes()))
        (name,) = found.signatures
        raw = base64.b64decode(public[name].public).hex()
        assert found.verify([SSlibKey(name, "ed25519", "ed25519", {"public": raw})], 1)
        statement = json.loads(found.payload)
        assert statement["_type"] == "https://in-toto.io/Statement/v1"
        assert all(len(one["digest"]["sha256"]) == 64 for one in statement["subject"])


def test_keys_are_for_their_owner_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert at(tmp_path, "keygen", "--out", "k.pem", "--name", "Ada") == 0
    assert stat.S_IMODE((tmp_path / "k.pem").stat().st_mode) == 0o600
    assert at(tmp_path, "keygen", "--out", "k.pem") == 2
    (tmp_path / "k.pem").chmod(0o644)
    with pytest.raises(SignatureError, match="others can read"):
        keys.load(tmp_path / "k.pem")
    capsys.readouterr()


def test_an_encrypted_key_needs_its_passphrase(tmp_path: Path) -> None:
    made = keys.make(tmp_path / "k.pem", "open sesame")
    loaded = keys.load(tmp_path / "k.pem", "open sesame")
    assert keys.public_text(loaded) == keys.public_text(made)
    for wrong in (None, "sesame"):
        with pytest.raises(SignatureError, match="passphrase"):
            keys.load(tmp_path / "k.pem", wrong)


def test_a_signed_run_is_valid_and_says_so(signed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(signed) == {}
    assert at(signed, "verify", "reports/small", "--deep", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["valid"]
    assert len(found["checks"]) >= 20
    assert at(signed, "verify", "reports/small/student.onnx") == 0
    page = (signed / "reports" / "small" / "report.html").read_text()
    assert "model risk" in page


def test_the_opening_is_in_the_ledger_before_the_rows_are_scored(signed: Path) -> None:
    lines = Ledger(signed / "reports").lines()
    kinds = [(line.kind, line.data.get("what", "")) for line in lines]
    opened, told = kinds.index(("opening", "")), kinds.index(("signature", "sealed"))
    assert opened < told < kinds.index(("signature", "decision"))
    assert lines[opened].data["of"] == 3
    assert lines[opened].data["share"] == pytest.approx(0.05 / 3)


def test_the_openings_are_spent(copy: Path) -> None:
    """Three openings for these rows, whoever is tested; the same candidate again is free."""
    assert at(copy, "sign", "reports/small", *ada("approved")) == 0
    book = Ledger(copy / "reports")
    assert len(book.lines("opening")) == 1
    rows = pq.read_table(copy / "reports" / "small" / "sealed.parquet")["row_digest"].to_numpy()
    for name in ("b" * 64, "c" * 64):
        book.opening(rows, policy="another", candidate=name, openings=3, alpha=0.05)
    with pytest.raises(LedgerError, match="fresh rows"):
        book.opening(rows, policy="another", candidate="d" * 64, openings=3, alpha=0.05)


def test_duties_are_separate(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = signoff.peek((copy / "reports" / "small" / attest.FACTS).read_bytes())
    person = facts["predicate"]["autodistill"]["by"]
    assert at(copy, "sign", "reports/small", *ada("approved", by=person)) == 2
    assert "may not approve" in capsys.readouterr().err
    assert at(copy, "sign", "reports/small", *ada("approved", "--condition", "only for triage")) == 2
    assert "approved-with-conditions" in capsys.readouterr().err
    keys.make(copy / "eve.pem")
    stranger = tuple("eve.pem" if one == "ada.pem" else one for one in ada("approved"))
    assert at(copy, "sign", "reports/small", *stranger) == 2
    assert "not in the trust file" in capsys.readouterr().err
    machine = tuple(str(keys.auditor_path()) if one == "ada.pem" else one for one in ada("approved"))
    assert at(copy, "sign", "reports/small", *machine) == 2
    assert "auditor's" in capsys.readouterr().err


def test_nothing_is_signed_on_top_of_what_was_changed(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip(copy / "reports" / "small" / "student.onnx", 40)
    assert at(copy, "sign", "reports/small", *ada("rejected", "--because", "x")) == 2
    assert "student.onnx was changed" in capsys.readouterr().err


def test_pages_are_rendered_again_and_still_known(copy: Path) -> None:
    assert "approved by Ada" in (copy / "reports" / "small" / "README.md").read_text()
    before = (copy / "reports" / "small" / "report.html").read_bytes()
    assert at(copy, "report", "reports/small") == 0
    assert (copy / "reports" / "small" / "report.html").read_bytes() == before  # with the signatures on it
    assert refused(copy) == {}


def test_a_rejection_is_signed_and_is_no_approval(copy: Path) -> None:
    assert at(copy, "sign", "reports/small", *ada("rejected", "--because", "purpose not covered")) == 0
    assert list(refused(copy)) == ["decision: approves"]


def test_a_condition_is_kept(copy: Path) -> None:
    assert at(copy, "sign", "reports/small", *ada("approved-with-conditions", "--condition", "only for triage")) == 0
    assert refused(copy) == {}
    assert "only for triage" in (copy / "reports" / "small" / "report.html").read_text()


def test_a_revocation_stands(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert at(copy, "sign", "reports/small", *ada("revoked")) == 2  # without its reason
    assert at(copy, "sign", "reports/small", *ada("revoked", "--because", "drift in the field")) == 0
    assert "drift in the field" in refused(copy)["decision: not revoked"]
    assert at(copy, "verify", "reports/small/student.onnx") == 1
    assert at(copy, "sign", "reports/small", *ada("revoked", "--because", "again")) == 2
    capsys.readouterr()


def test_decisions_expire(signed: Path) -> None:
    assert "decision: not expired" in refused(signed, now=NOW)


def test_a_verifier_trusts_only_whom_it_names(copy: Path, tmp_path: Path) -> None:
    trust(copy, [("Ada", "approver", keys.make(tmp_path / "other.pem"))])
    assert "decision: signed by a trusted approver" in refused(copy)
    trust(copy, [("Ada", "approver", keys.load(copy / "ada.pem"))], auditor=keys.make(tmp_path / "machine.pem"))
    assert {"facts: signed by a trusted auditor", "ledger: its head is vouched for"} <= set(refused(copy))


def test_keys_hold_from_when_to_when(copy: Path) -> None:
    path = copy / "policies" / "trust.yaml"
    path.write_text(path.read_text().replace("role: approver,", "role: approver, until: '2020-01-01',"))
    assert "2020-01-01" in refused(copy)["decision: signed by a trusted approver"]


def flip(path: Path, where: int) -> None:
    data = bytearray(path.read_bytes())
    data[where % len(data)] ^= 1 << (where % 8)
    mode = path.stat().st_mode
    path.chmod(0o600)
    path.write_bytes(bytes(data))
    path.chmod(mode)


def covered(root: Path) -> list[Path]:
    """The files whose every byte a verification rests on."""
    run = root / "reports" / "small"
    facts = signoff.peek((run / attest.FACTS).read_bytes())
    names = [*signoff.digests(facts), attest.FACTS, attest.SEALED, *attest.VIEWS]
    decisions = sorted(path.relative_to(run).as_posix() for path in run.glob("statements/decision-*.dsse.json"))
    kept = ["statements/predictions.sealed.parquet"]
    looks = sorted((root / "reports" / ".looks").glob("*.npy"))
    beside = [root / "reports" / "ledger.jsonl", root / "reports" / "ledger.head.json", *looks]
    return [*(run / name for name in dict.fromkeys([*names, *decisions, *kept])), *beside]


def test_a_byte_of_any_file_is_enough(copy: Path) -> None:
    assert len(covered(copy)) > 20
    for path in covered(copy):
        before = path.read_bytes()
        flip(path, len(before) // 2)
        found = refused(copy)
        assert found, path.name
        assert all(found.values()), path.name  # every refusal has its reason
        path.write_bytes(before)
    assert refused(copy) == {}


def test_a_lost_file_is_refused(copy: Path) -> None:
    for path in covered(copy):
        before = path.read_bytes()
        path.unlink()
        assert refused(copy), path.name
        path.write_bytes(before)


def test_lines_of_the_ledger_cannot_be_changed_dropped_or_moved(copy: Path) -> None:
    path = copy / "reports" / "ledger.jsonl"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for at_line in range(len(lines)):
        damaged = [
            [*lines[:at_line], lines[at_line].replace(b'"at":"2', b'"at":"1', 1), *lines[at_line + 1 :]],
            [*lines[:at_line], *lines[at_line + 1 :]],
            [*lines[: at_line + 1], *lines[at_line:]],
        ]
        if at_line:
            damaged.append([*lines[: at_line - 1], lines[at_line], lines[at_line - 1], *lines[at_line + 1 :]])
        for some in damaged:
            path.write_bytes(b"".join(some))
            assert refused(copy), at_line
    path.write_bytes(whole)
    assert refused(copy) == {}


def test_lines_dropped_from_the_end_are_caught_by_the_head(copy: Path) -> None:
    """A revocation is the last line: a chain alone does not miss it."""
    root = copy / "reports"
    before, head = (root / "ledger.jsonl").read_bytes(), (root / "ledger.head.json").read_bytes()
    assert at(copy, "sign", "reports/small", *ada("revoked", "--because", "drift")) == 0
    kept_outside = Ledger(root).head()
    (root / "ledger.jsonl").write_bytes(before)
    assert "ledger: its head is vouched for" in refused(copy)
    # Rolled back together, ledger and head agree: only a copy from outside knows better.
    (root / "ledger.head.json").write_bytes(head)
    outside = "ledger: holds the head that was kept outside"
    assert outside in refused(copy, head=kept_outside)


def test_random_damage_is_always_refused_and_never_crashes(copy: Path) -> None:
    damage(copy, times=60, seed=7)


@pytest.mark.long
def test_a_thousand_random_damages(copy: Path) -> None:
    damage(copy, times=1000, seed=8)


def damage(root: Path, times: int, seed: int) -> None:
    rng = random.Random(seed)
    files = covered(root)
    for _ in range(times):
        path = rng.choice(files)
        before = path.read_bytes()
        kind = rng.choice(["flip", "cut", "add", "empty", "swap"])
        data = bytearray(before)
        if kind == "flip":
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif kind == "cut":
            del data[rng.randrange(len(data)) :]
        elif kind == "add":
            data += bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
        elif kind == "swap":
            data = bytearray(rng.choice([p for p in files if p != path]).read_bytes())
        else:
            data = bytearray()
        path.write_bytes(bytes(data))
        if bytes(data) != before:
            found = refused(root)
            assert found, (path.name, kind)
            assert all(found.values()), (path.name, kind)
        path.write_bytes(before)


def test_a_verifier_needs_neither_torch_nor_a_network(signed: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'mlflow', 'optuna', 'onnxruntime', 'sklearn'): sys.modules[name] = None\n"
        "import socket\n"
        "def no(*_): raise OSError('no network')\n"
        "socket.socket.connect = no\n"
        "from autodistill import cli\n"
        "sys.exit(cli.main(['verify', 'reports/small']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=signed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("reports/small")


def test_a_run_judged_again_is_signed_in_its_own_folder(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its policy came after the search, and the decision says so."""
    policy = copy / "other.yaml"
    policy.write_text(small_run.POLICY.replace("name: loose", "name: other"), encoding="utf-8")
    assert at(copy, "report", "reports/small", "--policy", "other.yaml") == 0
    (home,) = (copy / "reports" / "small" / "policies").iterdir()
    assert at(copy, "sign", str(home), *ada("approved")) == 0
    assert at(copy, "verify", str(home), "--deep") == 0, capsys.readouterr().out
    (decision,) = home.glob("statements/decision-*.dsse.json")
    assert signoff.peek(decision.read_bytes())["predicate"]["policy_came_after"]
    assert refused(copy) == {}  # the run itself stands as it was signed


def test_an_audit_of_predictions_is_signed_and_verified(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 3000)
    teacher = np.where(rng.random(3000) < 0.1, 1 - y, y)
    table = {
        "who": [f"p{n}" for n in range(3000)],
        "y": y,
        "t": teacher,
        "s": teacher,
        "sex": rng.choice(["F", "M"], 3000),
    }
    pd.DataFrame(table).to_csv(copy / "said.csv", index=False)
    lines = "name: plain\nversion: '1'\nrequire:\n  - {check: accuracy_loss, at_most: 0.02}\n"
    (copy / "plain.yaml").write_text(lines, encoding="utf-8")
    columns = ("--label", "y", "--teacher", "t", "--student", "s", "--group", "sex", "--id", "who")
    assert at(copy, "audit", "said.csv", "--policy", "plain.yaml", *columns) == 0
    assert at(copy, "sign", "reports/said", *ada("approved")) == 0
    assert at(copy, "verify", "reports/said", "--deep") == 0, capsys.readouterr().out
    assert at(copy, "audit", "said.csv", "--policy", "plain.yaml", *columns) == 2  # it would replace what was approved
    assert "somebody has decided" in capsys.readouterr().err
    flip(copy / "reports" / "said" / "rows.parquet", 200)
    assert at(copy, "verify", "reports/said") == 1
    assert "rows.parquet was changed" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # mlflow's own imports
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # MLflow leaves its SQLite connections to the collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_alias_is_what_the_ledger_says(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """MLflow keeps no history of aliases: one that was moved by hand is refused, whatever it points to."""
    import mlflow

    uri = f"sqlite:///{copy / 'mlflow.db'}"
    assert at(copy, "sign", "reports/small", *ada("approved"), "--track", uri) == 2  # nothing is registered there yet
    assert at(copy, "report", "reports/small", "--track", uri) == 0
    assert at(copy, "sign", "reports/small", *ada("approved"), "--track", uri) == 0
    model = "models:/small@signed-off"
    assert at(copy, "verify", model, "--track", uri) == 0, capsys.readouterr().out
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    version = client.get_model_version_by_alias("small", "signed-off")
    assert version.tags["autodistill.student_sha256"] == digest((copy / "reports/small/student.onnx").read_bytes())
    other = client.create_model_version("small", version.source, version.run_id)
    client.set_registered_model_alias("small", "signed-off", other.version)
    assert at(copy, "verify", model, "--track", uri) == 1
    assert "the ledger does not know that this alias was moved" in capsys.readouterr().out
    assert at(copy, "verify", "models:/small@nothing", "--track", uri) == 1


def test_an_unsigned_run_is_refused_with_the_reason(recorded: small_run.Run, tmp_path: Path) -> None:
    shutil.copytree(recorded.root / "reports", tmp_path / "reports")
    trust(tmp_path, [("Ada", "approver", keys.make(tmp_path / "ada.pem"))])
    assert list(refused(tmp_path)) == ["decision: signed by a trusted approver"]


def test_wrong_commands_are_one_line(signed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = [
        ("verify", "reports/nothing"),
        ("verify", "models:/x"),
        ("verify", "reports/small", "--trust", "nothing.yaml"),
        ("verify", "reports/small", "--head", "12"),
        ("sign", "reports/small", *ada("approved", "--waive", "nothing", "--because", "x", "--until", "2030-01-01")),
        ("sign", "reports/small", *ada("approved", "--expires", "soon")),
        ("sign", "reports/nothing", *ada("approved")),
    ]
    for arguments in wrong:
        code = at(signed, *arguments)
        said = capsys.readouterr()
        assert code in {1, 2}, arguments
        if code == 2:
            assert said.err.strip().count("\n") <= 1, arguments
            assert "Traceback" not in said.err


def test_an_artefact_is_not_what_an_unsigned_line_says(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even where the key's holder vouches for that line."""
    (copy / "evil.onnx").write_bytes(b"evil")
    book = attest.book(copy / "reports")
    last = [line for line in book.lines("signature") if line.data["what"] == "decision"][-1]
    book.append("signature", {**last.data, "student": digest(b"evil")})
    assert at(copy, "report", "reports/small") == 0
    capsys.readouterr()
    assert at(copy, "verify", "evil.onnx") == 1
    assert "has other bytes" in capsys.readouterr().out


def test_a_cut_ledger_is_not_gone_on_with(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else the next line would have the cut ledger vouched for, and the revocation would be gone."""
    path = copy / "reports" / "ledger.jsonl"
    before = path.read_bytes()
    assert at(copy, "sign", "reports/small", *ada("revoked", "--because", "drift")) == 0
    path.write_bytes(before)
    assert at(copy, "report", "reports/small") == 2
    assert "was dropped or exchanged" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert refused(copy)


def test_a_ledger_begun_anew_does_not_hold_the_heads_that_statements_name(copy: Path) -> None:
    book = Ledger(copy / "reports")
    lines = book.lines()
    (copy / "reports" / "ledger.jsonl").unlink()
    (copy / "reports" / "ledger.head.json").unlink()
    for line in lines:
        attest.book(copy / "reports").append(line.kind, line.data, at="2030-01-01T00:00:00Z")
    found = refused(copy, now="2030-01-02T00:00:00Z")
    assert "another head" in found["facts: written in the ledger"]
    assert "another head" in found["decision: written in the ledger"]


def test_the_statement_about_the_sealed_test_is_not_the_facts(copy: Path) -> None:
    run = copy / "reports" / "small"
    shutil.copy(run / attest.SEALED, run / attest.FACTS)
    assert "sealed test" in refused(copy)["facts: signed by a trusted auditor"]


def test_a_page_shows_no_statement_that_the_ledger_does_not_know(copy: Path) -> None:
    """A file in the folder is no decision, and no odd file stops the next command."""
    run = copy / "reports" / "small"
    more = {"by": "the boss", "role": "board", "at": attest.now(), "validUntil": NOW, "conditions": [], "waivers": []}
    forged = signoff.seal(signoff.decision({}, "approved", more), keys.make(copy / "eve.pem"))
    deep = json.dumps({"payload": base64.b64encode(b"[" * 10**5).decode(), "payloadType": "x", "signatures": []})
    for junk in (forged, b"[" * 10**5, deep.encode(), b'{"predicate": [1]}'):
        (run / "statements" / "decision-000000000000.dsse.json").write_bytes(junk)
        assert at(copy, "report", "reports/small") == 0
        assert "the boss" not in (run / "report.html").read_text() + (run / "README.md").read_text()
        assert "the ledger does not know this file" in (run / "report.html").read_text()
        assert refused(copy) == {}
    attest.book(copy / "reports").append("signature", {"what": "other", "statement": digest(forged)})
    (run / "statements" / "decision-000000000000.dsse.json").write_bytes(forged)
    assert at(copy, "report", "reports/small") == 0
    assert "statements: those that a page shows are signed by trusted keys" in refused(copy)


def test_a_decision_that_says_too_little_approves_nothing(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the approver's own key, and by another tool than ours: files left out, odd ends, a searcher, no opening."""
    real = signoff.decision

    def signed_with(change: Any) -> dict[str, str]:
        def made(files: dict[str, str], decided: Any, more: dict[str, Any]) -> dict[str, Any]:
            files, more = dict(files), dict(more)
            change(files, more)
            return real(files, decided, more)

        monkeypatch.setattr(signoff, "decision", made)
        assert at(copy, "sign", "reports/small", *ada("approved")) == 0
        return refused(copy)

    assert signed_with(lambda f, m: None) == {}
    assert "leaves out rows.parquet" in signed_with(lambda f, m: f.pop("rows.parquet"))["decision: about these files"]
    assert "leaves out" in signed_with(lambda f, m: f.pop(attest.SEALED))["decision: about these files"]
    assert "decision: not expired" in signed_with(lambda f, m: m.update(validUntil="never"))
    odd = {"finding": "x", "because": "", "by": "", "until": "never"}
    assert "decision: its waivers hold" in signed_with(lambda f, m: m.update(waivers=[odd]))
    facts = signoff.peek((copy / "reports" / "small" / attest.FACTS).read_bytes())
    ran = facts["predicate"]["autodistill"]["by"]
    assert "decision: by somebody who may approve" in signed_with(lambda f, m: m.update(by=ran))
    assert signed_with(lambda f, m: None) == {}
    (copy / "reports" / "small" / attest.SEALED).unlink()
    assert "was not opened" in refused(copy)["decision: every required test passed or is waived"]


def test_the_searcher_does_not_approve_under_another_name(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = signoff.peek((copy / "reports" / "small" / attest.FACTS).read_bytes())
    path = copy / "policies" / "trust.yaml"
    path.write_text(path.read_text().replace("name: Ada", f"name: {facts['predicate']['autodistill']['by']}"))
    assert at(copy, "sign", "reports/small", *ada("approved")) == 2
    assert "may not approve" in capsys.readouterr().err
    assert "decision: by somebody who may approve" in refused(copy)


def test_a_waiver_ends_on_a_day_to_come(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for until in ("never", "2030-1-1", "2030-02-30", "2020-01-01"):
        more = ("--waive", "class_collapse", "--because", "x", "--until", until)
        assert at(copy, "sign", "reports/small", *ada("approved-with-conditions", *more)) == 2
        assert "no day to come" in capsys.readouterr().err


def test_leave_given_for_the_audit_rows_is_none_for_the_sealed_ones(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = sealed.open_for

    def failing(*arguments: Any) -> sealed.Opening:
        opening = real(*arguments)
        found = tuple(replace(f, outcome="FAIL") if f.id == "class_collapse" else f for f in opening.findings)
        return replace(opening, findings=found, verdict=verdict.judge(found))

    monkeypatch.setattr(sealed, "open_for", failing)
    (copy / "reports" / "small" / attest.SEALED).unlink()
    waive = ("--because", "x", "--until", "2090-01-01", "--waive")
    decision = "approved-with-conditions"
    assert at(copy, "sign", "reports/small", *ada(decision, *waive, "class_collapse")) == 1
    assert "FAIL sealed/class_collapse" in capsys.readouterr().out
    assert at(copy, "sign", "reports/small", *ada(decision, *waive, "sealed/class_collapse")) == 0
    assert refused(copy) == {}


def test_a_key_does_not_sign_after_its_end_by_an_earlier_date(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment in a statement is its signer's own word; that of the ledger's line is not."""
    real = signoff.decision
    monkeypatch.setattr(signoff, "decision", lambda f, d, m: real(f, d, {**m, "at": "2026-01-01T00:00:00Z"}))
    assert at(copy, "sign", "reports/small", *ada("approved")) == 0
    path = copy / "policies" / "trust.yaml"
    path.write_text(path.read_text().replace("role: approver,", "role: approver, until: '2026-01-02',"))
    assert list(refused(copy)) == ["decision: written in the ledger"]


def test_one_key_has_one_role_however_it_is_written(copy: Path) -> None:
    path = copy / "policies" / "trust.yaml"
    public = signoff.public_text(keys.load(copy / "ada.pem"))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    twin = f"{public[:-2]}{letters[letters.index(public[-2]) ^ 1]}="
    path.write_text(path.read_text() + f"  - {{name: x, role: auditor, public: '{twin}'}}\n")
    with pytest.raises(SpecError, match="listed twice"):
        spec.load_trust(path)


STEPS = {
    "opening in the ledger": "from autodistill.run import sealed as m; name = '_keep'",
    "sealed predictions": "from autodistill.run import confirming as m; name = '_attest_opening'",
    "a line to come": "from autodistill.signoff.head import envelope as m; name = 'seal'",
    "a line that is announced": "from autodistill.ledger import chain as m; name = 'put'",
    "a line, not yet the head": "from autodistill.signoff import Auditor as m; name = 'confirm'",
    "sealed statement": "from autodistill.ledger import Ledger as m; name = 'once'",
    "sealed line": "from autodistill.run import signing as m; name = '_decide'",
    "decision": "from autodistill.ledger import Ledger as m; name = 'append'",
    "decision line": "from autodistill.run import attest as m; name = 'rendered'",
    "page": "from autodistill.report import signed as m; name = 'write_papers'",
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("first", [True, False], ids=["first", "again"])
def test_a_signing_that_was_killed_is_gone_on_with(copy: Path, recorded: small_run.Run, step: str, first: bool) -> None:
    """Killed after each step: the same command signs, pays one opening, and an earlier approval stands meanwhile."""
    run = copy / "reports" / "small"
    if first:
        shutil.rmtree(copy / "reports")
        shutil.copytree(recorded.root / "reports", copy / "reports")
    code = (
        f"import os, signal\n{STEPS[step]}\nsetattr(m, name, lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL))\n"
        f"from autodistill import cli\ncli.main({['sign', 'reports/small', *ada('approved')]!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == -9 or (not first and done.returncode == 0), done.stderr
    if not first:
        broken = set(refused(copy))
        assert broken <= {"ledger: its head is vouched for", "pages: as they were rendered"}, broken
    assert at(copy, "sign", "reports/small", *ada("approved")) == 0
    assert refused(copy) == {}
    assert len(Ledger(copy / "reports").lines("opening")) == 1
    assert (run / attest.SEALED).is_file()


def test_an_artefact_is_found_beside_odd_folders_and_damaged_copies(copy: Path) -> None:
    shutil.copytree(copy / "reports" / "small", copy / "reports" / "a copy")
    flip(copy / "reports" / "a copy" / "student.onnx", 40)
    (copy / "reports" / "a" / "report.json").mkdir(parents=True)
    assert at(copy, "verify", "reports/small/student.onnx") == 0
    flip(copy / "reports" / "small" / "rows.parquet", 40)
    assert at(copy, "verify", "reports/a copy/report.html") == 1
    (copy / "s.onnx").write_bytes((copy / "reports" / "small" / "student.onnx").read_bytes())
    assert at(copy, "verify", "s.onnx") == 1


def test_a_pipe_among_the_statements_stops_nothing(copy: Path) -> None:
    os.mkfifo(copy / "reports" / "small" / "statements" / "x.dsse.json")
    assert at(copy, "report", "reports/small") == 0
    assert refused(copy) == {}


def test_a_full_disk_pays_for_nothing(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = Ledger(copy / "reports")
    before = book.path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("autodistill.ledger.accounts.os.fsync", full)
    with pytest.raises(LedgerError, match="nothing was paid"):
        book.opening(np.array(["a", "b"]), policy="p", candidate="c", openings=3, alpha=0.05)
    assert book.path.read_bytes() == before


def test_a_finding_that_is_not_on_record_is_missed(copy: Path) -> None:
    run = copy / "reports" / "small"
    found = json.loads((run / "report.json").read_bytes())
    assert differences(run, found) == []
    one = found["shortlist"][0]
    one["findings"] = [f for f in one["findings"] if f["id"] != "class_collapse"]
    assert differences(run, found) == [f"{one['key']} class_collapse is not on record"]


def test_a_rejection_after_an_approval_ends_the_champion(copy: Path) -> None:
    book = Ledger(copy / "reports")
    assert champion.signed("small", book, attest.now()) is not None
    assert at(copy, "sign", "reports/small", *ada("rejected", "--because", "purpose not covered")) == 0
    assert champion.signed("small", book, attest.now()) is None


def test_a_page_that_cannot_be_written_does_not_undo_a_decision(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise RunError("cannot be written", where="report.html", do="make room")

    with monkeypatch.context() as patched:
        patched.setattr(attest, "rendered", full)
        assert at(copy, "sign", "reports/small", *ada("rejected", "--because", "x")) == 0
    said = capsys.readouterr()
    assert "Signed: rejected" in said.out
    assert "not rendered again" in said.err
    assert list(refused(copy)) == ["decision: approves"]


def test_a_decided_run_is_not_replaced_by_a_larger_search(
    copy: Path, recorded: small_run.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its report and student are what the decision is about; a folder of its own is the way on."""
    run = copy / "reports" / "small"
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with small_run.inside(copy, recorded.cache):
        assert cli.main(["search", str(recorded.file), "--trials", "12"]) == 2
        said = capsys.readouterr().err
        assert "somebody has decided" in said
        assert "--out" in said
        assert cli.main(["search", str(recorded.file)]) in {0, 1, 3}  # the same budget: the same report
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert refused(copy) == {}


@pytest.fixture(autouse=True)
def _quiet(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    capsys.readouterr()
