"""The page of a signed run: the same record, with what was signed about it beside."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autodistill.errors import RunError
from autodistill.report import render


def write_page(folder: Path, report: Mapping[str, Any], statements: Sequence[Mapping[str, Any]]) -> Path:
    """Render ``report.html`` again with the statements (as they are in their envelopes); the record is not touched.

    Raises RunError where the page cannot be written.
    """
    image = folder / "front.png"
    page = render.html({**report, "statements": list(statements)}, image.read_bytes() if image.is_file() else b"")
    path, part = folder / "report.html", folder / ".report.html.part"
    try:
        part.touch(mode=0o600)
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    except OSError as fault:
        raise RunError(
            f"the page cannot be written ({fault.strerror})", where=str(path), do="free the place"
        ) from fault
    return path
