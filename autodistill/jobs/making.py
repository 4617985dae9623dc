"""A candidate's artefact: built, fitted or trained, exported. What was fitted is found again on the disk."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from autodistill import export, plugins
from autodistill.inputs import Encoding, Shapes
from autodistill.jobs import checkpoints, fair, taught
from autodistill.jobs.checkpoints import Checkpoint
from autodistill.jobs.files import write
from autodistill.jobs.workshop import Workshop
from autodistill.losses import blended
from autodistill.records import Artefact, Candidate, FloatArray, canonical, digest, encode
from autodistill.space import Training

if TYPE_CHECKING:
    from torch import nn

    from autodistill.train import Rows, Trained

STUDENT, FITTED = "student.onnx", "fitted.json"

Made = tuple[Artefact, Mapping[str, Any]]
"""An artefact, and how far its training went (``Entry.fidelity``)."""


@dataclass(frozen=True, kw_only=True)
class Descent:
    """A gradient training as far as it went: its network, the trainer's result, the rungs passed, all its seconds."""

    network: "nn.Module"
    trained: "Trained"
    of: int
    rungs: tuple[int, ...]
    seconds: float

    def at(self, epoch: int) -> dict[str, Any]:
        """The best that the training was when ``epoch`` had passed, which may be before where it is now."""
        seen = self.trained.history[:epoch]
        best = min(seen, key=lambda line: (line["error"], line["log_loss"]))
        return {"epochs": len(seen), "error": best["error"], "log_loss": best["log_loss"]}

    @property
    def fidelity(self) -> dict[str, Any]:
        """How far it went, and what it was at each rung before."""
        passed = [self.at(epoch) for epoch in self.rungs if epoch < self.trained.epochs]
        return {
            "epochs": self.trained.epochs,
            "best_epoch": self.trained.best_epoch,
            "of": self.of,
            "whole": self.trained.epochs >= self.of,
            "rungs": [{"epochs": one["epochs"], "error": one["error"]} for one in passed],
        }


def make(candidate: Candidate, shop: Workshop, deadline: float | None = None, home: Path | None = None) -> Made:
    """Fit or train a candidate in one go and export it into ``home`` (its own folder); a fitted one is found there."""
    home = shop.home(candidate) if home is None else home
    if plugins.find("students", candidate.family).trains == "fit":
        return _found(home) or _fit(candidate, shop, home)
    descent = descend(candidate, shop, deadline=deadline)
    return finish(descent, candidate, shop, home), descent.fidelity


def shape(candidate: Candidate, shop: Workshop) -> Path:
    """An artefact of the candidate's shape: untrained where weights do not matter, fitted where they do."""
    if plugins.find("students", candidate.family).trains == "fit":
        return make(candidate, shop)[0].path
    out = shop.folder / ".shapes" / f"{shop.reading_key(candidate)}.onnx"
    if not out.exists():
        _export(_network(candidate, shop), candidate, shop, out)
    return out


def descend(
    candidate: Candidate,
    shop: Workshop,
    *,
    to_epoch: int | None = None,
    deadline: float | None = None,
    kept: Checkpoint | None = None,
) -> Descent:
    """Train to ``to_epoch`` (None: the end), from ``kept`` where there is one. Nothing is written."""
    from autodistill import train

    start = time.monotonic()
    training = Training(**candidate.training)
    network = _network(candidate, shop).to(shop.device)
    rows, search = taught.rows(candidate, shop)
    trained = train.fit_gradient(
        network,
        _objective(candidate, shop, network, rows),
        rows,
        search,
        training,
        seed=shop.stream(candidate),
        limits=train.Limits(to_epoch=to_epoch, deadline=deadline),
        checkpoint=None if kept is None else kept.state,
    )
    return Descent(
        network=network,
        trained=trained,
        of=training.epochs,
        rungs=() if kept is None else kept.rungs,
        seconds=time.monotonic() - start + (0.0 if kept is None else kept.seconds),
    )


def keep_rung(descent: Descent, candidate: Candidate, shop: Workshop, epoch: int) -> None:
    """Leave a checkpoint of a training that has passed a rung."""
    rungs = tuple(sorted({*descent.rungs, epoch}))
    kept = Checkpoint(state=descent.trained.checkpoint, of=descent.of, rungs=rungs, seconds=descent.seconds)
    checkpoints.save(candidate, shop, kept)


def finish(descent: Descent, candidate: Candidate, shop: Workshop, home: Path) -> Artefact:
    """The artefact of a training's best epoch."""
    descent.network.load_state_dict(descent.trained.state)
    return _export(descent.network, candidate, shop, home / STUDENT)


def _network(candidate: Candidate, shop: Workshop) -> Any:
    import torch

    torch.manual_seed(shop.stream(candidate))
    family = plugins.build("students", candidate.family, candidate.student)
    return family.build(shop.encoding_of(candidate).shapes(shop.outputs), shop.outputs)


