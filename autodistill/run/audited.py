"""What an audit of predictions found: the value that Python gets."""

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from autodistill.records import Finding, Verdict, encode
from autodistill.run.exits import EXIT

if TYPE_CHECKING:
    import pandas as pd

ATTRIBUTE = "attribute"
SHOWN = ("check", "metric", ATTRIBUTE, "group", "teacher", "student", "estimate", "low", "high", "limit", "outcome")


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """The verdict, its findings as records, and the whole report as ``report.json`` has it.

    ``folder`` is where the files are (None: none were written). In a notebook it shows itself.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    report: dict[str, Any]
    folder: Path | None = None

    @property
    def exit_code(self) -> int:
        """0 accepted, 1 refused, 3 undecided."""
        return EXIT[self.verdict.decision]

    def to_json(self) -> str:
        """The report as JSON."""
        return encode(self.report).decode()

    def to_pandas(self) -> "pd.DataFrame":
        """One row a finding; the options of a check are columns of their own, absent values are missing."""
        import pandas as pd

        plain = [msgspec.to_builtins(finding) for finding in self.findings]
        rows = [{**one.pop("options"), **one} for one in plain]
        return pd.DataFrame([{k: v for k, v in row.items() if k != "details"} for row in rows])

    def summary(self) -> str:
        """The verdict, what stands in the way, and the notes, as plain text."""
        from autodistill.report import sentence

        lines = [f"{self.verdict.decision}  {self.verdict.sentence}"]
        blocking = [f for f in self.findings if f.required and f.outcome != "PASS"]
        lines += [f"  in the way: {f.outcome} {sentence(f)}" for f in blocking]
        lines += [f"  note: {note}" for note in self.report["notes"]]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The verdict and the findings, everything from data escaped."""
        head = "".join(f"<th>{escape(name)}</th>" for name in SHOWN)
        rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _cells(f))}</tr>" for f in self.findings)
        said = f"<p><strong>{escape(self.verdict.decision)}</strong> {escape(self.verdict.sentence)}</p>"
        notes = "".join(f"<li>{escape(str(note))}</li>" for note in self.report["notes"])
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return f"<div>{said}{table}<ul>{notes}</ul></div>"


def _cells(finding: Finding) -> list[str]:
    values = [finding.options.get(name) if name in {"metric", ATTRIBUTE} else getattr(finding, name) for name in SHOWN]
    return ["" if v is None else f"{v:.4g}" if isinstance(v, float) else str(v) for v in values]
