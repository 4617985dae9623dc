"""The decision that stands about a run, verified: signed by who may, in force, about these files, not taken back."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autodistill import signoff
from autodistill.ledger import Ledger, Line
from autodistill.records import decode, digest, file_digest
from autodistill.run import attest, duties, vouched, waived
from autodistill.run.vouched import content
from autodistill.signoff import APPROVED, Asked, Checks

MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)


def decision(checks: Checks, run: Path, asked: Asked) -> None:
    """The checks of the last decision about this report."""
    what = "decision: signed by a trusted approver"
    with checks.guarded(what):
        book = Ledger(asked.root)
        line = _last(book, digest(content(run / "report.json")))
        if line is None:
            checks.add(what, False, "nobody has decided about this run: `autodistill sign`")
            return
        data = content(run / attest.STATEMENTS / f"decision-{str(line.data['statement'])[:12]}.dsse.json")
        if digest(data) != line.data["statement"]:
            checks.add(what, False, "the statement was changed since it was written in the ledger")
            return
        statement, key = signoff.unseal(data, asked.trusted("approver"))
        said = vouched.told(statement, signoff.DECISION)
        checks.add(what, *vouched.dated(asked, key, str(said["at"])))
        checks.faults(
            "decision: written in the ledger",
            lambda: [
                *vouched.written(book, asked, run, "decision", data, (said, key)),
                *_since(book, line),
                *_alike(line, said),
            ],
        )
        checks.faults("decision: about these files", lambda: _about(run, statement, line))
        approves = said["decision"] in APPROVED
        who = f"{said['decision']} by {said['by']} ({said['role']}), by the key of {asked.name(key)}, run {said['run']}"
        checks.add("decision: approves", approves, who)
        if approves:
            _in_force(checks, run, asked, said, key)
        taken = _taken(book.lines("revocation"), str(line.data["statement"]))
        checks.add("decision: not revoked", not taken, taken)


def _in_force(checks: Checks, run: Path, asked: Asked, said: Mapping[str, Any], key: str) -> None:
    until = str(said["validUntil"])
    in_time = bool(MOMENT.fullmatch(until)) and asked.now <= until
    checks.add("decision: not expired", in_time, f"until {until}")
    what = "decision: by somebody who may approve"
    checks.faults(what, lambda: duties.faults(run, said, asked.name(key)), duties.claimed(run))
    what = "decision: every required test passed or is waived"
    checks.faults(what, lambda: _open(run, said), waived.loud(said["waivers"]))
    late = [one for one in said["waivers"] if not waived.DAY.fullmatch(one["until"]) or asked.now[:10] > one["until"]]
    why = f"the waiver of {late[0]['finding']} ended {late[0]['until']}" if late else ""
    checks.add("decision: its waivers hold", not late, why or f"{len(said['waivers'])} waivers")


def _last(book: Ledger, report: str) -> Line | None:
    """The line of the decision that came last about this report. A statement counts once, at its first line: else a
    line that is written again would bring an earlier decision back."""
    first: dict[str, Line] = {}
    for line in book.lines("signature"):
        if line.data.get("what") == "decision" and line.data["report"] == report:
            first.setdefault(str(line.data["statement"]), line)
    return max(first.values(), key=lambda line: line.index, default=None)


def _since(book: Ledger, line: Line) -> list[str]:
    if line in book.granted("signature"):
        return []
    return ["the ledger was repaired by hand after it, so that what was lost is not known: decide again"]


def _alike(line: Line, said: Mapping[str, Any]) -> list[str]:
    """The line, by which an artefact is found and a person is told, says what its statement says."""
    pairs = {"decision": "decision", "by": "by", "role": "role", "until": "validUntil"}
    return [f"its line has another {name}" for name, own in pairs.items() if line.data.get(name) != said.get(own)]


def _taken(lines: Sequence[Line], statement: str) -> str:
    """Why a decision was revoked; empty where it was not. A line is enough, whoever signed its statement."""
    found = next((line for line in lines if statement in line.data.get("statements", ())), None)
    return "" if found is None else f"revoked: {found.data.get('because')}"


def _about(run: Path, statement: Mapping[str, Any], line: Line) -> list[str]:
    """Files that are not those that were decided about, and those that the decision leaves out."""
    mine = signoff.digests(statement)
    facts = signoff.peek(content(run / attest.FACTS))
    needed = {*signoff.digests(facts), attest.FACTS}
    if statement["predicate"]["decision"] in APPROVED and (run / attest.SEALED).is_file():
        needed.add(attest.SEALED)
    lacking = [f"it leaves out {one}" for one in sorted(needed - set(mine))]
    wrong = [*signoff.differing(mine, run, file_digest), *lacking]
    students = {line.data.get("student"), statement["predicate"]["scope"]["student"], mine.get("student.onnx")}
    return wrong if len(students) == 1 else [*wrong, "statement, its line and its files name different students"]


def _open(run: Path, said: Mapping[str, Any]) -> list[str]:
    """Required tests, of the audit and of the sealed rows, that neither passed nor were waived by name."""
    found = decode(content(run / "report.json"), dict[str, Any])
    opened: Sequence[Mapping[str, Any]] = ()
    if found.get("kind", "search") == "search":
        if not (run / attest.SEALED).is_file():
            return ["the sealed split was not opened, or what it found is not here"]
        opened = signoff.peek(content(run / attest.SEALED))["predicate"][signoff.OURS]["findings"]
    required = waived.tests(found, opened)
    never = waived.unproven(found, required)
    by = {one["finding"] for one in said["waivers"]}
    stand = [
        f"{name}: {outcome}"
        for name, outcome in waived.outcomes(required).items()
        if outcome != "PASS" and name not in by
    ]
    return [*([never] if never else []), *stand, *waived.differing(said["waivers"], required)]
