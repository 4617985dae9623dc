"""What a night comes to: one of five outcomes, from what its report says. No file, no clock, no model.

The rule, exactly:

* **failed**: the night broke, or no candidate of it came to an end; the reason is kept, the next night starts clean.
* **inconclusive**: nothing could be tested, because the level of these rows is spent (fresh rows are needed); or no
  student stands yet and none is certified, while at least one test is undecided (more rows are needed).
* **drift**: the champion FAILs a required test tonight, shown at its share of the look divided by all its statements.
  A PASS that turned INCONCLUSIVE is no drift: with 80 % power it happens one night in five. The night's certified
  student, if there is one and it is another, is proposed in its place whatever its size.
* **proposes**: the night's certified student is another than the champion; there is no champion, or its cost
  (``choose`` of the policy) lies below the champion's with both intervals apart; and on tonight's audit rows it is not
  certified worse: the lower Tango limit of (share of rows it alone gets wrong − share the champion alone gets wrong)
  is not above 0 at the policy's α.
* **kept**: everything else. Nothing better tonight is a good result.

What may be claimed falsely keeps to the look's share: a false PASS of a shortlisted student and a false FAIL of the
champion together (``run.ordered.tests``). The other conditions only take proposals away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from autodistill import verdict
from autodistill.records import Candidate, Decision, Finding, Reading

Outcome = Literal["kept", "proposes", "drift", "inconclusive", "failed"]
EXIT: Mapping[str, int] = {"kept": 0, "proposes": 0, "drift": 1, "failed": 1, "inconclusive": 3}


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What the policy chooses by: a value with its interval (equal ends where it is exact), None where unread."""

    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""

    @classmethod
    def of(cls, readings: Mapping[str, Reading], choose: str) -> "Cost":
        """From a student's readings."""
        found = verdict.reading(readings, choose)
        if found is None or found.value is None:
            return cls(value=None)
        low = found.value if found.low is None else found.low
        high = found.value if found.high is None else found.high
        return cls(value=found.value, low=low, high=high, unit=found.unit)

    def below(self, other: "Cost") -> bool:
        """Whether this one is smaller beyond measurement error."""
        return self.high is not None and other.low is not None and self.high < other.low


@dataclass(frozen=True, kw_only=True, slots=True)
class Champion:
    """The student that stands, as tonight's audit rows saw it (``decision`` None: they were not read)."""

    sha256: str
    decision: Decision | None
    cost: Cost
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenger:
    """The night's certified student. ``worse_by`` is the lower limit of how much oftener it errs than the champion."""

    key: str
    sha256: str
    cost: Cost
    worse_by: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What a night saw. ``refused`` says why no test was made, ``broke`` why no candidate came to an end; ``open`` is
    whether a listed student was undecided."""

    champion: Champion | None = None
    challenger: Challenger | None = None
    refused: str = ""
    broke: str = ""
    open: bool = False
    rows_needed: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """The outcome, in one line for a person; ``proposed`` is the key of the student that is proposed."""

    outcome: Outcome
    sentence: str
    proposed: str | None = None
    because: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 kept or proposes, 1 drift or failed, 3 inconclusive."""
        return EXIT[self.outcome]


def decide(seen: Seen) -> Decided:
    """The outcome of a night whose work was done."""
    if seen.refused:
        return Decided(outcome="inconclusive", sentence=f"needs fresh rows: {seen.refused}")
    champion, challenger = seen.champion, seen.challenger
    if seen.broke and (champion is None or champion.decision != "FAIL"):
        return Decided(outcome="failed", sentence=f"the night broke: {seen.broke}")
    if champion is None:
        return _first(seen)
    if challenger is not None and challenger.sha256 == champion.sha256:
        challenger = None
    if champion.decision == "FAIL":
        named = ", ".join(champion.failed[:3]) + (
            f" and {len(champion.failed) - 3} more" if champion.failed[3:] else ""
        )
        said = f"the champion FAILs on tonight's rows ({named})"
        more = "no certified student can take its place" if challenger is None else f"proposes {challenger.key} instead"
        proposed = None if challenger is None else challenger.key
        return Decided(outcome="drift", sentence=f"{said}; {more}", proposed=proposed, because=champion.failed)
    why_not = _why_not(champion, challenger)
    if challenger is not None and not why_not:
        size, before = _words(challenger.cost), _words(champion.cost)
        return Decided(
            outcome="proposes",
            sentence=f"proposes {challenger.key}: certified, {size} where the champion has {before}",
            proposed=challenger.key,
        )
    state = "" if champion.decision == "PASS" else "; these rows do not decide it again, which is no drift"
    return Decided(outcome="kept", sentence=f"the champion stands: {why_not}{state}")


