"""The page of a signed run: the same record, with what was signed about it beside."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from autodistill.errors import RunError
from autodistill.records import encode
from autodistill.report import bom, card, chart, render


def write_page(folder: Path, report: Mapping[str, Any], statements: Sequence[Mapping[str, Any]]) -> Path:
    """Render ``report.html`` again with the statements (as they are in their envelopes); the record is not touched.

    Raises RunError where the page cannot be written.
    """
    image = folder / "front.png"
    page = render.html({**report, "statements": list(statements)}, image.read_bytes() if image.is_file() else b"")
    return _replace(folder / "report.html", page.encode())


def write_papers(folder: Path, report: Mapping[str, Any], statements: Sequence[Mapping[str, Any]]) -> tuple[Path, ...]:
    """The model card (``README.md``) and the bill of materials (``bom.cdx.json``) of a run with a student."""
    if "student.onnx" not in (report.get("files") or {}):
        return ()
    found = chart.findings(report.get("findings"), report)
    text = card.card({**report, "statements": list(statements)}, found)
    document = msgspec.json.format(encode(bom.bom(report, found)), indent=1) + b"\n"
    return _replace(folder / "README.md", text.encode()), _replace(folder / "bom.cdx.json", document)


def _replace(path: Path, data: bytes) -> Path:
    part = path.with_name(f".{path.name}.part")
    try:
        part.touch(mode=0o600)
        part.write_bytes(data)
        part.replace(path)
    except OSError as fault:
        raise RunError(f"cannot be written ({fault.strerror})", where=str(path), do="free the place") from fault
    return path
