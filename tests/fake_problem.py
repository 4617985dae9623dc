"""A search without models: a small conditional space whose candidates have made-up but fixed results."""

import math
from collections.abc import Iterator

import numpy as np

from autodistill.optimise import Controller
from autodistill.records import Candidate, Entry, Event, Job, Reading
from autodistill.space import Arm, Branch, Choice, Range, Space

OBJECTIVES = ("error", "latency", "energy")
CONSTRAINTS = ("latency/at_most_ratio", "size/at_most", "gap")
EXACT = CONSTRAINTS[:2]

FP32 = Choice(("fp32",))
MLP = Branch(
    label="mlp",
    family="mlp",
    trains="gradient",
    settings={"width": Range(4, 256, log=True, whole=True), "depth": Choice((1, 2, 3))},
    precision=Choice(("fp32", "int8")),
)
BOOSTED = Branch(
    label="boosted",
    family="boosted",
    trains="fit",
    settings={"trees": Range(5, 60, whole=True), "leaves": Choice((4, 8, 16))},
    precision=FP32,
)
LINEAR = Branch(label="linear", family="linear", trains="fit", settings={}, precision=FP32)
SOFT = Arm(loss="soft_targets", settings={"temperature": Range(1, 8), "teacher_weight": Range(0, 1)})
LOGITS = Arm(loss="standardized_logits", settings={"teacher_weight": Range(0, 1)})
NONE = Arm(loss="none", settings={})


def space(*branches: Branch) -> Space:
    training = {"learning_rate": Range(1e-4, 1e-2, log=True), "epochs": Choice((30,))}
    return Space(branches=branches or (MLP, BOOSTED, LINEAR), arms=(SOFT, LOGITS, NONE), training=training)


def tiny() -> Space:
    """12 recipes of one family."""
    tree = Branch(
        label="tree", family="tree", trains="fit", settings={"depth": Range(1, 6, whole=True)}, precision=FP32
    )
    return Space(branches=(tree,), arms=(Arm(loss="soft_targets", settings={}), NONE), training={})


def bounded() -> Space:
    """One gradient family whose every dimension is always active."""
    return Space(branches=(MLP,), arms=(LOGITS,), training={"learning_rate": Range(1e-4, 1e-2, log=True)})


def noise(candidate: Candidate, what: str) -> float:
    """A fixed number in [-1, 1] for this recipe."""
    return int.from_bytes(f"{candidate.recipe}{what}".encode()[-7:], "big") % 2001 / 1000 - 1


def weights(candidate: Candidate) -> float:
    options = candidate.student
    if candidate.family == "mlp":
        return float(40 * options["width"] + (options["depth"] - 1) * options["width"] ** 2)
    if candidate.family == "boosted":
        return float(options["trees"] * options["leaves"] * 6)
    return float(options.get("depth", 6) ** 2 * 10)


def costs(candidate: Candidate) -> dict[str, float]:
    """Latency in µs, modelled energy in µJ, size in bytes: functions of the architecture."""
    count = weights(candidate)
    small = candidate.precision == "int8"
    trees = candidate.family in ("boosted", "tree")
    latency = 18 + count / (400 if trees else 3000 if small else 1500) + (6 if small else 0)
    return {
        "latency": latency,
        "energy_uJ.modelled": count * (1e-4 if trees else 6e-4 if small else 3e-3) + 0.05,
        "size": 2000 + count * (1 if small else 4),
    }


def readings(candidate: Candidate) -> dict[str, Reading]:
    cost = costs(candidate)
    spread = {"low": cost["latency"] * 0.98, "high": cost["latency"] * 1.02}
    return {
        "latency": Reading(quantity="latency", unit="us", value=cost["latency"], method="fake", **spread),
        "energy_uJ.modelled": Reading(
            quantity="energy", unit="uJ", value=cost["energy_uJ.modelled"], method="fake", source="modelled"
        ),
        "size": Reading(quantity="size", unit="B", value=cost["size"], method="fake"),
    }


