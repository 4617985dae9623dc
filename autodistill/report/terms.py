"""The names that a record uses for itself, in words: looks, leaks, tests by their id, times."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from autodistill.report import numbers, words

LEAKS = {
    "exact_duplicates": "Rows equal to an earlier row, label included",
    "exact_duplicates_across": "of these, with the equal row in another split",
    "near_duplicates": "Rows with a twin that differs in the label only",
    "near_duplicates_across": "of these, with the twin in another split",
    "determine_label": "Features that settle the label by themselves",
}
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
KINDS = {
    "at_most": "above the limit",
    "at_least": "below the limit",
    "at_most_ratio": "above the limit against the teacher",
    "grows_by_at_most": "grows beyond the limit",
}


def moment(text: str) -> str:
    """A time of a record (ISO 8601) for a reader: ``24 November 2026, 05:13 UTC``; other text as it is."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    when = when.astimezone(UTC) if when.tzinfo else when
    zone = " UTC" if when.tzinfo else ""
    return f"{when.day} {when:%B %Y, %H:%M}{zone}"


def model(name: str) -> str:
    """A model's name for a reader: a class's own name (``LogisticRegression``) as words, another as it is."""
    text = CAMEL.sub(" ", name).lower() if name.isidentifier() and CAMEL.search(name) else name
    return text[:1].upper() + text[1:]


def test(identity: str) -> str:
    """A finding's id in words: ``Accuracy loss above the limit``; what is no id stays as it is."""
    check, *parts = identity.split("/")
    known = words.CHECKS.get(check) or numbers.TITLES.get(check)
    if known is None or not parts:
        return identity
    about = [_part(part) for part in parts if part not in KINDS]
    kind = next((KINDS[part] for part in parts if part in KINDS), "")
    return " ".join(part for part in (known, f"({', '.join(about)})" if about else "", kind) if part)


def _part(part: str) -> str:
    rate = words.RATES.get(part)
    return rate.name if rate else part.replace("=", " = ")


def reason(text: str) -> str:
    """Why candidates were refused, where the reason is a test's id and the time of the test."""
    identity, bracket, when = text.rpartition(" (")
    return f"{test(identity)}{bracket}{when}" if bracket else {"broke": "broke while it was made"}.get(text, test(text))


def looks(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The ledger's line about this look at the audit rows; fields that have no words of their own under their names."""
    left = dict(found)
    lines: list[tuple[str, str]] = []
    share, alpha = left.pop("share", None), left.pop("alpha", None)
    index, planned = left.pop("index", None), left.pop("looks", None)
    if index is not None:
        lines.append(("Look at these audit rows", f"{index} of {planned} planned" if planned else str(index)))
    if share is not None:
        whole = f" of {numbers.percent(alpha, 2)} for all looks at these rows" if alpha is not None else ""
        lines.append(("Level of this look", f"{numbers.percent(share, 2)}{whole}"))
    if "used" in left:
        used = left.pop("used")
        lines.append(("Audit rows that an earlier look had read", "none" if not used else numbers.count(used)))
    if "replay" in left:
        again = "yes: nothing was spent again" if left.pop("replay") else "no"
        lines.append(("Repeats a look already paid for", again))
    if "account" in left:
        lines.append(("Account in the ledger", str(left.pop("account"))))
    if "accounts" in left:
        lines.append(("Accounts in the ledger", str(left.pop("accounts"))))
    said = {name: numbers.digits(value) if isinstance(value, float) else str(value) for name, value in left.items()}
    return lines + [(f"Look: {name}".replace("_", " "), text) for name, text in said.items()]


def leaks(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Counts of leaking rows under names that say what was counted, in the order of ``LEAKS``."""
    known = [(LEAKS[name], found[name]) for name in LEAKS if name in found]
    return known + [(name.replace("_", " "), value) for name, value in found.items() if name not in LEAKS]
