"""How fast is the audit, and how much memory does it take?

1. 50,000 rows × 24 groups × 5 metrics × both models against fairlearn's ``MetricFrame(n_boot=2000)``, in one process.
   fairlearn is timed at a few replicates and scaled by the slope; point values must be equal, or this stops.
2. 10,000,000 rows of 0/1 metrics, each size in a process of its own: seconds and the peak of resident memory, without
   the making (reading) of the rows, which is told apart; and a whole ``autodistill.audit`` of a parquet file.
3. Row-level metrics (log-loss, Brier, AUC) of 10,000,000 rows.

Median of several runs, one thread. Run: ``python benchmarks/audit_speed.py [--quick]``; it writes
``results/audit_speed.md`` and ``.json`` (``--quick``: smaller sizes, printed and not written).
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

from speed.beside import against_fairlearn
from speed.page import page
from speed.sizes import apart


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, printed and not written")
    asked = parser.parse_args()
    sizes = (10_000, 100_000) if asked.quick else (100_000, 1_000_000, 10_000_000)
    found = {
        "fairlearn": against_fairlearn(asked.quick),
        "counts": [apart("of_size", rows, "counts") for rows in sizes],
        "file": [apart("of_file", rows) for rows in sizes],
        "rowlevel": [apart("of_size", rows, "rowlevel") for rows in sizes[1:]],
        "load": os.getloadavg()[0],
    }
    text = page(found)
    print(text)
    if not asked.quick:
        out = Path(__file__).parent / "results" / "audit_speed"
        out.with_suffix(".md").write_text(text)
        out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
