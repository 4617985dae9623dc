"""The head of a ledger, vouched for by the auditor: dropping the last lines of a chain is otherwise invisible."""

import contextlib
from pathlib import Path

from autodistill.errors import SignatureError
from autodistill.signoff import envelope, keys
from autodistill.signoff.statements import STATEMENT

FILE = "ledger.head.json"
HEAD = "https://pypi.org/project/autodistill-audit/ledger-head/v1"


def vouch(root: Path, index: int, sha256: str, at: str) -> None:
    """Sign the head and put it beside the ledger. Without a key the ledger stays, unvouched for, and ``verify`` says
    so: a search is not lost because a configuration folder cannot be written."""
    with contextlib.suppress(SignatureError, OSError):
        subject = [{"name": "ledger.jsonl", "digest": {"sha256": sha256}}]
        predicate = {"index": index, "at": at}
        statement = {"_type": STATEMENT, "subject": subject, "predicateType": HEAD, "predicate": predicate}
        part = root / f".{FILE}.part"
        part.write_bytes(envelope.seal(statement, keys.auditor()))
        part.replace(root / FILE)


def vouched(root: Path) -> tuple[int, str] | None:
    """Index and SHA-256 of the head beside the ledger, its signature not checked; None where none can be read."""
    try:
        statement = envelope.peek((root / FILE).read_bytes())
        return int(statement["predicate"]["index"]), str(statement["subject"][0]["digest"]["sha256"])
    except (OSError, SignatureError, KeyError, IndexError, TypeError, ValueError):
        return None


def read(data: bytes, trusted: dict[str, str]) -> tuple[int, str, str, str]:
    """Index, SHA-256, moment and key id of a signed head. Raises ``SignatureError`` where it does not hold."""
    statement, key = envelope.unseal(data, trusted)
    try:
        if statement["predicateType"] != HEAD:
            raise SignatureError("it is not a statement about a ledger's head")
        sha = str(statement["subject"][0]["digest"]["sha256"])
        return int(statement["predicate"]["index"]), sha, str(statement["predicate"]["at"]), key
    except (KeyError, IndexError, TypeError, ValueError):
        raise SignatureError("it is not a statement about a ledger's head") from None
