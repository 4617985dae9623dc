"""One night from lock to outcome: one process at a time, one outcome a date, and no way to end without saying so."""

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from autodistill import journal, records, spec
from autodistill.errors import RunError, SpecError, UserError
from autodistill.nightly import champion, deciding, delta, notifying, recorded, working
from autodistill.nightly.recorded import Record, Student
from autodistill.nightly.working import Asked, Worked
from autodistill.records import Candidate
from autodistill.run import attest
from autodistill.run.folder import write_whole
from autodistill.run.progress import Watch, silent

FAULT = "fault.txt"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A night's record; ``again``: it had ended before, and nothing was run."""

    record: Record
    again: bool = False


def nightly(
    file: str | Path,
    *,
    minutes: float | None = None,
    notify: Sequence[str] = (),
    trust: Path = attest.TRUST,
    watch: Watch = silent,
) -> Ended:
    """Run tonight's search, compare with the champion, and say what came of it; go on with a night that was cut off.

    ``minutes`` bound the whole night (else ``nightly: minutes``, else ``budget: minutes``); ``trust`` lists the keys by
    which an approval of the champion counts. Raises SpecError for a file
    that is wrong and RunError where another night is at work: both before anything is changed. Whatever happens after
    that is the outcome *failed*.
    """
    asked = spec.load(file)
    if asked.data.task == "regression":
        what = "a night compares how often champion and challenger are wrong, and this target is a number"
        raise SpecError(what, where=f"{asked.path}: data.task", do="run it by `autodistill search`")
    urls = notifying.addresses((*asked.nightly.notify, *notify))
    night = Asked(
        spec=asked,
        root=recorded.home(asked.name),
        date=recorded.today(),
        minutes=minutes or asked.nightly.minutes or asked.budget.minutes,
        watch=watch,
        started=time.monotonic(),
        trust=trust,
    )
    with _alone(night.root):
        before = recorded.read_record(night.folder)
        if before is not None and before.outcome != "failed":
            return Ended(record=before, again=True)
        return Ended(record=conduct(night, urls, 1 if before is None else before.attempts + 1))


def conduct(
    night: Asked, urls: Sequence[str], attempt: int = 1, work: Callable[[Asked], Worked] = working.work
) -> Record:
    """Do the night's ``work`` and end it: decide, crown, render, tell, and last of all write the record."""
    began = attest.now()
    try:
        record = judged(night, work(night))
    except Exception as fault:  # whatever breaks a night, it ends with its reason, and the next one starts clean
        record = _failed(night, fault)
    record = replace(
        record,
        began=began,
        ended=attest.now(),
        attempts=attempt,
        folder=str(night.folder),
        seconds={**record.seconds, "all": working.elapsed(night)},
        exit_code=deciding.EXIT[record.outcome],
    )
    notes = [*record.notes, *_rendered(night, record), *notifying.notify(urls, record)]
    record = replace(record, notes=notes)
    record.write(night.folder)
    return record


def judged(night: Asked, worked: Worked) -> Record:
    """The outcome of a night's work; a proposal becomes the champion unless a signed student stands."""
    report = worked.report
    kept = None if worked.plan.champion is None else champion.thaw(worked.plan.champion, night.folder)
    source = "" if kept is None else kept.source
    if report is None:
        seen = deciding.Seen(refused=worked.refused)
        stands = None if kept is None else _untested(kept)
        challenger = loss = None
    else:
        seen, stands, challenger = deciding.seen(report), _champion(report, source), _challenger(report)
        loss = (report["night"]["challenger"] or {}).get("loss")
    decided = deciding.decide(seen)
    if decided.proposed is not None and champion.signed(night.spec.name, attest.book(), attest.now()) is None:
        champion.crown(night.root, night.folder, decided.proposed, night.date, champion.PROPOSED)
    growth = worked.growth
    return Record(
        name=night.spec.name,
        date=night.date,
        outcome=decided.outcome,
        sentence=decided.sentence,
        because=decided.because,
        proposed=decided.proposed,
        champion=stands,
        challenger=challenger,
        loss=loss,
        looks={} if report is None else dict(report["method"]["looks"]),
        rows={"new": growth.rows, "by_split": growth.new, "vanished": growth.vanished, "gone": growth.gone,
              "first": growth.first},
        seconds={} if report is None else dict(report["cost"]["seconds"]),
        budget_minutes=night.minutes,
        notes=[*worked.notes, *growth.notes],
        choose=night.spec.policy.choose,
    )  # fmt: skip


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """The nights' folder for this process; the lock dies with its holder."""
    try:
        held = journal.lock(root)
    except RunError as fault:
        if "another process" not in fault.what:
            raise
        raise RunError(
            "another night is at work here", where=str(root), do="wait until it ends; nothing was changed"
        ) from None
    try:
        yield
    finally:
        held.release()


def _failed(night: Asked, fault: Exception) -> Record:
    """A night that broke. What a user can mend is one line; of anything else the traceback is kept beside it."""
    reason = str(fault) if isinstance(fault, UserError) else f"{type(fault).__name__}: {' '.join(str(fault).split())}"
    if not isinstance(fault, UserError):
        write_whole(night.folder / FAULT, "".join(traceback.format_exception(fault)).encode(), mode=0o600)
    return Record(
        name=night.spec.name,
        date=night.date,
        outcome="failed",
        sentence=f"the night broke: {reason[:500]}",
        budget_minutes=night.minutes,
        choose=night.spec.policy.choose,
    )


def _rendered(night: Asked, record: Record) -> list[str]:
    try:
        before = recorded.ended(night.root, night.date)
        write_whole(night.folder / delta.FILE, delta.html([*before, record]).encode(), mode=0o600)
    except Exception as fault:  # a page that cannot be drawn does not undo a night
        return [f"the delta report could not be made: {type(fault).__name__}: {' '.join(str(fault).split())[:200]}"]
    return []


def _untested(kept: champion.Kept) -> Student:
    return Student(sha256=kept.sha256, key=kept.candidate.key, name=_name(kept.candidate), source=kept.source)


def _champion(report: Mapping[str, Any], source: str) -> Student | None:
    said = report["night"]["champion"]
    if said is None:
        return None
    return Student(
        sha256=said["sha256"],
        key=said["key"],
        name=_name(msgspec.convert(said["candidate"], Candidate)),
        error=said["error_audit"],
        cost=_cost(report, said["readings"]),
        decision=said["decision"],
        source=source,
    )


def _challenger(report: Mapping[str, Any]) -> Student | None:
    said = report["night"]["challenger"]
    if said is None:
        return None
    entry = deciding.entry(report, said["key"])
    return Student(
        sha256=said["sha256"],
        key=said["key"],
        name=_name(msgspec.convert(entry["candidate"], Candidate)),
        error=said["error_audit"],
        cost=_cost(report, entry["readings"]),
        decision="PASS",
    )


def _name(candidate: Candidate) -> str:
    options = [f"{name} {value}" for name, value in sorted(candidate.student.items()) if value is not None]
    return " ".join([candidate.family, *options, *([] if candidate.precision == "fp32" else [candidate.precision])])


def _cost(report: Mapping[str, Any], readings: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = records.plain(deciding.cost(readings, str(report["policy"]["choose"])))
    return found
