"""Everything a run knows, as the one report that is written, rendered and copied: see ``report.json`` in the docs."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from autodistill import auditor, report, verdict
from autodistill.auditor import exemplars
from autodistill.jobs import Workshop, fair
from autodistill.optimise import Controller
from autodistill.records import Entry, Reading, digest, plain
from autodistill.run import beside, decided, rates
from autodistill.run.attributing import Attributed
from autodistill.run.beside import Beside
from autodistill.run.certify import Certification
from autodistill.run.environment import environment
from autodistill.run.folder import write_whole
from autodistill.run.prepare import Prepared
from autodistill.run.worth import worth
from autodistill.space import fairness
from autodistill.spec import DESCRIPTIVE, Spec

PACKAGES = (
    "optuna", "torch", "scikit-learn", "fairlearn", "pandas", "mlflow", "numpy", "scipy", "onnx", "onnxruntime",
    "skl2onnx",
)  # fmt: skip
RULE = (
    "the smallest students (at most 5 of the 30 smallest) whose predicted power on the audit split, from search-split "
    "rates at a fifth of the look's level, is at least 50 %, or where none has that the one with most (of equals the "
    "safest); ordered by how "
    "safely their worst required test passes on the search split; in the ledger before the audit split is read; tested "
    "in that order by the fallback procedure (Wiens and Dmitrienko 2005)"
)


def better(one: Entry | None, other: Entry, choose: str) -> Entry | None:
    """Of two the screened candidate that a policy would choose, None where neither holds all limits; on the search
    split, never a verdict."""
    if other.state != "finished" or not other.constraints or max(other.constraints) > 0:
        return one
    cost = _value(verdict.reading(other.readings, choose))
    return other if one is None or cost < _value(verdict.reading(one.readings, choose)) else one


def best_so_far(best: Entry | None, choose: str, classes: bool = True) -> str:
    """The best screened candidate in a few words, for a progress line."""
    if best is None:
        return ""
    cost = verdict.reading(best.readings, choose)
    size = "" if cost is None or cost.value is None else f", {cost.value:,.0f} {cost.unit}"
    error = f"{100 * (best.error or 0):.2f} %" if classes else f"{best.error or 0:.4f} sd"
    return f"best so far: {best.candidate.family}, error {error}{size}"


def _value(reading: Reading | None) -> float:
    return float("inf") if reading is None or reading.value is None else reading.value


def compose(
    spec: Spec,
    made: Prepared,
    controller: Controller,
    found: Certification,
    entries: Mapping[int, Entry],
    beside_it: tuple[list[Beside], Attributed],
    cost: Mapping[str, Any],
) -> dict[str, Any]:
    """The report of a search; writes ``rows_to_read.csv`` beside it. ``beside_it``: controls, and what distillation
    did."""
    shop, (controls, split) = made.shop, beside_it
    measured = {one.entry.candidate.key: one.entry for one in found.shortlist}
    every = [measured.get(e.candidate.key, e) for _, e in sorted(entries.items())]
    finished = [e for e in every if e.state == "finished"]
    points = np.array([_point(e, controller.objectives) for e in finished])
    front = verdict.front(points)  # empty where nothing finished
    final = decided.decide(found, every, spec.data.unit or "")
    made_of = {
        "kind": "search",
        "name": spec.name,
        "title": spec.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "verdict": plain(final),
        "certified": None if found.chosen is None else found.chosen.entry.candidate.key,
        "finalist": None if found.finalist is None else found.finalist.entry.candidate.key,
        "front": [finished[at].candidate.key for at in front],
        "front_errors": _intervals(shop, [finished[at] for at in front]),
        "teacher": _teacher(spec, shop, found),
        "entries": plain(every),
        "controls": _controls(shop, controls),
        "shortlist": [decided.tested(one, _told(shop, found, one.entry)) for one in found.shortlist],
        "findings": [] if found.finalist is None else plain(found.finalist.findings),
        "attribution": plain(split.findings),
        "attribution_reason": split.reason,
        "rows_to_read": _to_read(shop, found, split),
        "worth": worth(shop, found, controls, split, spec.data.unit),
        "fairlearn": _fairlearn(shop, found),
        "rejected_because": decided.rejected(every),
        "policy": _policy(spec),
        "data": _data(spec, shop, made),
        "method": {
            "looks": dict(found.look or {}),
            "m": verdict.count(shop.policy, shop.groups),
            "shortlist_rule": RULE,
            "examined": found.examined,
        },
        "measure": {
            "tier": "modelled",
            "runtime_floor": plain(found.teacher_readings.get("runtime_floor")),
            "machine": shop.lab.device,
            "notes": list(controller.notes),
            "rungs": controller.fidelity(),
        },
        "cost": dict(cost),
        "spec": {
            "sha256": spec.sha256,
            "text": spec.text,
            **{name: getattr(spec, name) for name in DESCRIPTIVE},
            "seed": spec.seed,
            "trials": len(every),
            "objectives": list(controller.objectives),
            "sampler": spec.sampler,
        },
        "environment": environment(PACKAGES),
        "files": _files(shop, found),
        "notes": [note for note in (found.refused, split.reason and f"attribution: {split.reason}") if note],
    }
    more = {"against": report.compared(made_of), "group_data": report.group_data(made_of, _unknown(shop, every))}
    return {**made_of, **more}


def _unknown(shop: Workshop, entries: Sequence[Entry]) -> dict[str, int]:
    """Train rows of unknown group under each grouping that some candidate's training used."""
    fair_ones = [one.candidate.fairness for one in entries if fairness.of_groups(one.candidate.fairness)]
    used = sorted({one.get("group_by") or "" for one in fair_ones})
    return {by or " × ".join(shop.dataset.groups): fair.strata(shop.dataset, by or None).unknown for by in used}


