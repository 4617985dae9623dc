"""The impact ratio to the policy's reference: exact sums over both groups' counts."""

from itertools import product
from typing import Any

import numpy as np

from autodistill import auditor
from autodistill.stats import katz, koopman
from autodistill.stats.shares import far_ratio_limits, ratio_limits
from validity.common import ALPHA, BOUND, Claim, check, evidence, named, policy, worst
from validity.contrasts import two_shares

LIMITS = (0.5, 0.8, 1.0)
NAMES = ("group", "reference", "share in reference", "ratio")
SHARES = (0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95, 0.99)


def cells(quick: bool) -> list[tuple[int, int, float, float]]:
    """(group, reference, share in the reference, ratio of the group's share to it)."""
    sizes = ((30, 30), (30, 1000), (100, 300))
    if not quick:
        sizes = (*sizes, (30, 300), (100, 100), (100, 1000), (300, 300), (1000, 1000), (1000, 100), (1000, 30))
    return [(*size, share, ratio) for size, share, ratio in product(sizes, SHARES[::2] if quick else SHARES, LIMITS)]


def gate(quick: bool) -> list[Claim]:
    """ "The ratio is above 0.8" (or ½, or 1) where it is exactly that; coverage; FAIL at α/m."""
    tests = {"ours": ratio_limits, "Koopman alone": koopman, "Katz": katz}
    passes: dict[str, dict[tuple[Any, ...], float]] = {name: {} for name in tests}
    cover: dict[tuple[Any, ...], float] = {}
    fails: dict[str, dict[tuple[Any, ...], float]] = {"ours": {}, "Koopman alone": {}}
    for cell in cells(quick):
        n, m, share, ratio = cell
        x, y, chance = two_shares(n, m, share * ratio, share)
        # Limits of a ratio are found by bisection: only where there is a chance worth counting.
        some = chance > 1e-9
        x, y, chance = (np.broadcast_to(part, some.shape)[some] for part in (x, y, chance))
        for name, test in tests.items():
            low, high = test(x, n, y, m, ALPHA)
            passes[name][cell] = float(chance[low > ratio].sum())
            if name == "ours" and min(n * share * ratio, m * share) >= 8:
                cover[(*cell, "low")] = float(chance[low <= ratio].sum())
                cover[(*cell, "high")] = float(chance[high >= ratio].sum())
        for m_, (name, test) in product((200,), (("ours", far_ratio_limits), ("Koopman alone", koopman))):
            fails[name][(m_, *cell)] = m_ * float(chance[test(x, n, y, m, ALPHA / m_)[1] < ratio].sum())
    cell, value = worst(passes["ours"])
    least, covered = worst(cover, least=True)
    at, failed = worst(fails["ours"])
    others = {name: worst(passes[name])[1] for name in ("Koopman alone", "Katz")}
    return [
        Claim(
            topic="impact ratio",
            claim="false pass of ratio > limit at the limit (0.5, 0.8, 1)",
            cells=len(passes["ours"]),
            worst=named(NAMES, cell),
            ours=value,
            bound=BOUND,
            rivals=others,
            rivals_at="their own worst",
            note="exact",
        ),
        Claim(
            topic="impact ratio",
            claim="coverage of each one-sided 95 % limit",
            cells=len(cover),
            worst=named((*NAMES, "end"), least),
            ours=covered,
            bound=0.935,
            floor=True,
            note=f"exact, ≥ 8 selected in each group; over-coverage up to {100 * worst(cover)[1]:.1f} %",
        ),
        Claim(
            topic="impact ratio",
            claim="false FAIL at α/m at the limit, × m (m statements alike)",
            cells=len(fails["ours"]),
            worst=named(("m", *NAMES), at),
            ours=failed,
            bound=BOUND,
            rivals={"Koopman alone": worst(fails["Koopman alone"])[1]},
            rivals_at="its own worst",
            note="exact; m 200",
        ),
    ]


def decisions(quick: bool) -> list[Claim]:
    """``auditor.audit`` on rows decides as these sums assume."""
    random = np.random.default_rng(11)
    wrong, tables = 0, 20 if quick else 100
    rules = policy(check("impact_ratio", {"at_least": 0.8}, attribute="g", reference="b"))
    for _ in range(tables):
        n, m = (int(size) for size in random.integers(30, 600, 2))
        x, y = random.binomial(n, 0.5), random.binomial(m, 0.5)
        said = np.repeat([1, 0, 1, 0], [x, n - x, y, m - y])
        found = auditor.audit(evidence(said, said, said, {"g": np.repeat(["a", "b"], [n, m])}), rules)[0]
        wrong += (found.outcome == "PASS") is not bool(ratio_limits(x, n, y, m, ALPHA)[0] > 0.8)
    return [
        Claim(
            topic="impact ratio",
            claim="auditor.audit on rows decides otherwise than these sums",
            cells=tables,
            worst="random tables",
            ours=wrong / tables,
            bound=0.0,
        )
    ]


def run(quick: bool) -> list[Claim]:
    """All claims about the impact ratio."""
    return [*gate(quick), *decisions(quick)]
