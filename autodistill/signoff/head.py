"""The head of a ledger, signed by the auditor, and the line that it announces (``ledger.heads`` has the protocol)."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autodistill.errors import LedgerError, SignatureError
from autodistill.ledger import Head, Heads
from autodistill.records.trust import Trust
from autodistill.signoff import envelope, keys
from autodistill.signoff.statements import STATEMENT

FILE, NEXT = "ledger.head.json", "ledger.next.json"
HEAD = "https://pypi.org/project/autodistill-audit/ledger-head/v1"


@dataclass(frozen=True)
class Auditor:
    """This machine's auditor vouches for a ledger; it goes on behind a head of its own, or of an auditor's key that
    the trust file lists. ``trust`` is asked only for the latter."""

    trust: Callable[[], Trust] = Trust

    def heads(self, root: Path) -> Heads:
        """The signed head and what it announces. Raises ``SignatureError`` where this machine has no key,
        ``LedgerError`` where the head's signature does not hold."""
        own = keys.public_text(keys.auditor())
        head = root / FILE
        try:
            found = self._read(head, own) if head.exists() else None
        except (SignatureError, OSError) as fault:
            do = "list that auditor's key in the trust file, restore the file, or see `autodistill verify --repair`"
            raise LedgerError(f"the signed head does not hold: {fault}", where=str(head), do=do) from None
        try:
            announced = self._read(root / NEXT, own)
        except (SignatureError, OSError):
            announced = None
        return Heads(head=found, announced=announced)

    def announce(self, root: Path, index: int, sha256: str, at: str) -> None:
        """Sign the line to come, and put that beside the ledger: on the disk when this returns."""
        subject = [{"name": "ledger.jsonl", "digest": {"sha256": sha256}}]
        predicate = {"index": index, "at": at}
        statement = {"_type": STATEMENT, "subject": subject, "predicateType": HEAD, "predicate": predicate}
        data = envelope.seal(statement, keys.auditor())
        part = root / f".{NEXT}.part"
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(root / NEXT)
        except OSError as fault:
            what = f"the ledger's head cannot be written ({fault.strerror}); the line was not added"
            raise LedgerError(what, where=str(root / NEXT), do="make room for it") from None

    def confirm(self, root: Path) -> None:
        """The announced line is the head."""
        try:
            (root / NEXT).replace(root / FILE)
        except OSError as fault:
            what = f"the ledger's head cannot be written ({fault.strerror}); the line was added, and is announced"
            raise LedgerError(what, where=str(root / FILE), do="free the place, and give the command again") from None

    def _read(self, path: Path, own: str) -> Head:
        if not path.is_file():  # reading a pipe would wait for ever
            raise SignatureError("it is no file")
        data = path.read_bytes()
        try:
            index, sha, _, _ = read(data, {keys.key_id(own): own})
        except SignatureError:
            listed = [one for one in self.trust().keys if one.role == "auditor"]
            index, sha, at, key = read(data, {keys.key_id(one.public): one.public for one in listed})
            if not any(one.holds(at) for one in listed if keys.key_id(one.public) == key):
                raise SignatureError(f"its key did not hold at {at}") from None
        return Head(index, sha)


def read(data: bytes, trusted: dict[str, str]) -> tuple[int, str, str, str]:
    """Index, SHA-256, moment and key id of a signed head. Raises ``SignatureError`` where it does not hold."""
    statement, key = envelope.unseal(data, trusted)
    return (*_named(statement), key)


def copied(data: bytes) -> tuple[int, str]:
    """Index and SHA-256 in a copy of a signed head that was kept elsewhere: whoever kept it vouches for it, so that
    its signature is not asked for. Raises ``SignatureError`` where it is none."""
    return _named(envelope.peek(data))[:2]


def _named(statement: dict[str, Any]) -> tuple[int, str, str]:
    try:
        if statement["predicateType"] != HEAD:
            raise SignatureError("it is not a statement about a ledger's head")
        sha = str(statement["subject"][0]["digest"]["sha256"])
        return int(statement["predicate"]["index"]), sha, str(statement["predicate"]["at"])
    except (KeyError, IndexError, TypeError, ValueError):
        raise SignatureError("it is not a statement about a ledger's head") from None
