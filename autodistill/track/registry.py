"""Registered models: the version behind an alias, and moving an alias. The ledger is the truth, MLflow a pointer."""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from autodistill.errors import RunError
from autodistill.track.contents import Contents, fetched
from autodistill.track.manners import hush

STUDENT, FILES = "autodistill.student_sha256", "autodistill.files_sha256"


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """One version of a registered model, and what MLflow has of it, read now; ``source`` is the address of the logged
    model behind it."""

    name: str
    alias: str
    number: str
    source: str
    contents: Contents
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Of its ONNX file."""
        return self.contents.student


def version(uri: str, what: str) -> Version:
    """The version that ``models:/NAME@ALIAS`` means, all its files downloaded and hashed.

    Raises RunError where the address is none, or MLflow has no such model or alias, or is away.
    """
    found = re.fullmatch(r"models:/([^@]+)@([\w-]{1,255})", what)
    if found is None:
        raise RunError("not a model with an alias", where=what, do="for example models:/adult-income@signed-off")
    with _client(uri) as client:
        there = client.get_model_version_by_alias(found[1], found[2])
        return _read(client, uri, there, found[2])


def registered(uri: str, name: str, sha256: str, ours: Collection[str]) -> Version | None:
    """The newest version of a run's model whose tag says that it is the student with this digest, among those of the
    logged models ``ours``, and what it holds; None if there is none."""
    with _client(uri) as client:
        model = model_name(name)
        found = client.search_model_versions(f"name = '{model}'")
        mine = [one for one in found if one.tags.get(STUDENT) == sha256 and one.source in ours]
        last = max(mine, key=lambda one: int(one.version), default=None)
        return None if last is None else _read(client, uri, last)


def _read(client: Any, uri: str, there: Any, alias: str = "") -> Version:
    return Version(
        name=str(there.name),
        alias=alias,
        number=str(there.version),
        source=str(there.source),
        contents=fetched(client, uri, str(there.name), str(there.version)),
        tags=dict(there.tags),
    )


def move(uri: str, name: str, alias: str, number: str, tags: Mapping[str, str]) -> None:
    """Point an alias at a version, and tag that version. Call it after verification, and write it in the ledger."""
    with _client(uri) as client:
        for key, value in tags.items():
            client.set_model_version_tag(model_name(name), number, key, value[:5000])
        client.set_registered_model_alias(model_name(name), alias, number)


def model_name(name: str) -> str:
    """A run's name as MLflow takes it for a model."""
    return re.sub(r"[/:%\"']", "-", name)


@contextmanager
def _client(uri: str) -> Iterator[Any]:
    hush()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        yield MlflowClient(tracking_uri=uri, registry_uri=uri)
    except (MlflowException, OSError) as fault:
        said = " ".join(str(fault).split())[:200]
        raise RunError(f"MLflow: {said}", where=uri, do="give its address with --track, or try again") from fault
