"""The work of one night: rows with their kept splits, who stands, whether a look can be paid for, and the search."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq

from autodistill import __version__, journal, records
from autodistill.data.kept import Growth, load_kept
from autodistill.nightly import champion, deciding, delta, paying, recorded, warm
from autodistill.nightly.recorded import Plan
from autodistill.records import Dataset
from autodistill.run import attest, certify, searching
from autodistill.run.folder import write_whole
from autodistill.run.progress import Progress, Watch
from autodistill.run.unattended import Night
from autodistill.spec import Spec

SPLITS = "splits.parquet"
RESERVE = 20.0  # seconds after the search, where no earlier night says how many
LEAST = 5.0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One night: what to search, where and for which date, the minutes of the whole (None: as long as it takes), and
    the file of the keys by which an approval counts."""

    spec: Spec
    root: Path
    date: str
    minutes: float | None
    watch: Watch
    started: float
    trust: Path = attest.TRUST

    @property
    def folder(self) -> Path:
        """The night's own."""
        return self.root / self.date


@dataclass(frozen=True, kw_only=True)
class Worked:
    """What came of it. ``report`` is None where the rows' level was spent before anything was trained: ``refused``."""

    growth: Growth
    plan: Plan
    report: Mapping[str, Any] | None = None
    refused: str = ""
    notes: tuple[str, ...] = ()


def work(asked: Asked) -> Worked:
    """Search in the night's folder, or go on there. Raises whatever breaks the night."""
    asked.watch(Progress(phase="data", text=f"reading {asked.spec.data.table}"))
    dataset, growth = load_kept(
        asked.spec.data, asked.spec.seed, asked.root / SPLITS, asked.date, _held_out(asked.root.parent)
    )
    plan, notes = _plan(asked, dataset)
    log = _events(asked.folder)
    if not any("shortlist" in event.data for event in log):
        at = dataset.row_digests[dataset.splits["audit"]]
        why = paying.spent(attest.book(), at, asked.spec.policy)
        if why:
            return Worked(growth=growth, plan=plan, refused=why, notes=notes)
    elapsed = max((float(event.data.get("elapsed", 0.0)) for event in log), default=0.0)
    kept = None if plan.champion is None else champion.thaw(plan.champion, asked.folder / recorded.PLAN)
    night = Night(
        date=asked.date,
        dataset=dataset,
        seed=int(records.digest(f"{asked.spec.seed}/{asked.date}".encode())[:7], 16),
        warm=plan.warm,
        champion=None if kept is None else kept.stands(asked.root),
        earlier=[delta.shown(one) for one in recorded.ended(asked.root, asked.date)],
        until=None if asked.minutes is None else asked.started + 60 * asked.minutes - elapsed,
        reserve=_reserve(asked),
        registers=lambda report: deciding.decide(deciding.seen(report)).proposed is not None,
    )
    away: list[str] = []

    def watch(step: Progress) -> None:
        if step.phase == "track" and "away" in step.text:  # nobody watches a night: what was said stays in its record
            away.append(step.text)
        asked.watch(step)

    budget = replace(asked.spec.budget, minutes=asked.minutes)
    found = searching.search(replace(asked.spec, budget=budget), out=asked.folder, watch=watch, night=night)
    return Worked(growth=growth, plan=plan, report=found.report, notes=(*notes, *away))


def _plan(asked: Asked, dataset: Dataset) -> tuple[Plan, tuple[str, ...]]:
    """The night's plan: fixed at its beginning, so that it goes on as it began. If what it was made of is another now,
    what was begun is put aside, and the night begins again."""
    spec, folder = asked.spec, asked.folder
    said = [dataset.digests["table"], spec.sha256, spec.policy.sha256, __version__]
    table = records.digest(records.encode(said))
    there = recorded.read_plan(folder)
    other = there is not None and there.table != table
    if there is not None and not other and _still(there, asked):
        return there, ()
    notes: tuple[str, ...] = ()
    if there is not None:
        count = 1 + len(list(asked.root.glob(f"{asked.date}.cut-*")))
        folder.rename(asked.root / f"{asked.date}.cut-{count}")
        what = "the table or the files were others" if other else "another student was signed off"
        notes = (f"{what} when this night was cut off: it began again",)
    stands = champion.standing(asked.root, spec.name, attest.book(), attest.now(), asked.trust)
    made = Plan(
        date=asked.date,
        table=table,
        champion=None if stands is None else records.plain(stands),
        warm=warm.warm([asked.root.parent, *recorded.folders(asked.root, asked.date)]),
    )
    write_whole(folder / recorded.PLAN, msgspec.json.format(records.encode(records.plain(made)), indent=1) + b"\n")
    return made, notes


def _still(plan: Plan, asked: Asked) -> bool:
    """Whether the champion of a night that goes on is the one that is signed off, where one is; verified once more."""
    book, planned = attest.book(), None if plan.champion is None else champion.thaw(plan.champion, asked.folder)
    if champion.signed(asked.spec.name, book, attest.now()) is None:
        return planned is None or planned.source != champion.SIGNED_OFF
    stands = champion.standing(asked.root, asked.spec.name, book, attest.now(), asked.trust)
    return planned is not None and stands is not None and planned.sha256 == stands.sha256


def _events(folder: Path) -> tuple[records.Event, ...]:
    path = folder / "journal.jsonl"
    if not path.exists():
        return ()
    with journal.Journal(path) as log:
        return log.events


def _held_out(run: Path) -> dict[str, str] | None:
    """Short row digest -> split of the rows that a search of this name held out, where there was one before the first
    night: its student may be signed off, so that what it trained on must not audit it later."""
    found: dict[str, str] = {}
    for name in ("rows.parquet", "sealed.parquet"):
        path = run / name
        if not path.is_file() or not (run / "report.json").is_file():
            return None
        table = pq.read_table(path, columns=["row_digest", "split"])
        found |= dict(zip(table["row_digest"].to_pylist(), table["split"].to_pylist(), strict=True))
    return found


def _reserve(asked: Asked) -> float:
    """Seconds to keep free after the search: what the last nights needed, beyond what they may wait for."""
    if asked.minutes is None:
        return 0.0
    needed = []
    for folder in recorded.folders(asked.root, asked.date)[-3:]:
        night = recorded.read_record(folder)
        if night is not None and "search" in night.seconds:
            seconds = night.seconds
            before = sum(seconds.get(name, 0.0) for name in ("rows", "data", "teacher", "measure_teacher", "search"))
            waits = certify.PATIENCE * seconds["search"]
            needed.append(1.25 * (seconds["all"] - before) - waits)
    return max(LEAST, *needed) if needed else min(RESERVE, 0.15 * 60 * asked.minutes)


def elapsed(asked: Asked) -> float:
    """Seconds since the night's process began."""
    return float(np.round(time.monotonic() - asked.started, 3))
