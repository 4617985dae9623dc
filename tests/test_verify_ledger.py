"""The ledger as a verifier takes it: what nobody vouched for, what was cut, what was repaired by hand."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from signed_run import RUN, ada, asked, at, refused, trust

from autodistill import signoff
from autodistill.errors import LedgerError, SignatureError
from autodistill.ledger import Head, Heads, Ledger, uncovered
from autodistill.records import digest
from autodistill.run import attest
from autodistill.signoff import head as heads
from autodistill.signoff import keys

HEAD = "ledger: its head is vouched for"
PAGES = "pages: as they were rendered"


def forged_pages(root: Path) -> None:
    """Another model card, and the line that would make it the rendered one; nobody signs it."""
    run = root / RUN
    (run / "README.md").write_text("Certified for every purpose.")
    book = Ledger(root / "reports")
    last = book.lines("rendered")[-1].data
    book.append("rendered", {**last, "files": {**last["files"], "README.md": digest(b"Certified for every purpose.")}})


def test_a_forged_line_is_not_laundered_by_the_next_one(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forged_pages(copy)
    lines, head = (copy / "reports/ledger.jsonl").read_bytes(), (copy / "reports/ledger.head.json").read_bytes()
    verbs = [
        ("report", "reports/small"),
        ("sign", "reports/small", *ada("approved")),
        ("sign", "reports/small", *ada("revoked", "--because", "x")),
    ]
    for verb in verbs:
        assert at(copy, *verb) == 2
        assert "is covered by no signed head" in capsys.readouterr().err
    with pytest.raises(LedgerError, match="no signed head"):
        attest.book(copy / "reports").append("alias", {})
    with pytest.raises(LedgerError, match="no signed head"):  # nothing is found there either
        attest.book(copy / "reports").once("rendered", Ledger(copy / "reports").lines("rendered")[-1].data)
    assert (copy / "reports/ledger.jsonl").read_bytes() == lines
    assert (copy / "reports/ledger.head.json").read_bytes() == head
    assert "is covered by no signed head" in refused(copy)[HEAD]


def test_a_statement_names_no_head_that_nobody_vouched_for(copy: Path) -> None:
    forged_pages(copy)
    with pytest.raises(LedgerError, match="no signed head"):
        attest.book(copy / "reports").head()


def test_a_cut_ledger_without_its_head_does_not_come_back(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dropped revocation: not by the next command, and not by a repair by hand either."""
    path = copy / "reports" / "ledger.jsonl"
    before = path.read_bytes()
    assert at(copy, "sign", "reports/small", *ada("revoked", "--because", "drift")) == 0
    path.write_bytes(before)
    (copy / "reports" / "ledger.head.json").unlink()
    for verb in (("report", "reports/small"), ("sign", "reports/small", *ada("approved"))):
        assert at(copy, *verb) == 2
        assert "no signed head" in capsys.readouterr().err
        assert path.read_bytes() == before
    assert "no signed head" in refused(copy)[HEAD]
    assert at(copy, "verify", "reports/small", "--repair") == 1
    said = capsys.readouterr().out
    assert "vouched for by hand" in said
    found = refused(copy)
    assert "repaired by hand" in found["decision: written in the ledger"]
    assert PAGES in found
    assert HEAD not in found
    assert at(copy, "verify", "reports/small/student.onnx") == 1
    assert at(copy, "sign", "reports/small", *ada("approved")) == 0  # somebody decides anew
    capsys.readouterr()
    assert at(copy, "verify", "reports/small") == 0
    assert "repaired by hand" in capsys.readouterr().out


