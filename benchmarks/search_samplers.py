"""Which sampler finds the better front in the same number of trainings?

Ten searches each of a made-up problem (``tests/fake_problem.py``: three families, conditional options, three
objectives, three constraints of which two are exact, some candidates that break) through the package's own controller.
Hypervolume of the feasible front over error, latency and log energy, with the reference point (0.25, 60 µs, 40 µJ);
p: Wilcoxon signed-rank, two-sided, against tpe at the last count. Run: ``python benchmarks/search_samplers.py``; it
writes ``search_samplers.md``. Results are the same on every machine, seconds are not.
"""

import sys
import time
from pathlib import Path

import numpy as np
from scipy.stats import wilcoxon

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from fake_problem import CONSTRAINTS, EXACT, OBJECTIVES, costs, drive, error, space, volume

from autodistill.optimise import Controller
from autodistill.optimise.samplers import SAMPLERS

SEEDS = 10
COUNTS = (20, 30, 60, 100)
REFERENCE = np.array([0.25, 60.0, np.log(40.0)])


def search(sampler: str, seed: int) -> list[float]:
    """Hypervolume after each of ``COUNTS`` distinct candidates."""
    controller = Controller(space(), OBJECTIVES, CONSTRAINTS, seed, sampler=sampler, exact=EXACT, trials=COUNTS[-1])
    good, reached, done = [], [], 0
    for event in drive(controller):
        if event.kind == "finished" and event.entry is not None and max(event.entry.constraints) <= 0:
            candidate = event.entry.candidate
            cost = costs(candidate)
            good.append([error(candidate), cost["latency"], np.log(cost["energy_uJ.modelled"])])
        if event.kind in ("finished", "refused", "broken"):
            done += 1
            if done in COUNTS:
                reached.append(volume(np.array(good), REFERENCE))
    return reached


def main() -> None:
    """Compare, print and write."""
    lines = [f"| sampler | {' | '.join(f'{n} candidates' for n in COUNTS)} | worst seed | p | s a search |"]
    lines.append("|---" * (len(COUNTS) + 4) + "|")
    last: dict[str, np.ndarray] = {}
    for sampler in ("tpe", *(name for name in SAMPLERS if name != "tpe")):
        begun = time.perf_counter()
        reached = np.array([search(sampler, seed) for seed in range(SEEDS)])
        seconds = (time.perf_counter() - begun) / SEEDS
        last[sampler] = reached[:, -1]
        p = "" if sampler == "tpe" else f"{wilcoxon(last[sampler], last['tpe']).pvalue:.3f}"
        middle = " | ".join(
            f"{np.median(column):.2f} ({np.quantile(column, 0.25):.2f}–{np.quantile(column, 0.75):.2f})"
            for column in reached.T
        )
        lines.append(f"| {sampler} | {middle} | {last[sampler].min():.2f} | {p} | {seconds:.1f} |")
    text = "\n".join(lines)
    print(text)
    title = (
        "# Samplers on a made-up problem (`search_samplers.py`)\n\nMedian (quartiles) of the hypervolume, ten seeds.\n"
    )
    (Path(__file__).with_suffix(".md")).write_text(f"{title}\n{text}\n")


if __name__ == "__main__":
    main()
