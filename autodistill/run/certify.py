"""From finished candidates to a verdict: a shortlist fixed beforehand, then ordered tests on the audit split."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from autodistill.auditor import Evidence
from autodistill.jobs import Workshop, sized
from autodistill.jobs.files import keep
from autodistill.jobs.views import with_views
from autodistill.journal import Journal
from autodistill.ledger import Ledger
from autodistill.measure import TEACHER
from autodistill.records import Candidate, Entry, Event, Finding, Policy, Reading
from autodistill.run import ordered, twins, unattended
from autodistill.run.ordered import Certification, Tested
from autodistill.run.progress import Progress, Watch, silent
from autodistill.run.twins import STUDENT
from autodistill.run.unattended import Night

__all__ = ["FINAL", "Certification", "Tested", "certify"]

FINAL = "@final"  # readings after further runs, beside those that the search saw
PATIENCE = 0.12  # of the search's seconds may be waited for further readings, which must be apart in time


@dataclass(frozen=True)
class _Bench:
    """A workshop as certification sees it: a student's artefact is run on the rows, and what it says is kept. On the
    audit rows, which are read only after the look is paid for, further views and models stand beside it."""

    shop: Workshop
    watch: Watch = silent

    @property
    def policy(self) -> Policy:
        return self.shop.policy

    @property
    def folder(self) -> Path:
        return self.shop.folder

    @property
    def rows(self) -> Mapping[str, int]:
        return {name: len(at) for name, at in self.shop.dataset.splits.items()}

    @property
    def audit_rows(self) -> npt.NDArray[Any]:
        return self.shop.dataset.row_digests[self.shop.dataset.splits["audit"]]

    @property
    def group_features(self) -> bool:
        return any(name in self.shop.dataset.features for name in self.shop.dataset.groups)

    @property
    def audit_digest(self) -> str:
        return self.shop.dataset.digests["audit"]

    def evidence(self, candidate: Candidate, split: str) -> Evidence:
        home = self.shop.home(candidate)
        if split != "audit":
            return self.shop.evidence(split, self.shop.predict(home / STUDENT, split))
        key = f"certified/{candidate.key}"
        if key not in self.shop.kept:
            predictions = self.shop.predict(home / STUDENT, split)
            keep(home, predictions)
            others, missing = twins.others(self.shop, candidate, self.watch)
            plain = replace(self.shop.evidence(split, predictions), others=others, reference={"missing": missing})
            self.shop.kept[key] = with_views(self.shop, plain, home / STUDENT, home)
        return self.shop.kept[key]  # type: ignore[no-any-return]

    def meters(self, readings: Mapping[str, Reading]) -> tuple[Finding, ...]:
        return self.shop.meters(readings)


def certify(
    shop: Workshop,
    entries: Sequence[Entry],
    ledger: Ledger,
    log: Journal,
    watch: Watch,
    seconds: float,
    night: Night | None = None,
) -> Certification:
    """Choose a shortlist on the search split, pay for the look, test in order. ``seconds``: what the search took.

    In a night the champion is tested in the same look, and where nothing is listed it is tested alone.
    """
    watch(Progress(phase="certify", text="choosing a shortlist on the search split"))
    listed, examined = _shortlist(shop, entries, log)
    champion = None if night is None else night.champion
    if not listed and champion is None:
        return Certification(examined=examined, teacher_readings=shop.teacher_readings)
    patience = PATIENCE * seconds if night is None else night.waiting(PATIENCE * seconds)
    readings = _final(shop, [entry for entry, _ in listed], patience, watch)
    teacher = readings.get(TEACHER, shop.teacher_readings)
    tested = [
        Tested(entry=replace(entry, readings=_shipped(shop, entry, readings)), order=order, power=power)
        for order, (entry, power) in enumerate(listed)
    ]
    many = "one student" if len(tested) == 1 else f"{len(tested)} students"
    watch(Progress(phase="certify", text=f"testing {many} on the audit split"))
    shop = replace(shop, teacher_readings=teacher)
    stands = None if champion is None else unattended.standing(shop, champion)
    # Two nights may share their audit rows and differ in what they were trained on: the files make the look, too.
    files = [] if night is None else [str(one.entry.artefact.get("sha256")) for one in tested]
    found = ordered.tests(_Bench(shop, watch), tested, ledger, stands=stands, artefacts=files)
    return replace(found, examined=examined, teacher_readings=teacher)


def _shortlist(shop: Workshop, entries: Sequence[Entry], log: Journal) -> tuple[list[tuple[Entry, float]], int]:
    """The shortlist; once chosen it stays (a look is paid for)."""
    finished = [entry for entry in entries if entry.state == "finished"]
    by_key = {entry.candidate.key: entry for entry in finished}
    for event in reversed(log.events):
        known = event.data.get("shortlist") if event.kind == "note" else None
        if known is not None and event.data["finished"] == len(finished) and all(k in by_key for k, _ in known):
            return [(by_key[key], power) for key, power in known], int(event.data["examined"])
    listed, examined = ordered.shortlist(_Bench(shop), finished)
    said = {"shortlist": [(e.candidate.key, power) for e, power in listed], "finished": len(finished)}
    log.append(Event(kind="note", number=0, data={**said, "examined": examined}))
    return listed, examined


def _shipped(shop: Workshop, entry: Entry, readings: Mapping[str, Mapping[str, Reading]]) -> Mapping[str, Reading]:
    return sized(readings[entry.candidate.key], shop.home(entry.candidate) / "student.onnx")


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
