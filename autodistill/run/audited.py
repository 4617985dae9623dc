"""What an audit of predictions found: the value that Python gets."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autodistill.records import Finding, Verdict, encode
from autodistill.run import framed
from autodistill.run.exits import EXIT

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """The verdict, its findings as records, and the whole report as ``report.json`` has it.

    ``folder`` is where the files are (None: none were written). In a notebook it shows itself.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    report: dict[str, Any] = field(repr=False)
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
        return framed.findings(self.findings)

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
        body = framed.findings_html(self.findings)
        return framed.page(self.verdict.decision, self.verdict.sentence, body, self.report["notes"])
