"""The journal of one search: append-only, one JSON line an event, the truth while the search runs.

One writer holds the folder (``lock``). An event is on the disk when ``append`` returns: one ``write``, one ``fsync``.
A line that a kill or a full disk cut short can only be the last one; it is cut off when the journal is opened.
"""

import os
from pathlib import Path
from types import TracebackType

import msgspec
from filelock import FileLock, Timeout

from autodistill import records
from autodistill.errors import RunError
from autodistill.records import Event

HEADER = {"format": records.FORMAT, "kind": "journal"}


def lock(folder: Path) -> FileLock:
    """Take the run folder for this process, or raise ``RunError`` at once. The lock dies with its holder.

    Release it with ``.release()`` or by ``with journal.lock(folder): …``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held: FileLock = FileLock(folder / ".lock", is_singleton=False)
        held.acquire(timeout=0)
    except Timeout:
        raise RunError(
            "another process is at work in this folder",
            where=str(folder),
            do="wait until it ends, or give another folder with --out",
        ) from None
    except OSError as fault:
        raise RunError(f"the folder cannot be written ({fault.strerror})", where=str(folder), do="use --out") from None
    return held


class Journal:
    """``journal.jsonl`` opened for appending; raises ``RunError`` where it cannot be read or written.

    ``events`` holds what was in it at opening; ``repaired`` says what was cut off then ("" if nothing).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: tuple[Event, ...] = ()
        self.repaired = ""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as fault:
            raise self._unwritable(fault) from None
        try:
            self._open()
        except BaseException:
            os.close(self._file)
            raise

    def append(self, event: Event) -> None:
        """Put one event on the disk; it is there when this returns. Raises ``RunError`` if it is not."""
        self._write(records.encode(event) + b"\n")

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> None:
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        lines = data[:whole].split(b"\n")[:-1]
        events = []
        for number, line in enumerate(lines, start=1):
            try:
                if number == 1:
                    self._check_header(line)
                else:
                    events.append(records.decode(line, Event))
            except (msgspec.DecodeError, UnicodeDecodeError) as fault:
                # A power cut can leave a last line of the right length with the wrong bytes: torn as well.
                if number < len(lines) or whole < len(data):
                    raise RunError(
                        f"this line is not an event of a search ({fault})",
                        where=f"{self.path}, line {number}",
                        do="restore the file, or start again with --out",
                    ) from None
                whole -= len(line) + 1
        if whole < len(data):
            self.repaired = f"cut off a torn last line of {len(data) - whole} bytes ({len(events)} events kept)"
            self._truncate(whole)
        if whole == 0:
            self._write(msgspec.json.encode(HEADER) + b"\n")
            _sync_folder(self.path.parent)
        self.events = tuple(events)

    def _check_header(self, line: bytes) -> None:
        header = msgspec.json.decode(line)
        if header != HEADER:
            found = header.get("format") if isinstance(header, dict) else None
            raise RunError(
                f"this is not a journal of format {records.FORMAT} (found format {found})",
                where=f"{self.path}, line 1",
                do="use the version of autodistill that wrote it, or start again with --out",
            )

    def _write(self, line: bytes) -> None:
        size = os.fstat(self._file).st_size
        try:
            written = os.write(self._file, line)
            while written < len(line):  # a disk that fills up takes a part, and gives the reason at the next call
                written += os.write(self._file, line[written:])
            os.fsync(self._file)
        except OSError as fault:
            self._truncate(size)
            raise self._unwritable(fault) from None

    def _truncate(self, size: int) -> None:
        try:
            os.ftruncate(self._file, size)
            os.fsync(self._file)
        except OSError as fault:
            raise self._unwritable(fault) from None

    def _unwritable(self, fault: OSError) -> RunError:
        return RunError(
            f"the journal cannot be written ({fault.strerror or fault}); nothing that was finished is lost",
            where=str(self.path),
            do="make room or make it writable, then give the same command again",
        )


def _sync_folder(folder: Path) -> None:
    """Make a new file's name durable, not only its bytes."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
