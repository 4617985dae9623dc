"""How much sooner does this search have the front that a plain Optuna loop has, on Adult and on an image task?

Arms, one after another, each with the same seconds on the same space, splits, encoded rows, families, losses, exporter
and laboratory (with an empty memory):

- ``search tpe``, ``search exact``: the loop of ``autodistill search`` under that sampler, with rungs and gate, led by
  the task's policy; ``no rungs`` without them. Certification and report are not run, and their time is no arm's.
- ``random``, ``nsga2``, ``tpe``: ``study.optimize`` over error, latency and energy as a competent user writes it. Each
  trial builds, trains in full (networks: ``DataLoader``, AdamW, cosine schedule, best epoch kept; trees:
  scikit-learn), exports and measures. NSGA-II has a population of 20, since so short a search sees no 50 trials twice,
  and is asked for every parameter in every trial: it crosses only what all trials share.
  ``in loop`` asks the fitted teacher for the labels of every batch and every fit; ``cached`` reads those that this
  package keeps.

Tasks: ``adult`` is search_spaces/adult_income.yaml; ``digits`` is replay/digits.yaml, 8 x 8 images read as 64 numbers.

Only what was finished within the time counts; a student that was stopped counts as what it was at its rung. Not in any
arm's time: imports, reading the table, fitting the teacher, labelling, ranking the columns.

Hypervolume is of error and log10 costs (as shares of the teacher's) under the task's worst error (0.24: the majority's
on Adult; 0.20 on digits) and the teacher's costs, fixed before any run. The reference is the front of all arms and
seeds of a task together. It is told twice: of (error, energy), where the same student has the same numbers in every
arm, and of (error, latency, energy), where a front also collects the luckiest of its latency readings (first readings
of one architecture differ by a tenth and more). ``to 95 %`` is when an arm had 95 % of (error, energy); ``sooner``:
how many times sooner ``search tpe`` of the same seed had the hypervolume that the arm had at its end. Where it never
had that, the figure is under 1: when the arm had what ``search tpe`` came to, as a part of the whole time. Energy is
modelled.

``acceptable`` are students that hold the task's policy on the search split, which is what a search is for; how many,
when the first, the least bytes of one, and how many times sooner ``search tpe`` had one as small.

Run: ``python benchmarks/search_efficiency.py [--seconds 60] [--seeds 0 1 2] [--tasks adult digits] [--arms ...]``; it
adds to ``results/search_efficiency.json`` what is not there yet and writes ``.md``.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import optuna
import torch
from optuna._hypervolume import compute_hypervolume

sys.path.insert(0, str(Path(__file__).parent / "efficiency"))
sys.path.insert(0, str(Path(__file__).parent / "replay"))
import bench
import loops
import tasks

from autodistill.measure import machine

RESULTS = Path(__file__).parent / "results"
ARMS = (
    "search tpe",
    "search exact",
    "search tpe no rungs",
    "tpe cached",
    "tpe in loop",
    "nsga2 in loop",
    "random in loop",
)
WORST = {"adult": 0.24, "digits": 0.20}
BASE = "search tpe"
SHARE = 0.95


def opened(task: str, room: Path) -> bench.Bench:
    """A task, prepared."""
    path = Path("search_spaces/adult_income.yaml")
    if task == "digits":
        tasks.read("digits", room)
        path = room / "digits.yaml"
    return bench.Bench(task, path, room, WORST[task])


def line(arm: bench.Arm, seconds: float) -> dict[str, Any]:
    """An arm as it is kept."""
    return {
        "task": arm.task,
        "arm": arm.name,
        "seed": arm.seed,
        "seconds": seconds,
        "counts": arm.counts,
        "cpu": round(arm.cpu, 1),
        "wall": round(arm.wall, 1),
        "load": [round(one, 1) for one in arm.load],
        "found": [
            [one.at, *(round(value, 5) for value in one.point), one.bytes, int(one.acceptable), one.family]
            for one in arm.found
        ],
    }


MEASURES = {"error, energy": (1, 3), "error, latency, energy": (1, 2, 3)}
EXACT = "error, energy"


class Counted:
    """The kept arms of one task, and what they come to."""

    def __init__(self, task: str, lines: Sequence[dict[str, Any]]) -> None:
        self.lines = [one for one in lines if one["task"] == task]
        self._worst = WORST[task]
        every = [found for one in self.lines for found in one["found"]]
        self._reference = {measure: self._volume(every, measure) for measure in MEASURES}

    def _volume(self, found: Sequence[Sequence[Any]], measure: str) -> float:
        places = MEASURES[measure]
        corner = np.array([self._worst, *[0.0] * (len(places) - 1)])
        points = np.array([[one[at] for at in places] for one in found]).reshape(-1, len(places))
        inside = points[(points < corner).all(axis=1)]
        return float(compute_hypervolume(np.unique(inside, axis=0), corner)) if len(inside) else 0.0

    def volume(self, one: dict[str, Any], until: float = float("inf"), measure: str = EXACT) -> float:
        """What an arm had by then, as a share of the reference."""
        return self._volume([f for f in one["found"] if f[0] <= until], measure) / self._reference[measure]

    def reached(self, one: dict[str, Any], share: float) -> float | None:
        """When an arm first had so much."""
        return next((found[0] for found in one["found"] if self.volume(one, found[0]) >= share), None)

    def _base(self, one: dict[str, Any]) -> dict[str, Any] | None:
        base = next((o for o in self.lines if o["arm"] == BASE and o["seed"] == one["seed"]), None)
        return None if base is one else base

    def sooner(self, one: dict[str, Any]) -> float | None:
        """How many times sooner the base of this seed had what this arm has; under 1 if it never had."""
        base = self._base(one)
        if base is None:
            return None
        mine = self.volume(one)
        had = next((found[0] for found in one["found"] if self.volume(one, found[0]) >= mine), one["seconds"])
        at = self.reached(base, mine)
        if at is not None:
            return float(had / at)
        theirs = self.reached(one, self.volume(base))
        return float((theirs or one["seconds"]) / base["seconds"])

    def smaller(self, one: dict[str, Any]) -> float | None:
        """How many times sooner the base had an acceptable student as small as this arm's smallest (which took the
        whole time, where it had none); under 1 where the base never had one as small: see ``sooner``."""
        base = self._base(one)
        if base is None:
            return None
        mine, theirs = least(one), least(base)
        if theirs is None:
            return None
        at = when(base, mine[0] if mine else float("inf"))
        if at is not None:
            return float((mine[1] if mine else one["seconds"]) / at)
        return float((when(one, theirs[0]) or one["seconds"]) / base["seconds"])

    def row(self, one: dict[str, Any]) -> list[str]:
        """An arm in words."""
        at, sooner, smaller = self.reached(one, SHARE), self.sooner(one), self.smaller(one)
        good, best, counts = [f for f in one["found"] if f[5]], least(one), one["counts"]
        return [
            str(one["seed"]),
            one["arm"],
            *(str(counts.get(state, 0)) for state in ("finished", "stopped", "skipped", "broken")),
            *(f"{self.volume(one, measure=measure):.3f}" for measure in MEASURES),
            "not" if at is None else f"{at:.0f} s",
            "" if sooner is None else f"{sooner:.1f}",
            str(len(good)),
            f"{good[0][0]:.1f} s" if good else "none",
            f"{best[0]:,.0f}" if best else "none",
            "" if smaller is None else f"{smaller:.1f}",
            f"{one['cpu']:.0f} of {one['wall']:.0f}",
            f"{one['load'][0]} → {one['load'][1]}",
        ]

    def text(self) -> list[str]:
        """The tables of a task."""
        head = ("arm", "seeds", *(f"share of ({one})" for one in MEASURES), "to 95 %", "sooner", "acceptable")
        head += ("the first at", "least bytes", "sooner as small")
        said = ["Medians (least–most).", "", f"| {' | '.join(head)} |"]
        said.append("|---" * len(head) + "|")
        for arm in dict.fromkeys(one["arm"] for one in self.lines):
            own = [one for one in self.lines if one["arm"] == arm]
            good = [[f for f in one["found"] if f[5]] for one in own]
            cells = [
                *(spread([self.volume(one, measure=measure) for one in own], "{:.3f}") for measure in MEASURES),
                reached([self.reached(one, SHARE) for one in own], "{:.0f} s"),
                spread([self.sooner(one) for one in own], "{:.1f}"),
                spread([len(one) for one in good], "{:.0f}"),
                reached([one[0][0] if one else None for one in good], "{:.1f} s"),
                reached([best[0] if (best := least(one)) else None for one in own], "{:,.0f}"),
                spread([self.smaller(one) for one in own], "{:.1f}"),
            ]
            said.append(f"| {arm} | {len(own)} | {' | '.join(cells)} |")
        names = ("seed", "arm", "finished", "stopped", "skipped", "broken", *MEASURES, "to 95 %", "sooner")
        names += ("acceptable", "the first at", "least bytes", "sooner as small", "CPU s", "load")
        said += ["", f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
        return said + [f"| {' | '.join(self.row(one))} |" for one in self.lines]


def least(one: dict[str, Any]) -> tuple[float, float] | None:
    """Bytes of an arm's smallest acceptable student, and when it had it."""
    return min(((f[4], f[0]) for f in one["found"] if f[5]), default=None)


