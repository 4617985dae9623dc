"""Rows as they are after reading, and how long a thing takes."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autodistill.records import Predictions
from autodistill.stats import Evidence

METRICS = ("selection_rate", "true_positive_rate", "false_positive_rate", "false_negative_rate", "accuracy")


def timed(work: Callable[[], Any], times: int) -> tuple[float, float]:
    """Median seconds of ``work`` by the clock, and of the processor: the second does not see other processes."""
    taken = []
    for _ in range(times):
        begun, worked = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - begun, time.process_time() - worked))
    clock, processor = zip(*taken, strict=True)
    return statistics.median(clock), statistics.median(processor)


def middle(work: Callable[[], Any], times: int) -> float:
    """Median processor seconds of ``work``."""
    return timed(work, times)[1]


def made(rows: int, groups: int = 24, *, scores: bool = False) -> Evidence:
    """Rows of one split, as they are after reading: decisions of both models, a large attribute and a small one."""
    random = np.random.default_rng(rows)
    names = np.array([f"group {at:02d}" for at in range(groups)], dtype=object)
    region = names[random.integers(0, groups, rows)]
    sex = np.array(["Female", "Male"], dtype=object)[random.integers(0, 2, rows)]
    y = random.integers(0, 2, rows)
    teacher = np.where(random.random(rows, dtype=np.float32) < 0.12, 1 - y, y)
    student = np.where(random.random(rows, dtype=np.float32) < 0.03, 1 - teacher, teacher)
    ids = np.arange(rows)

    def said(decisions: Any) -> Mapping[str, Predictions]:
        table = np.empty((rows, 2 if scores else 0), dtype=np.float32)
        if scores:
            table[:, 1] = np.clip(np.where(decisions == 1, 0.8, 0.2) + 0.19 * (random.random(rows) - 0.5), 0.01, 0.99)
            table[:, 0] = 1 - table[:, 1]
        return {"audit": Predictions(view="audit", row_ids=ids, scores=table, decisions=decisions)}

    return Evidence(
        split="audit",
        row_ids=ids,
        y=y,
        classes=("no", "yes"),
        positive=1,
        favourable=1,
        groups={"region": region, "sex": sex},
        teacher=said(teacher),
        student=said(student),
    )


def fresh(evidence: Evidence) -> Evidence:
    """The same rows, nothing counted yet."""
    return Evidence(**{name: getattr(evidence, name) for name in evidence.__dataclass_fields__})
