"""Group columns -> the audited attributes: strings, merged as asked, "" where unknown."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from autodistill.data import columns
from autodistill.data.asked import GroupSpec
from autodistill.data.columns import Place
from autodistill.errors import TableError
from autodistill.plugins import suggest
from autodistill.records import ObjectArray

MOST = 50


def groups(table: pa.Table, asked: tuple[GroupSpec, ...], file: str) -> tuple[Mapping[str, ObjectArray], list[str]]:
    """Each attribute as object [N] of str, and notes on rows of unknown group."""
    found: dict[str, ObjectArray] = {}
    notes = []
    for one in asked:
        place = Place(file, one.column)
        columns.kind(table[one.column], place)
        values = _merged(columns.strings(table[one.column]), one, place)
        known = sorted(set(values) - {""})
        if len(known) < 2:
            what = f"only one group, {known[0]!r}" if known else "every cell is missing"
            raise TableError(what, where=str(place), do="nothing to compare: take it off groups")
        if len(known) > MOST:
            do = "cut it into bands, or merge values"
            raise TableError(f"{len(known)} groups are too many to compare", where=str(place), do=do)
        unknown = int((values == "").sum())
        if unknown:
            notes.append(f"group {one.column!r} is unknown in {unknown:,} of {len(values):,} rows")
        found[one.column] = values
    return found, notes


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
