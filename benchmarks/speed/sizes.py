"""Audits of many rows, each in a process of its own: seconds and the peak of resident memory."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from autodistill import auditor
from autodistill.records import Policy, Requirement
from speed.rows import METRICS, fresh, made, middle, timed

HERE = Path(__file__).parents[1]
ROWLEVEL = ("log_loss", "brier", "auc")


def rules(*extra: Requirement) -> Policy:
    """A policy of 0/1 metrics: losses, and gaps of five rates in both attributes."""
    gaps = tuple(
        Requirement(
            kind="check",
            name="group_gap",
            options={"metric": metric},
            limits={"at_most": 0.2, "grows_by_at_most": 0.05},
        )
        for metric in METRICS
    )
    losses = (
        Requirement(kind="check", name="accuracy_loss", limits={"at_most": 0.02}),
        Requirement(kind="check", name="worst_group_loss", limits={"at_most": 0.04}),
    )
    return Policy(name="speed", version="1", require=(*losses, *gaps), report=extra)


def peak() -> float:
    """The largest resident memory of this process so far, GiB (Linux; what getrusage says outlives an exec)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 2**20


def of_size(rows: int, kind: str) -> dict[str, Any]:
    """Part 2 and 3, in a process of its own."""
    evidence = made(rows, scores=kind == "rowlevel")
    policy = rules()
    if kind == "rowlevel":
        found = [
            Requirement(kind="check", name="score_loss", options={"metric": metric}, limits={"at_most": 0.05})
            for metric in ROWLEVEL
        ]
        policy = Policy(name="speed", version="1", require=tuple(found))
    auditor.audit(made(1000, scores=kind == "rowlevel"), policy)
    before = peak()
    clock, seconds = timed(lambda: auditor.audit(fresh(evidence), policy), 3)
    again = None
    if kind == "counts":
        counted = fresh(evidence)
        auditor.audit(counted, policy)
        again = middle(lambda: auditor.audit(counted, policy), 5)
    outcomes = [f.outcome for f in auditor.audit(fresh(evidence), policy)]
    return {
        "rows": rows,
        "seconds": clock,
        "processor": seconds,
        "counted before": again,
        "rows in memory, GiB": before,
        "peak, GiB": peak(),
        "findings": len(outcomes),
        "not applicable": outcomes.count("NOT_APPLICABLE"),
    }


def of_file(rows: int) -> dict[str, Any]:
    """A whole ``autodistill.audit`` of a parquet file, read and judged."""
    import autodistill

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.parquet"
        code = f"from speed import sizes; sizes.write({rows}, {str(path)!r})"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=HERE)
        begun = time.perf_counter()
        found = autodistill.audit(
            path, policy=rules(), label="y", teacher="t", student="s", groups=["region", "sex"], positive=1
        )
        seconds = time.perf_counter() - begun
    parts = found.report["cost"]["seconds"]
    return {"rows": rows, "seconds": seconds, "reading": parts["data"], "judging": parts["audit"], "peak, GiB": peak()}


def write(rows: int, path: str) -> None:
    """The rows of ``made`` as a file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    evidence = made(rows)
    columns = {"y": evidence.y, **{name: pa.array(column) for name, column in evidence.groups.items()}}
    columns |= {"t": evidence.teacher["audit"].decisions, "s": evidence.student["audit"].decisions}
    pq.write_table(pa.table(columns), path)


def apart(function: str, rows: int, *more: str) -> dict[str, Any]:
    """What a function of this module says of ``rows`` rows, in a process of its own."""
    call = f"{function}({', '.join(map(repr, (rows, *more)))})"
    code = f"import json; from speed import sizes; print(json.dumps(sizes.{call}))"
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE, check=False)
    if done.returncode:
        return {"rows": rows, "failed": (done.stderr.strip().splitlines() or [str(done.returncode)])[-1]}
    return dict(json.loads(done.stdout))
