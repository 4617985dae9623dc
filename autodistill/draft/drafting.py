"""From what a person said and what a table shows to an experiment file and a policy."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from autodistill import data
from autodistill.data import DataSpec, GroupSpec
from autodistill.draft import texts
from autodistill.draft.looking import FEW_NUMBERS, Column, Looked
from autodistill.draft.margins import Margins, margins
from autodistill.draft.taught import Asked, Taught, taught
from autodistill.errors import TableError, TeacherError
from autodistill.inputs._pieces import options as pieces
from autodistill.plugins import suggest
from autodistill.records import Dataset

LEAST = 36  # audit rows of a group: what a policy's n_min of 30 needs, and some for the luck of the draw
RESERVED = "label"  # the artefact's own output
YES = ({"0", "1"}, {"no", "yes"}, {"false", "true"}, {"n", "y"}, {"negative", "positive"}, {"-1", "1"}, {"f", "t"})
AFFIRMS = ("1", "yes", "true", "y", "positive", "t")
MODALITIES = {"text": "text", "picture": "image"}

Task = Literal["classification", "regression"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """What a person said, or was asked."""

    target: str
    teacher: str
    groups: tuple[str, ...] = ()
    positive: str | None = None
    task: Task | None = None
    drop: tuple[str, ...] = ()
    entity: str | None = None
    row_id: str | None = None
    input: str | None = None
    minutes: float = 3.0
    trust: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All that both texts say. ``left_out`` maps a column that is no feature to the reason, ``notes`` are for the
    reader of the terminal and of the file."""

    name: str
    choices: Choices
    table: Path
    data: DataSpec
    dataset: Dataset
    teacher: Taught
    margins: Margins
    policy_path: Path
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """An experiment file and its policy, as text, and the plan behind them."""

    experiment: str
    policy: str
    plan: Plan


def guess_task(column: Column) -> Task:
    """A target of strings or of few whole numbers is a class."""
    few = column.whole and column.distinct <= FEW_NUMBERS
    return "regression" if column.kind == "number" and not few and column.distinct > 2 else "classification"


def guess_positive(column: Column) -> str | None:
    """The class that affirms, where two classes are yes and no under one of their usual names."""
    folded = {value.casefold(): value for value in column.values}
    if set(folded) not in YES:
        return None
    return next(folded[word] for word in AFFIRMS if word in folded)


def draft(looked: Looked, choices: Choices, out: Path, policy: Path) -> Draft:
    """Both texts for the files ``out`` and ``policy``. Raises ``TableError`` and ``TeacherError`` with the way on."""
    target = _named(looked, choices.target, "target")
    for name in choices.groups:
        _named(looked, name, "group")
    task = choices.task or guess_task(target)
    teacher, task = _teacher(looked, choices, target, task)
    entity = choices.entity or _entity(looked, choices)
    left_out = _left_out(looked, replace(choices, entity=entity), teacher)
    kind = _input(looked, choices, teacher)
    merged = {name: _merge(_named(looked, name, "group")) for name in choices.groups}
    two = task == "classification" and target.distinct == 2
    asked = DataSpec(
        table=looked.path,
        target=choices.target,
        input=kind,
        positive=choices.positive if two else None,
        groups=tuple(GroupSpec(column=name, merge=merge) for name, merge in merged.items()),
        drop=tuple(left_out) if kind[0] == "tabular" else (),
        entity=entity,
        row_id=choices.row_id,
        task=task,
    )
    dataset = data.load(asked)
    plan = Plan(
        name=re.sub(r"[^A-Za-z0-9._-]+", "-", out.stem).strip("-.") or "experiment",
        choices=choices,
        table=looked.path,
        data=asked,
        dataset=dataset,
        teacher=teacher,
        margins=margins(dataset),
        policy_path=policy,
        left_out=left_out if kind[0] == "tabular" else {},
        notes=_notes(looked, choices, dataset, asked),
    )
    return Draft(experiment=texts.experiment(plan), policy=texts.policy(plan), plan=plan)


def _named(looked: Looked, name: str, role: str) -> Column:
    found = looked.column(name)
    if found is None:
        names = [one.name for one in looked.columns]
        raise TableError(f"no column {name!r} (--{role})", where=str(looked.path), do=suggest(name, names))
    return found


