"""What the ledger has to say about a statement: that its head is signed, and that the statement's line stands in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autodistill import signoff, spec
from autodistill.errors import SignatureError
from autodistill.ledger import Head, Heads, Ledger, uncovered
from autodistill.records import Policy, digest
from autodistill.signoff import Asked, Checks
from autodistill.signoff import head as heads


def content(path: Path) -> bytes:
    """The bytes of a file. Raises SignatureError where it is none: reading a pipe would wait for ever."""
    if not path.is_file():
        raise SignatureError(f"{path.name} is missing, or is no file")
    return path.read_bytes()


def rules(run: Path) -> Policy:
    """The policy in a run's folder."""
    content(run / "policy.yaml")
    return spec.load_policy(run / "policy.yaml")


def told(statement: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """What a statement of this kind claims; a statement of another kind, or of another format, claims nothing here."""
    if statement.get("predicateType") != kind:
        raise SignatureError(f"it is a statement of another kind ({statement.get('predicateType')})")
    said: Mapping[str, Any] = statement["predicate"]
    return said


def dated(asked: Asked, key: str, moment: str) -> tuple[bool, str]:
    """Whether a trusted key might sign at a moment that is not after now, and why (not)."""
    why = asked.why_not(key, moment)
    if not why and moment > asked.now:
        why = f"it is dated {moment}, after now"
    return not why, why or f"by key {key[:12]} at {moment}"


def ledger(checks: Checks, book: Ledger, asked: Asked) -> None:
    """The chain, its signed head, and the head that was kept outside where one is given."""
    checks.faults("ledger: every line follows the one before", book.verify)
    what = "ledger: its head is vouched for"
    with checks.guarded(what):
        if not (asked.root / heads.FILE).exists() and book.lines():
            raise SignatureError("there is no signed head beside it: lines may have been dropped")
        index, sha, at, key = heads.read(content(asked.root / heads.FILE), asked.trusted("auditor"))
        ok, why = dated(asked, key, at)
        fault = uncovered(book.lines(), Heads(head=Head(index, sha), announced=_announced(asked)))
        checks.add(what, ok and not fault, fault or why)
    what = "ledger: repaired by hand; what earlier lines granted does not stand"
    with checks.guarded(what):
        for line in book.lines("repair")[-1:]:
            checks.add(what, True, f"line {line.index + 1}, {line.at}, by {line.data.get('by')}")
    if asked.head is not None:
        outside = "ledger: holds the head that was kept outside"
        with checks.guarded(outside):
            ok = Head(*asked.head).names(book.lines())
            checks.add(outside, ok, f"line {asked.head[0] + 1}" if ok else "lines were dropped or exchanged since")


def _announced(asked: Asked) -> Head | None:
    """The line that is announced, where a key that may announced it; else none is."""
    try:
        index, sha, at, key = heads.read(content(asked.root / heads.NEXT), asked.trusted("auditor"))
    except (SignatureError, OSError):
        return None
    return Head(index, sha) if dated(asked, key, at)[0] else None


def written(
    book: Ledger, asked: Asked, run: Path, what: str, data: bytes, by: tuple[Mapping[str, Any], str]
) -> list[str]:
    """The statement's own line: of its kind, about this report, written while its key held, after the head that it
    names (a ledger begun anew, or cut and gone on with, does not hold that head)."""
    said, key = by
    wanted = {"what": what, "statement": digest(data), "report": digest(content(run / "report.json")), "key": key}
    lines = book.lines("signature")
    line = next((x for x in lines if all(x.data.get(name) == value for name, value in wanted.items())), None)
    if line is None:
        return [f"no line of the ledger names this {what} statement"]
    why = asked.why_not(key, line.at)
    wrong = [f"its line in the ledger: {why}"] if why else []
    if str(said["at"]) > line.at:
        wrong.append(f"it is dated {said['at']}, after its line in the ledger ({line.at})")
    head = before(said)
    if head.index >= line.index or (head.index >= 0 and not head.names(book.lines())):
        wrong.append("the ledger is not the one that it was written in: it names another head")
    return wrong


def before(said: Mapping[str, Any]) -> Head:
    """The head of the ledger when a statement was made: its signature vouches for every line up to that."""
    return Head(int(said["ledger"]["index"]), str(said["ledger"]["sha256"]))


def unsigned(run: Path, asked: Asked, named: set[str]) -> list[str]:
    """Statements that the ledger names and no trusted key signed. What the ledger does not name is not shown."""
    trusted = asked.trusted("auditor") | asked.trusted("approver")
    wrong = []
    for path in sorted(run.glob("statements/*.dsse.json")):
        data = path.read_bytes() if path.is_file() else b""
        if digest(data) in named:
            try:
                signoff.unseal(data, trusted)
            except SignatureError as fault:
                wrong.append(f"{path.name}: {fault}")
    return wrong
