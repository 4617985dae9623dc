"""How well does a reading of latency repeat, and how far is it from the truth?

Twenty readings each of two artefacts, alone and beside a load on the other core, by three methods on the same rows:
this package's protocol (one fresh process; the minimum of three spread processes that pass the gate), the mean of 100
calls, and ``torch.utils.benchmark``'s ``blocked_autorange``. The truth is the least 10th percentile of three long
processes taken before, alone. Run: ``python benchmarks/measure_noise.py [readings]``; it writes ``measure_noise.md``.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingClassifier
from torch.utils.benchmark import Timer

from autodistill import runtime
from autodistill.measure import Lab, lab, machine

COLUMNS = 16
LOAD = """
import os, sys, numpy as np
os.sched_setaffinity(0, [int(sys.argv[1])])
x = np.ones((400, 400))
while True:
    x @ x
"""


def perceptron() -> onnx.ModelProto:
    """16 → 64 → 64 → 2 with a softmax."""
    rng, nodes, tensors, value = np.random.default_rng(0), [], [], "X"
    for layer, (wide, high) in enumerate([(COLUMNS, 64), (64, 64), (64, 2)]):
        tensors += [numpy_helper.from_array(rng.normal(size=(wide, high)).astype(np.float32), f"w{layer}")]
        nodes.append(helper.make_node("MatMul", [value, f"w{layer}"], [f"h{layer}"]))
        value = f"h{layer}"
        if layer < 2:
            nodes.append(helper.make_node("Relu", [value], [f"r{layer}"]))
            value = f"r{layer}"
    nodes.append(helper.make_node("Softmax", [value], ["y"], axis=1))
    info = helper.make_tensor_value_info
    given, out = info("X", TensorProto.FLOAT, ["N", COLUMNS]), info("y", TensorProto.FLOAT, ["N", 2])
    graph = helper.make_graph(nodes, "perceptron", [given], [out], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def artefacts(folder: Path, x: np.ndarray) -> dict[str, Path]:
    """A perceptron, and 300 boosted trees whose time depends on the row."""
    y = (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(int)
    trees = GradientBoostingClassifier(n_estimators=300, max_depth=5, subsample=0.5, random_state=0).fit(x, y)
    models = {"mlp": perceptron(), "boosted": to_onnx(trees, x[:1], options={id(trees): {"zipmap": False}})}
    paths = {}
    for name, model in models.items():
        paths[name] = folder / f"{name}.onnx"
        paths[name].write_bytes(model.SerializeToString())
    return paths


def mean_of_100(session: runtime.Session, feeds: list[Any]) -> float:
    """What most scripts do: ten calls to warm up, a hundred between two readings of the clock. µs."""
    for feed in feeds[:10]:
        session.native.run(None, feed)
    start = time.perf_counter()
    for at in range(100):
        session.native.run(None, feeds[at % len(feeds)])
    return (time.perf_counter() - start) * 1e4


def torch_timer(session: runtime.Session, feeds: list[Any]) -> float:
    """``blocked_autorange``: the median of blocks of calls over 0.2 s. µs."""
    names = {"run": session.native.run, "feeds": feeds}
    timer = Timer("run(None, feeds[0]); feeds.append(feeds.pop(0))", globals=names, num_threads=1)
    return float(timer.blocked_autorange(min_run_time=0.2).median * 1e6)


def readings(
    count: int, bench: Lab, paths: dict[str, Path], x: np.ndarray, tag: str
) -> dict[tuple[str, str], list[float]]:
    """``count`` readings by each method, methods and artefacts in turn."""
    found: dict[tuple[str, str], list[float]] = {}
    sessions = {name: runtime.open(path) for name, path in paths.items()}
    order = np.random.default_rng(0).permutation(len(x))[:256]
    feeds = {
        name: [session.feed({"X": x}, order[at : at + 1]) for at in range(256)] for name, session in sessions.items()
    }
    others: dict[str, Callable[[runtime.Session, list[Any]], float]] = {
        "mean of 100 calls": mean_of_100,
        "torch.utils.benchmark": torch_timer,
    }
    for at in range(count):
        for name, path in paths.items():
            one = bench.first(f"{name} {tag} {at}", path)["latency"]
            found.setdefault((name, "one process"), []).append(one.value or 0.0)
            for method, call in others.items():
                found.setdefault((name, method), []).append(call(sessions[name], feeds[name]))
    for name in paths:
        values = [bench.readings(f"{name} {tag} {at}")["latency"] for at in range(count)]
        kept = [reading.value or 0.0 for reading in values if reading.status != "slow_phase_only"]
        found[name, "one process, gated"] = kept
        third = len(kept) // 3  # every third reading, so that the three of a minimum lie far apart
        found[name, "least of 3 gated, spread"] = [min(kept[at::third][:3]) for at in range(third)]
    return found


def rows(found: dict[tuple[str, str], list[float]], truth: dict[str, float], tag: str) -> list[str]:
    """Lines of the table."""
    lines = []
    for (name, method), values in sorted(found.items()):
        if len(values) > 1:
            spread, off = np.std(values, ddof=1) / np.mean(values), np.mean(values) / truth[name] - 1
            worst = max(values) / truth[name] - 1
            cells = [name, tag, method, str(len(values)), f"{spread:.1%}", f"{off:+.1%}", f"{worst:+.1%}"]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def main(count: int) -> None:
    """Measure, print, write."""
    x = np.random.default_rng(0).normal(size=(2000, COLUMNS)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        paths = artefacts(Path(folder), x)
        bench = Lab(Path(folder) / "cache", {"X": x})
        lab.SECONDS = 3.0
        long = [
            {name: bench.first(f"{name} truth {at}", path)["latency"].value or 0.0 for name, path in paths.items()}
            for at in range(3)
        ]
        truth = {name: min(one[name] for one in long) for name in paths}
        lab.SECONDS = 0.8
        start, before = time.perf_counter(), os.getloadavg()[0]
        table = rows(readings(count, bench, paths, x, "alone"), truth, "no load of ours")
        other = min(set(range(2)) - set(bench.cores), default=0)
        load = subprocess.Popen([sys.executable, "-c", LOAD, str(other)])
        try:
            time.sleep(1)
            table += rows(readings(count, bench, paths, x, "loaded"), truth, "load on the other core")
        finally:
            load.kill()
            load.wait()
    here, true = machine.environment(), ", ".join(f"{name} {value:.2f} µs" for name, value in truth.items())
    text = [
        f"{here['processor']}, {here['system']}, onnxruntime {here['onnxruntime']}, Python {here['python']}.",
        f"{time.perf_counter() - start:.0f} s in all. Truth: {true}.",
        f"What else the machine did: load average {before:.1f} at the start, {os.getloadavg()[0]:.1f} at the end.",
        "",
        "| artefact | machine | method | readings | CV | bias | worst |",
        "|---|---|---|---|---|---|---|",
        *table,
    ]
    print("\n".join(text))
    Path(__file__).with_suffix(".md").write_text(
        "# Noise of latency readings (`measure_noise.py`)\n\n" + "\n".join(text) + "\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
