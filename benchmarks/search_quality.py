"""Which front, and which smallest acceptable student, for the same 1, 3 and 10 simulated minutes?

Replayed as ``search_replay.py`` does it (worlds ``forest``), but under a policy (``replay/policy.yaml``: at most 1.5
points of accuracy lost against the teacher, at most 0.6 of its latency and 0.05 of its bytes) and with seconds such
that a candidate drawn at random, trained in full, costs 6 s: the budgets are 10, 30 and 100 of them. Our controller
refuses what the policy forbids before it is trained; Optuna's TPE and NSGA-II are told the same constraints after it.

Hypervolume is of (error, log10 latency, log10 energy) of acceptable students under the worst that is acceptable (the
teacher's energy), as a share of a reference front's. An untrained, stopped or unacceptable student counts for nothing:
what is screened on the search split is acceptable there, and whether it is certified is for an audit to say. Bytes of a
search without any acceptable student are counted as the policy's limit. p: Wilcoxon signed-rank, two-sided, ten or more
seeds, against ``ours``.

Run: ``python benchmarks/search_quality.py --room DIR`` (resumes), then ``--room DIR --report``.
"""

import argparse
import json
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from search_replay import RESULTS, Room, cell, compared, drive, search, undominated
from world import World

MINUTES = (1, 3, 10)
COST = 6.0
"""Seconds of a candidate drawn at random."""
METHODS = ("ours", "ours, tpe", "tpe multivariate", "tpe", "nsga2", "random", "mo-asha")
SEEDS = 10


def scaled(world: World) -> float:
    """How much longer than recorded a training is, for a candidate to cost ``COST``."""
    once, twice = drive.per_training(world, 1.0), drive.per_training(world, 2.0)
    return 1.0 + (COST - once) / (twice - once)


def acceptable(shop: drive.Shop, found: drive.Found) -> bool:
    """Whether a student meets the policy on the search split."""
    costs = {"latency": found.latency, "energy": found.energy, "size": found.size}
    return found.whole and max(shop.violations(costs, found.error)) <= 0


def corner(world: World) -> Any:
    """The worst that is acceptable."""
    limits = drive.LIMITS
    return np.array(
        [
            world.teacher["error"] + limits["error"] + 1e-9,
            np.log10(world.teacher["latency"] * limits["latency"]) + 1e-9,
            np.log10(world.teacher["energy"]),
        ]
    )


def best(world: World, draws: int = 5_000, rounds: int = 10, children: int = 500) -> tuple[float, float]:
    """Hypervolume of the reference front of acceptable students, and the least bytes seen among them."""
    rng, shop = np.random.default_rng(11), drive.Shop(world, 1.0)
    kept: list[tuple[Any, tuple[float, float, float]]] = []
    bytes_, u = np.inf, world.grid.draw(draws, rng)
    for _ in range(rounds + 1):
        for place in u:
            known = shop.known(world.space.candidate(0, world.grid.decode(place)))
            found = drive.Found(at=0, trained=0, error=known["curve"][-1], whole=True, **known["costs"])
            if acceptable(shop, found):
                kept.append((place, found.point))
                bytes_ = min(bytes_, found.size)
        kept = [kept[at] for at in undominated(np.array([point for _, point in kept]))]
        u = world.grid.mutate(np.array([place for place, _ in kept])[rng.integers(len(kept), size=children)], rng)
    return drive.volume([point for _, point in kept], corner(world)), float(bytes_)


def line(world: World, name: str, seed: int, scale: float, whole: float) -> dict[str, Any]:
    """One search of ten minutes, looked at three times."""
    shop = drive.Shop(world, scale, limits=True)
    own = {"constraints": drive.CONSTRAINTS, "exact": drive.CONSTRAINTS[:2], "choose": "size"}
    begun = time.process_time()
    run = search(world, name, seed, shop, 60.0 * MINUTES[-1], **(own if name.startswith("ours") else {}))
    good = [one for one in run.found if acceptable(shop, one)]
    by = [[one for one in good if one.at <= 60.0 * minutes] for minutes in MINUTES]
    limit = drive.LIMITS["size"] * world.teacher["size"]
    return {
        "task": world.task,
        "name": name,
        "seed": seed,
        "hypervolume": [round(drive.volume([o.point for o in some], corner(world)) / whole, 4) for some in by],
        "bytes": [round(min((one.size for one in some), default=limit)) for some in by],
        "acceptable": [len(some) for some in by],
        "counts": run.counts,
        "thought": round(run.thought, 1),
        "cpu": round(time.process_time() - begun, 1),
    }


