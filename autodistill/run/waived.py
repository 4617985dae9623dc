"""Tests that stand in the way of an approval, and the leave that is given for them by name."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from autodistill.errors import SignatureError
from autodistill.records import Finding
from autodistill.signoff import Waiver, waivable

DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def waivers(ids: Sequence[str], because: str, by: str, until: str) -> tuple[Waiver, ...]:
    """One waiver a finding, all with one reason and one expiry."""
    if ids and not because.strip():
        raise SignatureError("a waiver without its reason", where="--because", do="say why the test may be waived")
    if ids and not until:
        raise SignatureError("a waiver without its end", where="--until", do="give a UTC day, YYYY-MM-DD")
    if ids and not _to_come(until):
        raise SignatureError(f"{until!r} is no day to come", where="--until", do="give a UTC day, YYYY-MM-DD")
    return tuple(Waiver(finding=one, because=because, by=by, until=until) for one in ids)


def tests(found: Mapping[str, Any], opened: Iterable[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """The required tests that an approval rests on: of a report's audit split, and of its sealed rows."""
    return tuple(f for f in msgspec.convert([*found["findings"], *opened], list[Finding]) if f.required)


def unproven(found: Mapping[str, Any], required: Sequence[Finding]) -> str:
    """Why no approval of this report is possible, whatever is waived; empty where one is.

    A report whose verdict is no PASS, and in which no test of its own stands in the way, shows nothing that could be
    waived by name: its rows' level was spent, or nothing was tested.
    """
    stated, own = found["verdict"]["decision"], [f for f in required if f.split != "sealed"]
    if stated != "PASS" and all(f.outcome == "PASS" for f in own):
        return f"the verdict is {stated}, and no test is there that could be waived"
    return "" if own else "nothing was required of it"


def outcomes(required: Iterable[Finding]) -> dict[str, str]:
    """Name -> outcome of these tests, by the names under which they are waived."""
    return {waivable(f): f.outcome for f in required}


def loud(waived: Iterable[Mapping[str, Any]]) -> str:
    """What an approval was given in spite of, for whoever reads it; empty where nothing stood in its way."""
    by = [(str(one.get("outcome")), str(one.get("finding"))) for one in waived]
    failed = [name for outcome, name in by if outcome == "FAIL"]
    others = [name for outcome, name in by if outcome not in {"FAIL", "PASS"}]
    said = [f"WAIVED BY NAME ALTHOUGH IT FAILED: {', '.join(failed)}"] if failed else []
    return "; ".join([*said, *([f"waived by name, undecided: {', '.join(others)}"] if others else [])])


def differing(said: Iterable[Mapping[str, Any]], required: Sequence[Finding]) -> list[str]:
    """Waivers that do not say what they waive: of no test of this run, or of another outcome than it has."""
    known, wrong = outcomes(required), []
    for one in said:
        name = str(one["finding"])
        if name not in known:
            wrong.append(f"{name} is waived and is no required test")
        elif one.get("outcome") != known[name]:
            wrong.append(f"{name} is waived as {one.get('outcome')}, and it is {known[name]}")
    return wrong


def _to_come(day: str) -> bool:
    """Whether this is a UTC day, written YYYY-MM-DD, that has not ended."""
    try:
        return bool(DAY.fullmatch(day)) and date.fromisoformat(day) >= datetime.now(UTC).date()
    except ValueError:
        return False