def when(one: dict[str, Any], size: float) -> float | None:
    """When an arm first had an acceptable student of at most so many bytes."""
    return next((f[0] for f in one["found"] if f[5] and f[4] <= size), None)


def spread(values: Sequence[float | None], form: str) -> str:
    """Median, least and most."""
    there = [one for one in values if one is not None]
    return "" if not there else f"{form.format(median(there))} ({form.format(min(there))}–{form.format(max(there))})"


def reached(values: Sequence[float | None], form: str) -> str:
    """The same of what not every seed has."""
    there = [one for one in values if one is not None]
    if len(there) == len(values):
        return spread(values, form)
    return f"none in {len(values)}" if not there else f"{spread(there, form)}, {len(there)} of {len(values)}"


def report(path: Path, kept: dict[str, Any]) -> None:
    """The tables beside the raw results; what was written above them by hand stays."""
    text = [f"{kept['processor']}, {kept['cores']} cores, Optuna {kept['optuna']}, PyTorch {kept['torch']}.", ""]
    for task in dict.fromkeys(one["task"] for one in kept["arms"]):
        seconds = {one["seconds"] for one in kept["arms"] if one["task"] == task}
        text += [f"## {task}, {'/'.join(f'{one:.0f}' for one in sorted(seconds))} s an arm", ""]
        text += [*Counted(task, kept["arms"]).text(), ""]
    print("\n".join(text))
    path = path.with_suffix(".md")
    reading = path.read_text().split("<!-- tables -->")[0] if path.exists() else "# Wall-clock to a front\n\n"
    path.write_text(f"{reading}<!-- tables -->\n\n" + "\n".join(text))


