"""The audit of two models from a table of what they said: read, pay for the look, judge, write."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from autodistill import auditor, journal, report, spec, verdict
from autodistill.auditor.attribution import attribution
from autodistill.data import Asked, Outside, outside, question
from autodistill.errors import LevelSpentError, RunError, SpecError
from autodistill.ledger import Ledger
from autodistill.plugins import suggest
from autodistill.records import Finding, Policy, Verdict, digest, encode, plain
from autodistill.run import kept_rows
from autodistill.run.audited import AuditReport
from autodistill.run.environment import environment
from autodistill.run.flipped import FILE, flipped
from autodistill.run.folder import RunFile, read_run, write_whole
from autodistill.stats import wilson

PACKAGES = ("numpy", "scipy", "pyarrow", "fairlearn")
REPORTS = Path("reports")
UNJUDGED = "an audit of predictions reads no artefact"
UNPAID = "no look was paid for: nothing was written, so these rows' level is not accounted for (give out a folder)"
UNSEEN = (
    "whether the teacher was fitted on these rows is not known, so no origin of a gap is named "
    "(--teacher-saw none declares that it was not)"
)
CHANGED = {"audit": "what was asked", "policy": "the policy", "table": "the table"}


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """What was found at one level; ``look`` is the ledger's account of it, ``spent`` why the rows decide nothing."""

    findings: tuple[Finding, ...]
    attribution: tuple[Finding, ...]
    verdict: Verdict
    level: float
    look: Mapping[str, Any] = field(default_factory=dict)
    spent: str = ""


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

    ``frame`` is a path (.csv, .parquet), a pandas DataFrame, a pyarrow Table or a mapping of columns; the other names
    are its columns. ``teacher``, ``student`` and ``control`` (the student's twin without distillation) hold decisions
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
    rules = policy if isinstance(policy, Policy) else spec.load_policy(policy)
    rules = rules if rules.sha256 else replace(rules, sha256=digest(encode(rules)))
    text = b"" if isinstance(policy, Policy) else Path(policy).read_bytes()
    path = "" if isinstance(policy, Policy) else str(policy)
    table = outside(frame, asked)
    _refuse_policy(rules, table)
    read = time.monotonic()
    if out is None:
        judged = _judge(table, asked, rules, None)
        found = _report(table, asked, judged, _policy(rules, text, path), out)
        found["cost"] = _cost(began, read)
        return _result(found, judged, None)
    identity = {"audit": digest(encode(question(asked))), "policy": rules.sha256, "table": table.sha256}
    _refuse_folder(out, identity)
    with journal.lock(out):
        _refuse_folder(out, identity)
        ledger = Ledger(REPORTS)
        ledger.once("policy", {"name": rules.name, "version": rules.version, "sha256": rules.sha256})
        RunFile(name=out.name, identity=identity, budget={}, created=_now()).write(out)
        judged = _judge(table, asked, rules, ledger)
        if text:
            write_whole(out / "policy.yaml", text)
        found = _report(table, asked, judged, _policy(rules, text, path), out)
        found["cost"] = _cost(began, read)
        report.write(out, found)
        RunFile(name=out.name, identity=identity, budget={}, created=found["created"], finished=True).write(out)
    return _result(found, judged, out)


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(map(str, given))


def _text(value: Any) -> str | None:
    """A class as cells are read: Python's True is true."""
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _refuse_policy(policy: Policy, table: Outside) -> None:
    """SpecError where the policy speaks of a column that the table has and the command does not name."""
    for one in (*policy.require, *policy.report):
        name = one.options.get("attribute")
        if name is not None and name not in table.evidence.groups and name in table.columns:
            what = f"the policy's {one.name} speaks of {name!r}, which is no group here"
            raise SpecError(what, where=policy.name, do=f"add --group {name}")
    named = {str(one.options["attribute"]) for one in policy.require if one.options.get("attribute")}
    if named and not named & set(table.evidence.groups) and table.evidence.groups:
        what = f"the policy speaks of {', '.join(map(repr, sorted(named)))}, and none of them is in the table"
        raise SpecError(what, where=policy.name, do=suggest(min(named), table.columns))


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


def _judge(table: Outside, asked: Asked, policy: Policy, ledger: Ledger | None) -> _Judged:
    """Pay for the look, then compute the findings at its share of the level."""
    level, look, spent = round(policy.alpha / policy.looks, 12), {}, ""
    if ledger is not None:
        try:
            paid = ledger.look(
                table.row_digests,
                policy=policy.sha256,
                shortlist=_shortlist(table, asked),
                looks=policy.looks,
                alpha=policy.alpha,
            )
            level = round(paid.share, 12)
            names = ("share", "replay", "account", "index", "used", "accounts")
            look = {name: getattr(paid, name) for name in names} | {"looks": policy.looks, "alpha": policy.alpha}
        except LevelSpentError as fault:
            spent = fault.what
    findings = auditor.audit(table.evidence, policy, level=level, rows_needed=True)
    parts: tuple[Finding, ...] = ()
    if "control" in table.evidence.others:
        parts = attribution(table.evidence, policy, level=level)
    if asked.teacher_saw == "unknown":
        findings, parts = (tuple(replace(f, origin=None) for f in some) for some in (findings, parts))
    if spent:
        findings = tuple(_undecided(f) for f in findings)
    findings = (*findings, *_meters(policy))
    return _Judged(
        findings=findings,
        attribution=parts,
        verdict=_verdict(findings, policy, spent),
        level=level,
        look=look,
        spent=spent,
    )


def _shortlist(table: Outside, asked: Asked) -> str:
    """The one candidate of this look: what both models said, and of which classes and clusters it is asked."""
    kept = {name: value for name, value in question(asked).items() if name in {"positive", "favourable", "cluster"}}
    models = {who: table.digests[who] for who in ("teacher", "student")}
    return digest(encode({**models, **kept, "cross": asked.cross}))


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


def _unjudged(policy: Policy) -> list[str]:
    return list(dict.fromkeys(one.name for one in policy.require if one.kind == "meter"))


def _verdict(findings: Sequence[Finding], policy: Policy, spent: str) -> Verdict:
    decided = verdict.judge(findings)
    sentence = f"Not decided: {spent}; it needs fresh rows." if spent else decided.sentence
    unjudged = _unjudged(policy)
    if unjudged:
        sentence += f" Not judged, since predictions cannot show it: {', '.join(unjudged)}."
    return replace(decided, decision="INCONCLUSIVE" if spent else decided.decision, sentence=sentence)


def _report(
    table: Outside, asked: Asked, judged: _Judged, policy: Mapping[str, Any], out: Path | None
) -> dict[str, Any]:
    """The report's values, and beside it the files of rows where there is a folder."""
    evidence, rules = table.evidence, policy["policy"]
    reading, listed = flipped(evidence, rules)
    if out is not None:
        write_whole(out / kept_rows.FILE, kept_rows.write(evidence, table.row_digests), mode=0o600)
        write_whole(out / FILE, listed, mode=0o600)
    else:
        reading |= {"file": ""}
    name = out.name if out is not None else Path(table.name).stem if table.is_file else "audit"
    return {
        "kind": "audit",
        "name": name,
        "title": name,
        "created": _now(),
        "verdict": plain(judged.verdict),
        "certified": None,
        "finalist": None,
        "front": [],
        "entries": [],
        "controls": [],
        "shortlist": [],
        "worth": {},
        "rejected_because": {},
        "teacher": _model(table, asked, "teacher", judged.level)
        | {"kind": "predictions", "options": {}, "error_search": None, "readings": {}, "saw": asked.teacher_saw},
        "student": _model(table, asked, "student", judged.level),
        "findings": plain(judged.findings),
        "attribution": plain(judged.attribution),
        "fairlearn": auditor.fairlearn_values(evidence) if evidence.groups else [],
        "rows_to_read": reading,
        "policy": {**plain(rules), "text": policy["text"], "path": policy["path"]},
        "data": _data(table, asked),
        "method": {
            "looks": dict(judged.look),
            "m": verdict.count(rules, {name: known for name, (known, _) in evidence.encoded.items()}),
            "shortlist_rule": "",
            "examined": 0,
            "not_judged": _unjudged(rules),
        },
        "measure": None,
        "spec": {},
        "environment": environment(PACKAGES),
        "files": {} if out is None else _files(out),
        "notes": _notes(table, asked, judged, out),
    }


def _policy(policy: Policy, text: bytes, path: str) -> dict[str, Any]:
    return {"policy": policy, "text": text.decode("utf-8-sig"), "path": path}


def _model(table: Outside, asked: Asked, who: Literal["teacher", "student"], level: float) -> dict[str, Any]:
    evidence = table.evidence
    said = (evidence.teacher if who == "teacher" else evidence.student)[evidence.split]
    error = None
    if evidence.classes:
        wrong = int((said.decisions != evidence.y).sum())
        low, high = wilson(wrong, len(evidence.y), level)
        error = {"value": wrong / len(evidence.y), "low": float(low), "high": float(high)}
    notes = [f"read as {table.read_as[who]}"]
    return {"name": getattr(asked, who), "digest": table.digests[who], "error_audit": error, "notes": notes}


def _data(table: Outside, asked: Asked) -> dict[str, Any]:
    evidence = table.evidence
    groups = {}
    for attribute, column in evidence.groups.items():
        sizes = Counter(map(str, column.tolist()))
        groups[attribute] = {name or "(unknown)": size for name, size in sorted(sizes.items())}
    return {
        "table": table.name,
        "rows": len(evidence.y),
        "sha256": table.sha256,
        "splits": {evidence.split: len(evidence.y)},
        "digests": {"table": table.sha256, **table.digests},
        "groups": groups,
        "features": [],
        "leakage": {},
        "notes": list(table.notes),
        "classes": list(evidence.classes),
        "positive": None if evidence.positive is None else evidence.classes[evidence.positive],
        "favourable": None if evidence.favourable is None else evidence.classes[evidence.favourable],
        "threshold": table.threshold,
        "columns": question(asked),
    }


def _notes(table: Outside, asked: Asked, judged: _Judged, out: Path | None) -> list[str]:
    notes = [f"{who} ({getattr(asked, who)}): {said}" for who, said in table.read_as.items()]
    if asked.id is None:
        notes.append("rows are known by their place and content: without --id a reordered table counts as other rows")
    if asked.teacher_saw == "unknown":
        notes.append(UNSEEN)
    if judged.spent:
        notes.append(f"{judged.spent}: the findings are shown and decide nothing")
    if judged.look.get("used"):
        notes.append(f"{judged.look['used']:,} of these rows were read in an earlier look")
    if out is None:
        notes.append(UNPAID)
    return notes


def _files(folder: Path) -> dict[str, str]:
    names = (kept_rows.FILE, FILE, "policy.yaml")
    return {name: digest((folder / name).read_bytes()) for name in names if (folder / name).exists()}


def _cost(began: float, read: float) -> dict[str, Any]:
    return {"seconds": {"data": round(read - began, 3), "audit": round(time.monotonic() - read, 3)}}


def _result(found: dict[str, Any], judged: _Judged, folder: Path | None) -> AuditReport:
    return AuditReport(verdict=judged.verdict, findings=judged.findings, report=found, folder=folder)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
