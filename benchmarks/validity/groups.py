"""Many groups at once, each against all others: what is simultaneous, up to 120 groups."""

from functools import cache
from itertools import product
from typing import Any

import numpy as np

from autodistill import verdict
from autodistill.stats import LABELS, PairedGap, far_limits, gap_bounds, growth_upper, origins
from autodistill.stats.disparity import growth_low
from validity.common import ALPHA, BOUND, Claim, again, check, named, policy
from validity.growth import EPS, TAU, tables, true_label


def many(quick: bool) -> list[Claim]:
    """2 to 120 groups, each against all others: false passes, false FAILs, wrong labels."""
    counts = (2, 24, 60) if quick else (2, 6, 24, 60, 120)
    cells = list(product(counts, (50, 200, 1000), (0.1, 0.4)))
    draws = 200 if quick else 600
    out = []
    for key, claim, bound in (
        ("pass", "every group's growth passes although one grows by ε", BOUND),
        ("fail", "a group FAILs growth or gap, each group at a limit", BOUND),
        ("label", "some group of G is labelled wrongly, each at no gap or a border (α/2 a group, not shared)", None),
    ):
        cell, value, error, count = again(
            cells, lambda cell, seed, draws, key=key: _many(cell, seed, draws)[key], draws, top=2, more=4
        )
        out.append(
            Claim(
                topic="many groups",
                claim=claim,
                cells=count,
                worst=named(("groups", "rows each", "base"), cell),
                ours=value,
                error=error,
                bound=bound,
                note="2 to 120 groups" if bound else "labels are descriptive and never enter the verdict",
            )
        )
    return out


@cache
def _many(cell: tuple[Any, ...], seed: int, draws: int) -> dict[str, float]:
    groups, n, base = cell
    random = np.random.default_rng(seed)
    names = tuple(f"g{at:03d}" for at in range(groups))
    rules = policy(check("group_gap", {"at_most": TAU, "grows_by_at_most": EPS}, metric="selection_rate"))
    level = ALPHA / verdict.count(rules, {"g": names})

    def contrasts(points: list[tuple[float, float]]) -> PairedGap:
        parts = [tables(random, draws, n, (base + t, base + s, abs(s - t) + 0.02)) for t, s in points]
        drawn = np.concatenate(parts, axis=1)
        others = drawn.sum(axis=1, keepdims=True) - drawn
        return PairedGap(drawn[:, :1], others[:, :1], 1) if groups == 2 else PairedGap(drawn, others, 1)

    # Of two groups one is the other's reference; of G the reference moves by a Gth, so the points are scaled to it.
    scale = 1.0 if groups == 2 else (groups - 1) / groups
    quiet = [(0.0, 0.0)] * groups
    one = contrasts([(0.0, EPS), *quiet[1:]])
    passes = (growth_upper(one, ALPHA) < EPS - 1e-12).all(axis=-1).mean()
    # Half of the groups up by the limits, half down: |u_S| = τ and growth = ε, or nothing where that cannot be.
    t, s = (TAU - EPS) * scale / 2, TAU * scale / 2
    share = base - s >= 0 and base - t >= 0
    spread = [(t, s) if at % 2 == 0 else (-t, -s) for at in range(groups)] if share else quiet
    all_ = contrasts(spread)
    student, change = far_limits(all_, level)
    failed = (growth_low(student, change) > EPS) | (gap_bounds(student)[0] > TAU)
    limits = [all_.teacher_limits(ALPHA / 2), all_.student_limits(ALPHA / 2), all_.change_limits(ALPHA / 2)]
    found = origins(*limits, TAU, EPS)
    wrong = np.zeros(draws, dtype=bool)
    for at in range(found.shape[-1]):
        rest = [p for other, p in enumerate(spread) if other != at]
        t, s = (spread[at][k] - sum(p[k] for p in rest) / (groups - 1) for k in (0, 1))
        right = [0, *(LABELS.index(name) for name in true_label(t, s))]
        wrong |= ~np.isin(found[:, at], right)
    return {"pass": float(passes), "fail": float(failed.any(axis=-1).mean()), "label": float(wrong.mean())}


def run(quick: bool) -> list[Claim]:
    """All claims about many groups."""
    return many(quick)
