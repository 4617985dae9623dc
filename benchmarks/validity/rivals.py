"""Intervals of other tools in a few cells: percentile bootstrap, fairlearn's ``difference_ci``, Wald."""

import numpy as np
from fairlearn.metrics import MetricFrame, selection_rate

from autodistill.stats import PairedGap, gap_bounds, newcombe, z_value
from validity.common import ALPHA, Claim, named
from validity.growth import tables


def ranges(random: np.random.Generator, counts: np.ndarray, n: int, draws: int) -> np.ndarray:
    """Bootstrap values of max − min of a share over groups of ``n`` rows, [draws]; rows are drawn from all groups."""
    cells = np.stack([counts, n - counts], axis=1).ravel()
    drawn = random.multinomial(cells.sum(), cells / cells.sum(), size=draws).reshape(draws, -1, 2)
    shares = drawn[..., 0] / np.maximum(drawn.sum(axis=-1), 1)
    return shares.max(axis=1) - shares.min(axis=1)


def covered(groups: int, n: int, draws: int) -> tuple[float, float, float]:
    """How often a true gap of zero is inside: the range's percentile interval; our contrast of the first group with
    the rest, and Wald's, both two-sided 95 %."""
    random = np.random.default_rng(groups * n)
    hit = ours = wald = 0
    for _ in range(draws):
        counts = random.binomial(n, 0.3, size=groups)
        hit += np.quantile(ranges(random, counts, n, 500), 0.025) <= 1e-12
        x, rest = counts[0], counts[1:].sum()
        low, high = newcombe(x, n, rest, n * (groups - 1), ALPHA / 2)
        ours += bool(low <= 0 <= high)
        p, q, m = x / n, rest / n / (groups - 1), n * (groups - 1)
        wald += abs(p - q) <= float(z_value(ALPHA / 2)) * np.sqrt(p * (1 - p) / n + q * (1 - q) / m)
    return hit / draws, ours / draws, wald / draws


def fairlearns(groups: int, n: int, data: int, boots: int) -> float:
    """The same by fairlearn's own code, on ``data`` tables."""
    hit = 0
    for seed in range(data):
        random = np.random.default_rng(seed)
        decided = random.random(groups * n) < 0.3
        names = np.repeat([f"g{at}" for at in range(groups)], n)
        frame = MetricFrame(
            metrics=selection_rate,
            y_true=decided,
            y_pred=decided,
            sensitive_features=names,
            n_boot=boots,
            ci_quantiles=[0.025, 0.975],
            random_state=seed,
        )
        hit += frame.difference_ci()[0] <= 1e-12
    return hit / data


def zero(quick: bool) -> list[Claim]:
    """Coverage of a true gap of zero."""
    found = {cell: covered(*cell, 100 if quick else 1000) for cell in ((2, 200), (2, 1000), (4, 1000), (24, 200))}
    data, boots = (4, 40) if quick else (24, 100)
    theirs = {(2, 200): fairlearns(2, 200, data, boots), (4, 1000): fairlearns(4, 1000, data // 2, boots)}
    out = []
    for cell, (range_, ours, wald) in found.items():
        rivals = {"percentile": range_, "Wald": wald}
        if cell in theirs:
            rivals["fairlearn"] = theirs[cell]
        out.append(
            Claim(
                topic="gap",
                claim="coverage of a true gap of 0, two-sided 95 %: the contrast against max − min",
                cells=1,
                worst=named(("groups", "rows each"), cell),
                ours=ours,
                bound=0.935,
                floor=True,
                error=float(np.sqrt(ours * (1 - ours) / (100 if quick else 1000))),
                rivals=rivals,
                note=f"fairlearn's own code on {data} (2 groups) and {data // 2} tables × {boots}"
                if cell in theirs
                else "",
            )
        )
    return out


def silent(quick: bool) -> list[Claim]:
    """|D| < ε at D = ε where the rows that differ are few: ours against resampling of rows."""
    draws, cells = (300 if quick else 2000), ((30, 1000, 0.02), (50, 1000, 0.05), (100, 1000, 0.02))
    ours, percentile = {}, {}
    for n, m, eps in cells:
        random = np.random.default_rng(n)
        group = tables(random, draws, n, (0.3, 0.3 + eps, eps))
        rest = tables(random, draws, m, (0.3, 0.3, 0.0))
        gap = PairedGap(group, rest, 1)
        ours[(n, m, eps)] = float((gap_bounds(gap.change_limits(ALPHA))[1] < eps - 1e-12).mean())
        passed = 0
        for table in group[:, 0]:
            b, c = table[0, 1], table[1, 0]
            drawn = random.multinomial(n, [b / n, c / n, 1 - (b + c) / n], size=1000)
            passed += np.quantile((drawn[:, 0] - drawn[:, 1]) / n, 1 - ALPHA) < eps - 1e-12
        percentile[(n, m, eps)] = passed / draws
    cell = max(cells, key=lambda key: percentile[key])
    return [
        Claim(
            topic="change of a gap",
            claim="false pass of |change| < ε at ε, a reference without discordant rows, resampled",
            cells=len(cells),
            worst=named(("group", "reference", "ε"), cell),
            ours=max(ours.values()),
            bound=ALPHA + 0.01,
            rivals={"percentile": percentile[cell]},
        )
    ]


def false_fail(quick: bool) -> list[Claim]:
    """max − min as a gate: a limit of 5 points where no group differs; FAIL where the lower percentile is beyond."""
    draws, cells = (100 if quick else 1000), ((6, 100), (24, 100))
    theirs, ours = {}, {}
    for groups, n in cells:
        random = np.random.default_rng(n + groups)
        wrong = mine = 0
        for _ in range(draws):
            counts = random.binomial(n, 0.3, size=groups)
            wrong += np.quantile(ranges(random, counts, n, 500), ALPHA) > 0.05
            rest = counts.sum() - counts
            limits = newcombe(counts, n, rest, n * (groups - 1), ALPHA / (2 * groups))
            mine += bool((gap_bounds(limits)[0] > 0.05).any())
        theirs[(groups, n)], ours[(groups, n)] = wrong / draws, mine / draws
    cell = max(cells, key=lambda key: theirs[key])
    return [
        Claim(
            topic="gap",
            claim="FAIL of a limit of 5 points where no group differs",
            cells=len(cells),
            worst=named(("groups", "rows each"), cell),
            ours=max(ours.values()),
            bound=ALPHA + 0.01,
            rivals={"percentile": theirs[cell]},
            rivals_at="percentile of max − min, which is what difference_ci resamples",
        )
    ]


def run(quick: bool) -> list[Claim]:
    """All claims beside other tools."""
    return [claim for part in (zero, silent, false_fail) for claim in part(quick)]
