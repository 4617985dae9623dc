import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autodistill import runtime
from autodistill.measure import process
from autodistill.measure import rows as table
from autodistill.runtime import stopwatch, worker

FOLDER = Path(runtime.__file__).parent


class Recorded:
    """A session that remembers which feeds it was called with."""

    def __init__(self, seconds: float, log: list[tuple[str, int]], name: str) -> None:
        self.seconds, self.log, self.name, self.native = seconds, log, name, self

    def run(self, outputs: None, feed: dict[str, int]) -> None:
        self.log.append((self.name, feed["row"]))
        until = time.perf_counter() + self.seconds
        while time.perf_counter() < until:
            pass


def timed(name: str, seconds: float, log: list[tuple[str, int]], rows: int = 64) -> worker.Timed:
    session: Any = Recorded(seconds, log, name)
    return worker.Timed(name, session, [{"row": row} for row in range(rows)])


def test_feeds_are_256_different_rows_in_one_order_for_all_models(student: Path, teacher: Path, rows: Any) -> None:
    first, second = (worker.feeds(runtime.open(path), rows, 1, seed=3) for path in (student, teacher))
    assert len(first) == worker.ROWS
    assert [feed["age"].tolist() for feed in first] == [feed["age"].tolist() for feed in second]
    assert len({feed["age"].item() for feed in first}) == worker.ROWS
    other = worker.feeds(runtime.open(student), rows, 1, seed=4)
    assert [feed["age"].item() for feed in first] != [feed["age"].item() for feed in other]


def test_batches_differ_and_cover_256_rows(student: Path, rows: Any) -> None:
    batches = worker.feeds(runtime.open(student), rows, 32, seed=3)
    assert len(batches) == worker.BATCHES
    assert {len(feed["age"]) for feed in batches} == {32}
    assert len({value for feed in batches for value in feed["age"]}) >= worker.ROWS


def test_a_short_table_is_rotated_whole(student: Path, make: Any) -> None:
    few = worker.feeds(runtime.open(student), make.table(5), 1, seed=0)
    assert len(few) == 5
    assert {len(feed["age"]) for feed in worker.feeds(runtime.open(student), make.table(5), 32, seed=0)} == {32}


def test_models_take_turns_in_random_order_and_rotate_their_rows() -> None:
    log: list[tuple[str, int]] = []
    models = [timed("a", 5e-5, log), timed("b", 1e-4, log)]
    worker._turns(models, {"seed": 1, "seconds": 0.3}, "wall")
    assert {row for name, row in log if name == "a"} == set(range(64))
    assert {row for name, row in log if name == "b"} == set(range(64))
    order = [name for at, (name, _) in enumerate(log) if at == 0 or log[at - 1][0] != name]
    assert min(Counter(order).values()) >= 3
    assert all(model.blocks >= worker.CHECK_EVERY / worker.REST for model in models)
    turns = [m for m in range(len(log) - 1) if log[m][0] == log[m + 1][0] == "a"]
    assert turns  # blocks, not single calls


def test_each_block_begins_with_a_call_that_does_not_count() -> None:
    log: list[tuple[str, int]] = []
    model = timed("a", 2e-4, log, rows=8)
    model.size_up()
    log.clear()
    model.block()
    assert len(log) == model.per_block + 1
    assert len(model.samples) == model.per_block
    assert [unit for unit, *_ in model.samples] == [row for _, row in log[1:]]


def test_short_calls_are_timed_in_fixed_groups_and_long_ones_singly() -> None:
    log: list[tuple[str, int]] = []
    short, long = timed("a", 5e-6, log, 200), timed("b", 3e-3, log, 200)
    short.size_up()
    long.size_up()
    assert len(short.groups) < 200
    assert [feed["row"] for group in short.groups for feed in group] == list(range(200))
    assert [len(group) for group in long.groups] == [1] * 200


def sampled(blocks: list[tuple[int, float, float, bool]], units: int = 1) -> worker.Timed:
    model = timed("a", 0.0, [], rows=units)
    model.samples = blocks
    model.blocks = len(blocks)
    model.clean = sum(clean for *_, clean in blocks)
    return model


def test_preempted_samples_are_dropped_by_cause_not_by_size() -> None:
    slow_but_clean, quick_but_preempted = (0, 5000.0, 1.0, True), (0, 100.0, 1.0, False)
    model = sampled([slow_but_clean] * 30 + [quick_but_preempted] * 10)
    found = model.result("wall")
    assert (found["p10"], found["dropped"], found["clock"]) == (5.0, 0.25, "wall")


def test_too_few_clean_blocks_are_read_on_the_processors_clock() -> None:
    found = sampled([(0, 3000.0, 0.5, False)] * 30 + [(0, 9000.0, 1.0, True)] * 3).result("wall")
    assert (found["p10"], found["clock"]) == (1.5, "on_cpu")


def test_a_value_is_the_mean_over_rows_of_each_rows_own_quantile() -> None:
    easy, hard = [(0, 1000.0, 1.0, True)] * 50, [(1, 9000.0, 1.0, True)] * 50
    assert sampled(easy + hard, units=2).result("wall")["p10"] == 5.0
    rng = np.random.default_rng(0)
    noisy = [(0, float(v), 1.0, True) for v in 1000 + rng.exponential(200, 400)]
    assert sampled(noisy).result("wall")["p10"] == pytest.approx(np.percentile([n[1] for n in noisy], 10) / 1e3)