def _point(entry: Entry, objectives: Iterable[str]) -> list[float]:
    point = []
    for name in objectives:
        value = entry.error if name == "error" else _value(verdict.reading(entry.readings, name))
        point.append(float("inf") if value is None else value)
    return point


def _intervals(shop: Workshop, entries: Sequence[Entry]) -> dict[str, dict[str, Any]]:
    """Of each on the front its error on the search split with an interval, and how much oftener it errs on the same
    rows than the most accurate: two whose interval holds 0 are not told apart by these rows."""
    if not entries:
        return {}
    alpha = shop.policy.alpha
    paths = {one.candidate.key: shop.home(one.candidate) / "student.onnx" for one in entries}
    wrong = {key: beside.wrong(shop, shop.predict(path, "search")) for key, path in paths.items()}
    best = wrong[min(entries, key=lambda one: (one.error, one.candidate.key)).candidate.key]
    return {
        key: {**rates.share(one, alpha), "behind": rates.difference(one, best, alpha)} for key, one in wrong.items()
    }


def _teacher(spec: Spec, shop: Workshop, found: Certification) -> dict[str, Any]:
    kind, options = spec.teacher
    wrong = beside.wrong(shop, shop.teacher_predictions("audit"))
    return {
        "name": shop.teacher.name,
        "kind": kind,
        "options": dict(options),
        "digest": shop.teacher.digest,
        "error_search": shop.error(shop.teacher_predictions("search"), "search"),
        "error_audit": rates.share(wrong, shop.policy.alpha),
        "readings": plain(dict(found.teacher_readings)),
        "notes": list(shop.teacher.notes),
        "seconds": shop.teacher.seconds,
    }


def _controls(shop: Workshop, controls: list[Beside]) -> list[dict[str, Any]]:
    teacher = beside.wrong(shop, shop.teacher_predictions("audit"))
    return [beside.shown(shop, one, teacher) for one in controls]


def _told(shop: Workshop, found: Certification, entry: Entry) -> dict[str, Any]:
    """What a tested student got wrong on the audit rows, where the look at them was paid for."""
    if found.refused:
        return {}
    mine = beside.wrong(shop, beside.audit_predictions(shop, entry.candidate))
    return rates.told(mine, beside.wrong(shop, shop.teacher_predictions("audit")), shop.policy.alpha)


def _to_read(shop: Workshop, found: Certification, split: Attributed) -> dict[str, Any]:
    """The rows that a person should read, and their table in the run's folder, readable by its owner only."""
    if found.finalist is None or found.refused:
        return {}
    evidence = shop.evidence("audit", beside.audit_predictions(shop, found.finalist.entry.candidate))
    table = exemplars.exemplar_table(evidence, split.students)
    write_whole(shop.folder / exemplars.FILE, exemplars.exemplar_csv(table), mode=0o600)
    return exemplars.rows_to_read(evidence, shop.policy, split.students)


def _fairlearn(shop: Workshop, found: Certification) -> list[dict[str, Any]]:
    if found.finalist is None or found.refused or not shop.dataset.groups:
        return []
    predictions = beside.audit_predictions(shop, found.finalist.entry.candidate)
    return auditor.fairlearn_values(shop.evidence("audit", predictions))


def _policy(spec: Spec) -> dict[str, Any]:
    text = spec.policy_path.read_text(encoding="utf-8-sig")
    return {**plain(spec.policy), "text": text, "path": str(spec.policy_path)}


def _data(spec: Spec, shop: Workshop, made: Prepared) -> dict[str, Any]:
    dataset = shop.dataset
    return {
        "table": str(spec.data.table),
        "target": spec.data.target,
        "unit": spec.data.unit,
        "split_column": spec.data.split if isinstance(spec.data.split, str) else None,
        "threshold": spec.data.threshold,
        "rows": len(dataset.y),
        "sha256": dataset.digests["table"],
        "splits": {split: len(at) for split, at in dataset.splits.items()},
        "digests": dict(dataset.digests),
        "groups": {
            attribute: {str(k) or "(unknown)": int(n) for k, n in sorted(Counter(map(str, column)).items())}
            for attribute, column in dataset.groups.items()
        },
        "features": list(dataset.features),
        "input": {"kind": spec.data.input[0], **spec.data.input[1]},
        "leakage": dict(dataset.leakage),
        "notes": list(dataset.notes),
        "classes": list(dataset.classes),
        "positive": None if dataset.positive is None else dataset.classes[dataset.positive],
        "favourable": None if dataset.favourable is None else dataset.classes[dataset.favourable],
        "splits_digest": made.identity["splits"],
    }


def _files(shop: Workshop, found: Certification) -> dict[str, str]:
    out = {}
    for name in ("teacher.onnx", "spec.yaml", "policy.yaml", "rows.parquet", "student.onnx", exemplars.FILE):
        path = shop.folder / name
        if path.exists():
            out[name] = digest(path.read_bytes())
    if found.finalist is not None:
        paths = [Path(shop.home(found.finalist.entry.candidate)) / "student.onnx"]
        paths += [*shop.folder.glob("controls/*/student.onnx"), *shop.folder.glob("replicates/*/student.onnx")]
        out |= {path.relative_to(shop.folder).as_posix(): digest(path.read_bytes()) for path in sorted(paths)}
    return out
