"""What the Pareto chart shows: one point a candidate, control and teacher, with the words of its tooltip."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from autodistill.records import Candidate, Entry, Finding, Reading
from autodistill.report import errors, names, numbers, sentences

AXES = ("latency", "latency@32", "size", "energy", "parameters", "macs")
SCREENED = {"PASS": "meets", "INCONCLUSIVE": "undetermined", "FAIL": "fails", "BROKEN": "broken"}
SCREEN_WORDS = {
    "meets": "meets the policy (screening)",
    "undetermined": "undetermined (screening)",
    "fails": "fails the policy (screening)",
    "refused": "refused before training",
    "skipped": "left untrained: it could not have mattered",
    "stopped": "stopped before its training was over",
    "broken": "broken",
    "unscreened": "not screened",
}
SMALL_CELL = 10
WITHHELD = f"withheld: under {SMALL_CELL} rows"
SHOWN = 800  # points and rows on the page, so that it stays under 2 MB; candidates.csv has all of them


def entries(report: Mapping[str, Any]) -> list[Entry]:
    """The candidates of a report as records, in order of their number, readings as ``readings`` names them."""
    found = [msgspec.convert(entry, Entry) for entry in report.get("entries", ())]
    found = [
        replace(entry, readings=tiered(entry.readings), findings=errors.named(entry.findings, report))
        for entry in found
    ]
    return sorted(found, key=lambda entry: (entry.candidate.number, entry.candidate.key))


def readings(plain: Mapping[str, Any] | None) -> dict[str, Reading]:
    """Readings as records; an energy is named with its tier: ``energy_uJ.modelled``."""
    return tiered(msgspec.convert(plain or {}, dict[str, Reading]))


def tiered(read: Mapping[str, Reading]) -> dict[str, Reading]:
    """Readings with the tier in the name of every energy, so that an estimate is never shown as a measurement."""
    return {f"energy_uJ.{r.source}" if name == "energy" else name: r for name, r in read.items()}


def findings(plain: Any, report: Mapping[str, Any] | None = None) -> list[Finding]:
    """Findings as records, fit to be shown: without the figures of very small groups, in the unit that ``report`` gives
    the target."""
    found = [withheld(finding) for finding in msgspec.convert(plain or [], list[Finding])]
    return list(errors.named(found, report or {}))


def withheld(finding: Finding) -> Finding:
    """A finding about fewer than ``SMALL_CELL`` rows of a group without its figures, which could point at persons."""
    rows = finding.rows if finding.denominator is None else finding.denominator
    if finding.group is None or rows >= SMALL_CELL:
        return finding
    names: tuple[str, ...] = ("teacher", "student", "teacher_reference", "student_reference", "estimate", "low", "high")
    names += ("gap_teacher", "gap_student", "denominator", "rows_needed")
    gone: dict[str, Any] = dict.fromkeys(names)
    kept = {name: finding.details[name] for name in ("groups", "excluded") if name in finding.details}
    return replace(finding, **gone, rows=0, note=WITHHELD, details=kept)


def screening(entry: Entry) -> str:
    """What became of a candidate on the search split: never a verdict, hence words of its own."""
    if entry.state != "finished":
        return entry.state
    return SCREENED.get(entry.verdict.decision, "unscreened") if entry.verdict else "unscreened"


def partly(entry: Entry) -> str:
    """How far a candidate was trained, where that was not to the end: ``epoch 4 of 30``; else nothing."""
    said = entry.fidelity
    if said.get("whole", True) or "epochs" not in said or "of" not in said:
        return ""
    return f"at epoch {said['epochs']} of {said['of']}"


def why(entry: Entry) -> str:
    """Why a candidate was refused, left untrained or stopped, broke, fails or is undetermined; for the others, that
    nothing stands in the way."""
    if entry.state != "finished":
        return entry.reason or "The reason was not recorded."
    if entry.verdict is not None and entry.verdict.sentence:
        return entry.verdict.sentence
    because = set(entry.verdict.because) if entry.verdict else set()
    blocking = [withheld(f) for f in entry.findings if f.id in because and f.outcome != "PASS"]
    worst = sorted(blocking, key=lambda f: f.outcome != "FAIL")
    if worst:
        rest = f" (and {len(worst) - 1} more)" if len(worst) > 1 else ""
        return sentences.sentence(worst[0]) + rest
    return entry.reason or (
        "Every required test passes on the search split." if screening(entry) == "meets" else "No reason was recorded."
    )


def shown(report: Mapping[str, Any]) -> list[Entry]:
    """The candidates that the page shows: all, or where there are very many those that matter most."""
    every = entries(report)
    if len(every) <= SHOWN:
        return every
    kept = {key for key in (report.get("certified"), report.get("finalist"), *report.get("front", ())) if key}
    kept |= {line["key"] for line in report.get("shortlist", ())}
    ranked = sorted(every, key=lambda e: (e.candidate.key not in kept, e.error is None, e.error or 0.0))[:SHOWN]
    return sorted(ranked, key=lambda e: e.candidate.number)


def axes(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The quantities that can be the chart's x axis: those that some candidate, control or the teacher has."""
    carriers = [entry.readings for entry in entries(report)]
    carriers += [readings(control.get("readings")) for control in report.get("controls", ())]
    carriers.append(readings(report.get("teacher", {}).get("readings")))
    units: dict[str, str] = {}
    for carrier in carriers:
        units |= {name: reading.unit for name, reading in carrier.items() if reading.value is not None}
    order = [name for kind in AXES for name in sorted(units) if name == kind or name.split("_")[0] == kind]
    made = []
    for name in dict.fromkeys(order):
        largest = max((c[name].value or 0.0 for c in carriers if name in c), default=0.0)
        by, unit = numbers.scale(units[name], largest)
        made.append({"key": name, "label": numbers.title(name), "unit": unit, "by": by})
    return made


