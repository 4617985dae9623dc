"""The search: prepare, pump controller and engine, certify a shortlist, compose the report, track."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from autodistill import engine, journal, report, spec, track
from autodistill.errors import UserError
from autodistill.optimise import Controller, mirror
from autodistill.optimise.start import first
from autodistill.records import Entry
from autodistill.run import attest, attributing, beside, certify, compose, earlier, prepare, promote, seeds, unattended
from autodistill.run.folder import BUDGETS, RunFile, larger, read_run, refuse_change, write_whole
from autodistill.run.found import Found
from autodistill.run.progress import Progress, Watch, silent
from autodistill.run.pumping import Pump, now
from autodistill.run.readings import readings_of
from autodistill.run.unattended import Night

STUDENT = "student.onnx"


@dataclass(frozen=True, kw_only=True)
class Result(Found):
    """What a search found. ``again``: it was there already, finished, and nothing was run."""

    again: bool = False


def search(
    file: str | Path | spec.Spec,
    *,
    out: str | Path | None = None,
    trials: int | None = None,
    minutes: float | None = None,
    workers: int | None = None,
    watch: Watch = silent,
    night: Night | None = None,
) -> Result:
    """Run an experiment file to its report, or go on where an interrupted run of it was.

    ``night`` is what an unattended run adds. Raises a ``UserError`` (SpecError, TableError, TeacherError, RunError …)
    where the user can mend it.
    """
    over = {"trials": trials, "minutes": minutes, "workers": workers}
    asked = file if isinstance(file, spec.Spec) else spec.load(file, over)
    folder = Path("reports") / asked.name if out is None else Path(out)
    with journal.lock(folder):
        return _Search(asked, folder, watch, night).run()


@dataclass
class _Search:
    """One search of one process over one folder."""

    spec: spec.Spec
    folder: Path
    watch: Watch
    night: Night | None = None
    began: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)
    tracker: track.Tracker | None = None

    def run(self) -> Result:
        """Everything in order."""
        engine.refuse(self.spec.engine)
        budget = {name: getattr(self.spec.budget, name) or 0 for name in BUDGETS}
        there = read_run(self.folder)
        if there is not None:
            refuse_change(self.folder, there, {**there.identity, **prepare.early_identity(self.spec)})
            if there.finished and not larger(budget, there.budget):
                return Result(folder=self.folder, report=report.read(self.folder), again=True)
            attest.refuse_decided(self.folder, attest.book())
        book = attest.book()
        book.settle()  # a ledger or a key that cannot be used stops it before anything is read
        dataset = None if self.night is None else self.night.dataset
        made = prepare.prepare(self.spec, self.folder, self.watch, dataset, there)
        self.seconds |= made.seconds
        if there is None:
            there = RunFile(name=self.spec.name, identity=made.identity, budget=budget, created=now())
        there = replace(there, budget=budget, finished=False)
        there.write(self.folder)
        policy = self.spec.policy
        book.once("policy", {"name": policy.name, "version": policy.version, "sha256": policy.sha256})
        uri = self.spec.track.get("mlflow")
        if uri:
            self.tracker = track.Tracker(uri, self.spec.name, self.spec.name, self.folder)
            self.tracker.start({"spec_sha256": self.spec.sha256, "policy_sha256": policy.sha256, **there.identity})
        with journal.Journal(self.folder / "journal.jsonl") as log:
            begun = earlier.earlier(self.spec.warm_start, made.identity, self.spec.objectives)
            if begun.said:
                self.watch(Progress(phase="search", text=begun.said))
            pump = Pump(self.spec, made.shop, log, self.watch, self.night, self._took, begun)
            controller = pump.run()
            self.seconds["search"] = pump.elapsed
            start = time.monotonic()
            entries = tuple(pump.entries[number] for number in sorted(pump.entries))
            tested = certify.certify(made.shop, entries, book, log, self.watch, self.seconds["search"], self.night)
            controls = beside.controls(made.shop, tested, self.watch, self.spec.teacher)
            if tested.finalist is not None:
                student = made.shop.home(tested.finalist.entry.candidate) / STUDENT
                write_whole(self.folder / STUDENT, student.read_bytes())
            self.seconds["certify"] = time.monotonic() - start
            split, luck = self._further(made, tested)
            found = compose.compose(
                self.spec, made, controller, tested, pump.entries, (controls, split), self._cost(pump, controller)
            )
            if self.night is None:
                found["shortlist"] = [{**line, "seeds": luck.get(line["key"])} for line in found["shortlist"]]
            else:
                found["night"] = unattended.told(made.shop, self.night, tested)
        self.watch(Progress(phase="report", text="writing the report"))
        readings_of(made.shop, entries, tested, controls).save(self.folder / "readings.json")
        report.write(self.folder, found)
        for note in attest.attest(self.folder, report.read(self.folder), book):
            self.watch(Progress(phase="report", text=note))
        self._track({**found, "ledger_head": "{}:{}".format(*book.head())}, controller)
        replace(there, finished=True).write(self.folder)
        return Result(folder=self.folder, report=report.read(self.folder))

    def _further(
        self, made: prepare.Prepared, tested: certify.Certification
    ) -> tuple[attributing.Attributed, dict[str, dict[str, Any]]]:
        """What distillation did, and further seeds of the shortlist; a night's budget is for candidates."""
        if self.night is not None:
            return attributing.Attributed(reason="a night trains no further seeds: its budget is for candidates"), {}
        start = time.monotonic()
        split = attributing.attribute(made.shop, tested, self.seconds["search"], self.watch)
        self.seconds["attribution"] = time.monotonic() - start
        luck = seeds.seeds(made.shop, tested, self.seconds["search"], self.watch)
        self.seconds["seeds"] = time.monotonic() - start - self.seconds["attribution"]
        return split, luck

    def _took(self, entry: Entry) -> None:
        if self.tracker is not None:
            self.tracker.candidate(entry)

    def _cost(self, pump: Pump, controller: Controller) -> dict[str, Any]:
        states = [entry.state for entry in pump.entries.values()]
        return {
            "seconds": {name: round(value, 1) for name, value in self.seconds.items()},
            "trained": states.count("finished"),
            "begins_with": len(first(self.spec.space)),
            "refused": states.count("refused"),
            "skipped": states.count("skipped"),
            "stopped": states.count("stopped"),
            "broken": states.count("broken"),
            "duplicates": sum(trial.of is not None for trial in controller.trials),
            "footprint": pump.footprint.told(),
            "repaired": pump.log.repaired,
        }

    def _track(self, found: dict[str, Any], controller: Controller) -> None:
        """Copies: MLflow and an Optuna storage. Their absence is a note, never an error."""
        if self.spec.track.get("optuna"):
            why = mirror(self.spec.track["optuna"], self.spec.name, controller)
            if why:
                self.watch(Progress(phase="track", text=f"the Optuna storage is away: {why}"))
        if self.tracker is not None:
            self.watch(Progress(phase="track", text="copying to MLflow"))
            wanted = found["certified"] and (self.night is None or self.night.registers(found))
            student = self.folder / STUDENT if wanted else None
            copied = self.tracker.finish(found, self.folder, student)
            for note in copied.notes:
                again = f"`autodistill report {self.folder} --track URI` copies it later"
                self.watch(Progress(phase="track", text=f"{note}; {again}"))
            if copied.model_version is not None:
                try:
                    promote.audited(self.folder, self.spec.track["mlflow"], attest.book())
                except UserError as fault:
                    self.watch(Progress(phase="track", text=f"the alias {promote.AUDITED} was not moved: {fault}"))
