"""Controllers compared on replayed searches: recorded learning curves and prices, real proposals, nothing trained.

Worlds (``replay/world.py``): ``adult`` and ``digits``, each as ``forest``, ``nearest`` and ``rough``. Every search has
the same simulated seconds: what 40 candidates drawn at random cost, trained in full. Its clock adds up recorded
training seconds (times ``SCALE``, which stands for a table as long as Adult's whole train split), one latency run an
architecture, the export, and the processor seconds that proposing really took here.

Against it: Optuna's RandomSampler, NSGAIISampler (population 20, since the default's 50 would be
random to the end; every parameter asked for in every trial, since it crosses only what all trials share),
TPESampler as it comes and with ``multivariate, group``, all with full training, and MO-ASHA (own implementation, same
rungs). Ours (``exact``, rungs, gate, ties of one standard error as ``run`` has them) with each lever taken away. No
policy here (``search_quality.py`` has it): three objectives, no limits, so that nobody knows more of the problem.

Hypervolume is of (error, log10 latency, log10 energy) under the error of ``world.WORST`` and the teacher's latency and
energy, fixed before any search, as a share of a reference front's: that of 5,000 random recipes and ten rounds of 500
mutations of the front. A student that was stopped counts as what it was at its rung. p: Wilcoxon signed-rank,
two-sided, over seeds, against ours.

Run: ``python benchmarks/search_replay.py --room DIR`` (resumes; minutes to an hour), then ``--room DIR --report``.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from scipy.stats import wilcoxon

sys.path.insert(0, str(Path(__file__).parent / "replay"))
import drive
import searches
from world import ROWS, World

from autodistill.optimise import Controller, rungs, start

RESULTS = Path(__file__).parent / "results"
OBJECTIVES = ("error", "latency", "energy")
SCALE = {"adult": 19_537 / 6_000, "digits": 4.0}
TRAININGS = 40
SHARES = (0.125, 0.25, 0.5, 1.0)
KINDS = ("forest", "nearest", "rough")
SEEDS = {"random": 30, "nsga2": 30, "mo-asha": 30, "tpe": 20, "tpe multivariate": 20}
OWN_SEEDS = 10
OURS: dict[str, dict[str, Any]] = {
    "ours": {"sampler": "exact", "rungs": True, "gate": True},
    "ours, tpe": {"sampler": "tpe", "rungs": True, "gate": True},
    "ours, random": {"sampler": "random", "rungs": True, "gate": True},
    "ours, no gate": {"sampler": "exact", "rungs": True, "gate": False},
    "ours, no rungs": {"sampler": "exact", "rungs": False, "gate": True},
    "ours, no start-up rule": {"sampler": "exact", "rungs": True, "gate": True},
    "ours, no ties": {"sampler": "exact", "rungs": True, "gate": True},
    "ours, sampler only": {"sampler": "exact", "rungs": False, "gate": False},
    "ours, tpe only": {"sampler": "tpe", "rungs": False, "gate": False},
}
ELSEWHERE = ("ours", "ours, tpe", "ours, sampler only")


def controller(world: World, seed: int, name: str, **more: Any) -> Controller:
    """Our controller under one of ``OURS``."""
    rungs.STARTUP = 0 if name == "ours, no start-up rule" else 27
    tie = 0.0 if name == "ours, no ties" else (world.teacher["error"] / ROWS[world.task]) ** 0.5
    return Controller(world.space, OBJECTIVES, more.pop("constraints", ()), seed, **OURS[name], tie=tie, **more)


def rival(name: str, seed: int) -> optuna.samplers.BaseSampler:
    """A sampler of Optuna."""
    made: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed, population_size=20),
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
        "tpe multivariate": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True),
    }
    return made[name]()


def search(world: World, name: str, seed: int, shop: drive.Shop, budget: float, **more: Any) -> drive.Run:
    """One replayed search."""
    if name in OURS:
        return searches.ours(controller(world, seed, name, **more), shop, budget)
    if name == "mo-asha":
        return searches.asha(seed, shop, budget, lambda rng: start.draw(world.space, rng))
    return searches.plain(rival(name, seed), shop, budget)


def reference(world: World, draws: int = 5_000, rounds: int = 10, children: int = 500) -> float:
    """Hypervolume of the reference front."""
    rng, grid, shop = np.random.default_rng(7), world.grid, drive.Shop(world, 1.0)
    front: list[tuple[Any, tuple[float, float, float]]] = []
    u = grid.draw(draws, rng)
    for _ in range(rounds + 1):
        for place in u:
            known = shop.known(world.space.candidate(0, grid.decode(place)))
            costs = known["costs"]
            front.append((place, (known["curve"][-1], np.log10(costs["latency"]), np.log10(costs["energy"]))))
        points = np.array([point for _, point in front])
        kept = undominated(points)
        front = [front[at] for at in kept]
        u = grid.mutate(np.array([place for place, _ in front])[rng.integers(len(front), size=children)], rng)
    return drive.volume([point for _, point in front], world.reference)


def undominated(points: Any) -> list[int]:
    """Positions of what nothing dominates; in order of error, so that one pass finds them."""
    kept: list[int] = []
    for at in np.lexsort(points.T[::-1]):
        if not kept or not (points[kept] <= points[at]).all(axis=1).any():
            kept.append(int(at))
    return kept


class Room:
    """Where lines are kept while the benchmark runs."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / name
        self.lines = [json.loads(one) for one in self.file.read_text().splitlines()] if self.file.exists() else []

    def add(self, line: dict[str, Any]) -> None:
        """Keep a line."""
        self.lines.append(line)
        with self.file.open("a") as out:
            out.write(json.dumps(line) + "\n")

    def has(self, **what: Any) -> bool:
        """Whether there is a line with these values."""
        return any(all(line.get(name) == value for name, value in what.items()) for line in self.lines)


