"""What is agreed before MLflow is imported: the run's own name; no long waits, no chatter, no telemetry."""

import json
import logging
import os
import uuid
from pathlib import Path

from autodistill.records import FORMAT

PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}  # a server that is away
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def hush() -> None:
    """Set what the user has not set; MLflow reads these when it is imported or asked."""
    for name, value in {**PATIENCE, **QUIET}.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


def own_name(folder: Path) -> str:
    """The name that the copies of a run carry: made once, kept in ``track.json`` in its folder."""
    path = folder / "track.json"
    try:
        return str(json.loads(path.read_bytes())["run"])
    except (OSError, ValueError, KeyError):
        name = uuid.uuid4().hex
        folder.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".tmp")
        fresh.write_text(json.dumps({"format": FORMAT, "run": name}) + "\n")
        fresh.replace(path)
        return name
