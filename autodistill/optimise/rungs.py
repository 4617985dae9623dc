"""Training in rungs: how far a candidate goes before it is looked at, and whether it then goes on.

Until enough were trained to the end to learn from, a candidate goes on past the second rung if it is in the best third
of those that have come there so far: nobody waits for others. Later ones stop where even the lower bound of the last
error, from the rung's, is no better than what a finished candidate reaches that costs no more. Every decision is a
function of what was told, so that a replay comes to it.

Replayed on recorded distillations (Adult, digits; 8 to 20 seeds) this start-up rule ended where cohorts of 9 that wait
for one another did, and was ahead of them in the first half on digits. The first rung's ranks had correlations of only
0.2 to 0.6 with the last, so nobody is compared there.
"""

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np

from autodistill.optimise import ranking
from autodistill.optimise.curves import ENOUGH, Curve, Outlook, correlation
from autodistill.optimise.rivals import Rival
from autodistill.optimise.trials import Trial
from autodistill.records import Candidate

SHARES = (27, 9, 3)
"""A rung is at this part of the epochs; after the last comes the end."""
STARTUP, COMPARED, KEPT = 27, 1, 3
"""Of the first so many to come to the rung at this place, those go on that are among the best third so far."""
TRUSTED = 0.4
"""A rung whose ranks are less correlated with the last ones decides nothing."""

Point = Callable[[Trial, float], Sequence[float | None]]


def rungs(candidate: Candidate) -> dict[int, int]:
    """Place and epoch of each rung before the end; none for a family that is fitted. Two at one epoch are the later."""
    last = int(candidate.training.get("epochs", 1))
    epochs = {max(1, ceil(last / share)): place for place, share in enumerate(SHARES)}
    return {place: epoch for epoch, place in epochs.items() if epoch < last}


class Ladder:
    """The rungs of one search. ``point`` gives a trial's objectives at an error, ``rival`` whom it has to beat."""

    def __init__(self, point: Point, rival: Callable[[Trial], Rival | None], tie: float) -> None:
        self._point, self._rival, self._tie = point, rival, tie
        self._reached: dict[int, list[Trial]] = {place: [] for place in range(len(SHARES))}
        self._pairs: dict[int, list[tuple[float, float]]] = {place: [] for place in range(len(SHARES))}
        self._curves: dict[int, tuple[int, Curve]] = {}
        self._ranks: dict[int, tuple[int, float | None]] = {}
        self._stopped = dict.fromkeys(range(len(SHARES)), 0)

    def next_epoch(self, trial: Trial) -> int | None:
        """To which epoch a candidate is trained next; None for the end."""
        return min((epoch for epoch in rungs(trial.candidate).values() if epoch > trial.epochs), default=None)

    def report(self, trial: Trial, data: Mapping[str, Any]) -> None:
        """A candidate has reached an epoch."""
        before = trial.epochs
        trial.epochs = int(data["epochs"])
        trial.seconds += float(data.get("seconds", 0.0))
        for place, epoch in rungs(trial.candidate).items():
            if before < epoch <= trial.epochs:
                trial.rungs[place] = float(data["error"])
                trial.came[place] = len(self._reached[place])
                self._reached[place].append(trial)

    def finish(self, trial: Trial, error: float) -> None:
        """A candidate was trained to the end."""
        for place, at in trial.rungs.items():
            self._pairs[place].append((at, error))

    def stop(self, trial: Trial) -> tuple[int, float]:
        """A candidate goes no further; place and error of the rung at which it was stopped."""
        place = max(trial.rungs)
        self._stopped[place] += 1
        trial.stopped_at = (place, trial.rungs[place])
        return trial.stopped_at

    def outlook(self, place: int, error: float) -> Outlook | None:
        """What the last error is likely to be after this one at a rung; None while too few were trained to the end."""
        return self._curve(place).outlook(error) if len(self._pairs[place]) >= ENOUGH else None

    def used(self, place: int) -> bool:
        """Whether a rung decides; not where its ranks say too little of the last ones."""
        found = self._correlation(place)
        return found is None or found >= TRUSTED

    def verdict(self, trial: Trial) -> str:
        """Why a candidate stops at the rung that it has reached; "" if it goes on."""
        place = max(trial.rungs, default=None)
        if place is None or trial.fixed or trial.whole or not self.used(place):
            return ""
        if len(self._pairs[place]) >= ENOUGH:
            return self._hopeless(trial)
        first = place == min((one for one in rungs(trial.candidate) if one >= COMPARED), default=None)
        return self._compared(trial, place) if first and trial.came[place] < STARTUP else ""

    def _compared(self, trial: Trial, place: int) -> str:
        among = self._reached[place][: trial.came[place] + 1]
        points = [self._point(one, one.rungs[place]) for one in among]
        known = np.array([[np.inf if value is None else value for value in one] for one in points])
        if None in points[-1] or len(among) - 1 in ranking.best(known, ceil(len(among) / KEPT)):
            return ""
        return f"it is not in the best third of the {len(among)} candidates that have come so far"

    def _hopeless(self, trial: Trial) -> str:
        place = max(trial.rungs)
        rival, seen = self._rival(trial), self.outlook(place, trial.rungs[place])
        if rival is None or seen is None or seen.lower < rival.error - self._tie:
            return ""
        return (
            f"it is likely to end at {seen.lower:.2%} or more, "
            f"and candidate {rival.number} reaches {rival.error:.2%} and costs no more"
        )

    def _curve(self, place: int) -> Curve:
        pairs = self._pairs[place]
        if self._curves.get(place, (0,))[0] != len(pairs):
            self._curves[place] = (len(pairs), Curve(pairs))
        return self._curves[place][1]

    def _correlation(self, place: int) -> float | None:
        pairs = self._pairs[place]
        if self._ranks.get(place, (-1,))[0] != len(pairs):
            self._ranks[place] = (len(pairs), correlation(pairs))
        return self._ranks[place][1]

    def fidelity(self) -> list[dict[str, Any]]:
        """For each rung that was reached: its part of the epochs, how many reached it and how many of those were
        trained to the end (pairs), how their ranks are correlated, whether it decides, and how many it stopped."""
        return [
            {
                "share": 1 / share,
                "reached": len(self._reached[place]),
                "pairs": len(self._pairs[place]),
                "correlation": self._correlation(place),
                "used": self.used(place),
                "stopped": self._stopped[place],
            }
            for place, share in enumerate(SHARES)
            if self._reached[place]
        ]

    def notes(self) -> tuple[str, ...]:
        """The same in sentences."""
        return tuple(_said(one) for one in self.fidelity())


def _said(one: Mapping[str, Any]) -> str:
    part, reached, pairs = round(1 / one["share"]), one["reached"], one["pairs"]
    said = f"after 1/{part} of the epochs {one['stopped']} of {reached} candidates were stopped"
    if one["correlation"] is None:
        return f"{said}; {pairs} were trained to the end, too few to say how well ranks there predict the last"
    said += f"; ranks there and at the end have the correlation {one['correlation']:.2f} ({pairs} pairs)"
    return said if one["used"] else f"{said}: under {TRUSTED}, so that this rung no longer decides"
