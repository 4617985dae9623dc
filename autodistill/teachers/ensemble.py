"""Several estimators as one teacher, weighted so that it is no worse than the best of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from autodistill.errors import TeacherError
from autodistill.plugins import Fixed, validate
from autodistill.records import FloatArray
from autodistill.teachers import Labelled, Progress, Task
from autodistill.teachers._convert import mean
from autodistill.teachers.sklearn import Sklearn

LEAST = 0.02  # a smaller weight is not worth a member's bytes
SHRINK = np.linspace(1.0, 0.0, 21)


@dataclass(frozen=True)
class Ensemble:
    """A weighted mean of estimators; each member stands beside it as a control."""

    members: Annotated[
        tuple[Mapping[str, Any], ...], Fixed, Field(min_length=2, description="each an estimator with its options")
    ]

    def __post_init__(self) -> None:
        # Refused where the file is read, not after the first member was fitted.
        if any(member.file is not None for member in self._sources()):
            raise ValueError("a saved member may have seen the rows that the weights are fitted to")

    def fingerprint(self) -> dict[str, str]:
        """The members' own."""
        return {key: value for member in self._sources() for key, value in member.fingerprint().items()}

    def label(self, task: Task) -> Labelled:
        """Weights are fitted to the members' out-of-fold labels; members of no weight are left out of the model."""
        if not task.classes:
            raise TeacherError("an ensemble is for classes", where="teacher", do="name one estimator, kind: sklearn")
        found = [member.label(_part(task, at, len(self.members))) for at, member in enumerate(self._sources())]
        found = _told_apart(found)
        fold = np.stack([m.scores[task.train] for m in found]).astype(np.float64)
        weights, note = weigh(fold, task.y[task.train])
        kept = [at for at, weight in enumerate(weights) if weight > 0]
        scores = np.tensordot(weights, np.stack([m.scores for m in found]), axes=1).astype(np.float32)
        lost = next((found[at] for at in kept if found[at].core is None), None)
        cores = [core for at in kept if (core := found[at].core) is not None]
        return Labelled(
            name="ensemble of " + ", ".join(f"{weights[at]:.2f} {found[at].name}" for at in kept),
            scores=scores,
            core=None if lost else mean(cores, weights[kept]),
            why_no_onnx=lost.why_no_onnx if lost else "",
            members=tuple(found),
            notes=(note,),
        )

    def _sources(self) -> tuple[Sklearn, ...]:
        return tuple(validate(Sklearn, member, f"teacher: members: {at}") for at, member in enumerate(self.members))


def _told_apart(found: list[Labelled]) -> list[Labelled]:
    """Members of one name get a number."""
    names = [one.name for one in found]
    return [
        replace(one, name=f"{one.name} #{names[:at].count(one.name) + 1}") if names.count(one.name) > 1 else one
        for at, one in enumerate(found)
    ]


def _part(task: Task, at: int, members: int) -> Task:
    """The task as one member sees it: the same, with its progress as a part of the whole."""

    def told(done: int, total: int, what: str) -> None:
        task.progress(at * total + done, members * total, what)

    progress: Progress = told
    return replace(task, progress=progress)


def weigh(fold: FloatArray, y: npt.NDArray[Any]) -> tuple[FloatArray, str]:
    """Weights [M] of the members on the simplex, and a sentence about them.

    ``fold`` float64 [M, n, C] are out-of-fold probabilities. The weights minimise the log-loss of the mixture (EM for
    mixture proportions: convex, each step lowers it); then they move towards the best member until the mixture's
    out-of-fold error is no greater than that member's.
    """
    own = np.clip(fold[:, np.arange(len(y)), y], 1e-9, 1.0)
    weights = np.full(len(fold), 1.0 / len(fold))
    for _ in range(2000):
        shares = weights[:, None] * own
        new = (shares / shares.sum(axis=0)).mean(axis=1)
        done, weights = bool(np.abs(new - weights).max() < 1e-6), new
        if done:
            break
    errors = (fold.argmax(axis=2) != y).mean(axis=1)
    losses = -np.log(own).mean(axis=1)
    best = int(np.lexsort((losses, errors))[0])
    alone = np.eye(len(fold))[best]
    for share in SHRINK:
        mixed = share * weights + (1 - share) * alone
        mixed = np.where(mixed < LEAST, 0.0, mixed)
        mixed = mixed / mixed.sum()
        error = (np.tensordot(mixed, fold, axes=1).argmax(axis=1) != y).mean()
        if error <= errors[best]:
            break
    said = f"out-of-fold error {error:.4f}, of its best member {errors[best]:.4f}"
    return mixed, said + (f"; weights kept {share:.2f} of their way from it" if share < 1 else "")
