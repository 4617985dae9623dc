"""What follows from a report's stored findings and the ledger's lines, computed again: policy, look, levels, verdict.

Everything here is by the policy file, the kept rows' digests and lines up to the head that the signed facts name; what
the report says of itself is only compared.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from autodistill import verdict
from autodistill.ledger import Head, Line, row_hashes
from autodistill.records import Candidate, Finding, LimitKind, Policy, Reading, digest, encode
from autodistill.run import vouched
from autodistill.run.looked import ROWS, audited, row_digests
from autodistill.run.vouched import content

CLOSE = 1e-9
BELOW: frozenset[LimitKind] = frozenset({"at_least"})
SEARCH = "search"


def policy(run: Path, found: Mapping[str, Any], lines: Sequence[Line], head: Head) -> list[str]:
    """The policy file is the report's, and was in the ledger before the look that it governs."""
    sha = digest(content(run / "policy.yaml"))
    if sha != found["policy"]["sha256"]:
        return ["policy.yaml is not the policy of the report"]
    known = lines[: head.index + 1]
    came = next((line.index for line in known if line.kind == "policy" and line.data["sha256"] == sha), None)
    looked = next((line.index for line in known if line.kind == "look" and line.data["policy"] == sha), None)
    if came is None:
        return ["no line of the ledger that the facts vouch for names this policy"]
    return [] if looked is None or came < looked else ["the look was paid for before the policy was written down"]


def look(run: Path, found: Mapping[str, Any], lines: Sequence[Line], head: Head) -> list[str]:
    """The look is a line that the facts vouch for, of these rows, this policy and these candidates, at its share."""
    said = (found.get("method") or {}).get("looks") or {}
    if not said:
        return ["the report names no look: its audit split was not read, or not through this ledger"]
    rules = vouched.rules(run)
    share = rules.alpha / rules.looks
    wanted = {"rows": _rows(run, found), "policy": rules.sha256, "shortlist": _shortlist(found), "of": rules.looks}
    known = [line for line in lines[: head.index + 1] if line.kind == "look"]
    mine = [line for line in known if all(line.data.get(name) == value for name, value in wanted.items())]
    if not mine:
        near = max(known, key=lambda line: _fitting(line, wanted), default=None)
        other = [] if near is None else [name for name, value in wanted.items() if near.data.get(name) != value]
        why = f": the nearest one has other {' and '.join(other)}" if other else ""
        return [f"no line of the ledger that the facts vouch for is this look{why}"]
    paid = {"share": share, "alpha": rules.alpha}
    wrong = [
        f"its {name} is {mine[0].data[name]} in the ledger, {said.get(name)} in the report, {value} by the policy"
        for name, value in paid.items()
        if not (_near(mine[0].data[name], value) and _near(said.get(name), value))
    ]
    if (said.get("index"), said.get("looks")) != (mine[0].data["index"], rules.looks):
        wrong.append("the report gives it another place among the looks at its rows")
    if found.get("kind", SEARCH) == SEARCH and not _listed(found, lines[: mine[0].index], rules):
        wrong.append("no line before it fixes this shortlist")
    return wrong


def _fitting(line: Line, wanted: Mapping[str, Any]) -> int:
    return sum(line.data.get(name) == value for name, value in wanted.items())


def _rows(run: Path, found: Mapping[str, Any]) -> str:
    """The digest of the audited rows, as the ledger has it."""
    split = "audit" if found.get("kind", SEARCH) == SEARCH else next(iter(found["data"]["splits"]))
    return digest(row_hashes(row_digests(run / ROWS, split)).tobytes())


def _shortlist(found: Mapping[str, Any]) -> str:
    """The digest of who was judged, as the ledger has it: keys in their order, for a night also its artefacts; of an
    audit what the models said and what was asked."""
    if found.get("kind", SEARCH) == SEARCH:
        keys, more = _keys(found), _artefacts(found)
        return digest(encode([keys, more] if more else keys))
    return audited(found["data"]["digests"], found["data"]["columns"])


