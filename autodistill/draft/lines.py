"""A line that a policy could have, and what so many rows can do for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autodistill.records import Dataset, Policy, Requirement

N_MIN = 30
LUCK = 1.2  # a split's share of a small group varies
EACH = 0.9  # share of drawn splits that pass a line by itself


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


def line(check: str, options: Mapping[str, Any], kind: str, limits: tuple[float, float], about: str) -> Wanted:
    """A line by its parts; ``limits`` are the sensible one and the loosest."""
    return Wanted(check=check, options=options, limit_kind=kind, least=limits[0], most=limits[1], about=about)


def unknown(dataset: Dataset, name: str) -> str:
    """Why nothing is decided of an attribute that too many rows do not have; "" where that is not so."""
    column = dataset.groups[name][dataset.splits["audit"]]
    share = float((column == "").mean())
    most = Policy(name="", version="", require=()).unknown_at_most
    if share <= most:
        return ""
    do = "fill the column, or raise unknown_at_most in the policy"
    return f"{share:.0%} of the audit rows have no known group, above {most:.0%}: {do}"
