"""The page of a signed run: the same record, with what was signed about it beside."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autodistill.errors import RunError
from autodistill.report import render

DECIDED = {
    "approved": "Approved",
    "approved-with-conditions": "Approved with conditions",
    "rejected": "Rejected",
    "revoked": "Revoked",
}


def write_page(folder: Path, report: Mapping[str, Any], statements: Sequence[Mapping[str, Any]]) -> Path:
    """Render ``report.html`` again with the statements (as they are in their envelopes); the record is not touched.

    Raises RunError where the page cannot be written.
    """
    image = folder / "front.png"
    page = render.html({**report, "statements": list(statements)}, image.read_bytes() if image.is_file() else b"")
    path, part = folder / "report.html", folder / ".report.html.part"
    try:
        part.touch(mode=0o600)
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    except OSError as fault:
        raise RunError(
            f"the page cannot be written ({fault.strerror})", where=str(path), do="free the place"
        ) from fault
    return path


def signatures(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each statement as the page shows it: what, who, when, until, on which conditions; never taken as proof."""
    return [_shown(one) for one in report.get("statements") or ()]


def _shown(statement: Mapping[str, Any]) -> dict[str, Any]:
    said: Mapping[str, Any] = statement.get("predicate") or {}
    ours: Mapping[str, Any] = said.get("autodistill") or {}
    if statement.get("broken"):
        return {"title": "Unreadable", "who": statement["file"], "lines": [str(statement["broken"])], "file": ""}
    lines: list[str] = []
    if "decision" in said:
        title = DECIDED.get(str(said["decision"]), str(said["decision"]))
        who = f"{said.get('by')}, {said.get('role')}"
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
    return {"title": title, "who": who, "at": str(at or ""), "lines": lines, "file": statement.get("file", "")}


TESTS = (("passedTests", "passed"), ("warnedTests", "undecided"), ("failedTests", "failed"))
