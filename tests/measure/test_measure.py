import gc
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autodistill import measure
from autodistill.errors import ArtefactError, RunError, TableError
from autodistill.measure import Book, Lab, machine, process
from autodistill.measure import rows as table
from autodistill.measure.lab import Record
from autodistill.records import Reading, decode

QUANTITIES = {
    "latency", "latency@32", "latency_ratio", "runtime_floor", "size", "parameters", "macs", "energy",
}  # fmt: skip
HEAVY = ("torch", "pandas", "sklearn", "optuna", "mlflow", "pyarrow", "scipy", "onnx", "pydantic", "skl2onnx")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def measured(cache: Path, rows: Any, student: Path, teacher: Path) -> Lab:
    lab = Lab(cache, rows, teacher)
    lab.first("small", student)
    return lab


def stored(cache: Path) -> list[Path]:
    return sorted((cache / "readings").glob("*.json"))


def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MODULE", "autodistill.not_there")


def test_a_first_run_reads_everything_with_its_reasons(measured: Lab, student: Path) -> None:
    readings = measured.readings("small")
    assert set(readings) == QUANTITIES
    assert {name: r.reason for name, r in readings.items() if r.status == "unavailable"} == {}
    timed = readings["latency"]
    assert timed.details["rows"] == 256
    assert (timed.repeats, timed.status) == (1, "few_accepted")
    assert timed.details["pinned"] == hasattr(os, "sched_setaffinity")
    assert readings["size"].value == student.stat().st_size
    assert readings["energy"].source == "modelled"
    assert readings["latency_ratio"].low < readings["latency_ratio"].value < readings["latency_ratio"].high


