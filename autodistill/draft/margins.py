"""The limits that so many rows can certify: the smallest sensible ones that a student which loses nothing would pass.

The arithmetic is that of ``check``: splits are drawn for a student that neither gains nor loses, and a limit holds
where it passes in most of them at the level of the first of a shortlist, the hardest that a search applies.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autodistill import auditor
from autodistill.draft import assumed
from autodistill.draft.lines import EACH, LUCK, N_MIN, Margin, Wanted, line, unknown
from autodistill.records import Dataset, Policy
from autodistill.run.ordered import LENGTH

ALPHA = 0.05
LOOKS = 3
"""How often the audit rows may be judged where they allow it: a first search is rarely the last."""

TOGETHER = 0.8  # share of drawn splits that pass all lines together; of each by itself, ``EACH``
LADDER = (0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.06, 0.075, 0.10, 0.125, 0.15, 0.20, 0.25, 0.30)


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
        return assumed.wanted(dataset)
    found = [
        replace(line("accuracy_loss", {}, "at_most", (0.015, 0.10), "accuracy lost against the teacher"), always=True)
    ]
    for name in dataset.groups:
        found.append(
            line("worst_group_loss", {"attribute": name}, "at_most", (0.04, 0.15), f"accuracy lost in any {name}")
        )
    if dataset.positive is not None:
        for name in dataset.groups:
            for metric, least in (("true_positive_rate", 0.10), ("false_positive_rate", 0.05)):
                options = {"metric": metric, "attribute": name}
                about = f"growth of the gap in {metric.replace('_', ' ')}s by {name}"
                found.append(line("group_gap", options, "grows_by_at_most", (least, 0.25), about))
    return tuple(found)


def margins(dataset: Dataset) -> Margins:
    """The limit of each line on the audit split, at as many looks as leave its first line certifiable."""
    several = _margins(dataset, LOOKS)
    return _margins(dataset, 1) if any(one.wanted.always and one.why for one in several.lines) else several


def _margins(dataset: Dataset, looks: int) -> Margins:
    lines, level = wanted(dataset), ALPHA / looks / LENGTH
    audit = len(dataset.splits["audit"])
    if not dataset.classes:
        limited = tuple(assumed.margin(one, dataset, level) for one in lines)
        return Margins(lines=limited, together=None, audit=audit, level=level, looks=looks)
    loosest, _ = _tried(dataset, {at: one.most for at, one in enumerate(lines)}, lines, level)
    nameless = {name: unknown(dataset, name) for name in dataset.groups}
    whys = {
        at: _of(nameless, one) or ("" if loosest[at].power >= EACH else _why(loosest[at], one, len(dataset.y)))
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


def _of(nameless: Mapping[str, str], one: Wanted) -> str:
    return nameless.get(str(one.options.get("attribute")), "")


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
