"""Evidence and policies made by hand for the tests of the audit."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autodistill.records import Policy, Predictions, Requirement
from autodistill.stats import Evidence

COMPAS: Mapping[str, tuple[int, int, int, int]] = {
    # TN, FP, FN, TP of ProPublica's two-year table, Low against Medium and High
    "African-American": (990, 805, 532, 1369),
    "Caucasian": (1139, 349, 461, 505),
    "Hispanic": (318, 87, 129, 103),
    "Other": (208, 36, 90, 43),
    "Asian": (21, 2, 3, 6),
    "Native American": (5, 3, 1, 9),
}


def predictions(decisions: Sequence[int] | Any, classes: int = 2, split: str = "search") -> Predictions:
    codes = np.asarray(decisions, dtype=np.int64)
    scores = np.full((len(codes), classes), 0.1 / max(1, classes - 1), dtype=np.float32)
    scores[np.arange(len(codes)), codes] = 0.9
    return Predictions(view=split, row_ids=np.arange(len(codes)), scores=scores, decisions=codes)


def evidence(y: Any, teacher: Any, student: Any, groups: Mapping[str, Any] | None = None, **more: Any) -> Evidence:
    labels = np.asarray(y, dtype=np.int64)
    classes = more.pop("classes", ("no", "yes"))
    columns = {name: np.asarray(column, dtype=object) for name, column in (groups or {}).items()}
    values: dict[str, Any] = {"positive": 1, "favourable": 1, "split": "search"} | more
    split = values["split"]
    return Evidence(
        row_ids=np.arange(len(labels)),
        y=labels,
        classes=classes,
        groups=columns,
        teacher={split: predictions(teacher, len(classes), split)},
        student={split: predictions(student, len(classes), split)},
        **values,
    )


def compas(names: Sequence[str] = tuple(COMPAS), **more: Any) -> Evidence:
    """The published table as rows; the student decides as the teacher."""
    y, decided, race = [], [], []
    for name in names:
        for count, (label, decision) in zip(COMPAS[name], ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True):
            y += [label] * count
            decided += [decision] * count
            race += [name] * count
    return evidence(y, decided, decided, {"race": race}, **({"favourable": 0} | more))


def check(name: str, limits: Mapping[str, float] | None = None, **options: Any) -> Requirement:
    return Requirement(kind="check", name=name, options=options, limits=limits or {})


def meter(name: str, **limits: float) -> Requirement:
    return Requirement(kind="meter", name=name, limits=limits)


def policy(*require: Requirement, **more: Any) -> Policy:
    return Policy(**({"name": "test", "version": "1", "require": require} | more))


def simulated(
    n: int = 4000, seed: int = 0, *, flips: float = 0.03, bias: Mapping[str, float] | None = None, error: float = 0.12
) -> Evidence:
    """A teacher that errs, a student that differs at random, and in the groups of ``bias`` more often."""
    random = np.random.default_rng(seed)
    sex = random.choice(["Female", "Male"], n, p=[0.35, 0.65]).astype(object)
    race = random.choice(["Black", "Other", "White"], n, p=[0.12, 0.08, 0.8]).astype(object)
    y = (random.random(n) < np.where(sex == "Male", 0.35, 0.2)).astype(np.int64)
    teacher = np.where(random.random(n) < error, 1 - y, y)
    extra = np.zeros(n)
    for name, share in (bias or {}).items():
        extra += share * ((sex == name) | (race == name))
    # A biased student withholds the favourable decision; other flips go both ways.
    student = np.where(random.random(n) < flips, 1 - teacher, teacher)
    student = np.where((random.random(n) < extra) & (student == 1), 0, student)
    return evidence(y, teacher, student, {"sex": sex, "race": race})
