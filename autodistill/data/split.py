"""Four disjoint splits: which rows belong together, and who gets them.

Rows with equal features and label, and rows of one entity, are one unit and go to one split. Units are sorted by
stratum (target, then the groups), within it by size, and then by a seeded hash of their content; each goes to the
split that is furthest behind its share of the rows so far. Any run of the sorted list, so any stratum at any level, is
shared out to within a row or two (the quota method of apportionment), and no stratum has to be merged for being rare.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from autodistill.data import columns, digest
from autodistill.records import IntArray


def units(keys: Sequence[npt.NDArray[np.generic]]) -> IntArray:
    """int64 [N]: the unit of each row; rows that agree in any of the ``keys`` share a unit, transitively."""
    from scipy.sparse import coo_array  # a fifth of a second that an audit of a table does not need
    from scipy.sparse.csgraph import connected_components

    n = len(keys[0])
    label = np.arange(n)
    for key in keys:
        _, code = np.unique(key, return_inverse=True)
        edges = coo_array((np.ones(n, dtype=np.int8), (label, n + code.reshape(-1))), shape=(2 * n, 2 * n))
        _, joined = connected_components(edges, directed=False)
        label = np.unique(joined[label], return_inverse=True)[1]
    return np.asarray(label, dtype=np.int64)


def assign(
    unit: IntArray,
    strata: Sequence[npt.NDArray[np.generic]],
    content: npt.NDArray[np.void],
    shares: Sequence[float],
    seed: int,
    dealt: Sequence[int] | None = None,
) -> IntArray:
    """int64 [N]: for each row the index into ``shares`` of its part.

    ``strata`` are levels, coarsest first; ``content`` V32 [N] are digests of the rows: the result depends on them,
    never on the rows' order. A unit stands in the stratum of its row that comes first by content. ``dealt`` counts
    the rows that each part has already: what is dealt now makes up for them.
    """
    rank = np.argsort(digest.keys(content), kind="stable")
    _, first = np.unique(unit[rank], return_index=True)
    leader = rank[first]  # of unit 0, 1, 2, …
    size = np.bincount(unit)
    named = content[leader].tobytes().hex()
    shuffled = np.array([_hash(seed, named[at : at + 64]) for at in range(0, len(named), 64)])
    levels = [_shuffle(np.asarray(level)[leader], seed) for level in strata]
    # By size, so that each size is shared out too: at its turn among single rows a large unit always falls to the
    # largest split, and as what is common is easily predicted, errors elsewhere read too high (Adult: 0.4 points).
    walk = np.lexsort((shuffled, -size, *reversed(levels)))
    target = np.asarray(shares, dtype=float) / sum(shares)
    behind = _start(target, seed)
    if dealt is not None:
        behind += target * sum(dealt) - np.asarray(dealt, dtype=float)
    parts = np.empty(len(leader), dtype=np.int64)
    parts[walk] = _dealt(size[walk], target.tolist(), behind.tolist())
    return parts[unit]


def _dealt(sizes: IntArray, target: list[float], behind: list[float]) -> list[int]:
    """The part of each unit in turn: whichever is furthest behind. Of plain numbers: a unit is one of a million."""
    everyone = range(len(target))
    chosen = []
    for size in sizes.tolist():
        for part in everyone:
            behind[part] += target[part] * size
        most = behind.index(max(behind))
        behind[most] -= size
        chosen.append(most)
    return chosen


def leakage(
    split: IntArray, same: npt.NDArray[np.generic], features: npt.NDArray[np.generic], entity: IntArray | None
) -> Mapping[str, int]:
    """Counts of rows: ``exact_duplicates`` (features and label equal an earlier row's), ``near_duplicates`` (equal
    features, another label), each ``_across`` splits, and ``entities_across`` splits.

    ``same`` and ``features`` are keys [N] that are equal where features and label, or the features, are.
    """
    _, exact, copies = np.unique(same, return_inverse=True, return_counts=True)
    _, twin = np.unique(features, return_inverse=True)
    kinds = _distinct(twin, exact)
    counts = {
        "exact_duplicates": int(len(same) - len(copies)),
        "exact_duplicates_across": int((_distinct(exact, split)[exact] > 1).sum()),
        "near_duplicates": int((kinds[twin] > 1).sum()),
        "near_duplicates_across": int(((kinds[twin] > 1) & (_distinct(twin, split)[twin] > 1)).sum()),
    }
    if entity is not None:
        counts["entities_across"] = int((_distinct(entity, split) > 1).sum())
    return counts


def _distinct(of: IntArray, values: IntArray) -> IntArray:
    """How many distinct ``values`` each code of ``of`` has."""
    many = int(values.max()) + 1
    pairs = np.unique(of * many + values)  # one number a pair: rows of two are sorted ten times as slowly
    return np.asarray(np.bincount(pairs // many, minlength=int(of.max()) + 1), dtype=np.int64)


def _hash(seed: int, text: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}/{text}".encode(), digest_size=7).digest())


def _shuffle(level: npt.NDArray[np.generic], seed: int) -> IntArray:
    """Codes of a level's values in a seeded order."""
    text = level.dtype == object
    values, code = columns.coded(level.astype(object)) if text else np.unique(level, return_inverse=True)
    order = np.argsort(np.array([_hash(seed, str(value)) for value in values]))
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values))
    return np.asarray(rank[code.reshape(-1)], dtype=np.int64)


def _start(target: npt.NDArray[np.float64], seed: int) -> npt.NDArray[np.float64]:
    """A seeded head start below one row each: else the very first units fall to the same splits for every seed."""
    draws = np.array([_hash(seed, f"part {at}") for at in range(len(target))]) / 2.0**56
    return np.asarray((draws - draws.mean()) * target, dtype=np.float64)
