"""The terminal: a live line with an estimate of what is left where a person looks, plain lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from autodistill.run.progress import Progress

WIDE = 180  # columns where no terminal says how many there are
QUIET_SECONDS = 10.0  # between plain lines of one phase: a log should not be flooded


def console(stderr: bool = False) -> Any:
    """A rich console that is plain when piped and respects NO_COLOR; markup in data is never interpreted."""
    from rich.console import Console

    person = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, markup=False, highlight=False, width=None if person else WIDE)


def duration(seconds: float) -> str:
    """Seconds for a person: 42 s, 3 min 10 s, 2 h 5 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


class Display:
    """Shows a run's progress; use as a context manager and give ``show`` to the run."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._live = not quiet and sys.stderr.isatty()
        self._bars: Bars | None = None
        self._task: TaskID | None = None
        self._phase = ""
        self._said = 0.0

    def __enter__(self) -> "Display":
        if self._live:
            from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bars

            self._bars = Bars(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[count]}", markup=False),
                TextColumn("{task.fields[left]}", markup=False),
                TextColumn("{task.fields[best]}", markup=False),
                TimeElapsedColumn(),
                console=console(stderr=True),
                transient=True,
            )
            self._bars.start()
            self._task = self._bars.add_task("", total=None, count="", left="", best="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def show(self, step: "Progress") -> None:
        """Take in one step."""
        if self._quiet:
            return
        count = f"{step.done}/{step.total}" if step.total else (str(step.done) if step.done else "")
        left = f"about {duration(step.seconds_left)} left" if step.seconds_left is not None else ""
        if self._bars is not None and self._task is not None:
            if step.phase != self._phase:
                self._bars.reset(self._task)
            self._bars.update(
                self._task, description=step.text, completed=step.done, total=step.total, count=count, left=left,
                best=step.best,
            )  # fmt: skip
        elif step.phase != self._phase or time.monotonic() - self._said > QUIET_SECONDS:
            self._said = time.monotonic()
            print("  ".join(part for part in (step.text, count, left, step.best) if part), file=sys.stderr, flush=True)
        self._phase = step.phase
