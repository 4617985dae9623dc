"""The limits that so many rows can certify: the smallest sensible ones that a student which loses nothing would pass.

The arithmetic is that of ``check``: splits are drawn for a student that neither gains nor loses, and a limit holds
where it passes in most of them at the level of the first of a shortlist, the hardest that a search applies.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autodistill import auditor
from autodistill.records import Dataset, Policy, Requirement
from autodistill.run.ordered import LENGTH
from autodistill.stats import z_value

ALPHA = 0.05
LOOKS = 3
"""How often the audit rows may be judged where they allow it: a first search is rarely the last."""

N_MIN = 30
LUCK = 1.2  # a split's share of a small group varies
EACH, TOGETHER = 0.9, 0.8
"""Shares of drawn splits that pass: each line by itself, and all lines together."""

LADDER = (0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.06, 0.075, 0.10, 0.125, 0.15, 0.20, 0.25, 0.30)
SPREAD = 0.25
"""What a row adds to the difference of two errors, as a share of the target's standard deviation: assumed. Measured
were 0.12 on 61,395 wages and 0.2 to 0.3 on 442 patients."""

UNLIMITED = 100
"""Rows below which an RMSE is mostly not decided: nothing limits what one row may cost, and few rows carry the error
(``stats.spread.TILT`` at a skewness of 1, assumed)."""

FINE = 0.02  # of the target's standard deviation: a finer limit than that refuses students for nothing
COARSE = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A line that a policy could have: from the sensible limit up to the loosest that still says something.

    ``always``: it is required whatever the rows can certify, since a policy without it would accept anything.
    """

    check: str
    options: Mapping[str, Any]
    limit_kind: str
    least: float
    most: float
    about: str
    always: bool = False

    def line(self, limit: float) -> Requirement:
        """The line with a limit."""
        return Requirement(kind="check", name=self.check, options=dict(self.options), limits={self.limit_kind: limit})


@dataclass(frozen=True, kw_only=True, slots=True)
class Margin:
    """What these rows can do for one line: the limit it gets (None: it is only reported), the share of drawn splits
    that pass it, the rows under its smallest denominator; and where they cannot certify it, why and what it takes."""

    wanted: Wanted
    limit: float | None
    power: float | None
    rows: int
    why: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Margins:
    """All lines, and the share of drawn splits on which every one passes (None: not among what labels alone tell)."""

    lines: tuple[Margin, ...]
    together: float | None
    audit: int
    level: float
    looks: int


def wanted(dataset: Dataset) -> tuple[Wanted, ...]:
    """The lines that a first policy asks for: accuracy, accuracy of every group, and what its gaps grow by."""
    if not dataset.classes:
        return _regression(dataset)
    found = [
        replace(_line("accuracy_loss", {}, "at_most", (0.015, 0.10), "accuracy lost against the teacher"), always=True)
    ]
    for name in dataset.groups:
        found.append(
            _line("worst_group_loss", {"attribute": name}, "at_most", (0.04, 0.15), f"accuracy lost in any {name}")
        )
    if dataset.positive is not None:
        for name in dataset.groups:
            for metric, least in (("true_positive_rate", 0.10), ("false_positive_rate", 0.05)):
                options = {"metric": metric, "attribute": name}
                about = f"growth of the gap in {metric.replace('_', ' ')}s by {name}"
                found.append(_line("group_gap", options, "grows_by_at_most", (least, 0.25), about))
    return tuple(found)


def margins(dataset: Dataset) -> Margins:
    """The limit of each line on the audit split, at as many looks as leave its first line certifiable."""
    several = _margins(dataset, LOOKS)
    return _margins(dataset, 1) if any(one.wanted.always and one.why for one in several.lines) else several


