"""The rows that changed hands: how many, in which groups, and where a person finds them."""

from collections.abc import Mapping, Sequence
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
    total, lines = sum(counts.values()), list(found.get("groups") or ())
    return {
        "total": total,
        "counts": [
            (KINDS.get(kind, kind), numbers.count(counts[kind])) for kind in (*KINDS, *counts) if kind in counts
        ][: len(counts)],
        "groups": [_group(line, few) for line, few in zip(lines, _withheld(lines, total, _rows(report)), strict=True)],
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


def _withheld(lines: Sequence[Mapping[str, Any]], total: int, rows: int) -> list[bool]:
    """Which lines speak of too few rows; where that is one of an attribute, the next smallest too, since the others
    would give it away."""
    cells = [min((x.get("share") or 0.0) * total, (x.get("population") or 0.0) * rows) for x in lines]
    hidden = [cell < chart.SMALL_CELL for cell in cells]
    for attribute in {str(x.get("attribute")) for x in lines}:
        mine = [at for at, x in enumerate(lines) if str(x.get("attribute")) == attribute]
        shown = [at for at in mine if not hidden[at]]
        if len(mine) - len(shown) == 1 and shown:
            hidden[min(shown, key=lambda at: cells[at])] = True
    return hidden


def _group(line: Mapping[str, Any], hidden: bool) -> dict[str, str]:
    """A group's share of the changed rows beside its share of all."""
    share, population = line.get("share"), line.get("population")
    times = "no ratio" if hidden or not population else numbers.digits((share or 0.0) / population, 2)
    return {
        "attribute": str(line.get("attribute", "")),
        "group": str(line.get("group") or "unknown"),
        "share": "withheld" if hidden else numbers.percent(share),
        "population": numbers.percent(population),
        "times": times if times == "no ratio" else f"{times}{numbers.NARROW}times",
    }