def test_one_process_a_first_run_and_none_the_second_time(
    measured: Lab, cache: Path, rows: Any, student: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len((cache / "references.jsonl").read_text().splitlines()) == 1
    no_processes(monkeypatch)
    again = Lab(cache, rows, teacher)
    assert again.known("small")
    assert again.first("small", student) == measured.readings("small")
    assert again.readings("small") == measured.readings("small")
    assert not again.known("another")


def test_other_rows_batch_or_threads_are_other_readings(measured: Lab, cache: Path, teacher: Path, make: Any) -> None:
    assert not Lab(cache, make.table(600, seed=9), teacher).known("small")
    rows = make.table(600)
    assert not Lab(cache, rows, teacher, batch=8).known("small")
    assert not Lab(cache, rows, teacher, threads=2).known("small")
    assert not Lab(cache, rows, None).known("small")  # the ratio would lack its teacher


def moved(cache: Path, seconds: float) -> None:
    """Pretend that the only record's runs were taken at another time."""
    (file,) = stored(cache)
    record = json.loads(file.read_bytes())
    for run in record["runs"]:
        run["at"] = time.time() + seconds
    file.write_text(json.dumps(record))


def test_again_is_never_back_to_back_and_adds_a_process_when_it_is_due(
    rows: Any, student: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Lab(tmp_path, rows, teacher).first("small", student)
    moved(tmp_path, 3600)
    early = Lab(tmp_path, rows, teacher)
    with monkeypatch.context() as patch:
        no_processes(patch)
        assert early.due("small") > measure.APART  # type: ignore[operator]
        assert early.again("small", student) == early.readings("small")
    moved(tmp_path, -60)
    late = Lab(tmp_path, rows, teacher)
    assert late.due("small") <= 0  # type: ignore[operator]
    assert late.again("small", student)["latency"].repeats == 2
    (file,) = stored(tmp_path)
    assert [run.teacher for run in decode(file.read_bytes(), Record).runs] == [late.teacher] * 2


def test_the_teacher_is_read_alone_and_has_the_ratio_one(rows: Any, teacher: Path, tmp_path: Path) -> None:
    readings = Lab(tmp_path, rows, teacher).first(measure.TEACHER, teacher)
    assert readings["latency_ratio"].value == 1.0
    run = decode(stored(tmp_path)[0].read_bytes(), Record).runs[0]
    assert set(run.models) == {"artefact", "artefact@32", "reference", "floor"}


def test_a_torn_or_foreign_record_is_measured_again(rows: Any, teacher: Path, tmp_path: Path) -> None:
    lab = Lab(tmp_path, rows, teacher)
    path = lab._address("small")
    path.parent.mkdir()
    path.write_text('{"key": "small", "runs": [{"at"')
    assert not lab.known("small")


def test_without_a_teacher_the_ratio_says_so(rows: Any, student: Path, tmp_path: Path) -> None:
    readings = measure.read(student, rows, key="small", cache=tmp_path)
    assert readings["latency_ratio"].status == "unavailable"
    assert readings["latency"].value is not None


def test_an_artefact_that_fails_is_unavailable_with_its_reason(make: Any, rows: Any, tmp_path: Path) -> None:
    model = make.perceptron()
    model.graph.initializer[2].dims[:] = [8, 4]  # w2 no longer fits h
    path = tmp_path / "broken.onnx"
    path.write_bytes(model.SerializeToString())
    readings = Lab(tmp_path / "cache", rows).first("broken", path)
    assert {readings[name].status for name in ("latency", "energy", "macs")} == {"unavailable"}
    assert "broken.onnx" in readings["latency"].reason
    assert "broken.onnx" in readings["energy"].reason
    assert readings["size"].value == path.stat().st_size


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "as happens when memory runs out"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed (signal 11)"),
        ("raise RuntimeError('no such thing')", "failed: RuntimeError: no such thing"),
        ("import time; time.sleep(30)", "passed its limit of 0.4 s"),
    ],
)
def test_a_process_that_ends_badly_says_how(
    source: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ends_badly.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(process, "MODULE", "ends_badly")
    found, why = process.run({}, limit=0.4 if "sleep" in source else 20.0)
    assert found == {}
    assert reason in why
    assert "\n" not in why


def test_a_crash_leaves_the_rest_of_the_readings(
    rows: Any, student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_processes(monkeypatch)
    readings = Lab(tmp_path, rows).first("small", student)
    assert readings["latency"].status == "unavailable"
    assert "the timing process failed" in readings["latency"].reason
    assert readings["energy"].value is not None
    assert not Lab(tmp_path, rows).known("small")  # a failure is not remembered


def test_an_interrupt_leaves_no_process_behind(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    (tmp_path / "sleeps.py").write_text(
        f"import os, time, pathlib; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid())); time.sleep(60)"
    )
    source = "from autodistill.measure import process; process.MODULE = 'sleeps'; process.run({})"
    surroundings = os.environ | {"PYTHONPATH": f"{process.HOME}{os.pathsep}{tmp_path}"}
    asking = subprocess.Popen([sys.executable, "-c", source], env=surroundings, stderr=subprocess.DEVNULL)
    while not pid_file.exists() or not pid_file.read_text():
        time.sleep(0.01)
    asking.send_signal(signal.SIGINT)
    assert asking.wait(20) != 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_two_labs_measure_one_key_once(rows: Any, student: Path, tmp_path: Path) -> None:
    """Two workers meet the same architecture at the same time: the second waits and takes what the first has read."""
    labs = [Lab(tmp_path, rows) for _ in range(2)]
    assert [lab.known("small") for lab in labs] == [False, False]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda lab: lab.first("small", student), labs))
    assert found[0] == found[1]
    assert len((tmp_path / "references.jsonl").read_text().splitlines()) == 1
    (file,) = stored(tmp_path)
    assert len(decode(file.read_bytes(), Record).runs) == 1


def test_a_run_of_another_lab_is_added_to_not_written_over(rows: Any, student: Path, tmp_path: Path) -> None:
    one, other = (Lab(tmp_path, rows) for _ in range(2))
    one.first("small", student)
    other.first("small", student)
    moved(tmp_path, -60)
    late = [Lab(tmp_path, rows) for _ in range(2)]
    assert [lab.readings("small")["latency"].repeats for lab in late] == [1, 1]
    late[0].again("small", student)
    late[1].again("small", student)  # not due any more: the first one's run is ten seconds away
    (file,) = stored(tmp_path)
    assert len(decode(file.read_bytes(), Record).runs) == 2
    assert [lab.readings("small")["latency"].repeats for lab in late] == [2, 2]


def test_the_next_runs_process_waits_and_leaves_with_its_lab(rows: Any, student: Path, tmp_path: Path) -> None:
    lab = Lab(tmp_path, rows)
    lab.first("one", student)
    assert lab._started is None  # whoever measures once may not measure again
    lab.first("two", student)
    waiting = lab._started
    assert waiting is not None
    assert waiting.alive()
    waiting._process.kill()
    waiting._process.wait()
    assert lab.first("three", student)["latency"].value is not None  # a dead one is replaced
    pid = lab._started._process.pid  # type: ignore[union-attr]
    del lab, waiting
    gc.collect()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_waiting_process_ends_with_who_started_it(tmp_path: Path) -> None:
    source = "import os\nfrom autodistill.measure import process\nit = process.Started({})\nprint(it._process.pid)\n"
    source += "import sys; sys.stdout.flush(); os._exit(1)"  # as if killed: nothing is cleaned up
    asked = [sys.executable, "-P", "-c", source]
    environment = os.environ | {"PYTHONPATH": str(process.HOME)}
    ended = subprocess.run(asked, capture_output=True, text=True, check=False, env=environment, timeout=60)
    pid, until = int(ended.stdout), time.monotonic() + 20
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    pytest.fail("it waits for ever")


def test_one_timing_process_at_a_time(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    with machine.alone(tmp_path), (tmp_path / "measure.lock").open("a") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (tmp_path / "measure.lock").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_system_without_pinning_has_no_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert machine.cores(1) == []


def test_the_gate_knows_the_best_of_a_day_on_this_device_only(tmp_path: Path) -> None:
    gate, other = (machine.References(tmp_path, name, [1]) for name in ("this", "that"))
    assert gate.best(0.0) is None
    gate.add(0.0, 12.0)
    gate.add(100.0, 11.0)
    other.add(100.0, 5.0)
    with gate.path.open("a") as file:
        file.write('{"at": 1, "dev')
    assert gate.best(50.0) == 11.0
    assert gate.best(machine.DAY + 50) == 11.0
    assert gate.best(machine.DAY + 101) is None
    assert other.best(0.0) == 5.0


def test_the_gates_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "KEPT", 2048)
    gate = machine.References(tmp_path, "this", [1])
    for at in range(100):
        gate.add(float(at), 50.0 - at / 10)
    assert gate.path.stat().st_size < 3000
    assert gate.best(0.0) == pytest.approx(40.1)


def reading(value: float) -> Reading:
    return Reading(quantity="latency", unit="µs", value=value, method="m")


def test_a_book_comes_back_as_it_was(tmp_path: Path) -> None:
    book = Book().plus("a", {"latency": reading(1.25)}).plus("b", {"latency": reading(2.5)})
    book.save(tmp_path / "readings.json")
    assert measure.load(tmp_path / "readings.json") == book
    assert measure.load(tmp_path / "readings.json").environment == machine.environment()
    with pytest.raises(RunError, match="have none for 'c'"):
        book.get("c")


@pytest.mark.parametrize("content", ["", "[]", '{"format": 99}', '{"readings": {"a": {"latency": {"value": "x"}}}}'])
def test_a_file_that_is_no_book_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "readings.json"
    path.write_text(content)
    with pytest.raises(RunError, match=r"readings\.json"):
        measure.load(path)
    with pytest.raises(RunError, match="cannot be read"):
        measure.load(tmp_path / "absent.json")


def test_a_replay_gives_the_recorded_readings_and_starts_nothing(
    measured: Lab, rows: Any, student: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured.record(["small"]).save(tmp_path / "readings.json")
    no_processes(monkeypatch)
    replay = Lab(tmp_path / "cache", rows, teacher, book=measure.load(tmp_path / "readings.json"))
    recorded = measured.readings("small")
    assert replay.known("small")
    assert replay.first("small", student) == replay.again("small", student) == replay.readings("small") == recorded
    assert replay.due("small") is None
    assert not replay.known("other")
    for ask in (replay.first, replay.again):
        with pytest.raises(RunError, match="have none for 'other'"):
            ask("other", student)
    assert not (tmp_path / "cache" / "readings").exists()


def test_a_book_may_be_added_to_where_that_is_allowed(rows: Any, student: Path, tmp_path: Path) -> None:
    book = Book().plus("old", {"latency": reading(7.0)})
    lab = Lab(tmp_path, rows, book=book, may_measure=True)
    assert lab.first("old", student)["latency"].value == 7.0
    assert lab.first("new", student)["latency"].repeats == 1


def test_memory_is_that_of_a_process_of_its_own(measured: Lab, student: Path) -> None:
    found = measured.memory("small", student)
    if sys.platform == "linux":
        held = np.zeros(1 << 26)  # half a gigabyte that is ours, not the artefact's
        assert found.value is not None
        assert found.value < 400e6 < held.nbytes
    else:
        assert found.value is not None or found.reason


def test_few_rows_are_kept_and_the_same_ones_each_time(make: Any) -> None:
    many = make.table(5000)
    kept, again = table.few(many), table.few(many)
    assert {len(column) for column in kept.values()} == {table.KEPT}
    np.testing.assert_array_equal(kept["unused"], again["unused"])
    np.testing.assert_array_equal(many["sex"][kept["unused"].astype(int)], kept["sex"])
    for bad, what in [
        ({}, "no rows"),
        ({"a": np.zeros(0)}, "no rows"),
        ({"a": np.zeros(1), "b": np.zeros(2)}, "lengths"),
    ]:
        with pytest.raises(TableError, match=what):
            table.few(bad)


def test_rows_are_stored_without_pickle_under_any_name(tmp_path: Path) -> None:
    odd = {"file": np.array([1.0]), "a/b": np.array(["ü"], dtype=object), "../x.npy": np.array([2])}
    path = table.store(table.few(odd), tmp_path)
    with np.load(path, allow_pickle=False) as found:
        assert [found[f"c{at}"].tolist() for at in range(3)] == [[1.0], ["ü"], [2]]
    assert table.store(odd, tmp_path) == path
    renamed = dict(zip(("x", "y", "z"), odd.values(), strict=True))
    assert table.store(renamed, tmp_path) != path


def write_csv(path: Path, rows: dict[str, Any]) -> Path:
    lines = [",".join(rows), *(",".join(map(str, line)) for line in zip(*rows.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_table_is_read_in_the_artefacts_types(tmp_path: Path, make: Any) -> None:
    inputs = {"age": "float", "sex": "string"}
    path = tmp_path / "t.csv"
    path.write_text("sex,age,more\nM,1.5,x\n,NaN,y\nF,,z\n")
    found = table.load(path, inputs)
    assert list(found) == ["age", "sex"]
    np.testing.assert_array_equal(found["age"], np.array([1.5, np.nan, np.nan], np.float32))
    assert found["sex"].tolist() == ["M", "", "F"]
    np.savez(tmp_path / "t.npz", age=np.array([1.0, 2.0]), sex=np.array(["M", ""]))
    assert table.load(tmp_path / "t.npz", inputs)["sex"].tolist() == ["M", ""]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("t.csv", b"age\n1\n", "no column 'sex'"),
        ("t.csv", b"age,sex\n1\n", "row 2 has 1 fields"),
        ("t.csv", b"age,sex\nold,M\n", "column 'age' is not numeric"),
        ("t.csv", b"age,sex\n\xff\xfe,M\n", "cannot be read"),
        ("t.npz", b"not a zip", "cannot be read"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_one_line(name: str, content: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TableError, match=what) as caught:
        table.load(path, {"age": "float", "sex": "string"})
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_objects_in_a_numpy_file_are_not_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", age=np.array([object()]))
    with pytest.raises(TableError, match="cannot be read"):
        table.load(tmp_path / "t.npz", {"age": "float"})


def test_the_verb_needs_only_onnxruntime_and_numpy(student: Path, teacher: Path, make: Any, tmp_path: Path) -> None:
    rows = write_csv(tmp_path / "rows.csv", make.table(300))
    source = (
        f"import sys\nfor name in {HEAVY}: sys.modules[name] = None\n"
        "import json, pathlib\nfrom autodistill import measure\n"
        "student, teacher, rows, out, cache = map(pathlib.Path, sys.argv[1:])\n"
        "print(json.dumps(measure.command(student, teacher, rows, out, runs=1, cache=cache)))"
    )
    out = tmp_path / "readings.json"
    paths = [str(path) for path in (student, teacher, rows, out, tmp_path / "cache")]
    asked = [sys.executable, "-c", source, *paths]
    ended = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=process.HOME)
    assert ended.stderr == ""
    found = json.loads(ended.stdout)
    assert found["key"] == "perceptron-16"  # the artefact's own metadata
    assert set(found["readings"]) == {"perceptron-16", "teacher"}
    assert set(found["readings"]["perceptron-16"]) == QUANTITIES | {"peak_memory"}
    book = measure.load(out)
    assert book.get("teacher")["latency_ratio"].value == 1.0
    Book(environment={"processor": "a phone"}, readings=book.readings).save(out)
    with pytest.raises(RunError, match="another machine"):
        measure.command(student, None, rows, out, runs=1, cache=tmp_path / "cache")


def test_the_verb_refuses_what_does_not_run(student: Path, make: Any, tmp_path: Path) -> None:
    rows = write_csv(tmp_path / "rows.csv", make.table(4))
    with pytest.raises(ArtefactError, match="cannot be read"):
        measure.command(tmp_path / "absent.onnx", None, rows, None)
    with pytest.raises(TableError, match="no column 'age'"):
        measure.command(student, None, write_csv(tmp_path / "short.csv", {"sex": ["M"]}), None)
