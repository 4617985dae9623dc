"""One setting of an experiment file: a fixed value, a list of choices, or a range."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from autodistill.errors import SpecError
from autodistill.plugins import Option, suggest
from autodistill.records import canonical

Place = Callable[[tuple[str | int, ...]], str]
RANGE_KEYS = ("low", "high", "log")
LISTED = 1_000
"""The most values of one choice."""
COUNTED = 10_000
"""A range of more whole numbers than this is counted as continuous."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of ``values``, all canonical; a fixed value is a choice of one."""

    values: tuple[Any, ...]

    @property
    def labels(self) -> tuple[Any, ...]:
        """What a sampler is shown: plain scalars as they are, anything else as JSON."""
        return tuple(v if v is None or isinstance(v, bool | int | float | str) else json.dumps(v) for v in self.values)

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to choose."""
        return len(self.values) == 1

    def take(self, value: Any) -> Any:
        """The value behind a sampler's label; ValueError where it is none of them."""
        at = [
            i
            for i, label in enumerate(self.labels)
            if label == value and isinstance(label, bool) == isinstance(value, bool)
        ]
        if not at:
            raise ValueError(f"{value!r} is none of {self.labels}")
        return self.values[at[0]]

    def extremes(self) -> tuple[tuple[tuple[str | int, ...], Any], ...]:
        """Every value with its path inside the setting."""
        return tuple((() if self.fixed else (i,), v) for i, v in enumerate(self.values))

    @property
    def ends(self) -> tuple[Any, Any]:
        """The lowest and the highest value; of what is not numbers the first and the last."""
        if all(isinstance(v, int | float) for v in self.values):
            return min(self.values), max(self.values)
        return self.values[0], self.values[-1]

    def distinct(self) -> frozenset[str] | None:
        """Its values as text."""
        return frozenset(json.dumps(v, sort_keys=True) for v in self.values)


@dataclass(frozen=True, slots=True)
class Range:
    """Any number from ``low`` to ``high`` inclusive, both canonical; ``log``: uniform in the logarithm."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    fixed = False

    def take(self, value: Any) -> Any:
        """The canonical value behind a sampler's; ValueError where it is outside.

        Rounding is monotone and both bounds are canonical, so what lies between them still does when it is rounded."""
        number = int(value) if self.whole else float(value)
        if number != value or not self.low <= number <= self.high:
            raise ValueError(f"{value!r} is outside {self.low} … {self.high}")
        return canonical(number)

    def extremes(self) -> tuple[tuple[tuple[str | int, ...], Any], ...]:
        """Both bounds with their paths."""
        return ((("low",), self.low), (("high",), self.high))

    @property
    def ends(self) -> tuple[Any, Any]:
        """The lowest and the highest value."""
        return self.low, self.high

    def distinct(self) -> frozenset[str] | None:
        """Its values as text; None where they are too many to count."""
        if not self.whole or self.high - self.low >= COUNTED:
            return None
        return frozenset(str(v) for v in range(int(self.low), int(self.high) + 1))


Setting = Choice | Range


def read(option: Option, value: Any, place: Place) -> Setting:
    """What an experiment file says of one option. Raises SpecError at the place of the fault."""
    if isinstance(value, Mapping) and (option.number or set(RANGE_KEYS[:2]) & set(value)):
        return _range(option, value, place)
    if _is_choice(option, value):
        return _choice(option, value, place)
    return Choice((canonical(value),))


def _is_choice(option: Option, value: Any) -> bool:
    if not isinstance(value, list | tuple):
        return False
    return not option.is_tuple or (len(value) > 0 and all(isinstance(v, list | tuple) for v in value))


def _searchable(option: Option, place: Place) -> None:
    if not option.searchable:
        raise SpecError(f"{option.name} takes one value and may not be searched", where=place(()), do="give one value")


def _choice(option: Option, values: list[Any] | tuple[Any, ...], place: Place) -> Setting:
    _searchable(option, place)
    if not values:
        raise SpecError("an empty list", where=place(()), do="give one value, a list of values, or low and high")
    if len(values) > LISTED:
        raise SpecError(f"a list of {len(values)} values", where=place(()), do="give a range")
    plain = [canonical(v) for v in values]
    texts = [json.dumps(v, sort_keys=True) for v in plain]
    for i, text in enumerate(texts):
        if text in texts[:i]:
            rounded = "" if str(values[i]) in {text, repr(plain[i])} else " (to three significant digits)"
            raise SpecError(f"{text} is listed twice{rounded}", where=place((i,)), do="list it once")
        if isinstance(plain[i], dict):
            raise SpecError("a mapping among the choices", where=place((i,)), do="list plain values")
    return Choice(tuple(plain))


def _range(option: Option, value: Mapping[str, Any], place: Place) -> Setting:
    _searchable(option, place)
    if option.number is None:
        raise SpecError(
            f"{option.name} is {option.type}: it has no range", where=place(()), do="list the values to try"
        )
    for key in value:
        if key not in RANGE_KEYS:
            raise SpecError(f"a range has no {key!r}", where=place((key,)), do=suggest(key, RANGE_KEYS))
    for key in RANGE_KEYS[:2]:
        if key not in value:
            raise SpecError(f"a range without {key}", where=place(()), do="a range is {low: …, high: …, log: true}")
        _number(option, value[key], place((key,)))
    low, high, log = canonical(value["low"]), canonical(value["high"]), value.get("log", False)
    if not isinstance(log, bool):
        raise SpecError(
            f"log is true or false, not {log!r}", where=place(("log",)), do="leave it out for a linear range"
        )
    if low > high:
        raise SpecError(f"low {low} is above high {high}", where=place(("low",)), do="swap them")
    if log and low <= 0:
        raise SpecError(f"a logarithmic range from {low}", where=place(("low",)), do="low must be above 0, or drop log")
    return Choice((low,)) if low == high else Range(low, high, log, option.number == "int")


def _number(option: Option, value: Any, where: str) -> None:
    whole = option.number == "int"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        kind = "a whole number" if whole else "a number"
        raise SpecError(f"should be {kind}, not {value!r}", where=where, do=f"{option.name} is {option.type}")
