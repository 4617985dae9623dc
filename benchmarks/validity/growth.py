"""Growth of a gap and its origin labels: simulated count tables, fixed seeds."""

from itertools import product
from typing import Any

import numpy as np

from autodistill.stats import (
    LABELS,
    PairedGap,
    accounting,
    gap_upper,
    growth_upper,
    origins,
)
from validity.common import ALPHA, BOUND, Claim, again, named, worst
from validity.contrasts import FEW, PAIRS


def tables(random: np.random.Generator, draws: int, n: int, rates: tuple[float, float, float]) -> np.ndarray:
    """[draws, 1, 2, 2] with the teacher's rate, the student's rate and the share of rows on which they differ."""
    teacher, student, differ = rates
    differ = float(np.clip(differ, abs(student - teacher), min(teacher + student, 2 - teacher - student)))
    up, down = (differ + student - teacher) / 2, (differ - student + teacher) / 2
    shares = np.maximum([1 - teacher - up, up, down, teacher - down], 0.0)
    shares /= shares.sum()
    return random.multinomial(n, shares, size=(draws, 1)).reshape(draws, 1, 2, 2).astype(float)


POINTS = (
    (0.0, 0.05),
    (-0.02, 0.05),
    (-0.05, 0.05),
    (-0.2, 0.05),
    (0.1, 0.15),
    (0.25, 0.3),
    (0.0, -0.05),
    (0.2, -0.05),
    (-0.1, -0.15),
    (0.0, 0.1),
    (-0.25, 0.1),
)


def growth(quick: bool) -> list[Claim]:
    """growth < ε where it is ε: new gaps, grown ones, reversals, a teacher without a gap."""
    names = ("group", "reference", "u_T", "u_S", "base", "other flips")
    bases, flips = (0.05, 0.3, 0.6), (0.002, 0.05)
    cells = [
        (n, m, t, s, base, flip)
        for (n, m), (t, s), base, flip in product(FEW if quick else PAIRS, POINTS, bases, flips)
        if base + min(t, s) >= 0 and base + max(t, s) <= 1
    ]

    def rate(cell: tuple[Any, ...], seed: int, draws: int) -> float:
        n, m, t, s, base, flip = cell
        random = np.random.default_rng(seed)
        first = tables(random, draws, n, (base + t, base + s, abs(s - t) + flip))
        second = tables(random, draws, m, (base, base, flip))
        limit = float(accounting(t, s)[1])
        return float((growth_upper(PairedGap(first, second, 1), ALPHA) < limit - 1e-12).mean())

    draws = 500 if quick else 4000
    flat = [cell for cell in cells if cell[2] == 0]
    turned = [cell for cell in cells if cell[2] * cell[3] < 0]
    rest = [cell for cell in cells if cell[2] * cell[3] > 0]
    out = []
    for chosen, what in ((flat, "a teacher without a gap"), (turned, "reversals"), (rest, "a gap that grows")):
        cell, value, error, count = again(chosen, rate, draws, top=4)
        out.append(
            Claim(
                topic="growth",
                claim=f"false pass of growth < ε at ε: {what}",
                cells=count,
                worst=named(names, cell),
                ours=value,
                error=error,
                bound=BOUND,
            )
        )
    return [*out, *_reversal(quick)]


def _reversal(quick: bool) -> list[Claim]:
    """0.25 to −0.25 is never passed, by growth or by the gap."""
    cells = [(n, m, 0.35, flip) for (n, m), flip in product(FEW if quick else PAIRS, (0.01, 0.1))]
    passed = 0.0
    for at, (n, m, base, flip) in enumerate(cells):
        random = np.random.default_rng(at)
        draws = 2000 if quick else 20_000
        first = tables(random, draws, n, (base + 0.25, base - 0.25, 0.5 + flip))
        second = tables(random, draws, m, (base, base, flip))
        both = PairedGap(first, second, 1)
        least = np.minimum(growth_upper(both, ALPHA), gap_upper(both, ALPHA))
        passed = max(passed, float((least < 0.05).mean()))
    return [
        Claim(
            topic="growth",
            claim="a reversal 0.25 → −0.25 passes a limit of 5 points, by growth or by the gap",
            cells=len(cells),
            worst="all",
            ours=passed,
            bound=0.0,
            note=f"{2000 if quick else 20_000:,} draws a cell",
        )
    ]


