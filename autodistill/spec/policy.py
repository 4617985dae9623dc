"""The policy file: what is acceptable, written by its owner, refused as a whole if any line of it is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from autodistill.errors import SpecError
from autodistill.plugins import find, names, options_of, suggest, validate
from autodistill.records import LIMIT_KINDS, Policy, Requirement, digest
from autodistill.spec.quantity import UNITS, amount, number, share
from autodistill.spec.reader import Node, read

METERS: Mapping[str, str] = {"latency": "us", "latency@32": "us", "energy": "uJ", "size": "B"}
"""The meters that policies mostly limit and the base unit of their readings: known here so that a policy loads without
the runtime that the meters open. Any other meter is asked for its own."""

METER_LIMITS = ("at_most", "at_most_ratio")
RULE = "classes"
"""How a check compares that decides without a limit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The top level of a policy, without its lines."""

    name: Annotated[str, Field(min_length=1, max_length=200, description="stands on every report and statement")]
    version: Annotated[str, Field(min_length=1, max_length=50, description="the policy owner's own count")]
    confidence: Annotated[float, Field(gt=0.5, lt=1, description="of each one-sided PASS")] = 0.95
    choose: Annotated[
        Literal["size", "latency", "latency@32", "energy"], Field(description="which accepted student is certified")
    ] = "size"
    looks: Annotated[int, Field(ge=1, le=1000, description="how often a set of audit rows may be read")] = 1
    openings: Annotated[int, Field(ge=1, le=100, description="how often the sealed split may be opened")] = 3
    n_min: Annotated[int, Field(ge=1, description="the fewest rows in a denominator")] = 30
    unknown: Annotated[Literal["list", "require"], Field(description="rows whose group is unknown")] = "list"
    unknown_at_most: Annotated[float, Field(ge=0, le=1, description="share of rows without a known group")] = 0.05
    exclude_below: (
        Annotated[float, Field(gt=0, lt=0.5, description="groups of a smaller share may stay undecided")] | None
    ) = None
    because: Annotated[str, Field(description="the reason for exclude_below; the verdict names it")] = ""
    rows_shown: Annotated[Literal["none", "ids"], Field(description="ids of changed rows in the report")] = "none"
    same_person_may_approve: Annotated[bool, Field(description="whoever ran the search may sign for it")] = False
    group_data_in_training: Annotated[
        Literal["allowed", "forbidden"], Field(description="whether a student may be trained with group columns")
    ] = "allowed"


def load_policy(path: str | Path) -> Policy:
    """Read a policy. ``sha256`` is of the file's bytes. Raises SpecError with ``file:line: key``."""
    node = read(path, "policy")
    lists = {"require", "report"}
    text = {key: node.data[key].text for key in ("name", "version") if key in node.data and node.data[key].text}
    plain = {key: value for key, value in node.plain().items() if key not in lists}
    known = [o.name for o in options_of(Head)]
    for key in plain:
        if key not in known:
            raise SpecError(f"a policy has no {key!r}", where=node.where((key,)), do=suggest(key, [*known, *lists]))
    head = validate(Head, {**plain, **text}, node.where)
    if head.exclude_below is not None and not head.because.strip():
        raise SpecError("exclude_below without because", where=node.where(("exclude_below",)), do="write the reason")
    if "require" not in node.data:
        raise SpecError("require is missing", where=node.where(), do="list what a student must meet")
    require = _lines(node.data["require"], required=True)
    if not require:
        raise SpecError("nothing is required", where=node.where(("require",)), do="list at least one check")
    report = _lines(node.data["report"], required=False) if "report" in node.data else ()
    fields = {option: getattr(head, option) for option in known}
    return Policy(**fields, require=require, report=report, sha256=digest(Path(path).read_bytes()))


def _lines(node: Node, required: bool) -> tuple[Requirement, ...]:
    if not isinstance(node.data, list):
        raise SpecError("should be a list", where=node.where(), do="one line a check: - {check: accuracy_loss, …}")
    lines: list[Requirement] = []
    for item in node.data:
        line = _line(item, required)
        if any((line.kind, line.name, line.options) == (o.kind, o.name, o.options) for o in lines):
            raise SpecError(f"{line.name} is listed twice", where=item.where(), do="write its limits in one line")
        lines.append(line)
    return tuple(lines)


def _line(node: Node, required: bool) -> Requirement:
    if not isinstance(node.data, dict):
        raise SpecError(f"should be a mapping, not {node.plain()!r}", where=node.where(), do="write {check: …}")
    kinds = [kind for kind in ("check", "meter") if kind in node.data]
    if len(kinds) != 1:
        what = "neither check nor meter" if not kinds else "both check and meter"
        raise SpecError(what, where=node.where(), do="a line names one check or one meter")
    name = node.data[kinds[0]]
    if not isinstance(name.data, str):
        raise SpecError(f"should be a name, not {name.plain()!r}", where=name.where(), do=f"name one {kinds[0]}")
    return _check(node, name, required) if kinds[0] == "check" else _meter(node, name, required)