def cells(tasks: Sequence[str]) -> Iterator[tuple[str, str, str, int]]:
    """Task, kind of world, method, seed; seeds outermost, so that an interrupted run has something of everything."""
    for seed in range(max(SEEDS.values())):
        for task in tasks:
            for kind in KINDS:
                for name, many in {**dict.fromkeys(OURS, OWN_SEEDS), **SEEDS}.items():
                    if seed < many and (kind == "forest" or name in ELSEWHERE or name not in OURS):
                        yield task, kind, name, seed


def replay(folder: Path, tasks: Sequence[str], names: Sequence[str]) -> None:
    """All cells that are not there yet."""
    room = Room(folder, "replay.jsonl")
    worlds: dict[tuple[str, str], tuple[World, float, float]] = {}
    for task, kind, name, seed in cells(tasks):
        if name not in names or room.has(task=task, kind=kind, name=name, seed=seed):
            continue
        if (task, kind) not in worlds:
            world = World(task, kind)  # type: ignore[arg-type]
            known = [
                line for line in room.lines if line.get("reference") and (line["task"], line["kind"]) == (task, kind)
            ]
            if not known:
                room.add({"task": task, "kind": kind, "reference": reference(world), "quality": world.quality()})
                known = room.lines[-1:]
            worlds[task, kind] = world, known[0]["reference"], drive.per_training(world, SCALE[task])
        world, best, cost = worlds[task, kind]
        budget = TRAININGS * cost
        begun = time.process_time()
        run = search(world, name, seed, drive.Shop(world, SCALE[task]), budget)
        by_seconds = drive.volumes(run, [budget * share for share in SHARES], world.reference)
        by_trainings = drive.volumes(run, [TRAININGS * share for share in SHARES], world.reference, by="trained")
        room.add(
            {
                "task": task,
                "kind": kind,
                "name": name,
                "seed": seed,
                "seconds": [round(one / best, 4) for one in by_seconds],
                "trainings": [round(one / best, 4) for one in by_trainings],
                "counts": run.counts,
                "trained": round(run.trained, 2),
                "thought": round(run.thought, 2),
                "budget": round(budget, 1),
                "cpu": round(time.process_time() - begun, 2),
            }
        )


