"""What does it cost to read a large column from a file, and what does it save?

Sounds (32,000 samples of float32, stored as tensors) and pictures (96 x 96 grey, stored as PNG) in Parquet files of
many row groups. The same steps once with the decoded column in memory and once mapped, each in a process of its own:

- ``load``: the table read, decoded, told apart and dealt; ``again``: the same in that process once more, when a mapped
  column is found decoded.
- ``encode``: the front end fitted on the train rows, train and search rows encoded.
- ``label``: a teacher (logistic regression on the front end's matrix), fitted by folds, labels every row, the rows that
  it was not fitted on by its ONNX file.
- ``score``: that file says of the search rows once more what it says, as every candidate's does.

Seconds are of the processor, of one thread. Memory is the peak of what is the process's own (``RssAnon``, read every
5 ms) above what it held after the same steps over a few rows; what is mapped for reading is no part of it: the system
takes those pages back when it needs them. Both ways must end with the same digests and the same labels, or this stops.

Run: ``python benchmarks/streaming.py [--quick]``; it writes ``results/streaming.md`` and ``.json`` (``--quick``: small
tables, printed and not written) and needs 4 GB of disk for a while.
"""

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from autodistill import __version__, data, plugins, runtime, teacher
from autodistill.data import wide
from autodistill.jobs.encoded import encoded

OUT = Path(__file__).parent / "results" / "streaming"
SAMPLES, SIDE, TOGETHER = 32_000, 96, 100
INPUTS: dict[str, tuple[str, dict[str, Any]]] = {
    "sounds": ("audio", {"column": "x", "rate": 1000, "mels": 4, "hop": 0.1}),
    "pictures": ("image", {"column": "x"}),
}
FEW = {"sounds": 200, "pictures": 2_000}
SIZES = (("sounds", 3_000), ("sounds", 6_000), ("sounds", 12_000), ("pictures", 60_000))
QUICK = (("sounds", 400), ("pictures", 4_000))
TEACHER = {"estimator": "sklearn.linear_model.LogisticRegression", "max_iter": 20}
STEPS = ("load", "again", "encode", "label", "score")


