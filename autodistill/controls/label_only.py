"""The finalist's twin without a teacher."""

from dataclasses import dataclass, replace
from typing import ClassVar

from autodistill.records import Candidate
from autodistill.space import fairness


@dataclass(frozen=True)
class LabelOnly:
    """The finalist's architecture and training, fitted to labels alone: what distillation added is the difference."""

    title: ClassVar[str] = "twin without distillation"
    what: ClassVar[str] = "same architecture and training as the finalist, labels only"

    def plan(self, finalist: Candidate) -> Candidate | None:
        """The same candidate with loss ``none``; None if the finalist was trained without its teacher."""
        if finalist.loss == "none":
            return None
        fair = fairness.told(finalist.fairness, "none", "gradient")  # a fitted one has no option that it could not have
        return replace(finalist, loss="none", distill={}, fairness=fair, parameters={})
