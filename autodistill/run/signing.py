"""A person's decision about a run: checked, tested once on sealed rows, signed, written down, or taken back."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from autodistill import __version__, journal, report, signoff, spec
from autodistill.errors import SignatureError, UserError
from autodistill.ledger import Ledger
from autodistill.records import Finding, digest, plain
from autodistill.records.trust import Trust
from autodistill.run import attest, confirming, duties, verifying
from autodistill.run.confirming import Confirmed
from autodistill.run.folder import write_whole
from autodistill.run.progress import Progress, Watch, silent
from autodistill.run.waived import loud, waivers
from autodistill.signoff import APPROVED, Waiver
from autodistill.signoff.statements import Decided

__all__ = ["APPROVED", "Request", "Signed", "loud", "sign", "waivers"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be signed: which run, by whom in which role, with which decision and until when."""

    run: Path
    key: Path
    by: str
    role: str
    decision: Decided
    waivers: tuple[Waiver, ...] = ()
    conditions: tuple[str, ...] = ()
    because: str = ""
    days: int = 365
    trust: Path = attest.TRUST
    anyway: bool = False


@dataclass(frozen=True, kw_only=True)
class Signed:
    """What came of it. ``statement`` is None where nothing was signed, because of ``open_tests``; ``in_spite_of`` names
    what was waived, and how it had come out."""

    decision: Decided
    statement: Path | None
    until: str = ""
    sealed: Mapping[str, Any] = field(default_factory=dict)
    open_tests: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    in_spite_of: str = ""


def sign(asked: Request, watch: Watch = silent) -> Signed:
    """Sign a decision about a finished run.

    An approval first opens the sealed split for this candidate (once; the ledger has the opening before a row is
    scored) and needs every required test to pass there and on the audit split, or a waiver by name. Raises
    SignatureError where the key may not sign or the run does not verify, LedgerError where the openings are spent.
    """
    with journal.lock(asked.run):
        found = report.read(asked.run)
        policy, ledger = spec.load_policy(asked.run / "policy.yaml"), attest.book(trust=asked.trust)
        key = signoff.load(asked.key, os.environ.get("AUTODISTILL_KEY_PASSPHRASE"))
        trust = spec.load_trust(asked.trust)
        _may(asked, key, trust)
        ledger.settle()
        if asked.decision == "revoked":  # what was changed since is no reason to let an approval stand
            return _revoke(asked, key, found, ledger)
        watch(Progress(phase="verify", text="verifying the run before it is signed"))
        verifier = signoff.Asked(trust=trust, root=ledger.root, now=attest.now())
        _whole(asked, verifier)
        confirmed = Confirmed()
        if asked.decision in APPROVED:
            leave = {one.finding for one in asked.waivers}, asked.anyway
            confirmed = confirming.confirm(asked.run, found, policy, (ledger, verifier), leave, watch)
            if confirmed.open_tests:
                tests = confirmed.open_tests
                return Signed(decision=asked.decision, statement=None, sealed=confirmed.sealed, open_tests=tests)
        return _decide(asked, key, found, ledger, confirmed)


def _may(asked: Request, key: Ed25519PrivateKey, trust: Trust) -> None:
    """An approver's key, of somebody else than who ran the search; and a decision that says what it is."""
    owner = duties.approver(signoff.key_id(signoff.public_text(key)), trust, str(asked.trust))
    duties.refuse(asked.run, asked.by, owner)
    if asked.decision == "approved" and (asked.waivers or asked.conditions):
        do = "say approved-with-conditions"
        raise SignatureError("an approval with waivers or conditions", where="--decision", do=do)
    if asked.decision == "approved-with-conditions" and not (asked.waivers or asked.conditions):
        raise SignatureError("no condition and no waiver is given", where="--decision", do="add --condition or --waive")


def _whole(asked: Request, verifier: signoff.Asked) -> None:
    """Nothing is signed on top of what does not hold."""
    broken = [one for one in verifying.facts(asked.run, verifier) if not one.ok]
    if broken:
        what = f"does not verify: {broken[0].what}: {broken[0].why}"
        raise SignatureError(what, where=str(asked.run), do="see `autodistill verify`")


