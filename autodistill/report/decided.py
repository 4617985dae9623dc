"""Who decided what about a run, as the page shows it: statements read from their envelopes, never taken as proof."""

from collections.abc import Mapping
from typing import Any

DECIDED = {
    "approved": "Approved",
    "approved-with-conditions": "Approved with conditions",
    "rejected": "Rejected",
    "revoked": "Revoked",
}
TESTS = (("passedTests", "passed"), ("warnedTests", "undecided"), ("failedTests", "failed"))


def signatures(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each statement as the page shows it: what, who, when, until, on which conditions; never taken as proof."""
    return [_shown(one) for one in report.get("statements") or ()]


def _shown(statement: Mapping[str, Any]) -> dict[str, Any]:
    said: Mapping[str, Any] = statement.get("predicate") or {}
    ours: Mapping[str, Any] = said.get("autodistill") or {}
    if statement.get("broken"):
        why = [str(statement["broken"])]
        return {"title": "Unreadable", "who": statement["file"], "at": "", "lines": why, "file": ""}
    lines: list[str] = []
    if "decision" in said:
        title = DECIDED.get(str(said["decision"]), str(said["decision"]))
        who = f"{said.get('by')}, {said.get('role')}"
        lines += [str(said["in_spite_of"])] if said.get("in_spite_of") else []
        lines += [f"valid until {said['validUntil']}"] if said.get("validUntil") else []
        lines += [f"because: {said['because']}"] if said.get("because") else []
        lines += [f"condition: {one}" for one in said.get("conditions") or ()]
        lines += [
            f"waived until {one['until']}: {one['finding']} ({one['because']})" for one in said.get("waivers") or ()
        ]
        at = said.get("at")
    else:
        title = "Sealed test" if ours.get("split") == "sealed" else "Facts"
        who, at = "the auditor (a machine's key)", ours.get("at")
        counts = [f"{len(said.get(name) or ())} {word}" for name, word in TESTS]
        lines.append(f"{said.get('result')}: {', '.join(counts)}")
        lines += [f"run by {ours['by']}: {ours['by_from']}"] if ours.get("by_from") else []
    return {"title": title, "who": who, "at": str(at or ""), "lines": lines, "file": statement.get("file", "")}
