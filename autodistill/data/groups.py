"""Group columns -> the audited attributes: strings, merged and crossed as asked, "" where unknown."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from autodistill.data import columns
from autodistill.data.asked import BETWEEN, GroupSpec
from autodistill.data.columns import Place
from autodistill.errors import TableError
from autodistill.plugins import suggest
from autodistill.records import ObjectArray

MOST, MOST_CROSSED = 50, 200
TAKEN = {"rest": "all other groups", "(unknown)": "rows of no known group"}
"""What an audit calls other rows: a group of such a name would be compared with itself, or not at all."""


def groups(table: pa.Table, asked: tuple[GroupSpec, ...], file: str) -> tuple[Mapping[str, ObjectArray], list[str]]:
    """Each attribute as object [N] of str, in the order asked, and notes on rows of unknown group."""
    plain: dict[str, ObjectArray] = {}
    for one in asked:
        if not one.cross:
            place = Place(file, one.column)
            columns.kind(table[one.column], place)
            plain[one.column] = _merged(columns.strings(table[one.column]), one, place)
    found: dict[str, ObjectArray] = {}
    notes = []
    for one in asked:
        name, values = crossed(plain, one.cross) if one.cross else (one.column, plain[one.column])
        _refuse_unusable(values, Place(file, name), MOST_CROSSED if one.cross else MOST)
        unknown = int((values == "").sum())
        if unknown:
            notes.append(f"group {name!r} is unknown in {unknown:,} of {len(values):,} rows")
        found[name] = values
    return found, notes


def crossed(columns: Mapping[str, ObjectArray], names: Sequence[str]) -> tuple[str, ObjectArray]:
    """The intersections of attributes: ("sex & race", object [N] of "Female & Black"), "" where any part is unknown.

    ``columns`` maps an attribute to object [N] of str. Raises ``TableError`` for fewer than two attributes, for one
    that is not there or stands twice, and where two intersections would have one name.
    """
    name = BETWEEN.join(names)
    if len(names) < 2 or len(set(names)) < len(names):
        raise TableError("an intersection needs two or more attributes, each once", where=name, do="name them")
    for part in names:
        if part not in columns:
            raise TableError(f"an intersection of {part!r}, which is no group", where=name, do=suggest(part, columns))
    rows = list(zip(*(columns[part].tolist() for part in names), strict=True))
    called = {parts: BETWEEN.join(map(str, parts)) if "" not in parts else "" for parts in set(rows)}
    known = [value for value in called.values() if value]
    if len(set(known)) < len(known):
        twice = next(value for value in known if known.count(value) > 1)
        raise TableError(f"two intersections are both called {twice!r}", where=name, do="rename or merge a value")
    out = np.empty(len(rows), dtype=object)
    out[:] = [called[parts] for parts in rows]
    return name, out


def _refuse_unusable(values: ObjectArray, place: Place, most: int) -> None:
    known = sorted(set(values) - {""})
    if len(known) < 2:
        what = f"only one group, {known[0]!r}" if known else "every cell is missing"
        raise TableError(what, where=str(place), do="nothing to compare: take it off groups")
    for name, means in TAKEN.items():
        if name in known:
            what = f"a group is called {name!r}, which is the audit's word for {means}"
            raise TableError(what, where=str(place), do="rename it")
    if len(known) > most:
        do = "cut it into bands, or merge values"
        raise TableError(f"{len(known)} groups are too many to compare", where=str(place), do=do)


def _merged(values: ObjectArray, one: GroupSpec, place: Place) -> ObjectArray:
    there = sorted(set(values) - {""})
    merged = values.copy()
    taken: dict[str, str] = {}
    for name, members in one.merge.items():
        if not name:
            raise TableError("a merged group has no name", where=str(place), do="name it")
        for member in members:
            if member not in there:
                raise TableError(f"merge names no value {member!r}", where=str(place), do=suggest(member, there))
            if member in taken:
                both = f"{member!r} is merged into {taken[member]!r} and {name!r}"
                raise TableError(both, where=str(place), do="give it one group")
            taken[member] = name
        merged[np.isin(values, np.array(members, dtype=object))] = name
    return merged
