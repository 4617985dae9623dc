"""Whether distillation did it: the finalist and its twin without a teacher, several seeds of both, on the audit rows.

Trained after certification: the twin whatever the clock of the search says, further seeds where they take no longer
than half of the search did. What it took is in the report's cost.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from autodistill import plugins
from autodistill.auditor.attribution import CONTROL, SEEDS, attribution
from autodistill.errors import UserError
from autodistill.jobs import Workshop
from autodistill.records import Candidate, Finding, Predictions
from autodistill.run import twins
from autodistill.run.ordered import Certification
from autodistill.run.progress import Progress, Watch

NUMBERS = "what distillation did to the gaps is told of classes alone, not yet of a regression"
SHARE, LEAST = 0.5, 60.0
"""Of the search's own time so much may go into further seeds, or so many seconds in any case."""
FITTED = "the family is fitted without randomness: every seed gives the same student"


@dataclass(frozen=True, kw_only=True)
class Attributed:
    """The split of every gap, or why there is none; ``students`` are the finalist's seeds on the audit rows, ``few``
    says why it is but one."""

    findings: tuple[Finding, ...] = ()
    reason: str = ""
    students: tuple[Predictions, ...] = ()
    controls: tuple[Predictions, ...] = ()
    few: str = ""


def attribute(shop: Workshop, found: Certification, searched: float, watch: Watch) -> Attributed:
    """Train what is missing of both arms and split the finalist's gaps; ``searched``: seconds that the search took."""
    if found.finalist is None or found.refused:
        return Attributed(reason="no student was tested on the audit split")
    entry = found.finalist.entry
    twin = twins.twin_of(entry.candidate)
    if twin is None:
        return Attributed(reason="the finalist was trained without its teacher: there is no distillation to attribute")
    if not shop.dataset.classes:
        return Attributed(reason=NUMBERS)
    pace = float(entry.seconds.get("train", 0.0))
    few = _few(pace, searched)
    arms = [twins.replicates(one, 1 if few else SEEDS) for one in (entry.candidate, twin)]
    try:
        said = _predicted(shop, arms, pace, watch)
    except (UserError, ArithmeticError, ValueError, RuntimeError) as fault:
        return Attributed(reason=f"a twin could not be made: {' '.join(str(fault).split())}")
    students, controls = said[: len(arms[0])], said[len(arms[0]) :]
    evidence = replace(shop.evidence("audit", students[0]), others={CONTROL: controls[0]})
    findings = attribution(evidence, shop.policy, level=shop.policy.alpha, students=students, controls=controls)
    if plugins.find("students", entry.candidate.family).trains == "fit":
        findings = tuple(replace(one, note="; ".join(filter(None, (one.note, FITTED)))) for one in findings)
    return Attributed(findings=findings, students=tuple(students), controls=tuple(controls), few=few)


def _few(pace: float, searched: float) -> str:
    """Why there are no further seeds; "" where there are."""
    more = 2 * (SEEDS - 1) * pace
    if more <= max(LEAST, SHARE * searched):
        return ""
    return f"further seeds of both would have taken some {more / 60:.0f} min, more than half of the search"


def _predicted(shop: Workshop, arms: Sequence[Sequence[Candidate]], pace: float, watch: Watch) -> list[Predictions]:
    """What every model of both arms says of the audit rows, the finalist first; trained where it is not yet."""
    every = [one for arm in arms for one in arm]
    out: list[Predictions] = []
    taken: list[float] = []
    for at, one in enumerate(every):
        left = (sum(taken) / len(taken) if taken else pace) * (len(every) - at)
        text = "training the finalist and its twin without a teacher, several seeds of both"
        watch(Progress(phase="certify", text=text, done=at, total=len(every), seconds_left=left))
        start = time.monotonic()
        path = shop.home(one) / twins.STUDENT if at == 0 else twins.trained(shop, one)
        out.append(shop.predict(path, "audit"))
        if at:
            taken.append(time.monotonic() - start)
    return out