def test_a_repair_has_nothing_to_do_where_nothing_is_wrong(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (copy / "reports/ledger.jsonl").read_bytes()
    assert at(copy, "verify", "reports/small", "--repair") == 0
    assert "nothing to repair" in capsys.readouterr().out
    with (copy / "reports/ledger.jsonl").open("ab") as file:
        file.write(b'{"torn')
    assert at(copy, "verify", "reports/small", "--repair", "--json") == 0  # what it did is not among the JSON
    said = capsys.readouterr()
    assert "dropped 6 bytes" in said.err
    assert json.loads(said.out)["valid"]
    assert (copy / "reports/ledger.jsonl").read_bytes() == before


def test_a_broken_chain_is_not_mended_by_a_signature(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = copy / "reports" / "ledger.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"decision":"approved"', b'"decision":"approveD"', 1))
    assert at(copy, "verify", "reports/small", "--repair") == 2
    assert "was changed" in capsys.readouterr().err


def test_a_head_of_a_strangers_key_covers_nothing(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Signed by whoever forged the lines; by a listed auditor's key it does."""
    eve = keys.make(copy / "eve.pem")
    forged_pages(copy)
    line = Ledger(copy / "reports").lines()[-1]
    subject = [{"name": "ledger.jsonl", "digest": {"sha256": line.sha256}}]
    predicate = {"index": line.index, "at": line.at}
    said = {"_type": signoff.statements.STATEMENT, "subject": subject, "predicateType": heads.HEAD}
    (copy / "reports" / heads.FILE).write_bytes(signoff.seal({**said, "predicate": predicate}, eve))
    assert at(copy, "report", "reports/small") == 2
    assert "the signed head does not hold" in capsys.readouterr().err
    assert "no trusted key" in refused(copy)[HEAD]
    trust(copy, [("Ada", "approver", keys.load(copy / "ada.pem"))], auditor=eve)
    path = copy / "policies" / "trust.yaml"
    path.write_text(path.read_text() + f"  - {{name: own, role: auditor, public: '{own()}'}}\n")
    assert at(copy, "report", "reports/small") == 0
    assert refused(copy) == {}
    # A key that did not hold then covers nothing either.
    public = f"public: '{signoff.public_text(eve)}'"
    path.write_text(path.read_text().replace(public, f"until: '2020-01-01', {public}"))
    (copy / "reports" / heads.FILE).write_bytes(signoff.seal({**said, "predicate": predicate}, eve))
    assert at(copy, "report", "reports/small") == 2


def own() -> str:
    return signoff.public_text(signoff.auditor())


def test_a_line_behind_the_head_is_taken_only_where_it_was_announced(copy: Path) -> None:
    """What a process leaves that ends between its line and the head; another line in its place is none."""
    root = copy / "reports"
    head = (root / heads.FILE).read_bytes()
    book = attest.book(root)
    book.append("alias", {"n": 1})
    announced = (root / heads.FILE).read_bytes()
    whole = (root / "ledger.jsonl").read_bytes()
    (root / heads.FILE).write_bytes(head)
    assert "is covered by no signed head" in refused(copy)[HEAD]
    (root / heads.NEXT).write_bytes(announced)
    assert refused(copy) == {}  # line written, not yet the head
    (root / "ledger.jsonl").write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    assert refused(copy) == {}  # announced, not yet written
    Ledger(root).append("alias", {"n": 2})
    assert "is covered by no signed head" in refused(copy)[HEAD]
    with pytest.raises(LedgerError, match="no signed head"):
        book.append("alias", {"n": 3})
    (root / "ledger.jsonl").write_bytes(whole)
    Ledger(root).append("alias", {"n": 2})
    assert "lines" in refused(copy)[HEAD]  # one more than was announced
    (root / "ledger.jsonl").write_bytes(whole)
    book.settle()
    assert (root / heads.FILE).read_bytes() == announced
    assert book.append("alias", {"n": 3}).index == book.head()[0]


@pytest.mark.parametrize(
    ("lines", "head", "announced", "fault"),
    [
        (0, None, None, ""),
        (0, None, 0, ""),
        (1, None, 0, ""),
        (1, None, None, "no signed head"),
        (2, None, 0, "no signed head"),
        (3, 2, None, ""),
        (3, 2, 3, ""),
        (4, 2, 3, ""),
        (4, 2, None, "line 4 is covered"),
        (4, 2, 2, "line 4 is covered"),
        (5, 2, 3, "lines 4 to 5 are covered"),
        (2, 2, None, "dropped or exchanged"),
        (2, 2, 2, "dropped or exchanged"),
        (0, 0, None, "dropped or exchanged"),
    ],
)
def test_what_is_covered(tmp_path: Path, lines: int, head: int | None, announced: int | None, fault: str) -> None:
    book = Ledger(tmp_path)
    every = [book.append("alias", {"n": n}) for n in range(6)]

    def named(at: int | None) -> Head | None:
        return None if at is None else Head(at, every[at].sha256)

    said = uncovered(every[:lines], Heads(head=named(head), announced=named(announced)))
    assert (fault in said) if fault else said == ""
    assert "dropped or exchanged" in uncovered(every, Heads(head=Head(5, "0" * 64)))


def test_an_earlier_decision_does_not_come_back_by_its_line(copy: Path) -> None:
    """Even vouched for: a statement counts once, where it was written first."""
    book = attest.book(copy / "reports")
    approval = book.lines("signature")[-1]
    assert approval.data["what"] == "decision"
    assert at(copy, "sign", "reports/small", *ada("rejected", "--because", "purpose not covered")) == 0
    book.append("signature", approval.data)
    assert "decision: approves" in refused(copy)


def test_a_line_says_what_its_statement_says(copy: Path) -> None:
    book = attest.book(copy / "reports")
    line = [one for one in book.lines("signature") if one.data["what"] == "decision"][-1]
    every, path = book.lines(), copy / "reports" / "ledger.jsonl"
    for change, why in (
        ({"decision": "rejected"}, "another decision"),
        ({"by": "the board"}, "another by"),
        ({"until": "2999-01-01T00:00:00Z"}, "another until"),
        ({"student": "0" * 64}, "different students"),
        ({"key": "0" * 64}, "no line of the ledger"),
    ):
        path.unlink()
        for one in every:  # the same ledger with another line
            Ledger(path.parent).append(one.kind, one.data | (change if one == line else {}), at=one.at)
        found = refused(copy)
        assert why in f"{found.get('decision: written in the ledger')} {found.get('decision: about these files')}"


def test_no_pipe_keeps_a_verifier_waiting(copy: Path) -> None:
    run, root = copy / RUN, copy / "reports"
    looks = sorted((root / ".looks").glob("*.npy"))
    named = [run / name for name in ("report.json", "policy.yaml", "rows.parquet", attest.FACTS, attest.SEALED)]
    for path in [*named, root / "ledger.jsonl", root / heads.FILE, looks[0]]:
        before = path.read_bytes()
        path.unlink()
        os.mkfifo(path)
        found = refused(copy)
        assert found, path
        assert all(found.values()), path
        path.unlink()
        path.write_bytes(before)
    os.mkfifo(root / heads.NEXT)
    assert refused(copy) == {}


def test_a_statement_is_not_dated_after_its_line(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = signoff.decision

    def later(files: Any, decided: Any, more: dict[str, Any]) -> Any:
        return real(files, decided, more | {"at": "2098-01-01T00:00:00Z", "validUntil": "2099-01-01T00:00:00Z"})

    monkeypatch.setattr(signoff, "decision", later)
    assert at(copy, "sign", "reports/small", *ada("approved")) == 0
    found = refused(copy, now="2098-06-01T00:00:00Z")
    assert "after its line" in found["decision: written in the ledger"]


def test_the_auditors_key_is_asked_for_before_anything_is_written(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    before = (copy / "reports/ledger.jsonl").read_bytes()
    with pytest.raises(SignatureError, match="set XDG_CONFIG_HOME"):
        attest.book(copy / "reports").append("alias", {})
    assert (copy / "reports/ledger.jsonl").read_bytes() == before


def kinds(root: Path) -> Sequence[str]:
    return [line.kind for line in Ledger(root / "reports").lines()]


def test_what_a_repair_lets_stand(copy: Path) -> None:
    """Payments and revocations; what an earlier line grants does not."""
    root = copy / "reports"
    (root / heads.FILE).unlink()
    book = attest.book(root)
    (said,) = book.repair("Ada")
    assert "decisions, aliases and pages" in said
    assert kinds(copy)[-1] == "repair"
    assert book.lines("repair")[0].data["by"] == "Ada"
    assert book.granted("signature") == ()
    assert book.lines("opening")
    assert asked(copy).trust.keys


def test_the_outside_copy_of_a_head_tells_a_rollback(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ledger and head put back together look whole, but for a copy that was kept elsewhere: the file, or its words."""
    root = copy / "reports"
    before = {path: path.read_bytes() for path in (root / "ledger.jsonl", root / heads.FILE)}
    assert at(copy, "sign", "reports/small", *ada("revoked", "--because", "drift")) == 0
    (copy / "kept.json").write_bytes((root / heads.FILE).read_bytes())
    index, sha = Ledger(root).head()
    (copy / "kept.txt").write_text(f"{index}:{sha}\n")
    for path, data in before.items():
        path.write_bytes(data)
    for kept in ("kept.json", "kept.txt", f"{index}:{sha}"):
        assert at(copy, "verify", "reports/small", "--head", kept) == 1
        assert "dropped or exchanged since" in capsys.readouterr().out
    assert set(refused(copy)) <= {PAGES}
    (copy / "kept.json").write_text("{}")
    assert at(copy, "verify", "reports/small", "--head", "kept.json") == 2
