"""Champion and challengers over the nights: what a chart and its table show of each, here and in a night's own page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from autodistill import verdict
from autodistill.records import Candidate, Reading
from autodistill.report import names, numbers

MOST = 60  # nights on a chart and in its table
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 190, 86, 14, 40
BYTES = frozenset({"B", "bytes"})
TONIGHT = "this night"

Interval = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A student on one night: its name, its error on that night's audit rows, its cost (each None or empty: unread)."""

    name: str
    error: Mapping[str, float] | None = None
    cost: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Night:
    """One night: who stood, who was certified, whether that one was proposed. ``looks`` is the account of its rows."""

    date: str
    outcome: str
    champion: Shown | None = None
    challenger: Shown | None = None
    proposed: bool = False
    looks: Mapping[str, Any] = field(default_factory=dict)


def section(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """The nights up to that of a report, latest first, with their charts; None where it belongs to no night."""
    said = report.get("night")
    if not said:
        return None
    choose = str(report["policy"]["choose"])
    nights = [*msgspec.convert(said.get("earlier") or [], list[Night]), _tonight(report, said, choose)][-MOST:]
    return {"date": said["date"], "choose": choose, "charts": charts(nights, choose), "rows": rows(nights)}


def _tonight(report: Mapping[str, Any], said: Mapping[str, Any], choose: str) -> Night:
    stands, made = said.get("champion"), said.get("challenger")
    known = {msgspec.convert(e["candidate"], Candidate).key: e for e in report["entries"]}

    def shown(one: Mapping[str, Any], about: Mapping[str, Any]) -> Shown:
        name = names.candidate_name(msgspec.convert(about["candidate"], Candidate))
        return Shown(name=name, error=one["error_audit"], cost=_cost(about["readings"], choose))

    return Night(
        date=str(said["date"]),
        outcome=TONIGHT,
        champion=None if stands is None else shown(stands, stands),
        challenger=None if made is None else shown(made, known[made["key"]]),
        looks=(report.get("method") or {}).get("looks") or {},
    )


def _cost(readings: Mapping[str, Any], choose: str) -> dict[str, Any]:
    found = verdict.reading(msgspec.convert(readings, dict[str, Reading]), choose)
    if found is None or found.value is None:
        return {"value": None}
    low, high = (found.value if end is None else end for end in (found.low, found.high))
    return {"value": found.value, "low": low, "high": high, "unit": found.unit}


def charts(nights: Sequence[Night], choose: str) -> list[dict[str, Any]]:
    """One chart of errors and one of the policy's choice, each where there is a value."""
    made = (
        _chart(nights, "Error on the audit rows", " %", error),
        _chart(nights, f"{choose.capitalize()}, by which the policy chooses", _unit(nights), cost),
    )
    return [one for one in made if one is not None]


def rows(nights: Sequence[Night]) -> list[dict[str, str]]:
    """The nights in words, latest first."""
    return [
        {
            "date": one.date,
            "outcome": one.outcome,
            "champion": one.champion.name if one.champion else "none",
            "champion_error": percent(one.champion),
            "champion_cost": cost_words(one.champion),
            "challenger": one.challenger.name if one.challenger else "none",
            "challenger_error": percent(one.challenger),
            "challenger_cost": cost_words(one.challenger),
            "looks": f"{one.looks['index']} of {one.looks['looks']}" if "looks" in one.looks else "none",
        }
        for one in reversed(nights)
    ]


def _unit(nights: Sequence[Night]) -> str:
    """The unit of the policy's choice, as an axis says it."""
    units = (one.cost.get("unit") for night in nights for one in (night.champion, night.challenger) if one is not None)
    unit = next((one for one in units if one), "")
    return " kB" if unit in BYTES else f" {unit}".rstrip()


def error(student: Shown) -> Interval | None:
    """Error in percent with its interval, None where it was not read."""
    said = student.error
    return None if said is None else (100 * said["value"], 100 * said["low"], 100 * said["high"])


def cost(student: Shown) -> Interval | None:
    """The policy's choice (size in kB), None where it was not read."""
    said = student.cost
    if said.get("value") is None:
        return None
    scale = 1000.0 if said.get("unit") in BYTES else 1.0
    value, low, high = (float(said[name]) / scale for name in ("value", "low", "high"))
    return value, low, high


def percent(student: Shown | None) -> str:
    """Error with its interval, in words."""
    found = None if student is None else error(student)
    return "–" if found is None else f"{found[0]:.2f} % [{found[1]:.2f}, {found[2]:.2f}]"


def cost_words(student: Shown | None) -> str:
    """The policy's choice, in words."""
    found = None if student is None else cost(student)
    if student is None or found is None:
        return "–"
    unit = student.cost.get("unit", "")
    return f"{found[0]:,.1f} kB" if unit in BYTES else f"{found[0]:,.3g} {unit}"


def _chart(
    nights: Sequence[Night], title: str, unit: str, of: Callable[[Shown], Interval | None]
) -> dict[str, Any] | None:
    """Places of the champion's and the challengers' values over the nights, for an SVG; None where there is no value.

    x goes by night, y is linear from 0 or from the least value, whichever shows more.
    """
    points: list[tuple[int, str, Night, Shown, Interval]] = []
    for at, night in enumerate(nights):
        for role, student in (("champion", night.champion), ("challenger", night.challenger)):
            found = None if student is None else of(student)
            if student is not None and found is not None:
                points.append((at, role, night, student, found))
    if not points:
        return None
    low, high = min(p[4][1] for p in points), max(p[4][2] for p in points)
    low = 0.0 if low < 0.5 * high else low - 0.1 * (high - low or high or 1.0)
    high += 0.1 * (high - low or 1.0)

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low), 1)

    step = (WIDTH - LEFT - 20) / max(1, len(nights) - 1)
    marks = [
        {
            "x": round(LEFT + 4 + step * at + (3 if role == "challenger" else -3), 1),
            "y": y(value),
            "low": y(lower),
            "high": y(upper),
            "role": role + (" drift" if role == "champion" and night.outcome == "drift" else "")
            + (" proposed" if role == "challenger" and night.proposed else ""),
            "says": f"{night.date}, {role} {student.name}: {value:,.4g}{unit}",
        }
        for at, role, night, student, (value, lower, upper) in points
    ]  # fmt: skip
    return {
        "title": title,
        "says": _described(points, unit),
        "marks": marks,
        "ticks": [{"y": y(value), "text": f"{numbers.digits(value)}{unit}"} for value in (low, (low + high) / 2, high)],
        "ends": list(dict.fromkeys((nights[0].date, nights[-1].date))),
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
    }


def _described(points: Sequence[tuple[int, str, Night, Shown, Interval]], unit: str) -> str:
    """What a chart shows, for those who do not see it."""
    said = []
    for role in ("champion", "challenger"):
        values = [value for _, one, _, _, (value, _, _) in points if one == role]
        if values:
            span = f"{values[0]:,.4g}{unit} first, {values[-1]:,.4g}{unit} last"
            said.append(f"{role} on {len(values)} nights: {span}" if len(values) > 1 else f"{role} once: {span}")
    return f"{'; '.join(said)}. The table of the nights has every value."
