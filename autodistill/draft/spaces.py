"""The students that a first search tries, by what they read: small families first, ranges that fit the table."""

from collections.abc import Mapping
from typing import Any

from autodistill.records import Dataset

COLUMNS = 20  # a student that reads more is rarely the smallest
WIDE: Mapping[str, Any] = {"low": 4, "high": 64, "log": True}
MODAL: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "image": (
        {"family": "convnet", "width": [4, 8, 16, 32], "blocks": [1, 2, 3, 4], "precision": ["fp32", "int8"]},
        {"family": "resnet", "width": [4, 8], "blocks": [1, 2]},
        {"family": "mlp", "width": {"low": 8, "high": 128, "log": True}, "depth": 1, "precision": ["fp32", "int8"]},
        {"family": "linear"},
    ),
    "text": (
        {"family": "embedding_bag", "width": [8, 16, 32], "precision": ["fp32", "int8"]},
        {"family": "textcnn", "width": [8, 16, 32], "filters": [8, 16, 32], "precision": ["fp32", "int8"]},
        {"family": "linear"},
    ),
    "audio": (
        {"family": "convnet", "width": [4, 8, 16], "blocks": [1, 2, 3], "precision": ["fp32", "int8"]},
        {"family": "tcn", "width": [4, 8, 16], "blocks": [0, 1, 2]},
        {"family": "linear"},
    ),
    "series": (
        {"family": "tcn", "width": [4, 8, 16], "blocks": [0, 1, 2], "precision": ["fp32", "int8"]},
        {"family": "tree", "leaves": {"low": 8, "high": 64, "log": True}},
        {"family": "linear"},
    ),
}


def students(kind: str, dataset: Dataset) -> tuple[Mapping[str, Any], ...]:
    """The families of a modality with what to try of each."""
    if kind != "tabular":
        return MODAL[kind]
    count = len(dataset.features)
    columns = {"columns": {"low": 3, "high": min(count, COLUMNS)}} if count >= 6 else {}
    return (
        {"family": "boosted", "trees": {"low": 3, "high": 60}, "leaves": [4, 8, 16], "learning_rate": [0.1, 0.2, 0.4],
         **columns},
        {"family": "mlp", "width": WIDE, "depth": [1, 2], "precision": ["fp32", "int8"], **columns},
        {"family": "tree", "leaves": {"low": 4, "high": 128, "log": True}, **columns},
        {"family": "linear", **columns},
    )  # fmt: skip


def losses(dataset: Dataset) -> list[str]:
    """What is tried; `none` is the student without its teacher, so that it is seen whether distillation helps."""
    if not dataset.classes:
        return ["squared_error", "none"]
    return ["soft_targets", "none"] if len(dataset.classes) == 2 else ["soft_targets", "standardized_logits", "none"]


def batch(dataset: Dataset) -> int:
    """Rows of a step of training: some twenty steps an epoch or more."""
    rows = len(dataset.splits["train"])
    return next((size for size, least in ((512, 10_000), (128, 2_000)) if rows >= least), 32)
