"""The student that stands: the one that a person signed off, or else the one that the last night proposed.

While an approval of a student of these nights is in force, that student is the champion, whatever later nights propose:
it is what is deployed. Where nobody has signed, the last proposal stands (that of a drift night included). One that was
taken back stands no more: then the last proposal that was not. Its file is copied to ``nights/champion/`` under its
digest, so that it outlives its night's folder.

A line of the ledger is enough to take an approval away, never to give one: an approval counts only where its run
verifies by the keys of a trust file. Where it does not, or where there is no trust file to check it by, no champion is
taken in its place, since that would let whoever breaks a signature choose the champion.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from autodistill import signoff, spec
from autodistill.errors import ArtefactError, RunError, SignatureError
from autodistill.ledger import Ledger
from autodistill.nightly import recorded
from autodistill.records import FORMAT, Candidate, Reading, digest, encode, plain
from autodistill.report import read
from autodistill.run import attest, verifying
from autodistill.run.folder import write_whole
from autodistill.run.unattended import Champion

FOLDER, FILE = "champion", "champion.json"
SIGNED_OFF, PROPOSED = "signed-off", "proposed"
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
    """The last approval of a student of this experiment that is in force at a UTC moment by what the ledger's lines
    say, or None. Of several decisions about one report the last one counts, each where it was first written, as for
    ``verify``."""
    revoked = {str(one) for line in ledger.lines("revocation") for one in line.data["statements"]}
    first: dict[str, Mapping[str, Any]] = {}
    for line in ledger.lines("signature"):
        if line.data.get("what") == "decision":
            first.setdefault(str(line.data["statement"]), line.data)
    decided = list(first.values())
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


def standing(root: Path, name: str, ledger: Ledger, now: str, trust: Path = attest.TRUST) -> Kept | None:
    """Who stands tonight, its file copied. Raises RunError where a signed student cannot be found or used,
    SignatureError where its approval does not verify by the trust file's keys, or there is none."""
    mine = kept(root)
    line = signed(name, ledger, now)
    if line is None:
        taken = {str(one.data.get("student")) for one in ledger.lines("revocation")}
        return mine if mine is None or mine.sha256 not in taken else _last_proposal(root, taken)
    run = _home(root, str(line["report"]))
    if run is None:
        what = f"the signed-off student {str(line['student'])[:12]} is of no run of these nights"
        raise RunError(what, where=str(root), do="restore its folder, sign a night's student, or revoke the approval")
    _prove(run, ledger, now, trust)
    if mine is not None and (mine.sha256, mine.source) == (line["student"], SIGNED_OFF):
        return mine
    report = read(run)
    key = str(report["certified"] or report["finalist"])
    if digest((run / "candidates" / key / "student.onnx").read_bytes()) != line["student"]:
        raise ArtefactError("the signed-off student's file was changed", where=str(run), do="restore it")
    return crown(root, run, key, run.name, SIGNED_OFF)


def _prove(run: Path, ledger: Ledger, now: str, trust: Path) -> None:
    """SignatureError where a signed run does not verify: nobody's word is taken for the decision about it."""
    if not trust.is_file():
        what = f"{run} is signed off, and no trust file says whose signature counts"
        raise SignatureError(what, where=str(trust), do="give one with --trust FILE, or revoke the approval")
    asked = signoff.Asked(trust=spec.load_trust(trust), root=ledger.root, now=now)
    broken = [one for one in verifying.folder(run, asked) if not one.ok]
    if broken:
        what = f"is signed off, and does not verify: {broken[0].what}: {broken[0].why}"
        raise SignatureError(what, where=str(run), do=f"see `autodistill verify {run}`, decide again, or revoke")


def _last_proposal(root: Path, taken: Collection[str]) -> Kept | None:
    for folder in reversed(recorded.folders(root)):
        night = recorded.read_record(folder)
        if night is not None and night.proposed and night.challenger and night.challenger.sha256 not in taken:
            return crown(root, folder, night.proposed, night.date, PROPOSED)
    return None


def _home(root: Path, report: str) -> Path | None:
    """The run with this report: a night, or the search that the nights' splits were taken from (others may have
    trained on tonight's audit rows)."""
    runs = [*sorted(root.glob("*/report.json")), root.parent / "report.json"]
    return next((one.parent for one in runs if one.is_file() and digest(one.read_bytes()) == report), None)


def _candidate(entry: Mapping[str, Any]) -> Candidate:
    return msgspec.convert(entry["candidate"], Candidate)
