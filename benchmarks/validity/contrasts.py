"""The gap between a group and its reference, and its change: exact sums over both strata."""

from itertools import product
from typing import Any

import numpy as np
from scipy import stats as reference

from autodistill.stats import (
    clopper_pearson,
    far_paired_limits,
    mover,
    newcombe,
    paired_limits,
    share_limits,
    z_value,
)
from validity.common import ALPHA, BOUND, Claim, discordant_pairs, named, worst

PAIRS = ((30, 30), (30, 300), (30, 4000), (100, 100), (100, 1000), (300, 300), (300, 4000), (1000, 1000), (4000, 4000))
FEW = ((30, 30), (100, 1000), (300, 4000))
SHARES = (0.01, 0.05, 0.1, 0.3, 0.5, 0.9)


def two_shares(n: int, m: int, p: float, q: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every (x, y) of two binomials that is not negligible, with its probability."""
    x, y = (
        np.arange(reference.binom.ppf(1e-10, k, s), reference.binom.isf(1e-10, k, s) + 1) for k, s in ((n, p), (m, q))
    )
    chance = reference.binom.pmf(x, n, p)[:, None] * reference.binom.pmf(y, m, q)[None]
    return x[:, None], y[None], chance


def _wald(x: Any, n: int, y: Any, m: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    half = float(z_value(level)) * np.sqrt(x / n * (1 - x / n) / n + y / m * (1 - y / m) / m)
    return x / n - y / m - half, x / n - y / m + half


def gap(quick: bool) -> list[Claim]:
    """|u| < τ at |u| = τ, and coverage of the ends of u, exact over both binomials."""
    passes: dict[str, dict[tuple[Any, ...], float]] = {"ours": {}, "Wald": {}, "Newcombe alone": {}}
    cover: dict[tuple[Any, ...], float] = {}
    for (n, m), share, tau, side in product(FEW if quick else PAIRS, SHARES, (0.0, 0.05, 0.1, 0.2), (1, -1)):
        if not 0 <= share + side * tau <= 1 or (tau == 0 and side < 0):
            continue
        x, y, chance = two_shares(n, m, share + side * tau, share)
        cell = (n, m, share, side * tau)
        low, high = mover(x / n, share_limits(x, n, ALPHA), y / m, share_limits(y, m, ALPHA))
        if tau:
            alone = newcombe(x, n, y, m, ALPHA)
            passes["Newcombe alone"][cell] = float(chance[(alone[1] < tau) & (alone[0] > -tau)].sum())
            passes["ours"][cell] = float(chance[(high < tau) & (low > -tau)].sum())
            wald = _wald(x, n, y, m, ALPHA)
            passes["Wald"][cell] = float(chance[(wald[1] < tau) & (wald[0] > -tau)].sum())
        if min(n * share * (1 - share), m * share * (1 - share)) >= 8:
            cover[(*cell, "low")] = float(chance[low <= side * tau].sum())
            cover[(*cell, "high")] = float(chance[high >= side * tau].sum())
    names = ("group", "reference", "share in reference", "gap")
    cell, value = worst(passes["ours"])
    least, covered = worst(cover, least=True)
    most = worst(cover)
    return [
        Claim(
            topic="gap",
            claim="false pass of |gap| < τ at τ (5, 10, 20 points)",
            cells=len(passes["ours"]),
            worst=named(names, cell),
            ours=value,
            bound=BOUND,
            rivals={name: worst(passes[name])[1] for name in ("Wald", "Newcombe alone")},
            rivals_at=f"their own worst, Wald: {named(names, worst(passes['Wald'])[0])}",
            note="exact",
        ),
        Claim(
            topic="gap",
            claim="coverage of each one-sided 95 % limit of the gap",
            cells=len(cover),
            worst=named((*names, "end"), least),
            ours=covered,
            bound=0.935,
            floor=True,
            note=f"exact, where n·p·(1 − p) ≥ 8; over-coverage up to {100 * most[1]:.1f} %",
        ),
    ]


def change(quick: bool) -> list[Claim]:
    """|D| < ε at |D| = ε, all of it in the group, the reference quiet or silent; exact over both pairs of counts."""
    names = ("group", "reference", "ε", "ψ/ε in the group", "ψ in the reference")
    rates: dict[str, dict[tuple[Any, ...], float]] = {"ours": {}, "Wald": {}}
    cover: dict[tuple[Any, ...], float] = {}
    grid = product(FEW if quick else PAIRS[:7], (0.02, 0.05, 0.1), (1.0, 1.2, 2.0), (0.0002, 0.002, 0.02))
    for (n, m), eps, ratio, silent in grid:
        one = discordant_pairs(n, eps * (ratio + 1) / 2, eps * (ratio - 1) / 2, tail=1e-8)
        two = discordant_pairs(m, silent / 2, silent / 2, tail=1e-8)
        cell = (n, m, eps, ratio, silent)
        low, high, chance = _joined(one, n, two, m)
        rates["ours"][cell] = float(chance[(high < eps) & (low > -eps)].sum())
        if min(n * eps * ratio, m * silent) >= 8:
            cover[(*cell, "low")], cover[(*cell, "high")] = (
                float(chance[low <= eps].sum()),
                float(chance[high >= eps].sum()),
            )
        spread = np.hypot(*np.meshgrid(_error(two, m), _error(one, n)))
        d = ((one[0] - one[1]) / n)[:, None] - ((two[0] - two[1]) / m)[None]
        half = float(z_value(ALPHA)) * spread
        rates["Wald"][cell] = float(chance[(d + half < eps) & (d - half > -eps)].sum())
    cell, value = worst(rates["ours"])
    least, covered = worst(cover, least=True)
    return [
        Claim(
            topic="change of a gap",
            claim="false pass of |change| < ε at ε, silent references too",
            cells=len(rates["ours"]),
            worst=named(names, cell),
            ours=value,
            bound=BOUND,
            rivals={"Wald": worst(rates["Wald"])[1]},
            rivals_at=f"Wald's own worst: {named(names, worst(rates['Wald'])[0])}",
            note="exact",
        ),
        Claim(
            topic="change of a gap",
            claim="coverage of each one-sided 95 % limit of the change",
            cells=len(cover),
            worst=named((*names, "end"), least),
            ours=covered,
            bound=0.935,
            floor=True,
            note=f"exact, ≥ 8 discordant rows a stratum; over-coverage up to {100 * worst(cover)[1]:.1f} %",
        ),
    ]


def _error(pairs: tuple[np.ndarray, np.ndarray, np.ndarray], n: int) -> np.ndarray:
    b, c, _ = pairs
    return np.sqrt(np.maximum(b + c - (b - c) ** 2 / n, 0.0)) / n


def _joined(
    one: tuple[np.ndarray, ...], n: int, two: tuple[np.ndarray, ...], m: int, level: float = ALPHA, far: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Limits of D and the probability of every pair of pairs of counts, [A, B]."""
    limits = far_paired_limits if far else paired_limits
    first, second = limits(one[0], one[1], n, level), limits(two[0], two[1], m, level)
    d, e = ((one[0] - one[1]) / n)[:, None], ((two[0] - two[1]) / m)[None]
    low, high = mover(d, (first[0][:, None], first[1][:, None]), e, (second[0][None], second[1][None]))
    return low, high, one[2][:, None] * two[2][None]


def fails(quick: bool) -> list[Claim]:
    """m times the chance of a false FAIL at α/m, of the gap and of the change."""
    found: dict[str, dict[tuple[Any, ...], float]] = {name: {} for name in ("gap", "Newcombe", "change", "Tango")}
    counts = (1, 50, 1000) if quick else (1, 10, 50, 200, 1000)
    pairs = ((30, 4000), (300, 4000)) if quick else ((30, 30), (30, 4000), (100, 1000), (300, 4000), (1000, 4000))
    for (n, m), share, tau in product(pairs, (0.01, 0.05, 0.2, 0.5), (0.05, 0.1, 0.2)):
        x, y, chance = two_shares(n, m, share + tau, share)
        for k in counts:
            plain = newcombe(x, n, y, m, ALPHA / k)[0]
            exact = mover(x / n, clopper_pearson(x, n, ALPHA / k), y / m, clopper_pearson(y, m, ALPHA / k))[0]
            cell = (k, n, m, share, tau)
            found["Newcombe"][cell] = k * float(chance[plain > tau].sum())
            found["gap"][cell] = k * float(chance[np.minimum(plain, exact) > tau].sum())
    for (n, m), eps, ratio, silent in product(FEW[1:], (0.02, 0.05, 0.1), (1.0, 2.0), (0.0002, 0.02)):
        one = discordant_pairs(n, eps * (ratio + 1) / 2, eps * (ratio - 1) / 2, tail=1e-9)
        two = discordant_pairs(m, silent / 2, silent / 2, tail=1e-9)
        for k in counts:
            cell = (k, n, m, eps, ratio, silent)
            for name, far in (("change", True), ("Tango", False)):
                low, _, chance = _joined(one, n, two, m, ALPHA / k, far)
                found[name][cell] = k * float(chance[low > eps].sum())
    out = []
    for name, rival, names in (
        ("gap", "Newcombe", ("m", "group", "reference", "share", "gap")),
        ("change", "Tango", ("m", "group", "reference", "ε", "ψ/ε", "ψ in the reference")),
    ):
        cell, value = worst(found[name])
        out.append(
            Claim(
                topic="gap" if name == "gap" else "change of a gap",
                claim="false FAIL at α/m at the limit, × m (m statements alike)",
                cells=len(found[name]),
                worst=named(names, cell),
                ours=value,
                bound=BOUND,
                rivals={f"{rival} alone": worst(found[rival])[1]},
                rivals_at="its own worst",
                note=f"exact; m {counts[0]} to {counts[-1]}",
            )
        )
    return out


def run(quick: bool) -> list[Claim]:
    """All claims about one contrast."""
    return [claim for part in (gap, change, fails) for claim in part(quick)]
