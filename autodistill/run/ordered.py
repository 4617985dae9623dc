"""Ordered tests of a shortlist on audit rows that are paid for: what a search and a run judged again share.

Nothing here trains or measures. Until the shortlist and the look are in the ledger no audit row is read. What follows
spends the look's share of α by the fallback procedure (Wiens and Dmitrienko 2005), so that the chance of certifying any
unacceptable student stays under it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from autodistill import auditor, verdict
from autodistill.auditor import Evidence
from autodistill.errors import LevelSpentError
from autodistill.ledger import Ledger, Look, cost
from autodistill.records import Candidate, Decision, Entry, Finding, Policy, Reading, digest, encode
from autodistill.space import fairness

LENGTH = 5  # candidates of a shortlist at most
POWER = 0.5  # predicted, that a candidate needs to be tested
LOOKED_AT = 30  # smallest candidates whose power is predicted, of those that decide alike as few as may be
TURNED = 300  # smallest candidates whose decisions are compared


class Bench(Protocol):
    """What certification needs of a run. ``rows`` counts each split's rows; ``audit_rows`` holds a digest of each row
    of the audit split, ``audit_digest`` is of all of them; neither shows a label or a decision."""

    @property
    def policy(self) -> Policy: ...

    @property
    def folder(self) -> Path: ...

    @property
    def rows(self) -> Mapping[str, int]: ...

    @property
    def audit_rows(self) -> npt.NDArray[Any]: ...

    @property
    def audit_digest(self) -> str: ...

    @property
    def group_features(self) -> bool:
        """Whether a group column is a feature, which every candidate reads."""

    def evidence(self, candidate: Candidate, split: str) -> Evidence:
        """Teacher and this student side by side on the search or the audit split."""

    def meters(self, readings: Mapping[str, Reading]) -> tuple[Finding, ...]:
        """The policy's meters on a candidate's readings."""


@dataclass(frozen=True, kw_only=True)
class Tested:
    """One candidate of the shortlist: its place, the level of its tests, what came of them."""

    entry: Entry
    order: int
    power: float
    level: float = 0.0
    decision: Decision = "INCONCLUSIVE"
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stands:
    """The student that stands (a champion), judged beside a shortlist in the same look.

    ``sha256`` is its artefact's; ``findings(level)`` tests it on the audit rows. ``level``, ``found`` and ``decision``
    say what came of it (None and empty: not tested).
    """

    sha256: str
    findings: Callable[[float], tuple[Finding, ...]]
    level: float = 0.0
    found: tuple[Finding, ...] = ()
    decision: Decision | None = None


@dataclass(frozen=True, kw_only=True)
class Certification:
    """What the audit split said. ``chosen`` is the smallest that passed; ``finalist`` is it, or the first in order.

    ``refused`` says why no test was made (the rows' level is spent); ``look`` is the ledger's account of it.
    """

    shortlist: tuple[Tested, ...] = ()
    chosen: Tested | None = None
    finalist: Tested | None = None
    look: Mapping[str, Any] | None = None
    refused: str = ""
    examined: int = 0
    teacher_readings: Mapping[str, Reading] = field(default_factory=dict)
    stands: Stands | None = None


def shortlist(bench: Bench, entries: Sequence[Entry]) -> tuple[list[tuple[Entry, float]], int]:
    """The smallest students that are likely enough to pass, safest first, and how many were examined.

    One that decides every row of the search split as a smaller one on the list does stays off it: on these rows it
    differs in scores at most, and would share the level. From readings, search-split findings and the error there:
    whatever else an entry carries is not looked at.
    """
    able = [e for e in entries if not any(f.outcome == "FAIL" for f in e.findings if f.split == "device")]
    able = [entry for entry in able if may_be_chosen(entry, bench)]
    able.sort(key=lambda entry: (_cost(entry, bench.policy.choose), entry.candidate.key))
    scale = bench.rows["audit"] / bench.rows["search"]
    level = bench.policy.alpha / bench.policy.looks / LENGTH
    powers: list[tuple[Entry, float]] = []
    known: dict[str, bool] = {}
    for entry in able[:TURNED]:
        evidence = bench.evidence(entry.candidate, "search")
        decided = digest(evidence.student[evidence.split].decisions.tobytes())
        if known.get(decided):
            continue
        power = round(auditor.power(evidence, verdict.screened(bench.policy), scale, level), 4)
        if power < POWER and decided in known:
            continue  # what it decides is known to be unlikely, and its scores are no better
        known[decided] = power >= POWER
        powers.append((entry, power))
        if len(powers) == LOOKED_AT or sum(power >= POWER for _, power in powers) == LENGTH:
            break
    listed = [one for one in powers if one[1] >= POWER]
    if not listed and powers:
        # Where nobody is likely to pass all powers are near 0: the one that comes nearest says most, not the smallest.
        listed = [max(powers, key=lambda one: (one[1], _safety(one[0]), -_error(one[0])))]
        if listed[0][1] == 0 and _safety(listed[0][0]) == float("inf"):
            # Where these rows decide nothing of anybody the smallest would stand for all, however often it errs.
            listed = [(min(able, key=_error), 0.0)]
    listed.sort(key=lambda one: -_safety(one[0]))
    return listed, len(powers)


def _safety(entry: Entry) -> float:
    """How safely the worst required test passes on the search split."""
    return auditor.search_z([finding for finding in entry.findings if finding.split == "search"])


def _error(entry: Entry) -> float:
    """Its error on the search split."""
    return float("inf") if entry.error is None else entry.error


def may_be_chosen(entry: Entry, bench: Bench) -> bool:
    """Whether the policy lets a candidate of this training be chosen: some forbid group columns in it."""
    if bench.policy.group_data_in_training == "allowed":
        return True
    return not bench.group_features and not fairness.of_groups(entry.candidate.fairness)


def _cost(entry: Entry, by: str) -> float:
    reading = verdict.reading(entry.readings, by)
    return float("inf") if reading is None or reading.value is None else reading.value


def tests(
    bench: Bench,
    tested: Sequence[Tested],
    ledger: Ledger,
    *,
    stands: Stands | None = None,  # noqa: PT028 - the name is no test's
    artefacts: Sequence[str] = (),  # noqa: PT028
) -> Certification:
    """Write the shortlist down, pay for the look, test in order; ``refused`` where the rows' level is spent.

    A student that ``stands`` is tested in the same look. It has one place of the look's level, as each of the
    shortlist, and hands nothing on: so all false claims of the look together, a false FAIL of it included, keep to the
    look's share. ``artefacts`` are further digests that make the look this one and no other.
    """
    policy, keys = bench.policy, [one.entry.candidate.key for one in tested]
    more = [*artefacts, *([] if stands is None else [stands.sha256])]
    said = {"run": str(bench.folder), "order": keys, "rows": bench.audit_digest, "policy": policy.sha256}
    said |= {"artefacts": more} if more else {}
    ledger.once("shortlist", said)
    try:
        look = ledger.look(
            bench.audit_rows,
            policy=policy.sha256,
            shortlist=digest(encode([keys, more] if more else keys)),
            looks=policy.looks,
            alpha=policy.alpha,
        )
    except LevelSpentError as fault:
        first = tested[0] if tested else None
        return Certification(shortlist=tuple(tested), finalist=first, refused=str(fault), stands=stands)
    own = 0.0 if stands is None else look.share / (len(tested) + 1)
    stands = None if stands is None else _standing(stands, own)
    done = _in_order(bench, tested, look.share - own)
    if not done:
        return Certification(look=account_of(look, policy), stands=stands)
    passed = {one.entry.candidate.key: one.entry.readings for one in done if one.decision == "PASS"}
    best = verdict.choose(passed, policy.choose)
    chosen = next((one for one in done if one.entry.candidate.key == best), None)
    finalist = chosen or done[0]
    # The rows that open tests would need are simulated for the finalist only.
    finalist = replace(finalist, findings=_findings(bench, finalist.entry, finalist.level, needed=True))
    done = tuple(finalist if one.order == finalist.order else one for one in done)
    return Certification(
        shortlist=done,
        chosen=finalist if chosen else None,
        finalist=finalist,
        look=account_of(look, policy),
        stands=stands,
    )


def _standing(stands: Stands, level: float) -> Stands:
    found = stands.findings(level)
    return replace(stands, level=level, found=found, decision=verdict.judge(found).decision)


def account_of(look: Look, policy: Policy) -> dict[str, Any]:
    """A look as a report keeps it, with what it cost in words."""
    account = {**asdict(look), "looks": policy.looks, "alpha": policy.alpha}
    return {**account, "cost": cost(account)}


def _in_order(bench: Bench, tested: Sequence[Tested], share: float) -> tuple[Tested, ...]:
    found: dict[int, tuple[Finding, ...]] = {}

    def test(order: int, level: float) -> Decision:
        found[order] = _findings(bench, tested[order].entry, level, needed=False)
        return verdict.judge(found[order]).decision

    steps = verdict.fallback(len(tested), share, test)
    return tuple(replace(tested[s.order], level=s.level, decision=s.decision, findings=found[s.order]) for s in steps)


def _findings(bench: Bench, entry: Entry, level: float, needed: bool) -> tuple[Finding, ...]:
    evidence = bench.evidence(entry.candidate, "audit")
    return (
        *auditor.audit(evidence, bench.policy, level=level, rows_needed=needed),
        *bench.meters(entry.readings),
    )
