"""Does one job: build, fit or train, export, measure, predict, screen. The only caller of those rooms.

What decides a candidate's fate is said as an ``Event``; what it leaves is one folder. A candidate that breaks is an
entry with its error, and the search goes on.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from autodistill import auditor, export, plugins, verdict
from autodistill.errors import RunError
from autodistill.jobs.files import keep
from autodistill.jobs.workshop import Workshop
from autodistill.losses import blended
from autodistill.records import (
    Artefact,
    Candidate,
    Entry,
    Event,
    Finding,
    Job,
    Reading,
    Verdict,
    canonical,
    digest,
    encode,
)
from autodistill.space import Training

__all__ = ["Workshop", "complete", "do", "make", "sized"]


def do(job: Job, shop: Workshop, deadline: float | None = None) -> Event:
    """One job's outcome: measured or refused (``measure``), finished or broken (``train``).

    ``deadline`` (``time.monotonic()``) cuts a training short at the end of an epoch.
    """
    try:
        return _measure(job.candidate, shop) if job.kind == "measure" else _train(job.candidate, shop, deadline)
    except RunError:  # the run itself cannot go on: a folder that cannot be written, a reading that is not recorded
        raise
    except Exception as fault:  # a family, a loss or a runtime may raise anything; the search outlives it
        why = f"{type(fault).__name__}: {' '.join(str(fault).split())}"[:500]
        entry = Entry(candidate=job.candidate, state="broken", reason=why, verdict=Verdict(decision="BROKEN"))
        return Event(kind="broken", number=job.candidate.number, entry=entry)


def _measure(candidate: Candidate, shop: Workshop) -> Event:
    """Readings of the artefact before it is trained (families that are fitted are fitted first)."""
    start = time.monotonic()
    key = shop.reading_key(candidate)
    if key not in shop.seen:
        known = shop.lab.known(key)
        shop.seen[key] = shop.lab.readings(key) if known else shop.lab.first(key, _shape(candidate, shop))
    readings = shop.seen[key]
    findings = shop.meters(readings)
    if any(finding.outcome == "FAIL" for finding in findings):
        entry = Entry(
            candidate=candidate,
            state="refused",
            readings=readings,
            constraints=verdict.constraints(findings, shop.constraint_names),
            findings=findings,
            verdict=verdict.judge(findings),
            seconds={"measure": round(time.monotonic() - start, 3)},
            reason="; ".join(f"{f.check} {f.note or f.statement}" for f in findings if f.outcome == "FAIL"),
        )
        return Event(kind="refused", number=candidate.number, entry=entry, readings=readings)
    return Event(
        kind="measured",
        number=candidate.number,
        readings=readings,
        data={"seconds": round(time.monotonic() - start, 3)},
    )


def _shape(candidate: Candidate, shop: Workshop) -> Path:
    """An artefact of the candidate's shape: untrained where weights do not matter, fitted where they do."""
    family = plugins.build("students", candidate.family, candidate.student)
    if family.trains == "fit":
        return make(candidate, shop)[0].path
    out = shop.folder / ".shapes" / f"{shop.reading_key(candidate)}.onnx"
    if not out.exists():
        _export_network(_network(candidate, shop), candidate, shop, out)
    return out


def _network(candidate: Candidate, shop: Workshop) -> Any:
    import torch

    torch.manual_seed(shop.stream(candidate))
    family = plugins.build("students", candidate.family, candidate.student)
    return family.build(shop.encoding_of(candidate).shapes(shop.outputs), shop.outputs)


def _export_network(network: Any, candidate: Candidate, shop: Workshop, out: Path) -> Artefact:
    """Traced once a shape, if it is: after that only weights are put in."""
    encoding = shop.encoding_of(candidate)
    shape = "template/" + digest(encode(canonical([candidate.family, candidate.student])))
    if shape not in shop.kept:
        shop.kept[shape] = export.template_of(network, encoding.shapes(shop.outputs))
    return export.export(
        encoding,
        network.cpu(),
        shop.answer,
        out,
        shop.calibration,
        precision=candidate.precision,
        template=shop.kept[shape],
    )


