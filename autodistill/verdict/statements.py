"""What a policy states about a candidate, by name, before any row is read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, cast

import msgspec

from autodistill import plugins
from autodistill.records import LimitKind, Policy, Requirement, encode

REST = "rest"
UNKNOWN = "(unknown)"
ALWAYS = Requirement(kind="check", name="class_collapse")
"""Required whether or not the policy lists it: a student of one class has every gap zero."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One check of a policy on one attribute (None where it has none). ``prefix`` begins the ids of its findings;
    ``statements`` are its required one-sided tests: tests × groups × directions."""

    name: str
    check: Any
    prefix: str
    attribute: str | None
    limits: Mapping[LimitKind, float]
    required: bool
    names: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """The options that are set."""
        values = {field.name: getattr(self.check, field.name) for field in fields(self.check)}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def compare(self) -> str:
        """How the check's numbers are compared: whole, each, contrast, zero, ratio, classes, shares."""
        return str(getattr(self.check, "compare", "shares"))

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """(group, reference) of each contrast."""
        return pairs(self.names, getattr(self.check, "reference", None))

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of its findings that carry a limit, or its one id where the verdict needs none."""
        if self.compare == "classes":
            return (self.prefix,)
        if self.compare in {"contrast", "ratio"} and self.pairs:
            return tuple(f"{self.prefix}={group}/{limit}" for group, _ in self.pairs for limit in self.limits)
        if self.compare == "zero" and self.names:
            return tuple(f"{self.prefix}={group}/{limit}" for group in self.names for limit in self.limits)
        return tuple(f"{self.prefix}/{limit}" for limit in self.limits)

    @property
    def statements(self) -> int:
        """One-sided tests that could fail."""
        groups = len(self.names)
        pairs = len(self.pairs)
        many = {"contrast": 2 * pairs, "ratio": max(1, pairs), "each": groups, "zero": 2 * max(1, groups)}
        each = many.get(self.compare, 1)
        return each * max(1, len(self.limits))


def pairs(names: Sequence[str], reference: str | None = None) -> tuple[tuple[str, str], ...]:
    """Which group is compared with which: with ``reference``, else with all others. Two groups are one contrast, the
    first by name against the last; the unknown, where the policy asks for them, against all known."""
    known = tuple(name for name in names if name != UNKNOWN)
    extra = tuple((name, REST) for name in names if name == UNKNOWN)
    if reference is not None:
        others = tuple((name, reference) for name in names if name != reference)
        return others if reference in known else ()
    if len(known) == 2:
        return ((known[0], known[1]), *extra)
    return (*((name, REST) for name in known if len(known) > 2), *(extra if known else ()))


@cache
def _build(name: str, options: bytes) -> Any:
    return plugins.build("checks", name, msgspec.json.decode(options))


def lines(policy: Policy, groups: Mapping[str, Sequence[str]]) -> Iterator[Line]:
    """The policy's checks in its own order, required first, each on each attribute that it speaks of."""
    required = [r for r in policy.require if r.kind == "check"]
    if all(r.name != ALWAYS.name for r in required):
        required.append(ALWAYS)
    for asked, requirements in ((True, required), (False, policy.report)):
        for requirement in requirements:
            if requirement.kind == "check":
                yield from _expand(requirement, asked, policy, groups)


def _expand(
    requirement: Requirement, asked: bool, policy: Policy, groups: Mapping[str, Sequence[str]]
) -> Iterator[Line]:
    check = _build(requirement.name, encode(dict(requirement.options)))
    grouped = any(field.name == "attribute" for field in fields(check))
    metric = getattr(check, "metric", None)
    variant = getattr(check, "variant", "")
    stem = "/".join(str(part) for part in (requirement.name, metric, variant) if part)
    for attribute in _attributes(check, groups) if grouped else [None]:
        known = tuple(groups.get(attribute, ())) if attribute is not None else tuple(getattr(check, "segments", ()))
        if attribute is not None and known and policy.unknown == "require":
            known = (*known, UNKNOWN)
        reference = getattr(check, "reference", None)
        prefix = stem if attribute is None else f"{stem}/{attribute}"
        yield Line(
            name=requirement.name,
            check=replace(check, attribute=attribute) if grouped else check,
            prefix=prefix if reference is None else f"{prefix}:{reference}",
            attribute=attribute,
            limits=cast(Mapping[LimitKind, float], requirement.limits),
            required=asked,
            names=known,
        )


def _attributes(check: Any, groups: Mapping[str, Sequence[str]]) -> Sequence[str | None]:
    """The attributes that a check speaks of: its own, or every one; before them all rows (None), where a check speaks
    of each group by itself; all rows alone, where it compares only those."""
    if check.attribute is not None:
        return [check.attribute]
    compare = getattr(check, "compare", "")
    if compare == "whole":
        return [None]
    return [None, *groups] if compare in {"shares", "zero"} else [*groups] or [None]


def count(policy: Policy, groups: Mapping[str, Sequence[str]]) -> int:
    """m of AUDIT §9: all required one-sided tests of a candidate, test × group × direction."""
    return max(1, sum(line.statements for line in lines(policy, groups) if line.required))


def constraint_names(policy: Policy, groups: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The ids of everything required, meters first, in the policy's order: known before any data is screened.

    ``groups`` maps each audited attribute to its known names, sorted.
    """
    meters = [f"{r.name}/{limit}" for r in policy.require if r.kind == "meter" for limit in r.limits]
    checks = [name for line in lines(policy, groups) if line.required for name in line.ids]
    return tuple(dict.fromkeys([*meters, *checks]))
