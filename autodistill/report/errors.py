"""How a run's errors read: shares of rows in percent; of a regression in the target's unit, and on the search split, as
the search steers by it, in standard deviations of the target."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from autodistill.records import Finding
from autodistill.report import numbers

TARGET = "target"
UNNAMED = "units of the target"
Plain = Mapping[str, Any]


def of_numbers(report: Plain) -> bool:
    """Whether a run is about numbers, not classes."""
    return not (report.get("data") or {}).get("classes")


def unit(report: Plain) -> str:
    """What the target is counted in, where the experiment file says so."""
    return str((report.get("data") or {}).get("unit") or UNNAMED)


def named(found: Iterable[Finding], report: Plain) -> tuple[Finding, ...]:
    """Findings of a regression in the unit that the experiment file gives the target; a score is in it, too."""
    if not report or not of_numbers(report):
        return tuple(found)
    given = (report.get("data") or {}).get("unit")
    own = {TARGET: str(given), f"{TARGET}²": f"squared {given}", "score": str(given)} if given else {"score": TARGET}
    return tuple(replace(one, unit=own.get(one.unit, one.unit)) for one in found)


def title(report: Plain) -> str:
    """What an error is called."""
    return "Root mean squared error" if of_numbers(report) else "Error"


def search(value: float | None, report: Plain, places: int = 2) -> str:
    """An error on the search split."""
    if not of_numbers(report):
        return numbers.percent(value, places)
    return numbers.MISSING if value is None else f"{numbers.fixed(value, places + 2)}{numbers.NARROW}sd"


def search_step(value: float | None, report: Plain) -> str:
    """A difference of two errors on the search split."""
    if not of_numbers(report):
        return numbers.points(value, 2)
    return numbers.MISSING if value is None else f"{numbers.fixed(value, 4)}{numbers.NARROW}sd"


def value(found: Plain | None, report: Plain) -> str:
    """An error with its unit, or how much larger it is than another's."""
    given = found or {}
    shown, step = given.get("value"), given.get("estimate")
    if given.get("unit") != TARGET:
        return numbers.percent(shown, 2) if "value" in given or not given else numbers.points(step, 2)
    number = shown if shown is not None else step
    return numbers.MISSING if number is None else f"{numbers.alike(number, _size(given))}{numbers.NARROW}{unit(report)}"


def interval(found: Plain | None) -> str:
    """``[low, high]`` without a unit; empty where there is none."""
    if not found or found.get("low") is None or found.get("high") is None:
        return ""
    ends = (found["low"], found["high"])
    if found.get("unit") != TARGET:
        return "[{}, {}]".format(*(numbers.fixed(100 * end, 2) for end in ends))
    return "[{}, {}]".format(*(numbers.alike(end, _size(found)) for end in ends))


def both(found: Plain | None, report: Plain) -> str:
    """An error or a difference with its interval."""
    return f"{value(found, report)} {interval(found)}".strip()


def _size(found: Plain) -> float:
    """The magnitude that decides the digits: of the interval, where it is narrow."""
    ends = [found[name] for name in ("low", "high") if found.get(name) is not None]
    wide = max(ends) - min(ends) if len(ends) == 2 else 0.0
    return wide or next((abs(found[name]) for name in ("value", "estimate") if found.get(name)), 0.0)