def _keys(found: Mapping[str, Any]) -> list[str]:
    return [str(one["key"]) for one in sorted(found["shortlist"], key=lambda one: int(one["order"]))]


def _artefacts(found: Mapping[str, Any]) -> list[str]:
    night = found.get("night")
    if night is None:
        return []
    entries = {_key(entry): entry for entry in found["entries"]}
    champion = [] if night["champion"] is None else [str(night["champion"]["sha256"])]
    return [*(str(entries[key]["artefact"].get("sha256")) for key in _keys(found)), *champion]


def _listed(found: Mapping[str, Any], before: Sequence[Line], rules: Policy) -> bool:
    wanted = {"order": _keys(found), "rows": found["data"]["digests"]["audit"], "policy": rules.sha256}
    lines = (line.data for line in before if line.kind == "shortlist")
    return any(
        all(line.get(name) == value for name, value in wanted.items())
        and list(line.get("artefacts") or ()) == _artefacts(found)
        for line in lines
    )


def levels(run: Path, found: Mapping[str, Any]) -> list[str]:
    """Each candidate was tested at the level that the ordered procedure gives it, each test at its candidate's."""
    rules = vouched.rules(run)
    share = rules.alpha / rules.looks
    if found.get("kind", SEARCH) != SEARCH:
        return list(_at(found["findings"], share, "the student"))
    listed = sorted(found["shortlist"], key=lambda one: int(one["order"]))
    stands = ((found.get("night") or {}).get("champion") or {}).get("level")
    own = share / (len(listed) + 1) if stands is not None else 0.0
    steps = verdict.fallback(len(listed), share - own, lambda at, _: listed[at]["decision"])
    wrong = []
    for one, step in zip(listed, steps, strict=True):
        if not _near(one["level"], step.level):
            wrong.append(f"candidate {one['key']} was tested at {one['level']:.4g}, its place gives {step.level:.4g}")
        wrong += _at(one["findings"], step.level, f"candidate {one['key']}")
    return wrong


def _at(findings: Sequence[Mapping[str, Any]], level: float, whose: str) -> Iterator[str]:
    for one in findings:
        if one["required"] and one["split"] != "device" and not _near(one["level"], level):
            yield f"{one['id']} of {whose} is at level {one['level']:.4g}, not {level:.4g}"


def outcomes(run: Path, found: Mapping[str, Any]) -> list[str]:
    """Everything that the policy requires is there, is required, and passes only where its limit is kept."""
    rules = vouched.rules(run)
    groups = {name: tuple(sorted(set(counts) - {verdict.UNKNOWN})) for name, counts in found["data"]["groups"].items()}
    names = verdict.constraint_names(rules, groups)
    listed = [(str(one["key"]), one["findings"]) for one in found["shortlist"] if one["findings"]]
    audit = found.get("kind", SEARCH) != SEARCH
    tested = [("the student", found["findings"])] if audit else listed
    if not found["data"].get("classes"):  # what is always on for classes is not asked of a regression, which has none
        names = tuple(name for name in names if name != verdict.ALWAYS.name)
    return [fault for whose, tests in tested for fault in _kept(whose, tests, names, audit)]


def _kept(whose: str, tests: Sequence[Mapping[str, Any]], names: Sequence[str], audit: bool) -> Iterator[str]:
    findings = msgspec.convert(tests, list[Finding])
    known = {one.id: one for one in findings}
    aside = {str(group) for one in findings for group in one.details.get("excluded", ())}
    for name in names:
        one = known.get(name)
        if one is None:
            yield f"{whose}: {name} is required and not on record"
        elif not (one.required or (audit and one.outcome == "NOT_APPLICABLE") or aside & {one.group, one.reference}):
            yield f"{whose}: {name} is required by the policy and not on record as such"
    for one in findings:
        if one.outcome == "PASS" and one.required and one.limit is not None and not _inside(one):
            yield f"{whose}: {one.id} is called PASS, its interval is not inside its limit"


