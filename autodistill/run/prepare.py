"""From an experiment file to a workshop: table, encoding, teacher, their digests, and a lab to measure in."""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from autodistill import __version__, data, jobs, measure, plugins, teacher
from autodistill.inputs import Encoding
from autodistill.jobs import Workshop
from autodistill.records import Dataset, Features, Policy, Reading, batches, digest, encode, take
from autodistill.run.folder import RunFile, refuse_change, write_whole
from autodistill.run.places import cache_folder
from autodistill.run.progress import Progress, Watch
from autodistill.run.refusing import refuse, refuse_features, refuse_further, refuse_places, refuse_ratios
from autodistill.spec import Spec
from autodistill.spec.policy import METERS


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A workshop, the digests that make the run what it is, and what preparing took."""

    shop: Workshop
    identity: Mapping[str, str]
    seconds: Mapping[str, float] = field(default_factory=dict)


def early_identity(spec: Spec) -> dict[str, str]:
    """The digests that need no table."""
    return {"spec": spec.sha256, "policy": spec.policy.sha256, "version": __version__}


def prepare(
    spec: Spec, folder: Path, watch: Watch, dataset: Dataset | None = None, there: RunFile | None = None
) -> Prepared:
    """Load the table (unless it is given), fit the encoding, label every row once, measure the teacher.

    Where a run is ``there`` and this is another one, RunError, before a file of it is touched.
    """
    seconds: dict[str, float] = {}
    start = time.monotonic()
    watch(Progress(phase="data", text=f"reading {spec.data.table}"))
    dataset = data.load(spec.data, spec.seed) if dataset is None else dataset
    refuse(spec, dataset)
    further = _unlabelled(spec, dataset)
    if further is not None:
        dataset = replace(dataset, notes=(*dataset.notes, *further.notes))
    encoding = fit_encoding(spec, dataset)
    dataset = replace(dataset, notes=(*dataset.notes, *encoding.notes))
    refuse_features(spec, encoding, len(dataset.classes))
    refuse_places(spec, encoding, len(dataset.classes))
    seconds["data"] = time.monotonic() - start
    start = time.monotonic()
    watch(Progress(phase="teacher", text="preparing the teacher (kept for the next time)"))

    def said(done: int, total: int, text: str) -> None:
        watch(Progress(phase="teacher", text=f"teacher: {text}", done=done, total=total))

    kind, options = spec.teacher
    labels = teacher.prepare(
        kind,
        options,
        dataset,
        encoding,
        cache=cache_folder(),
        seed=spec.seed,
        refit=_refit(spec, dataset),
        further=further,
        progress=said,
    )
    refuse_features(spec, encoding, len(dataset.classes), given=labels.features is not None)
    refuse_places(spec, encoding, len(dataset.classes), given=labels.places is not None)
    refuse_further(spec, labels)
    seconds["teacher"] = time.monotonic() - start
    start = time.monotonic()
    splits = {name: dataset.digests[name] for name in dataset.splits}
    identity = {
        **early_identity(spec),
        "table": dataset.digests["table"],
        "splits": digest(encode(splits)),
        "teacher": labels.digest,
    }
    if further is not None:
        identity["unlabelled"] = further.digest
    if there is not None:
        refuse_change(folder, there, identity)
    lab, readings = _lab(spec, folder, dataset, labels)
    refuse_ratios(spec, labels, readings)
    seconds["measure_teacher"] = time.monotonic() - start
    shop = Workshop(
        dataset=dataset,
        encoding=encoding,
        teacher=labels,
        teacher_readings=readings,
        policy=spec.policy,
        lab=lab,
        seed=spec.seed,
        folder=folder,
        cache=cache_folder(),
        refit=columns_of(spec, dataset),
        unlabelled=None if further is None else further.features,
        unlabelled_digest="" if further is None else further.digest,
        modality=plugins.build("inputs", *spec.data.input),
    )
    start = time.monotonic()
    _ask_at_places(spec, shop, watch)
    seconds["teacher"] += time.monotonic() - start
    _keep_inputs(spec, folder, shop)
    return Prepared(shop=shop, identity=identity, seconds=seconds)


def _ask_at_places(spec: Spec, shop: Workshop, watch: Watch) -> None:
    """What the teacher says inside of texts is its labels, too: made before the search's budget begins."""
    asked = {many for _, many in spec.space.training["places"].extremes()} - {1}
    if asked and any(arm.loss != "none" for arm in spec.space.arms):
        watch(Progress(phase="teacher", text="teacher: what it says at each place (kept for the next time)"))
        for many in sorted(asked):
            jobs.ask_at_places(many, shop)


