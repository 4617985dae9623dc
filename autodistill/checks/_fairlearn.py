"""fairlearn's point values, for display beside ours. The only door to fairlearn in the audit.

Its intervals must not drive a verdict (AUDIT §4), and it scores an undefined rate as 0: those are None here.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autodistill.stats import Evidence

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "false_negative_rate")


def values(evidence: Evidence) -> list[dict[str, Any]]:
    """One dict a (metric, attribute) with the teacher's and the student's difference, and one a (rate, attribute,
    group) with both rates. Rows of unknown group are left out. Empty for regression and where no class is rated.

    fairlearn is given each distinct (group, label, decision) once, weighted by its rows: the same numbers, at a cost
    that does not depend on the rows.
    """
    if not evidence.classes or evidence.rated is None:
        return []
    found: list[dict[str, Any]] = []
    for attribute, (names, codes) in evidence.encoded.items():
        if (codes < len(names)).any():
            found += _attribute(evidence, attribute, names, codes)
    return found


def _attribute(evidence: Evidence, attribute: str, names: tuple[str, ...], codes: Any) -> list[dict[str, Any]]:
    y = (evidence.y == evidence.rated).astype(int)
    sizes = np.bincount(codes * 2 + y, minlength=2 * len(names) + 2)[: 2 * len(names)].reshape(-1, 2)
    counts = {name: (int(n[1]), int(n.sum())) for name, n in zip(names, sizes, strict=True) if n.sum()}
    frames = {
        who: _frame(evidence, views[evidence.split].decisions, names, codes)
        for who, views in (("teacher", evidence.teacher), ("student", evidence.student))
    }
    both = all(0 < positives < rows for positives, rows in counts.values())
    some = all(positives > 0 for positives, _ in counts.values())
    out: list[dict[str, Any]] = []
    for name, difference in DIFFERENCES.items():
        defined = {"equalized_odds_difference": both, "equal_opportunity_difference": some}.get(name, True)
        row: dict[str, Any] = {"metric": name, "attribute": attribute}
        row |= {who: float(difference(frame)) if defined else None for who, frame in frames.items()}
        out.append(row if defined else row | {"reason": "a group lacks one of the labels"})
    for rate in RATES:
        for group, (positives, rows) in counts.items():
            base = {"selection_rate": rows, "false_positive_rate": rows - positives}.get(rate, positives)
            row = {"metric": rate, "attribute": attribute, "group": group, "denominator": base}
            row |= {who: float(frame.by_group.loc[group, rate]) if base else None for who, frame in frames.items()}
            out.append(row)
    return out


def _frame(evidence: Evidence, decisions: Any, names: tuple[str, ...], codes: Any) -> Any:
    """fairlearn's ``MetricFrame`` of the four rates by known group."""
    import fairlearn.metrics as fair

    cell = codes * 4 + 2 * (evidence.y == evidence.rated) + (decisions == evidence.rated)
    rows = np.bincount(cell, minlength=4 * len(names) + 4)[: 4 * len(names)]
    there = np.flatnonzero(rows)
    return fair.MetricFrame(
        metrics={name: getattr(fair, name) for name in RATES},
        y_true=there // 2 % 2,
        y_pred=there % 2,
        sensitive_features=np.array(names, dtype=object)[there // 4],
        sample_params={name: {"sample_weight": rows[there].astype(float)} for name in RATES},
    )


def _rate(name: str) -> Callable[[Any], Any]:
    return lambda frame: frame.difference(method="between_groups")[name]


DIFFERENCES: Mapping[str, Callable[[Any], Any]] = {
    "demographic_parity_difference": _rate("selection_rate"),
    "demographic_parity_ratio": lambda frame: frame.ratio(method="between_groups")["selection_rate"],
    "equalized_odds_difference": lambda frame: max(
        frame.difference(method="between_groups")[name] for name in ("true_positive_rate", "false_positive_rate")
    ),
    "equal_opportunity_difference": _rate("true_positive_rate"),
}
"""fairlearn's own definitions, each from one frame."""
