"""What every topic uses: a claim with its worst cell, exact sums over count tables, other people's intervals."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats as reference

from autodistill.records import Policy, Predictions, Requirement
from autodistill.stats import Evidence, z_value

ALPHA = 0.05
BOUND = ALPHA + 0.01
"""AUDIT §10: a false pass in at most 5 % + 1 point."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One line of the table: how often something wrong (or right) happens in the worst of ``cells``.

    ``ours`` is a share; ``error`` its standard error (0: exact). ``floor``: the bound is a least value. ``rivals``:
    the same figure of other methods, in the cell ``rivals_at`` (the worst one of ours if empty). A claim without a
    bound is reported and not judged.
    """

    topic: str
    claim: str
    cells: int
    worst: str
    ours: float
    bound: float | None
    error: float = 0.0
    floor: bool = False
    rivals: Mapping[str, float] = field(default_factory=dict)
    rivals_at: str = ""
    note: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether the figure itself, not its interval, keeps the bound."""
        if self.bound is None:
            return None
        return self.ours >= self.bound if self.floor else self.ours <= self.bound


Table = tuple[np.ndarray, np.ndarray, np.ndarray]


def discordant_pairs(n: int, p_b: float, p_c: float, tail: float = 1e-9) -> Table:
    """Every (b, c) that is not negligible, with its exact probability."""
    ranges = []
    for p in (p_b, p_c):
        low, high = reference.binom.ppf(tail, n, p), reference.binom.isf(tail, n, p)
        ranges.append(np.arange(max(0.0, low), max(0.0, high) + 1))
    b, c = np.meshgrid(*ranges, indexing="ij")
    chance = reference.binom.pmf(b, n, p_b) * reference.binom.pmf(c, n - b, p_c / (1 - p_b))
    kept = (chance > tail * 1e-2) & (b + c <= n)
    return b[kept], c[kept], chance[kept]


def wald_paired(b: Any, c: Any, n: Any, level: float) -> tuple[np.ndarray, np.ndarray]:
    """(b − c)/n ± z·√(b + c − (b − c)²/n)/n."""
    half = float(z_value(level)) * np.sqrt(np.maximum(b + c - (b - c) ** 2 / n, 0.0)) / n
    return (b - c) / n - half, (b - c) / n + half


def percentile_paired(b: np.ndarray, c: np.ndarray, n: int, level: float, seed: int, draws: int = 2000) -> np.ndarray:
    """Upper percentile limit of (b − c)/n from resampled tables, for each (b, c)."""
    random = np.random.default_rng(seed)
    upper = np.empty(len(b))
    for at, (one, other) in enumerate(zip(b, c, strict=True)):
        drawn = random.multinomial(n, [one / n, other / n, max(0.0, 1 - (one + other) / n)], size=draws)
        upper[at] = np.quantile((drawn[:, 0] - drawn[:, 1]) / n, 1 - level)
    return upper


def worst(values: Mapping[tuple[Any, ...], float], *, least: bool = False) -> tuple[tuple[Any, ...], float]:
    """The cell with the largest (or least) value."""
    cell = (min if least else max)(values, key=lambda key: values[key])
    return cell, values[cell]


def named(names: Sequence[str], cell: Iterable[Any]) -> str:
    """``n 100, margin 0.01``."""
    shown = (f"{value:g}" if isinstance(value, float) else str(value) for value in cell)
    return ", ".join(f"{name} {value}" for name, value in zip(names, shown, strict=True))


def again(
    cells: Iterable[tuple[Any, ...]],
    rate: Callable[[tuple[Any, ...], int, int], float],
    draws: int,
    *,
    top: int = 3,
    least: bool = False,
    more: int = 8,
) -> tuple[tuple[Any, ...], float, float, int]:
    """The worst cell of a simulation: the ``top`` worst are drawn again, ``more`` times as often and with another
    seed, so that the largest of many noisy figures is not taken for the truth. Cell, rate, standard error, cells."""
    found = {cell: rate(cell, 1000 + at, draws) for at, cell in enumerate(cells)}
    order = sorted(found, key=lambda cell: found[cell], reverse=not least)[:top]
    fresh = {cell: rate(cell, 900_000 + at, draws * more) for at, cell in enumerate(order)}
    cell, value = worst(fresh, least=least)
    return cell, value, float(np.sqrt(max(value * (1 - value), 1e-12) / (draws * more))), len(found)


def check(name: str, limits: Mapping[str, float] | None = None, **options: Any) -> Requirement:
    """A line of a policy."""
    return Requirement(kind="check", name=name, options=options, limits=limits or {})


def policy(*require: Requirement, **more: Any) -> Policy:
    """A policy of these lines."""
    return Policy(**({"name": "validity", "version": "1", "require": require} | more))


def evidence(y: Any, teacher: Any, student: Any, groups: Mapping[str, Any] | None = None, **more: Any) -> Evidence:
    """Evidence of two binary models; ``scores`` (teacher's, student's: [n] probability of class 1) where given."""
    labels, rows = np.asarray(y, dtype=np.int64), np.arange(len(y))
    scores = more.pop("scores", None)

    def said(decisions: Any, at: int) -> dict[str, Predictions]:
        codes = np.asarray(decisions, dtype=np.int64)
        one = np.where(codes == 1, 0.9, 0.1) if scores is None else np.asarray(scores[at])
        table = np.stack([1 - one, one], axis=1).astype(np.float32)
        return {"audit": Predictions(view="audit", row_ids=rows, scores=table, decisions=codes)}

    return Evidence(
        split="audit",
        row_ids=rows,
        y=labels,
        classes=("no", "yes"),
        groups={name: np.asarray(column, dtype=object) for name, column in (groups or {}).items()},
        teacher=said(teacher, 0),
        student=said(student, 1),
        **({"positive": 1, "favourable": 1} | more),
    )


def rows_of(cells: Mapping[str, np.ndarray], label: int = 1) -> Evidence:
    """Rows with the counts ``cells`` name -> [2, 2] by (teacher says 1, student says 1), all of one label."""
    teacher, student, group = [], [], []
    for name, table in cells.items():
        for (t, s), count in np.ndenumerate(np.asarray(table, dtype=int)):
            teacher += [t] * count
            student += [s] * count
            group += [name] * count
    return evidence([label] * len(group), teacher, student, {"group": group})
