"""The student's loss of accuracy: exact false passes over every (b, c), and the package's own decision on them."""

from itertools import product

import numpy as np

from autodistill import auditor, verdict
from autodistill.stats import far_paired_limits, paired_limits, paired_upper
from validity.common import (
    ALPHA,
    BOUND,
    Claim,
    again,
    check,
    discordant_pairs,
    evidence,
    named,
    percentile_paired,
    policy,
    wald_paired,
    worst,
)

NAMES = ("n", "margin", "ψ/δ")
SIZES = (100, 150, 200, 300, 400, 600, 1000, 2000, 4000, 10_000)
MARGINS = (0.01, 0.015, 0.02, 0.03, 0.04, 0.05)
RATIOS = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0)


def at_margin(n: int, margin: float, ratio: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(b, c, probability) of a student whose loss is the margin."""
    return discordant_pairs(n, margin * (ratio + 1) / 2, margin * (ratio - 1) / 2)


def false_pass(cell: tuple[int, float, float], level: float = ALPHA) -> float:
    """Probability that a student at the margin passes."""
    n, margin, ratio = cell
    b, c, chance = at_margin(n, margin, ratio)
    return float(chance[paired_upper(b, c, n, level) < margin].sum())


def wald(cell: tuple[int, float, float]) -> float:
    """The same by Wald's interval."""
    n, margin, ratio = cell
    b, c, chance = at_margin(n, margin, ratio)
    return float(chance[wald_paired(b, c, n, ALPHA)[1] < margin].sum())


def percentile(cell: tuple[int, float, float]) -> float:
    """The same by the percentile bootstrap of the rows."""
    n, margin, ratio = cell
    b, c, chance = discordant_pairs(n, margin * (ratio + 1) / 2, margin * (ratio - 1) / 2, tail=1e-6)
    return float(chance[percentile_paired(b, c, n, ALPHA, seed=1) < margin].sum())


def losses(quick: bool) -> list[Claim]:
    """False pass of the whole split and, at smaller sizes, of one group, at the level and at its shares."""
    sizes = SIZES if not quick else (100, 400, 2000)
    cells = list(product(sizes, MARGINS, RATIOS))
    ours = {cell: false_pass(cell) for cell in cells}
    cell, value = worst(ours)
    theirs = worst({c: wald(c) for c in cells})
    resampled = {c: percentile(c) for c in product((100, 400), (0.01, 0.03), (1.25, 2.0))}
    rivals = {"Wald": theirs[1], "percentile": worst(resampled)[1]}
    at = f"their own worst: Wald {named(NAMES, theirs[0])}; percentile {named(NAMES, worst(resampled)[0])} of 8 cells"
    out = [
        Claim(
            topic="accuracy loss",
            claim="false pass at the margin",
            cells=len(cells),
            worst=named(NAMES, cell),
            ours=value,
            bound=BOUND,
            rivals=rivals,
            rivals_at=at,
            note="exact",
        )
    ]
    small = {c: false_pass(c) for c in product((30, 40, 50, 75), (0.02, 0.05, 0.1), RATIOS)}
    cell, value = worst(small)
    out.append(
        Claim(
            topic="per-group loss",
            claim="false pass of a group at the margin (others far inside), 30–75 rows",
            cells=len(small),
            worst=named(NAMES, cell),
            ours=value,
            bound=BOUND,
            note="exact; larger groups are the cells above, since every group must pass by itself",
        )
    )
    for level, what in ((0.01, "one of 5 candidates or looks"), (0.005, "one of 10 looks")):
        shares = {c: false_pass(c, level) for c in cells}
        cell, value = worst(shares)
        out.append(
            Claim(
                topic="accuracy loss",
                claim=f"false pass at the level {level:g} ({what})",
                cells=len(cells),
                worst=named(NAMES, cell),
                ours=value,
                bound=level + 0.01,
                note="exact",
            )
        )
    return out


def coverage(quick: bool) -> list[Claim]:
    """One-sided limits of the loss, each end by itself, where at least eight discordant rows are expected."""
    sizes = SIZES if not quick else (100, 400, 2000)
    low, high, cells = {}, {}, 0
    for n, loss, ratio in product(sizes, (0.0, *MARGINS), RATIOS):
        spread = (loss or 0.02) * ratio
        if n * spread < 8:
            continue
        b, c, chance = discordant_pairs(n, (spread + loss) / 2, (spread - loss) / 2)
        ends = paired_limits(b, c, n, ALPHA)
        cell = (n, loss, spread)
        low[cell], high[cell] = float(chance[ends[0] <= loss].sum()), float(chance[ends[1] >= loss].sum())
        cells += 1
    both = {(*cell, end): v for end, side in (("low", low), ("high", high)) for cell, v in side.items()}
    cell, value = worst(both, least=True)
    over = worst(both)
    return [
        Claim(
            topic="accuracy loss",
            claim="coverage of each one-sided 95 % limit",
            cells=len(both),
            worst=named(("n", "loss", "ψ", "end"), cell),
            ours=value,
            bound=0.935,
            floor=True,
            note=f"exact; over-coverage up to {100 * over[1]:.1f} % ({named(('n', 'loss', 'ψ', 'end'), over[0])})",
        )
    ]


def superiority(quick: bool) -> list[Claim]:
    """A student that beats another by exactly the margin passes "beats it by more"."""
    sizes = (30, 50, 100, 200, 400, 1000, 4000) if quick else (30, 50, 75, 100, 150, 200, 300, 400, 600, 1000, 4000)
    found: dict[str, dict[tuple[int, float, float], float]] = {
        name: {} for name in ("ours", "Tango alone", "Tango with the guard", "Wald")
    }
    for cell in product(sizes, (0.005, *MARGINS, 0.1), (1.0, 1.5, 2.0, 3.0, 5.0)):
        n, margin, ratio = cell
        c, b, chance = at_margin(n, margin, ratio)
        uppers = {
            "ours": far_paired_limits(b, c, n, ALPHA)[1],
            "Tango with the guard": paired_upper(b, c, n, ALPHA),
            "Tango alone": paired_upper(b, c, n, ALPHA, guard=False),
            "Wald": wald_paired(b, c, n, ALPHA)[1],
        }
        for name, upper in uppers.items():
            found[name][cell] = float(chance[upper < -margin].sum())
    cell, value = worst(found["ours"])
    rivals = {name: worst(found[name])[1] for name in ("Wald", "Tango alone", "Tango with the guard")}
    return [
        Claim(
            topic="accuracy loss",
            claim="false pass of superiority (better by the margin)",
            cells=len(found["ours"]),
            worst=named(NAMES, cell),
            ours=value,
            bound=BOUND,
            rivals=rivals,
            rivals_at="their own worst",
            note="exact; ours is the bound of beats_control",
        )
    ]


def fails(quick: bool) -> list[Claim]:
    """FAIL at α/m: m times the chance of one false FAIL, in the worst cell (a union bound over equal statements)."""
    sizes, counts = (
        ((50, 300, 1000), (1, 50, 1000)) if quick else ((30, 50, 100, 300, 1000, 4000), (1, 10, 50, 200, 1000))
    )
    grid = list(product(sizes, (0.01, 0.02, 0.05, 0.1), (1.0, 1.2, 1.5, 2.0, 3.0, 5.0)))
    mine, tango, wald_ = {}, {}, {}
    for n, margin, ratio in grid:
        b, c, chance = discordant_pairs(n, margin * (ratio + 1) / 2, margin * (ratio - 1) / 2, tail=1e-11)
        for m in counts:
            cell, level = (m, n, margin, ratio), ALPHA / m
            mine[cell] = m * float(chance[far_paired_limits(b, c, n, level)[0] > margin].sum())
            tango[cell] = m * float(chance[paired_limits(b, c, n, level, guard=False)[0] > margin].sum())
            wald_[cell] = m * float(chance[wald_paired(b, c, n, level)[0] > margin].sum())
    cell, value = worst(mine)
    return [
        Claim(
            topic="accuracy loss",
            claim="false FAIL at α/m of a student at the limit, × m (m statements alike)",
            cells=len(mine),
            worst=named(("m", *NAMES), cell),
            ours=value,
            bound=BOUND,
            rivals={"Wald": worst(wald_)[1], "Tango alone": worst(tango)[1]},
            rivals_at="their own worst",
            note=f"exact; m {counts[0]} to {counts[-1]}; a bound on the chance of any FAIL, can exceed 1",
        )
    ]


def decisions(quick: bool) -> list[Claim]:
    """``auditor.audit`` on rows decides as the sums above assume."""
    random = np.random.default_rng(7)
    wrong, tables = 0, 60 if quick else 300
    for _ in range(tables):
        n, margin = int(random.integers(60, 1500)), float(random.choice(MARGINS))
        b, c = random.binomial(n, margin * random.uniform(0, 1.2)), random.binomial(n, margin * random.uniform(0, 0.7))
        teacher, student = np.repeat([1, 0, 1], [b, c, n - b - c]), np.repeat([0, 1, 1], [b, c, n - b - c])
        judged = evidence(np.ones(n), teacher, student)
        outcome = auditor.audit(judged, policy(check("accuracy_loss", {"at_most": margin})), statements=7)[0].outcome
        fails_ = far_paired_limits(b, c, n, ALPHA / 7)[0] > margin
        expected = "PASS" if paired_upper(b, c, n, ALPHA) < margin else "FAIL" if fails_ else "INCONCLUSIVE"
        wrong += outcome != expected
    return [
        Claim(
            topic="accuracy loss",
            claim="auditor.audit on rows decides otherwise than these sums",
            cells=tables,
            worst="random tables",
            ours=wrong / tables,
            bound=0.0,
        )
    ]


def groups(quick: bool) -> list[Claim]:
    """Every group at the limit, or one with the others equal to the teacher: PASS and FAIL of the whole check."""
    cells = list(product((2, 6, 24, 60, 120), (50, 200, 1000), ("all", "one")))
    out = []
    for wanted, least in (("PASS", "one"), ("FAIL", "all")):
        chosen = [cell for cell in cells if cell[2] == least]
        cell, value, error, count = again(
            chosen, lambda cell, seed, draws, wanted=wanted: _groups(cell, seed, draws)[wanted], 500 if quick else 4000
        )
        out.append(
            Claim(
                topic="per-group loss",
                claim=f"false {wanted}, {'one group' if least == 'one' else 'every group'} at the limit of 5 points",
                cells=count,
                worst=named(("groups", "rows each"), cell[:2]),
                ours=value,
                error=error,
                bound=BOUND,
                note="24 groups and beyond: 60 and 120",
            )
        )
    return out


def _groups(cell: tuple[int, int, str], seed: int, draws: int) -> dict[str, float]:
    count, n, who = cell
    random = np.random.default_rng(seed)
    names = tuple(f"g{at:03d}" for at in range(count))
    m = verdict.count(policy(check("worst_group_loss", {"at_most": 0.05})), {"g": names})
    rates = np.tile([0.065, 0.015, 0.92], (count, 1))
    if who == "one":
        rates[1:] = [0.01, 0.01, 0.98]
    drawn = random.multinomial(n, rates, size=(draws, count))
    b, c = drawn[..., 0].astype(float), drawn[..., 1].astype(float)
    # Few different pairs occur, and a pair's limits do not depend on the draw.
    pairs, at = np.unique(np.stack([b.ravel(), c.ravel()]), axis=1, return_inverse=True)
    passes = (paired_upper(pairs[0], pairs[1], n, ALPHA) < 0.05)[at].reshape(draws, count).all(axis=1)
    failed = (far_paired_limits(pairs[0], pairs[1], n, ALPHA / m)[0] > 0.05)[at].reshape(draws, count).any(axis=1)
    return {"PASS": float(passes.mean()), "FAIL": float(failed.mean())}


def run(quick: bool) -> list[Claim]:
    """All claims about losses."""
    parts = (losses, coverage, superiority, fails, decisions, groups)
    return [claim for part in parts for claim in part(quick)]
