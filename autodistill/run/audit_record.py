"""The record of an audit of predictions: the same keys as a search's, where it has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from autodistill import auditor, verdict
from autodistill.auditor import exemplars
from autodistill.data import Asked, Outside, question
from autodistill.records import Finding, Policy, Verdict, digest, plain
from autodistill.run import kept_rows
from autodistill.run.environment import environment
from autodistill.run.folder import write_whole
from autodistill.stats import wilson

PACKAGES = ("numpy", "scipy", "pyarrow")
UNPAID = "no look was paid for: nothing was written, so these rows' level is not accounted for (give out a folder)"
UNSEEN = (
    "whether the teacher was fitted on these rows is not known, so no origin of a gap is named "
    "(--teacher-saw none declares that it was not)"
)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What was found at one level; ``look`` is the ledger's account of it, ``spent`` why the rows decide nothing."""

    findings: tuple[Finding, ...]
    attribution: tuple[Finding, ...]
    verdict: Verdict
    level: float
    look: Mapping[str, Any] = field(default_factory=dict)
    spent: str = ""


def compose(
    table: Outside, asked: Asked, judged: Judged, policy: Mapping[str, Any], out: Path | None
) -> dict[str, Any]:
    """The report's values, and beside it the files of rows where there is a folder."""
    evidence, rules = table.evidence, policy["policy"]
    reading = exemplars.rows_to_read(evidence, rules)
    if out is not None:
        write_whole(out / kept_rows.FILE, kept_rows.write(evidence, table.row_digests), mode=0o600)
        listed = exemplars.exemplar_csv(exemplars.exemplar_table(evidence))
        write_whole(out / exemplars.FILE, listed, mode=0o600)
    else:
        reading |= {"file": ""}
    name = out.name if out is not None else Path(table.name).stem if table.is_file else "audit"
    return {
        "kind": "audit",
        "name": name,
        "title": name,
        "created": now(),
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
        "findings": plain(list(judged.findings)),
        "attribution": plain(list(judged.attribution)),
        "fairlearn": auditor.fairlearn_values(evidence) if evidence.groups else [],
        "rows_to_read": reading,
        "policy": {**plain(rules), "text": policy["text"], "path": policy["path"]},
        "data": _data(table, asked),
        "method": {
            "looks": dict(judged.look),
            "m": verdict.count(rules, {name: known for name, (known, _) in evidence.encoded.items()}),
            "shortlist_rule": "",
            "examined": 0,
            "not_judged": unjudged(rules),
        },
        "measure": None,
        "spec": {},
        "environment": environment(PACKAGES),
        "files": {} if out is None else _files(out),
        "notes": _notes(table, asked, judged, out),
    }


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
    for attribute, (names, codes) in evidence.encoded.items():
        sizes = np.bincount(codes, minlength=len(names) + 1).tolist()
        groups[attribute] = {name: n for name, n in zip((*names, "(unknown)"), sizes, strict=True) if n}
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


def _notes(table: Outside, asked: Asked, judged: Judged, out: Path | None) -> list[str]:
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
    names = (kept_rows.FILE, exemplars.FILE, "policy.yaml")
    return {name: digest((folder / name).read_bytes()) for name in names if (folder / name).exists()}


def unjudged(policy: Policy) -> list[str]:
    return list(dict.fromkeys(one.name for one in policy.require if one.kind == "meter"))


def now() -> str:
    """The moment, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
