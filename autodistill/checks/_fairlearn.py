"""fairlearn's point values, for display beside ours. The only door to fairlearn in the audit.

Its intervals must not drive a verdict (AUDIT §4), and it scores an undefined rate as 0: those are None here.
"""

from typing import Any

import numpy as np

from autodistill.stats import Evidence

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "false_negative_rate")


def values(evidence: Evidence) -> list[dict[str, Any]]:
    """One dict a (metric, attribute) with the teacher's and the student's difference, and one a (rate, attribute,
    group) with both rates. Rows of unknown group are left out. Empty for regression and where no class is rated."""
    if not evidence.classes or evidence.rated is None:
        return []
    found: list[dict[str, Any]] = []
    for attribute, column in evidence.groups.items():
        names = np.asarray([str(value) for value in column.tolist()], dtype=object)
        at = np.flatnonzero(names != "")
        if at.size:
            found += _attribute(evidence, attribute, names[at], at)
    return found


def _attribute(evidence: Evidence, attribute: str, names: Any, at: Any) -> list[dict[str, Any]]:
    import fairlearn.metrics as fair

    y = (evidence.y[at] == evidence.rated).astype(int)
    decided = {
        who: (views[evidence.split].decisions[at] == evidence.rated).astype(int)
        for who, views in (("teacher", evidence.teacher), ("student", evidence.student))
    }
    differences = (
        fair.demographic_parity_difference,
        fair.demographic_parity_ratio,
        fair.equalized_odds_difference,
        fair.equal_opportunity_difference,
    )
    out: list[dict[str, Any]] = []
    counts = {name: (int((y[names == name]).sum()), int((names == name).sum())) for name in sorted(set(names))}
    both = all(0 < positives < rows for positives, rows in counts.values())
    some = all(positives > 0 for positives, _ in counts.values())
    for metric in differences:
        name = metric.__name__
        defined = {"equalized_odds_difference": both, "equal_opportunity_difference": some}.get(name, True)
        row: dict[str, Any] = {"metric": name, "attribute": attribute}
        for who, decisions in decided.items():
            row[who] = float(metric(y, decisions, sensitive_features=names)) if defined else None
        if not defined:
            row["reason"] = "a group lacks one of the labels"
        out.append(row)
    metrics = {name: getattr(fair, name) for name in RATES}
    frames = {
        who: fair.MetricFrame(metrics=metrics, y_true=y, y_pred=decisions, sensitive_features=names).by_group
        for who, decisions in decided.items()
    }
    for rate in RATES:
        for group, (positives, rows) in counts.items():
            base = {"selection_rate": rows, "false_positive_rate": rows - positives}.get(rate, positives)
            row = {"metric": rate, "attribute": attribute, "group": group, "denominator": base}
            for who, frame in frames.items():
                row[who] = float(frame.loc[group, rate]) if base else None
            out.append(row)
    return out
