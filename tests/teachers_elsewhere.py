"""A small table for teachers that were fitted elsewhere."""

from pathlib import Path
from typing import Any

import numpy as np

from autodistill import teacher
from autodistill.inputs.tabular import Tabular
from autodistill.records import Dataset, digest

N = 400


def numbers(classes: tuple[str, ...] = ("a", "b"), *, words: bool = False, n: int = N) -> Dataset:
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=(2, n)).astype(np.float32)
    y = np.digitize(x + 0.4 * z, np.quantile(x, np.arange(1, len(classes)) / max(1, len(classes)))).astype(np.int64)
    features: dict[str, Any] = {"x": x, "z": z}
    if words:
        features["job"] = rng.choice(["clerk", "smith"], n).astype(object)
    parts = {"train": slice(0, 200), "search": slice(200, 300), "audit": slice(300, 350), "sealed": slice(350, n)}
    return Dataset(
        features=features,
        y=y if classes else (x + 0.4 * z).astype(np.float64),
        classes=classes,
        positive=1 if len(classes) == 2 else None,
        favourable=None,
        groups={},
        row_ids=np.array([f"r{at}" for at in range(n)]),
        splits={name: np.arange(n)[at] for name, at in parts.items()},
        digests={},
        row_digests=np.array([digest(f"{at}".encode())[:16] for at in range(n)]),
        leakage={},
    )


def prepare(of: Dataset, cache: Path, kind: str, **options: Any) -> teacher.Teacher:
    encoding = Tabular().fit(of.rows("train"), of.y[of.splits["train"]], of.classes)
    given = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    return teacher.prepare(kind, given, of, encoding, cache=cache)


def matrix(of: Dataset) -> np.ndarray:
    return np.stack([of.features["x"], of.features["z"]], axis=1)
