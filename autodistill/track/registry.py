"""Registered models: the version behind an alias, and moving an alias. The ledger is the truth, MLflow a pointer."""

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autodistill.errors import RunError
from autodistill.records import digest
from autodistill.track.manners import hush

STUDENT = "autodistill.student_sha256"


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """One version of a registered model: ``sha256`` is of the ONNX file that MLflow has, read now."""

    name: str
    alias: str
    number: str
    sha256: str
    tags: Mapping[str, str] = field(default_factory=dict)


def version(uri: str, what: str) -> Version:
    """The version that ``models:/NAME@ALIAS`` means, its file downloaded and hashed.

    Raises RunError where the address is none, or MLflow has no such model or alias, or is away.
    """
    found = re.fullmatch(r"models:/([^@]+)@([\w-]{1,255})", what)
    if found is None:
        raise RunError("not a model with an alias", where=what, do="for example models:/adult-income@signed-off")
    with _client(uri) as (client, mlflow):
        there = client.get_model_version_by_alias(found[1], found[2])
        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(uri)
        try:
            with tempfile.TemporaryDirectory() as home:
                local = mlflow.artifacts.download_artifacts(artifact_uri=there.source, dst_path=home)
                files = sorted(Path(local).rglob("*.onnx"))
                if len(files) != 1:
                    raise RunError(
                        f"holds {len(files)} ONNX files, not one", where=what, do="register the student again"
                    )
                sha = digest(files[0].read_bytes())
        finally:
            mlflow.set_tracking_uri(before)
        return Version(name=found[1], alias=found[2], number=str(there.version), sha256=sha, tags=dict(there.tags))


def registered(uri: str, name: str, sha256: str) -> str | None:
    """The newest version of a model whose tag says that it is the student with this digest; None if there is none."""
    with _client(uri) as (client, _):
        found = client.search_model_versions(f"name = '{model_name(name)}'")
        mine = [int(one.version) for one in found if one.tags.get(STUDENT) == sha256]
        return str(max(mine)) if mine else None


def move(uri: str, name: str, alias: str, number: str, tags: Mapping[str, str]) -> None:
    """Point an alias at a version, and tag that version. Call it after verification, and write it in the ledger."""
    with _client(uri) as (client, _):
        for key, value in tags.items():
            client.set_model_version_tag(model_name(name), number, key, value[:5000])
        client.set_registered_model_alias(model_name(name), alias, number)


def model_name(name: str) -> str:
    """A run's name as MLflow takes it for a model."""
    return re.sub(r"[/:%\"']", "-", name)


@contextmanager
def _client(uri: str) -> Iterator[tuple[Any, Any]]:
    hush()
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        yield mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri), mlflow
    except (MlflowException, OSError) as fault:
        said = " ".join(str(fault).split())[:200]
        raise RunError(f"MLflow: {said}", where=uri, do="give its address with --track, or try again") from fault
