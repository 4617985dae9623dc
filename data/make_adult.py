"""Build data/adult.parquet from the two raw files of UCI Adult.

python data/make_adult.py adult.data.gz adult.test.gz
"""

import gzip
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

INTEGERS = ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week")
COLUMNS = (
    *("age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship"),
    *("race", "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "income"),
)


def rows(path: Path) -> list[list[str]]:
    """The rows of one raw file, gzipped or not: without the junk line, and without the test labels' trailing dot."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("ascii")
    split = (line.rstrip(".").split(", ") for line in text.splitlines() if line.strip() and not line.startswith("|"))
    return list(split)


def table(paths: list[Path]) -> pa.Table:
    """All rows in the files' order; ``?`` is missing."""
    cells = [row for path in paths for row in rows(path)]
    wrong = next((at for at, row in enumerate(cells) if len(row) != len(COLUMNS)), None)
    if wrong is not None:
        raise SystemExit(f"row {wrong}: {len(cells[wrong])} cells, not {len(COLUMNS)}")
    columns = {}
    for name, values in zip(COLUMNS, zip(*cells, strict=True), strict=True):
        known = [None if value == "?" else value for value in values]
        columns[name] = pa.array([int(v) for v in values], pa.int32()) if name in INTEGERS else pa.array(known)
    return pa.table(columns)


if __name__ == "__main__":
    target = Path(__file__).with_name("adult.parquet")
    made = table([Path(argument) for argument in sys.argv[1:]])
    pq.write_table(made, target, compression="zstd", compression_level=19)
    sys.stdout.write(f"{target}: {made.num_rows} rows, {made.num_columns} columns, {target.stat().st_size} bytes\n")