def _unlabelled(spec: Spec, dataset: Dataset) -> data.Transfer | None:
    path = spec.data.unlabelled
    return None if path is None else data.transfer(path, spec.data.input, dataset)


def fit_encoding(spec: Spec, dataset: Dataset) -> Encoding:
    """The front end, fitted on the train split."""
    return _fit(spec, dataset.rows("train"), dataset.y[dataset.splits["train"]], dataset.classes)


def columns_of(spec: Spec, dataset: Dataset) -> Callable[[frozenset[str]], Encoding]:
    """What fits the front end of some of the columns, on the train split."""
    y, classes = dataset.y[dataset.splits["train"]], dataset.classes
    return lambda names: _fit(spec, {k: v for k, v in dataset.rows("train").items() if k in names}, y, classes)


def _fit(spec: Spec, features: Features, y: npt.NDArray[Any], classes: tuple[str, ...]) -> Encoding:
    kind, options = spec.data.input
    encoding: Encoding = plugins.build("inputs", kind, options).fit(features, y, classes)
    return encoding


def _refit(spec: Spec, dataset: Dataset) -> teacher.Refit:
    return lambda features, y: _fit(spec, features, y, dataset.classes)


def further_meters(policy: Policy) -> tuple[str, ...]:
    """The meters of a policy beside those that every artefact is read by."""
    lines = (one.name for one in (*policy.require, *policy.report) if one.kind == "meter")
    return tuple(dict.fromkeys(name for name in lines if name not in METERS))


def _lab(
    spec: Spec, folder: Path, dataset: Dataset, labels: teacher.Teacher
) -> tuple[measure.Lab, Mapping[str, Reading]]:
    """A lab on search rows, and the teacher's readings; without an ONNX file the teacher has no latency, and why."""
    path = None
    if labels.onnx is not None:
        path = folder / "teacher.onnx"
        write_whole(path, labels.onnx)
    lab = measure.Lab(
        cache_folder() / "measure",
        labels.measured(dataset.rows("search")),
        path,
        batch=spec.measure.batch,
        threads=spec.measure.threads,
        book=None if spec.measure.source is None else measure.load(spec.measure.source),
    ).with_meters(further_meters(spec.policy))
    if path is None:
        away = Reading(
            quantity="latency",
            unit="µs",
            value=None,
            method="onnxruntime",
            status="unavailable",
            reason=f"the teacher has no ONNX file: {labels.why_no_onnx}",
        )
        return lab, {"latency": away}
    return lab, lab.first(measure.TEACHER, path)


def _keep_inputs(spec: Spec, folder: Path, shop: Workshop) -> None:
    """Copies of what was asked; labels and groups once; the sealed rows apart, readable by their owner only."""
    write_whole(folder / "spec.yaml", spec.text.encode())
    write_whole(folder / "policy.yaml", spec.policy_path.read_bytes())
    write_whole(folder / "rows.parquet", _labels(shop, ("search", "audit")), mode=0o600)
    write_whole(folder / "sealed.parquet", _labels(shop, ("sealed",), features=True), mode=0o600)


def _labels(shop: Workshop, splits: tuple[str, ...], features: bool = False) -> Callable[[IO[bytes]], None]:
    """What writes these rows as Parquet; where a feature is in a file, a few rows at a time."""
    dataset = shop.dataset
    at = np.concatenate([dataset.splits[name] for name in splits])
    names = np.concatenate([np.full(len(dataset.splits[name]), name, dtype=object) for name in splits])
    columns: dict[str, Any] = {"split": names, "row_id": dataset.row_ids[at], "row_digest": dataset.row_digests[at]}
    columns["y"] = dataset.y[at]
    columns |= {f"group:{name}": column[at] for name, column in dataset.groups.items()}
    columns |= {f"teacher:{c}": np.asarray(shop.teacher.scores[at, c]) for c in range(shop.teacher.scores.shape[1])}
    if dataset.entity is not None:
        columns["cluster"] = dataset.entity[at]
    table = pa.table(columns)
    raw = {name: take(column, at) for name, column in dataset.features.items()} if features else {}

    def write(file: IO[bytes]) -> None:
        with contextlib.ExitStack() as opened:
            start, writer = 0, None
            for some in batches(raw):
                more = {f"feature:{name}": data.stored(column) for name, column in some.items()}
                part = table.slice(start, len(next(iter(more.values()))) if more else None)
                for name, column in more.items():
                    part = part.append_column(name, column)
                if writer is None:
                    writer = opened.enter_context(pq.ParquetWriter(file, part.schema, compression="zstd"))
                writer.write_table(part)
                start += len(part)

    return write
