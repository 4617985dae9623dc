"""A copy of a search in MLflow, the only door to it: a parent run, a nested run a candidate, files, a registered model.

The journal is the truth and MLflow a pointer: copying is idempotent (a candidate is known by its tag), happens after
the search, and a server that is away costs one note.
"""

import contextlib
import io
import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autodistill.records import Entry, canonical, encode

KEY, RUN = "autodistill.key", "autodistill.run"
LONGEST = 500  # characters of a parameter, as every store takes them
PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
FILES = ("report.json", "report.html", "front.png", "candidates.csv", "spec.yaml", "policy.yaml", "readings.json")
NEEDS = ("onnxruntime", "onnx", "numpy", "pandas")


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What came of copying: the parent run's id, the registered version, and why there is none ("" if all is well)."""

    run_id: str = ""
    version: str = ""
    why: str = ""


def sync(uri: str, folder: Path, report: Mapping[str, Any], entries: Sequence[Entry]) -> Copied:
    """Copy a finished search to the tracking address ``uri``; what is there already stays as it is.

    Never raises for a server that is away: ``why`` says it, and the same call later catches up.
    """
    try:
        with _quietly():
            return _copy(uri, folder, report, entries)
    except Exception as fault:  # whatever a database, a network or a server raises
        return Copied(why=f"{type(fault).__name__}: {' '.join(str(fault).split())}"[:300])


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """MLflow without telemetry, banners and long waits; the user's own settings win."""
    before = dict(os.environ)
    for name, value in {**PATIENCE, "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}.items():
        os.environ.setdefault(name, value)
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        for name in set(os.environ) - set(before):
            os.environ.pop(name)


def _copy(uri: str, folder: Path, report: Mapping[str, Any], entries: Sequence[Entry]) -> Copied:
    import mlflow
    from mlflow import MlflowClient

    previous = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    try:
        client = MlflowClient(tracking_uri=uri)
        experiment = _experiment(client, str(report["name"]))
        parent = _parent(client, experiment, folder, report)
        _candidates(client, experiment, parent, entries, report)
        for name in FILES:
            if (folder / name).exists():
                client.log_artifact(parent, str(folder / name))
        version = _register(client, parent, folder, report) if report["certified"] else ""
        client.set_terminated(parent)
        return Copied(run_id=parent, version=version)
    finally:
        mlflow.set_tracking_uri(previous)


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found is not None else client.create_experiment(name))


def _parent(client: Any, experiment: str, folder: Path, report: Mapping[str, Any]) -> str:
    """The search's own run: found by its tag, or made."""
    identity = f"{folder.resolve()}:{report['spec']['sha256'][:12]}:{report['policy']['sha256'][:12]}"
    found = client.search_runs([experiment], f"tags.`{RUN}` = '{_quoted(identity)}'", max_results=1)
    parent = str(found[0].info.run_id if found else _run(client, experiment, str(report["name"]), {RUN: identity}))
    tags = {
        "verdict": report["verdict"]["decision"],
        "certified": report["certified"] or "",
        "policy.sha256": report["policy"]["sha256"],
        "data.sha256": report["data"]["sha256"],
        "spec.sha256": report["spec"]["sha256"],
        "teacher.digest": report["teacher"]["digest"],
    }
    for name, value in tags.items():
        client.set_tag(parent, name, value)
    return parent


def _quoted(text: str) -> str:
    return text.replace("'", "")


def _run(client: Any, experiment: str, name: str, tags: Mapping[str, str]) -> str:
    made = client.create_run(experiment, run_name=name, tags={k: _quoted(v) for k, v in tags.items()})
    return str(made.info.run_id)


def _candidates(client: Any, experiment: str, parent: str, entries: Sequence[Entry], report: Mapping[str, Any]) -> None:
    """A nested run a candidate, one batch each; those that are there are known by their tag."""
    there: set[str] = set()
    token: str | None = None
    while True:
        page = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'", page_token=token)
        there |= {run.data.tags.get(KEY, "") for run in page}
        token = page.token
        if not token:
            break
    for entry in entries:
        if entry.candidate.key not in there:
            _candidate(client, experiment, parent, entry, front=entry.candidate.key in report["front"])


