"""A finished search as certification sees it: from the files in its folder, without its teacher and without training.

Of the audit split only the digests of rows are read until certification asks for its evidence, which it does once the
look is paid for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np
import numpy.typing as npt

from autodistill import auditor, data, runtime, verdict
from autodistill.auditor import Evidence
from autodistill.errors import RunError, UserError
from autodistill.records import Candidate, Entry, Features, Finding, Policy, Predictions, Reading, digest, take
from autodistill.run import sealed
from autodistill.run.looked import ROWS, row_digests
from autodistill.spec.reader import read
from autodistill.spec.table import read_data

STUDENT = "student.onnx"
TRAIN = "train"
UNKEPT = "its predictions were not kept by the search, and a run that is judged again trains nothing"


@dataclass(frozen=True, kw_only=True)
class Finished:
    """One run under another policy; ``found`` is its report. Implements ``ordered.Bench``."""

    folder: Path
    found: Mapping[str, Any]
    policy: Policy
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> Mapping[str, int]:
        splits: Mapping[str, int] = self.found["data"]["splits"]
        return splits

    @property
    def group_features(self) -> bool:
        return any(name in self.found["data"]["features"] for name in self.found["data"]["groups"])

    @property
    def audit_digest(self) -> str:
        return str(self.found["data"]["digests"]["audit"])

    @cached_property
    def audit_rows(self) -> npt.NDArray[Any]:
        return row_digests(self.folder / ROWS, "audit")

    @cached_property
    def task(self) -> sealed.Task:
        """What decisions mean."""
        return sealed.Task.of(self.found)

    @cached_property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """Attribute -> the names that exist in the whole table."""
        return sealed.known_groups(self.found)

    @cached_property
    def teacher_readings(self) -> Mapping[str, Reading]:
        return msgspec.convert(self.found["teacher"]["readings"], dict[str, Reading])

    def entries(self) -> tuple[Entry, ...]:
        """Every candidate of the search; one that finished has this policy's findings on the search split."""
        entries = msgspec.convert(self.found["entries"], list[Entry])
        return tuple(self._screened(one) if one.state == "finished" else one for one in entries)

    def _screened(self, entry: Entry) -> Entry:
        rules = verdict.screened(self.policy)
        evidence = self.evidence(entry.candidate, "search")
        findings = (*auditor.audit(evidence, rules), *self.meters(entry.readings))
        names = verdict.constraint_names(rules, self.groups)
        constraints = verdict.constraints(findings, names)
        return replace(entry, findings=findings, constraints=constraints, verdict=verdict.judge(findings))

    def meters(self, readings: Mapping[str, Reading]) -> tuple[Finding, ...]:
        return verdict.meters(self.policy, readings, self.teacher_readings)

    def evidence(self, candidate: Candidate, split: str) -> Evidence:
        key = f"{candidate.key}/{split}"
        if key not in self.kept:
            if split not in self.kept:
                self.kept[split] = sealed.read(self.folder / ROWS, split)
            seen = sealed.evidence(self.kept[split], self.task, self._student(candidate, split), self.groups)
            self.kept[key] = self.with_views(candidate, seen) if split == "audit" else seen
        return self.kept[key]  # type: ignore[no-any-return]

    def refuse_unreadable(self, candidates: Sequence[Candidate]) -> None:
        """RunError, before a look is paid for, where what a candidate says of the audit rows cannot be had."""
        for one in candidates:
            if not self._stored(one, "audit").is_file():
                self._artefact(one)
                self._table(one)

    def _home(self, candidate: Candidate) -> Path:
        return self.folder / "candidates" / candidate.key

    def _stored(self, candidate: Candidate, view: str) -> Path:
        return self._home(candidate) / f"predictions.{quote(view, safe='')}.parquet"

    def _student(self, candidate: Candidate, split: str) -> Predictions:
        stored = self._stored(candidate, split)
        if split == "search" or stored.is_file():
            return sealed.predictions(stored, split)
        return self._predicted(self._artefact(candidate), self._table(candidate), split)

    def _predicted(self, artefact: bytes, features: Features, split: str) -> Predictions:
        ids = self.kept[split].ids
        return runtime.predict(
            runtime.open(artefact), features, ids, split, positive=self.task.positive, threshold=self.task.threshold
        )

    def _artefact(self, candidate: Candidate) -> bytes:
        """The bytes of its artefact, as the search wrote them."""
        path = self._home(candidate) / STUDENT
        content = path.read_bytes() if path.is_file() else b""
        entry = next(one for one in self.found["entries"] if _key(one) == candidate.key)
        if digest(content) != entry["artefact"].get("sha256"):
            raise RunError("is not the file that the search exported", where=str(path), do="restore it")
        return content

    def _table(self, candidate: Candidate) -> Features:
        """The audit rows' raw features, from the table of the experiment file, in the order of the kept rows."""
        if "features" in self.kept:
            return self.kept["features"]  # type: ignore[no-any-return]
        asked = read_data(read(self.folder / "spec.yaml").at("data"))
        table = data.load(asked, int(self.found["spec"]["seed"]))
        if table.digests["table"] != self.found["data"]["sha256"]:
            raise RunError(
                f"is not the table of this run any more, and what {candidate.key} says of its audit rows was not kept",
                where=str(asked.table),
                do="restore the table; a policy under which the tested students are tested again needs no table",
            )
        place = {str(one): at for at, one in enumerate(table.row_digests.tolist())}
        at = np.array([place[str(one)] for one in self.audit_rows.tolist()], dtype=np.int64)
        self.kept["features"] = {name: take(column, at) for name, column in table.features.items()}
        return self.kept["features"]  # type: ignore[no-any-return]

    def with_views(self, candidate: Candidate, seen: Evidence) -> Evidence:
        """Further views and models that the policy asks for, where they were kept; where not, why they are missing."""
        views, others = verdict.further(self.policy)
        missing: dict[str, str] = {}
        of_student, of_teacher, models = dict(seen.student), dict(seen.teacher), dict(seen.others)
        for view in views:
            stored = self._stored(candidate, view)
            paths = stored, self.folder / "teacher" / stored.name
            kept = [sealed.predictions(path, view) for path in paths if path.is_file()] if view != TRAIN else []
            if len(kept) == 2 and all(np.array_equal(one.row_ids, seen.row_ids) for one in kept):
                of_student[view], of_teacher[view] = kept
            else:
                missing[view] = UNKEPT
        for name in others:
            home = self.folder / sealed.beside(candidate, name)
            stored, path = home / "predictions.audit.parquet", home / STUDENT
            missing[name] = UNKEPT
            if stored.is_file():
                models[name] = sealed.predictions(stored, seen.split)
                del missing[name]
            elif name in sealed.CONTROLS and path.is_file():
                try:
                    models[name] = self._predicted(path.read_bytes(), self._table(candidate), seen.split)
                    del missing[name]
                except UserError as fault:  # the look is paid for: what cannot be had is said, not refused
                    missing[name] = str(fault)
        reference = {**seen.reference, "missing": missing}
        return replace(seen, student=of_student, teacher=of_teacher, others=models, reference=reference)


def _key(entry: Mapping[str, Any]) -> str:
    return msgspec.convert(entry["candidate"], Candidate).key
