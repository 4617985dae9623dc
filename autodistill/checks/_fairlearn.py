"""The point values that fairlearn gives, by its definitions, for display beside ours.

They are computed from counts, so that an audit of a table opens neither pandas nor scikit-learn, at a cost that does
not depend on the rows; the tests hold each against fairlearn itself, to the last digit. fairlearn's intervals must not
drive a verdict (AUDIT §4), and it scores an undefined rate as 0: those are None here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill.stats import Evidence

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "false_negative_rate")
ODDS = ("true_positive_rate", "false_positive_rate")
LACKS = "a group lacks one of the labels"

Counts = npt.NDArray[np.int64]
"""[G, 2, 2] rows by group, label is the rated class, decision is."""


def values(evidence: Evidence) -> list[dict[str, Any]]:
    """One dict a (metric, attribute) with the teacher's and the student's difference, and one a (rate, attribute,
    group) with both rates. Rows of unknown group are left out. Empty for regression and where no class is rated."""
    if not evidence.classes or evidence.rated is None:
        return []
    found: list[dict[str, Any]] = []
    for attribute, (names, codes) in evidence.encoded.items():
        there = np.flatnonzero(np.bincount(codes, minlength=len(names) + 1)[: len(names)])
        counted = {
            who: _counts(evidence, views[evidence.split].decisions, len(names), codes)[there]
            for who, views in (("teacher", evidence.teacher), ("student", evidence.student))
        }
        if there.size:
            found += _attribute(attribute, [names[at] for at in there], counted)
    return found


def _counts(evidence: Evidence, decisions: Any, groups: int, codes: Any) -> Counts:
    cell = codes * 4 + 2 * (evidence.y == evidence.rated) + (decisions == evidence.rated)
    return np.bincount(cell, minlength=4 * groups + 4)[: 4 * groups].reshape(groups, 2, 2)


def _attribute(attribute: str, names: Sequence[str], counted: Mapping[str, Counts]) -> list[dict[str, Any]]:
    rates = {who: {rate: _rate(rate, counts) for rate in RATES} for who, counts in counted.items()}
    out: list[dict[str, Any]] = []
    for metric in (
        "demographic_parity_difference",
        "demographic_parity_ratio",
        "equalized_odds_difference",
        "equal_opportunity_difference",
    ):
        row: dict[str, Any] = {"metric": metric, "attribute": attribute}
        row |= {who: _between(metric, by) for who, by in rates.items()}
        if None in (row["teacher"], row["student"]):
            row["reason"] = "no group is selected" if metric == "demographic_parity_ratio" else LACKS
        out.append(row)
    for rate in RATES:
        for g, group in enumerate(names):
            bases = {who: by[rate][g] for who, by in rates.items()}
            row = {"metric": rate, "attribute": attribute, "group": group, "denominator": bases["teacher"][1]}
            out.append(row | {who: over / of if of else None for who, (over, of) in bases.items()})
    return out


def _rate(name: str, counts: Counts) -> list[tuple[int, int]]:
    """Numerator and denominator of a rate in each group."""
    if name == "selection_rate":
        over, of = counts[:, :, 1].sum(axis=1), counts.sum(axis=(1, 2))
    else:
        label = 0 if name == "false_positive_rate" else 1
        over, of = counts[:, label, 0 if name == "false_negative_rate" else 1], counts[:, label].sum(axis=1)
    return list(zip(over.tolist(), of.tolist(), strict=True))


def _between(metric: str, by: Mapping[str, Sequence[tuple[int, int]]]) -> float | None:
    """The largest difference between groups, or the smallest over the largest; None where a rate is undefined."""
    names = {"equalized_odds_difference": ODDS, "equal_opportunity_difference": ODDS[:1]}.get(metric, RATES[:1])
    if any(of == 0 for name in names for _, of in by[name]):
        return None
    shares = [[over / of for over, of in by[name]] for name in names]
    if metric == "demographic_parity_ratio":
        return min(shares[0]) / max(shares[0]) if max(shares[0]) else None
    return max(max(one) - min(one) for one in shares)