def _candidate(client: Any, experiment: str, parent: str, entry: Entry, front: bool) -> None:
    from mlflow.entities import Metric, Param, RunTag

    candidate = entry.candidate
    tags = {"mlflow.parentRunId": parent, "state": entry.state, "front": str(front).lower()}
    tags["screening"] = entry.verdict.decision if entry.verdict else ""
    run = _run(client, experiment, f"{candidate.number} {candidate.family}", tags)
    given = {"family": candidate.family, "loss": candidate.loss, "precision": candidate.precision}
    for part in (candidate.student, candidate.distill, candidate.training):
        given |= {name: json.dumps(canonical(value)) for name, value in part.items()}
    client.log_batch(
        run,
        metrics=[Metric(name, value, 0, 0) for name, value in metrics(entry).items()],
        params=[Param(name, str(value)[:LONGEST]) for name, value in given.items()],
        # The key comes last: a run without it was cut off, and is made again.
        tags=[RunTag(KEY, candidate.key), RunTag("reason", entry.reason[:LONGEST])],
    )
    client.set_terminated(run, "FAILED" if entry.state == "broken" else "FINISHED")


def metrics(entry: Entry) -> dict[str, float]:
    """An entry's figures by the names that they have everywhere: unit in the name, energy with its tier."""
    out = {} if entry.error is None else {"error_search": float(entry.error)}
    names = {
        "latency": "latency_us",
        "latency@32": "latency_us.batch32_row",
        "latency_ratio": "latency_ratio",
        "size": "size_bytes",
        "parameters": "parameters",
        "macs": "macs",
    }
    for quantity, reading in entry.readings.items():
        name = f"energy_uJ.{reading.source}" if quantity.startswith("energy") else names.get(quantity)
        if name is not None and reading.value is not None:
            out[name] = float(reading.value)
    return out


def _register(client: Any, parent: str, folder: Path, report: Mapping[str, Any]) -> str:
    """The certified student as a registered ONNX model, its digests and verdict as tags of the version."""
    import mlflow
    import onnx
    from mlflow.exceptions import MlflowException

    path = folder / "candidates" / report["certified"] / "student.onnx"
    sha = report["files"][str(path.relative_to(folder))]
    name = str(report["name"])
    with contextlib.suppress(MlflowException):
        for version in client.search_model_versions(f"name = '{_quoted(name)}'"):
            if version.tags.get("artefact.sha256") == sha and version.tags.get("run") == parent:
                return str(version.version)
    model = onnx.load(str(path))
    with mlflow.start_run(run_id=parent):
        made = mlflow.onnx.log_model(
            model,
            name="student",
            registered_model_name=name,
            signature=_signature(model),
            pip_requirements=list(NEEDS),
        )
    version = str(made.registered_model_version)
    tags = {
        "artefact.sha256": sha,
        "run": parent,
        "verdict": report["verdict"]["decision"],
        "policy.sha256": report["policy"]["sha256"],
        "data.sha256": report["data"]["sha256"],
        "teacher.digest": report["teacher"]["digest"],
        "report.sha256": _report_digest(report),
    }
    for key, value in tags.items():
        client.set_model_version_tag(name, version, key, value)
    return version


def _report_digest(report: Mapping[str, Any]) -> str:
    from autodistill.records import digest

    return digest(encode(dict(report)))


def _signature(model: Any) -> Any:
    """Rank-1 columns in, label and probabilities out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    kinds = {1: "float", 8: "string"}

    def schema(values: Any) -> Any:
        return Schema([ColSpec(kinds[v.type.tensor_type.elem_type], v.name) for v in values])

    return ModelSignature(inputs=schema(model.graph.input), outputs=schema(model.graph.output))
