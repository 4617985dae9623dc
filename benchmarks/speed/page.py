"""The page of figures."""

from collections.abc import Mapping
from typing import Any


def page(found: Mapping[str, Any]) -> str:
    """Markdown of what was measured."""
    beside, theirs = found["fairlearn"], found["fairlearn"]["fairlearn"]
    timed = zip(theirs["seconds"], theirs["replicates timed"], strict=True)
    lines = [
        "# How fast the audit is (`audit_speed.py`)\n",
        "2-core CPU machine shared with other work, one thread a process; medians of several runs; ratios within one "
        f"run, of processor seconds. Load average {found['load']:.1f} at the end.\n",
        f"## Against fairlearn: {beside['rows']:,} rows × 24 groups × 5 metrics × both models\n",
        f"fairlearn's `MetricFrame(n_boot=…)` of both models took "
        f"{' and '.join(f'{seconds:.1f} s for {count}' for seconds, count in timed)} replicates: "
        f"{theirs['a replicate']:.2f} s a replicate, **scaled** to 2,000: {theirs['2000']:,.0f} s (not run). Point "
        "values by group are equal to the last digit (asserted). Ours are intervals of every rate by group of both "
        "models, and of every contrast of both and of its change, which fairlearn does not have.\n",
        "| ours | seconds | times faster |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {v['seconds']:.4f} | {v['times faster']:,.0f} |" for name, v in beside["ours"].items()]
    lines += [
        "\n## Many rows: 0/1 metrics\n",
        "`auditor.audit` of losses and of gaps and growth of five rates in two attributes (24 and 2 groups). *Counted "
        "before*: the same audit with the table of counts at hand. *Processor*: seconds without what "
        "other processes took. Peak: resident memory of the whole process, rows "
        "included.\n",
        "| rows | findings | seconds | processor | counted before | rows in memory, GiB | peak, GiB |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        _row(one, ("findings", "seconds", "processor", "counted before", "rows in memory, GiB", "peak, GiB"))
        for one in found["counts"]
    ]
    lines += [
        "\n`autodistill.audit` of a parquet file (label, both models, two group columns):\n",
        "| rows | seconds | reading | judging | peak, GiB |",
        "|---|---|---|---|---|",
        *(_row(one, ("seconds", "reading", "judging", "peak, GiB")) for one in found["file"]),
        "\n## Many rows: log-loss, Brier and AUC\n",
        "| rows | findings | not applicable | seconds | processor | rows in memory, GiB | peak, GiB |",
        "|---|---|---|---|---|---|---|",
        *(
            _row(one, ("findings", "not applicable", "seconds", "processor", "rows in memory, GiB", "peak, GiB"))
            for one in found["rowlevel"]
        ),
    ]
    return "\n".join(lines) + "\n"


def _row(one: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    if "failed" in one:
        return f"| {one['rows']:,} | failed: {one['failed']} |" + " |" * (len(keys) - 1)
    shown = (f"{one[key]:.2f}" if isinstance(one[key], float) else str(one[key]) for key in keys)
    return f"| {one['rows']:,} | " + " | ".join(shown) + " |"
