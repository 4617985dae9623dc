"""What a long run says while it works: plain values, so that a terminal, a notebook or a log can show them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Phase = Literal["file", "data", "teacher", "search", "measure", "certify", "report", "track", "verify", "sealed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """One step of a run.

    ``text`` says what happened or begins; in the search ``done`` counts candidates that came to an end and ``total``
    bounds them (None: only time does), ``seconds_left`` estimates what is left (None: not known), ``best`` is the best
    so far in words.
    """

    phase: Phase
    text: str
    done: int = 0
    total: int | None = None
    seconds_left: float | None = None
    best: str = ""


Watch = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Watch nothing."""