def _objective(candidate: Candidate, shop: Workshop, network: Any, rows: "Rows") -> Any:
    """The candidate's loss; one that compares features is told their widths."""
    shapes = shop.encoding_of(candidate).shapes(shop.outputs)
    if rows.teacher_features is not None:
        first = rows.at(slice(1))
        own = network.eval().features(first.numeric, first.codes)
        shapes = replace(shapes, student_width=own.shape[1], teacher_width=rows.teacher_features.shape[1])
    loss = plugins.build("losses", candidate.loss, candidate.distill).build(shapes)
    if rows.group is not None:
        from autodistill import train

        loss = train.GroupDro(loss, int(rows.group.max()) + 1, candidate.fairness["dro"])
    return loss.to(shop.device) if hasattr(loss, "parameters") else loss


def has_features(family: str, shapes: Shapes) -> bool:
    """Whether the networks of a family have features of their own to compare with a teacher's."""
    network = plugins.build("students", family, {}).build(shapes, shapes.classes)
    return hasattr(network, "features") and hasattr(network, "head")


def has_places(family: str, shapes: Shapes) -> bool:
    """Whether the networks of a family answer for the places of a text, and not for its end alone."""
    return hasattr(plugins.build("students", family, {}).build(shapes, shapes.classes), "places")


def _export(network: Any, candidate: Candidate, shop: Workshop, out: Path) -> Artefact:
    """Traced once a shape, if it is: after that only weights are put in."""
    encoding = shop.encoding_of(candidate)
    traced = "template/" + digest(encode(canonical([candidate.family, candidate.student])))
    if traced not in shop.kept:
        shop.kept[traced] = export.template_of(network, encoding.shapes(shop.outputs))
    return export.export(
        encoding,
        network.cpu(),
        shop.network_answer,
        out,
        shop.calibration,
        precision=candidate.precision,
        template=shop.kept[traced],
    )


def _fit(candidate: Candidate, shop: Workshop, home: Path) -> Made:
    family = plugins.build("students", candidate.family, candidate.student)
    loss = plugins.build("losses", candidate.loss, candidate.distill)
    encoding = shop.encoding_of(candidate)
    matrix = shop.matrix(encoding)
    logits, weight = fair.fitted(candidate, shop)
    rows = _with_unlabelled(matrix, _soft(loss, shop, logits), weight, loss, encoding, shop)
    model = family.build(encoding.shapes(shop.outputs), shop.outputs).fit(*rows)
    artefact = export.wrap(encoding, model.onnx(), shop.answer, home / STUDENT)
    expected = model.predict_proba(matrix[: len(next(iter(shop.calibration.values())))])
    artefact = replace(artefact, parity=export.parity(artefact, shop.calibration, expected))
    write(home / FITTED, encode({name: value for name, value in asdict(artefact).items() if name != "path"}))
    return artefact, {"whole": True}


def _found(home: Path) -> Made | None:
    """What was fitted before, by this process or another: to be measured it must be there before it is screened."""
    try:
        said = msgspec.json.decode((home / FITTED).read_bytes())
        artefact = Artefact(**{**said, "path": home / STUDENT, "notes": tuple(said["notes"])})
        whole = digest(artefact.path.read_bytes()) == artefact.sha256
    except (OSError, msgspec.DecodeError, TypeError, KeyError):
        return None
    return (artefact, {"whole": True}) if whole else None


def _soft(loss: Any, shop: Workshop, logits: FloatArray) -> Any:
    """What a family that is fitted learns: the teacher's tempered shares and the labels, blended (``none``: labels)."""
    y = shop.dataset.y[shop.dataset.splits["train"]]
    share = getattr(loss, "teacher_weight", 0.0)
    if not shop.dataset.classes:
        return share * logits + (1.0 - share) * np.asarray(y, np.float32)[:, None]
    return blended(logits, y, getattr(loss, "temperature", 1.0), share)


def _with_unlabelled(
    matrix: Any, soft: Any, weight: FloatArray | None, loss: Any, encoding: Encoding, shop: Workshop
) -> tuple[Any, Any, Any]:
    """Rows, what is to be learned of them, and weights; with the rows without label where the teacher has a say."""
    if shop.unlabelled is None or not hasattr(loss, "teacher_weight"):
        return matrix, soft, weight
    said = taught.labels(shop.unlabelled, shop)
    if shop.dataset.classes:
        said = blended(said, np.zeros(len(said), np.int64), loss.temperature, 1.0)
    if weight is not None:
        weight = np.concatenate([weight, np.full(len(said), weight.mean(), weight.dtype)])
    more = encoding.apply_matrix(shop.unlabelled)
    return np.concatenate([matrix, more]), np.concatenate([soft, said]), weight
