"""The finished candidates that another would have to beat."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True, slots=True)
class Rival:
    """A finished candidate that costs no more, and its error."""

    number: int
    error: float


class Rivals:
    """What finished and holds all its limits, by its error and ``costs`` (None: no reading, so not comparable).

    What another beats in everything is not kept: for whom it is a rival, that other is one too.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[float, ...]] = []
        self._numbers: list[int] = []

    def add(self, number: int, error: float, costs: Sequence[float | None]) -> None:
        """A candidate that finished."""
        row = (error, *(np.nan if one is None else one for one in costs))
        if self._rows and (np.array(self._rows) <= np.array(row)).all(axis=1).any():
            return
        kept = [i for i, one in enumerate(self._rows) if not (np.array(row) <= np.array(one)).all()]
        self._rows = [*(self._rows[i] for i in kept), row]
        self._numbers = [*(self._numbers[i] for i in kept), number]

    def of(self, costs: Sequence[float | None], used: npt.NDArray[np.bool_]) -> Rival | None:
        """The most accurate of those that cost no more in the costs ``used``; None if there is none."""
        if not self._rows or any(one is None for one, use in zip(costs, used, strict=True) if use):
            return None
        rows = np.array(self._rows)
        wanted = np.array([np.nan if one is None else one for one in costs])
        no_more = (rows[:, 1:][:, used] <= wanted[used]).all(axis=1)
        if not no_more.any():
            return None
        at = int(np.argmin(np.where(no_more, rows[:, 0], np.inf)))
        return Rival(number=self._numbers[at], error=float(rows[at, 0]))
