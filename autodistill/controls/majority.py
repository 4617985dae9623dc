"""The most frequent class, of numbers the mean: what no model reaches."""

from dataclasses import dataclass
from typing import ClassVar

from autodistill.records import Candidate


@dataclass(frozen=True)
class Majority:
    """Always the most frequent class of the train split; of a regression its mean."""

    title: ClassVar[str] = "majority"
    what: ClassVar[str] = "always the most frequent class of the train split"
    of_numbers: ClassVar[tuple[str, str]] = ("mean", "always the mean of the train split")

    def plan(self, finalist: Candidate) -> Candidate | None:
        """A constant candidate."""
        return Candidate(number=finalist.number, family="majority", student={}, loss="none")
