"""A file of JSON lines, each with its own SHA-256 and that of the line before: a change to any byte is found.

``sha256`` is over the line without it, ``previous`` is the ``sha256`` of the line before. Dropping the *last* lines is
invisible to a chain, so its head is signed beside it (``heads``) and may be kept somewhere else too.
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from filelock import FileLock

from autodistill import records
from autodistill.errors import LedgerError

Kind = Literal["policy", "shortlist", "look", "opening", "signature", "revocation", "rendered", "alias", "repair"]
KINDS: tuple[Kind, ...] = get_args(Kind)
START = "0" * 64


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line: what happened, when (UTC), and its place in the chain."""

    format: int = records.FORMAT
    index: int
    previous: str
    at: str
    kind: Kind
    data: Mapping[str, Any]
    sha256: str = ""


def read(path: Path) -> tuple[tuple[Line, ...], list[str]]:
    """The lines of a ledger and all that is wrong with its bytes; a ledger that is not there is empty."""
    if path.exists() and not path.is_file():  # reading a pipe would wait for ever
        return (), ["it is no file"]
    try:
        data = path.read_bytes() if path.exists() else b""
    except OSError as away:
        return (), [f"it cannot be read ({away.strerror})"]
    *whole, torn = data.split(b"\n")
    lines: list[Line] = []
    faults: list[str] = []
    previous = START
    for index, text in enumerate(whole):
        line, fault = _parse(text, index, previous)
        if fault:
            faults.append(f"line {index + 1} {fault}")
        if line is not None:
            lines.append(line)
        previous = "" if line is None else line.sha256
    if torn:
        faults.append(f"the last line is torn ({len(torn)} bytes after line {len(whole)}); it can be cut off by repair")
    return tuple(lines), faults


def following(lines: Sequence[Line], kind: Kind, data: Mapping[str, Any], at: str | None) -> tuple[Line, bytes]:
    """The line that comes after these, and its bytes; nothing is written."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is none of {KINDS}")
    line = Line(
        index=len(lines),
        previous=lines[-1].sha256 if lines else START,
        at=at or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        kind=kind,
        data=records.plain(data),
    )
    text = _sealed(line)
    return records.decode(text, Line), text


def put(path: Path, text: bytes) -> None:
    """Add a line's bytes; they are on the disk when this returns. Call it under ``held``.

    Raises ``LedgerError`` if the ledger cannot be written (then nothing was added).
    """
    try:
        _write(path, text + b"\n")
    except OSError as fault:
        raise LedgerError(
            f"it cannot be written ({fault.strerror}); the line was not added", where=str(path), do="make room for it"
        ) from None


def refuse(path: Path, faults: list[str]) -> None:
    """Raise ``LedgerError`` with the first fault, if there is one: a broken ledger vouches for nothing."""
    if faults:
        raise LedgerError(faults[0], where=str(path), do="see `autodistill verify`")


def repair(path: Path) -> str:
    """Cut off a torn last line and say what was dropped; "" if there was none. Call it under ``held``."""
    data = path.read_bytes() if path.exists() else b""
    whole = data.rfind(b"\n") + 1
    if whole == len(data):
        return ""
    with path.open("r+b") as file:
        file.truncate(whole)
        os.fsync(file.fileno())
    dropped = data[whole:].decode(errors="replace")
    return f"dropped {len(data) - whole} bytes after line {data.count(10)}: {dropped}"


@contextmanager
def held(root: Path) -> Iterator[None]:
    """The lock on a ledger's folder, waited for; it dies with its holder."""
    lock = FileLock(root / ".ledger.lock", is_singleton=False)
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as fault:
        do = "make it writable, or work in another folder (-C DIR)"
        raise LedgerError(f"the folder cannot be written ({fault.strerror})", where=str(root), do=do) from None
    try:
        yield
    finally:
        lock.release()


def _sealed(line: Line) -> bytes:
    """The line's bytes with its own digest last."""
    body = records.encode({name: value for name, value in records.plain(line).items() if name != "sha256"})
    return body[:-1] + b',"sha256":"' + records.digest(body).encode() + b'"}'


def _parse(text: bytes, index: int, previous: str) -> tuple[Line | None, str]:
    try:
        line = records.decode(text, Line)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        return None, f"is not a line of a ledger ({fault})"
    if line.format != records.FORMAT:
        return line, f"has format {line.format}, not {records.FORMAT}"
    if _sealed(line) != text:
        return line, "was changed: its bytes do not have their digest"
    if line.index != index or line.previous != previous:
        return line, "does not follow the line before it: lines were removed, added or moved"
    return line, ""


def _write(path: Path, line: bytes) -> None:
    """All of the line and on the disk, or nothing of it."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    size = os.fstat(file).st_size
    try:
        written = os.write(file, line)
        while written < len(line):  # a disk that fills up takes a part, and gives the reason at the next call
            written += os.write(file, line[written:])
        os.fsync(file)
    except OSError:
        os.ftruncate(file, size)
        raise
    finally:
        os.close(file)
