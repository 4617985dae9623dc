"""kill -9 of a whole search with two workers, at random times and at the journal's boundaries: nothing is lost, nothing
happens twice, no worker outlives it, and what it comes to is what it would have come to."""

import json
import multiprocessing
import os
import random
import resource
import signal
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import engines
import pytest
import small_run

from autodistill import cli
from autodistill.journal import Journal
from autodistill.records import Candidate, decode, encode

PATIENCE = 600.0
LOADED = ["autodistill.cli.search", "autodistill.run.searching", "sklearn.ensemble"]
AT = ("before", "torn", "after", "time")
"""Where a search dies: before a line of the journal is written, within it, when it is on the disk; or any time."""


def searched(file: Path, place: Path, cache: Path, at: str = "", line: int = 0, limit: int = 0) -> None:
    """Search in this process, which dies ``at`` the journal's ``line``-th line from here; files up to ``limit``."""
    write = Journal._write
    left = line

    def last(book: Journal, data: bytes) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            if at == "torn":
                os.write(book._file, data[: len(data) // 2])
            elif at == "after":
                write(book, data)
            os.kill(os.getpid(), signal.SIGKILL)
        write(book, data)

    Journal._write = last  # type: ignore[method-assign]
    if limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    said = (place / "said.txt").open("a")
    with small_run.inside(place, cache), said, redirect_stdout(said), redirect_stderr(said):
        code = cli.main(["search", str(file)])
    os._exit(code)


def run(*asked: Any, **more: Any) -> multiprocessing.process.BaseProcess:
    """A search in a process that is forked from one in which the libraries are loaded and nothing was run."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    process = context.Process(target=searched, args=asked, kwargs=more)
    process.start()
    return process


def lines(place: Path) -> list[bytes]:
    path = place / "reports" / "trees" / "journal.jsonl"
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def ends(place: Path) -> list[bytes]:
    """The journal's lines about candidates that came to an end, as they lie on the disk."""
    return small_run.finished(place / "reports" / "trees")


def workers(place: Path) -> list[str]:
    """Worker processes that are at work in a place."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            here = (process / "cwd").readlink() == place
            if here and b"autodistill.engine.worker" in (process / "cmdline").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


def killed(file: Path, place: Path, cache: Path, draw: random.Random, at: str) -> int | None:
    """Let a search begin or go on, and kill it; how it ended (None: it was at its end before)."""
    before, line = len(lines(place)), draw.choice([1, 2, 3, 4, 6])
    if at != "time":
        process = run(file, place, cache, at, line)
        process.join(PATIENCE)
        return process.exitcode
    process = run(file, place, cache)
    until = time.monotonic() + PATIENCE
    while process.is_alive() and len(lines(place)) < before + line:
        assert time.monotonic() < until
        time.sleep(0.005)
    time.sleep(draw.uniform(0, 0.3))
    process.kill()
    process.join()
    return process.exitcode


def survive(made: engines.Trees, kills: int, trials: int, seed: int) -> None:
    """Kill a search so often, fill its disk once, let it end, and hold it against one of one process, left alone."""
    draw = random.Random(seed)
    alone, place = made.root / f"alone{seed}", made.root / f"killed{seed}"
    for one in (alone, place):
        one.mkdir()
    to_its_end(made.write(workers=1, trials=trials), alone, made.cache)
    file = made.write(workers=2, trials=trials)
    kept: list[bytes] = []
    for number in range(kills):
        code = killed(file, place, made.cache, draw, AT[number % len(AT)])
        assert code in (-signal.SIGKILL, cli.OK), (place / "said.txt").read_text()
        if number == 1:
            on_a_full_disk(file, place, made.cache)
        kept = still_there(place, kept)
        until = time.monotonic() + PATIENCE
        while workers(place):
            assert time.monotonic() < until
            time.sleep(0.01)
    to_its_end(file, place, made.cache)
    still_there(place, kept)
    numbers = [json.loads(line)["number"] for line in ends(place)]
    assert len(numbers) == len(set(numbers)) == trials
    whole, again = (json.loads((one / "reports/trees/report.json").read_bytes()) for one in (alone, place))
    assert small_run.told(again) == small_run.told(whole)
    with Journal(place / "reports/trees/journal.jsonl") as book:
        assert book.repaired == ""
    for entry in again["entries"]:
        home = place / "reports/trees/candidates" / decode(encode(entry["candidate"]), Candidate).key
        assert (home / "entry.json").exists()
        assert not list(home.glob(".*.part"))


def to_its_end(file: Path, place: Path, cache: Path) -> None:
    process = run(file, place, cache)
    process.join(PATIENCE)
    assert process.exitcode == cli.OK, (place / "said.txt").read_text()


def still_there(place: Path, kept: list[bytes]) -> list[bytes]:
    """What had ended is as it was; what has ended now."""
    now = ends(place)
    assert now[: len(kept)] == kept
    return now


def on_a_full_disk(file: Path, place: Path, cache: Path) -> None:
    """One line, and the same command goes on when there is room."""
    size = sum(map(len, lines(place)))
    process = run(file, place, cache, limit=max(size + 4000, 20_000))
    process.join(PATIENCE)
    said = (place / "said.txt").read_text().splitlines()
    assert process.exitcode == cli.WRONG, said
    assert said[-1].startswith("autodistill: ")
    assert "File too large" in said[-1]
    assert not any("Traceback" in line for line in said)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> engines.Trees:
    return engines.trees(tmp_path_factory.mktemp("trees"))


def test_eight_kills_and_a_full_disk(made: engines.Trees) -> None:
    survive(made, 8, engines.TRIALS, seed=8)


@pytest.mark.long
def test_a_hundred_kills_and_a_full_disk(made: engines.Trees) -> None:
    survive(made, 100, 70, seed=100)
