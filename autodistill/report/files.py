"""The report on disk. Every file appears whole or not at all."""

import csv
import io
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from autodistill import records
from autodistill.errors import RunError
from autodistill.report import chart, names, nights, numbers, picture, render
from autodistill.space import fairness

NEEDED = (
    "verdict",
    "certified",
    "finalist",
    "front",
    "teacher",
    "entries",
    "controls",
    "shortlist",
    "findings",
    "cost",
)
DECISIONS = ("PASS", "FAIL", "INCONCLUSIVE")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(folder: Path, report: Mapping[str, Any]) -> tuple[Path, ...]:
    """Write the report and its pictures of itself into ``folder`` (made if absent); returns their paths.

    An audit of predictions has no candidates: no front and no table of them. The rest is made from the JSON that is
    written, so that ``read`` and ``write`` again give the same files. Files are readable by their owner only, since
    group cells can be personal data.

    Raises:
        RunError: the folder cannot be written.
    """
    plain = msgspec.json.decode(records.encode({"format": records.FORMAT, **report}))
    searched = plain.get("kind") != "audit"
    image = picture.front(plain) if searched else b""
    contents = {
        "report.json": msgspec.json.format(records.encode(plain), indent=1) + b"\n",
        "report.html": render.html(plain, image).encode(),
    }
    if searched:
        contents |= {"front.png": image, "candidates.csv": candidates(plain).encode()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in contents.items():
            _replace(folder / name, data)
    except OSError as fault:
        raise RunError(
            f"the report cannot be written ({fault.strerror})", where=str(folder), do="free the place or use --out DIR"
        ) from fault
    return tuple(folder / name for name in contents)


def read(folder: Path) -> dict[str, Any]:
    """The report of a run, as plain values.

    Raises:
        RunError: the folder holds no report, a damaged one, or one of another format.
    """
    path = folder / "report.json"
    try:
        report = json.loads(path.read_bytes())
    except FileNotFoundError:
        what = "no finished run is here" if folder.is_dir() else "no such folder"
        raise RunError(what, where=str(folder), do="name a run's folder, such as reports/NAME") from None
    except (OSError, ValueError, RecursionError) as fault:
        raise RunError(f"cannot be read: {fault}", where=str(path), do="run the search again, or restore it") from fault
    found = report.get("format") if isinstance(report, dict) else None
    if found != records.FORMAT:
        raise RunError(
            f"has format {found!r}, and this version reads format {records.FORMAT}",
            where=str(path),
            do="use the version of autodistill that wrote it",
        )
    _refuse_damage(report, path)
    return dict(report)


def _refuse_damage(report: Mapping[str, Any], path: Path) -> None:
    """RunError where a reader of the report would stumble: it may have been edited, or come from elsewhere."""
    lacking = [name for name in NEEDED if name not in report]
    try:
        chart.entries(report)
        chart.findings(report.get("findings"))
        nights.section(report)
        whole = not lacking and report["verdict"]["decision"] in DECISIONS
    except (msgspec.ValidationError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        what = f"lacks {lacking[0]!r}" if lacking else "is damaged"
        raise RunError(what, where=str(path), do="run the search again, or restore it")


def candidates(report: Mapping[str, Any]) -> str:
    """Every candidate as a row of CSV; text cells that a spreadsheet would run as a formula get a leading ``'``."""
    made = rows(report)
    columns = list(dict.fromkeys(name for row in made for name in row)) or ["number"]
    out = io.StringIO()
    table = csv.writer(out)  # ends lines as RFC 4180 has it, so that a lone carriage return is quoted too
    table.writerow([_safe(name) for name in columns])
    table.writerows([[_safe(row.get(name, "")) for name in columns] for row in made])
    return out.getvalue()


def rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every candidate by column; "" where it has no value."""
    return [_row(entry, report) for entry in chart.entries(report)]


def _row(entry: records.Entry, report: Mapping[str, Any]) -> dict[str, Any]:
    candidate = entry.candidate
    row: dict[str, Any] = {
        "number": candidate.number,
        "key": candidate.key,
        "candidate": names.candidate_name(candidate),
        "state": entry.state,
        "screening_search_split": entry.verdict.decision if entry.verdict else "",
        "front_search_split": candidate.key in report.get("front", ()),
        "certified": candidate.key == report.get("certified"),
        "family": candidate.family,
        "precision": candidate.precision,
        "loss": candidate.loss,
        "seed": candidate.seed,
        "student": records.encode(candidate.student).decode(),
        "distill": records.encode(candidate.distill).decode(),
        "training": records.encode(candidate.training).decode(),
        "fairness": records.encode(candidate.fairness).decode(),
        "group_data_in_training": ", ".join(fairness.of_groups(candidate.fairness)),
        "error_search_split": "" if entry.error is None else entry.error,
        "error_at": chart.partly(entry),
    }
    for name, reading in sorted(entry.readings.items()):
        unit = numbers.UNITS.get(reading.unit, reading.unit).strip("×")
        column = f"{name}_{unit}" if unit and "." not in name else name
        ends = ("", reading.value), ("_low", reading.low), ("_high", reading.high)
        row |= {column + end: "" if value is None else value for end, value in ends}
        row[column + "_status"] = reading.status if reading.value is not None else f"unavailable: {reading.reason}"
    return {**row, "why": chart.why(entry)}


def _safe(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def _replace(path: Path, data: bytes) -> None:
    """Write beside the place, then rename over it."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
