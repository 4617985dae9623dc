"""What a candidate learns from: train rows, rows that the teacher labels beside them, or what an assistant says.

Whatever is asked of the teacher again is asked of its artefact, once, and kept by content.
"""

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autodistill import plugins, runtime, shelf
from autodistill.inputs import Encoding
from autodistill.jobs import fair
from autodistill.jobs.encoded import followed
from autodistill.jobs.perturbed import perturbed
from autodistill.jobs.placed import placed
from autodistill.jobs.workshop import Workshop
from autodistill.losses import teacher_logits
from autodistill.records import Candidate, Features, FloatArray, canonical, digest, encode, pieces
from autodistill.space import Training

if TYPE_CHECKING:
    from autodistill.train import Rows


def rows(candidate: Candidate, shop: Workshop) -> "tuple[Rows, Rows]":
    """The rows that a network learns from, with what its loss needs of the teacher, and those it is judged on."""
    encoding = shop.encoding_of(candidate)
    known, search = shop.tensors(encoding)
    training = Training(**candidate.training)
    if training.places > 1:
        known = placed(known, training.places, encoding, shop, told=candidate.loss != "none")
    if candidate.loss == "none":
        return fair.applied(known.labels_alone(), candidate, shop), search
    if "teacher_features" not in getattr(plugins.find("losses", candidate.loss), "needs", ()):
        known = replace(known, teacher_features=None)
    known = _joined(known, training, encoding, shop)
    if training.assistant is not None:
        known = replace(known, teacher=_assisted(candidate, training, known, search, shop))
    return fair.applied(known, candidate, shop), search


def further(training: Training, shop: Workshop) -> Features | None:
    """Raw rows beside the train rows: those without label, and perturbed ones; None where there are neither."""
    parts: list[Features] = [] if shop.unlabelled is None else [shop.unlabelled]
    train = shop.dataset.rows("train")
    many = round(training.perturb * len(shop.dataset.splits["train"]))
    if many:
        parts.append(perturbed(train, many, training.jitter, shop.seed, shop.modality))
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0]  # rows without label may be in a file, and stay there
    return {name: np.concatenate([part[name] for part in parts]) for name in train}


def labels(features: Features, shop: Workshop) -> FloatArray:
    """The logits [n, C] of the teacher on raw rows (its values for regression): its artefact's, or what it said of the
    rows without label when it could be asked."""

    def said() -> FloatArray:
        session = runtime.open(shop.teacher.onnx or b"")
        if shop.dataset.classes:
            return teacher_logits(session.probabilities(features))
        return session.scores(features)

    told = shop.teacher.further
    if told is not None:  # of a teacher that cannot be asked again these are all rows that there are: none is perturbed
        return teacher_logits(told) if shop.dataset.classes else np.asarray(told)
    return _kept("labels", [shop.teacher.digest, digest(shop.teacher.onnx or b""), _content(features)], said, shop)


def _joined(known: "Rows", training: Training, encoding: Encoding, shop: Workshop) -> "Rows":
    """The train rows and all others; the last ones are held, since a search seldom asks for the same perturbation."""
    import torch

    asked, key = (training.perturb, training.jitter), f"further/{encoding.digest}"
    held = shop.kept.get(key)
    if held is not None and held[0] == asked:
        return held[1]  # type: ignore[no-any-return]
    more = further(training, shop)
    if more is None:
        return known
    shop.kept.pop(key, None)  # before others are made: what is not held may go from the cache
    ahead = tuple(part.cpu().numpy() for part in (known.numeric, known.codes))
    told = [shop.dataset.digests["train"], _content(more)]
    parts = (*followed(encoding, ahead, told, more, shop.cache), shop.learned(labels(more, shop)))
    joined = known.followed(*(torch.from_numpy(np.require(part, requirements="W")).to(shop.device) for part in parts))
    shop.kept[key] = asked, joined
    return joined


def _assisted(candidate: Candidate, training: Training, known: "Rows", search: "Rows", shop: Workshop) -> Any:
    """The logits of a network of the same family and the assistant's width, trained by soft targets and as the student
    is. One assistant serves all candidates that share these rows and options, whatever else they are."""
    import torch

    width = training.assistant
    training = replace(training, assistant=None, fine_tune=0.0, perturb=0.0, jitter=1.0)  # its rows are there already
    shapes = shop.encoding_of(candidate).shapes(shop.outputs)
    torch.manual_seed(shop.seed)
    network = plugins.build("students", candidate.family, {"width": width}).build(shapes, shop.outputs)
    parts_of = {name: list(value.shape) for name, value in network.state_dict().items()}  # another version's differ
    recipe = {"family": candidate.family, "width": width, "seed": shop.seed, "training": asdict(training)}
    recipe["parts"] = parts_of
    recipe["encoding"] = shop.encoding_of(candidate).digest  # word vectors may begin as a model's own
    parts = [part for part in (known.numeric, known.codes, known.y, known.teacher, known.weight) if part is not None]
    seen = hashlib.sha256()
    for part in parts:
        seen.update(np.ascontiguousarray(part.cpu().numpy()).data)

    def said() -> FloatArray:
        from autodistill import train

        network.to(shop.device)
        objective = plugins.build("losses", "soft_targets", {}).build(shapes)
        trained = train.fit_gradient(network, objective, known, search, training, seed=shop.seed)
        network.load_state_dict(trained.state)
        with torch.no_grad():
            found: FloatArray = train.outputs(network.eval(), known).cpu().numpy()
        return found

    found = _kept("assistant", [recipe, seen.hexdigest(), str(torch.__version__)], said, shop)
    return torch.from_numpy(np.array(found)).to(shop.device)


def _kept(what: str, told: list[Any], make: Callable[[], FloatArray], shop: Workshop) -> FloatArray:
    """An array by the content of what it is made of: made once, found in memory or in the cache after that."""
    key = digest(encode(canonical([what, told])))
    if key not in shop.kept:
        shop.kept[key] = make() if shop.cache is None else _found(shop.cache / "taught" / key[:40], make)
    return shop.kept[key]  # type: ignore[no-any-return]


def _found(where: Path, make: Callable[[], FloatArray]) -> FloatArray:
    made = None
    with contextlib.suppress(OSError), shelf.locked(where):
        paths = shelf.sound(where)
        if paths is None:
            made = make()
            paths = shelf.kept(where, made.nbytes, lambda: iter([(made,)]))
        return shelf.mapped(paths)[0]
    return make() if made is None else made  # a cache that cannot be written is only slower


def _content(features: Mapping[str, Any]) -> str:
    """The digest of raw rows: of names, types and shapes, and of every byte."""
    sha = hashlib.sha256(encode([[name, str(cells.dtype), cells.shape] for name, cells in features.items()]))
    for cells in features.values():
        if cells.dtype == object:
            sha.update("\0".join(map(str, cells)).encode())
        else:
            for some in pieces(cells):
                sha.update(np.ascontiguousarray(some).data)
    return sha.hexdigest()