def cell(values: Sequence[float]) -> str:
    """Median and quartiles."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{middle:.3f} ({low:.3f}–{high:.3f})"


def compared(own: dict[int, float], other: dict[int, float]) -> float:
    """Wilcoxon's p over the seeds in common; 1 where nothing differs."""
    left = np.array([own[seed] - other[seed] for seed in sorted(set(own) & set(other))])
    return float(wilcoxon(left).pvalue) if np.any(left) else 1.0


def table(lines: list[dict[str, Any]], axis: str, head: Sequence[str]) -> list[str]:
    """One world, one axis: a row a method."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        by_name.setdefault(line["name"], []).append(line)
    rows = [f"| method | searches | {' | '.join(head)} | p at a half | p at the end | students tried | s proposing |"]
    rows.append("|---" * (len(head) + 6) + "|")
    own = by_name["ours"]
    for name in [*OURS, *SEEDS]:
        if name not in by_name:
            continue
        found = by_name[name]
        figures = [cell([line[axis][at] for line in found]) for at in range(len(SHARES))]
        tests = [
            compared({o["seed"]: o[axis][at] for o in own}, {o["seed"]: o[axis][at] for o in found}) for at in (-2, -1)
        ]
        said = ["–", "–"] if name == "ours" else [f"{p:.3f}" for p in tests]
        tried = [line["counts"].get("proposed", 0) or line["counts"].get("finished", 0) for line in found]
        if name == "mo-asha":
            tried = [line["counts"].get("rung", 0) + line["counts"].get("finished", 0) for line in found]
        thought = np.median([line["thought"] for line in found])
        rows.append(
            f"| {name} | {len(found)} | {' | '.join([*figures, *said])} | {np.median(tried):.0f} | {thought:.1f} |"
        )
    return rows


def report(folder: Path) -> None:
    """``results/search_replay.json`` and the tables of ``.md``."""
    room = Room(folder, "replay.jsonl")
    lines = [line for line in room.lines if "name" in line]
    worlds = [line for line in room.lines if "reference" in line]
    text: list[str] = []
    for one in worlds:
        here = [line for line in lines if (line["task"], line["kind"]) == (one["task"], one["kind"])]
        budget = here[0]["budget"]
        text += [f"## {one['task']}, {one['kind']}", ""]
        text += [f"By simulated seconds (the whole budget is {budget:.0f} s):", ""]
        text += [*table(here, "seconds", [f"{budget * share:.0f} s" for share in SHARES]), ""]
        text += [
            "By trainings' worth of epochs (where fewer fitted the seconds, as it stood at the end):",
            "",
        ]
        text += [*table(here, "trainings", [f"{TRAININGS * share:g}" for share in SHARES]), ""]
    head = {"searches": len(lines), "scale": SCALE, "trainings": TRAININGS, "shares": SHARES, "measure": drive.MEASURE}
    (RESULTS / "search_replay.json").write_text(
        json.dumps({**head, "worlds": worlds}, indent=1)[:-2]
        + ',\n "lines": [\n'
        + ",\n".join(json.dumps(line) for line in lines)
        + "\n]}\n"
    )
    path = RESULTS / "search_replay.md"
    reading = path.read_text().split("<!-- tables -->")[0] if path.exists() else "# Replayed searches\n\n"
    path.write_text(f"{reading}<!-- tables -->\n\n{len(lines)} searches, simulated.\n\n" + "\n".join(text))
    print("\n".join(text))


def main() -> None:
    """Replay, or report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--room", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", default=["adult", "digits"])
    parser.add_argument("--names", nargs="+", default=[*OURS, *SEEDS])
    parser.add_argument("--report", action="store_true")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if not asked.report:
        return replay(asked.room, asked.tasks, asked.names)
    return report(asked.room)


if __name__ == "__main__":
    main()