def error(candidate: Candidate) -> float:
    """Falls with the number of weights; best at one temperature, one teacher weight and one learning rate."""
    value = 0.13 + 0.09 * math.exp(-((math.log(weights(candidate) + 1) / 7) ** 4))
    value += {"mlp": 0.0, "boosted": 0.004, "tree": 0.02, "linear": 0.03}[candidate.family]
    value += 0.012 if candidate.loss == "none" else 0.0
    if "teacher_weight" in candidate.distill:
        value += 0.02 * (candidate.distill["teacher_weight"] - 0.8) ** 2
    if "temperature" in candidate.distill:
        value += 0.001 * (candidate.distill["temperature"] - 3) ** 2
    if "learning_rate" in candidate.training:
        value += 0.01 * math.log10(candidate.training["learning_rate"] / 3e-3) ** 2
    return value + 0.001 * noise(candidate, "e")


def constraints(candidate: Candidate) -> tuple[float, ...]:
    cost = costs(candidate)
    gap = 0.05 - 0.1 * (error(candidate) - 0.13) / 0.05 + 0.02 * noise(candidate, "g")
    return (cost["latency"] / 60 - 1, cost["size"] / 60_000 - 1, gap - 0.08)


def respond(kind: str, candidate: Candidate) -> Event:
    """What a run would tell: after a measurement measured or refused, after a training finished or, rarely, broken."""
    values = constraints(candidate)
    number = candidate.number
    if kind == "measure":
        known = (*values[:2], 0.0)
        if max(values[:2]) <= 0:
            return Event(
                kind="measured", number=number, readings=readings(candidate), data={"constraints": list(known)}
            )
        entry = Entry(candidate=candidate, state="refused", readings=readings(candidate), constraints=known)
        return Event(kind="refused", number=number, entry=entry)
    if noise(candidate, "broken") > 0.94:
        return Event(kind="broken", number=number, entry=Entry(candidate=candidate, state="broken", reason="fell over"))
    entry = Entry(
        candidate=candidate,
        state="finished",
        readings=readings(candidate),
        error=error(candidate),
        constraints=values,
    )
    return Event(kind="finished", number=number, entry=entry)


def error_at(candidate: Candidate, epoch: int, crossing: float = 0.0) -> float:
    """The best error so far after some epochs: above the last by a part that shrinks, slowly for small learning rates.
    ``crossing``: how much that part differs from candidate to candidate (0: ranks mostly hold; 3: they say little)."""
    left = 1 - epoch / candidate.training["epochs"]
    slow = 0.1 * math.log10(3e-3 / candidate.training.get("learning_rate", 3e-3)) ** 2
    part = 0.25 * left**2 * (1 + slow) * math.exp(crossing * noise(candidate, "c"))
    return error(candidate) * (1 + part + 0.02 * left * noise(candidate, f"e{epoch}"))


def done(job: Job, crossing: float = 0.0) -> Event:
    """What a run would tell of a job, with rungs."""
    if job.to_epoch is None or noise(job.candidate, "broken") > 0.94:
        return respond(job.kind, job.candidate)
    found = error_at(job.candidate, job.to_epoch, crossing)
    data = {"epochs": job.to_epoch, "error": found, "log_loss": 3 * found, "seconds": 0.1 * job.to_epoch}
    return Event(kind="rung", number=job.candidate.number, data=data)


def drive(controller: Controller, crossing: float = 0.0) -> Iterator[Event]:
    """Run a search to its end and yield every event that would be journalled, in order."""
    while True:
        step = controller.next()
        yield from step.events
        if step.job is None:
            return
        event = done(step.job, crossing)
        controller.tell(event)
        yield event


def volume(points: np.ndarray, reference: np.ndarray) -> float:
    """Hypervolume in three dimensions by slicing along the first: the sum of areas times thicknesses."""
    inside = points[(points < reference).all(axis=1)]
    inside = inside[np.argsort(inside[:, 0], kind="stable")]
    total = 0.0
    for k in range(len(inside)):
        upper = inside[k + 1, 0] if k + 1 < len(inside) else reference[0]
        total += (upper - inside[k, 0]) * _area(inside[: k + 1, 1:], reference[1:])
    return total


def _area(points: np.ndarray, reference: np.ndarray) -> float:
    total, best = 0.0, reference[1]
    for x, y in points[np.argsort(points[:, 0], kind="stable")]:
        if y < best:
            total += (reference[0] - x) * (best - y)
            best = y
    return float(total)
