"""A worker process of a local engine: opens the run's workshop once, then does the tasks that it is given.

It is started as a fresh interpreter (never a fork, and without the caller's own main module), ignores Ctrl-C, which is
its parent's to handle, and ends with its parent: standard input is a pipe that closes when the parent is gone.
"""

import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from autodistill.engine.protocol import Fault, Outcome, Task
from autodistill.errors import UserError

if TYPE_CHECKING:
    from autodistill.jobs import Workshop

READY = "ready"


def main() -> None:
    """Serve the connection whose file descriptor is the first argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    line = Connection(int(sys.argv[1]))
    try:
        _serve(line)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)


def _serve(line: Connection) -> None:
    sys.path[:], folder = line.recv()
    os.chdir(folder)
    open_shop = line.recv()  # what it needs is imported here, and torch only once something is trained by it
    try:
        shop = open_shop()
    except UserError as fault:
        line.send(Fault(what=fault.what, where=fault.where, do=fault.do))
        return
    line.send(READY)
    while True:
        line.send(work(line.recv(), shop))


def _end_with_parent() -> None:
    os.read(0, 1)  # nothing is ever written: this returns when the parent is gone
    os._exit(0)


def work(task: Task, shop: "Workshop") -> Outcome:
    """Do a task here, whoever asks for it."""
    from autodistill import jobs

    try:
        if task.kind == "make":
            return jobs.prepare(task.job, shop)
        if task.kind == "train":
            shop.seen[shop.reading_key(task.job.candidate)] = task.readings
        deadline = None if task.until is None else time.monotonic() + task.until - time.time()
        return jobs.do(task.job, shop, deadline)
    except UserError as fault:
        return Fault(what=fault.what, where=fault.where, do=fault.do)