def main() -> None:
    """Run the arms that are not there yet, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of each arm")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tasks", nargs="+", default=["adult", "digits"])
    parser.add_argument("--arms", nargs="+", default=list(ARMS))
    parser.add_argument("--out", type=Path, default=RESULTS / "search_efficiency.json")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    here = {"processor": machine.environment()["processor"], "cores": os.cpu_count()}
    here |= {"optuna": optuna.__version__, "torch": torch.__version__}
    kept = json.loads(asked.out.read_text()) if asked.out.exists() else {**here, "arms": []}
    there = {(one["task"], one["arm"], one["seed"]) for one in kept["arms"]}
    for task in asked.tasks:
        with tempfile.TemporaryDirectory() as room:
            made = None
            for at, seed in enumerate(asked.seeds):
                for name in asked.arms[::-1] if at % 2 else asked.arms:  # nobody is always first
                    if (task, name, seed) in there:
                        continue
                    made = made or opened(task, Path(room))
                    kept["arms"].append(line(loops.run(made, name, seed, asked.seconds), asked.seconds))
                    body = ",\n".join(json.dumps(one) for one in kept["arms"])
                    head = json.dumps({name: value for name, value in kept.items() if name != "arms"}, indent=1)[:-2]
                    asked.out.write_text(f'{head},\n "arms": [\n{body}\n]}}\n')
    report(asked.out, kept)


if __name__ == "__main__":
    main()