TAU, EPS = 0.15, 0.05
PLANTED = {
    "clear": (0.0, 0.0),
    "inherited": (0.3, 0.3),
    "amplified": (0.25, 0.45),
    "introduced": (0.0, 0.3),
    "introduced (reversed)": (-0.25, 0.25),
    "mitigated": (0.35, 0.02),
}
BORDERS = (
    (0.15, 0.15),
    (0.15, 0.2),
    (0.15, 0.1),
    (0.1, 0.15),
    (0.2, 0.15),
    (0.14, 0.15),
    (0.15, 0.25),
    (0.149, 0.3),
    (-0.15, 0.15),
    (0.15, -0.15),
    (0.0, 0.15),
    (0.15, 0.0),
    (0.3, 0.35),
    (0.3, 0.25),
    (-0.149, -0.2),
)


def true_label(t: float, s: float) -> set[str]:
    """The labels that are not wrong at a point of the plane: AUDIT §4's partition, either side of a border it is on."""
    near, found = 1e-9, set()
    for t_, s_ in product((t - near, t, t + near), (s - near, s, s + near)):
        exact = tuple((np.asarray([v]), np.asarray([v])) for v in (t_, s_, s_ - t_))
        found.add(LABELS[int(origins(*exact, TAU, EPS)[0])])
    # A reversal is an introduced gap of which one more thing is known.
    return found | ({"introduced"} if "introduced (reversed)" in found else set())


def _labels(n: int, m: int, point: tuple[float, float], seed: int, draws: int) -> np.ndarray:
    """How often each of LABELS is printed, [7]."""
    (t, s), base = point, 0.4
    random = np.random.default_rng(seed)
    both = PairedGap(
        tables(random, draws, n, (base + t, base + s, abs(s - t) + 0.02)),
        tables(random, draws, m, (base, base, 0.02)),
        1,
    )
    limits = [both.teacher_limits(ALPHA / 2), both.student_limits(ALPHA / 2), both.change_limits(ALPHA / 2)]
    return np.bincount(origins(*limits, TAU, EPS).ravel(), minlength=len(LABELS)) / draws


def _wrong(shares: np.ndarray, point: tuple[float, float]) -> float:
    return float(1 - shares[0] - sum(shares[LABELS.index(name)] for name in true_label(*point) - {LABELS[0]}))


def labels(quick: bool) -> list[Claim]:
    """Right where every statement has the power, undetermined elsewhere, rarely wrong even at the borders."""
    draws = 1000 if quick else 10_000
    right, printed, wrong = {}, {}, {}
    for at, (label, point) in enumerate(PLANTED.items()):
        for n, m in ((1000, 4000), (300, 1200), (50, 200)):
            shares = _labels(n, m, point, at, draws)
            printed[(label, n)] = 1 - shares[0]
            wrong[(label, n)] = (
                1 - shares[0] - sum(shares[LABELS.index(name)] for name in true_label(*point) - {LABELS[0]})
            )
            if n == 1000:
                right[(label, n)] = float(shares[LABELS.index(label)])
    cell, value = worst(right, least=True)
    bad = worst(wrong)
    shown = "; ".join(
        f"printed at {n}: {100 * min(printed[(label, n)] for label in PLANTED):.0f}–"
        f"{100 * max(printed[(label, n)] for label in PLANTED):.0f} %"
        for n in (1000, 300, 50)
    )
    out = [
        Claim(
            topic="origin labels",
            claim="right label of a planted case with power (1,000 rows against 4,000)",
            cells=len(right),
            worst=named(("label", "rows"), cell),
            ours=value,
            error=float(np.sqrt(value * (1 - value) / draws)),
            bound=0.95,
            floor=True,
            note=f"{shown}; else undetermined",
        ),
        Claim(
            topic="origin labels",
            claim="a wrong label of a planted case, 50 to 1,000 rows",
            cells=len(wrong),
            worst=named(("label", "rows"), bad[0]),
            ours=bad[1],
            bound=BOUND,
        ),
    ]
    sizes = ((50, 200), (300, 300), (300, 4000), (1000, 4000))

    def rate(cell: tuple[Any, ...], seed: int, draws: int) -> float:
        n, m, t, s = cell
        return _wrong(_labels(n, m, (t, s), seed, draws), (t, s))

    cells = [(*size, *point) for size, point in product(sizes, BORDERS)]
    cell, value, error, count = again(cells, rate, draws // 2, top=4)
    out.append(
        Claim(
            topic="origin labels",
            claim="a wrong label at the borders of the partition",
            cells=count,
            worst=named(("group", "reference", "u_T", "u_S"), cell),
            ours=value,
            error=error,
            bound=BOUND,
        )
    )
    return out


def run(quick: bool) -> list[Claim]:
    """All claims about growth and labels."""
    return [claim for part in (growth, labels) for claim in part(quick)]