def replay(folder: Path, tasks: Sequence[str]) -> None:
    """All that is not there yet."""
    room = Room(folder, "quality.jsonl")
    worlds: dict[str, tuple[World, float, float]] = {}
    for seed in range(SEEDS):
        for task in tasks:
            for name in METHODS:
                if room.has(task=task, name=name, seed=seed):
                    continue
                if task not in worlds:
                    world = World(task)
                    if not room.has(reference=True, task=task):
                        volume, least = best(world)
                        said = {"reference": True, "task": task, "hypervolume": volume, "bytes": least}
                        room.add({**said, "scale": scaled(world)})
                    told = next(one for one in room.lines if one.get("reference") and one["task"] == task)
                    worlds[task] = world, told["hypervolume"], told["scale"]
                world, whole, scale = worlds[task]
                room.add(line(world, name, seed, scale, whole))


def table(lines: list[dict[str, Any]], figure: str) -> list[str]:
    """A row a method."""
    show = (
        cell
        if figure == "hypervolume"
        else lambda some: "{1:.0f} ({0:.0f}–{2:.0f})".format(*np.quantile(some, [0.25, 0.5, 0.75]))
    )
    rows = [
        f"| method | searches | {' | '.join(f'{m} min' for m in MINUTES)} | p at {' / '.join(map(str, MINUTES))} min |"
    ]
    rows.append("|---" * 6 + "|")
    by = {name: [one for one in lines if one["name"] == name] for name in METHODS}
    for name, found in by.items():
        if not found:
            continue
        figures = [show([one[figure][at] for one in found]) for at in range(len(MINUTES))]
        ps = [
            compared(*({one["seed"]: one[figure][at] for one in some} for some in (by["ours"], found)))
            for at in range(len(MINUTES))
        ]
        said = "–" if name == "ours" else " / ".join(f"{p:.3f}" for p in ps)
        rows.append(f"| {name} | {len(found)} | {' | '.join(figures)} | {said} |")
    return rows


def report(folder: Path) -> None:
    """``results/search_quality.json`` and the tables of ``.md``."""
    room = Room(folder, "quality.jsonl")
    lines = [one for one in room.lines if "name" in one]
    worlds = [one for one in room.lines if one.get("reference")]
    text: list[str] = []
    for one in worlds:
        here = [some for some in lines if some["task"] == one["task"]]
        text += [f"## {one['task']}", "", "Share of the reference hypervolume among acceptable students:", ""]
        text += [*table(here, "hypervolume"), ""]
        text += [f"Bytes of the smallest acceptable student (the least seen at all: {one['bytes']:.0f}):", ""]
        text += [*table(here, "bytes"), ""]
    body = ",\n".join(json.dumps(one) for one in lines)
    head = json.dumps({"minutes": MINUTES, "cost": COST, "worlds": worlds}, indent=1)[:-2]
    (RESULTS / "search_quality.json").write_text(f'{head},\n "lines": [\n{body}\n]}}\n')
    path = RESULTS / "search_quality.md"
    reading = path.read_text().split("<!-- tables -->")[0] if path.exists() else "# Quality at equal budgets\n\n"
    path.write_text(f"{reading}<!-- tables -->\n\n{len(lines)} searches, simulated.\n\n" + "\n".join(text))
    print("\n".join(text))


def main() -> None:
    """Replay, or report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--room", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", default=["adult", "digits"])
    parser.add_argument("--report", action="store_true")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if not asked.report:
        return replay(asked.room, asked.tasks)
    return report(asked.room)


if __name__ == "__main__":
    main()
