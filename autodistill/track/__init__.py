"""MLflow, and the only door to it: a copy of the run that people can browse, never what a run rests on.

A search is a parent run, a candidate a nested run, the report's files its artefacts under ``audit/``; the certified
student is registered with its digests and verdict. All calls are made by one thread of their own, in order, off the
critical path. A server that is away costs one line of warning; ``sync`` catches up. Whatever is sent twice is there
once: the parent is found by the run's own name in ``track.json``, a candidate by its key.
"""

import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from autodistill import records
from autodistill.errors import RunError
from autodistill.records import Entry
from autodistill.track.contents import Contents, differing, fetched, whole
from autodistill.track.figures import Sent, asked, digests, metrics, mlflow_name, params
from autodistill.track.logged import at, log_model
from autodistill.track.manners import hush, own_name, written, wrote
from autodistill.track.registry import FILES, STUDENT, Version, model_name, move, registered, version

__all__ = [
    "FILES",
    "STUDENT",
    "URI",
    "Contents",
    "TrackResult",
    "Tracker",
    "Version",
    "differing",
    "model_name",
    "move",
    "registered",
    "sync",
    "version",
    "whole",
    "written",
]

URI = "sqlite:///mlflow.db"
PAGES = ("report.html", "report.json", "front.png", "candidates.csv", "spec.yaml", "policy.yaml")
RUN, KEY, CONTENT = "autodistill.run", "autodistill.candidate", "autodistill.content"
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackResult:
    """What MLflow has of a run: ids are None where it was away, and ``notes`` says so."""

    run_id: str | None
    model_version: str | None
    notes: tuple[str, ...] = ()


