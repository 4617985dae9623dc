"""What every report carries beside the candidates, so that "was it worth it?" is a line with an interval.

A control is one file with one frozen dataclass. ``plan(finalist)`` gives the candidate to run, or None where there is
nothing to compare with (the finalist itself is that control); or ``derive(material)`` gives a smaller teacher: what
compression does without distillation. ``title`` and ``what`` are shown in the report; ``of_numbers``, where a control
has it, in their place for a regression.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from autodistill.errors import UserError
from autodistill.records import Features

WITHIN = 0.005
"""How much more a compressed teacher may err on the search split than the teacher (a share of rows; for a regression
of the target's standard deviation): half a point."""


class InapplicableError(UserError):
    """A control that this teacher cannot have, and why."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a compressed teacher is made of.

    ``onnx`` is the teacher's artefact, or None and ``why_no_onnx``; ``rows`` are some hundred raw train rows with what
    Python prepares for it; ``error(artefact)`` is its error on the search split, ``teacher_error`` the teacher's own;
    ``numbers`` whether it is a regression, whose error is in standard deviations of the target;
    ``smaller(share)`` gives the artefact without that share of the network's channels, where its source can.
    """

    onnx: bytes | None
    why_no_onnx: str
    rows: Callable[[], Features]
    error: Callable[[bytes], float]
    teacher_error: float
    numbers: bool = False
    smaller: Callable[[float], bytes] | None = None

    def graph(self) -> Any:
        """The artefact as a ``ModelProto``. Raises ``InapplicableError`` where there is none."""
        import onnx

        if self.onnx is None:
            raise InapplicableError(f"the teacher has no ONNX file: {self.why_no_onnx}")
        return onnx.load_model_from_string(self.onnx)

    @property
    def within(self) -> str:
        """``WITHIN`` in words."""
        return f"{WITHIN:g} standard deviations of the target" if self.numbers else f"{100 * WITHIN:g} points"

    def holds(self, artefact: bytes) -> bool:
        """Whether an artefact errs no more than ``WITHIN`` above the teacher."""
        return self.error(artefact) <= self.teacher_error + WITHIN


@dataclass(frozen=True, kw_only=True)
class Derived:
    """A compressed teacher: its artefact, and in words how it was made."""

    onnx: bytes
    what: str


def shorter(made: bytes, given: bytes, how: str) -> bytes:
    """``made``, if it is the smaller file: a control that grows tells nothing. Raises ``InapplicableError``."""
    if len(made) >= len(given):
        raise InapplicableError(f"{how} does not shrink it: {len(given):,} bytes become {len(made):,}")
    return made