def test_exactness_is_judged_by_bootstrap_once_every_row_was_seen() -> None:
    rng = np.random.default_rng(0)
    steady = [(unit, 1000.0 + rng.uniform(0, 5), 1.0, True) for unit in (0, 1) for _ in range(30)]
    model = sampled(steady, units=2)
    model.check(rng, "wall")
    assert model.done
    unseen = sampled([s for s in steady if s[0] == 0], units=2)
    unseen.check(rng, "wall")
    assert (unseen.done, unseen.width) == (False, None)
    wild = sampled([(0, float(v), 1.0, True) for v in rng.uniform(500, 5000, 25)])
    wild.check(rng, "wall")
    assert not wild.done
    assert wild.width > stopwatch.EXACT  # type: ignore[operator]


def test_no_sample_is_an_error_in_words() -> None:
    assert sampled([]).samples == []
    model = sampled([(0, 1.0, 1.0, False)])
    model.samples = []
    assert "undisturbed" in model.result("wall")["error"]


def test_pinning_where_the_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: None, raising=False)
    assert worker.pin([0]) == [0]
    assert worker.pin([]) == []

    def refuse(pid: int, cores: list[int]) -> None:
        raise OSError("not allowed")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    assert worker.pin([0]) == []
    monkeypatch.delattr(os, "sched_setaffinity")
    assert worker.pin([0]) == []


def test_a_system_that_does_not_count_preemption_uses_time_on_the_processor(
    job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopwatch, "COUNTS_PREEMPTION", False)
    found = worker.times(job, worker.Ready({}))
    assert found["counts_preemption"] is False
    assert {model["clock"] for model in found["models"].values()} == {"on_cpu"}
    monkeypatch.setattr(stopwatch, "resolution", lambda: 15e6)  # as on Windows
    assert {model["clock"] for model in worker.times(job, worker.Ready({}))["models"].values()} == {"wall"}


@pytest.fixture
def job(student: Path, rows: Any, tmp_path: Path) -> dict[str, Any]:
    def model(name: str, path: Path, synthetic: bool) -> dict[str, Any]:
        return {"name": name, "path": str(path), "batch": 1, "synthetic": synthetic}

    kept = table.few(rows)
    return {
        "kind": "times", "models": [model("artefact", student, False), model("floor", FOLDER / "floor.onnx", True)],
        "rows": str(table.store(kept, tmp_path)), "columns": list(kept), "threads": 1, "cores": [], "seed": 0,
        "seconds": 0.1,
    }  # fmt: skip


def test_a_process_imports_numpy_and_onnxruntime_only(job: dict[str, Any]) -> None:
    source = (
        "import sys\nfrom autodistill.runtime import worker\nworker.main()\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
    )
    asked = [sys.executable, "-P", "-c", source]
    surroundings = os.environ | {"PYTHONPATH": str(process.HOME)}
    told = f"{{}}\n{json.dumps(job)}\n"
    ended = subprocess.run(asked, input=told, capture_output=True, text=True, check=True, env=surroundings)
    others = {"torch", "msgspec", "pandas", "sklearn", "scipy", "onnx", "pydantic", "optuna", "mlflow", "pyarrow"}
    printed = set(ended.stderr.split())  # what is printed is not mixed with the answer
    assert not others & printed
    assert {"numpy", "onnxruntime", "autodistill"} <= printed
    found = json.loads(ended.stdout)
    assert found["models"]["artefact"]["rows"] == worker.ROWS
    assert found["runtime"] == runtime.VERSION


def test_a_process_started_before_its_job_reads_the_same_models(job: dict[str, Any]) -> None:
    floor = job["models"][1]["path"]
    common = {name: job[name] for name in ("rows", "columns", "threads")} | {"paths": [floor, "not_there.onnx"]}
    ready = worker.Ready(common)
    assert list(ready.sessions) == [floor]
    assert ready.rows(job) is ready.rows(job)
    timed, failed = worker._load(job, ready.rows(job), ready)
    assert failed == {}
    assert next(model for model in timed if model.name == "floor").session is ready.sessions[floor]
    plain, _ = worker._load(job, worker._rows(job), worker.Ready({}))
    for one, other in zip(timed, plain, strict=True):
        assert [list(map(str, feed.values())) for feed in one.feeds] == [
            list(map(str, f.values())) for f in other.feeds
        ]
    assert worker.Ready(common | {"threads": 2}).sessions == {}
    started = process.Started(common)
    assert started.alive()
    found, why = started.do(job)
    assert (set(found["models"]), why) == ({"artefact", "floor"}, "")
    assert not started.alive()


def test_a_model_that_does_not_open_does_not_take_the_others_with_it(job: dict[str, Any], tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"nothing")
    job["models"][0] = job["models"][0] | {"path": str(broken)}
    found = worker.times(job, worker.Ready({}))["models"]
    assert "broken.onnx" in found["artefact"]["error"]
    assert found["floor"]["p10"] > 0


def test_memory_without_proc_is_left_to_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "linux":
        assert worker._peak() is not None
    monkeypatch.setattr(worker, "Path", lambda name: SimpleNamespace(read_text=lambda: ""))
    monkeypatch.setattr(worker.sys, "platform", "win32")
    assert worker._peak() is None
