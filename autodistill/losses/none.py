"""Labels only: what the same student reaches without a teacher."""

from dataclasses import dataclass
from typing import ClassVar

from autodistill.inputs import Shapes
from autodistill.losses import Objective, cross_entropy


@dataclass(frozen=True)
class NoTeacher:
    """Cross entropy of the labels (squared error for regression): the arm that tells what a teacher adds."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def build(self, shapes: Shapes) -> Objective:  # noqa: ARG002 - every shape will do
        """The loss; it reads no teacher."""
        return cross_entropy
