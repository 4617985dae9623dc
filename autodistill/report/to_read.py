"""The rows that changed hands: how many, in which groups, and where a person finds them."""

from collections.abc import Mapping
from typing import Any

from autodistill.report import chart, numbers

KINDS = {
    "bad": "The teacher was right, the student is wrong",
    "good": "The teacher was wrong, the student is right",
    "neutral": "Both are wrong, in different ways",
}


def section(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """Counts, shares by group, ids where the policy shows them; None for a record that has no such part."""
    found = report.get("rows_to_read")
    if not isinstance(found, Mapping):
        return None
    counts = dict(found.get("counts") or {})
    total = sum(counts.values())
    return {
        "total": total,
        "counts": [
            (KINDS.get(kind, kind), numbers.count(counts[kind])) for kind in (*KINDS, *counts) if kind in counts
        ][: len(counts)],
        "groups": [_group(line, total, _rows(report)) for line in found.get("groups") or ()],
        "ids": [str(one) for one in found.get("ids") or ()] if found.get("shown") else [],
        "file": str(found.get("file") or ""),
        "none": "" if total else _nothing(report),
    }


def _nothing(report: Mapping[str, Any]) -> str:
    """Why there is no row to read."""
    if not (report.get("data") or {}).get("classes"):
        return str(report["rows_to_read"].get("reason") or "A regression has no decisions that flip.")
    return "Both models decide every row alike: there is none to read."


def _rows(report: Mapping[str, Any]) -> int:
    return int(((report.get("data") or {}).get("splits") or {}).get("audit") or 0)


def _group(line: Mapping[str, Any], total: int, rows: int) -> dict[str, Any]:
    """A group's share of the changed rows beside its share of all; those of few rows withheld."""
    share, population = line.get("share"), line.get("population")
    few = share is None or population is None or min(share * total, population * rows) < chart.SMALL_CELL
    times = (
        "no ratio" if few or not population else f"{numbers.digits((share or 0) / population, 2)}{numbers.NARROW}times"
    )
    return {
        "attribute": str(line.get("attribute", "")),
        "group": str(line.get("group") or "unknown"),
        "share": f"withheld: under {chart.SMALL_CELL} rows" if few else numbers.percent(share),
        "population": numbers.percent(population),
        "times": times,
    }
