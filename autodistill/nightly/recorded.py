"""What is kept of a night: its plan, fixed when it begins, and its outcome, written last. Both whole or not at all."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from autodistill.errors import RunError, UserError
from autodistill.nightly.deciding import EXIT, Outcome
from autodistill.records import FORMAT, encode
from autodistill.report.nights import Shown
from autodistill.run.folder import write_whole

PLAN, RECORD = "plan.json", "night.json"
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
TODAY = "AUTODISTILL_TODAY"


@dataclass(frozen=True, kw_only=True)
class Student(Shown):
    """A champion or a challenger in a record: what it is, its error on that night's audit rows, its cost. ``source`` of
    a champion: signed-off (its approval verified that night) or proposed (by an earlier night, signed by nobody)."""

    sha256: str
    key: str
    decision: str | None = None
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a night goes on with after it was cut off: the rows' digest, the champion, the candidates to begin with."""

    date: str
    table: str
    champion: Mapping[str, Any] | None
    warm: Sequence[Mapping[str, Any]]
    format: int = FORMAT


@dataclass(frozen=True, kw_only=True)
class Record:
    """One finished night. ``loss`` compares the night's certified student with the champion, row by row; ``looks`` is
    the account of the audit rows; ``rows`` counts new ones by split; ``seconds`` by phase, "all" in all."""

    name: str
    date: str
    outcome: Outcome
    sentence: str
    because: Sequence[str] = ()
    proposed: str | None = None
    champion: Student | None = None
    challenger: Student | None = None
    loss: Mapping[str, float] | None = None
    looks: Mapping[str, Any] = field(default_factory=dict)
    rows: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    budget_minutes: float | None = None
    began: str = ""
    ended: str = ""
    attempts: int = 1
    notes: Sequence[str] = ()
    choose: str = "size"
    folder: str = ""
    exit_code: int = 0
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """The last thing that a night does."""
        write_whole(folder / RECORD, msgspec.json.format(encode(self), indent=1) + b"\n")


def today() -> str:
    """The date of this night, YYYY-MM-DD by the machine's clock; ``AUTODISTILL_TODAY`` overrides it, for tests."""
    said = os.environ.get(TODAY)
    if said is None:
        return date.today().isoformat()
    try:
        return date.fromisoformat(said).isoformat()
    except ValueError:
        raise UserError(f"{said!r} is no date", where=TODAY, do="give YYYY-MM-DD, or unset it") from None


def read_plan(folder: Path) -> Plan | None:
    """The plan of a night that began, or None."""
    found: Plan | None = _read(folder / PLAN, Plan)
    return found


def read_record(folder: Path) -> Record | None:
    """The outcome of a night that ended, or None."""
    found: Record | None = _read(folder / RECORD, Record)
    if found is not None and EXIT[found.outcome] != found.exit_code:
        raise RunError("its exit code is not that of its outcome", where=str(folder / RECORD), do="restore the file")
    return found


def _read(path: Path, kind: Any) -> Any:
    if not path.exists():
        return None
    try:
        found = msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError) as fault:
        raise RunError(f"cannot be read: {fault}", where=str(path), do="restore the file, or remove it") from None
    if found.format != FORMAT:
        what = f"has format {found.format}, this version reads {FORMAT}"
        raise RunError(what, where=str(path), do="use the version that wrote it")
    return found


def home(name: str) -> Path:
    """Where the nights of an experiment are."""
    return Path("reports") / name / "nights"


def folders(root: Path, before: str | None = None) -> list[Path]:
    """The nights' folders, earliest first; only those before a date, where one is given."""
    found = sorted(one for one in root.glob("*") if DAY.fullmatch(one.name) and one.is_dir())
    return [one for one in found if before is None or one.name < before]


def ended(root: Path, before: str) -> list[Record]:
    """The nights before a date that ended, earliest first."""
    found = (read_record(folder) for folder in folders(root, before))
    return [one for one in found if one is not None]


def history(root: Path) -> list[Record | str]:
    """Every night that ended, earliest first; the date of one that was cut off and not gone on with."""
    return [read_record(folder) or folder.name for folder in folders(root)]
