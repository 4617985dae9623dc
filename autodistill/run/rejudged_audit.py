"""An audit of predictions judged again, from the rows that it kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autodistill import verdict
from autodistill.auditor import exemplars
from autodistill.ledger import Ledger
from autodistill.records import Policy, Predictions, plain
from autodistill.run import audit_record, auditing, kept_rows
from autodistill.run.audit_record import Judged
from autodistill.run.looked import ROWS, audited, row_digests
from autodistill.run.rejudged_search import ALLOWED
from autodistill.stats import Evidence, wilson

UNKNOWN = "(unknown)"


def judged(
    folder: Path, found: Mapping[str, Any], rules: Policy, book: Ledger
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The report of an audit under other rules, and files to be written beside it.

    The look is the one that ``audit`` under these rules would pay for, so either is a replay of the other.
    """
    data = found["data"]
    paid = auditing.pay(
        row_digests(folder / ROWS, next(iter(data["splits"]))),
        audited(data["digests"], data["columns"]),
        rules,
        book,
    )
    if paid.spent:
        new = _report(found, rules, auditing.judged((), (), rules, paid))
        new["verdict"]["sentence"] += f" {ALLOWED}"
        return new | {"fairlearn": [], "rows_to_read": {}}, {}
    evidence, _ = kept_rows.read(folder, data)
    new = _report(found, rules, auditing.judge(evidence, rules, paid, found["teacher"]["saw"]))
    reading, listed = exemplars.rows_to_read(evidence, rules), exemplars.exemplar_table(evidence)
    models = {"teacher": evidence.teacher, "student": evidence.student}
    new |= {who: {**found[who], "error_audit": _error(evidence, said, paid.level)} for who, said in models.items()}
    return new | {"rows_to_read": reading}, {exemplars.FILE: exemplars.exemplar_csv(listed)}


def _report(found: Mapping[str, Any], rules: Policy, said: Judged) -> dict[str, Any]:
    groups = {name: tuple(sorted(set(sizes) - {UNKNOWN})) for name, sizes in found["data"]["groups"].items()}
    return {
        **found,
        "created": audit_record.now(),
        "verdict": plain(said.verdict),
        "findings": plain(list(said.findings)),
        "attribution": plain(list(said.attribution)),
        "policy": plain(rules),
        "method": {
            **found["method"],
            "looks": dict(said.look),
            "m": verdict.count(rules, groups),
            "not_judged": audit_record.unjudged(rules),
        },
        "files": dict(found["files"]),
        "notes": [f"{said.spent}: nothing of these rows was read"] if said.spent else list(found["notes"]),
    }


def _error(evidence: Evidence, views: Mapping[str, Predictions], level: float) -> dict[str, float] | None:
    if not evidence.classes:
        return None
    wrong = int((views[evidence.split].decisions != evidence.y).sum())
    low, high = wilson(wrong, len(evidence.y), level)
    return {"value": wrong / len(evidence.y), "low": float(low), "high": float(high)}
