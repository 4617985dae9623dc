"""What training does about gaps between groups: weights of train rows, and what is believed of the teacher there.

The only place where group columns reach training. Rows whose group is unknown are a stratum of their own, of weight 1;
rows without label stay as the teacher labels them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from autodistill.jobs.workshop import Workshop
from autodistill.losses import teacher_logits
from autodistill.records import Candidate, Dataset, FloatArray, IntArray
from autodistill.space import Fairness

if TYPE_CHECKING:
    from autodistill.train import Rows

UNKNOWN = -1


@dataclass(frozen=True, kw_only=True)
class Strata:
    """The groups of some rows: ``codes`` int64 [n] into ``names``, −1 where an attribute is unknown."""

    codes: IntArray
    names: tuple[str, ...]

    @property
    def unknown(self) -> int:
        """Rows whose group is unknown."""
        return int((self.codes == UNKNOWN).sum())


def strata(dataset: Dataset, by: str | None, split: str = "train") -> Strata:
    """The groups of a split's rows under one attribute, or under all of them crossed (None)."""
    at = dataset.splits[split]
    columns = [np.asarray(dataset.groups[name][at], str) for name in ([by] if by else dataset.groups)]
    whole = np.ones(len(at), bool)
    for column in columns:
        whole &= column != ""
    crossed = np.array([" × ".join(row) for row in zip(*columns, strict=True)] or [""] * len(at), str)
    names, found = np.unique(crossed[whole], return_inverse=True)
    codes = np.full(len(at), UNKNOWN, np.int64)
    codes[whole] = found
    return Strata(codes=codes, names=tuple(map(str, names)))


def reweighed(groups: IntArray, y: IntArray, base: FloatArray, power: float) -> FloatArray:
    """Kamiran & Calders (2012) weights to a power, float64 [n]: (n_g · n_y / (n · n_gy))^κ, counts in ``base`` weight.

    Their mean over rows of a known group is 1; a row of an unknown one has 1.
    """
    known = groups != UNKNOWN
    out = np.ones(len(y))
    if not known.any():
        return out
    table = _counts(groups[known], y[known], base[known])
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    weights = (expected / np.where(table > 0, table, 1.0)) ** power
    out[known] = weights[groups[known], y[known]]
    out[known] /= (base[known] @ out[known]) / base[known].sum()
    return out


def debiased(logits: FloatArray, y: IntArray, groups: IntArray | None, base: FloatArray, power: float) -> FloatArray:
    """The teacher's logits [n, C] as if a class were as frequent in each group as in the table: z + τ·(log π_y −
    log π_y|g); without groups as if all classes were equally frequent: z − τ·log π_y (Menon et al. 2021, arXiv
    2007.07314). Frequencies are of the labels, ½ a cell added. A row of an unknown group keeps its logits."""
    classes = logits.shape[1]
    if groups is None:
        table = _counts(np.zeros(len(y), np.int64), y, base, classes) + 0.5
        return np.asarray(logits - power * np.log(table / table.sum()), np.float32)
    known = groups != UNKNOWN
    out = np.array(logits, np.float32)
    if known.any():
        table = _counts(groups[known], y[known], base[known], classes)
        overall, own = table.sum(axis=0, keepdims=True) + 0.5, table + 0.5
        shift = np.log(overall / overall.sum()) - np.log(own / own.sum(axis=1, keepdims=True))
        out[known] += (power * shift[groups[known]]).astype(np.float32)
    return out


def trusted(logits: FloatArray, y: IntArray, groups: IntArray | None, base: FloatArray) -> FloatArray:
    """The teacher's logits [n, C] of α·p + (1 − α)·label, where α is its mean margin p_y − max of the others on the
    rows of that class (and group), 0 at least: where it is unsure or wrong the labels take its place (Lukasik et al.
    2022, "Teacher's pet", arXiv 2106.10494)."""
    z = np.asarray(logits, np.float64)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    others = p.copy()
    others[rows, y] = -np.inf
    margins = p[rows, y] - others.max(axis=1)
    cell = y if groups is None else (groups + 1) * p.shape[1] + y  # unknown groups are the first stratum
    mass = np.bincount(cell, weights=base)
    alpha = np.maximum(np.bincount(cell, weights=base * margins) / np.where(mass > 0, mass, 1.0), 0.0)[cell]
    label = np.zeros_like(p)
    label[rows, y] = 1.0
    return teacher_logits(alpha[:, None] * p + (1 - alpha[:, None]) * label)


