"""``autodistill predict RUN TABLE``."""

import argparse
import sys
from pathlib import Path

from autodistill.errors import UserError


def run(asked: argparse.Namespace) -> int:
    """Score new rows; CSV (or JSON lines) on stdout unless ``--out`` names a file."""
    from autodistill.run import predict

    found = predict(asked.run, asked.table, uncertified=asked.uncertified)
    out: Path | None = asked.out
    if out is None:
        text = found.to_json(orient="records", lines=True) if asked.json else found.to_csv(index=False)
        sys.stdout.write(text)
        return 0
    try:
        if out.suffix == ".parquet":
            found.to_parquet(out, index=False)
        elif out.suffix == ".csv":
            found.to_csv(out, index=False)
        else:
            raise UserError(
                f"cannot write {out.suffix or 'a file without an ending'}",
                where=str(out),
                do="name a .csv or .parquet file",
            )
    except OSError as fault:
        raise UserError(f"cannot be written ({fault.strerror})", where=str(out), do="choose another place") from fault
    print(f"{len(found):,} rows scored: {out}", file=sys.stderr)
    return 0