class Tracker:
    """Copies one run to the MLflow at ``uri``; no method raises, and only ``finish`` and ``close`` wait.

    ``folder`` is the run's folder; ``track.json`` in it says which MLflow run is its copy.
    """

    def __init__(self, uri: str, experiment: str, run_name: str, folder: Path) -> None:
        self._where, self._folder = (uri, experiment, run_name), folder
        self._jobs: queue.SimpleQueue[Callable[[_Copy], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._copy: _Copy | None = None
        self._away = ""
        self.version: str | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a report should say about tracking: empty while all is well."""
        return (f"MLflow was away and has no full copy of this run: {self._away}",) if self._away else ()

    def start(self, params: Mapping[str, Any]) -> None:
        """Open the parent run (or find it again), with what was asked for."""
        self._post(lambda copy: copy.open(params))

    def candidate(self, entry: Entry) -> None:
        """One candidate as a nested run."""
        self._post(lambda copy: copy.candidate(entry))

    def finish(self, report: Mapping[str, Any], folder: Path, student: Path | None) -> TrackResult:
        """The verdict, the report's files, the certified student (an ONNX file or None); waits until all is sent."""

        def send(copy: "_Copy") -> None:
            plain = records.plain(dict(report))
            copy.finish(plain, folder)
            if student is not None:
                self.version = copy.register(plain, student)

        self._post(send)
        self.close(None)
        run_id = self._copy.run_id if self._copy is not None and not self._away else None
        return TrackResult(run_id=run_id, model_version=self.version, notes=self.notes)

    def close(self, patience: float | None = 10.0) -> None:
        """Send what is queued and stop; waits at most so many seconds (None: until all is sent)."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join(patience)

    def _post(self, job: "Callable[[_Copy], None]") -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="track", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._away:
                continue  # the journal has it; ``sync`` sends it when the server is back
            try:
                if self._copy is None:
                    self._copy = _Copy(*self._where, self._folder)
                job(self._copy)
            except Exception as fault:  # whatever fails in a copy, the search goes on
                said = " ".join(str(fault).split()) or type(fault).__name__
                self._away = said if len(said) <= 200 else said[:199] + "…"
                LOG.warning("MLflow is away, the run goes on without it: %s", self._away)


def sync(
    uri: str,
    experiment: str,
    folder: Path,
    report: Mapping[str, Any] | None = None,
    entries: Iterable[Entry] | None = None,
) -> TrackResult:
    """Send a finished run whole; what MLflow has already stays as it is. ``report`` defaults to the folder's own.

    Raises:
        RunError: the folder holds no report.
    """
    if report is None:
        try:
            report = json.loads((folder / "report.json").read_bytes())
        except (OSError, ValueError):
            raise RunError(
                "no finished run is here to be tracked", where=str(folder), do="end its search first"
            ) from None
    if entries is None:
        entries = msgspec.convert(records.plain(list(report.get("entries") or ())), list[Entry])
    tracker = Tracker(uri, experiment, str(report.get("name") or folder.name), folder)
    tracker.start(asked(report))
    for entry in entries:
        tracker.candidate(entry)
    student = folder / "student.onnx"
    return tracker.finish(report, folder, student if report.get("certified") and student.exists() else None)


class _Copy:
    """The calls themselves, made by one thread. Raises whatever MLflow raises."""

    def __init__(self, uri: str, experiment: str, run_name: str, folder: Path) -> None:
        hush()
        from mlflow import MlflowClient

        self.uri, self.run_name, self.folder = uri, run_name, folder
        self.client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        self.experiment = self._experiment(experiment)
        self.mine = own_name(folder)
        self.run_id = ""
        self.sent: dict[str, Sent] = {}

    def _experiment(self, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        file = urlsplit(self.uri).path.removeprefix("/") if self.uri.startswith("sqlite:") else ""
        beside = (Path(file).resolve().parent / "mlruns").as_uri() if file else None  # the files where the database is
        return str(self.client.create_experiment(name, artifact_location=beside))

    def _search(self, tag: str, value: str) -> list[Any]:
        """Runs with a tag, from as many pages as there are."""
        which = {"experiment_ids": [self.experiment], "filter_string": f"tags.`{tag}` = '{value}'"}
        page = self.client.search_runs(**which, max_results=1000)
        found = list(page)
        while page.token:
            page = self.client.search_runs(**which, max_results=1000, page_token=page.token)
            found += page
        return found

    def open(self, given: Mapping[str, Any]) -> None:
        """The parent run, found or made."""
        there = self._search(RUN, self.mine)
        run = (
            there[0]
            if there
            else self.client.create_run(self.experiment, tags={RUN: self.mine}, run_name=self.run_name)
        )
        self.run_id = str(run.info.run_id)
        fresh = {mlflow_name(k): str(v)[:5000] for k, v in given.items() if mlflow_name(k) not in run.data.params}
        self._log(self.run_id, {}, fresh, {})
        for there in self._search("mlflow.parentRunId", self.run_id):
            whole = there.data.tags.get(CONTENT, "") if there.info.status in {"FINISHED", "FAILED"} else ""
            sent = Sent(str(there.info.run_id), whole, frozenset(there.data.params))
            self.sent[there.data.tags.get(KEY, "")] = sent

    def candidate(self, entry: Entry) -> None:
        """A nested run, unless it is there with this content."""
        key, content = entry.candidate.key, records.digest(records.encode(entry))[:16]
        there = self.sent.get(key)
        if there is not None and there.content == content:
            return
        if there is None:
            name, tags = (
                f"{entry.candidate.number} {entry.candidate.family}",
                {"mlflow.parentRunId": self.run_id, KEY: key},
            )
            made = self.client.create_run(self.experiment, tags=tags, run_name=name)
            there = Sent(str(made.info.run_id), "", frozenset())
        said = {"autodistill.state": entry.state, CONTENT: content, "autodistill.reason": entry.reason[:5000]}
        if entry.verdict is not None:  # of the search split: a screening, not a verdict
            said["autodistill.screening"] = entry.verdict.decision
        given = params(entry)
        self._log(there.run_id, metrics(entry), {k: v for k, v in given.items() if k not in there.params}, said)
        self.client.set_terminated(there.run_id, "FAILED" if entry.state == "broken" else "FINISHED")
        self.sent[key] = Sent(there.run_id, content, there.params | set(given))

    def _log(
        self, run_id: str, figures: Mapping[str, float], given: Mapping[str, str], tags: Mapping[str, str]
    ) -> None:
        """One call a run: MLflow takes 1,000 metrics, 100 parameters and 100 tags at once."""
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        self.client.log_batch(
            run_id,
            metrics=[Metric(name, value, now, 0) for name, value in figures.items()],
            params=[Param(name, value) for name, value in list(given.items())[:100]],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )

    def finish(self, report: Mapping[str, Any], folder: Path) -> None:
        """Verdict, cost and the figures of the chosen student on the parent run, and the report's files."""
        verdict, cost = report["verdict"], report.get("cost") or {}
        figures = {f"candidates.{k}": float(v) for k, v in cost.items() if isinstance(v, int)}
        chosen = report.get("certified")
        entry = next(
            (e for e in msgspec.convert(report.get("entries") or [], list[Entry]) if e.candidate.key == chosen), None
        )
        figures |= {} if entry is None else {f"certified.{name}": value for name, value in metrics(entry).items()}
        self._log(self.run_id, figures, {}, digests(report) | {"autodistill.sentence": verdict["sentence"][:5000]})
        for name in PAGES:
            if (folder / name).exists():
                self.client.log_artifact(self.run_id, str(folder / name), "audit")
        self.client.set_terminated(self.run_id)

    def register(self, report: Mapping[str, Any], student: Path) -> str:
        """The certified student as a model version, once a run and digest; its version."""
        name, sha = model_name(self.run_name), records.digest(student.read_bytes())
        tags = digests(report) | {RUN: self.mine, STUDENT: sha}
        ours = written(self.folder)
        for there in self.client.search_model_versions(f"name = '{name}'"):
            if there.tags.get(RUN) == self.mine and there.tags.get(STUDENT) == sha and there.source in ours:
                return str(there.version)
        with at(self.uri):
            model = log_model(self.run_id, student)
            if not self.client.search_registered_models(f"name = '{name}'"):
                self.client.create_registered_model(name)
            made = self.client.create_model_version(name, f"models:/{model}", self.run_id, tags=tags, model_id=model)
        number = str(made.version)
        inside = fetched(self.client, self.uri, name, number)
        wrote(self.folder, f"models:/{model}", inside.digest)
        self.client.set_model_version_tag(name, number, FILES, inside.digest)
        self.client.set_registered_model_alias(name, "candidate", number)
        return number
