"""Build data/watch.parquet from the smartwatch data in the package seglearn (its file watch_dataset.npy).

python data/make_watch.py watch_dataset.npy
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

WINDOW = 100  # samples at 50 Hz: two seconds, side by side


def table(path: Path) -> pa.Table:
    """Windows [100, 6] of acceleration and rotation, the exercise, the subject and the wrist; each in one series."""
    kept = np.load(path, allow_pickle=True).item()  # the package's own file holds a dict
    windows, exercise, subject, side, series = [], [], [], [], []
    for at, (signal, label, person, wrist) in enumerate(
        zip(kept["X"], kept["y"], kept["subject"], kept["side"], strict=True)
    ):
        count = len(signal) // WINDOW
        windows.append(np.asarray(signal[: count * WINDOW], np.float32).reshape(count, WINDOW, -1))
        exercise += [str(kept["y_labels"][int(label)])] * count
        subject += [f"s{int(person):02d}"] * count
        side += ["right" if wrist else "left"] * count
        series += [at] * count
    # Four digits are what the sensor resolves; the file is half as large.
    data = np.concatenate(windows).astype(np.float16).astype(np.float32)
    return pa.table(
        {
            "motion": pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(data)),
            "subject": pa.array(subject),
            "side": pa.array(side),
            "series": pa.array(np.array(series, np.int32)),
            "exercise": pa.array(exercise),
        }
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    out = Path(__file__).parent / "watch.parquet"
    pq.write_table(table(Path(sys.argv[1])), out, compression="zstd", compression_level=19)
    print(f"{out}: {out.stat().st_size:,} bytes")
