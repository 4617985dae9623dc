"""Interval bars: where estimate, bounds and limit lie on a scale that a whole column shares."""

from collections.abc import Iterable
from dataclasses import dataclass

from autodistill.records import Finding
from autodistill.report import words

WIDTH = 160.0  # of the drawing, in the SVG's own units
MARGIN = 6.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in drawing units. ``room`` is the allowed stretch; absent parts are None."""

    point: float | None
    low: float | None
    high: float | None
    open_low: bool
    open_high: bool
    zero: float | None
    room: tuple[float, float] | None
    limits: tuple[float, ...]
    outcome: str
    label: str


Domain = tuple[float, float]


def domain(findings: Iterable[Finding]) -> Domain:
    """The stretch of values that shows every bar of a column, its limit and zero."""
    values = [0.0]
    for finding in findings:
        values += [v for v in (finding.estimate, finding.low, finding.high) if v is not None]
        values += _limits(finding)
    low, high = min(values), max(values)
    space = 0.06 * (high - low) or 0.01
    return (low - space if low < 0 else 0.0, high + space)


def bar(finding: Finding, over: Domain) -> Bar | None:
    """The bar of one finding on a column's scale; None where there is no estimate to draw."""
    if finding.estimate is None:
        return None

    def place(value: float) -> float:
        share = (value - over[0]) / (over[1] - over[0])
        return round(MARGIN + (WIDTH - 2 * MARGIN) * min(1.0, max(0.0, share)), 1)

    limits, exact = _limits(finding), finding.low is None and finding.high is None
    room = None
    if finding.limit is not None and finding.limit_kind == "at_least":
        room = (place(finding.limit), WIDTH - MARGIN)
    elif limits:
        room = (place(limits[0]) if len(limits) > 1 else place(over[0]), place(limits[-1]))
    return Bar(
        point=place(finding.estimate),
        low=None if exact else place(over[0] if finding.low is None else finding.low),
        high=None if exact else place(over[1] if finding.high is None else finding.high),
        open_low=finding.low is None,
        open_high=finding.high is None,
        zero=place(0.0) if over[0] < 0 else None,
        room=room,
        limits=tuple(place(v) for v in limits),
        outcome=finding.outcome.lower(),
        label=f"{words.measured(finding)}; limit: {words.limit(finding)}",
    )


def drawn(finding: Finding) -> Bar | None:
    """A bar on a scale of its own."""
    return bar(finding, domain([finding]))


def _limits(finding: Finding) -> list[float]:
    """What is signed has a limit on either side."""
    if finding.limit is None:
        return []
    signed = finding.check in words.SIGNED and finding.limit_kind == "at_most" and (finding.low or 0.0) < 0
    return [-finding.limit, finding.limit] if signed else [finding.limit]
