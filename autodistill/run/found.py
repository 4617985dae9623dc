"""What a run found, as Python gets it: its folder and its report, a table, a picture, a few lines for a notebook."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from autodistill.errors import RunError
from autodistill.records import Finding, Verdict
from autodistill.run import framed
from autodistill.run.exits import EXIT

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Found:
    """A finished run: its folder, and its report as ``report.json`` has it. In a notebook it shows itself."""

    folder: Path
    report: dict[str, Any] = field(repr=False)

    @property
    def certified(self) -> str | None:
        """The key of the certified student, or None."""
        key: str | None = self.report["certified"]
        return key

    @property
    def verdict(self) -> Verdict:
        """The decision, its sentence, and the findings that it rests on."""
        return msgspec.convert(self.report["verdict"], Verdict)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings on the audit split of the student that was certified or came nearest."""
        return msgspec.convert(self.report["findings"], tuple[Finding, ...])

    @property
    def exit_code(self) -> int:
        """0 accepted, 1 nothing accepted and none inconclusive, 3 at least one inconclusive."""
        return EXIT[self.report["verdict"]["decision"]]

    def to_pandas(self) -> "pd.DataFrame":
        """One row a candidate (of an audit, which has none: a finding); absent values are missing."""
        return framed.findings(self.findings) if self._audit else framed.candidates(self.report)

    def plot(self) -> "Figure":
        """The Pareto front, error against cost, as the report's own picture. Raises RunError for an audit."""
        if self._audit:
            do = "its findings are in to_pandas() and report.html"
            raise RunError("an audit of predictions has no front", where=str(self.folder), do=do)
        from autodistill.report import picture

        return picture.figure(self.report)

    def _repr_html_(self) -> str:
        """The verdict and the front, everything from data escaped."""
        body = framed.findings_html(self.findings) if self._audit else framed.candidates_html(self.report)
        page = self.folder / "report.html"
        return framed.page(self.verdict.decision, self.verdict.sentence, body, [f"Report: {page}"])

    @property
    def _audit(self) -> bool:
        return self.report.get("kind") == "audit"