def make(
    candidate: Candidate, shop: Workshop, deadline: float | None = None, home: Path | None = None
) -> tuple[Artefact, Mapping[str, Any]]:
    """Fit or train a candidate and export it; its artefact and how far its training went.

    The last few are remembered, since a family that is fitted is measured after it is fitted.
    """
    home = shop.home(candidate) if home is None else home
    if str(home) in shop.kept:
        return shop.kept.pop(str(home))  # type: ignore[no-any-return]
    family = plugins.build("students", candidate.family, candidate.student)
    loss = plugins.build("losses", candidate.loss, candidate.distill)
    made = (_fit if family.trains == "fit" else _descend)(
        candidate, shop, (family, loss), home / "student.onnx", deadline
    )
    if family.trains == "fit":
        shop.kept[str(home)] = made
    return made


def _fit(
    candidate: Candidate,
    shop: Workshop,
    plan: tuple[Any, Any],
    out: Path,
    deadline: float | None,  # noqa: ARG001
) -> tuple[Artefact, Mapping[str, Any]]:
    family, loss = plan
    encoding = shop.encoding_of(candidate)
    matrix = shop.matrix(encoding)
    model = family.build(encoding.shapes(shop.outputs), shop.outputs).fit(matrix, _soft(loss, shop), shop.weight)
    artefact = export.wrap(encoding, model.onnx(), shop.answer, out)
    expected = model.predict_proba(matrix[: len(next(iter(shop.calibration.values())))])
    return replace(artefact, parity=export.parity(artefact, shop.calibration, expected)), {"whole": True}


def _soft(loss: Any, shop: Workshop) -> Any:
    """What a family that is fitted learns: the teacher's tempered shares and the labels, blended (``none``: labels)."""
    y = shop.dataset.y[shop.dataset.splits["train"]]
    share = getattr(loss, "teacher_weight", 0.0)
    if not shop.dataset.classes:
        return share * shop.teacher_logits + (1.0 - share) * np.asarray(y, np.float32)[:, None]
    return blended(shop.teacher_logits, y, getattr(loss, "temperature", 1.0), share)


def _descend(
    candidate: Candidate, shop: Workshop, plan: tuple[Any, Any], out: Path, deadline: float | None
) -> tuple[Artefact, Mapping[str, Any]]:
    from autodistill import train

    network = _network(candidate, shop).to(shop.device)
    objective = plan[1].build(shop.encoding_of(candidate).shapes(shop.outputs))
    rows, search = shop.tensors(shop.encoding_of(candidate))
    trained = train.fit_gradient(
        network,
        objective,
        rows,
        search,
        Training(**candidate.training),
        seed=shop.stream(candidate),
        limits=train.Limits(deadline=deadline),
    )
    network.load_state_dict(trained.state)
    artefact = _export_network(network, candidate, shop, out)
    reached = {"epochs": trained.epochs, "best_epoch": trained.best_epoch, "whole": trained.complete}
    return artefact, reached


def _train(candidate: Candidate, shop: Workshop, deadline: float | None) -> Event:
    start = time.monotonic()
    key = shop.reading_key(candidate)
    artefact, reached = make(candidate, shop, deadline)
    trained = time.monotonic()
    entry = complete(candidate, shop, artefact, readings=sized(shop.seen[key], artefact.path), split="search")
    seconds = {"train": round(trained - start, 3), "screen": round(time.monotonic() - trained, 3)}
    entry = replace(entry, seconds=seconds, fidelity=reached)
    keep(shop.home(candidate), entry)
    return Event(kind="finished", number=candidate.number, entry=entry)


def sized(readings: Mapping[str, Reading], path: Path) -> Mapping[str, Reading]:
    """The readings with the size of the trained file itself: its shape may differ by some bytes (int8), and what is
    remembered may be of an older exporter's file."""
    if "size" not in readings:
        return readings
    return {**readings, "size": replace(readings["size"], value=float(path.stat().st_size))}


def complete(
    candidate: Candidate, shop: Workshop, artefact: Artefact, *, readings: Mapping[str, Reading], split: str
) -> Entry:
    """A trained candidate's entry: its error on a split, the policy's findings there, its constraints and verdict."""
    predictions = shop.predict(artefact.path, split)
    findings: tuple[Finding, ...] = (
        *auditor.audit(shop.evidence(split, predictions), verdict.screened(shop.policy)),
        *shop.meters(readings),
    )
    keep(shop.home(candidate), predictions)
    return Entry(
        candidate=candidate,
        state="finished",
        readings=readings,
        error=shop.error(predictions, split),
        constraints=verdict.constraints(findings, shop.constraint_names),
        findings=findings,
        verdict=verdict.judge(findings),
        artefact={k: v for k, v in asdict(artefact).items() if k != "path"},
    )
