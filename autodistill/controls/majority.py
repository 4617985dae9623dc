"""The most frequent class: what no model reaches."""

from dataclasses import dataclass
from typing import ClassVar

from autodistill.records import Candidate


@dataclass(frozen=True)
class Majority:
    """Always the most frequent class of the train split."""

    title: ClassVar[str] = "majority"
    what: ClassVar[str] = "always the most frequent class of the train split"

    def plan(self, finalist: Candidate) -> Candidate | None:
        """A constant candidate."""
        return Candidate(number=finalist.number, family="majority", student={}, loss="none")
