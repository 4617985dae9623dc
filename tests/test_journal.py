"""The journal: every event is there when append returns, and a kill at any byte loses only what was being written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autodistill import journal, records
from autodistill.errors import RunError
from autodistill.journal import Journal
from autodistill.records import Candidate, Entry, Event


def candidate(number: int) -> Candidate:
    return Candidate(
        number=number,
        family="mlp",
        student={"width": 8 + number, "name": "é\r\n\u2028"},
        loss="none",
        parameters={"mlp.width": 0.1 + number},
    )


def event(number: int) -> Event:
    entry = Entry(candidate=candidate(number), state="finished", error=1 / (number + 3), constraints=(0.1, -0.2))
    return Event(kind="finished", number=number, candidate=candidate(number), entry=entry, data={"x": [1.5, None]})


def write(path: Path, count: int) -> tuple[Event, ...]:
    events = tuple(event(number) for number in range(count))
    with Journal(path) as book:
        for one in events:
            book.append(one)
    return events


def test_what_was_appended_is_read_again(tmp_path: Path) -> None:
    events = write(tmp_path / "deep" / "journal.jsonl", 5)
    with Journal(tmp_path / "deep" / "journal.jsonl") as book:
        assert book.events == events
        assert book.repaired == ""
    assert (tmp_path / "deep" / "journal.jsonl").read_bytes().count(b"\n") == 6


def test_a_kill_at_any_byte_of_the_last_line_loses_only_that_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    events = write(path, 3)
    data = path.read_bytes()
    start = data[:-1].rfind(b"\n") + 1
    for cut in range(start + 1, len(data)):
        path.write_bytes(data[:cut])
        with Journal(path) as book:
            assert book.events == events[:-1]
            assert f"of {cut - start} bytes (2 events kept)" in book.repaired
            book.append(events[-1])
        assert path.read_bytes() == data


def test_a_kill_within_the_first_line_starts_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, 0)
    header = path.read_bytes()
    for cut in range(len(header)):
        path.write_bytes(header[:cut])
        with Journal(path) as book:
            assert book.events == ()
        assert path.read_bytes() == header


def test_a_last_line_of_zeros_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    events = write(path, 3)
    data = path.read_bytes()
    start = data[:-1].rfind(b"\n") + 1
    path.write_bytes(data[:start] + b"\0" * 40 + b"\n")
    with Journal(path) as book:
        assert book.events == events[:-1]
        assert "41 bytes" in book.repaired


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"number":', b'"nXmber":', 1)
    path.write_bytes(b"".join(lines))
    with pytest.raises(RunError, match=r"journal\.jsonl, line 3: this line is not an event"):
        Journal(path)


@pytest.mark.parametrize("header", [b'{"format":9,"kind":"journal"}\n', b"[1]\n"])
def test_another_format_is_refused_by_name(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(header)
    with pytest.raises(RunError, match=r"line 1: this is not a journal of format 1"):
        Journal(path)
    assert path.read_bytes() == header


FULL = """
import resource, signal, sys
from pathlib import Path
from autodistill.errors import RunError
from autodistill.journal import Journal
from autodistill.records import Event
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
book = Journal(Path(sys.argv[1]))
count = 0
try:
    while True:
        book.append(Event(kind="note", number=count, data={"text": "x" * 60}))
        count += 1
except RunError as fault:
    print(count, fault)
"""


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True)
    count, said = done.stdout.split(" ", 1)
    assert "nothing that was finished is lost; make room" in said
    with Journal(path) as book:
        assert book.repaired == ""
        assert [one.number for one in book.events] == list(range(int(count)))
        assert int(count) > 3


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file where the folder should be")
    with pytest.raises(RunError, match="the journal cannot be written"):
        Journal(tmp_path / "file" / "journal.jsonl")
    with pytest.raises(RunError, match="the folder cannot be written"):
        journal.lock(tmp_path / "file")


HOLD = """
import sys, time
from pathlib import Path
from autodistill import journal
held = journal.lock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_process_is_refused_and_the_lock_dies_with_its_holder(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="another process is at work"):
            journal.lock(tmp_path)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with journal.lock(tmp_path), pytest.raises(RunError, match="another process"):
        journal.lock(tmp_path)
    journal.lock(tmp_path).release()


def test_one_write_and_one_fsync_an_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    book = Journal(tmp_path / "journal.jsonl")
    write_, fsync_ = os.write, os.fsync
    monkeypatch.setattr(os, "write", lambda *a: calls.append("write") or write_(*a))
    monkeypatch.setattr(os, "fsync", lambda *a: calls.append("fsync") or fsync_(*a))
    book.append(event(0))
    book.close()
    book.close()
    assert calls == ["write", "fsync"]
    assert records.decode((tmp_path / "journal.jsonl").read_bytes().splitlines()[1], Event) == event(0)
