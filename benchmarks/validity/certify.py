"""Many candidates and one data set: fallback certification, correlated students, nights of reuse."""

import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from autodistill import verdict
from autodistill.errors import LedgerError
from autodistill.ledger import Ledger
from autodistill.stats import paired_upper, tango_z
from validity.common import ALPHA, BOUND, Claim, again, named

MARGIN = 0.02
SHORT = 5


def students(
    random: np.random.Generator, draws: int, n: int, losses: np.ndarray, spreads: np.ndarray, shared: float
) -> tuple[np.ndarray, np.ndarray]:
    """(b, c) [draws, K] of correlated students of one teacher on ``n`` rows.

    A share of the rows is as hard for one student as for another: a row is a uniform number, the lowest are lost, the
    highest won, and each student has thresholds of its own. On the others each draws for itself.
    """
    lose, win = (spreads + losses) / 2, 1 - (spreads - losses) / 2
    edges = np.unique(np.concatenate([[0.0], lose, win, [1.0]]))
    common = np.cumsum(random.multinomial(round(shared * n), np.diff(edges), size=draws), axis=1)
    under = np.concatenate([np.zeros((draws, 1), dtype=int), common], axis=1)
    b, above = under[:, np.searchsorted(edges, lose)], under[:, np.searchsorted(edges, win)]
    rates = np.stack([lose, 1 - win, win - lose], axis=1)
    own = random.multinomial(n - round(shared * n), rates, size=(draws, len(losses)))
    return (b + own[..., 0]).astype(float), (round(shared * n) - above + own[..., 1]).astype(float)


def shortlist(b: np.ndarray, c: np.ndarray, n: int) -> np.ndarray:
    """The five safest on the search split, safest first, [draws, 5]."""
    return np.argsort(tango_z(b, c, n, MARGIN), axis=1, kind="stable")[:, :SHORT]


def certified(b: np.ndarray, c: np.ndarray, n: int) -> np.ndarray:
    """Which of the candidates [draws, m], in this order, pass the package's fallback procedure on audit counts."""
    draws, m = b.shape
    share = ALPHA / m
    # The procedure tests at whole multiples of α/m only.
    passes = np.stack([paired_upper(b, c, n, share * (k + 1)) < MARGIN for k in range(m)], axis=2)
    out = np.zeros((draws, m), dtype=bool)
    for draw in range(draws):
        steps = verdict.fallback(m, ALPHA, lambda at, a, draw=draw: bool(passes[draw, at, round(a / share) - 1]))
        out[draw] = [step.decision == "PASS" for step in steps]
    return out


CASES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    # losses, disagreements
    "all at the margin": ((MARGIN,) * 20, (0.06,) * 20),
    "at the margin, unequal disagreement": ((MARGIN,) * 20, tuple(np.linspace(0.02, 0.2, 20))),
    "half at the margin, half good": ((MARGIN, 0.0) * 10, (0.06, 0.04) * 10),
    "half at the margin, half far better and quiet": ((MARGIN, -0.01) * 10, (0.15, 0.02) * 10),
    "half at the margin and quiet, half good and loud": ((MARGIN, 0.005) * 10, (0.022, 0.15) * 10),
}


def fallback(quick: bool) -> list[Claim]:
    """20 students that share their hard rows, five shortlisted on a search split, certified on the audit split."""
    cells = list(product(CASES, (500, 2000), (0.0, 0.6, 0.95)))

    def rates(cell: tuple[Any, ...], seed: int, draws: int) -> tuple[float, float, float]:
        case, n, shared = cell
        losses, spreads = (np.array(part) for part in CASES[case])
        random = np.random.default_rng(seed)
        order = shortlist(*students(random, draws, n, losses, spreads, shared), n)
        b, c = students(random, draws, n, losses, spreads, shared)
        passed = certified(np.take_along_axis(b, order, 1), np.take_along_axis(c, order, 1), n)
        false = (passed & (losses[order] >= MARGIN)).any(axis=1)
        top = np.argmin(tango_z(b, c, n, MARGIN), axis=1)[:, None]
        one, other = np.take_along_axis(b, top, 1), np.take_along_axis(c, top, 1)
        best = (losses[top] >= MARGIN) & (paired_upper(one, other, n, ALPHA) < MARGIN)
        return float(false.mean()), float(best.mean()), float(passed.any(axis=1).mean())

    draws = 300 if quick else 3000
    cell, value, error, count = again(cells, lambda c, s, d: rates(c, s, d)[0], draws, top=3, more=5)
    naive = again([c for c in cells if c[0] == "all at the margin"], lambda c, s, d: rates(c, s, d)[1], draws, top=1)
    good = rates(("half at the margin, half good", 2000, 0.6), 5, draws)[2]
    return [
        Claim(
            topic="certification",
            claim="any false certificate among 20 correlated students (fallback, 5 shortlisted)",
            cells=count,
            worst=named(("case:", "rows", "shared"), cell),
            ours=value,
            error=error,
            bound=BOUND,
            rivals={"best of 20 on the audit split": naive[1]},
            rivals_at=f"its own worst: {named(('case:', 'rows', 'shared'), naive[0])}",
            note=f"certifies something in {100 * good:.0f} % where half are good (2,000 rows)",
        )
    ]


