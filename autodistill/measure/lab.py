"""Readings of artefacts by key: timing runs spread in time, remembered on disk, so that a second search costs none."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from autodistill import runtime
from autodistill.measure import machine, process
from autodistill.measure import rows as table
from autodistill.measure.book import Book
from autodistill.meters import Meter, Run
from autodistill.meters.energy import Energy
from autodistill.meters.latency import APART, MANY, Latency, is_complete
from autodistill.meters.peak_memory import PeakMemory
from autodistill.meters.size import Size
from autodistill.records import Features, Reading, decode, digest, encode

if TYPE_CHECKING:
    from autodistill.measure.further import Further

SECONDS = 0.8  # of turns, at most; a run of small models is exact after 0.3 s
COUNTED = 256  # rows that trees are walked on
MODELS = Path(runtime.__file__).parent
TEACHER = "teacher"
RULES = 2  # of counting work: what was read under others is read again


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What is remembered of one key: its timing runs, and readings that time does not change."""

    key: str
    runs: tuple[Run, ...] = ()
    fixed: Mapping[str, Reading] = field(default_factory=dict)


class Lab:
    """Measures artefacts on some rows beside a teacher.

    ``first`` takes one run when a candidate is met, ``again`` a further one later; ``readings`` combines what there is
    and starts nothing. A key is what the readings depend on (an architecture's; a recipe's where weights matter), and
    "teacher" is the teacher's own. With a ``book`` nothing is measured: its readings come back exactly, and a key that
    it lacks is a RunError (with ``may_measure`` it is measured). Runs are remembered under ``cache``.
    """

    def __init__(
        self,
        cache: Path,
        rows: Features,
        teacher: Path | None = None,
        *,
        batch: int = 1,
        threads: int = 1,
        book: Book | None = None,
        may_measure: bool = False,
        energy: Energy | None = None,
    ) -> None:
        self.cache, self.batch, self.threads = cache, batch, threads
        self.book, self.may_measure = book, may_measure
        self.rows = table.few(rows)
        self.environment = machine.environment()
        self.device = machine.name(self.environment, threads)
        self.cores = machine.cores(threads)
        self.references = machine.References(cache, self.device, self.cores)
        self.teacher_path = teacher
        self.teacher = digest(teacher.read_bytes())[:12] if teacher is not None else ""
        self._meters: Sequence[Meter] = (Size(), energy or Energy())
        self._further: Mapping[str, Further] = {}
        self._records: dict[str, Record] = {}
        self._failures: dict[str, str] = {}
        self._guard = threading.RLock()
        self._started: process.Started | None = None
        self._runs = 0
        self._stored = table.store(self.rows, cache / "rows")

    def with_meters(self, names: Iterable[str]) -> "Lab":
        """This lab, which reads by some further meters as well; each reading is kept under the meter's name."""
        from autodistill.measure.further import named  # a device that only measures has no pydantic

        self._further = named(names)
        return self

    def first(self, key: str, artefact: Path) -> Mapping[str, Reading]:
        """The readings of a key after at least one run of its artefact; a run that is remembered counts."""
        if not self._replays(key):
            with self._guard:
                self._fixed(key, artefact)
                self._run(key, artefact, lambda: not self._has_run(self._record(key)))
        return self.readings(key)

    def again(self, key: str, artefact: Path, wait: bool = False) -> Mapping[str, Reading]:
        """The readings of a key after one more run, if one is due: never back to back (``wait``: sleep until then)."""
        if not self._replays(key):
            with self._guard:
                self._fixed(key, artefact)
                due = self.due(key)
                if wait and due is not None:
                    time.sleep(max(due, 0.0))
                self._run(key, artefact, lambda: self._is_due(key))
        return self.readings(key)

    def due(self, key: str) -> float | None:
        """Seconds until another run of a key is worth its time (≤ 0: now); None where its readings are complete."""
        if self._replays(key):
            return None
        record = self._record(key)
        if self._has_run(record) and is_complete(self.readings(key)):
            return None
        return max((run.at for run in record.runs), default=0.0) + APART - time.time()

    def _is_due(self, key: str) -> bool:
        due = self.due(key)
        return due is not None and due <= 0

    def known(self, key: str) -> bool:
        """Whether ``readings`` answers without an artefact: recorded, or remembered with this teacher."""
        if self.book is not None and key in self.book.readings:
            return True
        return not self._replays(key) and bool(self._record(key).fixed) and self._has_run(self._record(key))

    def readings(self, key: str) -> Mapping[str, Reading]:
        """What is known of a key: latency, latency@32, latency_ratio, runtime_floor, size, parameters, macs, energy."""
        if self.book is not None and self._replays(key):
            return self.book.get(key)
        seat = self._seat(key)
        return {reading.quantity: reading for reading in Latency().read(Path(key), seat)} | dict(
            self._record(key).fixed
        )

    def memory(self, key: str, artefact: Path) -> Reading:
        """Peak resident memory of a fresh process that runs the artefact."""
        return PeakMemory().read(artefact, self._seat(key))[0]

    def record(self, keys: Sequence[str]) -> Book:
        """The readings of some keys as a book, to be saved and replayed."""
        return Book(environment=self.environment, readings={key: self.readings(key) for key in keys})

    def _replays(self, key: str) -> bool:
        return self.book is not None and (key in self.book.readings or not self.may_measure)

    def _has_run(self, record: Record) -> bool:
        """Whether there is a run beside the present teacher."""
        return any(run.teacher == self.teacher or record.key == TEACHER for run in record.runs)

    def _address(self, key: str) -> Path:
        """Readings depend on key, rows, machine, runtime, batch and threads. Which teacher stood beside is kept with
        the run; "teacher" is a key of every teacher, so its digest belongs to it."""
        told = [
            key,
            RULES,
            self.teacher if key == TEACHER else "",
            self._stored.stem,
            self.environment,
            self.cores,
            self.batch,
            self.threads,
            *(f"{one.name} {one.source}" for one in self._further.values()),
        ]
        return self.cache / "readings" / f"{digest(encode(told))[:24]}.json"

    def _record(self, key: str) -> Record:
        """What is known here; of a key without a run, what another process may have put on the disk by now."""
        with self._guard:
            if key not in self._records or not self._records[key].runs:
                self._learn(key)
            return self._records[key]

    def _learn(self, key: str) -> None:
        """Take in the runs that are on the disk beside those that are known here."""
        found, known = self._remembered(key), self._records.get(key, Record(key=key))
        runs = {run.at: run for run in (*found.runs, *known.runs)}
        self._records[key] = replace(
            known, fixed=known.fixed or found.fixed, runs=tuple(runs[at] for at in sorted(runs))
        )

    def _remembered(self, key: str) -> Record:
        try:
            found = decode(self._address(key).read_bytes(), Record)
        except (OSError, msgspec.DecodeError):  # not there, or of another version: measure again
            return Record(key=key)
        return found if found.key == key else Record(key=key)

    def _keep(self, record: Record) -> None:
        self._records[record.key] = record
        machine.write(self._address(record.key), encode(record))

    def _fixed(self, key: str, artefact: Path) -> None:
        """The readings of a key that time does not change, taken anew where the file's size differs."""
        record = self._record(key)
        known = record.fixed.get("size")
        if known is None or not artefact.exists() or known.value != artefact.stat().st_size:
            seat = self._seat(key)
            taken = [reading for meter in self._meters for reading in meter.read(artefact, seat)]
            self._learn(key)
            more = {name: one.read(artefact, seat) for name, one in self._further.items()}
            self._keep(replace(self._records[key], fixed={one.quantity: one for one in taken} | more))

    def _run(self, key: str, artefact: Path, wanted: Callable[[], bool]) -> None:
        """One timing process, alone on this machine; none if meanwhile another one has read what was ``wanted``."""
        if not wanted():
            return
        with machine.alone(self.cache):
            self._learn(key)
            if not wanted():
                return
            record = self._records[key]
            job = self._job("times", record, artefact)
            found, why = self._process(job)
            reference = found.get("models", {}).get("reference", {}).get("p10")
            if reference is None:
                self._failures[key] = why or "the reference model did not run"
            else:
                self._failures.pop(key, None)
                seen = {name: found[name] for name in ("models", "counts_preemption", "other_load")}
                run = Run(at=time.time(), teacher=self.teacher, pinned=bool(found["cores"]), **seen)
                self.references.add(run.at, reference)
                self._keep(replace(record, runs=(*record.runs, run)))
        self._look_ahead(job)

    def _process(self, job: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """What a fresh process says: the one that was started beforehand, if there is one."""
        started, self._started = self._started, None
        return started.do(job) if started is not None and started.alive() else process.run(job)

    def _look_ahead(self, job: Mapping[str, Any]) -> None:
        """Start the next run's process while its artefact is still to be made: who measured twice measures again."""
        self._runs += 1
        if self._runs > 1:
            common = [one["path"] for one in job["models"] if not one["name"].startswith("artefact")]
            told = {"rows": job["rows"], "columns": job["columns"], "threads": job["threads"], "paths": common}
            with contextlib.suppress(OSError):  # the run itself will say why it cannot be started
                self._started = process.Started(told)

    def _job(self, kind: str, record: Record, artefact: Path) -> dict[str, Any]:
        def model(name: str, path: Path, batch: int, synthetic: bool = False) -> dict[str, Any]:
            return {"name": name, "path": str(path.resolve()), "batch": batch, "synthetic": synthetic}

        if not self._stored.exists():  # a cache may be deleted at any time
            table.store(self.rows, self._stored.parent)
        models = [model("artefact", artefact, self.batch), model(f"artefact@{MANY}", artefact, MANY)]
        if self.teacher_path is not None and record.key != TEACHER:
            models.append(model("teacher", self.teacher_path, self.batch))
        models += [model(name, MODELS / f"{name}.onnx", 1, synthetic=True) for name in ("reference", "floor")]
        return {
            "kind": kind,
            "models": models,
            "rows": str(self._stored.resolve()),
            "columns": list(self.rows),
            "threads": self.threads,
            "cores": self.cores,
            "seconds": SECONDS,
            "seed": int(digest(record.key.encode())[:6], 16) + len(record.runs),
        }

    def _seat(self, key: str) -> "Seat":
        record = self._record(key)

        def memory(artefact: Path) -> Mapping[str, Any]:
            found, why = process.run(self._job("memory", record, artefact))
            return found or {"error": why}

        return Seat(
            batch=self.batch,
            device=self.device,
            teacher=self.teacher,
            is_teacher=key == TEACHER,
            runs=record.runs,
            failure=self._failures.get(key, ""),
            rows={name: column[:COUNTED] for name, column in self.rows.items()},
            best=self.references.best,
            memory=memory,
        )


@dataclass(frozen=True, kw_only=True)
class Seat:
    """The bench as a meter sees it, for the artefact of one key (``autodistill.meters.Bench``)."""

    batch: int
    device: str
    teacher: str
    is_teacher: bool
    runs: tuple[Run, ...]
    failure: str
    rows: Features
    best: Callable[[float], float | None]
    memory: Callable[[Path], Mapping[str, Any]]
    _counted: dict[Path, runtime.Work] = field(default_factory=dict)

    def work(self, artefact: Path) -> runtime.Work:
        """Work a row, counted once."""
        if artefact not in self._counted:
            self._counted[artefact] = runtime.count(artefact, self.rows, self.batch)
        return self._counted[artefact]
