"""A search judged again: a shortlist from what it saw of the search split, then ordered tests as at its end."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autodistill import auditor, report, verdict
from autodistill.auditor import exemplars
from autodistill.ledger import Ledger
from autodistill.records import Entry, Policy, digest, plain
from autodistill.run import decided, ordered, rates, sealed
from autodistill.run.finished import STUDENT, Finished
from autodistill.run.ordered import Certification, Tested

ELSE = "the twins were trained for the finalist under the search's policy, and judging again trains nothing"
ALLOWED = (
    "Had the policies that read these rows said beforehand how many looks there would be (`looks:`), each would have "
    "taken its share of the level and this one would have been allowed."
)


def judged(
    folder: Path, found: Mapping[str, Any], rules: Policy, book: Ledger
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The report of a search under other rules, and files to be written beside it."""
    bench = Finished(folder=folder, found=found, policy=rules)
    entries = bench.entries()
    listed, examined = ordered.shortlist(bench, [one for one in entries if one.state == "finished"])
    tested = [Tested(entry=entry, order=order, power=power) for order, (entry, power) in enumerate(listed)]
    certified = Certification(teacher_readings=bench.teacher_readings)
    if tested:
        bench.refuse_unreadable([one.entry.candidate for one in tested])
        certified = replace(ordered.tests(bench, tested, book), teacher_readings=bench.teacher_readings)
    return _report(bench, entries, certified, examined)


def _report(
    bench: Finished, entries: tuple[Entry, ...], certified: Certification, examined: int
) -> tuple[dict[str, Any], dict[str, bytes]]:
    found, rules, finalist = bench.found, bench.policy, certified.finalist
    key = None if finalist is None else finalist.entry.candidate.key
    same = key == found["finalist"] and not certified.refused
    decision = plain(decided.decide(certified, entries, str(found["data"].get("unit") or "")))
    if certified.refused:
        decision["sentence"] += f" {ALLOWED}"
    new = {name: value for name, value in found.items() if name != "night"} | {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "verdict": decision,
        "certified": None if certified.chosen is None else certified.chosen.entry.candidate.key,
        "finalist": key,
        "entries": plain(list(entries)),
        "shortlist": [decided.tested(one, _told(bench, certified, one.entry)) for one in certified.shortlist],
        "findings": [] if finalist is None else plain(finalist.findings),
        "attribution": found.get("attribution", []) if same else [],
        "attribution_reason": found.get("attribution_reason", "") if same else ELSE,
        "rows_to_read": {},
        "worth": found["worth"] if same else {"sentence": f"Not known of this finalist: {ELSE}."},
        "fairlearn": [],
        "rejected_because": decided.rejected(entries),
        "policy": plain(rules),
        "method": {
            **found["method"],
            "looks": dict(certified.look or {}),
            "m": verdict.count(rules, bench.groups),
            "examined": examined,
        },
        "files": {name: sha for name, sha in found["files"].items() if not name.startswith("candidates/")},
        "notes": _notes(bench, entries, certified),
    }
    files = {} if certified.refused else _unheard(bench, certified)
    if certified.look and finalist is not None:
        seen = bench.evidence(finalist.entry.candidate, "audit")
        files[exemplars.FILE] = exemplars.exemplar_csv(exemplars.exemplar_table(seen))
        said = rates.costs(seen.teacher["audit"], seen.y, seen.classes)
        new |= {
            "rows_to_read": exemplars.rows_to_read(seen, rules),
            "fairlearn": auditor.fairlearn_values(seen) if seen.groups else [],
            "teacher": {**found["teacher"], "error_audit": rates.share(said, rules.alpha)},
        }
        path = bench.folder / "candidates" / str(key) / STUDENT
        new["files"] |= {f"candidates/{key}/{STUDENT}": digest(path.read_bytes())}
    new["against"] = report.compared(new)
    new["group_data"] = report.group_data(new, (found.get("group_data") or {}).get("unknown", {}))
    return new, files


def _unheard(bench: Finished, certified: Certification) -> dict[str, bytes]:
    """What students say of the audit rows whom the search had not tested: a signature of this judgement rests on it."""
    out: dict[str, bytes] = {}
    for one in certified.shortlist:
        name = f"candidates/{one.entry.candidate.key}/predictions.audit.parquet"
        if not (bench.folder / name).is_file():
            out[name] = sealed.stored(bench.evidence(one.entry.candidate, "audit").student["audit"])
    return out


def _told(bench: Finished, certified: Certification, entry: Entry) -> dict[str, Any]:
    """What a tested student got wrong on the audit rows, where the look at them was paid for."""
    if certified.refused:
        return {}
    seen = bench.evidence(entry.candidate, "audit")
    mine, teacher = (rates.costs(one["audit"], seen.y, seen.classes) for one in (seen.student, seen.teacher))
    return rates.told(mine, teacher, bench.policy.alpha)


def _notes(bench: Finished, entries: tuple[Entry, ...], certified: Certification) -> list[str]:
    found, notes = bench.found, [certified.refused] if certified.refused else []
    never = sum(one.state == "refused" for one in entries)
    if never:
        notes.append(
            f"{never} candidates were refused before training under the search's policy: nothing of them can be judged"
        )
    barred = sum(one.state == "finished" and not ordered.may_be_chosen(one, bench) for one in entries)
    if barred:
        notes.append(
            f"{barred} candidates were trained with group columns, which this policy forbids: none of them is tested"
        )
    if found["policy"]["confidence"] != bench.policy.confidence:
        level = 1 - found["policy"]["confidence"]
        notes.append(f"intervals of the controls are those of the search's report, one-sided at {level:.4g}")
    return notes
