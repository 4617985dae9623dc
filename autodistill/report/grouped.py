"""Which candidates were trained with group columns: some policies forbid it, and a reader may want to know."""

from collections.abc import Mapping
from typing import Any

from autodistill.report import chart, numbers
from autodistill.space import fairness

LISTED = 40
UNTRAINED = ("refused", "skipped")


def rows(report: Mapping[str, Any], unknown: Mapping[str, int]) -> dict[str, Any]:
    """``candidates``: each whose training used group columns, or would have (see its ``state``), with the options that
    read them; ``features``: group columns that all models read; ``unknown``: train rows of unknown group under each
    grouping that was used; ``rule`` is the policy's."""
    data = report.get("data") or {}
    found = []
    for entry in chart.entries(report):
        one = entry.candidate
        used = fairness.of_groups(one.fairness)
        if used:
            by = one.fairness.get("group_by")
            found.append({"key": one.key, "number": one.number, "state": entry.state, "options": list(used), "by": by})
    return {
        "rule": str((report.get("policy") or {}).get("group_data_in_training", "allowed")),
        "features": [name for name in data.get("groups") or {} if name in (data.get("features") or ())],
        "candidates": found,
        "unknown": dict(unknown),
    }


def sentences(report: Mapping[str, Any]) -> list[str]:
    """What was found, for a reader; nothing for a report that is older than this record."""
    about = report.get("group_data")
    if about is None:
        return []
    total = len(report.get("entries") or ())
    used = [one for one in about["candidates"] if one["state"] not in UNTRAINED]
    said = []
    if about["features"]:
        said.append(f"Group columns are features, which every model reads: {', '.join(about['features'])}.")
    if not used:
        said.append("No candidate's training used group columns beside the features.")
        return said if about["features"] else ["No candidate was trained with group columns."]
    options = ", ".join(sorted({option for one in used for option in one["options"]}))
    listed = ", ".join(str(one["number"]) for one in used[:LISTED])
    more = f" and {len(used) - LISTED} more" if len(used) > LISTED else ""
    unread = "" if about["features"] else " Their artefacts do not read them."
    counted = f"{len(used)} of {total} candidates were trained with the help of group columns"
    said.append(f"{counted} ({options}): no. {listed}{more}.{unread}")
    key = report.get("certified") or report.get("finalist")
    if key:
        who = "The certified student" if report.get("certified") else "The finalist"
        own = next((one["options"] for one in used if one["key"] == key), None)
        said.append(f"{who} is one of them ({', '.join(own)})." if own else f"{who} is not one of them.")
    if about["rule"] == "forbidden":
        said.append("The policy forbids that; none of these may be chosen under it.")
    for by, many in about["unknown"].items():
        if many:
            said.append(f"{numbers.count(many)} train rows have no known {by}: a stratum of their own, with weight 1.")
    return said


def uses(entry_fairness: Mapping[str, Any]) -> str:
    """The options of a candidate that read group columns, as its row shows them; "" where none does."""
    return ", ".join(fairness.of_groups(entry_fairness))