def _first(seen: Seen) -> Decided:
    """A night without a champion."""
    if seen.challenger is not None:
        said = f"proposes {seen.challenger.key}, the first certified student ({_words(seen.challenger.cost)})"
        return Decided(outcome="proposes", sentence=said, proposed=seen.challenger.key)
    if seen.open:
        many = "" if seen.rows_needed is None else f", about {seen.rows_needed:,} where most are"
        return Decided(outcome="inconclusive", sentence=f"needs more rows: no student is certified or refused{many}")
    return Decided(outcome="kept", sentence="nothing acceptable tonight, and no champion stands yet")


def _why_not(champion: Champion, challenger: Challenger | None) -> str:
    """Why the certified student is not proposed; empty if it is."""
    if challenger is None:
        return "nothing better was certified tonight"
    if not challenger.cost.below(champion.cost):
        return f"tonight's certified student is not smaller ({_words(challenger.cost)}, it has {_words(champion.cost)})"
    if challenger.worse_by is None or challenger.worse_by > 0:
        by = "" if challenger.worse_by is None else f" by at least {100 * challenger.worse_by:.2f} points"
        return f"tonight's certified student is smaller and certified less accurate{by}"
    return ""


def _words(cost: Cost) -> str:
    if cost.value is None:
        return "an unread cost"
    if cost.unit == "B":
        return f"{cost.value / 1000:,.1f} kB"
    return f"{cost.value:,.3g} {cost.unit}".strip()


def seen(report: Mapping[str, Any]) -> Seen:
    """What the report of a night's search says."""
    choose, night = str(report["policy"]["choose"]), report["night"]
    stood, made = night["champion"], night["challenger"]
    champion = challenger = None
    if stood is not None:
        tests = msgspec.convert(stood["findings"], list[Finding])
        champion = Champion(
            sha256=stood["sha256"],
            decision=stood["decision"],
            cost=cost(stood["readings"], choose),
            failed=tuple(one.id for one in tests if one.required and one.outcome == "FAIL"),
        )
    if made is not None:
        challenger = Challenger(
            key=made["key"],
            sha256=made["sha256"],
            cost=cost(entry(report, made["key"])["readings"], choose),
            worse_by=None if made["loss"] is None else made["loss"]["low"],
        )
    listed: Sequence[Mapping[str, Any]] = report["shortlist"]
    needed = [one["rows_needed"] for one in report["findings"] if one.get("required") and one.get("rows_needed")]
    looked = bool(report["method"]["looks"])
    return Seen(
        champion=champion,
        challenger=challenger,
        refused="" if looked or not (listed or stood) else next(iter(report["notes"]), "the rows were not read"),
        broke=_broke(report["entries"]),
        open=any(one["decision"] == "INCONCLUSIVE" for one in listed),
        rows_needed=max(needed, default=None),
    )


def _broke(entries: Sequence[Mapping[str, Any]]) -> str:
    """Why there is nothing to decide about: no candidate at all, or all broken."""
    if not entries:
        return "no candidate was tried: the budget was over before the first"
    if all(one["state"] == "broken" for one in entries):
        return f"all {len(entries)} candidates broke ({entries[0]['reason'][:200]})"
    return ""


def entry(report: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A candidate of a report by its key."""
    entries: Sequence[Mapping[str, Any]] = report["entries"]
    return next(one for one in entries if msgspec.convert(one["candidate"], Candidate).key == key)


def cost(readings: Mapping[str, Any], choose: str) -> Cost:
    """What the policy chooses by, from readings as a report has them."""
    return Cost.of(msgspec.convert(readings, dict[str, Reading]), choose)
