"""What a search in a recorded world gets for its simulated seconds, and what its findings are worth."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from world import RUNGS, World

from autodistill.optimise import start
from autodistill.records import Candidate, Entry, Event, Job, Reading

MEASURE = 0.6
"""Seconds of one latency run of the laboratory (``autodistill.measure``), its process included."""
LATENCY_NOISE = 0.02
CONSTRAINTS = ("latency/at_most_ratio", "size/at_most_ratio", "accuracy_loss")
LIMITS = {"latency": 0.6, "size": 0.05, "error": 0.015}
"""benchmarks/replay/policy.yaml, on the search split: shares of the teacher's, and error above it."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A student: when it was there, after how many trainings' worth of epochs, its error and costs; ``whole`` unless
    it was stopped."""

    at: float
    trained: float
    error: float
    latency: float
    energy: float
    size: float
    whole: bool

    @property
    def point(self) -> tuple[float, float, float]:
        """Error, log10 latency, log10 energy."""
        return self.error, float(np.log10(self.latency)), float(np.log10(self.energy))


@dataclass(kw_only=True)
class Run:
    """One search: what it found, its counts, processor seconds of proposing, and its simulated end."""

    found: list[Found] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    thought: float = 0.0
    trained: float = 0.0
    end: float = 0.0

    def count(self, what: str) -> None:
        """One more."""
        self.counts[what] = self.counts.get(what, 0) + 1


class Shop:
    """What jobs come to and cost. ``scale``: how much longer a training takes than the recorded one; ``limits``:
    whether the policy refuses and constrains."""

    def __init__(self, world: World, scale: float, limits: bool = False, measure: float = MEASURE) -> None:
        self.world, self.scale, self.limits, self.measure = world, scale, limits, measure
        self._known: dict[str, dict[str, Any]] = {}
        self._epochs: dict[int, int] = {}
        self.measured: set[str] = set()

    def known(self, candidate: Candidate) -> dict[str, Any]:
        """Curve, costs, seconds, whether it is fitted."""
        if candidate.recipe not in self._known:
            epoch, export = self.world.seconds(candidate)
            self._known[candidate.recipe] = {
                "curve": self.world.curve(candidate),
                "costs": self.world.costs(candidate),
                "epoch": epoch * self.scale,
                "export": export,
                "fitted": not candidate.training,
            }
        return self._known[candidate.recipe]

    def look(self, candidate: Candidate) -> float:
        """Seconds of measuring; none for an architecture that was measured. What is fitted is so to be measured."""
        if candidate.architecture in self.measured:
            return 0.0
        self.measured.add(candidate.architecture)
        return self.measure

    def violations(self, costs: dict[str, float], error: float) -> tuple[float, ...]:
        """By ``CONSTRAINTS``; ≤ 0 is feasible."""
        teacher = self.world.teacher
        ratios = [costs[name] / teacher[name] / LIMITS[name] - 1 for name in ("latency", "size")]
        return (*ratios, (error - teacher["error"] - LIMITS["error"]) / LIMITS["error"])

    def do(self, job: Job) -> tuple[Event, float, float]:
        """The outcome of a job, its seconds, and how much of a training it was."""
        one, known = job.candidate, self.known(job.candidate)
        if job.kind == "measure":
            event = self._measured(one, known)
            spent = self.look(one) + known["export"]
            return event, spent + (known["epoch"] if known["fitted"] else 0.0), float(known["fitted"])
        if known["fitted"]:
            return self._finished(one, known), known["export"], 0.0
        before = self._epochs.get(one.number, 0)
        last = RUNGS[-1] if job.to_epoch is None else job.to_epoch
        self._epochs[one.number] = last
        seconds = (last - before) * known["epoch"]
        share = (last - before) / RUNGS[-1]
        if last == RUNGS[-1]:
            return self._finished(one, known), seconds + known["export"], share
        data = {"epochs": last, "error": self.error(known, last), "log_loss": 0.0, "seconds": seconds}
        return Event(kind="rung", number=one.number, data=data), seconds, share

    @staticmethod
    def error(known: dict[str, Any], epoch: int) -> float:
        """The best error by a rung."""
        return float(known["curve"][RUNGS.index(epoch)])

    def _measured(self, one: Candidate, known: dict[str, Any]) -> Event:
        readings = _readings(known["costs"])
        values = self.violations(known["costs"], 0.0)[:2]
        if self.limits and max(values) > 0:
            entry = Entry(candidate=one, state="refused", readings=readings, constraints=(*values, 0.0))
            return Event(kind="refused", number=one.number, entry=entry)
        data = {"constraints": (*values, 0.0)} if self.limits else {}
        return Event(kind="measured", number=one.number, readings=readings, data=data)

    def _finished(self, one: Candidate, known: dict[str, Any]) -> Event:
        error = float(known["curve"][-1])
        entry = Entry(
            candidate=one,
            state="finished",
            readings=_readings(known["costs"]),
            error=error,
            constraints=self.violations(known["costs"], error) if self.limits else (),
            fidelity={"whole": True},
        )
        return Event(kind="finished", number=one.number, entry=entry)


def _readings(costs: dict[str, float]) -> dict[str, Reading]:
    latency, half = costs["latency"], LATENCY_NOISE * costs["latency"]
    return {
        "latency": Reading(
            quantity="latency", unit="µs", value=latency, low=latency - half, high=latency + half, method="recorded"
        ),
        "energy": Reading(quantity="energy", unit="µJ", value=costs["energy"], method="recorded", source="modelled"),
        "size": Reading(quantity="size", unit="B", value=costs["size"], method="recorded"),
    }


def volume(points: Sequence[tuple[float, float, float]], reference: Any) -> float:
    """Hypervolume of points that lie under the reference point."""
    from optuna._hypervolume import compute_hypervolume

    inside = np.array([one for one in points if all(a < b for a, b in zip(one, reference, strict=True))])
    return float(compute_hypervolume(np.unique(inside, axis=0), np.asarray(reference))) if len(inside) else 0.0


def volumes(run: Run, at: Sequence[float], reference: Any, by: str = "at") -> list[float]:
    """Hypervolume of what was there by each of ``at`` seconds, or ``trained``."""
    return [volume([one.point for one in run.found if getattr(one, by) <= until], reference) for until in at]


def per_training(world: World, scale: float, draws: int = 400) -> float:
    """Mean seconds of a candidate drawn at random, trained in full, exported and measured."""
    rng, shop = np.random.default_rng(0), Shop(world, scale)
    spent = []
    for number in range(draws):
        known = shop.known(world.space.candidate(number, start.draw(world.space, rng)))
        spent.append(known["epoch"] * (1 if known["fitted"] else RUNGS[-1]) + known["export"] + MEASURE)
    return float(np.mean(spent))
