"""A small table of loans that several rooms train on: numbers with a heavy tail and gaps, words with gaps, two or three
classes. Nothing here is random from run to run."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import signed_run
import small_run

from autodistill.inputs import Encoding
from autodistill.inputs.tabular import Tabular


@dataclass(frozen=True)
class Loans:
    """``features`` of ``rows`` rows, ``y`` class codes, the classes, and the front end fitted on the first half."""

    features: Mapping[str, Any]
    y: Any
    classes: tuple[str, ...]
    encoding: Encoding

    def at(self, rows: slice) -> Mapping[str, Any]:
        return {name: column[rows] for name, column in self.features.items()}


def table(rows: int = 1200, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    age = rng.uniform(18, 80, rows).astype(np.float32)
    income = np.exp(rng.normal(3, 1.6, rows)).astype(np.float32)
    savings = rng.normal(0, 1, rows).astype(np.float32)
    savings[rng.random(rows) < 0.15] = np.nan
    job = np.array(["clerk", "smith", "nurse", "", "pilot"], object)[rng.choice(5, rows, p=[0.4, 0.3, 0.2, 0.05, 0.05])]
    town = np.array(["Ulm", "Bath", "Wien"], object)[rng.integers(0, 3, rows)]
    return {"age": age, "job": job, "income": income, "town": town, "savings": savings}


def truth(features: Mapping[str, Any], classes: int) -> Any:
    rng = np.random.default_rng(1)
    score = np.log1p(features["income"]) - 3 + (features["age"] > 50) + (features["job"] == "pilot") * 2.0
    score = score + np.nan_to_num(features["savings"]) + rng.normal(0, 0.5, len(score))
    return np.digitize(score, [0.5] if classes == 2 else [0.0, 1.5]).astype(np.int64)


@pytest.fixture(scope="session")
def loans() -> Callable[[int], Loans]:
    """Tables by number of classes (1: regression)."""

    def made(classes: int = 2) -> Loans:
        features, names = table(), ("no", "perhaps", "yes")
        y = truth(features, classes) if classes > 1 else np.log1p(features["income"]).astype(np.float64)
        words = () if classes == 1 else ("no", "yes") if classes == 2 else names
        half = {name: column[:600] for name, column in features.items()}
        return Loans(features, y, words, Tabular().fit(half, y[:600], words))

    known = {classes: made(classes) for classes in (1, 2, 3)}
    return lambda classes=2: known[classes]


@pytest.fixture(scope="session", autouse=True)
def _own_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The auditor's key of the tests, never the user's."""
    before = os.environ.get("XDG_CONFIG_HOME")
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))
    yield
    os.environ.pop("XDG_CONFIG_HOME")
    if before is not None:
        os.environ["XDG_CONFIG_HOME"] = before


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> small_run.Run:
    """A whole search that measured; others replay its readings and share its cache."""
    root = tmp_path_factory.mktemp("recorded")
    return small_run.search(root, root / "cache")


@pytest.fixture(scope="session")
def signed(recorded: small_run.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with that search, approved by Ada; not to be changed."""
    return signed_run.project(recorded, tmp_path_factory.mktemp("signed"))


@pytest.fixture
def copy(signed: Path, tmp_path: Path) -> Path:
    """The signed project, to be changed."""
    root = tmp_path / "copy"
    shutil.copytree(signed, root)
    return root
