"""Every file of a registered version: its digest, and whether the version is loaded as we wrote it.

Whoever loads a model runs what its MLmodel names: a loader, a folder of code, the packages to install. The ONNX file
alone proves little about a version.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from autodistill.records import digest

RECIPE = "MLmodel"
LOADER = "mlflow.onnx"
OURS = frozenset({RECIPE, "model.onnx", "requirements.txt", "conda.yaml", "python_env.yaml"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """Path -> SHA-256 of a version's files; ``odd`` says in what it is not as we write versions."""

    files: Mapping[str, str]
    odd: tuple[str, ...] = ()

    @property
    def student(self) -> str:
        """SHA-256 of its ONNX file; "" where it holds none, or several."""
        found = [sha for name, sha in self.files.items() if name.endswith(".onnx")]
        return found[0] if len(found) == 1 else ""

    @property
    def digest(self) -> str:
        """SHA-256 over all files, in the order of their paths."""
        return whole(self.files)


def whole(files: Mapping[str, str]) -> str:
    """One SHA-256 over path -> SHA-256."""
    return digest("".join(f"{sha}  {name}\n" for name, sha in sorted(files.items())).encode())


def differing(known: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What became of a version's files since ``known``."""
    gone = [f"{name} is missing" for name in sorted(known.keys() - now.keys())]
    new = [f"{name} was added" for name in sorted(now.keys() - known.keys())]
    both = sorted(known.keys() & now.keys())
    return [*gone, *new, *(f"{name} was changed" for name in both if known[name] != now[name])]


def fetched(client: Any, uri: str, name: str, number: str) -> Contents:
    """Download a version of a registered model from where MLflow's own loaders take it, and read it."""
    from mlflow.artifacts import download_artifacts

    address = client.get_model_version_download_uri(name, number)
    with tempfile.TemporaryDirectory() as home:
        local = Path(download_artifacts(artifact_uri=address, dst_path=home, tracking_uri=uri))
        paths = [path for path in local.rglob("*") if path.is_file()] if local.is_dir() else []
        files = {path.relative_to(local).as_posix(): digest(path.read_bytes()) for path in sorted(paths)}
        return Contents(files=files, odd=tuple(_odd(local, files)))


def _odd(local: Path, files: Mapping[str, str]) -> list[str]:
    wrong = [f"it holds {name}, which we do not write" for name in sorted(files.keys() - OURS)]
    try:
        recipe = yaml.safe_load((local / RECIPE).read_text("utf-8"))
        return [*wrong, *_flavours(recipe["flavors"])]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return [*wrong, f"its {RECIPE} cannot be read"]


def _flavours(flavours: Mapping[str, Mapping[str, Any]]) -> list[str]:
    wrong = [f"it can be loaded as {name} too" for name in sorted(flavours.keys() - {"onnx", "python_function"})]
    python, onnx = flavours["python_function"], flavours["onnx"]
    if python.get("loader_module") != LOADER:
        wrong.append(f"its loader is {python.get('loader_module')}, not {LOADER}")
    if python.get("code") is not None or onnx.get("code") is not None:
        wrong.append("it brings code of its own")
    if {python.get("data"), onnx.get("data")} != {"model.onnx"}:
        wrong.append("it does not load model.onnx")
    return wrong
