"""A search that is small and real: 4,000 people of UCI Adult, a quick teacher, four families, a loose policy.

What a whole search leaves is looked at by several tests, so the first one is run once a session and its readings are
what the others replay.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from autodistill import cli

ADULT = Path(__file__).parent.parent / "data" / "adult.parquet"
ROWS, TRIALS, SEED = 4000, 10, 3

POLICY = """
name: loose
version: "1"
confidence: 0.95
choose: size
looks: 20
require:
  - {check: accuracy_loss, at_most: 0.10}
  - {check: group_gap, metric: false_positive_rate, at_most: 0.6, grows_by_at_most: 0.4}
  - {check: class_collapse}
  - {meter: size, at_most: 20 kB}
report:
  - {check: churn}
"""

SPEC = """
name: small
seed: {seed}
sampler: tpe
data:
  table: {table}
  target: income
  drop: [fnlwgt, race, native_country]
  positive: ">50K"
  groups: [sex]
  split: {split}
teacher: {{kind: sklearn, estimator: sklearn.ensemble.GradientBoostingClassifier, n_estimators: 20, max_depth: 3}}
student:
  - {{family: boosted, trees: {{low: 2, high: 20}}, leaves: [4, 8]}}
  - {{family: tree, leaves: {{low: 4, high: 64, log: true}}}}
  - {{family: linear}}
  - {{family: mlp, width: 8, depth: 1, precision: [fp32, int8]}}
distill:
  loss: [soft_targets, none]
  temperature: {{low: 1.0, high: 4.0}}
  epochs: 2
  batch_size: 512
objectives: [error, latency, energy]
{measure}
budget: {{trials: {trials}}}
policy: {policy}
track: {{}}
"""

SHARES = "{train: 0.4, search: 0.15, audit: 0.225, sealed: 0.225}"


def people(rows: int = ROWS) -> pd.DataFrame:
    """The first people of the table."""
    return pd.read_parquet(ADULT).head(rows)


def write(
    folder: Path,
    *,
    readings: Path | None = None,
    table: Path | None = None,
    split: str = SHARES,
    policy: str = POLICY,
    trials: int = TRIALS,
    seed: int = SEED,
) -> Path:
    """An experiment file with its table and policy in a folder; the file."""
    folder.mkdir(parents=True, exist_ok=True)
    if table is None:
        table = folder / "adult.parquet"
        people().to_parquet(table)
    (folder / "policy.yaml").write_text(policy, encoding="utf-8")
    measure = "" if readings is None else f"measure: {{from: {readings}}}"
    file = folder / "small.yaml"
    file.write_text(
        SPEC.format(table=table, split=split, policy=folder / "policy.yaml", measure=measure, trials=trials, seed=seed),
        encoding="utf-8",
    )
    return file


@contextmanager
def inside(folder: Path, cache: Path) -> Iterator[None]:
    """Work in a folder with a cache of one's own."""
    folder.mkdir(parents=True, exist_ok=True)
    before, old = Path.cwd(), os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(cache)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        if old is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = old


@dataclass(frozen=True)
class Run:
    """A finished search: where it was run, its cache, its experiment file and exit code."""

    root: Path
    cache: Path
    file: Path
    code: int

    @property
    def folder(self) -> Path:
        return self.root / "reports" / "small"

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_bytes())
        return found

    @property
    def readings(self) -> Path:
        return self.folder / "readings.json"


def search(root: Path, cache: Path, *more: str, **options: Any) -> Run:
    """Write an experiment into a folder and run it there."""
    file = write(root, **options)
    with inside(root, cache):
        code = cli.main(["search", str(file), *more])
    return Run(root, cache, file, code)


def events(folder: Path) -> list[dict[str, Any]]:
    """The journal's whole lines, without its header."""
    lines = (folder / "journal.jsonl").read_bytes().split(b"\n")[:-1]
    return [json.loads(line) for line in lines[1:]]


def finished(folder: Path) -> list[bytes]:
    """The journal's whole lines about candidates that came to an end, as they lie on the disk."""
    path = folder / "journal.jsonl"
    lines = path.read_bytes().split(b"\n")[1:-1] if path.exists() else []
    return [line for line in lines if (json.loads(line)["entry"] or {}).get("candidate")]


def screened(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Every candidate with all that the search knew of it, but for how long that took."""
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in report["entries"]]


def told(report: dict[str, Any]) -> dict[str, Any]:
    """What two runs with one seed over the same readings must agree in."""
    names = ("certified", "finalist", "front", "verdict", "shortlist", "findings", "rejected_because")
    return {"entries": screened(report)} | {name: report[name] for name in names}


def in_process(file: Path, root: Path, cache: Path) -> None:
    """Run an experiment file in this process, saying nothing."""
    with inside(root, cache), (root / "said.txt").open("a") as said, redirect_stdout(said), redirect_stderr(said):
        cli.main(["search", str(file)])
