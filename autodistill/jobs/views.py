"""Further views that a policy's checks ask for: what both models say of train rows, of noisy rows, of permuted columns.

Both models see the very same rows: draws depend on the study's seed, the view and the column alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from autodistill import runtime, verdict
from autodistill.auditor import Evidence
from autodistill.jobs.files import keep
from autodistill.jobs.workshop import Workshop
from autodistill.records import Dataset, Features, Predictions, digest, take

SCALE = 0.1
NOISE, PERMUTED, TRAIN = "noise", "permuted:", "train"


@dataclass(frozen=True)
class Unmade:
    """Why a view cannot be made."""

    reason: str


def with_views(shop: Workshop, evidence: Evidence, student: Path, home: Path) -> Evidence:
    """The evidence with every further view that the policy asks for, by the student's artefact and by the teacher's.

    What the student says is kept in ``home``, what the teacher says in the run's folder. A view that cannot be made is
    missing, and ``reference["missing"]`` says why: by the view's name, and under ``teacher`` where there is no artefact
    of it to run.
    """
    names, _ = verdict.further(shop.policy)
    missing: dict[str, str] = {}
    of_student, of_teacher = dict(evidence.student), dict(evidence.teacher)
    for name in names:
        rows = features(shop.dataset, name, evidence.split, shop.seed)
        if isinstance(rows, Unmade):
            missing[name] = rows.reason
            continue
        of_student[name] = _predicted(shop, runtime.open(student), rows, name, evidence.split)
        keep(home, of_student[name])
        if shop.teacher.onnx is not None:
            key = f"view/{evidence.split}/{name}"
            if key not in shop.kept:
                said = _predicted(shop, runtime.open(shop.teacher.onnx), rows, name, evidence.split)
                keep(shop.folder / "teacher", said)
                shop.kept[key] = said
            of_teacher[name] = shop.kept[key]
    if shop.teacher.onnx is None:
        missing["teacher"] = f"it has no artefact to run ({shop.teacher.why_no_onnx})"
    return replace(
        evidence,
        student=of_student,
        teacher=of_teacher,
        labels={**evidence.labels, TRAIN: shop.dataset.y[shop.dataset.splits["train"]]},
        reference={**evidence.reference, "missing": {**evidence.reference.get("missing", {}), **missing}},
    )


def features(dataset: Dataset, view: str, split: str, seed: int) -> Features | Unmade:
    """Raw columns of a view: the train rows, or those of ``split`` with noise on every numeric column or with one
    column's cells in another order."""
    if view == TRAIN:
        return dataset.rows("train")
    rows = dict(dataset.rows(split))
    if view.startswith(PERMUTED):
        name = view.removeprefix(PERMUTED)
        if name not in rows:
            return Unmade(f"the models read no column {name!r}")
        rows[name] = take(rows[name], _stream(seed, view).permutation(len(rows[name])))
        return rows
    if view.partition(":")[0] == NOISE:
        return _noisy(dataset, rows, view, seed)
    return Unmade("no such view is known")


def _noisy(dataset: Dataset, rows: dict[str, Any], view: str, seed: int) -> Features | Unmade:
    scale = float(view.partition(":")[2] or SCALE)
    train = dataset.rows("train")
    numeric = [name for name, column in rows.items() if column.dtype != object and column.ndim == 1]
    if not numeric:
        return Unmade("no column is a number")
    for name in numeric:
        known = train[name][np.isfinite(train[name])]
        spread = float(known.std(dtype=float)) if len(known) else 0.0
        noise = _stream(seed, f"{view}/{name}").normal(0.0, scale * spread, len(rows[name]))
        rows[name] = (rows[name] + noise).astype(rows[name].dtype)
    return rows


def _stream(seed: int, what: str) -> np.random.Generator:
    return np.random.default_rng(int(digest(f"{seed}/{what}".encode())[:12], 16))


def _predicted(shop: Workshop, session: runtime.Session, rows: Features, view: str, split: str) -> Predictions:
    dataset = shop.dataset
    ids: Mapping[str, Any] = {TRAIN: dataset.row_ids[dataset.splits["train"]]}
    return runtime.predict(
        session,
        rows,
        ids.get(view, dataset.row_ids[dataset.splits[split]]),
        view,
        positive=dataset.positive,
        threshold=dataset.threshold,
    )
