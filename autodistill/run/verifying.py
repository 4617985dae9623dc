"""Prove that nobody changed it: recompute digests, chain, signatures, expiry, revocation and verdict from bytes.

Fails closed: what cannot be checked is refused, and nothing in the run says whom to trust.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from autodistill import signoff, spec, verdict
from autodistill.errors import SignatureError
from autodistill.ledger import Ledger
from autodistill.records import Candidate, Finding, Reading, decode, digest
from autodistill.run import attest
from autodistill.signoff import Asked, Checked, Checks
from autodistill.signoff import head as heads

APPROVED = frozenset({"approved", "approved-with-conditions"})
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def folder(run: Path, asked: Asked) -> list[Checked]:
    """Every check of a run's folder: the machine's facts, and the decision that stands."""
    checks = Checks(facts(run, asked))
    _views(checks, run, asked)
    checks.done += sealed(run, asked)
    _decision(checks, run, asked)
    return checks.done


def facts(run: Path, asked: Asked) -> list[Checked]:
    """What the auditor signed: the ledger, the files, the policy that came first, the look, the verdict."""
    checks = Checks()
    ledger = Ledger(asked.root)
    checks.faults("ledger: every line follows the one before", ledger.verify)
    _head(checks, ledger, asked)
    with checks.guarded("facts: signed by a trusted auditor"):
        data = _bytes(run / attest.FACTS)
        statement, key = signoff.unseal(data, asked.trusted("auditor"))
        said = _told(statement, signoff.TEST_RESULT)[signoff.OURS]
        if said.get("split") == "sealed":
            raise SignatureError("it is the statement about the sealed test")
        checks.add("facts: signed by a trusted auditor", *_dated(asked, key, str(said["at"])))
        checks.faults(
            "files: as they were when the facts were signed",
            lambda: signoff.differing(signoff.digests(statement), run, digest),
            f"{len(signoff.digests(statement))} files",
        )
        checks.faults("facts: written in the ledger", lambda: _written(ledger, asked, run, "facts", data, (said, key)))
        found = decode(_bytes(run / "report.json"), dict[str, Any])
        checks.faults("policy: its digest was in the ledger first", lambda: _policy(run, found, ledger))
        checks.faults("look: paid for in the ledger", lambda: _look(found, ledger))
        checks.faults("verdict: follows from the findings", lambda: _verdict(found, statement))
    return checks.done


def _bytes(path: Path) -> bytes:
    return path.read_bytes()


def _told(statement: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """What a statement of this kind claims; a statement of another kind, or of another format, claims nothing here."""
    if statement.get("predicateType") != kind:
        raise SignatureError(f"it is a statement of another kind ({statement.get('predicateType')})")
    said: Mapping[str, Any] = statement["predicate"]
    return said


def _dated(asked: Asked, key: str, moment: str) -> tuple[bool, str]:
    why = asked.why_not(key, moment)
    if not why and moment > asked.now:
        why = f"it is dated {moment}, after now"
    return not why, why or f"by key {key[:12]} at {moment}"


def _head(checks: Checks, ledger: Ledger, asked: Asked) -> None:
    what = "ledger: its head is vouched for"
    with checks.guarded(what):
        index, sha, at, key = heads.read(_bytes(asked.root / heads.FILE), asked.trusted("auditor"))
        ok, why = _dated(asked, key, at)
        last, now = ledger.head()
        if ok and (index, sha) != (last, now):
            ok, why = (
                False,
                f"the signed head is line {index + 1}, the ledger ends at line {last + 1} with another digest",
            )
            if index < last and _at(ledger, index) == sha:
                why = f"the lines after {index + 1} are not vouched for by the auditor"
        checks.add(what, ok, why)
    if asked.head is not None:
        outside = "ledger: holds the head that was kept outside"
        with checks.guarded(outside):
            there = _at(ledger, asked.head[0])
            ok = there == asked.head[1]
            checks.add(outside, ok, f"line {asked.head[0] + 1}" if ok else "lines were dropped or exchanged since")


def _at(ledger: Ledger, index: int) -> str | None:
    lines = ledger.lines()
    return lines[index].sha256 if 0 <= index < len(lines) else None


def _written(
    ledger: Ledger, asked: Asked, run: Path, what: str, data: bytes, by: tuple[Mapping[str, Any], str]
) -> list[str]:
    """The statement's own line: of its kind, about this report, written while its key held, after the head that it
    names (a ledger begun anew, or cut and gone on with, does not hold that head)."""
    said, key = by
    wanted = {"what": what, "statement": digest(data), "report": digest(_bytes(run / "report.json"))}
    lines = ledger.lines("signature")
    line = next((x for x in lines if all(x.data.get(name) == value for name, value in wanted.items())), None)
    if line is None:
        return [f"no line of the ledger names this {what} statement"]
    why = asked.why_not(key, line.at)
    wrong = [f"its line in the ledger: {why}"] if why else []
    index, sha = int(said["ledger"]["index"]), str(said["ledger"]["sha256"])
    if index >= line.index or (index >= 0 and _at(ledger, index) != sha):
        wrong.append("the ledger is not the one that it was written in: it names another head")
    return wrong


def _policy(run: Path, found: Mapping[str, Any], ledger: Ledger) -> list[str]:
    sha = digest(_bytes(run / "policy.yaml"))
    if sha != found["policy"]["sha256"]:
        return ["policy.yaml is not the policy of the report"]
    lines = ledger.lines()
    came = next((line.index for line in lines if line.kind == "policy" and line.data["sha256"] == sha), None)
    looked = next((line.index for line in lines if line.kind == "look" and line.data["policy"] == sha), None)
    if came is None:
        return ["no line of the ledger names this policy"]
    return [] if looked is None or came < looked else ["the look was paid for before the policy was written down"]


def _look(found: Mapping[str, Any], ledger: Ledger) -> list[str]:
    look = (found.get("method") or {}).get("looks") or {}
    if not look:
        return ["the report names no look: its audit split was not read, or not through this ledger"]
    mine = [line for line in ledger.lines("look") if line.data["policy"] == found["policy"]["sha256"]]
    fits = [line for line in mine if line.data["index"] == look["index"] and line.data["share"] == look["share"]]
    return [] if fits else ["no line of the ledger is this look"]


def _verdict(found: Mapping[str, Any], statement: Mapping[str, Any]) -> list[str]:
    """The verdict again, from the stored findings and readings alone."""
    wrong = []
    passed: dict[str, Mapping[str, Reading]] = {}
    entries = {_key(entry): entry for entry in found["entries"]}
    for one in found["shortlist"]:
        if not one["findings"]:
            continue
        judged = verdict.judge(msgspec.convert(one["findings"], list[Finding])).decision
        if judged != one["decision"]:
            wrong.append(f"candidate {one['key']} is called {one['decision']}, its findings say {judged}")
        if judged == "PASS":
            passed[one["key"]] = msgspec.convert(entries[one["key"]]["readings"], dict[str, Reading])
    findings = msgspec.convert(found["findings"], list[Finding])
    stated = found["verdict"]["decision"]
    if found.get("kind", "search") == "search":
        best = verdict.choose(passed, found["policy"]["choose"])
        if best != found["certified"]:
            wrong.append(f"the certified student is {found['certified']}, by the findings it is {best}")
        if (stated == "PASS") != (best is not None):
            wrong.append(f"the verdict is {stated}, and {'a' if best else 'no'} student passes")
    elif verdict.judge(findings).decision != stated and not found.get("notes"):
        wrong.append(f"the verdict is {stated}, the findings say {verdict.judge(findings).decision}")
    claimed = statement["predicate"]
    if claimed[signoff.OURS]["verdict"] != stated:
        wrong.append("the signed facts give another verdict than the report")
    passing = sorted(f.id for f in findings if f.required and f.outcome == "PASS")
    if sorted(claimed["passedTests"]) != passing:
        wrong.append("the signed facts give other tests as passed than the report")
    return wrong


def _key(entry: Mapping[str, Any]) -> str:
    return msgspec.convert(entry["candidate"], Candidate).key


def _views(checks: Checks, run: Path, asked: Asked) -> None:
    """The pages that people read are those that were made from the record, and from statements that hold."""
    what = "statements: those that a page shows are signed by trusted keys"
    checks.faults(what, lambda: _unsigned(run, asked))
    what = "pages: as they were rendered"
    with checks.guarded(what):
        sha = digest(_bytes(run / "report.json"))
        made = [line for line in Ledger(asked.root).lines("rendered") if line.data["report"] == sha]
        if not made:
            checks.add(what, False, "the ledger does not know them; `autodistill report RUN` renders them again")
            return
        wrong = signoff.differing(made[-1].data["files"], run, digest)
        checks.add(what, not wrong, "; ".join(wrong))


def _unsigned(run: Path, asked: Asked) -> list[str]:
    """Statements that the ledger names and no trusted key signed. What the ledger does not name is not shown."""
    known = attest.known(Ledger(asked.root))
    trusted = asked.trusted("auditor") | asked.trusted("approver")
    wrong = []
    for path in sorted((run / attest.STATEMENTS).glob("*.dsse.json")):
        data = _bytes(path) if path.is_file() else b""
        if digest(data) in known:
            try:
                signoff.unseal(data, trusted)
            except SignatureError as fault:
                wrong.append(f"{path.name}: {fault}")
    return wrong


def sealed(run: Path, asked: Asked) -> list[Checked]:
    """The sealed test, where there was one: paid for first, signed by the auditor, its verdict recomputed."""
    checks = Checks()
    path = run / attest.SEALED
    if not path.is_file():
        return []
    what = "sealed test: signed by a trusted auditor"
    with checks.guarded(what):
        data = _bytes(path)
        statement, key = signoff.unseal(data, asked.trusted("auditor"))
        said = _told(statement, signoff.TEST_RESULT)[signoff.OURS]
        if said.get("split") != "sealed":
            raise SignatureError("it is not a statement about a sealed test")
        checks.add(what, *_dated(asked, key, str(said["at"])))
        ledger = Ledger(asked.root)
        checks.faults(
            "sealed test: on the files of this run",
            lambda: [
                *signoff.differing(signoff.digests(statement), run, digest),
                *_written(ledger, asked, run, "sealed", data, (said, key)),
            ],
        )
        checks.faults("sealed test: its opening came first", lambda: _opening(ledger, statement, digest(data)))
        judged = verdict.judge(msgspec.convert(said["findings"], list[Finding])).decision
        checks.add("sealed test: its verdict follows from its findings", judged == said["verdict"], judged)
    return checks.done


def _opening(ledger: Ledger, statement: Mapping[str, Any], sha: str) -> list[str]:
    files = signoff.digests(statement)
    student = [d for name, d in files.items() if name.endswith("student.onnx")]
    share = statement["predicate"][signoff.OURS]["look"]["share"]
    lines = ledger.lines()
    paid = [x for x in lines if x.kind == "opening" and x.data["policy"] == files["policy.yaml"]]
    opened = next((x.index for x in paid if x.data["candidate"] in student and x.data["share"] == share), None)
    signed = next((x.index for x in lines if x.kind == "signature" and x.data.get("statement") == sha), None)
    if opened is None:
        return ["no line of the ledger is this opening"]
    return [] if signed is not None and opened < signed else ["the opening is not before the sealed statement"]


def _decision(checks: Checks, run: Path, asked: Asked) -> None:
    """The last decision about this report: signed by a trusted approver, in force, not taken back."""
    what = "decision: signed by a trusted approver"
    with checks.guarded(what):
        ledger = Ledger(asked.root)
        sha = digest(_bytes(run / "report.json"))
        lines = [x for x in ledger.lines("signature") if x.data.get("what") == "decision" and x.data["report"] == sha]
        if not lines:
            checks.add(what, False, "nobody has decided about this run: `autodistill sign`")
            return
        line = lines[-1]
        data = _bytes(run / attest.STATEMENTS / f"decision-{str(line.data['statement'])[:12]}.dsse.json")
        if digest(data) != line.data["statement"]:
            checks.add(what, False, "the statement was changed since it was written in the ledger")
            return
        statement, key = signoff.unseal(data, asked.trusted("approver"))
        said = _told(statement, signoff.DECISION)
        checks.add(what, *_dated(asked, key, str(said["at"])))
        checks.faults("decision: written in the ledger", lambda: _written(
            ledger, asked, run, "decision", data, (said, key)
        ))  # fmt: skip
        checks.faults("decision: about these files", lambda: _about(run, statement))
        in_force = said["decision"] in APPROVED
        checks.add("decision: approves", in_force, f"{said['decision']} by {said['by']} ({said['role']})")
        if in_force:
            until = str(said["validUntil"])
            in_time = bool(MOMENT.fullmatch(until)) and asked.now <= until
            checks.add("decision: not expired", in_time, f"until {until}")
            checks.faults("decision: by somebody who may approve", lambda: _duties(run, said, asked.name(key)))
            checks.faults("decision: every required test passed or is waived", lambda: _open(run, said))
            late = [one for one in said["waivers"] if not DAY.fullmatch(one["until"]) or asked.now[:10] > one["until"]]
            why = f"the waiver of {late[0]['finding']} ended {late[0]['until']}" if late else ""
            checks.add("decision: its waivers hold", not late, why or f"{len(said['waivers'])} waivers")
        taken = [x for x in ledger.lines("revocation") if line.data["statement"] in x.data["statements"]]
        checks.add("decision: not revoked", not taken, f"revoked: {taken[0].data['because']}" if taken else "")


def _about(run: Path, statement: Mapping[str, Any]) -> list[str]:
    """Files that are not those that were decided about, and those that the decision leaves out."""
    mine = signoff.digests(statement)
    facts = signoff.peek(_bytes(run / attest.FACTS))
    needed = {*signoff.digests(facts), attest.FACTS}
    if statement["predicate"]["decision"] in APPROVED and (run / attest.SEALED).is_file():
        needed.add(attest.SEALED)
    return [*signoff.differing(mine, run, digest), *(f"it leaves out {one}" for one in sorted(needed - set(mine)))]


def _duties(run: Path, said: Mapping[str, Any], owner: str) -> list[str]:
    """Whoever ran the search does not approve it, by name or by the name of the key, unless the policy lets them."""
    ran = str(signoff.peek(_bytes(run / attest.FACTS))["predicate"][signoff.OURS]["by"]).strip().casefold()
    names = {str(said["by"]).strip().casefold(), owner.strip().casefold()}
    if ran in names and not spec.load_policy(run / "policy.yaml").same_person_may_approve:
        return [f"{said['by']} ran the search"]
    return []


def _open(run: Path, said: Mapping[str, Any]) -> list[str]:
    """Required tests, of the audit and of the sealed rows, that neither passed nor were waived by name."""
    found = decode(_bytes(run / "report.json"), dict[str, Any])
    stored = list(found["findings"])
    if found.get("kind", "search") == "search":
        if not (run / attest.SEALED).is_file():
            return ["the sealed split was not opened, or what it found is not here"]
        stored += signoff.peek(_bytes(run / attest.SEALED))["predicate"][signoff.OURS]["findings"]
    waived = {one["finding"] for one in said["waivers"]}
    tests = [one for one in msgspec.convert(stored, list[Finding]) if one.required and one.outcome != "PASS"]
    return [f"{signoff.waivable(one)}: {one.outcome}" for one in tests if signoff.waivable(one) not in waived]


def artefact(path: Path, asked: Asked) -> list[Checked]:
    """A single file: whether a decision that stands approves exactly these bytes."""
    return named(digest(_bytes(path)), asked)


def named(sha: str, asked: Asked) -> list[Checked]:
    """Bytes with this SHA-256: the decision in the ledger that names them, and its run."""
    checks = Checks()
    what = "artefact: a decision names it"
    with checks.guarded(what):
        lines = Ledger(asked.root).lines("signature")
        named = [x for x in lines if x.data.get("what") == "decision" and x.data.get("student") == sha]
        if not named:
            checks.add(what, False, f"no decision in {asked.root / 'ledger.jsonl'} is about sha256 {sha[:12]}…")
            return checks.done
        checks.add(what, True, f"run {named[-1].data['run']}")
        homes = _homes(asked.root, str(named[-1].data["report"]))
        if not homes:
            checks.add("artefact: its run is here", False, "the run's folder was moved or removed: verify it there")
            return checks.done
        each = [(home, folder(home, asked)) for home in homes]
        # Of several copies of a run one that holds is enough: the student's bytes are the same.
        home, found = next((one for one in each if all(check.ok for check in one[1])), each[0])
        checks.done += found
        # The line that led here is not signed: what the decision is about is said by its statement.
        said = decode(_bytes(home / "report.json"), dict[str, Any])["files"].get("student.onnx")
        what = "artefact: the student of that run"
        checks.add(what, said == sha, "" if said == sha else "the run's student has other bytes")
    return checks.done


def _homes(root: Path, report: str) -> list[Path]:
    """The runs whose report has this digest, among the folders of the reports' root."""
    files = (path for path in sorted(root.rglob("report.json")) if path.is_file())
    return [path.parent for path in files if digest(path.read_bytes()) == report]
