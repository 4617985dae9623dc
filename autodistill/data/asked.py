"""What may be asked of a table: the types behind the ``data:`` block of an experiment file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

SHARES: Mapping[str, float] = {"train": 0.4, "search": 0.15, "audit": 0.225, "sealed": 0.225}

BETWEEN = " & "
"""Stands between the names of crossed attributes, and between their values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupSpec:
    """One audited attribute. ``merge`` maps a new name to the values that it replaces.

    ``cross`` names other attributes: this one is then their intersections, and ``column`` its own name, "sex & race".
    """

    column: str
    merge: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cross: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSpec:
    """The table and the part that each column plays.

    ``input`` is the modality and its options. ``positive`` is the class that rates speak of (two classes);
    ``favourable`` defaults to it. ``groups`` are audited, and are features only with ``group_features``; ``drop`` names
    columns that are neither. ``split`` maps the four splits to shares, or names a column that holds the four names.
    ``unlabelled`` is a file of further rows without label, for the teacher to label.
    ``threshold`` on the positive class's probability (None: argmax), ``weights``, ``entity`` (its rows stay in one
    split) and ``row_id`` name columns that are not features. ``task`` decides how ``target`` is read;
    ``unit`` says what a regression's target counts, for people who read the report.
    """

    table: Path
    target: str
    input: tuple[str, Mapping[str, Any]] = ("tabular", {})
    positive: str | None = None
    favourable: str | None = None
    groups: tuple[GroupSpec, ...] = ()
    group_features: bool = False
    drop: tuple[str, ...] = ()
    split: Mapping[str, float] | str = field(default_factory=lambda: dict(SHARES))
    threshold: float | None = None
    weights: str | None = None
    entity: str | None = None
    row_id: str | None = None
    unlabelled: Path | None = None
    task: Literal["classification", "regression"] = "classification"
    unit: str | None = None
