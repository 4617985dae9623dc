"""What is agreed before MLflow is imported: the run's own name; no long waits, no chatter, no telemetry."""

import json
import logging
import os
import uuid
import warnings
from pathlib import Path
from typing import Any

from autodistill.records import FORMAT

NOTES = "track.json"

PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}  # a server that is away
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def hush() -> None:
    """Set what the user has not set; MLflow reads these when it is imported or asked."""
    for name, value in {**PATIENCE, **QUIET}.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # requests hides this itself, which is lost where another thread leaves catch_warnings() while MLflow is imported.
    warnings.filterwarnings("ignore", message="SOCKS support in urllib3")


def own_name(folder: Path) -> str:
    """The name that the copies of a run carry: made once, kept in ``track.json`` in its folder."""
    name = _kept(folder).get("run")
    if name is None:
        name = uuid.uuid4().hex
        _keep(folder, {"run": name})
    return str(name)


def written(folder: Path) -> dict[str, str]:
    """MLflow's address of a logged model -> the digest of all its files, of those that were registered from this run's
    folder: an own record, since whoever can change a version in MLflow can change its tags too."""
    found = _kept(folder).get("models")
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def wrote(folder: Path, model: str, files: str) -> None:
    """Remember a model that was registered from this folder."""
    _keep(folder, {"models": {**written(folder), model: files}})


def _kept(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / NOTES).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _keep(folder: Path, more: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    fresh = (folder / NOTES).with_suffix(".tmp")
    fresh.write_text(json.dumps({"format": FORMAT, **_kept(folder), **more}) + "\n")
    fresh.replace(folder / NOTES)
