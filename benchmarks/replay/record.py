"""Record real distillations with their learning curves: the table that the replayed searches draw on.

One core, resumable, a line of JSON a training; ``--pack`` turns the lines into ``adult.parquet`` and ``digits.parquet``
beside this file. See README.md for what is recorded and how.

Run from the repository's root: ``python benchmarks/replay/record.py --room DIR`` then ``… --room DIR --pack``.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tasks
import torch

from autodistill import export, plugins, runtime, train
from autodistill.jobs import making
from autodistill.measure import lab
from autodistill.meters import energy
from autodistill.optimise import start
from autodistill.records import Candidate, canonical, digest, encode
from autodistill.runtime import stopwatch
from autodistill.space import Space, Training

RUNGS = (1, 3, 9, 27)
SHARES = {"mlp": 12, "boosted": 4, "tree": 2, "linear": 2}
"""Of 20 recipes so many of each family: networks have the most dimensions and the only long curves."""
TIMED_NS = 60_000_000


def recipes(space: Space, seed: int) -> Iterator[Mapping[str, Any]]:
    """The mid-points, then points uniform in each family, families in turn by ``SHARES``."""
    yield from start.first(space)
    rng = np.random.default_rng(seed)
    turns = [family for family, many in SHARES.items() for _ in range(many)]
    while True:
        for at in rng.permutation(len(turns)):
            found = start.draw(space, rng)
            while found["family"] != turns[at]:
                found = start.draw(space, rng)
            yield found


def replicates(index: int, family: str) -> int:
    """Trainings of one recipe: of networks every sixth has three, every other sixth two; a fit has nothing random."""
    return {0: 3, 3: 2}.get(index % 6, 1) if family in ("mlp", "linear") else 1


class Recorder:
    """One task's trainings."""

    def __init__(self, task: str, room: Path) -> None:
        self.spec, self.shop = tasks.workshop(task, room)
        self.rows = self.shop.lab.rows
        self.shapes: dict[str, dict[str, float]] = {}
        self.reference = runtime.open(lab.MODELS / "reference.onnx")
        given = self.reference.native.get_inputs()[0]
        width = [size for size in given.shape[1:] if isinstance(size, int)]
        self.given = [{given.name: np.random.default_rng(0).standard_normal((1, *width), dtype=np.float32)}] * 64

    def teacher(self) -> dict[str, Any]:
        """The teacher's own line."""
        scores = self.shop.teacher_predictions("search")
        return {
            "teacher": True,
            "final": self.shop.error(scores, "search"),
            **self.cost(self.shop.folder / "teacher.onnx"),
        }

    def one(self, values: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Train, export and time one candidate."""
        candidate = self.spec.space.candidate(0, values, seed)
        family = plugins.build("students", candidate.family, candidate.student)
        said = {
            "family": candidate.family,
            "seed": seed,
            "recipe": candidate.recipe,
            "architecture": candidate.architecture,
            "parameters": json.dumps(values),
        }
        return said | (self.fitted if family.trains == "fit" else self.descended)(candidate, family)

    def fitted(self, candidate: Candidate, family: Any) -> dict[str, Any]:
        """Trees: one rung."""
        shop = self.shop
        encoding = shop.encoding_of(candidate)
        shop.matrix(encoding)
        begun, wall = time.process_time(), time.monotonic()
        loss = plugins.build("losses", candidate.loss, candidate.distill)
        soft = making._soft(loss, shop)
        model = family.build(encoding.shapes(shop.outputs), shop.outputs).fit(shop.matrix(encoding), soft, None)
        seconds, wall = time.process_time() - begun, time.monotonic() - wall
        out = shop.folder / "student.onnx"
        begun = time.process_time()
        export.wrap(encoding, model.onnx(), shop.answer, out)
        exported = time.process_time() - begun
        error = shop.error(shop.predict(out, "search"), "search")
        final = {"final": error, "best_epoch": 1, "epochs": 1, "cpu": seconds, "wall": wall, "export": exported}
        return final | self.cost(out)

    def descended(self, candidate: Candidate, family: Any) -> dict[str, Any]:
        """Networks: one training says every rung."""
        shop = self.shop
        encoding = shop.encoding_of(candidate)
        shapes = encoding.shapes(shop.outputs)
        torch.manual_seed(shop.stream(candidate))
        network = family.build(shapes, shop.outputs)
        rows, search = shop.tensors(encoding)
        loss = plugins.build("losses", candidate.loss, candidate.distill).build(shapes)
        begun = time.process_time()
        trained = train.fit_gradient(
            network, loss, rows, search, Training(**candidate.training), seed=shop.stream(candidate)
        )
        said: dict[str, Any] = {"cpu": time.process_time() - begun, "wall": trained.seconds}
        for rung in RUNGS:
            so_far = trained.history[:rung]
            best = min(so_far, key=lambda line: (line["error"], line["log_loss"]))
            said |= {f"at{rung}": so_far[-1]["error"], f"best{rung}": best["error"], f"loss{rung}": best["log_loss"]}
        said |= {"final": trained.error, "best_epoch": trained.best_epoch, "epochs": trained.epochs}
        key = digest(encode(canonical([candidate.architecture, encoding.digest])))
        if key not in self.shapes:
            network.load_state_dict(trained.state)
            begun = time.process_time()
            out = shop.folder / "student.onnx"
            export.export(encoding, network, shop.answer, out, shop.calibration)
            self.shapes[key] = {"export": time.process_time() - begun, **self.cost(out)}
        return said | self.shapes[key]

    def cost(self, path: Path) -> dict[str, float]:
        """Latency beside the reference model (µs, 10th percentile, in turns), bytes, modelled energy (µJ), MACs."""
        session = runtime.open(path)
        feeds = [session.feed(self.rows, np.array([at])) for at in range(64)]
        timed = [stopwatch.Timed("a", session, feeds), stopwatch.Timed("r", self.reference, self.given)]
        for one in timed:
            for feed in one.feeds:
                one.call(feed)
            one.size_up()
        until = time.perf_counter_ns() + TIMED_NS
        while time.perf_counter_ns() < until or min(one.clean for one in timed) < 20:
            for one in timed:
                one.block()
            if time.perf_counter_ns() > until + 10 * TIMED_NS:
                break
        latency, reference = (one.result("wall")["p10"] for one in timed)
        work = runtime.count(path, {name: column[:64] for name, column in self.rows.items()}, 1)
        amounts = energy.components(work)
        low, high = (sum(n * energy.PICOJOULES[name][node] for name, n in amounts.items()) * 1e-6 for node in (0, 1))
        return {
            "latency": latency,
            "reference": reference,
            "size": float(path.stat().st_size),
            "energy": (low * high) ** 0.5,
            "macs": float(sum(work.macs.values())),
        }


def record(task: str, room: Path, count: int) -> None:
    """Append what is missing of the first ``count`` recipes."""
    file = room / f"{task}.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    done = {(line["index"], line["seed"]) for line in map(json.loads, lines) if "index" in line}
    recorder = Recorder(task, room)
    for values in start.first(recorder.spec.space):  # imports and first calls are nobody's seconds
        recorder.one(values, 0)
    with file.open("a") as out:
        if not lines:
            out.write(json.dumps(recorder.teacher()) + "\n")
        for index, values in zip(range(count), recipes(recorder.spec.space, 0), strict=False):
            for seed in range(replicates(index, values["family"])):
                if (index, seed) not in done:
                    out.write(json.dumps({"index": index, **recorder.one(values, seed)}) + "\n")
                    out.flush()


def pack(task: str, room: Path) -> None:
    """From lines to a table beside this file."""
    lines = [json.loads(line) for line in (room / f"{task}.jsonl").read_text().splitlines()]
    names = list(dict.fromkeys(name for line in lines for name in line))
    columns = {name: [line.get(name) for line in lines] for name in names}
    path = tasks.HERE / f"{task}.parquet"
    pq.write_table(pa.table(columns), path, compression="zstd")
    print(f"{path.name}: {len(lines)} lines, {path.stat().st_size} bytes")


def main() -> None:
    """Record, or pack what was recorded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--room", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", default=tasks.TASKS)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--pack", action="store_true")
    asked = parser.parse_args()
    asked.room.mkdir(parents=True, exist_ok=True)
    for task in asked.tasks:
        if asked.pack:
            pack(task, asked.room)
        else:
            record(task, asked.room, asked.count)


if __name__ == "__main__":
    main()
