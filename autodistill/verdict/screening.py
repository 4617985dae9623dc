"""Which checks of a policy need more than two models' predictions on the judged rows, and what they need."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from autodistill import plugins
from autodistill.records import Policy, Requirement

JUDGED = frozenset({"audit", "search"})
"""Views that every audit has."""


def screened(policy: Policy) -> Policy:
    """The policy without the checks that certification alone can read: on the search split there are no views of train,
    noisy or permuted rows and no further models, and their absence must not count against a candidate."""
    return replace(
        policy,
        require=tuple(line for line in policy.require if not any(_needs(line))),
        report=tuple(line for line in policy.report if not any(_needs(line))),
    )


def further(policy: Policy) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(views, others) that the policy's checks ask for, each once, in its order."""
    needs = [_needs(line) for line in (*policy.require, *policy.report)]
    views, others = (dict.fromkeys(name for need in needs for name in need[at]) for at in (0, 1))
    return tuple(views), tuple(others)


def _needs(line: Requirement) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if line.kind != "check":
        return (), ()
    check: Any = plugins.build("checks", line.name, line.options)
    return tuple(_beyond(check)), tuple(getattr(check, "others", ()))


def _beyond(check: Any) -> Iterator[str]:
    yield from (view for view in getattr(check, "views", ()) if view not in JUDGED)
