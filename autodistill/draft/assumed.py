"""The limits of a regression. How far the errors of two models differ row by row no label tells, so it is assumed: the
limits follow from the normal formula with ``SPREAD``, and the report says which would have been certified."""

import math
from dataclasses import dataclass, replace

import numpy as np

from autodistill.draft.lines import EACH, LUCK, N_MIN, Margin, Wanted, line, unknown
from autodistill.records import Dataset, Policy, Requirement
from autodistill.stats import z_value

SPREAD = 0.3
"""What a row adds to the difference of two errors, as a share of the target's standard deviation: assumed. Measured
were 0.12 on 61,395 wages, and 0.30 (0.19 to 0.42 in eight of ten) for absolute errors on 442 patients."""

MANY = 400
"""Rows from which on an RMSE is asked for, and below it the mean absolute error. Nothing limits what one row may cost
an RMSE, and where few rows carry it nothing is decided (``stats.spread.TILT``): on 100 of 442 patients 40 % of 240
pairs of models were not, and of their absolute errors none. At 400 rows a skewness of 2 is borne."""

FEW = 80
"""Rows below which a mean absolute error, too, may rest on few of them, and a group's is only reported: of those pairs
1 % were not decided on 80 rows, 5 % on 50."""

FINE = 0.02  # of the target's standard deviation: a finer limit than that refuses students for nothing
COARSE = 0.25
NAMES = {"rmse": "RMSE", "mae": "mean absolute error"}
NOT_KNOWN = "no label tells, and no spread was measured for it"


@dataclass(frozen=True, kw_only=True, slots=True)
class Certified:
    """What so many rows certify of one required line under the assumed spread: ``margin`` is the smallest limit that a
    student which loses nothing passes nine times of ten, None where ``note`` says why there is none."""

    id: str
    rows: int
    limit: float
    margin: float | None
    note: str = ""


def wanted(dataset: Dataset) -> tuple[Wanted, ...]:
    """The lines of a first policy: the error of all and of every group, and what gaps in mean errors grow by."""
    spread = _deviation(dataset)
    least, most = FINE * spread, COARSE * spread
    metric = _metric(len(dataset.splits["audit"]))
    about = f"{NAMES[metric]} gained over the teacher's"
    found = [replace(line("score_loss", {"metric": metric}, "at_most", (least, most), about), always=True)]
    for name in dataset.groups:
        metric = _metric(min(_sizes(dataset, name)))
        options = {"metric": metric, "attribute": name}
        found.append(line("score_loss", options, "at_most", (2 * least, most), f"{NAMES[metric]} gained in any {name}"))
    for name in dataset.groups:
        options = {"metric": "mean_error", "attribute": name}
        about = f"growth of the gap in mean errors by {name}"
        found.append(line("score_gap", options, "grows_by_at_most", (2 * least, 2 * most), about))
    return tuple(found)


def margin(one: Wanted, dataset: Dataset, level: float) -> Margin:
    """The limit of a line at ``level``, and where the rows cannot certify it, why and what it takes."""
    name = one.options.get("attribute")
    sizes = _sizes(dataset, name)
    rows, why = min(sizes), "" if name is None else unknown(dataset, name)
    if why:
        return Margin(wanted=one, limit=None, power=None, rows=rows, why=why)
    needs = FEW if one.check == "score_loss" else N_MIN
    if rows < needs:
        more = math.ceil(len(dataset.y) * LUCK * needs / max(rows, 1) / 100) * 100
        why = f"it rests on {rows} audit rows where about {needs} are needed; {more:,} rows in the table could"
        return Margin(wanted=one, limit=_kept(one), power=None, rows=rows, why=why)
    reach = _reach(dataset, sizes, one.limit_kind, level)
    limit = _rounded(max(one.least, reach))
    if limit > one.most:
        needed = math.ceil(len(dataset.y) * (reach / one.most) ** 2 / 100) * 100
        why = f"{rows} rows cannot tell {_rounded(one.most):g} from nothing; about {needed:,} rows in the table could"
        return Margin(wanted=one, limit=_kept(one), power=None, rows=rows, why=why)
    return Margin(wanted=one, limit=limit, power=None, rows=rows)


def certified(policy: Policy, dataset: Dataset, level: float) -> tuple[Certified, ...]:
    """Each required check of a policy for a regression, with the smallest limit that the audit split certifies."""
    return tuple(
        _certified(rule, kind, limit, dataset, level, policy.n_min)
        for rule in policy.require
        if rule.kind == "check"
        for kind, limit in rule.limits.items()
    )


def _certified(rule: Requirement, kind: str, limit: float, dataset: Dataset, level: float, n_min: int) -> Certified:
    name, metric = rule.options.get("attribute"), str(rule.options.get("metric", ""))
    title = "/".join(part for part in (rule.name, metric, str(name or ""), kind) if part)
    sizes = _sizes(dataset, name)
    rows = min(sizes)
    known = (rule.name == "score_loss" and kind == "at_most" and metric in NAMES) or (
        rule.name == "score_gap" and kind == "grows_by_at_most" and metric in {*NAMES, "mean_error"}
    )
    if not known or (rule.name == "score_gap" and name is None):
        return Certified(id=title, rows=rows, limit=limit, margin=None, note=NOT_KNOWN)
    if rows < n_min:
        return Certified(id=title, rows=rows, limit=limit, margin=None, note=f"{rows} rows, {n_min} are needed")
    reach = _rounded(_reach(dataset, sizes, kind, level))
    note = "expect INCONCLUSIVE: the limit is smaller" if limit < reach else ""
    if not note and rule.name == "score_loss" and rows < (MANY if metric == "rmse" else FEW):
        note = "may stay undecided: few rows can carry it" + (" (metric: mae needs fewer)" if metric == "rmse" else "")
    return Certified(id=title, rows=rows, limit=limit, margin=reach, note=note)


def _metric(rows: int) -> str:
    return "rmse" if rows >= MANY else "mae"


def _deviation(dataset: Dataset) -> float:
    return float(np.std(dataset.y[dataset.splits["train"]]))


def _sizes(dataset: Dataset, name: str | None) -> list[int]:
    """Audit rows of each group of an attribute; of all, without one."""
    at = dataset.splits["audit"]
    if name is None:
        return [len(at)]
    groups = [group for group in dict.fromkeys(dataset.groups[name].tolist()) if group]
    return [int((dataset.groups[name][at] == group).sum()) for group in groups]


def _reach(dataset: Dataset, sizes: list[int], kind: str, level: float) -> float:
    """The smallest limit that passes nine times of ten; a gap is a difference of two groups' means, a loss the mean
    of one."""
    least = 1 / min(sizes) + (1 / max(sizes) if kind == "grows_by_at_most" else 0.0)
    return (float(z_value(level)) + float(z_value(1 - EACH))) * SPREAD * _deviation(dataset) * math.sqrt(least)


def _kept(one: Wanted) -> float | None:
    """The limit of a line that these rows cannot certify."""
    return _rounded(one.most) if one.always else None


def _rounded(value: float) -> float:
    """Up to two significant digits."""
    digits = 1 - math.floor(math.log10(value))
    return float(math.ceil(round(value * 10.0**digits, 6)) / 10.0**digits)
