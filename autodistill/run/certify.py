"""From finished candidates to a verdict: a shortlist fixed beforehand, ordered tests on the audit split.

Until the shortlist is in the ledger no audit row is read. What follows spends the look's share of α by the fallback
procedure (Wiens and Dmitrienko 2005), so that the chance of certifying any unacceptable student stays under it.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autodistill import auditor, verdict
from autodistill.errors import LedgerError
from autodistill.jobs import Workshop, sized
from autodistill.jobs.files import keep
from autodistill.journal import Journal
from autodistill.ledger import Ledger
from autodistill.measure import TEACHER
from autodistill.records import Decision, Entry, Event, Finding, Reading, digest, encode
from autodistill.run.progress import Progress, Watch

LENGTH = 5  # candidates of a shortlist at most
POWER = 0.5  # predicted, that a candidate needs to be tested
LOOKED_AT = 30  # smallest candidates whose power is predicted
FINAL = "@final"  # readings after further runs, beside those that the search saw
PATIENCE = 0.12  # of the search's seconds may be waited for further readings, which must be apart in time


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
    teacher_readings: Mapping[str, Reading]


def certify(
    shop: Workshop, entries: Sequence[Entry], ledger: Ledger, log: Journal, watch: Watch, seconds: float
) -> Certification:
    """Choose a shortlist on the search split, pay for the look, test in order. ``seconds``: what the search took."""
    watch(Progress(phase="certify", text="choosing a shortlist on the search split"))
    listed, examined = _shortlist(shop, entries, log)
    if not listed:
        return Certification(examined=examined, teacher_readings=shop.teacher_readings)
    readings = _final(shop, [entry for entry, _ in listed], PATIENCE * seconds, watch)
    teacher = readings.get(TEACHER, shop.teacher_readings)
    judged = replace(shop, teacher_readings=teacher)
    tested = [
        Tested(entry=replace(entry, readings=_shipped(shop, entry, readings)), order=order, power=power)
        for order, (entry, power) in enumerate(listed)
    ]
    keys = [one.entry.candidate.key for one in tested]
    ledger.once("shortlist", {"run": str(shop.folder), "order": keys, "rows": shop.dataset.digests["audit"]})
    try:
        look = ledger.look(
            shop.dataset.row_digests[shop.dataset.splits["audit"]],
            policy=shop.policy.sha256,
            shortlist=digest(encode(keys)),
            looks=shop.policy.looks,
            alpha=shop.policy.alpha,
        )
    except LedgerError as fault:
        return Certification(
            shortlist=tuple(tested),
            finalist=tested[0],
            refused=str(fault),
            examined=examined,
            teacher_readings=teacher,
        )
    watch(Progress(phase="certify", text=f"testing {len(tested)} students on the audit split"))
    done = _test(judged, tested, look.share)
    passed = [one for one in done if one.decision == "PASS"]
    by = {one.entry.candidate.key: one.entry.readings for one in passed}
    best = verdict.choose(by, shop.policy.choose)
    chosen = next((one for one in passed if one.entry.candidate.key == best), None)
    finalist = _explained(judged, chosen or done[0])
    done = tuple(finalist if one.order == finalist.order else one for one in done)
    account = {name: getattr(look, name) for name in ("share", "replay", "account", "index", "used", "accounts")}
    return Certification(
        shortlist=done,
        chosen=finalist if chosen else None,
        finalist=finalist,
        look={**account, "looks": shop.policy.looks, "alpha": shop.policy.alpha},
        examined=examined,
        teacher_readings=teacher,
    )


def _shortlist(shop: Workshop, entries: Sequence[Entry], log: Journal) -> tuple[list[tuple[Entry, float]], int]:
    """The smallest students that are likely enough to pass, safest first; once chosen it stays (a look is paid for)."""
    finished = [entry for entry in entries if entry.state == "finished"]
    by_key = {entry.candidate.key: entry for entry in finished}
    for event in reversed(log.events):
        known = event.data.get("shortlist") if event.kind == "note" else None
        if known is not None and event.data["finished"] == len(finished) and all(k in by_key for k, _ in known):
            return [(by_key[key], power) for key, power in known], int(event.data["examined"])
    able = [e for e in finished if not any(f.outcome == "FAIL" for f in e.findings if f.split == "device")]
    able.sort(key=lambda entry: (_cost(entry, shop.policy.choose), entry.candidate.key))
    sizes = {name: len(at) for name, at in shop.dataset.splits.items()}
    scale, level = sizes["audit"] / sizes["search"], shop.policy.alpha / shop.policy.looks / LENGTH
    powers: list[tuple[Entry, float]] = []
    examined = 0
    for entry in able[:LOOKED_AT] if shop.dataset.classes else []:
        evidence = shop.evidence("search", shop.predict(shop.home(entry.candidate) / "student.onnx", "search"))
        powers.append((entry, round(auditor.power(evidence, shop.policy, scale, level), 4)))
        examined += 1
        if sum(power >= POWER for _, power in powers) == LENGTH:
            break
    listed = [one for one in powers if one[1] >= POWER]
    if not listed and powers:
        listed = [max(powers, key=lambda one: one[1])]
    listed.sort(key=lambda one: -auditor.search_z(one[0].findings))
    said = {"shortlist": [(e.candidate.key, power) for e, power in listed], "finished": len(finished)}
    log.append(Event(kind="note", number=0, data={**said, "examined": examined}))
    return listed, examined


def _shipped(shop: Workshop, entry: Entry, readings: Mapping[str, Mapping[str, Reading]]) -> Mapping[str, Reading]:
    return sized(readings[entry.candidate.key], shop.home(entry.candidate) / "student.onnx")


def _cost(entry: Entry, by: str) -> float:
    reading = verdict.reading(entry.readings, by)
    return float("inf") if reading is None or reading.value is None else reading.value


def _final(shop: Workshop, entries: Sequence[Entry], patience: float, watch: Watch) -> dict[str, Mapping[str, Reading]]:
    """Readings of the shortlist after further runs, which must lie apart in time; as recorded in a replay."""
    keys = {e.candidate.key: (shop.reading_key(e.candidate), shop.home(e.candidate) / "student.onnx") for e in entries}
    if shop.lab.teacher_path is not None:
        keys[TEACHER] = (TEACHER, shop.lab.teacher_path)
    if shop.lab.book is not None:
        names = {own: key + FINAL if key + FINAL in shop.lab.book.readings else key for own, (key, _) in keys.items()}
        return {own: shop.lab.readings(name) for own, name in names.items()}
    until = time.monotonic() + patience
    while True:
        waits = [shop.lab.due(key) for key, _ in keys.values()]
        due = [one for one in waits if one is not None]
        if not due or time.monotonic() + min(due) > until:
            break
        watch(Progress(phase="measure", text="measuring the shortlist again", seconds_left=until - time.monotonic()))
        time.sleep(max(0.0, min(due)))
        for key, path in keys.values():
            shop.lab.again(key, path)
    return {own: shop.lab.readings(key) for own, (key, _) in keys.items()}


def _findings(shop: Workshop, entry: Entry, level: float, needed: bool) -> tuple[Finding, ...]:
    predictions = shop.predict(shop.home(entry.candidate) / "student.onnx", "audit")
    keep(shop.home(entry.candidate), predictions)
    evidence = shop.evidence("audit", predictions)
    found = auditor.audit(evidence, shop.policy, level=level, rows_needed=needed)
    return (*found, *shop.meters(entry.readings))


def _test(shop: Workshop, tested: Sequence[Tested], share: float) -> tuple[Tested, ...]:
    found: dict[int, tuple[Finding, ...]] = {}

    def test(order: int, level: float) -> Decision:
        found[order] = _findings(shop, tested[order].entry, level, needed=False)
        return verdict.judge(found[order]).decision

    steps = verdict.fallback(len(tested), share, test)
    return tuple(replace(tested[s.order], level=s.level, decision=s.decision, findings=found[s.order]) for s in steps)


def _explained(shop: Workshop, one: Tested) -> Tested:
    """The finalist with the rows that its open tests would need."""
    return replace(one, findings=_findings(shop, one.entry, one.level, needed=True))
