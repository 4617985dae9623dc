"""Findings computed again from kept predictions: what ``verify --deep`` compares with the record."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from autodistill import auditor, spec
from autodistill.records import Candidate, Finding, Policy
from autodistill.run import attest, kept_rows, sealed
from autodistill.run.finished import UNKEPT, Finished
from autodistill.signoff import OURS, peek

SPENT = "level is spent"
CLOSE = 1e-9


def differences(run: Path, found: Mapping[str, Any]) -> list[str]:
    """Where findings computed now are not those on record; empty where all agree.

    Findings of views that are not kept (train rows) come out NOT_APPLICABLE here and are not compared.
    """
    policy = spec.load_policy(run / "policy.yaml")
    if found.get("kind") == "audit":
        seen, _ = kept_rows.read(run, found["data"])
        stored = msgspec.convert(found["findings"], list[Finding])
        return _compare(seen, policy, stored, next((f.level for f in stored if f.required), policy.alpha))
    bench = Finished(folder=run, found=found, policy=policy)
    candidates = {one.key: one for one in (msgspec.convert(e["candidate"], Candidate) for e in found["entries"])}
    task, rows = sealed.Task.of(found), sealed.read(run / "rows.parquet", "audit")
    wrong: list[str] = []
    for one in found["shortlist"]:
        if one["findings"]:
            path = run / "candidates" / str(one["key"]) / "predictions.audit.parquet"
            seen = sealed.evidence(rows, task, sealed.predictions(path, "audit"), sealed.known_groups(found))
            if str(one["key"]) in candidates:
                seen = bench.with_views(candidates[str(one["key"])], seen)
            stored = msgspec.convert(one["findings"], list[Finding])
            wrong += [f"{one['key']} {fault}" for fault in _compare(seen, policy, stored, float(one["level"]))]
    return wrong + _opened(run, found, policy, task)


def _opened(run: Path, found: Mapping[str, Any], policy: Policy, task: sealed.Task) -> list[str]:
    path = run / attest.SEALED
    if not path.is_file():
        return []
    said = peek(path.read_bytes())["predicate"][OURS]
    student = sealed.predictions(run / "statements" / "predictions.sealed.parquet", sealed.SPLIT)
    seen = sealed.evidence(sealed.read(run / "sealed.parquet", sealed.SPLIT), task, student, sealed.known_groups(found))
    stored = msgspec.convert(said["findings"], list[Finding])
    return [f"sealed {fault}" for fault in _compare(seen, policy, stored, float(said["look"]["share"]))]


def _compare(seen: auditor.Evidence, policy: Policy, stored: Sequence[Finding], level: float) -> list[str]:
    now = {one.id: one for one in auditor.audit(seen, policy, level=level)}
    known = {one.id for one in stored}
    wrong = [f"{one.id} is not on record" for one in now.values() if one.required and one.id not in known]
    for old in stored:
        if old.split == "device" or not old.required:
            continue  # readings are not made again; what is only shown decides nothing
        new = now.get(old.id)
        if new is None:
            wrong.append(f"{old.id} is not found again")
        elif new.outcome == "NOT_APPLICABLE" != old.outcome and UNKEPT in new.note:
            continue
        elif SPENT in old.note and _near(new.estimate, old.estimate):
            continue  # the rows decided nothing, whatever the test says
        elif new.outcome != old.outcome or not _near(new.estimate, old.estimate) or not _near(new.high, old.high):
            wrong.append(f"{old.id}: on record {old.outcome} {old.estimate}, now {new.outcome} {new.estimate}")
    return wrong


def _near(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is second
    return abs(first - second) <= CLOSE * max(1.0, abs(first))
