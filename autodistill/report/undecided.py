"""What the audited rows cannot decide, why, and how many rows it would take."""

from collections.abc import Iterable, Mapping
from typing import Any

from autodistill.records import Finding
from autodistill.report import attributed, chart, numbers, words

OPEN = frozenset({"INCONCLUSIVE", "INSUFFICIENT", "NOT_APPLICABLE"})
LEAN = "these data lean towards a FAIL"  # said in the column of rows already
UNKNOWN = ("", "(unknown)", "unknown")


def section(report: Mapping[str, Any], found: Iterable[Finding]) -> dict[str, Any]:
    """Open tests, the smallest margins, origins that are not known, groups that are not judged."""
    every = [f for f in found if f.split != "device"]
    margins, n_min = _margins(every), (report.get("policy") or {}).get("n_min")
    return {
        "open": [_open(f, n_min) for f in every if f.required and f.outcome in OPEN],
        "margins": margins,
        "able": all(line["able"] for line in margins if not line["standing"]),
        "origins": _origins(every),
        "groups": [*_unknown(report), *_capped(every), *_excluded(report, every)],
    }


def _open(finding: Finding, n_min: int | None) -> dict[str, str]:
    return {
        "test": _title(finding),
        "who": words.who(finding),
        "outcome": finding.outcome,
        "outcome_words": words.OUTCOMES[finding.outcome],
        "rows": _rows(finding),
        "why": _why(finding),
        "needed": _needed(finding, n_min),
    }


def _title(finding: Finding) -> str:
    return f"{_about(finding)}{_kind(finding)}"


def _about(finding: Finding) -> str:
    name, about = words.check_title(finding.check), words.about(finding)
    if about.startswith(name.lower()):
        return name + about[len(name) :]
    return f"{name}: {about}"


def _kind(finding: Finding) -> str:
    return ", growth" if finding.limit_kind == "grows_by_at_most" else ""


def _rows(finding: Finding) -> str:
    """Rows under the finding; where the quantity counts only some of them, both figures."""
    if finding.note == chart.WITHHELD:
        return f"under {chart.SMALL_CELL}"
    if finding.denominator is not None and finding.denominator != finding.rows:
        rate = words.rate(finding)
        counted, rows = numbers.count(finding.denominator), numbers.count(finding.rows)
        return f"{counted} {rate.what if rate else 'counted'} of {rows} rows"
    return numbers.count(finding.rows) if finding.rows else "none"


def _why(finding: Finding) -> str:
    if finding.outcome == "INCONCLUSIVE" and finding.estimate is not None and finding.limit is not None:
        beyond = finding.limit_kind != "at_least" and finding.low is not None and finding.low > finding.limit
        lies = "is beyond" if beyond else "is inside" if words.inside(finding) else "lies on both sides of"
        notes = [part for part in finding.note.split("; ") if part and part != LEAN]
        return "; ".join([f"{words.measured(finding)} {lies} the limit of {words.bound(finding)}", *notes])
    return finding.note or "the reason was not recorded"


def _needed(finding: Finding, n_min: int | None) -> str:
    if finding.rows_needed is not None:
        return f"about {numbers.count(finding.rows_needed)}"
    if words.leans(finding):
        return "none: the estimate is not inside the limit, so more rows alone are no remedy"
    if finding.outcome == "NOT_APPLICABLE":
        return "none: not a matter of rows"
    least = f", but at least {n_min} that the quantity counts" if finding.outcome == "INSUFFICIENT" and n_min else ""
    return f"not known{least}"


def _margins(found: list[Finding]) -> list[dict[str, Any]]:
    """For each check, attribute and kind of limit the least limit that all its groups could pass on these rows."""
    tables: dict[tuple[str, ...], list[Finding]] = {}
    for finding in found:
        ratio = finding.limit_kind == "at_most_ratio"  # its margin is one of the difference
        if finding.required and finding.limit is not None and not ratio and _margin(finding) is not None:
            tables.setdefault((*words.kind(finding), str(finding.limit_kind)), []).append(finding)
    lines = []
    for same in tables.values():
        worst = max(same, key=lambda f: _margin(f) or 0.0)
        margin, limit = _margin(worst) or 0.0, worst.limit or 0.0
        lines.append(
            {
                "test": f"{_about(worst)}{_kind(worst)}",
                "attribute": str(worst.options.get("attribute") or ""),
                "who": words.who(worst),
                "standing": worst.check in words.SIGNED and worst.limit_kind == "at_most",
                "margin": words.amount(worst, margin),
                "limit": words.bound(worst),
                "able": margin < limit,
            }
        )
    return lines


def _margin(finding: Finding) -> float | None:
    margin = finding.details.get("smallest_margin")
    return float(margin) if isinstance(margin, int | float) else None


def _origins(found: list[Finding]) -> list[dict[str, str]]:
    """Gaps whose origin these rows cannot tell."""
    seen: dict[str, list[Finding]] = {}
    for finding in found:
        if finding.origin == "undetermined" and finding.required:
            seen.setdefault(attributed.stem(finding), []).append(finding)
    lines = []
    for same in seen.values():
        needed = [f.rows_needed for f in same if f.rows_needed is not None]
        known = f"about {numbers.count(max(needed))}" if needed else "not known"
        lines.append(
            {"who": words.who(same[0]), "about": words.about(same[0]), "rows": _rows(same[0]), "needed": known}
        )
    return lines


def _unknown(report: Mapping[str, Any]) -> list[str]:
    """Rows whose group is not known, by attribute."""
    lines = []
    for attribute, sizes in ((report.get("data") or {}).get("groups") or {}).items():
        n = sum(size for name, size in sizes.items() if name in UNKNOWN)
        if n:
            count = numbers.count(n) if n >= chart.SMALL_CELL else f"under {chart.SMALL_CELL}"
            lines.append(
                f"{attribute}: {count} rows of the table have no known group; listed, in no comparison, not judged."
            )
    return lines


def _capped(found: list[Finding]) -> list[str]:
    """Attributes of which nothing is decided, because too many rows have no known group."""
    capped = [f for f in found if "have no known group" in f.note]
    notes = {f"{f.options.get('attribute')}: {_part(f.note, 'have no known group')}." for f in capped}
    return sorted(notes)


def _part(note: str, words_: str) -> str:
    return next((part for part in note.split("; ") if words_ in part), note)


def _excluded(report: Mapping[str, Any], found: list[Finding]) -> list[str]:
    """Groups that the policy's owner lets be undecided, and the reason given."""
    because = str((report.get("policy") or {}).get("because") or "no reason is given")
    named = {f"{f.options.get('attribute')} = {group}" for f in found for group in f.details.get("excluded", ())}
    return [f"{name}: left undecided by the policy's leave, because: {because}" for name in sorted(named)]
