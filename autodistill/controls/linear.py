"""Logistic regression: what no capacity reaches."""

from dataclasses import dataclass
from typing import ClassVar

from autodistill.records import Candidate


@dataclass(frozen=True)
class Linear:
    """A linear model on the same inputs, fitted to labels."""

    title: ClassVar[str] = "linear"
    what: ClassVar[str] = "logistic regression on the same inputs, labels only"
    of_numbers: ClassVar[tuple[str, str]] = ("linear", "linear regression on the same inputs, labels only")

    def plan(self, finalist: Candidate) -> Candidate | None:
        """A linear candidate; None if the finalist is that."""
        if finalist.family == "linear" and finalist.loss == "none":
            return None
        return Candidate(number=finalist.number, family="linear", student={}, loss="none")
