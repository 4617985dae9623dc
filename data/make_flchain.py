"""Build data/flchain.parquet from the R package survival's table flchain, as CSV.

python data/make_flchain.py flchain.csv.gz
"""

import sys
from pathlib import Path

import pandas as pd

if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    rows = pd.read_csv(sys.argv[1])
    rows.columns = [name.replace(".", "_") for name in rows.columns]
    # What is known only after the blood was drawn (how long, of what) is no feature of the question who dies.
    rows = rows.drop(columns=[name for name in ("chapter", "rownames") if name in rows.columns])
    rows["age_group"] = pd.cut(rows["age"], [0, 59, 69, 79, 200], labels=["50s", "60s", "70s", "80s"]).astype(str)
    out = Path(__file__).parent / "flchain.parquet"
    rows.to_parquet(out, index=False, compression="zstd")
    print(f"{out}: {len(rows):,} rows, {out.stat().st_size:,} bytes")