def data(report: Mapping[str, Any]) -> dict[str, Any]:
    """The chart as JSON values: axes, and points with their position on every axis (None where unknown)."""
    scales = axes(report)
    front, shortlist = set(report.get("front", ())), {line["key"] for line in report.get("shortlist", ())}
    points = []
    for entry in shown(report):
        key = entry.candidate.key
        role = "shortlist" if key in shortlist else ""
        role = "finalist" if key == report.get("finalist") else role
        role = "certified" if key == report.get("certified") else role
        points.append(
            _point(
                ("candidate", f"No. {entry.candidate.number}"),
                entry.error,
                entry.readings,
                scales,
                report,
                partly(entry),
            )
            | {"key": key, "number": entry.candidate.number, "family": entry.candidate.family, "role": role}
            | {"screening": screening(entry), "front": key in front, "why": names.shorten(why(entry))}
            | {"settings": names.settings(entry.candidate), "name": names.candidate_name(entry.candidate)}
        )
    for control in report.get("controls", ()):
        if control["name"] != "teacher":
            points.append(_standing("control", control.get("title", control["name"]), control, scales, report))
    teacher = report.get("teacher") or {}
    if teacher:
        points.append(_standing("teacher", f"Teacher: {teacher.get('name', 'not named')}", teacher, scales, report))
    by, unit = (1, "sd") if errors.of_numbers(report) else (100, "%")
    error = {"by": by, "unit": unit, "title": errors.title(report), "places": 3 if by == 1 else 1}
    return {"axes": scales, "points": points, "screening": SCREEN_WORDS, "error": error}


def _standing(
    kind: str, name: str, record: Mapping[str, Any], scales: list[dict[str, Any]], report: Mapping[str, Any]
) -> dict[str, Any]:
    """A control or the teacher as a point."""
    error = record.get("error", record.get("error_search"))
    candidate = record.get("candidate")
    lines = names.settings(msgspec.convert(candidate, Candidate)) if candidate else []
    point = _point((kind, name), error, readings(record.get("readings")), scales, report)
    return point | {
        "key": "",
        "number": None,
        "family": "",
        "role": kind,
        "screening": "",
        "front": False,
        "why": record.get("what", ""),
        "settings": lines,
        "name": name,
    }


def _point(
    what: tuple[str, str],
    error: float | None,
    read: Mapping[str, Reading],
    scales: list[dict[str, Any]],
    report: Mapping[str, Any],
    when: str = "",
) -> dict[str, Any]:
    place = {}
    for axis in scales:
        reading = read.get(axis["key"])
        known = reading is not None and reading.value is not None
        text = f"{numbers.value(reading)} {numbers.spread(reading)}".strip()
        status = f" ({reading.status.replace('_', ' ')})" if reading and reading.status != "ok" and known else ""
        at = reading.value / axis["by"] if reading is not None and reading.value is not None else None
        place[axis["key"]] = {"at": at, "text": text + status}
    of = "on the search split" if errors.of_numbers(report) else "of search rows"
    error_text = "not known" if error is None else f"{errors.search(error, report)} {of}{when and f', {when}'}"
    return {"kind": what[0], "label": what[1], "error": error, "error_text": error_text, "x": place}


def in_sight(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The points that share a scale: a control far above every student (a majority class) would flatten the rest, and
    so would a student that was stopped early."""
    core = [p["error"] for p in points if not _loose(p) and p["error"] is not None]
    if len(core) < 3:
        return points
    highest = max(core) + max(0.6 * (max(core) - min(core)), 0.01)
    return [p for p in points if not _loose(p) or p["error"] is None or p["error"] <= highest]


def _loose(point: Mapping[str, Any]) -> bool:
    """A control, or a student that was stopped: where it lies far above the others it does not set the scale."""
    return bool(point["kind"] == "control" or point["screening"] == "stopped")