def write(path: Path, kind: str, rows: int) -> None:
    """A table of its kind, in row groups of a hundred rows."""
    rng = np.random.default_rng(0)
    cells = pa.fixed_shape_tensor(pa.float32(), (SAMPLES,)) if kind == "sounds" else pa.binary()
    schema = pa.schema({"x": cells, "y": pa.string()})
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False, write_statistics=False) as file:
        for _ in range(rows // TOGETHER):
            high = rng.random(TOGETHER) < 0.5
            column = _sounds(rng, high) if kind == "sounds" else pa.array([_picture(rng, one) for one in high])
            file.write_table(pa.table({"x": column, "y": np.where(high, "high", "low")}, schema=schema))


def _sounds(rng: np.random.Generator, high: Any) -> Any:
    noise = rng.standard_normal((TOGETHER, SAMPLES), dtype=np.float32) * 0.1
    return pa.FixedShapeTensorArray.from_numpy_ndarray(noise * np.where(high, 2, 1).astype(np.float32)[:, None])


def _picture(rng: np.random.Generator, bright: bool) -> bytes:
    coarse = rng.integers(0, 200, (8, 8), dtype=np.uint8) + np.uint8(40 * bright)
    sink = io.BytesIO()
    Image.fromarray(np.kron(coarse, np.ones((SIDE // 8, SIDE // 8), np.uint8))).save(sink, "PNG", compress_level=1)
    return sink.getvalue()


def own() -> int:
    """Bytes of memory that are this process's own."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("RssAnon"):
            return 1024 * int(line.split()[1])
    raise SystemExit("this needs Linux: /proc/self/status says what a process holds")


class Peak(threading.Thread):
    """Looks at what the process holds every 5 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = own()

    def run(self) -> None:
        while True:
            self.most = max(self.most, own())
            time.sleep(0.005)


def steps(table: Path, kind: str, cache: Path) -> dict[str, Any]:
    """Seconds of each step, and what came of them."""
    took: dict[str, float] = {}
    asked = data.DataSpec(table=table, target="y", input=INPUTS[kind])

    def timed(name: str, step: Callable[[], Any]) -> Any:
        start = time.process_time()
        found = step()
        took[name] = round(time.process_time() - start, 2)
        return found

    dataset = timed("load", lambda: data.load(asked))
    timed("again", lambda: data.load(asked))
    modality, y = plugins.build("inputs", *INPUTS[kind]), dataset.y[dataset.splits["train"]]

    def encode() -> Any:
        encoding = modality.fit(dataset.rows("train"), y, dataset.classes)
        form = "matrix" if kind == "sounds" else "split"
        return encoding, [encoded(encoding, form, dataset, split, cache) for split in ("train", "search")]

    encoding, _ = timed("encode", encode)
    if kind == "pictures":  # a teacher of pixels would need the matrix of all of them, mapped or not
        return {"seconds": took, "decoded": dataset.features["x"].nbytes, "digests": dict(dataset.digests)}
    said = timed("label", lambda: teacher.prepare("sklearn", TEACHER, dataset, encoding, cache=cache))
    timed("score", lambda: runtime.open(said.onnx).probabilities(dataset.rows("search")))
    labels = hashlib.sha256(np.ascontiguousarray(said.scores)).hexdigest()
    return {"seconds": took, "decoded": dataset.features["x"].nbytes, "digests": {**dataset.digests, "labels": labels}}


def here(few: Path, table: Path, kind: str, how: str, cache: Path) -> None:
    """One way of one size, in this process; printed."""
    wide.LEAST = 1 << 60 if how == "in memory" else 1
    steps(few, kind, cache)
    before, peak = own(), Peak()
    peak.start()
    found = steps(table, kind, cache)
    print(json.dumps({**found, "how": how, "peak": peak.most - before}))


def apart(kind: str, rows: int, folder: Path) -> list[dict[str, Any]]:
    """Both ways of one size, each in a process and with a cache of its own."""
    few, table = folder / "few.parquet", folder / "many.parquet"
    write(few, kind, FEW[kind])
    write(table, kind, rows)
    found = []
    for how in ("in memory", "mapped"):
        with tempfile.TemporaryDirectory(dir=folder) as cache:
            env = os.environ | {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": cache}
            told = [sys.executable, __file__, "--here", str(few), str(table), kind, how, cache]
            done = subprocess.run(told, env=env, stdout=subprocess.PIPE, check=True)
            found.append({"kind": kind, "rows": rows, **json.loads(done.stdout)})
            print(json.dumps(found[-1]), flush=True)
    if found[0]["digests"] != found[1]["digests"]:
        raise SystemExit(f"{kind}, {rows} rows: mapped rows are not those in memory")
    table.unlink()
    return found


def page(found: dict[str, Any]) -> str:
    """The results page."""
    lines = [
        "# A large column in memory and mapped (`streaming.py`)",
        "",
        f"autodistill {found['version']}, one core, load average {found['load']:.1f}. What the steps are, and what is "
        "counted as memory, stands at the head of the script. Both ways ended with the same digests of table and "
        "splits and the same labels.",
        "",
        f"| column | rows | decoded, MB | | {' | '.join(STEPS)} | peak of own memory, MB | of the decoded |",
        f"|---|---|---|---|{'---|' * len(STEPS)}---|---|",
    ]
    for one in found["runs"]:
        seconds = " | ".join(f"{one['seconds'][name]:.1f}" if name in one["seconds"] else "" for name in STEPS)
        lines.append(
            f"| {one['kind']} | {one['rows']:,} | {one['decoded'] / 1e6:,.0f} | {one['how']} | {seconds} "
            f"| {one['peak'] / 1e6:,.0f} | {one['peak'] / one['decoded']:.2f} |"
        )
    lines += [
        "",
        "Steps in seconds of the processor. In memory, what a process holds grows with the column; mapped, it does "
        "not. The first `load` of a mapped column writes it to the cache and reads its digest back; `again` finds it.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small tables, printed and not written")
    parser.add_argument("--here", nargs=5, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        few, table, kind, how, cache = asked.here
        here(Path(few), Path(table), kind, how, Path(cache))
        return
    with tempfile.TemporaryDirectory() as folder:
        runs = [one for kind, rows in (QUICK if asked.quick else SIZES) for one in apart(kind, rows, Path(folder))]
    found = {"version": __version__, "load": os.getloadavg()[0], "runs": runs}
    print(page(found))
    if not asked.quick:
        OUT.with_suffix(".md").write_text(page(found), encoding="utf-8")
        OUT.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
