"""Findings on metrics that are sums over rows: log-loss, Brier, AUC, F1, RMSE, calibration."""

from autodistill.auditor import shown
from autodistill.auditor.look import Look
from autodistill.records import Finding
from autodistill.stats import RowSums
from autodistill.verdict import Line


def findings(look: Look, line: Line, found: RowSums) -> list[Finding]:
    """The findings of one line, by how its numbers are compared."""
    return shown.means(look, line, found)