def unequal(quick: bool) -> list[Claim]:
    """Orders of five with very unequal power, fixed beforehand: good ones first hand their level on to false ones."""
    cells = list(product((0, 1, 2, 3, 4), (0.02, 0.05, 0.2), (0.0, 0.95)))

    def rate(cell: tuple[Any, ...], seed: int, draws: int) -> float:
        good, spread, shared = cell
        losses = np.array([-0.02] * good + [MARGIN] * (SHORT - good))
        spreads = np.where(losses < 0, 0.03, spread)
        random = np.random.default_rng(seed)
        b, c = students(random, draws, 1500, losses, spreads, shared)
        return float((certified(b, c, 1500) & (losses > 0)).any(axis=1).mean())

    cell, value, error, count = again(cells, rate, 500 if quick else 6000, top=3, more=5)
    return [
        Claim(
            topic="certification",
            claim="any false certificate in an order of very unequal power (sure ones first)",
            cells=count,
            worst=named(("sure ones", "ψ of the others", "shared"), cell),
            ours=value,
            error=error,
            bound=BOUND,
        )
    ]


def nights(quick: bool) -> list[Claim]:
    """90 nights on the same audit rows: looks paid from one account, candidates chosen blind, or (the rival) bred from
    the best-audited parent and read every night at the whole level."""
    draws, n, length = (2000 if quick else 10_000), 1500, 90
    found: dict[str, float] = {}

    def any_pass(random: np.random.Generator, looks: int, level: float) -> float:
        b, c = students(random, draws, n, np.full(looks, MARGIN), np.full(looks, 0.06), 0.8)
        return float((paired_upper(b, c, n, level) < MARGIN).any(axis=1).mean())

    # One account: after its looks are spent every further night is refused.
    for name, looks in (("1 look", 1), ("10 looks", 10), ("90 looks", 90)):
        found[name] = any_pass(np.random.default_rng(looks), looks, ALPHA / looks)
    every = any_pass(np.random.default_rng(3), length, ALPHA)
    bred = float(np.mean([_bred(np.random.default_rng(seed), n, length) for seed in range(draws // 20)]))
    name = max(found, key=lambda key: found[key])
    granted = _granted(length)
    return [
        Claim(
            topic="reuse",
            claim="any false PASS in 90 nights on the same rows, candidates chosen blind",
            cells=len(found),
            worst=f"policy with {name}",
            ours=found[name],
            error=float(np.sqrt(found[name] * (1 - found[name]) / draws)),
            bound=BOUND,
            rivals={"every night at 5 %": every, "child of the best-audited": bred},
            rivals_at="90 nights, no account",
        ),
        Claim(
            topic="reuse",
            claim="nights beyond its 10 looks that the ledger grants, on the same rows or on overlapping ones",
            cells=length,
            worst="the ledger's own answers",
            ours=(granted - 10) / length,
            bound=0.0,
            note=f"{granted} of {length} nights granted",
        ),
    ]


def _bred(random: np.random.Generator, n: int, length: int) -> bool:
    """Each night's student is the best-audited one with a twentieth of its deviations drawn anew; all at the margin."""
    spread = 0.06
    parent = random.random(n)
    best = np.inf
    for _ in range(length):
        child = np.where(random.random(n) < 0.05, random.random(n), parent)
        b, c = (child < (spread + MARGIN) / 2).sum(), (child > 1 - (spread - MARGIN) / 2).sum()
        z = float(tango_z(b, c, n, MARGIN))
        if paired_upper(b, c, n, ALPHA) < MARGIN:
            return True
        if z < best:
            best, parent = z, child
    return False


def _granted(length: int) -> int:
    """How many of ``length`` different shortlists the ledger lets look at rows of one account, 10 being declared."""
    granted = 0
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder))
        for night in range(length):
            rows = np.arange(night % 3, 400 + night % 3)
            try:
                ledger.look(rows, policy="p", shortlist=f"night {night}", looks=10, alpha=ALPHA)
            except LedgerError:
                continue
            granted += 1
    return granted


def run(quick: bool) -> list[Claim]:
    """All claims about many candidates."""
    return [claim for part in (fallback, unequal, nights) for claim in part(quick)]
