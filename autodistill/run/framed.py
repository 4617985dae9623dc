"""A report as a table of pandas and as a few lines of HTML, for a notebook."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import msgspec

from autodistill.records import Finding

if TYPE_CHECKING:
    import pandas as pd

ATTRIBUTE = "attribute"
FINDING = ("check", "metric", ATTRIBUTE, "group", "teacher", "student", "estimate", "low", "high", "limit", "outcome")
MOST = 12  # rows of a table in a notebook; the rest is in to_pandas() and the report


def findings(found: Sequence[Finding]) -> "pd.DataFrame":
    """One row a finding; the options of a check are columns of their own, absent values are missing."""
    import pandas as pd

    plain = [msgspec.to_builtins(finding) for finding in found]
    rows = [{**one.pop("options"), **one} for one in plain]
    return pd.DataFrame([{k: v for k, v in row.items() if k != "details"} for row in rows])


def candidates(report: Mapping[str, Any]) -> "pd.DataFrame":
    """One row a candidate, as ``candidates.csv`` has them; absent values are missing."""
    import pandas as pd

    from autodistill.report import files

    return pd.DataFrame([{k: None if v == "" else v for k, v in row.items()} for row in files.rows(report)])


def findings_html(found: Sequence[Finding]) -> str:
    """The findings as a table."""
    return table(FINDING, [_cells(finding) for finding in found])


def candidates_html(report: Mapping[str, Any]) -> str:
    """The front, and the student that was certified or came nearest, as a table; errors are of the search split."""
    from autodistill.report import files

    roles = {report.get("finalist"): "finalist", report.get("certified"): "certified"}
    chosen = [row for row in files.rows(report) if row["front_search_split"] or row["key"] in roles]
    head = ("candidate", "error (search split)", "latency µs", "size bytes", "")
    rows = [
        [row["candidate"], *(_number(row.get(name)) for name in ("error_search_split", "latency_us", "size_bytes")),
         roles.get(row["key"], "")]
        for row in chosen
    ]  # fmt: skip
    return table(head, rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of at most ``MOST`` rows; every cell is escaped."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows[:MOST])
    more = f"<p>and {len(rows) - MOST} more: see to_pandas()</p>" if len(rows) > MOST else ""
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>{more}"


def page(decision: str, sentence: str, body: str, notes: Sequence[Any]) -> str:
    """The verdict above a table, notes below it."""
    listed = "".join(f"<li>{escape(str(note))}</li>" for note in notes)
    said = f"<p><strong>{escape(decision)}</strong> {escape(sentence)}</p>"
    return f"<div>{said}{body}<ul>{listed}</ul></div>"


def _cells(finding: Finding) -> list[str]:
    values = [
        finding.options.get(name) if name in {"metric", ATTRIBUTE} else getattr(finding, name) for name in FINDING
    ]
    return [_number(value) for value in values]


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
