"""Findings on the loss of a row-level metric: over all rows, and of the group that loses most."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill.auditor.look import LEAN, Bounds, Look, clean, decide, remarks, settle
from autodistill.auditor.losses import OPEN, nothing
from autodistill.auditor.sizes import by_root
from autodistill.records import Finding, IntArray, LimitKind, Outcome
from autodistill.stats.clustered import INFORMATIVE, LEAST
from autodistill.stats.influence import Measured, Spreads
from autodistill.stats.shares import Floats
from autodistill.stats.spread import TILT
from autodistill.verdict import UNKNOWN, Line

DISCORDANT = 10
SILENT = f"fewer than {DISCORDANT} rows differ: a standard error certifies nothing"
HEAVY = "a few rows carry the spread, and nothing limits what one may cost: more rows are needed"
STEADIER = "the mean absolute error (metric: mae) mostly needs fewer"
UNDEFINED = "the metric is undefined on these rows"
STILL = "the change has no spread: a standard error of zero certifies nothing"


def method_of(data: Measured) -> str:
    return "influence" if data.cluster is None else "influence-clusters"


@dataclass(frozen=True, slots=True)
class Side:
    """One side of each comparison [C]: rows, what must reach n_min (rows under the metric; of clusters their number),
    rows that differ, and why too few clusters decide nothing ("" where they do)."""

    rows: Floats
    under: Floats
    differ: Floats
    clusters: list[str]


def side_of(data: Measured, member: Floats) -> Side:
    """``member`` [C, K + 1] is 1 for the groups that belong."""
    under = member @ (data.rows if data.found.denominators is None else data.found.denominators)
    rows, differ = member @ data.rows, member @ data.differ
    if data.cluster is None:
        return Side(rows, under, differ, [""] * len(member))
    units, some = data.clusters(member)
    why = [
        ""
        if count >= LEAST and moved >= INFORMATIVE
        else f"{count:.0f} clusters, {moved:.0f} with rows that differ: {LEAST} and {INFORMATIVE} are needed"
        for count, moved in zip(units, some, strict=True)
    ]
    return Side(rows, np.minimum(under, units), differ, why)


def silent_of(differ: Floats, error: Floats, heavy: npt.NDArray[np.bool_]) -> list[str]:
    """Why a comparison cannot pass; "" where it can."""
    return [
        SILENT if few < DISCORDANT else STILL if not spread > 0 else HEAVY if rests else ""
        for few, spread, rests in zip(differ, error, heavy, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Losses:
    """Losses of the groups ``at`` with limits: of the student's metric less the teacher's, or of their ratio."""

    names: tuple[str, ...]
    at: IntArray
    loss: Floats
    low: Floats
    shared_low: Floats
    high: Floats
    fail_low: Floats
    side: Side
    unfit: list[str]
    silent: list[str]
    unseen: Floats
    tilt: Floats

    @property
    def counted(self) -> IntArray:
        fine = [g for g, why in enumerate(self.unfit) if not why]
        return np.array(fine or range(len(self.at)), dtype=np.int64)

    @property
    def worst(self) -> int:
        return int(self.counted[np.argmax(np.nan_to_num(self.loss[self.counted], nan=-np.inf))])

    @property
    def bounds(self) -> Bounds:
        """Of the largest loss: high at α is the largest upper bound, low at α/G the largest lower one."""
        low, high, fail = (float(v[self.counted].max()) for v in (self.shared_low, self.high, self.fail_low))
        return Bounds(float(self.loss[self.worst]), low, high, fail)


def _losses(look: Look, data: Measured, spreads: Spreads, names: tuple[str, ...], at: IntArray, ratio: bool) -> _Losses:
    spread = (spreads.ratio if ratio else spreads.change).take(at)
    levels = np.array([look.level, look.fail_level, look.level / max(1, len(at))])[:, None]
    low, high = spread.limits(levels)
    loss = spread.estimate
    if data.found.harm < 0:
        loss, low, high = -loss, -high, -low
    if ratio:
        loss, low, high = np.exp(loss), np.exp(low), np.exp(high)
    side = side_of(data, np.eye(data.size)[at])
    unfit = [
        why
        or (f"{rows:.0f}, n_min is {look.policy.n_min}" if rows < look.policy.n_min else "")
        or ("" if np.isfinite(value) else UNDEFINED)
        for why, rows, value in zip(side.clusters, side.under, loss, strict=True)
    ]
    bounds = (low[0], low[2], high[0], low[1])
    silent, unseen = silent_of(side.differ, spread.error, spread.heavy), spread.unseen(look.level)
    return _Losses(names, at, loss, *bounds, side, unfit, silent, unseen, np.abs(spread.tilt))


def _judged(look: Look, data: Measured) -> tuple[tuple[str, ...], IntArray, list[str]]:
    """Names and codes of the groups that the policy speaks of, and the names of those that it leaves undecided."""
    names = list(data.found.names)
    if look.policy.unknown == "require" and data.found.compare == "each" and data.rows[-1]:
        names.append(UNKNOWN)
    aside = [g for g in range(len(names)) if names[g] and look.excluded(float(data.rows[g]))]
    kept = np.array([g for g in range(len(names)) if g not in aside], dtype=np.int64)
    return tuple(names[g] for g in kept), kept, [names[g] for g in aside]


def loss(look: Look, line: Line, data: Measured, spreads: Spreads, kind: LimitKind | None) -> list[Finding]:
    """The finding on the loss over all rows, or on that of the group which loses most."""
    names, at, aside = _judged(look, data)
    if not names:
        return nothing(look, line, "no group is known" if not aside else f"all groups are left out: {', '.join(aside)}")
    ratio = kind == "at_most_ratio"
    if ratio and not data.found.ratio:
        why = "a ratio of this metric means nothing: limit the loss by at_most"
        return [look.finding(line, kind, "NOT_APPLICABLE", quantity=line.name, method="none", note=why)]
    losses = _losses(look, data, spreads, names, at, ratio)
    limit, bounds, each = line.limits.get(kind) if kind else None, losses.bounds, data.found.compare == "each"
    outcome, notes = _outcome(losses, bounds, limit, ratio)
    unknown_rows = float(data.rows[-1]) if each else 0.0
    outcome, required = settle(look, line, outcome, unknown_rows=unknown_rows, excluded=False)
    notes += remarks(look, bounds, limit, outcome, unknown_rows)
    worst = losses.worst
    g = int(at[worst])
    needed = None
    open_ = required and outcome in OPEN and LEAN not in notes and not any(losses.silent[k] for k in losses.counted)
    if look.rows_needed and limit is not None and open_:
        needed = _needed(look, losses, limit, float(data.rows[g]), ratio)
    elif look.rows_needed and required and outcome == "INCONCLUSIVE" and HEAVY in notes:
        needed = _steadied(losses, float(data.rows[g]))
        notes += [STEADIER] if getattr(line.check, "metric", "") == "rmse" else []
    word = "ratio" if ratio else "loss"
    statement = "" if limit is None else f"{word} < {limit:g}" + (" in every group" if each else "")
    return [
        look.finding(
            line,
            kind,
            outcome,
            group=names[worst] or None,
            required=required,
            teacher=finite(spreads.teacher.estimate[g]),
            student=finite(spreads.student.estimate[g]),
            quantity=("worst_" if each else "") + word,
            estimate=finite(bounds.estimate),
            low=finite(bounds.low),
            high=finite(bounds.high),
            unit="ratio" if ratio else str(line.check.unit),
            method=method_of(data),
            statement=statement,
            rows=int(data.rows[g]),
            denominator=int(losses.side.under[worst]),
            rows_needed=needed,
            note="; ".join(notes),
            details=_details(data, losses, bounds, limit, each) | ({"excluded": aside} if aside else {}),
        )
    ]


def _outcome(losses: _Losses, bounds: Bounds, limit: float | None, ratio: bool) -> tuple[Outcome, list[str]]:
    outcome: Outcome = "REPORTED" if limit is None else decide(bounds, limit)
    counted = losses.counted
    notes = [f"largest of {len(counted)} losses, biased upwards"] if len(counted) > 1 else []
    unfit = [f"{name or 'all rows'} ({why})" for name, why in zip(losses.names, losses.unfit, strict=True) if why]
    if unfit:
        outcome = outcome if outcome == "FAIL" and len(unfit) < len(losses.at) else "INSUFFICIENT"
        return outcome, [*notes, f"too few or undefined: {', '.join(unfit)}"]
    unseen = float(losses.unseen[losses.worst])
    reached = bounds.estimate * np.exp(unseen) if ratio else bounds.estimate + unseen
    if outcome == "INCONCLUSIVE" and bounds.estimate < (limit or 0.0) <= reached:
        notes.append("a row that nobody has seen could cost as much: more rows, or a larger clip or floor")
    reasons = dict.fromkeys(losses.silent[g] for g in counted if losses.silent[g])
    if outcome == "PASS" and reasons:
        return "INCONCLUSIVE", [*notes, *reasons]
    return outcome, notes


def _needed(look: Look, losses: _Losses, limit: float, rows: float, ratio: bool) -> int | None:
    """Rows (of the shown group, all others in proportion) at which each group passes with 80 % power by 1/√rows."""
    scale = np.log if ratio else np.asarray
    loss, high, most = (np.atleast_1d(scale(v)) for v in (losses.loss, losses.high, limit))
    needs = [by_root(float(loss[g]), float(high[g]), float(most[0]), look.level, rows) for g in losses.counted]
    return None if any(need is None for need in needs) else max(int(need or 0) for need in needs)


def _steadied(losses: _Losses, rows: float) -> int:
    """Rows at which the error rests on few rows no more: a skewness that stays tilts it by 1/√rows."""
    return math.ceil(rows * float((losses.tilt[losses.counted] / TILT).max()) ** 2)


def _details(data: Measured, losses: _Losses, bounds: Bounds, limit: float | None, each: bool) -> dict[str, Any]:
    worst = losses.worst
    g = int(losses.at[worst])
    details: dict[str, Any] = {"differ": int(data.differ[g]), "fail_low": finite(bounds.fail_low)}
    details["smallest_margin"] = finite(losses.high[worst] - losses.loss[worst])
    details |= {"clusters": int(data.units[g])} if data.cluster is not None else {}
    if not each:
        return details | (clean(data.found.more[g]) if data.found.more else {})
    rows = []
    for k, name in enumerate(losses.names):
        loss, low, high = (finite(v[k]) for v in (losses.loss, losses.low, losses.high))
        outcome: Outcome = "REPORTED"
        if losses.unfit[k]:
            outcome = "INSUFFICIENT"
        elif limit is not None:
            own = Bounds(*(float(v[k]) for v in (losses.loss, losses.low, losses.high, losses.fail_low)))
            outcome = decide(own, limit)
            outcome = "INCONCLUSIVE" if outcome == "PASS" and losses.silent[k] else outcome
        row = {"group": name, "outcome": outcome, "estimate": loss, "low": low, "high": high}
        rows.append(clean(row | {"rows": losses.side.rows[k]}) | {"differ": int(losses.side.differ[k])})
    return details | {"groups": rows}


def finite(value: Any) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None
