"""What a table's columns look like: which can be the target, which are likely groups, which name rows, and which say
nothing that a model can read. Nothing is decided here that a person has not said; likely things are offered."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from autodistill import data
from autodistill.data import columns
from autodistill.data.columns import Place
from autodistill.data.table import Source
from autodistill.data.wide import LEAST
from autodistill.errors import TableError
from autodistill.records import ObjectArray

Kind = Literal["number", "string", "text", "picture", "array", "empty", "unreadable"]

MOST_GROUPS = 12  # more values are rarely groups of people
FEW_NUMBERS = 20  # distinct whole numbers up to here may be classes
LONG, WORDS = 25, 4  # characters and words of a cell, on average, from which on a column is text
ROWS_EACH = 1.5  # rows that an entity has on average at least
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
TARGETS = ("target", "label", "y", "class", "outcome", "response")
SPLIT = re.compile(r"[^a-z0-9]+")
PEOPLE = frozenset({
    "sex", "gender", "race", "ethnicity", "ethnic", "nationality", "religion", "disability", "disabled", "marital",
    "age", "agegroup", "ageband", "language", "skin", "skintone", "origin", "citizenship", "caste", "orientation",
})  # fmt: skip
NAMES_ROWS = frozenset(["id", "uuid", "guid", "index", "rowid", "key", "identifier"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column. ``values`` are its distinct cells where there are few, ``unfit`` says why it cannot be a feature."""

    name: str
    kind: Kind
    distinct: int
    missing: int
    values: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    whole: bool = False
    people: bool = False
    names_rows: bool = False
    entity: bool = False
    unfit: str = ""

    @property
    def grouping(self) -> bool:
        """Whether it could be audited as it is."""
        return self.kind in {"string", "number"} and 2 <= self.distinct <= MOST_GROUPS and bool(self.values)


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """A table: its columns in order, and how many rows it has."""

    path: Path
    rows: int
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column | None:
        """The column of a name."""
        return next((one for one in self.columns if one.name == name), None)

    @property
    def targets(self) -> tuple[str, ...]:
        """Likely targets, the likeliest first: by their names, else the last column."""
        named = [one.name for one in self.columns if one.name.casefold() in TARGETS]
        return tuple(named) or (self.columns[-1].name,)

    @property
    def people(self) -> tuple[str, ...]:
        """Columns whose names speak of people and that have few values."""
        return tuple(one.name for one in self.columns if one.people and one.grouping)

    @property
    def too_fine(self) -> tuple[str, ...]:
        """Columns whose names speak of people, with too many values to be compared."""
        return tuple(one.name for one in self.columns if one.people and one.distinct > MOST_GROUPS)


def look(path: Path) -> Looked:
    """Read a table and look at each column. Raises ``TableError`` where there is no such table."""
    opened = data.source(path)
    if opened.bytes < LEAST:
        opened = opened.in_memory()
    seen = tuple(_column(*_cells(opened, name), name, str(path)) for name in opened.names)
    return Looked(path=path, rows=opened.rows, columns=seen)


def _cells(opened: Source, name: str) -> tuple[pa.ChunkedArray, int]:
    """A column's cells, and how many are missing; of arrays and bytes, which may be large, some of the cells."""
    kind = opened.schema.field(name).type
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    if not (binary or pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType)):
        cells = opened.table([name])[name]
        return cells, cells.null_count
    missing, found = 0, None
    for some in opened.batches([name]):
        missing += some[name].null_count
        found = some[name] if found is None or found.null_count == len(found) else found
    return found, missing


def _column(cells: pa.ChunkedArray, missing: int, name: str, file: str) -> Column:
    place = Place(file, name)
    try:
        kind = columns.kind(cells, place)
    except TableError as fault:
        shape: Kind = "unreadable" if pa.types.is_temporal(cells.type) else "array"
        return Column(name=name, kind=shape, distinct=0, missing=missing, unfit=fault.what)
    if kind == "empty":
        return Column(name=name, kind="empty", distinct=0, missing=missing)
    text = columns.strings(cells)
    known = text[text != ""]
    values, counts = np.unique(known.astype(str), return_counts=True)
    few = len(values) <= max(50, FEW_NUMBERS)
    parts = {part for part in SPLIT.split(name.casefold()) if part}
    entity = bool(parts & NAMES_ROWS) and FEW_NUMBERS < len(values) <= len(known) / ROWS_EACH
    return Column(
        name=name,
        kind=_words(known) if kind == "string" else "number",
        distinct=len(values),
        missing=int((text == "").sum()),
        values=tuple(map(str, values)) if few else (),
        counts=tuple(map(int, counts)) if few else (),
        whole=kind == "number" and all("." not in value and "e" not in value for value in values),
        people=bool(parts & PEOPLE),
        names_rows=_names_rows(known, kind == "number", parts),
        entity=entity,
        unfit=_unfit(text, kind == "string", place),
    )


def _words(known: ObjectArray) -> Kind:
    """Whether strings are categories, texts, or paths of pictures."""
    sample = known[:: max(1, len(known) // 500)]
    if all(str(one).casefold().endswith(PICTURES) for one in sample):
        return "picture"
    length = float(np.mean([len(one) for one in sample]))
    words = float(np.mean([len(one.split()) for one in sample]))
    return "text" if length >= LONG and words >= WORDS else "string"


def _names_rows(known: ObjectArray, number: bool, parts: set[str]) -> bool:
    """Whether every row has its own value, and the values or the column's name say that it only names the row."""
    if len(known) < FEW_NUMBERS or len(set(known.tolist())) < len(known):
        return False
    if parts & NAMES_ROWS:
        return True
    if not number:
        return False
    try:
        numbers = np.array([int(value) for value in known])
    except ValueError:
        return False
    return int(np.ptp(numbers)) == len(numbers) - 1


def _unfit(text: ObjectArray, string: bool, place: Place) -> str:
    if string:
        try:
            columns.mixed(text, place)
        except TableError as fault:
            return fault.what
    return ""
