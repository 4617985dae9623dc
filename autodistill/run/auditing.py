"""The audit of two models from a table of what they said: read, pay for the look, judge, write."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt

from autodistill import auditor, journal, report, spec, verdict
from autodistill.data import Asked, Outside, outside, question
from autodistill.errors import LevelSpentError, RunError, SpecError
from autodistill.ledger import Ledger
from autodistill.plugins import suggest
from autodistill.records import Finding, Policy, Verdict, digest, encode
from autodistill.run import attest, audit_record
from autodistill.run.audit_record import Judged
from autodistill.run.audited import AuditReport
from autodistill.run.folder import RunFile, read_run, write_whole
from autodistill.run.looked import audited
from autodistill.run.ordered import account_of
from autodistill.stats import Evidence

UNJUDGED = "an audit of predictions reads no artefact"
CHANGED = {"audit": "what was asked", "policy": "the policy", "table": "the table"}


def audit(  # noqa: PLR0913  each is a column or a choice that its caller names
    frame: Any,
    *,
    policy: str | Path | Policy,
    label: str,
    teacher: str,
    student: str,
    groups: Sequence[str] = (),
    cross: Sequence[Sequence[str]] = (),
    id: str | None = None,  # noqa: A002  the word of the command line
    cluster: str | None = None,
    control: str | None = None,
    teacher_saw: Literal["none", "unknown"] = "unknown",
    positive: Any = None,
    favourable: Any = None,
    threshold: float | None = None,
    task: Literal["classification", "regression"] = "classification",
    out: str | Path | None = None,
) -> AuditReport:
    """Judge a student against its teacher from what they said of the same rows.

    ``frame`` is a path (.csv, .parquet, .arrow), a DataFrame, a pyarrow Table or a mapping of columns; other names are
    its columns. ``teacher``, ``student`` and ``control`` (the student's twin without distillation) hold decisions
    written as the labels are, or probabilities of ``positive`` decided at ``threshold``, or, with a star as in
    ``"teacher_p_*"``, a column of probabilities for each class. ``cross`` intersects groups, ``cluster`` says what rows
    share. With ``out`` the report is written there and the look at these rows is paid for in ``reports/ledger.jsonl``;
    without it no file is touched and the report says so. Raises a ``UserError`` where something is wrong with what was
    given.
    """
    asked = Asked(
        label=label,
        teacher=teacher,
        student=student,
        groups=_names(groups),
        cross=tuple(_names(parts) for parts in cross),
        id=id,
        cluster=cluster,
        control=control,
        teacher_saw=teacher_saw,
        positive=_text(positive),
        favourable=_text(favourable),
        threshold=threshold,
        task=task,
    )
    return run(frame, policy, asked, None if out is None else Path(out))


def run(frame: Any, policy: str | Path | Policy, asked: Asked, out: Path | None) -> AuditReport:
    """Everything in order; ``out`` None writes nothing."""
    began = time.monotonic()
    rules, text = _rules(policy)
    table = outside(frame, asked)
    _refuse_policy(rules, table)
    work = _Work(table, asked, rules, text, "" if isinstance(policy, Policy) else str(policy))
    read = time.monotonic() - began
    if out is None:
        return work.done(None, None, began, read)
    identity = {"audit": digest(encode(question(asked))), "policy": rules.sha256, "table": table.sha256}
    _refuse_folder(out, identity)
    with journal.lock(out):
        _refuse_folder(out, identity)
        ledger = attest.book()
        attest.refuse_decided(out, ledger)
        ledger.once("policy", {"name": rules.name, "version": rules.version, "sha256": rules.sha256})
        RunFile(name=out.name, identity=identity, budget={}, created=audit_record.now()).write(out)
        if text:
            write_whole(out / "policy.yaml", text)
        found = work.done(ledger, out, began, read)
        report.write(out, found.report)
        attest.attest(out, report.read(out), ledger)
        RunFile(name=out.name, identity=identity, budget={}, created=found.report["created"], finished=True).write(out)
    return found


def _rules(policy: str | Path | Policy) -> tuple[Policy, bytes]:
    """The policy and its file's bytes; one made in Python has a digest of its values and no bytes."""
    if isinstance(policy, Policy):
        return (policy if policy.sha256 else replace(policy, sha256=digest(encode(policy)))), b""
    return spec.load_policy(policy), Path(policy).read_bytes()


@dataclass(frozen=True, slots=True)
class _Work:
    """One audit, read and not yet judged; ``text`` and ``path`` are of the policy's file."""

    table: Outside
    asked: Asked
    rules: Policy
    text: bytes
    path: str

    def done(self, ledger: Ledger | None, out: Path | None, began: float, read: float) -> AuditReport:
        """Judge, and compose the record; rows are kept in ``out``. Without a ledger no look is paid for."""
        judged = _judge(self.table, self.asked, self.rules, ledger)
        policy = {"policy": self.rules, "text": self.text.decode("utf-8-sig"), "path": self.path}
        found = audit_record.compose(self.table, self.asked, judged, policy, out)
        seconds = {"data": round(read, 3), "audit": round(time.monotonic() - began - read, 3)}
        found["cost"] = {"seconds": seconds}
        return AuditReport(verdict=judged.verdict, findings=judged.findings, report=found, folder=out)


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(map(str, given))


def _text(value: Any) -> str | None:
    """A class as cells are read: Python's True is true."""
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _refuse_policy(policy: Policy, table: Outside) -> None:
    """SpecError where the policy requires something of a group that is not named: it could never be met."""
    for one in policy.require:
        name = one.options.get("attribute")
        if name is not None and name not in table.evidence.groups:
            do = f"add --group {name}" if name in table.columns else suggest(name, table.columns)
            raise SpecError(f"{one.name} is required of {name!r}, which is no group here", where=policy.name, do=do)


def _refuse_folder(folder: Path, identity: Mapping[str, str]) -> None:
    """RunError where the folder holds anything but this audit."""
    there = read_run(folder) if folder.is_dir() else None
    do = "give this audit a folder of its own with --out DIR"
    if folder.exists() and not folder.is_dir():
        raise RunError("is not a folder", where=str(folder), do=do)
    if there is None:
        if folder.is_dir() and any(not one.name.startswith(".") for one in folder.iterdir()):
            raise RunError("is not empty and holds no audit", where=str(folder), do=do)
        return
    if "audit" not in there.identity:
        raise RunError("holds a run of another kind", where=str(folder), do=do)
    changed = [word for name, word in CHANGED.items() if there.identity.get(name) != identity[name]]
    if changed:
        raise RunError(f"holds another audit ({' and '.join(changed)} differ)", where=str(folder), do=do)


def _judge(table: Outside, asked: Asked, policy: Policy, ledger: Ledger | None) -> Judged:
    """Pay for the look, then compute the findings at its share of the level."""
    paid = Paid(level=round(policy.alpha / policy.looks, 12))
    if ledger is not None:
        paid = pay(table.row_digests, audited(table.digests, question(asked)), policy, ledger)
    return judge(table.evidence, policy, paid, asked.teacher_saw)


@dataclass(frozen=True, kw_only=True, slots=True)
class Paid:
    """The level of a look's tests, the ledger's account of it, and why the rows decide nothing ("" where they do)."""

    level: float
    look: Mapping[str, Any] = field(default_factory=dict)
    spent: str = ""


def pay(rows: npt.NDArray[Any], shortlist: str, policy: Policy, ledger: Ledger) -> Paid:
    """Pay for one look at rows with these digests."""
    try:
        look = ledger.look(rows, policy=policy.sha256, shortlist=shortlist, looks=policy.looks, alpha=policy.alpha)
    except LevelSpentError as fault:
        return Paid(level=round(policy.alpha / policy.looks, 12), spent=fault.what)
    return Paid(level=round(look.share, 12), look=account_of(look, policy))


def judge(evidence: Evidence, policy: Policy, paid: Paid, teacher_saw: str) -> Judged:
    """The findings at the look's level, the gaps split where there is a control, and the verdict."""
    findings = auditor.audit(evidence, policy, level=paid.level, rows_needed=True)
    parts: tuple[Finding, ...] = ()
    if "control" in evidence.others:
        from autodistill.auditor.attribution import attribution  # opens scipy.stats

        parts = attribution(evidence, policy, level=paid.level)
    if teacher_saw == "unknown":
        findings, parts = (tuple(replace(f, origin=None) for f in some) for some in (findings, parts))
    if paid.spent:
        findings = tuple(_undecided(f) for f in findings)
    return judged((*findings, *_meters(policy)), parts, policy, paid)


def judged(findings: tuple[Finding, ...], parts: tuple[Finding, ...], policy: Policy, paid: Paid) -> Judged:
    """What follows from these findings; INCONCLUSIVE where the rows' level is spent."""
    return Judged(
        findings=findings,
        attribution=parts,
        verdict=_verdict(findings, policy, paid.spent),
        level=paid.level,
        look=paid.look,
        spent=paid.spent,
    )


def _undecided(finding: Finding) -> Finding:
    if not finding.required or finding.outcome not in {"PASS", "FAIL"}:
        return finding
    note = "; ".join(part for part in ("these rows' level is spent", finding.note) if part)
    return replace(finding, outcome="INCONCLUSIVE", note=note, rows_needed=None)


def _meters(policy: Policy) -> tuple[Finding, ...]:
    """The policy's meters, which predictions cannot show."""
    return tuple(
        replace(one, outcome="NOT_APPLICABLE", required=False, method="none", note=UNJUDGED)
        for one in verdict.meters(policy, {}, {})
    )


def _verdict(findings: Sequence[Finding], policy: Policy, spent: str) -> Verdict:
    decided = verdict.judge(findings)
    unjudged = audit_record.unjudged(policy)
    why = f"{spent}; it needs fresh rows" if spent else ""
    if not why and decided.decision == "PASS" and all(one.kind == "meter" for one in policy.require):
        why = "the policy requires nothing that predictions show"
    sentence = f"Not decided: {why}." if why else decided.sentence
    if unjudged:
        sentence += f" Not judged, since predictions cannot show it: {', '.join(unjudged)}."
    return replace(decided, decision="INCONCLUSIVE" if why else decided.decision, sentence=sentence)
