"""A person's decision about a run: checked, tested once on sealed rows, signed, written down, or taken back."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from autodistill import __version__, journal, report, signoff, spec, verdict
from autodistill.errors import RunError, SignatureError, UserError
from autodistill.ledger import Ledger
from autodistill.records import Finding, Policy, digest, plain
from autodistill.run import attest, sealed, verifying
from autodistill.run.folder import write_whole
from autodistill.run.progress import Progress, Watch, silent
from autodistill.signoff import Waiver
from autodistill.signoff.statements import Decided

TRUST = Path("policies/trust.yaml")
APPROVED = frozenset({"approved", "approved-with-conditions"})


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
    trust: Path = TRUST
    anyway: bool = False


@dataclass(frozen=True, kw_only=True)
class Signed:
    """What came of it. ``statement`` is None where nothing was signed, because of ``open_tests``."""

    decision: Decided
    statement: Path | None
    until: str = ""
    sealed: Mapping[str, Any] = field(default_factory=dict)
    open_tests: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


def sign(asked: Request, watch: Watch = silent) -> Signed:
    """Sign a decision about a finished run.

    An approval first opens the sealed split for this candidate (once; the ledger has the opening before a row is
    scored) and needs every required test to pass there and on the audit split, or a waiver by name. Raises
    SignatureError where the key may not sign or the run does not verify, LedgerError where the openings are spent.
    """
    with journal.lock(asked.run):
        found = report.read(asked.run)
        policy, ledger = spec.load_policy(asked.run / "policy.yaml"), attest.book()
        key = signoff.load(asked.key, os.environ.get("AUTODISTILL_KEY_PASSPHRASE"))
        trust = spec.load_trust(asked.trust)
        _may(asked, key, trust, policy)
        watch(Progress(phase="verify", text="verifying the run before it is signed"))
        ledger.settle()
        _whole(asked, trust, ledger)
        if asked.decision == "revoked":
            return _revoke(asked, key, found, ledger)
        opened: Mapping[str, Any] = {}
        open_tests: tuple[Finding, ...] = ()
        if asked.decision in APPROVED:
            opened, open_tests = _confirm(asked, found, policy, (ledger, trust), watch)
            if open_tests:
                return Signed(decision=asked.decision, statement=None, sealed=opened, open_tests=open_tests)
        return _decide(asked, key, found, ledger, opened)


def _may(asked: Request, key: Ed25519PrivateKey, trust: Any, policy: Policy) -> None:
    """Separation of duties: an approver's key, of a person who is not the one that ran the search."""
    name = signoff.key_id(signoff.public_text(key))
    mine = next((one for one in trust.keys if signoff.key_id(one.public) == name), None)
    where = str(asked.trust)
    if mine is None:
        do = "add the line that `autodistill keygen` printed, with role: approver"
        raise SignatureError(f"key {name[:12]} is not in the trust file", where=where, do=do)
    if mine.role != "approver":
        raise SignatureError(f"the key of {mine.name} is an {mine.role}'s", where=where, do="sign with an approver's")
    if not mine.holds(attest.now()):
        raise SignatureError(f"the key of {mine.name} does not hold today", where=where, do="see since and until")
    ran = _ran_by(asked.run)
    if (
        ran.strip().casefold() in {asked.by.strip().casefold(), mine.name.strip().casefold()}
        and not policy.same_person_may_approve
    ):
        do = "let somebody else decide, or set same_person_may_approve in the policy"
        raise SignatureError(f"{ran} ran the search and may not approve it", where=str(asked.run), do=do)
    if asked.decision == "approved" and (asked.waivers or asked.conditions):
        raise SignatureError(
            "an approval with waivers or conditions", where="--decision", do="say approved-with-conditions"
        )
    if asked.decision == "approved-with-conditions" and not (asked.waivers or asked.conditions):
        raise SignatureError("no condition and no waiver is given", where="--decision", do="add --condition or --waive")


def _ran_by(run: Path) -> str:
    path = run / attest.FACTS
    if not path.is_file():
        raise SignatureError("the facts of this run are not signed", where=str(path), do="run its search again")
    return str(signoff.peek(path.read_bytes()).get("predicate", {}).get(signoff.OURS, {}).get("by", "unknown"))


def _whole(asked: Request, trust: Any, ledger: Ledger) -> None:
    """Nothing is signed on top of what does not hold."""
    checks = verifying.facts(asked.run, signoff.Asked(trust=trust, root=ledger.root, now=attest.now()))
    broken = [one for one in checks if not one.ok]
    if broken:
        what = f"does not verify: {broken[0].what}: {broken[0].why}"
        raise SignatureError(what, where=str(asked.run), do="see `autodistill verify`")


