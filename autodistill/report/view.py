"""What the page shows, section by section, in words and finished numbers. The template only lays it out."""

from collections.abc import Mapping
from typing import Any

from autodistill.records import Finding
from autodistill.report import (
    against,
    attributed,
    audited,
    beside,
    chart,
    decided,
    dossier,
    errors,
    grouped,
    nights,
    numbers,
    plain,
    record,
    sections,
    sentences,
    terms,
    to_read,
    undecided,
    words,
)

BADGES = {
    "PASS": "Accepted",
    "FAIL": "Refused",
    "INCONCLUSIVE": "Not decided",
    "BROKEN": "Broken",
}
AUDIT = "audit"
SECTIONS = (
    ("verdict", "Verdict"),
    ("front", "Pareto front"),
    ("worth", "Was it worth it?"),
    ("against", "Against compression"),
    ("words", "In plain words"),
    ("undecided", "What is undecided"),
    ("groups", "Groups"),
    ("tests", "Required tests"),
    ("rows", "Rows to read"),
    ("certification", "Certification"),
    ("nights", "Over the nights"),
    ("simplification", "Other checks"),
    ("candidates", "Candidates"),
    ("measured", "How it was measured"),
    ("data", "Data"),
    ("method", "Method"),
    ("cost", "Cost"),
    ("signoff", "Sign-off"),
    ("record", "Record"),
)
SEARCHED = frozenset({"front", "worth", "against", "certification", "candidates", "measured", "cost"})
"""What an audit of predictions has nothing to say about."""
SAW = {
    "none": "By the user's declaration the teacher had seen none of these rows.",
    "unknown": "It is not known whether the teacher had seen these rows: it may look better on them than it is, and no "
    "origin of a gap is named.",
}


def page(report: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the template needs, from a report's plain values."""
    found = chart.findings(report.get("findings"), report)
    splits = attributed.by_stem(chart.findings(report.get("attribution")))
    audit = report.get("kind") == AUDIT
    reading, over = to_read.section(report), nights.section(report)
    absent = (SEARCHED if audit else frozenset()) | (frozenset() if reading else {"rows"})
    absent |= frozenset() if over else {"nights"}
    return {
        "audit": audit,
        "numbers": errors.of_numbers(report),
        "error_title": errors.title(report),
        "contents": [(id_, name) for id_, name in SECTIONS if id_ not in absent],
        "head": _head(report),
        "verdict": _verdict(report, found),
        "beside": beside.audit(report, found) if audit else beside.search(report, found),
        "obstacles": _obstacles(report, found),
        "about": _about(report) if audit else [],
        "plain": plain.items(report, found),
        "undecided": undecided.section(report, found),
        "reading": reading,
        "parts": bool(splits),
        "groups": audited.groups(found, judged=True, splits=splits),
        "reported_groups": audited.groups(found, judged=False, splits=splits),
        "tests": audited.tests(found),
        "levels": audited.levels(f for f in found if f.required),
        "others": audited.others(found),
        "reported": audited.reported(found, (report.get("method") or {}).get("not_judged") or ()),
        "worth": sections.worth(report),
        "against": [] if audit else against.shown(report),
        "against_teacher": "" if audit else against.teacher_line(report),
        "controls": sections.controls(report),
        "fairlearn": sections.fairlearn(report),
        "shortlist": sections.shortlist(report),
        "nights": over,
        "candidates": sections.candidates(report),
        "grouped": [] if audit else grouped.sentences(report),
        "refused": sections.refused(report),
        "measured": record.measured(report),
        "data": record.data(report),
        "method": record.method(report, found),
        "policy_text": str((report.get("policy") or {}).get("text") or numbers.MISSING),
        "spec_text": str((report.get("spec") or {}).get("text") or numbers.MISSING),
        "cost": record.cost(report),
        "purpose": record.purpose(report),
        "digests": record.digests(report),
        "environment": record.pairs(report.get("environment") or {}),
        "notes": _notes(report),
        "signatures": decided.signatures(report),
        "dossier": dossier.answers(report),
    }


def _notes(report: Mapping[str, Any]) -> list[str]:
    """The run's own notes, less those that the verdict's sentence says already."""
    said = str(report["verdict"].get("sentence") or "")
    return [note for note in map(str, report.get("notes") or ()) if note not in said]


def _head(report: Mapping[str, Any]) -> dict[str, str]:
    policy = report.get("policy") or {}
    return {
        "name": str(report.get("name", "unnamed")),
        "title": str(report.get("title") or report.get("name", "unnamed")),
        "created": terms.moment(str(report.get("created") or "time not recorded")),
        "kind": str(report.get("kind", "search")),
        "policy": f"{policy.get('name', 'not named')} {policy.get('version', '')}".strip(),
        "policy_sha": str(policy.get("sha256", ""))[:12],
        "confidence": numbers.percent(policy["confidence"], 0) if "confidence" in policy else numbers.MISSING,
    }


def _verdict(report: Mapping[str, Any], found: list[Finding]) -> dict[str, Any]:
    verdict = report["verdict"]
    names = {f.id: f for f in found}
    because = [sentences.sentence(names[i]) if i in names else terms.test(str(i)) for i in verdict.get("because", ())]
    return {
        "decision": verdict["decision"],
        "badge": "Certified" if report.get("certified") else BADGES[verdict["decision"]],
        "sentence": verdict.get("sentence") or "The sentence of the verdict was not recorded.",
        "because": because,
    }


def _about(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What an audit of predictions rests on: what the teacher had seen, the look, what no prediction can show."""
    method, teacher = report.get("method") or {}, report.get("teacher") or {}
    unjudged = [str(name).replace("_", " ") for name in method.get("not_judged") or ()]
    saw = str(teacher.get("saw", "not recorded"))
    looks = terms.looks(method.get("looks") or {})
    lines = [("Seen by the teacher", SAW.get(saw, saw))]
    if unjudged:
        lines.append(("Not judged", f"{' and '.join(unjudged)}: predictions alone cannot show that"))
    return [*lines, *(looks[:2] or [("Look at these audit rows", "not entered in a ledger")])]


def _obstacles(report: Mapping[str, Any], found: list[Finding]) -> dict[str, Any]:
    """What stands in the way, where nothing was certified."""
    if report.get("certified") or report["verdict"]["decision"] == "PASS":
        return {"shown": False, "lines": [], "candidate": None, "refused": []}
    order = {"FAIL": 0, "INCONCLUSIVE": 1, "INSUFFICIENT": 2, "NOT_APPLICABLE": 3}
    blocking = sorted((f for f in found if f.required and f.outcome in order), key=lambda f: order[f.outcome])
    lines = [{"outcome": f.outcome, "name": words.OUTCOMES[f.outcome], "text": sentences.sentence(f)} for f in blocking]
    refused = sorted((report.get("rejected_because") or {}).items(), key=lambda item: -item[1])
    shown = [(terms.reason(str(why)), n) for why, n in refused[:6]]
    return {"shown": True, "lines": lines, "candidate": beside.chosen(report), "refused": shown}
