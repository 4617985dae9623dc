"""The student that stands: the one that a person signed off, or else the one that the last night proposed.

While an approval of a student of these nights is in force, that student is the champion, whatever later nights propose:
it is what is deployed. Where nobody has signed, the last proposal stands (that of a drift night included). One that was
taken back stands no more: then the last proposal that was not. Its file is copied to ``nights/champion/`` under its
digest, so that it outlives its night's folder.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from autodistill.errors import ArtefactError, RunError
from autodistill.ledger import Ledger
from autodistill.nightly import recorded
from autodistill.records import FORMAT, Candidate, Reading, digest, encode, plain
from autodistill.report import read
from autodistill.run.folder import write_whole
from autodistill.run.unattended import Champion

FOLDER, FILE = "champion", "champion.json"
IN_FORCE = ("approved", "approved-with-conditions")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """``champion.json``: what stands, since which night, and why (``source``: proposed, signed-off)."""

    sha256: str
    since: str
    source: str
    candidate: Candidate
    readings: Mapping[str, Reading]
    format: int = FORMAT

    def stands(self, root: Path) -> Champion:
        """With its file, whose bytes must be those that were kept."""
        path = root / FOLDER / f"{self.sha256}.onnx"
        if not path.is_file() or digest(path.read_bytes()) != self.sha256:
            raise ArtefactError("the champion's file is missing or was changed", where=str(path), do="restore it")
        return Champion(sha256=self.sha256, artefact=path, candidate=self.candidate, readings=self.readings)


def kept(root: Path) -> Kept | None:
    """The champion as the last night left it."""
    path = root / FOLDER / FILE
    return None if not path.exists() else thaw(msgspec.json.decode(path.read_bytes()), path)


def thaw(found: Any, where: Path) -> Kept:
    """A champion from its plain form; RunError where it is none."""
    try:
        return msgspec.convert(found, Kept)
    except msgspec.ValidationError as fault:
        raise RunError(f"is not a champion: {fault}", where=str(where), do="restore the file") from None


def crown(root: Path, run: Path, key: str, since: str, source: str) -> Kept:
    """Make a run's student the champion: the file first, so that what names it never names nothing."""
    report = read(run)
    entry = next((one for one in report["entries"] if _candidate(one).key == key), None)
    file = run / "candidates" / key / "student.onnx"
    if entry is None or not file.is_file():
        raise RunError(f"holds no student {key}", where=str(run), do="restore the run")
    data = file.read_bytes()
    said = report["files"].get(f"candidates/{key}/student.onnx")
    if said is not None and said != digest(data):
        raise ArtefactError("is not the file that was audited", where=str(file), do="restore it")
    made = Kept(
        sha256=digest(data),
        since=since,
        source=source,
        candidate=_candidate(entry),
        readings=msgspec.convert(entry["readings"], dict[str, Reading]),
    )
    write_whole(root / FOLDER / f"{made.sha256}.onnx", data)
    write_whole(root / FOLDER / FILE, msgspec.json.format(encode(plain(made)), indent=1) + b"\n")
    return made


def signed(name: str, ledger: Ledger, now: str) -> Mapping[str, Any] | None:
    """The last approval of a student of this experiment that is in force at a UTC moment, or None. Of several
    decisions about one report the last one counts, as for ``verify``."""
    revoked = {str(one) for line in ledger.lines("revocation") for one in line.data["statements"]}
    decided = [line.data for line in ledger.lines("signature") if line.data.get("what") == "decision"]
    last = {str(one["report"]): one["statement"] for one in decided}
    lines = [
        one
        for one in decided
        if last[str(one["report"])] == one["statement"]
        and one["run"] == name
        and one.get("student")
        and one["decision"] in IN_FORCE
        and one["statement"] not in revoked
        and str(one["until"]) >= now
    ]
    return lines[-1] if lines else None


def standing(root: Path, name: str, ledger: Ledger, now: str) -> Kept | None:
    """Who stands tonight, its file copied. Raises RunError where a signed student cannot be found or used."""
    mine = kept(root)
    line = signed(name, ledger, now)
    if line is None:
        taken = {str(one.data.get("student")) for one in ledger.lines("revocation")}
        return mine if mine is None or mine.sha256 not in taken else _last_proposal(root, taken)
    if mine is not None and mine.sha256 == line["student"]:
        return mine
    run = _home(root, str(line["report"]))
    if run is None:
        what = f"the signed-off student {str(line['student'])[:12]} is of no run of these nights"
        raise RunError(what, where=str(root), do="restore its folder, sign a night's student, or revoke the approval")
    report = read(run)
    key = str(report["certified"] or report["finalist"])
    if digest((run / "candidates" / key / "student.onnx").read_bytes()) != line["student"]:
        raise ArtefactError("the signed-off student's file was changed", where=str(run), do="restore it")
    return crown(root, run, key, run.name, "signed-off")


def _last_proposal(root: Path, taken: Collection[str]) -> Kept | None:
    for folder in reversed(recorded.folders(root)):
        night = recorded.read_record(folder)
        if night is not None and night.proposed and night.challenger and night.challenger.sha256 not in taken:
            return crown(root, folder, night.proposed, night.date, "proposed")
    return None


def _home(root: Path, report: str) -> Path | None:
    """The run with this report: a night, or the search that the nights' splits were taken from (others may have
    trained on tonight's audit rows)."""
    runs = [*sorted(root.glob("*/report.json")), root.parent / "report.json"]
    return next((one.parent for one in runs if one.is_file() and digest(one.read_bytes()) == report), None)


def _candidate(entry: Mapping[str, Any]) -> Candidate:
    return msgspec.convert(entry["candidate"], Candidate)
