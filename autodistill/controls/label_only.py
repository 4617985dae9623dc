"""The finalist's twin without a teacher."""

from dataclasses import dataclass, replace
from typing import ClassVar

from autodistill.records import Candidate


@dataclass(frozen=True)
class LabelOnly:
    """The finalist's architecture and training, fitted to labels alone: what distillation added is the difference."""

    title: ClassVar[str] = "twin without distillation"
    what: ClassVar[str] = "same architecture and training as the finalist, labels only"

    def plan(self, finalist: Candidate) -> Candidate | None:
        """The same candidate with loss ``none``; None if the finalist was trained without its teacher."""
        if finalist.loss == "none":
            return None
        return replace(finalist, loss="none", distill={}, parameters={})
