"""Do nights keep to their budget? Real nights that train, each its own process, on a small table that grows.

    python benchmarks/nightly_budget.py [--nights 4] [--seconds 30]

A night is timed from outside: from the start of its process (imports and all) to its end. Its overrun is that less its
budget. What is promised is one rung and 15 s: a training is ended at a rung, and what follows it (certification, the
report, the pages) at a reserve that is learnt from the nights before. The longest rung is read from the night's own
journal. The load of the machine is part of the result: on a busy one everything takes longer.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROWS, MORE, ALLOWED = 3000, 100, 15.0
RESULTS = Path(__file__).parent / "results"
SPEC = """
name: budget
seed: 1
data: {table: rows.parquet, target: bought, positive: "yes", groups: [sex]}
teacher: {kind: sklearn, estimator: sklearn.ensemble.GradientBoostingClassifier, n_estimators: 40, max_depth: 3}
student:
  - {family: mlp, width: {low: 8, high: 64}, depth: [1, 2]}
  - {family: tree, leaves: {low: 8, high: 64}}
distill: {loss: [soft_targets, none], epochs: 30, batch_size: 128}
objectives: [error, size]
budget: {trials: 5000}
policy: policy.yaml
"""
POLICY = """
name: budget
version: "1"
choose: size
looks: 20
require:
  - {check: accuracy_loss, at_most: 0.2}
"""


def table(rows: int) -> pd.DataFrame:
    """Buyers: a rule with an interaction and noise; the first rows are the same in every table."""
    rng = np.random.default_rng(7)
    numbers = rng.normal(size=(rows, 6)).round(4)
    sex = rng.choice(["F", "M"], rows)
    score = numbers[:, 0] + numbers[:, 1] * numbers[:, 2] + rng.normal(0, 0.5, rows)
    made = pd.DataFrame(numbers, columns=[f"x{at}" for at in range(6)])
    return made.assign(sex=sex, bought=np.where(score > 0, "yes", "no"))


def night(root: Path, date: str, seconds: float) -> dict[str, Any]:
    """One night in a process of its own, timed from outside."""
    command = [sys.executable, "-m", "autodistill", "nightly", "budget.yaml", "--minutes", f"{seconds / 60:.6f}"]
    load = os.getloadavg()[0]
    started = time.monotonic()
    done = subprocess.run(
        [*command, "--json"],
        cwd=root,
        env={**os.environ, "AUTODISTILL_TODAY": date},
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.monotonic() - started
    record = json.loads(done.stdout)
    folder = root / "reports" / "budget" / "nights" / date
    events = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()[1:]]
    cost = json.loads((folder / "report.json").read_bytes())["cost"] if (folder / "report.json").exists() else {}
    rung = longest(events)
    return {
        "date": date,
        "outcome": record["outcome"],
        "sentence": record["sentence"],
        "seconds": round(took, 1),
        "overrun": round(took - seconds, 1),
        "inside": round(record["seconds"]["all"] - seconds, 1),
        "longest_rung": round(rung, 1),
        "kept": took - seconds <= rung + ALLOWED,
        "trained": cost.get("trained"),
        "stopped": cost.get("stopped"),
        "phases": {name: value for name, value in record["seconds"].items() if name != "all"},
        "load": round(load, 1),
    }


def longest(events: list[dict[str, Any]]) -> float:
    """Seconds of the longest stretch that a training goes on without being asked whether to end: from rung to rung."""
    spans, before = [0.0], {}
    for event in events:
        data, number = event.get("data") or {}, event.get("number")
        if event["kind"] == "rung" and "seconds" in data:
            spans.append(float(data["seconds"]) - before.get(number, 0.0))
            before[number] = float(data["seconds"])
        elif event["kind"] == "finished" and event.get("entry"):
            spans.append(float(event["entry"]["seconds"].get("train", 0.0)) - before.get(number, 0.0))
    return max(spans)


def run(nights: int, seconds: float) -> dict[str, Any]:
    """So many nights, rows added before each."""
    rows = table(ROWS + nights * MORE)
    made = []
    with tempfile.TemporaryDirectory() as home:
        root = Path(home)
        (root / "budget.yaml").write_text(SPEC)
        (root / "policy.yaml").write_text(POLICY)
        os.environ |= {"XDG_CACHE_HOME": str(root / "cache"), "XDG_CONFIG_HOME": str(root / "config")}
        for at in range(1, nights + 1):
            rows.head(ROWS + at * MORE).to_parquet(root / "rows.parquet")
            made.append(night(root, f"2024-05-{at:02d}", seconds))
            print(json.dumps(made[-1]), file=sys.stderr)
    settings = {
        "nights": nights,
        "budget_seconds": seconds,
        "rows": ROWS,
        "more_a_night": MORE,
        "cores": os.cpu_count(),
    }
    return {"settings": settings, "nights": made}


def page(found: dict[str, Any]) -> str:
    """The result as Markdown."""
    said = found["settings"]
    kept = sum(one["kept"] for one in found["nights"])
    lines = [
        "# What nights take beyond their budget",
        "",
        f"`python benchmarks/nightly_budget.py`: {said['nights']} real nights of {said['budget_seconds']:g} s on "
        f"{said['rows']} rows and {said['more_a_night']} more each night, {said['cores']} cores. Timed from outside, "
        f"imports and all; a night's own clock begins after its "
        f"imports. {kept} of {said['nights']} kept to one rung + {ALLOWED:g} s.",
        "",
        "| night | outcome | seconds | beyond the budget | the same by its own clock | longest rung | kept | trained | "
        "stopped | load before |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one['date']} | {one['outcome']} | {one['seconds']:.1f} | {one['overrun']:+.1f} s | "
        f"{one['inside']:+.1f} s | "
        f"{one['longest_rung']:.1f} s | {'yes' if one['kept'] else 'no'} | {one['trained']} | {one['stopped']} | "
        f"{one['load']:.1f} |"
        for one in found["nights"]
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run, print, and keep the result beside this file."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--nights", type=int, default=4)
    asked.add_argument("--seconds", type=float, default=30.0)
    asked.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    said = asked.parse_args()
    found = run(said.nights, said.seconds)
    (said.out / "nightly_budget.json").write_text(json.dumps(found, indent=1) + "\n")
    (said.out / "nightly_budget.md").write_text(page(found))
    print(page(found))


if __name__ == "__main__":
    main()
