"""The figures of README.md's section "What a search is worth", from the recorded results beside this script.

README.md holds each between marks, ``<!-- figure: NAME -->1.2<!-- end -->``; a name is a key of ``FIGURES``. A figure
that a results page prints in a table is read there (the benchmarks write those tables), any other is computed from the
JSON. Nothing is run here.

Run: ``python benchmarks/readme_figures.py``, after a benchmark has written its results; tests/test_docs.py holds that
README.md says what they say.
"""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
RESULTS, README = HERE / "results", HERE.parent / "README.md"
MARK = re.compile(r"(<!-- figure: ([a-z0-9-]+) -->)[^<]*(<!-- end -->)")
RIVALS = ("random", "nsga2", "mo-asha", "tpe", "tpe multivariate")
NUMBERS = ("none", "one", "two", "three", "four", "five", "six")


def cell(page: str, section: str, row: str, column: str) -> float:
    """The number that a cell of a results page begins with: its first table under the heading that begins so."""
    text = (RESULTS / page).read_text(encoding="utf-8").split(f"\n## {section}", 1)[1]
    lines = [[one.strip() for one in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    found = next(line for line in lines if line[0] == row)[lines[0].index(column)]
    return float(found.replace(",", "").split()[0])


def load(name: str) -> Any:
    return json.loads((RESULTS / name).read_bytes())


def efficiency(task: str, arm: str, column: str) -> float:
    return cell("search_efficiency.md", f"{task}, ", arm, column)


def ahead(rivals: tuple[str, ...]) -> str:
    """In how many of the replayed worlds the median hypervolume at the end of the budget is above each rival's."""
    ends: dict[tuple[str, str], dict[str, list[float]]] = {}
    for line in load("search_replay.json")["lines"]:
        ends.setdefault((line["task"], line["kind"]), {}).setdefault(line["name"], []).append(line["seconds"][-1])
    won = sum(all(median(one["ours"]) > median(one[rival]) for rival in rivals) for one in ends.values())
    return f"{NUMBERS[won]} worlds out of {NUMBERS[len(ends)]}"


def quality(task: str, which: str) -> float:
    """Median hypervolume after ten minutes among acceptable students: of the search, or of the best rival."""
    ends: dict[str, list[float]] = {}
    for line in load("search_quality.json")["lines"]:
        if line["task"] == task:
            ends.setdefault(line["name"], []).append(line["hypervolume"][-1])
    return median(ends["ours"]) if which == "ours" else max(median(ends[rival]) for rival in RIVALS)


def overheads() -> list[float]:
    """Seconds a candidate beside its training, at each size of the search: processor time of controller and progress,
    time on the clock of what is written."""
    sizes = load("search_overhead.json")["sizes"].values()
    parts = (("controller", "processor_ms"), ("progress", "processor_ms"), ("journal", "mean_ms"), ("entry", "mean_ms"))
    return [sum(one[part][kind] for part, kind in parts) / 1000 for one in sizes]


def share(seconds: float) -> str:
    return f"{100 * seconds / load('search_overhead.json')['training_s']:.0f}"


def gains() -> list[float]:
    """Points that each loss gains over labels alone on the transfer set."""
    return [one["gain"] for one in load("transfer_set.json")["few"] if one["loss"] != "none"]


FIGURES: dict[str, Callable[[], str]] = {
    "first-adult": lambda: f"{efficiency('adult', 'search tpe', 'the first at'):g}",
    "first-digits": lambda: f"{efficiency('digits', 'search tpe', 'the first at'):g}",
    "first-adult-loop": lambda: f"{efficiency('adult', 'tpe cached', 'the first at'):.0f}",
    "first-digits-loop": lambda: f"{efficiency('digits', 'tpe cached', 'the first at'):.0f}",
    "acceptable-adult": lambda: f"{efficiency('adult', 'search tpe', 'acceptable'):g}",
    "acceptable-adult-loop": lambda: f"{efficiency('adult', 'tpe cached', 'acceptable'):g}",
    "front-adult": lambda: f"{efficiency('adult', 'tpe cached', 'sooner'):g}",
    "front-digits": lambda: f"{efficiency('digits', 'tpe cached', 'sooner'):g}",
    "replay-rivals": lambda: ahead(RIVALS),
    "replay-tpe": lambda: ahead(("ours, tpe",)),
    "quality-adult": lambda: f"{quality('adult', 'ours'):.2f}",
    "quality-adult-rival": lambda: f"{quality('adult', 'rival'):.2f}",
    "quality-digits": lambda: f"{quality('digits', 'ours'):.2f}",
    "quality-digits-rival": lambda: f"{quality('digits', 'rival'):.2f}",
    "overhead-least": lambda: f"{min(overheads()):.2f}",
    "overhead-most": lambda: f"{max(overheads()):.2f}",
    "overhead-share-least": lambda: share(min(overheads())),
    "overhead-share-most": lambda: share(max(overheads())),
    "overhead-share-of-5-s": lambda: f"{math.ceil(100 * max(overheads()) / 5)}",
    "overhead-training": lambda: f"{load('search_overhead.json')['training_s']:g}",
    "transfer-least": lambda: f"{min(gains()):.0f}",
    "transfer-most": lambda: f"{max(gains()):.0f}",
}


def filled(text: str) -> str:
    """The page with every figure as the results have it. Raises KeyError for a name that is none."""
    return MARK.sub(lambda found: f"{found[1]}{FIGURES[found[2]]()}{found[3]}", text)


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