def _decide(
    asked: Request, key: Ed25519PrivateKey, found: Mapping[str, Any], ledger: Ledger, confirmed: Confirmed
) -> Signed:
    at = datetime.now(UTC)
    until = (at + timedelta(days=asked.days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    files = {**attest.records_of(asked.run, found), attest.FACTS: digest((asked.run / attest.FACTS).read_bytes())}
    given = [plain(one) | {"outcome": confirmed.outcomes.get(one.finding)} for one in asked.waivers]
    if confirmed.sealed:
        files[attest.SEALED] = digest((asked.run / attest.SEALED).read_bytes())
    index, head = ledger.head()
    more = {
        "version": __version__,
        "run": found["name"],
        "by": asked.by,
        "role": asked.role,
        "at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "validUntil": until,
        "because": asked.because,
        "conditions": list(asked.conditions),
        "waivers": given,
        "in_spite_of": loud(given),
        "scope": {"purpose": (found.get("spec") or {}).get("purpose"), "student": _student(found)},
        "policy": {name: (found.get("policy") or {}).get(name) for name in ("name", "version", "sha256")},
        "policy_came_after": "rejudged" in found,
        "ledger": {"index": index, "sha256": head},
    }
    done = Signed(
        decision=asked.decision, statement=None, until=until, sealed=confirmed.sealed, in_spite_of=loud(given)
    )
    return _put(asked, key, signoff.decision(files, asked.decision, more), found, ledger, done)


def _student(found: Mapping[str, Any]) -> str | None:
    files = found.get("files") or {}
    sha: str | None = files.get("student.onnx")
    return sha


def _put(
    asked: Request,
    key: Ed25519PrivateKey,
    statement: Mapping[str, Any],
    found: Mapping[str, Any],
    ledger: Ledger,
    done: Signed,
) -> Signed:
    data = signoff.seal(statement, key)
    sha = digest(data)
    path = asked.run / attest.STATEMENTS / f"decision-{sha[:12]}.dsse.json"
    write_whole(path, data)
    line = {
        "what": "decision",
        "run": found["name"],
        "report": digest((asked.run / "report.json").read_bytes()),
        "student": _student(found),
        "statement": sha,
        "decision": asked.decision,
        "by": asked.by,
        "role": asked.role,
        "until": done.until,
        "key": signoff.key_id(signoff.public_text(key)),
    }
    try:
        ledger.append("signature", line)
    except UserError:
        if sha not in attest.known(ledger):
            path.unlink(missing_ok=True)  # a decision that is not in the ledger is none
        raise
    return replace(done, statement=path, notes=_rendered(asked.run, ledger))


def _rendered(run: Path, ledger: Ledger) -> tuple[str, ...]:
    """The pages again; a note where they cannot be: what was signed stands."""
    try:
        attest.rendered(run, ledger)
    except (UserError, OSError) as fault:
        return (f"the pages were not rendered again ({fault}); `autodistill report {run}` does it later",)
    return ()


def _revoke(asked: Request, key: Ed25519PrivateKey, found: Mapping[str, Any], ledger: Ledger) -> Signed:
    """Take back every decision in force about this report: a statement, and a line that cannot be unsaid."""
    if not asked.because.strip():
        raise SignatureError("a revocation without its reason", where="--because", do="say why")
    sha = digest((asked.run / "report.json").read_bytes())
    revoked = [str(one) for line in ledger.lines("revocation") for one in line.data["statements"]]
    mine = [
        str(line.data["statement"])
        for line in ledger.lines("signature")
        if line.data.get("what") == "decision" and line.data["report"] == sha and line.data["decision"] in APPROVED
    ]
    standing = [one for one in mine if one not in revoked]
    if not standing:
        raise SignatureError(
            "no approval of this run is in force", where=str(asked.run), do="there is nothing to revoke"
        )
    files = {"report.json": sha, **{f"statements/decision-{one[:12]}.dsse.json": one for one in standing}}
    more = {"run": found["name"], "by": asked.by, "role": asked.role, "at": attest.now(), "because": asked.because}
    data = signoff.seal(signoff.decision(files, "revoked", more), key)
    path = asked.run / attest.STATEMENTS / f"decision-{digest(data)[:12]}.dsse.json"
    # The ledger first: a revocation that is written and then not shown is safe, the reverse is not.
    ledger.append(
        "revocation",
        {
            "run": found["name"],
            "report": sha,
            "student": _student(found),
            "statements": standing,
            "statement": digest(data),
            "because": asked.because,
            "by": asked.by,
            "key": signoff.key_id(signoff.public_text(key)),
        },
    )
    write_whole(path, data)
    return Signed(decision="revoked", statement=path, notes=_rendered(asked.run, ledger))