def _teacher(looked: Looked, choices: Choices, target: Column, task: Task) -> tuple[Taught, Task]:
    """The teacher, and the task where it knows that better than the column's looks."""
    asked = Asked(
        table=looked.path,
        names=tuple(one.name for one in looked.columns),
        classes=target.values if task == "classification" else (),
        positive=choices.positive,
        row_id=choices.row_id,
        trust=choices.trust,
        task=task,
    )
    found = taught(choices.teacher, asked)
    if found.task is None or found.task == task:
        return found, task
    if choices.task is not None or target.kind != "number":
        what = f"it is made for {found.task}, and the target {target.name!r} is read as {task}"
        raise TeacherError(what, where=f"--teacher {choices.teacher}", do=f"name one for {task}, or another --target")
    return found, found.task


def _left_out(looked: Looked, choices: Choices, teacher: Taught) -> dict[str, str]:
    """Columns that are no features, and why."""
    part = {choices.target, choices.row_id, choices.entity, choices.input, *choices.groups}
    found: dict[str, str] = {}
    for one in looked.columns:
        if one.name in part:
            continue
        if one.name in choices.drop:
            found[one.name] = "asked"
        elif one.name in teacher.drop:
            found[one.name] = "the teacher's own answer"
        elif one.unfit:
            found[one.name] = one.unfit
        elif one.names_rows:
            found[one.name] = "names the rows"
        elif one.name == RESERVED or not one.name.strip():
            found[one.name] = "the name is the artefact's own: rename the column to use it"
    for name in choices.drop:
        _named(looked, name, "drop")
    return found


def _entity(looked: Looked, choices: Choices) -> str | None:
    """The column that says whose a row is, where one is called so and its values come back."""
    taken = {choices.target, choices.row_id, *choices.groups, *choices.drop}
    return next((one.name for one in looked.columns if one.entity and one.name not in taken), None)


def _input(looked: Looked, choices: Choices, teacher: Taught) -> tuple[str, dict[str, Any]]:
    """A table's many columns; or the one column that is the input: it was named, or the teacher reads no other."""
    taken = {choices.target, choices.row_id, *choices.groups, *choices.drop}
    modal = [one for one in looked.columns if one.name not in taken and one.kind in {"text", "picture", "array"}]
    name = choices.input
    if name is None and teacher.kind == "huggingface":
        if len(modal) != 1:
            listed = ", ".join(one.name for one in modal) or "none looks like texts, pictures or arrays"
            raise TableError(f"which column the model reads is not clear ({listed})", where=str(looked.path),
                             do="name it with --input COLUMN")  # fmt: skip
        name = modal[0].name
    if name is None:
        return "tabular", {}
    column = _named(looked, name, "input")
    kind = MODALITIES.get(column.kind) or ("text" if column.kind == "string" else "")
    if kind == "text" and teacher.kind == "huggingface":
        return kind, {"column": name, **pieces(str(teacher.options["model"]))}
    return (kind or _shape(looked.path, name)), {"column": name}


def _shape(path: Path, name: str) -> str:
    """Of a column of arrays or bytes: encoded pictures, arrays of rank 2 or more a cell, or series."""
    kind = str(data.source(path).schema.field(name).type)
    if "binary" in kind:
        return "image"
    return "image" if kind.count("list<") > 1 or kind.count(",") > 1 else "series"


def _merge(column: Column) -> dict[str, tuple[str, ...]]:
    """Groups with too few rows to be judged, put together; where they are too few still, the next smallest joins, if
    it is small itself: no large group is hidden among small ones."""
    least = math.ceil(LEAST / data.SHARES["audit"])
    sizes = sorted(zip(column.counts, column.values, strict=True))
    rare = [value for count, value in sizes if count < least]
    if not rare or len(sizes) < 3:
        return {}
    rest = [(count, value) for count, value in sizes if value not in rare]
    if "Other" in {value for _, value in rest}:
        rare.append("Other")
        rest = [one for one in rest if one[1] != "Other"]
    small = [one for one in rest[:-1] if one[0] < 2 * least]
    while small and (len(rare) < 2 or sum(c for c, v in sizes if v in rare) < least):
        rare.append(small.pop(0)[1])
    return {"Other": tuple(rare)} if len(rare) > 1 and rest else {}


def _notes(looked: Looked, choices: Choices, dataset: Dataset, asked: DataSpec) -> tuple[str, ...]:
    notes = list(dataset.notes)
    others = [name for name in looked.people if name not in choices.groups and name != choices.target]
    if others:
        notes.append(f"not audited, although the name speaks of people: {', '.join(others)}")
    for name in looked.too_fine:
        if name not in choices.groups:
            notes.append(f"{name!r} has too many values to be audited: cut it into bands in a column of its own")
    if asked.entity is not None and choices.entity is None:
        notes.append(f"{asked.entity!r} says whose a row is (its values come back): nobody's rows stand in two splits")
    return tuple(notes)
