"""What an audit found, in the terminal: a line a finding, what stays open, what to know of data and look."""

from collections.abc import Mapping
from typing import Any

import msgspec

from autodistill.records import Finding
from autodistill.report import errors, names, words

COLUMNS = (
    ("check", "left"), ("group", "left"), ("teacher", "right"), ("student", "right"), ("tested", "right"),
    ("limit", "right"), ("outcome", "left"), ("rows needed", "right"), ("origin", "left"),
)  # fmt: skip
LONGEST = 44  # characters of a reason that stands where a number would
OPEN = frozenset({"INCONCLUSIVE", "INSUFFICIENT", "NOT_APPLICABLE"})


def show(out: Any, found: Mapping[str, Any]) -> None:
    """Print the findings, required ones first, and the notes on data and look."""
    findings = list(errors.named(msgspec.convert(found["findings"], list[Finding]), found))
    findings.sort(key=lambda finding: not finding.required)
    out.print(table(findings))
    undecided = [f for f in findings if f.required and f.outcome in OPEN]
    if undecided:
        needed = max((f.rows_needed for f in undecided if f.rows_needed), default=None)
        more = "" if needed is None else f"; the most that one of them needs in its group is about {needed:,} rows"
        required = sum(f.required for f in findings)
        out.print(f"These data cannot decide {len(undecided)} of {required} required tests{more}.")
    for note in (*found["data"]["notes"], *found["notes"]):
        out.print(f"note: {note}")


def table(findings: list[Finding]) -> Any:
    """One row a finding; what is not there is a dash, its reason is in the report."""
    from rich.table import Table

    out = Table(box=None, pad_edge=False, header_style="bold")
    for name, justify in COLUMNS:
        out.add_column(name, justify=justify)  # type: ignore[arg-type]
    for finding in findings:
        out.add_row(*_cells(finding))
    return out


def _cells(finding: Finding) -> tuple[str, ...]:
    growth = ", growth" if "growth" in finding.quantity else ""
    measured = names.shorten(finding.note, LONGEST) if finding.estimate is None else words.measured(finding)
    return (
        f"{words.about(finding)}{growth}",
        words.who(finding),
        *("–" if value is None else words.own(finding, value) for value in (finding.teacher, finding.student)),
        measured,
        "" if finding.limit is None else words.amount(finding, finding.limit),
        finding.outcome + ("" if finding.required or finding.outcome == "REPORTED" else " (not required)"),
        f"{finding.rows_needed:,}" if finding.rows_needed else "",
        finding.origin or "",
    )