def _margins(dataset: Dataset, looks: int) -> Margins:
    lines, level = wanted(dataset), ALPHA / looks / LENGTH
    audit = len(dataset.splits["audit"])
    if not dataset.classes:
        assumed = tuple(_assumed(one, dataset, level) for one in lines)
        return Margins(lines=assumed, together=None, audit=audit, level=level, looks=looks)
    loosest, _ = _tried(dataset, {at: one.most for at, one in enumerate(lines)}, lines, level)
    unknown = {name: _unknown(dataset, name) for name in dataset.groups}
    whys = {
        at: _of(unknown, one) or ("" if loosest[at].power >= EACH else _why(loosest[at], one, len(dataset.y)))
        for at, one in enumerate(lines)
    }
    limits = {
        at: one.most if whys[at] else _step(one, loosest[at].reach)
        for at, one in enumerate(lines)
        if one.always or not whys[at]
    }
    seen, together = _loosened(dataset, limits, lines, level)
    found = []
    for at, one in enumerate(lines):
        power = seen[at].power if at in limits else None
        limit = limits.get(at)
        found.append(Margin(wanted=one, limit=limit, power=power, rows=loosest[at].rows, why=whys[at]))
    return Margins(lines=tuple(found), together=together, audit=audit, level=level, looks=looks)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One line with one limit: the least power of its tests, the fewest rows under one, the widest limit that nine of
    ten splits pass, a note."""

    power: float
    rows: int
    reach: float
    note: str


def _unknown(dataset: Dataset, name: str) -> str:
    """Why nothing is decided of an attribute that too many rows do not have; "" where that is not so."""
    column = dataset.groups[name][dataset.splits["audit"]]
    share = float((column == "").mean())
    most = Policy(name="", version="", require=()).unknown_at_most
    if share <= most:
        return ""
    do = "fill the column, or raise unknown_at_most in the policy"
    return f"{share:.0%} of the audit rows have no known group, above {most:.0%}: {do}"


def _of(unknown: Mapping[str, str], one: Wanted) -> str:
    return unknown.get(str(one.options.get("attribute")), "")


def _line(check: str, options: Mapping[str, Any], kind: str, limits: tuple[float, float], about: str) -> Wanted:
    return Wanted(check=check, options=options, limit_kind=kind, least=limits[0], most=limits[1], about=about)


def _step(one: Wanted, reach: float) -> float:
    """The first step of the ladder that is sensible and beyond ``reach``."""
    return next((step for step in LADDER if one.least <= step < one.most and step > reach), one.most)


def _tried(
    dataset: Dataset, limits: Mapping[int, float], lines: Sequence[Wanted], level: float
) -> tuple[dict[int, _Seen], float]:
    """The lines of ``limits`` by their places, each with its limit; and how often all of them pass."""
    rules = tuple(lines[at].line(limit) for at, limit in limits.items())
    policy = Policy(name="draft", version="1", require=rules, n_min=N_MIN)
    found = auditor.certifiable(policy, dataset, level=level)
    out = {}
    for at in limits:
        one = lines[at]
        tests = [t for t in found if t.check == one.check and _same(t.options, one.options)]
        noted = next((t.note for t in tests if t.note), "" if tests else "cannot be decided on these data")
        power = 0.0 if noted else min(t.power for t in tests)
        rows = min((min(t.denominator, t.denominator_reference or t.denominator) for t in tests), default=0)
        out[at] = _Seen(power, rows, max((t.reach or 0.0 for t in tests), default=0.0), noted)
    return out, found[-1].power


def _same(given: Mapping[str, Any], options: Mapping[str, Any]) -> bool:
    return all(given.get(name) == value for name, value in options.items())


def _loosened(
    dataset: Dataset, limits: dict[int, float], lines: Sequence[Wanted], level: float
) -> tuple[dict[int, _Seen], float]:
    """What the limits come to, those nearest to failing loosened until all together pass often enough."""
    if not limits:
        return {}, 0.0
    while True:
        seen, together = _tried(dataset, limits, lines, level)
        loose = [(seen[at].power, at) for at, limit in limits.items() if limit < lines[at].most]
        if not loose or (together >= TOGETHER and min(loose)[0] >= EACH):
            return seen, together
        tightest = min(loose)[1]
        limits[tightest] = _step(lines[tightest], limits[tightest])


def _why(seen: _Seen, one: Wanted, rows: int) -> str:
    """Why no limit is certified, and how many rows would do; margins shrink with the root of the rows."""
    if seen.note and 0 < seen.rows < N_MIN:
        needed = math.ceil(rows * LUCK * N_MIN / seen.rows / 100) * 100
        few = f"the smallest group has {seen.rows} such rows where {N_MIN} are needed"
        return f"{few}; about {needed:,} rows in the table could, or small groups put together (merge)"
    if seen.note:
        return seen.note
    needed = math.ceil(rows * (seen.reach / one.most) ** 2 / 100) * 100
    return f"{seen.rows} rows cannot tell {one.most:g} from nothing; about {needed:,} rows in the table could"


def _regression(dataset: Dataset) -> tuple[Wanted, ...]:
    spread = float(np.std(dataset.y[dataset.splits["train"]]))
    least, most = FINE * spread, COARSE * spread
    first = _line("score_loss", {"metric": "rmse"}, "at_most", (least, most), "RMSE gained over the teacher's")
    found = [replace(first, always=True)]
    for name in dataset.groups:
        options = {"metric": "rmse", "attribute": name}
        found.append(_line("score_loss", options, "at_most", (2 * least, most), f"RMSE gained in any {name}"))
    for name in dataset.groups:
        options = {"metric": "mean_error", "attribute": name}
        about = f"growth of the gap in mean errors by {name}"
        found.append(_line("score_gap", options, "grows_by_at_most", (2 * least, 2 * most), about))
    return tuple(found)


def _assumed(one: Wanted, dataset: Dataset, level: float) -> Margin:
    """A limit by the normal formula: a row adds ``SPREAD`` of the target's standard deviation to the difference."""
    at = dataset.splits["audit"]
    spread = SPREAD * float(np.std(dataset.y[dataset.splits["train"]]))
    name = one.options.get("attribute")
    groups = [] if name is None else [v for v in dict.fromkeys(dataset.groups[name].tolist()) if v]
    sizes = [int((dataset.groups[name][at] == group).sum()) for group in groups] if name else [len(at)]
    rows = min(sizes)
    if name and _unknown(dataset, name):
        return Margin(wanted=one, limit=None, power=None, rows=rows, why=_unknown(dataset, name))
    needs = UNLIMITED if one.check == "score_loss" else N_MIN
    if rows < needs:
        more = math.ceil(len(dataset.y) * LUCK * needs / max(rows, 1) / 100) * 100
        why = f"it rests on {rows} audit rows where about {needs} are needed; {more:,} rows in the table could"
        return Margin(wanted=one, limit=_kept(one), power=None, rows=rows, why=why)
    # A gap is a difference of two groups' means, a loss the mean of one.
    least = 1 / rows + (1 / max(sizes) if one.limit_kind == "grows_by_at_most" else 0.0)
    reach = (float(z_value(level)) + float(z_value(1 - EACH))) * spread * math.sqrt(least)
    limit = _rounded(max(one.least, reach))
    if limit > one.most:
        needed = math.ceil(len(dataset.y) * (reach / one.most) ** 2 / 100) * 100
        why = f"{rows} rows cannot tell {_rounded(one.most):g} from nothing; about {needed:,} rows in the table could"
        return Margin(wanted=one, limit=_kept(one), power=None, rows=rows, why=why)
    return Margin(wanted=one, limit=limit, power=None, rows=rows)


def _kept(one: Wanted) -> float | None:
    """The limit of a line that these rows cannot certify."""
    return _rounded(one.most) if one.always else None


def _rounded(value: float) -> float:
    """Up to two significant digits."""
    digits = 1 - math.floor(math.log10(value))
    return float(math.ceil(round(value * 10.0**digits, 6)) / 10.0**digits)
