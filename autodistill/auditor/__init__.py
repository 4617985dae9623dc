"""Teacher and student side by side: findings with intervals. Sees predictions, never models.

``audit`` judges, ``power`` and ``certifiable`` say beforehand what a split can decide, ``search_z`` orders.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from autodistill import verdict
from autodistill.auditor import gains, gaps, leaks, losses, ratios, rowlevel, shown
from autodistill.auditor.forecast import Certifiable, certifiable, power
from autodistill.auditor.look import Look
from autodistill.records import Finding, Policy
from autodistill.stats import (
    ClassCounts,
    Counts,
    Estimand,
    Evidence,
    NotApplicable,
    PairedCounts,
    Rows,
    RowSums,
    Shares,
    TwoSamples,
    z_value,
)
from autodistill.stats.tables import known_groups

__all__ = ["Certifiable", "Evidence", "audit", "certifiable", "fairlearn_values", "power", "search_z"]

COUNTED = frozenset({"whole", "each", "contrast", "ratio", "classes", "shares"})


def audit(
    evidence: Evidence,
    policy: Policy,
    *,
    level: float | None = None,
    statements: int | None = None,
    rows_needed: bool = False,
) -> tuple[Finding, ...]:
    """Every check of ``policy`` on the judged split of ``evidence``: required ones decided, reported ones shown.

    ``level`` is the one-sided α of this look (default: the policy's whole), ``statements`` the m of FAIL at α/m
    (default: all required tests × groups × directions). ``rows_needed`` simulates what is open (up to 50 ms a test).
    The findings follow the policy's order and have stable ids.
    """
    alpha = round(policy.alpha, 12) if level is None else level
    if not 0 < alpha < 0.5:
        raise ValueError(f"level {alpha} is not in (0, 0.5)")
    groups = known_groups(evidence)
    look = Look(
        policy=policy,
        rows=Rows(tables=evidence.tables, evidence=evidence),
        split=evidence.split,
        level=alpha,
        statements=verdict.count(policy, groups) if statements is None else statements,
        rows_needed=rows_needed,
    )
    found: list[Finding] = []
    for line in verdict.lines(policy, groups):
        found += _line(look, line, evidence)
    return tuple(found)


def _line(look: Look, line: verdict.Line, evidence: Evidence) -> Sequence[Finding]:
    reason = _why_not(line, evidence)
    if reason:
        # What is always on for classes is not asked of a regression, which has none.
        asked = line.compare != "classes" or bool(evidence.classes)
        return [replace(one, required=one.required and asked) for one in losses.nothing(look, line, reason)]
    found: Estimand = line.check.statistic(look.rows, evidence.reference)
    return _infer(look, line, found)


def _why_not(line: verdict.Line, evidence: Evidence) -> str:
    if not evidence.classes and line.compare in COUNTED and not getattr(line.check, "regression", False):
        return "counts classes, and this task is a regression"
    if not len(evidence.row_ids):
        return f"the {evidence.split} split has no rows"
    missing = [v for v in getattr(line.check, "views", ()) if v != "audit" and v not in evidence.student]
    if missing:
        why = evidence.reference.get("missing", {}).get(missing[0], "")
        return f"needs predictions of the view {missing[0]}" + (f": {why}" if why else "")
    if any(field == "attribute" for field in line.options) and line.attribute not in evidence.groups:
        return f"the table has no group column {line.attribute!r}"
    if line.compare in {"each", "contrast", "ratio"} and line.attribute is None and not line.names:
        return "no group column is named"
    if line.required and not line.limits and line.compare != "classes":
        return "this check is shown and decides nothing: list it under report"
    return ""


def _infer(look: Look, line: verdict.Line, found: Estimand) -> Sequence[Finding]:
    """The inference that belongs to the estimand's type (AUDIT §5)."""
    if look.clustered and (isinstance(found, TwoSamples) or getattr(found, "cell", found) is None):
        # A test that takes clustered rows for independent ones passes 12–30 % falsely (AUDIT §5).
        found = NotApplicable(reason="rows share clusters, and this check does not say which rows it counts")
    match found:
        case NotApplicable(reason=reason):
            return losses.nothing(look, line, reason)
        case PairedCounts(compare="whole"):
            return (gains.gain if "at_least" in line.check.limits else losses.whole)(look, line, found)
        case PairedCounts(compare="each"):
            return losses.each(look, line, found)
        case PairedCounts(compare="ratio"):
            return ratios.findings(look, line, found)
        case PairedCounts() | Counts():
            return gaps.findings(look, line, found)
        case RowSums():
            return rowlevel.findings(look, line, found)
        case Shares():
            return shown.shares(look, line, found)
        case _:
            return (
                shown.collapse(look, line, found)
                if isinstance(found, ClassCounts)
                else leaks.advantage(look, line, found)
            )


def search_z(findings: Sequence[Finding]) -> float:
    """How safely the worst required test passes, in standard deviations: z_α·(limit − estimate)/(high − estimate).

    For the order of a shortlist, from search-split findings; meters are left out. −∞ where a rule without a limit
    fails; tests that these rows cannot decide (INSUFFICIENT, NOT_APPLICABLE) are left out.
    """
    worst = float("inf")
    for finding in findings:
        if not finding.required or finding.split == "device" or finding.outcome in {"INSUFFICIENT", "NOT_APPLICABLE"}:
            continue
        if finding.limit is None or finding.estimate is None or finding.high is None:
            worst = -float("inf") if finding.outcome == "FAIL" else worst
            continue
        # A limit from below is kept by the other end.
        end, side = (finding.low, -1.0) if finding.limit_kind == "at_least" else (finding.high, 1.0)
        reach = max(side * ((finding.estimate if end is None else end) - finding.estimate), 1e-12)
        z = float(z_value(finding.level)) * side * (finding.limit - finding.estimate) / reach
        worst = min(worst, z)
    return worst


def fairlearn_values(evidence: Evidence) -> list[dict[str, Any]]:
    """fairlearn's own point values for both models: see ``autodistill.checks._fairlearn``."""
    from autodistill.checks._fairlearn import values

    return values(evidence)
