"""Build data/wages.parquet from the R package AER's table CPSSW8, as CSV.

python data/make_wages.py CPSSW8.csv
"""

import sys
from pathlib import Path

import pandas as pd

if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    rows = pd.read_csv(sys.argv[1])
    # The number of a row is no property of a person.
    rows = rows.drop(columns=[name for name in rows.columns if name in ("rownames", "Unnamed: 0")])
    ages = pd.cut(rows["age"], [0, 34, 49, 200], labels=["under 35", "35 to 49", "50 and over"])
    rows["age_group"] = ages.astype(str)
    out = Path(__file__).parent / "wages.parquet"
    rows.to_parquet(out, index=False, compression="zstd")
    print(f"{out}: {len(rows):,} rows, {out.stat().st_size:,} bytes")