def _confirm(
    asked: Request, found: Mapping[str, Any], policy: Policy, held: tuple[Ledger, Any], watch: Watch
) -> tuple[Mapping[str, Any], tuple[Finding, ...]]:
    """The confirmatory test; what it found, and the tests (of both splits) that neither pass nor are waived."""
    ledger, trust = held
    audited = msgspec.convert(found["findings"], list[Finding])
    tests = [f for f in audited if f.required]
    opened: dict[str, Any] = {}
    if found.get("kind", "search") == "search":
        if not (found["certified"] or found["finalist"]):
            raise RunError("there is no student to approve", where=str(asked.run), do="reject it, or search on")
        predicted = sealed.power(asked.run, found, policy)
        if predicted < sealed.POWER and not asked.anyway and not _opened_before(asked.run):
            do = "--anyway opens it all the same; an inconclusive opening is spent and does not sign"
            what = f"the sealed test would pass with {predicted:.0%} probability only"
            raise SignatureError(what, where=str(asked.run), do=do)
        watch(Progress(phase="sealed", text="opening the sealed split (written to the ledger first)"))
        there = _opening_there(asked.run, signoff.Asked(trust=trust, root=ledger.root, now=attest.now()))
        opening = there or sealed.open_for(asked.run, found, policy, ledger)
        tests += [f for f in opening.findings if f.required]
        opened = {
            "verdict": plain(opening.verdict),
            "findings": plain(opening.findings),
            "look": dict(opening.look),
            "power": round(predicted, 4),
        }
        if there is None:
            _attest_opening(asked.run, opening, found, ledger)
    waived = {one.finding for one in asked.waivers}
    unknown = waived - {signoff.waivable(f) for f in tests}
    if unknown:
        raise SignatureError(
            f"no required test is called {min(unknown)!r}", where="--waive", do="see `show RUN --json`"
        )
    return opened, tuple(f for f in tests if f.outcome != "PASS" and signoff.waivable(f) not in waived)


def _opened_before(run: Path) -> bool:
    return (run / attest.SEALED).is_file()


def _opening_there(run: Path, asked: signoff.Asked) -> sealed.Opening | None:
    """The opening that this run had, where its statement holds: earlier decisions rest on that file, so that it is
    not made again. None where there was none, or its statement was not finished: then it is opened again, free."""
    checks = verifying.sealed(run, asked)
    if not checks or not all(one.ok for one in checks):
        return None
    said = signoff.peek((run / attest.SEALED).read_bytes())["predicate"][signoff.OURS]
    findings = tuple(msgspec.convert(said["findings"], list[Finding]))
    return sealed.Opening(findings=findings, verdict=verdict.judge(findings), look={**said["look"], "replay": True})


def _attest_opening(run: Path, opening: sealed.Opening, found: Mapping[str, Any], ledger: Ledger) -> None:
    """The auditor's statement about the sealed test: signed whatever it found, before anybody decides."""
    key = f"candidates/{found['certified'] or found['finalist']}/student.onnx"
    names = ("report.json", key, "sealed.parquet", "statements/predictions.sealed.parquet", "policy.yaml")
    files = {name: digest((run / name).read_bytes()) for name in names}
    index, head = ledger.head()
    more = {
        "version": __version__,
        "run": found["name"],
        "split": "sealed",
        "at": attest.now(),
        "look": dict(opening.look),
        "findings": plain(opening.findings),
        "ledger": {"index": index, "sha256": head},
    }
    made = signoff.facts(files, opening.verdict.decision, opening.findings, {"policy.yaml": files["policy.yaml"]}, more)
    machine = signoff.auditor()
    data = signoff.seal(made, machine)
    write_whole(run / attest.SEALED, data)
    line = {"what": "sealed", "run": found["name"], "report": files["report.json"], "statement": digest(data)}
    ledger.once("signature", line | {"key": signoff.key_id(signoff.public_text(machine))})


def _decide(
    asked: Request, key: Ed25519PrivateKey, found: Mapping[str, Any], ledger: Ledger, opened: Mapping[str, Any]
) -> Signed:
    at = datetime.now(UTC)
    until = (at + timedelta(days=asked.days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    files = {**attest.records_of(asked.run, found), attest.FACTS: digest((asked.run / attest.FACTS).read_bytes())}
    if opened:
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
        "waivers": [plain(one) for one in asked.waivers],
        "scope": {"purpose": (found.get("spec") or {}).get("purpose"), "student": _student(found)},
        "policy": {name: (found.get("policy") or {}).get(name) for name in ("name", "version", "sha256")},
        "policy_came_after": "rejudged" in found,
        "ledger": {"index": index, "sha256": head},
    }
    return _put(asked, key, signoff.decision(files, asked.decision, more), found, ledger, until, opened)


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
    until: str,
    opened: Mapping[str, Any],
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
        "until": until,
        "key": signoff.key_id(signoff.public_text(key)),
    }
    ledger.append("signature", line)
    notes = _rendered(asked.run, ledger)
    return Signed(decision=asked.decision, statement=path, until=until, sealed=opened, notes=notes)


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


def waivers(ids: Sequence[str], because: str, by: str, until: str) -> tuple[Waiver, ...]:
    """One waiver a finding, all with one reason and one expiry."""
    if ids and not because.strip():
        raise SignatureError("a waiver without its reason", where="--because", do="say why the test may be waived")
    if ids and not until:
        raise SignatureError("a waiver without its end", where="--until", do="give a UTC day, YYYY-MM-DD")
    if ids and not _to_come(until):
        raise SignatureError(f"{until!r} is no day to come", where="--until", do="give a UTC day, YYYY-MM-DD")
    return tuple(Waiver(finding=one, because=because, by=by, until=until) for one in ids)


def _to_come(day: str) -> bool:
    """Whether this is a UTC day, written YYYY-MM-DD, that has not ended."""
    try:
        return bool(re.fullmatch(r"\d{4}-\d{2}-\d{2}", day)) and date.fromisoformat(day) >= datetime.now(UTC).date()
    except ValueError:
        return False
