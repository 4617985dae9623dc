"""``load``: a table on disk -> a ``Dataset`` with four splits, digests and leakage counts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autodistill.data import columns, digest, modal, split, wide
from autodistill.data.asked import DataSpec
from autodistill.data.columns import Place
from autodistill.data.features import features, leaks
from autodistill.data.groups import groups
from autodistill.data.table import source
from autodistill.data.target import Target, target
from autodistill.errors import TableError
from autodistill.plugins import suggest
from autodistill.records import SPLITS, Dataset, Features, FloatArray, IntArray, batches


def fingerprint(path: Path, without: str | None = None) -> str:
    """The digest that a table has in ``Dataset.digests``, of the file as it is now; ``without`` is its split column.

    Raises ``TableError``.
    """
    opened = source(path)
    names = sorted(name for name in opened.names if name != without)
    return digest.together(wide.content(opened, names), names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """Rows [N] as what deals them sees them. ``content`` is the digest of all cells; ``same`` and ``entity`` (None:
    no entity column) are keys that are equal where rows may not be torn apart; ``named`` holds the split column's own
    assignment, where there is one, and ``assign(at, dealt)`` deals the rows at ``at`` by the shares otherwise."""

    content: npt.NDArray[np.void]
    same: npt.NDArray[np.uint64]
    entity: npt.NDArray[np.uint64] | None
    columns: tuple[str, ...]
    named: IntArray | None
    assign: Callable[[IntArray, Sequence[int] | None], IntArray]


Deal = Callable[[Keyed], IntArray]
"""int64 [N]: the split of each row as an index into ``SPLITS``; -1 leaves a row out of all four."""


def at_once(rows: Keyed) -> IntArray:
    """Every row is dealt here and now: what a single search does."""
    return rows.assign(np.arange(len(rows.same)), None) if rows.named is None else rows.named


def load(spec: DataSpec, seed: int = 0, deal: Deal = at_once) -> Dataset:
    """Read the table, give each column its part, and deal the rows to the four splits.

    Split membership depends on the rows' content and on ``seed``, not on their order; each split lists its rows in
    order of content, so that whatever is fitted on it does not depend on the file's order either. ``row_ids`` are the
    ``row_id`` column, or the rows' places in the file, from 0. Raises ``TableError``. ``deal`` decides the splits.
    """
    file = str(spec.table)
    opened = source(spec.table)
    part = _parts(spec, list(opened.names))
    names = sorted(n for n in opened.names if n != spec.split)
    one = modal.column(spec.input) is not None
    notes: tuple[str, ...]
    if one and opened.bytes >= wide.LEAST:
        table = opened.table([n for n in opened.names if n in _beside(spec)])
    else:
        opened = opened.in_memory()
        table = opened.table()
    wanted = target(table[spec.target], spec, Place(file, spec.target))
    attributes, group_notes = groups(table, spec.groups, file)
    # Of all columns, whatever their part: an audited row stays the same row when the experiment file changes.
    if one:
        content, notes = wide.content(opened, names), ()
        kept = wide.read(opened, spec.input, content)
    else:
        kept, notes = features(table, [n for n in table.column_names if n not in part], file)
        content = digest.rows({name: table[name] for name in names})
    keys = _keys(content, kept, wanted)
    entity = None if spec.entity is None else _entity(table[spec.entity], Place(file, spec.entity))
    units = split.units([keys.same] if entity is None else [keys.same, entity])
    keyed = Keyed(
        content=keys.row,
        same=keys.same,
        entity=None if spec.entity is None else digest.keys(digest.rows({"": table[spec.entity]})),
        columns=tuple(names),
        named=_named(columns.strings(table[spec.split]), Place(file, spec.split))
        if isinstance(spec.split, str)
        else None,
        assign=_dealer(spec, seed, wanted, attributes, keys.row, units),
    )
    chosen = deal(keyed)
    inside = chosen >= 0
    counts = split.leakage(
        chosen[inside], keys.same[inside], keys.features[inside], None if entity is None else entity[inside]
    )
    _refuse_unusable(chosen, wanted, counts, file)
    determined = () if one else leaks(kept, wanted.y, wanted.classes, file)
    rank = np.argsort(digest.keys(keys.row), kind="stable")
    splits = {name: rank[chosen[rank] == at] for at, name in enumerate(SPLITS)}
    return Dataset(
        features=kept,
        y=wanted.y,
        classes=wanted.classes,
        positive=wanted.positive,
        favourable=wanted.favourable,
        threshold=spec.threshold,
        groups=attributes,
        row_ids=_row_ids(table, spec),
        splits=splits,
        weights=None if spec.weights is None else _weights(table[spec.weights], Place(file, spec.weights)),
        entity=entity,
        units=units,
        digests={"table": digest.together(keys.row, names)}
        | {name: digest.together(keys.row[at]) for name, at in splits.items()},
        row_digests=digest.short(keys.row),
        leakage={**counts, "determine_label": len(determined)},
        notes=(*notes, *group_notes, *_warnings(counts, determined)),
    )


@dataclass(frozen=True, slots=True)
class _Keys:
    """Of each row [N]: the digest of all cells; keys that are equal where features and label, or features, are."""

    row: npt.NDArray[np.void]
    same: npt.NDArray[np.uint64]
    features: npt.NDArray[np.uint64]


def _parts(spec: DataSpec, names: list[str]) -> Mapping[str, str]:
    """The columns that are no features, and what they are instead; refuses unknown ones and those with two parts."""
    part: dict[str, str] = {}
    single = {
        "target": spec.target,
        "weights": spec.weights,
        "entity": spec.entity,
        "row_id": spec.row_id,
        "split": spec.split if isinstance(spec.split, str) else None,
    }
    asked = [(role, name) for role, name in single.items() if name is not None]
    asked += [("input", name) for name in [modal.column(spec.input)] if name is not None]
    asked += [("groups", g.column) for g in spec.groups if not g.cross] + [("drop", name) for name in spec.drop]
    for role, name in asked:
        if name not in names:
            raise TableError(f"no column {name!r} ({role})", where=str(spec.table), do=suggest(name, names))
        if name in part and {part[name], role} != {"groups", "drop"}:
            both = f"column {name!r} is named under {part[name]} and {role}"
            raise TableError(both, where=str(spec.table), do="give it one part")
        part[name] = role
    if spec.group_features:
        part = {name: role for name, role in part.items() if role != "groups"}
    return part


def _beside(spec: DataSpec) -> set[str]:
    """The columns with a part of their own: all that is read whole where the input is one large column."""
    named = {spec.target, spec.weights, spec.entity, spec.row_id, *(group.column for group in spec.groups)}
    return {name for name in (*named, spec.split) if isinstance(name, str)}


def _keys(content: npt.NDArray[np.void], kept: Features, wanted: Target) -> _Keys:
    label, parts, at = pa.chunked_array([pa.array(wanted.y)]), [], 0
    for some in batches(kept):
        seen = {name: pa.chunked_array([modal.cells(values)]) for name, values in some.items()}
        many = len(next(iter(seen.values())))
        parts.append(digest.labelled(seen, label.slice(at, many)))
        at += many
    return _Keys(content, *(digest.keys(np.concatenate(one)) for one in zip(*parts, strict=True)))


def _dealer(
    spec: DataSpec,
    seed: int,
    wanted: Target,
    attributes: Mapping[str, npt.NDArray[np.object_]],
    content: npt.NDArray[np.void],
    units: IntArray,
) -> Callable[[IntArray, Sequence[int] | None], IntArray]:
    """Deals some rows by the shares, beside those that were dealt before."""
    strata = [wanted.stratum, *attributes.values()]

    def assign(at: IntArray, dealt: Sequence[int] | None) -> IntArray:
        if isinstance(spec.split, str):
            raise TypeError("a table with a split column is dealt by it")
        shares = _shares(spec.split, str(spec.table))
        mine = np.unique(units[at], return_inverse=True)[1]
        largest, room = int(np.bincount(mine).max()), min(shares) * len(units)
        if largest > max(1.0, room):
            why = "equal features and label" if spec.entity is None else "one entity, or equal features and label"
            what = f"{largest} rows belong together ({why}), but the smallest split has room for {room:.0f}"
            raise TableError(what, where=str(spec.table), do="give columns that tell them apart, or a split column")
        return split.assign(mine, [level[at] for level in strata], content[at], shares, seed, dealt)

    return assign


def _named(values: npt.NDArray[np.object_], place: Place) -> IntArray:
    found = np.full(len(values), -1, dtype=np.int64)
    for at, name in enumerate(SPLITS):
        found[values == name] = at
    if (found < 0).any():
        odd = values[np.flatnonzero(found < 0)[0]]
        raise TableError(f"{odd!r} is no split", where=place.rows(found < 0), do=f"one of {', '.join(SPLITS)}")
    return found


def _shares(shares: Mapping[str, float], file: str) -> list[float]:
    if set(shares) != set(SPLITS):
        raise TableError("split does not name the four splits", where=file, do=f"shares for {', '.join(SPLITS)}")
    values = [float(shares[name]) for name in SPLITS]
    if min(values) <= 0 or abs(sum(values) - 1) > 1e-6:
        raise TableError(f"the shares of the split add up to {sum(values):g}", where=file, do="positive shares, sum 1")
    return values


def _refuse_unusable(chosen: IntArray, wanted: Target, counts: Mapping[str, int], file: str) -> None:
    """Every split needs rows, and rows of every class; an entity may be in one split only."""
    if counts.get("entities_across"):
        do = "give each entity one split in the split column"
        raise TableError(f"{counts['entities_across']} entities have rows in several splits", where=file, do=do)
    for at, name in enumerate(SPLITS):
        inside = wanted.y[chosen == at]
        if not len(inside):
            raise TableError(f"no rows are left for the {name} split ({len(chosen)} rows)", where=file, do="more rows")
        if wanted.classes:
            rare = np.flatnonzero(np.bincount(inside, minlength=len(wanted.classes)) == 0)
            if len(rare):
                what = f"class {wanted.classes[rare[0]]!r} has {(wanted.y == rare[0]).sum()} rows, none of them "
                do = "more rows of it, another split, or merge it with another class"
                raise TableError(what + f"in the {name} split", where=file, do=do)


def _row_ids(table: pa.Table, spec: DataSpec) -> npt.NDArray[Any]:
    if spec.row_id is None:
        return np.arange(table.num_rows, dtype=np.int64)
    place = Place(str(spec.table), spec.row_id)
    ids = columns.strings(table[spec.row_id])
    if (ids == "").any():
        raise TableError("row ids are missing", where=place.rows(ids == ""), do="give each row an id")
    _, first, code = np.unique(ids.astype(str), return_index=True, return_inverse=True)
    again = first[code] != np.arange(len(ids))
    if again.any():
        raise TableError(f"{again.sum()} row ids stand twice", where=place.rows(again), do="make them unique")
    return ids.astype(str)


def _entity(column: pa.ChunkedArray, place: Place) -> npt.NDArray[Any]:
    text = columns.strings(column)
    if (text == "").any():
        raise TableError("entities are missing", where=place.rows(text == ""), do="name each row's entity")
    return columns.coded(text)[1]


def _weights(column: pa.ChunkedArray, place: Place) -> FloatArray:
    values = columns.numbers(column, place)
    wrong = ~(values >= 0)
    if wrong.any():
        raise TableError("weights are missing or negative", where=place.rows(wrong), do="weights from 0 upwards")
    if not values.any():
        raise TableError("all weights are 0", where=str(place), do="leave weights out")
    return values


def _warnings(counts: Mapping[str, int], determined: tuple[str, ...]) -> tuple[str, ...]:
    said = [
        f"LEAK? column {name!r} alone determines the label: is it known before the label is?" for name in determined
    ]
    if counts["exact_duplicates_across"]:
        said.append(f"LEAK: {counts['exact_duplicates_across']} rows have an exact duplicate in another split")
    if counts["near_duplicates"]:
        many, apart = counts["near_duplicates"], counts["near_duplicates_across"]
        said.append(
            f"{many} rows have a twin with equal features and another label ({apart} with one in another split)"
        )
    return tuple(said)
