"""Does one job: build, fit or train, export, measure, predict, screen. The only caller of those rooms.

What decides a candidate's fate is said as an ``Event``; what it leaves is one folder. A candidate that breaks is an
entry with its error, and the search goes on.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from autodistill import auditor, plugins, verdict
from autodistill.errors import RunError
from autodistill.jobs import checkpoints, making
from autodistill.jobs.checkpoints import discard
from autodistill.jobs.files import disk_of, keep, unwritable
from autodistill.jobs.making import has_features, has_places, make, shape
from autodistill.jobs.placed import ask_at_places
from autodistill.jobs.workshop import Workshop
from autodistill.records import Artefact, Candidate, Entry, Event, Finding, Job, Reading, Verdict

__all__ = [
    "Workshop",
    "ask_at_places",
    "broken",
    "complete",
    "discard",
    "do",
    "has_features",
    "has_places",
    "make",
    "prepare",
    "sized",
    "unread",
]


def do(job: Job, shop: Workshop, deadline: float | None = None) -> Event:
    """One job's outcome: measured or refused (``measure``); rung, finished or broken (``train``).

    ``deadline`` (``time.monotonic()``) cuts a training short at the end of an epoch: it is finished as far as it is.
    RunError where the run itself cannot go on: a disk that takes no more, a reading that is not recorded.
    """
    try:
        return _measure(job.candidate, shop) if job.kind == "measure" else _train(job, shop, deadline)
    except Exception as fault:  # a family, a loss or a runtime may raise anything; the search outlives it
        return _faulty(job, shop, fault)


def prepare(job: Job, shop: Workshop) -> Event | None:
    """Put on the disk what a measuring job measures, and measure nothing; the outcome only where it breaks."""
    try:
        shape(job.candidate, shop)
    except Exception as fault:
        return _faulty(job, shop, fault)
    return None


def broken(job: Job, why: str) -> Event:
    """The outcome of a job that came to nothing."""
    entry = Entry(candidate=job.candidate, state="broken", reason=why[:500], verdict=Verdict(decision="BROKEN"))
    return Event(kind="broken", number=job.candidate.number, entry=entry)


def unread(candidate: Candidate, shop: Workshop) -> str | None:
    """The key under which a candidate has yet to be measured; None where its readings are known."""
    key = shop.reading_key(candidate)
    return None if key in shop.seen or shop.lab.known(key) else key


def _faulty(job: Job, shop: Workshop, fault: Exception) -> Event:
    """A candidate that broke; RunError where the fault is the run's."""
    if isinstance(fault, RunError):
        raise fault
    disk = disk_of(fault)
    if disk is not None:
        raise unwritable(disk, shop.folder) from fault
    return broken(job, f"{type(fault).__name__}: {' '.join(str(fault).split())}")


def _measure(candidate: Candidate, shop: Workshop) -> Event:
    """Readings of the artefact before it is trained (families that are fitted are fitted first)."""
    start = time.monotonic()
    key = shop.reading_key(candidate)
    if key not in shop.seen:
        known = shop.lab.known(key)
        shop.seen[key] = shop.lab.readings(key) if known else shop.lab.first(key, shape(candidate, shop))
    readings = shop.seen[key]
    findings = shop.meters(readings)
    if any(finding.outcome == "FAIL" for finding in findings):
        entry = Entry(
            candidate=candidate,
            state="refused",
            readings=readings,
            constraints=verdict.constraints(findings, shop.constraint_names),
            findings=findings,
            verdict=verdict.judge(findings),
            seconds={"measure": round(time.monotonic() - start, 3)},
            reason="; ".join(f"{f.check} {f.note or f.statement}" for f in findings if f.outcome == "FAIL"),
        )
        return Event(kind="refused", number=candidate.number, entry=entry, readings=readings)
    return Event(
        kind="measured",
        number=candidate.number,
        readings=readings,
        data={
            "seconds": round(time.monotonic() - start, 3),
            "constraints": list(verdict.constraints(findings, shop.constraint_names)),
        },
    )


def _train(job: Job, shop: Workshop, deadline: float | None) -> Event:
    candidate, start = job.candidate, time.monotonic()
    if plugins.find("students", candidate.family).trains == "fit":
        artefact, reached = make(candidate, shop)
        return _finished(candidate, shop, artefact, reached, time.monotonic() - start)
    found = making.descend(
        candidate, shop, to_epoch=job.to_epoch, deadline=deadline, kept=checkpoints.load(candidate, shop)
    )
    late = deadline is not None and time.monotonic() >= deadline
    if job.to_epoch is not None and job.to_epoch < found.of and not late:
        making.keep_rung(found, candidate, shop, job.to_epoch)
        said = {**found.at(job.to_epoch), "seconds": round(time.monotonic() - start, 3)}
        return Event(kind="rung", number=candidate.number, data=said)
    artefact = making.finish(found, candidate, shop, shop.home(candidate))
    event = _finished(candidate, shop, artefact, found.fidelity, found.seconds)
    discard(candidate, shop)
    return event


def _finished(
    candidate: Candidate, shop: Workshop, artefact: Artefact, reached: Mapping[str, object], seconds: float
) -> Event:
    start = time.monotonic()
    readings = sized(shop.seen[shop.reading_key(candidate)], artefact.path)
    entry = complete(candidate, shop, artefact, readings=readings, split="search")
    spent = {"train": round(seconds, 3), "screen": round(time.monotonic() - start, 3)}
    entry = replace(entry, seconds=spent, fidelity=reached)
    keep(shop.home(candidate), entry)
    return Event(kind="finished", number=candidate.number, entry=entry)


def sized(readings: Mapping[str, Reading], path: Path) -> Mapping[str, Reading]:
    """The readings with the size of the trained file itself: its shape may differ by some bytes (int8), and what is
    remembered may be of an older exporter's file."""
    if "size" not in readings:
        return readings
    return {**readings, "size": replace(readings["size"], value=float(path.stat().st_size))}


def complete(
    candidate: Candidate, shop: Workshop, artefact: Artefact, *, readings: Mapping[str, Reading], split: str
) -> Entry:
    """A trained candidate's entry: its error on a split, the policy's findings there, its constraints and verdict."""
    predictions = shop.predict(artefact.path, split)
    findings: tuple[Finding, ...] = (
        *auditor.audit(shop.evidence(split, predictions), verdict.screened(shop.policy)),
        *shop.meters(readings),
    )
    keep(shop.home(candidate), predictions)
    return Entry(
        candidate=candidate,
        state="finished",
        readings=readings,
        error=shop.error(predictions, split),
        constraints=verdict.constraints(findings, shop.constraint_names),
        findings=findings,
        verdict=verdict.judge(findings),
        artefact={k: v for k, v in asdict(artefact).items() if k != "path"},
    )