def _counts(groups: IntArray, y: IntArray, base: FloatArray, classes: int = 0) -> npt.NDArray[np.float64]:
    """Weight of each (group, class), [G, C]."""
    many = max(classes, int(y.max()) + 1)
    found = np.bincount(groups * many + y, weights=base, minlength=(int(groups.max()) + 1) * many)
    return found.reshape(-1, many).astype(np.float64)


def fitted(candidate: Candidate, shop: Workshop) -> tuple[FloatArray, FloatArray | None]:
    """For a family that is fitted: the teacher's logits of the train rows, and their weights (None: all alike)."""
    if not candidate.fairness:
        return shop.teacher_logits, shop.weight
    options, y, base = _materials(candidate.fairness, shop)
    weight = base * reweighed(strata(shop.dataset, options.group_by).codes, y, base, options.reweigh)
    plain = not options.reweigh and shop.weight is None
    return _believed(options, shop.teacher_logits, y, base, shop), None if plain else np.asarray(weight, np.float32)


def applied(rows: "Rows", candidate: Candidate, shop: Workshop) -> "Rows":
    """Rows of a network, the train rows first, with what the candidate's fairness makes of them."""
    import torch

    if not candidate.fairness:
        return rows
    options, y, base = _materials(candidate.fairness, shop)
    many, device = len(y), rows.y.device
    if options.reweigh:
        codes = strata(shop.dataset, options.group_by).codes
        weight = torch.ones(len(rows.y), device=device) if rows.weight is None else rows.weight.clone()
        factors = reweighed(codes, y, base, options.reweigh)
        weight[:many] *= torch.from_numpy(factors.astype(np.float32)).to(device)
        rows = replace(rows, weight=weight)
    if rows.teacher is not None and (options.debias or options.trust != "even"):
        said = _believed(options, rows.teacher[:many].cpu().numpy(), y, base, shop)
        rows = replace(rows, teacher=torch.cat([torch.from_numpy(said).to(device), rows.teacher[many:]]))
    if options.dro:
        group = torch.full((len(rows.y),), UNKNOWN, dtype=torch.int64, device=device)
        group[:many] = torch.from_numpy(_cells(shop, options.group_by, y)).to(device)
        rows = replace(rows, group=group)
    return rows


def _materials(fairness: Mapping[str, Any], shop: Workshop) -> tuple[Fairness, IntArray, FloatArray]:
    y = shop.dataset.y[shop.dataset.splits["train"]]
    base = np.ones(len(y)) if shop.weight is None else np.asarray(shop.weight, np.float64)
    return Fairness(**fairness), y, base


def _believed(options: Fairness, logits: FloatArray, y: IntArray, base: FloatArray, shop: Workshop) -> FloatArray:
    if options.debias:
        groups = strata(shop.dataset, options.group_by).codes if options.debias_by == "group" else None
        logits = debiased(logits, y, groups, base, options.debias)
    if options.trust != "even":
        groups = strata(shop.dataset, options.group_by).codes if options.trust == "group" else None
        logits = trusted(logits, y, groups, base)
    return np.asarray(logits, np.float32)


def _cells(shop: Workshop, by: str | None, y: npt.NDArray[Any]) -> IntArray:
    """Which (group, label) a train row is of, counted from 0 in the order of those that occur; of a regression which
    group."""
    groups = strata(shop.dataset, by).codes
    known = groups != UNKNOWN
    cell = groups * len(shop.dataset.classes) + y if shop.dataset.classes else groups
    out = np.full(len(groups), UNKNOWN, np.int64)
    out[known] = np.unique(cell[known], return_inverse=True)[1]
    return out
