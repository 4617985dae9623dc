"""What stands beside the candidates on every report: the twin without distillation, trivial models, the teacher."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autodistill import plugins
from autodistill.controls import InapplicableError
from autodistill.errors import UserError
from autodistill.jobs import Workshop
from autodistill.records import Candidate, Dataset, Finding, Predictions, Reading, plain
from autodistill.run import twins
from autodistill.run.compressed import Compressing
from autodistill.run.ordered import Certification
from autodistill.run.progress import Progress, Watch
from autodistill.run.rates import costs, difference, share


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A control, measured and read on the audit split without a test."""

    name: str
    title: str
    what: str
    candidate: Candidate | None
    readings: Mapping[str, Reading]
    error: float | None
    predictions: Predictions | None = None
    findings: tuple[Finding, ...] = ()
    reason: str = ""


def controls(
    shop: Workshop, found: Certification, watch: Watch, teacher: tuple[str, Mapping[str, Any]]
) -> list[Beside]:
    """Plan, make, measure and predict every control of the finalist, and the teacher made smaller without a student;
    the teacher's members come after them. ``teacher`` is its kind and options."""
    out: list[Beside] = []
    if found.finalist is None:
        return out
    compressing = Compressing.of(shop, teacher)
    for name in plugins.names("controls"):
        control = plugins.build("controls", name, {})
        if hasattr(control, "derive"):
            watch(Progress(phase="certify", text=f"the control beside it: {control.title}"))
            out.append(_compressed(compressing, name, control))
            continue
        candidate = control.plan(found.finalist.entry.candidate)
        if candidate is None:
            continue
        watch(Progress(phase="certify", text=f"the control beside it: {control.title}"))
        out.append(_made(shop, name, control, candidate))
    return [*out, *_members(shop)]


def _made(shop: Workshop, name: str, control: Any, candidate: Candidate) -> Beside:
    title, what = control.title, control.what
    if not shop.dataset.classes:
        title, what = getattr(control, "of_numbers", (title, what))
    said = {"name": name, "title": title, "what": what, "candidate": candidate}
    try:
        path = twins.trained(shop, candidate, twins.home_of(shop, name, candidate))
        readings = shop.lab.first(shop.reading_key(candidate), path)
        search = shop.predict(path, "search")
        return Beside(
            **said,
            readings=readings,
            error=shop.error(search, "search"),
            predictions=shop.predict(path, "audit"),
        )
    except (UserError, ArithmeticError, ValueError, RuntimeError) as fault:
        return Beside(**said, readings={}, error=None, reason=" ".join(str(fault).split()))


def _compressed(compressing: Compressing, name: str, control: Any) -> Beside:
    shop, said = compressing.shop, {"name": name, "title": control.title, "candidate": None}
    try:
        path, what = compressing.made(name, control)
        return Beside(
            **said,
            what=what,
            readings=shop.lab.first(f"{shop.teacher.digest[:12]}-{name}", path),
            error=shop.error(compressing.predict(path, "search"), "search"),
            predictions=compressing.predict(path, "audit"),
        )
    except InapplicableError as fault:
        return Beside(**said, what=control.what, readings={}, error=None, reason=f"not applicable: {fault}")
    except Exception as fault:  # other people's quantisers and pruners may raise anything
        line = " ".join(str(fault).split())[:300]
        return Beside(**said, what=control.what, readings={}, error=None, reason=f"{type(fault).__name__}: {line}")


def _members(shop: Workshop) -> list[Beside]:
    """The members of an ensemble, each as it is alone: bytes saved against bloat prove nothing."""
    out: list[Beside] = []
    for at, member in enumerate(shop.teacher.members):
        views = {split: _view(shop.dataset, member, split) for split in ("search", "audit")}
        readings: Mapping[str, Reading] = {}
        if member.onnx is not None:
            path = shop.folder / "controls" / f"member_{at}.onnx"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(member.onnx)
            readings = shop.lab.first(f"{shop.teacher.digest[:12]}-member-{at}", path)
        out.append(
            Beside(
                name=f"member_{at}",
                title=member.name,
                what="one member of the teacher, alone",
                candidate=None,
                readings=readings,
                error=shop.error(views["search"], "search"),
                predictions=views["audit"],
                reason=member.why_no_onnx,
            )
        )
    return out


def _view(dataset: Dataset, member: Any, split: str) -> Predictions:
    at = dataset.splits[split]
    return Predictions(
        view=split,
        row_ids=dataset.row_ids[at],
        scores=np.asarray(member.scores[at]),
        decisions=np.asarray(member.decisions[at]),
    )


def wrong(shop: Workshop, predictions: Predictions) -> Any:
    """What each row of the predictions' split costs: see ``costs``."""
    y = shop.dataset.y[shop.dataset.splits[predictions.view]]
    return costs(predictions, y, shop.dataset.classes)


def shown(shop: Workshop, one: Beside, teacher: Any) -> dict[str, Any]:
    """A control as the report holds it."""
    out = {
        "name": one.name,
        "title": one.title,
        "what": one.what,
        "candidate": None if one.candidate is None else plain(one.candidate),
        "readings": plain(dict(one.readings)),
        "error": one.error,
        "audit_error": None,
        "loss": None,
        "findings": [],
        "reason": one.reason,
    }
    if one.predictions is not None:
        mine = wrong(shop, one.predictions)
        out["audit_error"] = share(mine, shop.policy.alpha)
        out["loss"] = difference(mine, teacher, shop.policy.alpha)
    return out


def twin(beside: list[Beside]) -> Beside | None:
    """The label-only twin, where it was made."""
    return next((one for one in beside if one.name == "label_only" and one.predictions is not None), None)


def audit_predictions(shop: Workshop, candidate: Candidate) -> Predictions:
    """A candidate's artefact on the audit split."""
    return shop.predict(Path(shop.home(candidate) / "student.onnx"), "audit")
