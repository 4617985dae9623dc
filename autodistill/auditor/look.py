"""One look at one candidate on one split: its level, its policy, and how an outcome follows from bounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from autodistill.records import Finding, LimitKind, Outcome, Policy
from autodistill.stats import Rows
from autodistill.verdict import REST, Line

LEAN = "these data lean towards a FAIL"


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """``level`` is the one-sided α of this look, ``statements`` the m that a FAIL is corrected for; ``rows_needed``
    asks for the simulation behind that number."""

    policy: Policy
    rows: Rows
    split: str
    level: float
    statements: int
    rows_needed: bool

    @property
    def fail_level(self) -> float:
        """α/m: a candidate at every limit is called FAIL with probability ≤ α."""
        return self.level / self.statements

    @property
    def clustered(self) -> bool:
        """Whether rows share clusters."""
        return self.rows.evidence is not None and self.rows.evidence.cluster is not None

    @property
    def total(self) -> float:
        """Rows of the split."""
        return self.rows.tables.rows

    def excluded(self, size: float) -> bool:
        """Whether the policy's owner lets a group of this size be undecided."""
        share = self.policy.exclude_below
        return share is not None and size < share * self.total

    def aside(self, line: Line, group: tuple[str, float], reference: tuple[str, float]) -> list[str]:
        """Which of a contrast's two groups, with their rows, may be undecided: either where there are only two. A
        reference that the policy names gives no leave: else nothing would be required of the large groups."""
        own = line.options.get("reference") is not None or reference[0] in {REST, ""}
        return [name for name, rows in (group, reference)[: 1 if own else 2] if self.excluded(rows)]

    def capped(self, unknown_rows: float) -> bool:
        """Whether too many rows have no known group for anything to be required of the attribute."""
        return unknown_rows > self.policy.unknown_at_most * self.total

    def finding(self, line: Line, kind: LimitKind | None, outcome: Outcome, **values: Any) -> Finding:
        """A finding of ``line`` with the keys that all share."""
        limit = line.limits.get(kind) if kind is not None else None
        values = {"id": f"{line.prefix}/{kind}" if kind is not None else line.prefix} | values
        values = {"unit": getattr(line.check, "unit", "share"), "required": line.required} | values
        return Finding(
            check=line.name,
            options=line.options,
            split=self.split,
            level=self.level,
            limit=limit,
            limit_kind=kind,
            outcome=outcome,
            **values,
        )


@dataclass(frozen=True, slots=True)
class Bounds:
    """One tested quantity: its estimate, the bounds at the look's level, and the lower bound at the FAIL level."""

    estimate: float
    low: float
    high: float
    fail_low: float


def decide(bounds: Bounds, limit: float) -> Outcome:
    """PASS strictly inside at α, FAIL strictly beyond at α/m."""
    return "PASS" if bounds.high < limit else "FAIL" if bounds.fail_low > limit else "INCONCLUSIVE"


def settle(look: Look, line: Line, outcome: Outcome, *, unknown_rows: float, excluded: bool) -> tuple[Outcome, bool]:
    """Outcome and whether it is required, after what is missing or is only for show."""
    if not line.required:
        return "REPORTED", False
    if excluded:
        return ("INSUFFICIENT" if outcome == "INSUFFICIENT" else "REPORTED"), False
    if outcome in {"PASS", "FAIL"} and look.capped(unknown_rows):
        return "INCONCLUSIVE", True
    return outcome, True


def remarks(look: Look, bounds: Bounds, limit: float | None, outcome: Outcome, unknown_rows: float) -> list[str]:
    """What the page says beside a finding."""
    notes = []
    if limit is not None and outcome == "INCONCLUSIVE" and bounds.low > limit:
        notes.append(
            f"beyond the limit at level {look.level:g}, not at {look.fail_level:.2g} = level/{look.statements}"
        )
    if limit is not None and outcome == "INCONCLUSIVE" and bounds.estimate >= limit:
        notes.append(LEAN)
    if look.capped(unknown_rows):
        notes.append(
            f"nothing is decided: {unknown_rows:.0f} of {look.total:.0f} rows have no known group, "
            f"above {look.policy.unknown_at_most:.0%}"
        )
    return notes


def finite(value: float) -> float | None:
    """A number for the page, or None where there is no end to it."""
    return float(value) if np.isfinite(value) else None


def clean(values: Mapping[str, Any]) -> dict[str, Any]:
    """Details as plain numbers: whole counts as int."""
    plain: dict[str, Any] = {}
    for name, value in values.items():
        number = float(value) if not isinstance(value, str | bool | list | tuple) and value is not None else value
        plain[name] = int(number) if isinstance(number, float) and name in COUNTED else number
    return plain


COUNTED = frozenset(
    {"rows", "b", "c", "denominator_reference", "rows_reference", "good", "bad", "neutral", "unnecessary", "clusters"}
)
