"""Amounts as people write them: ``200 kB``, ``50 us``, ``1.5 %``."""

import re
from collections.abc import Mapping

from autodistill.errors import SpecError
from autodistill.plugins import suggest
from autodistill.spec.reader import Node

UNITS: Mapping[str, Mapping[str, float]] = {
    "B": {"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30},
    "us": {"ns": 1e-3, "us": 1, "µs": 1, "ms": 1e3, "s": 1e6},
    "uJ": {"nJ": 1e-3, "uJ": 1, "µJ": 1, "mJ": 1e3, "J": 1e6},
}
"""The units that may be written, by the base unit that a reading has: bytes, microseconds, microjoules."""

_AMOUNT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S*)\s*")


def amount(node: Node, base: str) -> float:
    """A positive amount in the base unit; a number without its unit is refused, because bytes are not kilobytes."""
    units = UNITS[base]
    example = f"for example {'200 kB' if base == 'B' else '50 ' + base}"
    found = _AMOUNT.fullmatch(node.text.replace("\u03bc", "µ")) if isinstance(node.data, str | int | float) else None
    if found is None:
        raise SpecError("should be an amount with its unit", where=node.where(), do=example)
    number, unit = float(found[1]), found[2]
    if not unit:
        raise SpecError(f"{found[1]} without a unit", where=node.where(), do=f"say which: {', '.join(units)}")
    if unit not in units:
        raise SpecError(f"unknown unit {unit!r}", where=node.where(), do=suggest(unit, units))
    if not 0 < number < float("inf"):
        raise SpecError(f"{node.text} is not above zero", where=node.where(), do=example)
    return number * units[unit]


def number(node: Node) -> float:
    """A plain number."""
    if isinstance(node.data, bool) or not isinstance(node.data, int | float):
        raise SpecError(f"should be a number, not {node.plain()!r}", where=node.where(), do="for example 0.5")
    return float(node.data)


def share(node: Node) -> float:
    """A share: 0.015, or the same as "1.5 %"."""
    found = _AMOUNT.fullmatch(node.text) if isinstance(node.data, str) else None
    return float(found[1]) / 100 if found is not None and found[2] == "%" else number(node)