def _check(node: Node, name: Node, required: bool) -> Requirement:
    kind = find("checks", name.data, name.where())
    if required and not kind.limits and getattr(kind, "compare", "") != RULE:
        raise SpecError(f"{name.data} decides nothing", where=node.where(), do="move the line to report")
    known = [o.name for o in options_of(kind)]
    limits = _limits(node, name.data, tuple(kind.limits), required, [*known, "check"])
    options = {key: value for key, value in node.plain().items() if key not in {*LIMIT_KINDS, "check"}}
    check = validate(kind, options, node.where)
    for limit, option in getattr(kind, "limits_need", {}).items():
        if limit in limits and getattr(check, option) is None:
            raise SpecError(f"{limit} without {option}", where=node.where((limit,)), do=f"name {option}: …")
    unit = str(getattr(check, "unit", "share"))
    values = {limit: _limit(node.data[limit], limit, unit) for limit in limits}
    if "at_most" in values and values.get("grows_by_at_most", -1.0) >= values["at_most"]:
        raise SpecError(
            f"grows_by_at_most {values['grows_by_at_most']:g} is not below at_most {values['at_most']:g}",
            where=node.where(("grows_by_at_most",)),
            do="growth by less than the whole limit is what it bounds",
        )
    return Requirement(kind="check", name=name.data, options=options, limits=values)


def _meter(node: Node, name: Node, required: bool) -> Requirement:
    unit = METERS.get(name.data) or _unit(name)
    if required and not unit:
        raise SpecError(f"{name.data} cannot be limited", where=name.where(), do=suggest("", METERS))
    limits = _limits(node, name.data, METER_LIMITS, required, ["meter"])
    values = {}
    if "at_most" in limits:
        values["at_most"] = amount(node.data["at_most"], unit)
    if "at_most_ratio" in limits:
        values["at_most_ratio"] = _ratio(node.data["at_most_ratio"])
    return Requirement(kind="meter", name=name.data, options={}, limits=values)


def _unit(name: Node) -> str:
    """The base unit of another meter's readings, from the meter itself; "" where it takes no limit."""
    if "." not in name.data and name.data not in names("meters"):
        raise SpecError(f"an unknown meter: {name.data!r}", where=name.where(), do=suggest(name.data, METERS))
    kind = find("meters", name.data, name.where())
    unit = str(getattr(kind, "unit", "")).replace("µ", "u").replace("\u03bc", "u")
    return unit if unit in UNITS and set(METER_LIMITS) <= set(getattr(kind, "limits", ())) else ""


def _limits(node: Node, name: str, taken: tuple[str, ...], required: bool, others: list[str]) -> tuple[str, ...]:
    """Which limits a line has; refuses keys that its check or meter does not know."""
    for key in node.data:
        if key in LIMIT_KINDS and not required:
            raise SpecError("a limit under report", where=node.where((key,)), do="move the line to require, or drop it")
        if key in LIMIT_KINDS and key not in taken:
            do = f"it takes {', '.join(taken)}" if taken else "it has a verdict of its own; drop the limit"
            raise SpecError(f"{name} takes no {key}", where=node.where((key,)), do=do)
        if key not in {*others, *taken}:
            raise SpecError(f"{name} has no {key!r}", where=node.where((key,)), do=suggest(key, [*others, *taken]))
    given = tuple(key for key in LIMIT_KINDS if key in node.data)
    if required and taken and not given:
        raise SpecError(f"{name} without a limit", where=node.where(), do=f"give {' or '.join(taken)}")
    return given


def _limit(node: Node, limit: str, unit: str) -> float:
    """A limit of a check in its own unit: a share, a ratio, or a plain number above 0."""
    if limit == "at_most_ratio":
        return _ratio(node)
    if unit == "share":
        return _share(node, limit)
    value = share(node) if unit == "ratio" else number(node)
    if not 0 < value < float("inf"):
        raise SpecError(f"{node.text} is not above zero", where=node.where(), do=f"it is in {unit}")
    if unit == "ratio" and value > 1:
        raise SpecError(f"{node.text} is above 1", where=node.where(), do="0.8 is four fifths of the reference's")
    return value


def _ratio(node: Node) -> float:
    value = number(node)
    if not 0 < value <= 100:
        raise SpecError("should be above 0 and at most 100", where=node.where(), do="0.5 is half of the teacher's")
    return value


def _share(node: Node, limit: str) -> float:
    value = share(node)
    low = -1.0 if limit == "at_most" else 0.0
    if not low < value < 1.0 and not (limit == "at_least" and value == 1.0):
        raise SpecError(f"{node.text} is not a share", where=node.where(), do='1.5 points are 0.015, or "1.5 %"')
    return value
