"""Workers on this machine: processes of this package's own, each with one thread, joined by a pair of sockets.

An executor of a library would be broken by a worker that is killed, and take the jobs of the others with it.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from autodistill.engine.protocol import Died, Fault, Outcome, Task
from autodistill.engine.worker import READY

if TYPE_CHECKING:
    from autodistill.jobs import Workshop

PROGRAM = "from autodistill.engine.worker import main; main()"
HOME = Path(__file__).resolve().parents[2]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""Set before numpy or torch are loaded; the trainer uses one thread as well."""
TAIL = 4096  # bytes of what a worker said last


@dataclass
class _Hand:
    """One worker process."""

    process: "subprocess.Popen[bytes]"
    line: Connection
    said: IO[bytes]
    ready: bool = False
    task: Task | None = field(default=None)

    def why(self) -> str:
        """How it ended, and what it said last."""
        code = self.process.wait()
        how = f"exit {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
        self.said.seek(max(0, self.said.seek(0, os.SEEK_END) - TAIL))
        lines = self.said.read().decode(errors="replace").strip().splitlines()
        return f"{how}: {lines[-1].strip()}" if lines else how

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.line.close()
        self.said.close()
        if self.process.stdin is not None:
            self.process.stdin.close()


class Local:
    """A crew of at most ``size`` processes, started when there is work for them. ``open_shop`` goes to each of them
    by pickle."""

    reads: Literal["here"] = "here"
    reading = False

    def __init__(self, size: int, open_shop: "Callable[[], Workshop]") -> None:
        self.size, self._open_shop = size, open_shop
        self._hands: list[_Hand] = []

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the workers that were started."""
        return tuple(hand.process.pid for hand in self._hands)

    @property
    def busy(self) -> int:
        """See ``Crew``."""
        return sum(hand.task is not None or not hand.ready for hand in self._hands)

    def give(self, task: Task) -> None:
        """See ``Crew``."""
        hand = next((one for one in self._hands if one.ready and one.task is None and one.process.poll() is None), None)
        if hand is None:
            hand = _start()
            self._hands.append(hand)
            with suppress(BrokenPipeError, ConnectionResetError):  # dead already: its end will be told
                hand.line.send((sys.path, str(Path.cwd())))
                hand.line.send(self._open_shop)
        hand.task = task
        with suppress(BrokenPipeError, ConnectionResetError):
            hand.line.send(task)

    def ended(self, timeout: float | None) -> list[tuple[Task, Outcome]]:
        """See ``Crew``."""
        found: list[tuple[Task, Outcome]] = []
        while not found and self.busy:
            by_line = {hand.line: hand for hand in self._hands}
            heard = wait(list(by_line), timeout)
            if not heard:
                break
            for line in heard:
                found += self._hear(by_line[line])  # type: ignore[index]
        return found

    def _hear(self, hand: _Hand) -> list[tuple[Task, Outcome]]:
        """What one worker has to say: that it is ready, what became of its task, or that it is no more."""
        try:
            said = hand.line.recv()
        except (EOFError, ConnectionResetError):
            self._hands.remove(hand)
            why = hand.why()
            hand.end()
            return [] if hand.task is None else [(hand.task, Died(why=why, begun=hand.ready))]
        if said == READY:
            hand.ready = True
            return []
        task, hand.task = hand.task, None
        if isinstance(said, Fault) and not hand.ready:
            hand.ready = True  # it ends by itself, and has said why
        return [] if task is None else [(task, said)]

    def close(self) -> None:
        """See ``Crew``."""
        for hand in self._hands:
            hand.end()
        self._hands.clear()


def _start() -> _Hand:
    ours, theirs = Pipe()
    paths = os.pathsep.join(part for part in (str(HOME), os.environ.get("PYTHONPATH", "")) if part)
    said = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the worker
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM, str(theirs.fileno())],
        env=os.environ | dict.fromkeys(THREADS, "1") | {"PYTHONPATH": paths},
        stdin=subprocess.PIPE,
        stdout=said,
        stderr=said,
        pass_fds=(theirs.fileno(),),
        start_new_session=True,  # Ctrl-C is for the parent alone
    )
    theirs.close()
    return _Hand(process, ours, said)