def _inside(one: Finding) -> bool:
    end = one.low if one.limit_kind in BELOW else one.high
    if end is None or one.limit is None or not math.isfinite(end):
        return False
    return end >= one.limit - CLOSE if one.limit_kind in BELOW else end <= one.limit + CLOSE


def conclusion(found: Mapping[str, Any]) -> list[str]:
    """The verdict, the certified student and the finalist again, from the stored findings and readings alone."""
    stated = found["verdict"]["decision"]
    if found.get("kind", SEARCH) != SEARCH:
        judged = verdict.judge(msgspec.convert(found["findings"], list[Finding])).decision
        required = all(line["kind"] == "meter" for line in found["policy"]["require"])
        unjudged = judged == "PASS" and required  # an audit of predictions shows none of what is required
        return [] if stated == ("INCONCLUSIVE" if unjudged else judged) else _other(stated, judged)
    wrong, passed = [], {}
    entries = {_key(entry): entry for entry in found["entries"]}
    decisions = []
    for one in found["shortlist"]:
        judged = verdict.judge(msgspec.convert(one["findings"], list[Finding])).decision
        decisions.append(judged)
        if judged != one["decision"]:
            wrong.append(f"candidate {one['key']} is called {one['decision']}, its findings say {judged}")
        if judged == "PASS":
            passed[one["key"]] = msgspec.convert(entries[one["key"]]["readings"], dict[str, Reading])
    best = verdict.choose(passed, found["policy"]["choose"])
    if best != found["certified"]:
        wrong.append(f"the certified student is {found['certified']}, by the findings it is {best}")
    follows = "PASS" if best is not None else "INCONCLUSIVE" if "INCONCLUSIVE" in decisions else "FAIL"
    wrong += [] if stated == follows else _other(stated, follows)
    return wrong + _finalist(found, best)


def _other(stated: str, follows: str) -> list[str]:
    return [f"the verdict is {stated}, the findings say {follows}"]


def _finalist(found: Mapping[str, Any], best: str | None) -> list[str]:
    """Whose findings the report shows, and whose file ``student.onnx`` is: the certified, else the first in order."""
    order = _keys(found)
    key = best or (order[0] if order else None)
    if key is None:
        return []
    wrong = [] if found["finalist"] == key else [f"the finalist is {found['finalist']}, by the findings it is {key}"]
    own = next(one for one in found["shortlist"] if one["key"] == key)
    if own["findings"] != found["findings"]:
        wrong.append(f"the report's findings are not those of candidate {key}")
    files = found["files"]
    if files.get("student.onnx") != files.get(f"candidates/{key}/student.onnx"):
        wrong.append(f"student.onnx is not the file of candidate {key}")
    return wrong


def claims(found: Mapping[str, Any], statement: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """The signed facts say what the report says."""
    said = statement["predicate"]
    wrong = []
    if ours["verdict"] != found["verdict"]["decision"]:
        wrong.append("the signed facts give another verdict than the report")
    findings = msgspec.convert(found["findings"], list[Finding])
    by = {"passedTests": {"PASS"}, "failedTests": {"FAIL"}}
    for name, outcomes_ in by.items():
        if sorted(said[name]) != sorted(f.id for f in findings if f.required and f.outcome in outcomes_):
            wrong.append(f"the signed facts give other tests ({name}) than the report")
    named = {"run": found["name"], "kind": found.get("kind", SEARCH)}
    named |= {name: found.get(name) for name in ("certified", "finalist")}
    wrong += [
        f"the signed facts give another {name} than the report" for name in named if ours.get(name) != named[name]
    ]
    return wrong


def _key(entry: Mapping[str, Any]) -> str:
    return msgspec.convert(entry["candidate"], Candidate).key


def _near(first: Any, second: float) -> bool:
    return isinstance(first, (int, float)) and abs(first - second) <= CLOSE * max(1.0, abs(second))
