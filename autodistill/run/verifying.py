"""Prove that nobody changed it: recompute digests, chain, signatures, expiry, revocation and verdict from bytes.

Fails closed: what cannot be checked is refused, and nothing in the run says whom to trust.
"""

from pathlib import Path
from typing import Any

from autodistill import signoff
from autodistill.errors import SignatureError
from autodistill.ledger import Ledger
from autodistill.records import decode, digest, file_digest
from autodistill.run import attest, opened, recomputed, standing, vouched
from autodistill.run.vouched import content
from autodistill.signoff import Asked, Checked, Checks

ARTEFACT = "student.onnx"


def folder(run: Path, asked: Asked) -> list[Checked]:
    """Every check of a run's folder: the machine's facts, and the decision that stands."""
    checks = Checks(facts(run, asked))
    _views(checks, run, asked)
    checks.done += opened.sealed(run, asked)
    standing.decision(checks, run, asked)
    return checks.done


def facts(run: Path, asked: Asked) -> list[Checked]:
    """What the auditor signed: the ledger, the files, the policy that came first, the look, the verdict."""
    checks = Checks()
    book = Ledger(asked.root)
    vouched.ledger(checks, book, asked)
    with checks.guarded("facts: signed by a trusted auditor"):
        data = content(run / attest.FACTS)
        statement, key = signoff.unseal(data, asked.trusted("auditor"))
        said = vouched.told(statement, signoff.TEST_RESULT)[signoff.OURS]
        if said.get("split") == "sealed":
            raise SignatureError("it is the statement about the sealed test")
        checks.add("facts: signed by a trusted auditor", *vouched.dated(asked, key, str(said["at"])))
        files = signoff.digests(statement)
        checks.faults(
            "files: as they were when the facts were signed",
            lambda: signoff.differing(files, run, file_digest),
            f"{len(files)} files",
        )
        checks.faults(
            "facts: written in the ledger",
            lambda: vouched.written(book, asked, run, "facts", data, (said, key)),
        )
        found = decode(content(run / "report.json"), dict[str, Any])
        head, lines = vouched.before(said), book.lines()
        checks.faults(
            "facts: over everything that the run rests on",
            lambda: [f"they leave out {name}" for name in attest.records_of(run, found) if name not in files],
        )
        checks.faults("policy: its digest was in the ledger first", lambda: recomputed.policy(run, found, lines, head))
        checks.faults("look: paid for in the ledger", lambda: recomputed.look(run, found, lines, head))
        checks.faults("levels: as the look was divided", lambda: recomputed.levels(run, found))
        checks.faults("findings: all that the policy requires", lambda: recomputed.outcomes(run, found))
        checks.faults(
            "verdict: follows from the findings",
            lambda: [*recomputed.conclusion(found), *recomputed.claims(found, statement, said)],
        )
    return checks.done


def _views(checks: Checks, run: Path, asked: Asked) -> None:
    """The pages that people read are those that were made from the record, and from statements that hold."""
    book = Ledger(asked.root)
    what = "statements: those that a page shows are signed by trusted keys"
    checks.faults(what, lambda: vouched.unsigned(run, asked, attest.known(book)))
    what = "pages: as they were rendered"
    with checks.guarded(what):
        sha = digest(content(run / "report.json"))
        made = [line for line in book.granted("rendered") if line.data["report"] == sha]
        if not made:
            checks.add(what, False, "the ledger does not know them; `autodistill report RUN` renders them again")
            return
        wrong = signoff.differing(made[-1].data["files"], run, file_digest)
        wrong += [f"{name} is not among them" for name in attest.VIEWS if _added(run / name, made[-1].data["files"])]
        checks.add(what, not wrong, "; ".join(wrong))


def _added(path: Path, known: dict[str, str]) -> bool:
    return path.exists() and path.name not in known


def artefact(path: Path, asked: Asked) -> list[Checked]:
    """A single file: whether a decision that stands approves exactly these bytes."""
    return named(digest(content(path)), asked)


def named(sha: str, asked: Asked) -> list[Checked]:
    """Bytes with this SHA-256: the decision in the ledger that names them, and its run."""
    checks = Checks()
    what = "artefact: a decision names it"
    with checks.guarded(what):
        lines = Ledger(asked.root).lines("signature")
        about = [x for x in lines if x.data.get("what") == "decision" and x.data.get("student") == sha]
        if not about:
            checks.add(what, False, f"no decision in {asked.root / 'ledger.jsonl'} is about sha256 {sha[:12]}…")
            return checks.done
        checks.add(what, True, f"run {about[-1].data['run']}")
        homes = _homes(asked.root, str(about[-1].data["report"]))
        if not homes:
            checks.add("artefact: its run is here", False, "the run's folder was moved or removed: verify it there")
            return checks.done
        each = [(home, folder(home, asked)) for home in homes]
        # Of several copies of a run one that holds is enough: the student's bytes are the same.
        home, found = next((one for one in each if all(check.ok for check in one[1])), each[0])
        checks.done += found
        # The line that led here is not signed: what the decision is about is said by its statement.
        said = decode(content(home / "report.json"), dict[str, Any])["files"].get(ARTEFACT)
        what = "artefact: the student of that run"
        checks.add(what, said == sha, "" if said == sha else "the run's student has other bytes")
    return checks.done


def _homes(root: Path, report: str) -> list[Path]:
    """The runs whose report has this digest, among the folders of the reports' root."""
    files = (path for path in sorted(root.rglob("report.json")) if path.is_file())
    return [path.parent for path in files if digest(path.read_bytes()) == report]
