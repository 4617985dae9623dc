from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import exp, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from autodistill import plugins, runtime
from autodistill.meters import Run, energy, latency
from autodistill.meters.energy import PICOJOULES, Energy
from autodistill.meters.latency import APART, GATE, Latency
from autodistill.meters.peak_memory import PeakMemory
from autodistill.meters.size import Size
from autodistill.records import Reading
from autodistill.runtime import trees

WORK = runtime.Work(
    macs={"fp32": 1000.0}, weight_bytes=4000.0, activation_bytes=200.0, key_bytes=10.0, tree_visits=0.0,
    tree_bytes=0, weights=4000, parameters=1000,
)  # fmt: skip
FILE = Path("student.onnx")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A bench with its answers laid out."""

    batch: int = 1
    device: str = "a machine"
    teacher: str = "abc"
    is_teacher: bool = False
    runs: tuple[Run, ...] = ()
    failure: str = ""
    reference: float | None = 10.0
    counted: runtime.Work = WORK
    held: Mapping[str, Any] = field(default_factory=dict)

    def best(self, at: float) -> float | None:
        return self.reference

    def work(self, artefact: Path) -> runtime.Work:
        return self.counted

    def memory(self, artefact: Path) -> Mapping[str, Any]:
        return self.held


def seen(p10: float) -> dict[str, Any]:
    return {
        "p10": p10, "p50": p10 * 1.1, "p95": p10 * 1.5, "clock": "wall", "dropped": 0.0, "half_width": 0.005,
        "rows": 256, "blocks": 40, "units": 12, "calls": 900,
    }  # fmt: skip


def run(at: float, student: float, teacher: float = 40.0, reference: float = 10.0, **more: Any) -> Run:
    models = {
        "artefact": seen(student), "artefact@32": seen(student * 4), "teacher": seen(teacher),
        "reference": seen(reference), "floor": seen(4.0),
    }  # fmt: skip
    return Run(**({"at": at, "models": models, "teacher": "abc", "pinned": True, "counts_preemption": True} | more))


def read(*runs: Run, **more: Any) -> dict[str, Reading]:
    return {reading.quantity: reading for reading in Latency().read(FILE, Bench(runs=runs, **more))}


def test_one_run_is_few_and_its_interval_is_15_percent() -> None:
    found = read(run(0.0, 20.0))
    one = found["latency"]
    assert (one.value, one.low, one.high) == pytest.approx((20.0, 20.0 / 1.15, 20.0 * 1.15))
    assert (one.status, one.unit, one.repeats) == ("few_accepted", "µs", 1)
    assert found["latency@32"].value == pytest.approx(80 / 32)
    assert found["latency@32"].details["per"] == "row"
    assert found["runtime_floor"].value == 4.0
    ratio = found["latency_ratio"]
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((0.5, 0.5 / 1.15, 0.5 * 1.15))
    assert ratio.status == "few_accepted"


def test_two_runs_back_to_back_are_one_and_two_apart_are_ok() -> None:
    assert read(run(0.0, 20.0), run(APART / 2, 20.2))["latency"].status == "few_accepted"
    apart = read(run(0.0, 20.2), run(APART, 20.0))["latency"]
    assert (apart.status, apart.value, apart.reason) == ("ok", 20.0, "")
    assert (apart.low, apart.high) == pytest.approx((20.0 / 1.02, 20.0 * 1.02))
    wide = read(run(0.0, 22.0), run(APART, 20.0))["latency"]
    assert (wide.low, wide.high) == pytest.approx((20.0 / 1.1, 22.0))


def test_a_run_in_a_slow_phase_does_not_count() -> None:
    slow = run(APART, 15.0, reference=10.0 * GATE * 1.01)  # quick by accident, and still refused
    found = read(run(0.0, 20.0), slow)["latency"]
    assert (found.value, found.status, found.details["accepted"]) == (20.0, "few_accepted", 1)


def test_slow_runs_alone_are_shown_as_such_and_widened_by_the_slowness() -> None:
    found = read(run(0.0, 26.0, reference=13.0), run(50.0, 28.0, reference=14.0))
    one = found["latency"]
    assert (one.value, one.status) == (26.0, "slow_phase_only")
    assert (one.low, one.high) == pytest.approx((26.0 / 1.15 / 1.3, 26.0 * 1.15))
    assert found["latency_ratio"].status == "slow_phase_only"


def test_three_processes_give_the_ratio_students_interval() -> None:
    ratios = [0.50, 0.52, 0.51]
    runs = [run(at * APART, 40 * ratio) for at, ratio in enumerate(ratios)]
    found = read(*runs)["latency_ratio"]
    logs = np.log(ratios)
    low, high = stats.t.interval(0.95, 2, loc=logs.mean(), scale=stats.sem(logs))
    assert found.status == "ok"
    assert found.value == pytest.approx(exp(logs.mean()))
    assert (found.low, found.high) == pytest.approx((exp(low), exp(high)), rel=1e-3)
    two = read(*runs[:2])["latency_ratio"]
    assert two.status == "few_accepted"
    assert two.high == pytest.approx(sqrt(0.50 * 0.52) * sqrt(0.52 / 0.50) * 1.15)


def test_the_quantiles_of_student_are_scipys() -> None:
    assert {n: round(float(stats.t.ppf(0.975, n)), 3) for n in latency.T_975} == latency.T_975


def test_a_ratio_needs_this_teacher() -> None:
    other = read(replace(run(0.0, 20.0), teacher="other"))
    assert other["latency_ratio"].status == "unavailable"
    alone = read(run(0.0, 20.0), teacher="")["latency_ratio"]
    assert (alone.value, alone.status) == (None, "unavailable")
    assert "no teacher" in alone.reason
    itself = read(run(0.0, 20.0), is_teacher=True)["latency_ratio"]
    assert (itself.value, itself.low, itself.high, itself.status) == (1.0, 1.0, 1.0, "ok")


def test_what_was_not_read_says_why() -> None:
    assert read()["latency"].reason == "no timing run yet"
    assert read(failure="the timing process crashed (signal 11)")["latency"].reason.endswith("(signal 11)")
    failed = run(0.0, 20.0)
    failed = replace(failed, models={**failed.models, "artefact": {"error": "student.onnx: it fails on these rows"}})
    found = read(failed)
    assert "fails on these rows" in found["latency"].reason
    assert found["runtime_floor"].value == 4.0


def test_a_95th_percentile_beside_other_load_is_marked() -> None:
    assert read(run(0.0, 20.0, other_load=0.0))["latency"].details["p95_contaminated"] is False
    assert read(run(0.0, 20.0, other_load=0.7))["latency"].details["p95_contaminated"] is True
    assert read(run(0.0, 20.0))["latency"].details["p95_contaminated"] is True


def test_runs_are_spread_greedily() -> None:
    assert [latency.spread(times) for times in ([], [5.0], [0.0, 9.9], [30.0, 0.0, 10.0], [0.0, 6.0, 12.0])] == [
        0,
        1,
        1,
        3,
        2,
    ]


def test_readings_are_complete_when_no_status_can_change() -> None:
    three = tuple(run(at * APART, 20.0) for at in range(3))
    assert latency.is_complete(read(*three))
    assert not latency.is_complete(read(*three[:2]))
    assert latency.is_complete(read(*three[:2], teacher=""))


def by_hand(**counts: float) -> tuple[float, float]:
    low, high = (sum(n * PICOJOULES[name][node] for name, n in counts.items()) * 1e-6 for node in (0, 1))
    return low, high


def test_energy_is_the_sum_of_its_operations_between_two_technologies() -> None:
    reading = Energy().read(FILE, Bench())[0]
    low = (1000 * 1.69 + 4000 * 1.75 + 210 * 0.94) * 1e-6
    high = (1000 * 4.6 + 4000 * 12.5 + 210 * 1.25) * 1e-6
    assert (reading.low, reading.high, reading.value) == pytest.approx((low, high, sqrt(low * high)))
    assert (reading.quantity, reading.unit, reading.source) == ("energy", "µJ", "modelled")
    assert energy.column(reading.source) == "energy_uJ.modelled"


def test_weights_beyond_the_cache_cost_memory_accesses() -> None:
    large = replace(WORK, weights=energy.L2_BYTES + 1)
    found = Energy().read(FILE, Bench(counted=large))[0]
    assert (found.low, found.high) == pytest.approx(by_hand(fp32_mac=1000, dram_byte=4000, sram_byte=210))


def test_a_tree_costs_its_visits() -> None:
    forest = replace(WORK, macs={}, weight_bytes=0, tree_visits=50.0, tree_bytes=1000, key_bytes=0)
    found = Energy().read(FILE, Bench(counted=forest))[0]
    expected = by_hand(fp32_add=50, l2_byte=50 * trees.NODE_BYTES, sram_byte=200)
    assert (found.low, found.high) == pytest.approx(expected)


def test_an_unknown_operator_leaves_no_energy_and_no_macs() -> None:
    bench = Bench(counted=replace(WORK, unknown=("Einsum",)))
    for reading in (Energy().read(FILE, bench)[0], Size().read(FILE, bench)[2]):
        assert (reading.value, reading.status) == (None, "unavailable")
        assert "Einsum" in reading.reason


def test_measured_energy_without_a_counter_never_falls_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(energy, "POWERCAP", tmp_path / "absent")
    reading = Energy(tier="measured").read(FILE, Bench())[0]
    assert (reading.value, reading.status, reading.source) == (None, "unavailable", "measured")
    assert "no energy counter answers" in reading.reason
    (tmp_path / "intel-rapl:0").mkdir()
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    assert "reads no energy counter" in Energy(tier="measured").read(FILE, Bench())[0].reason


def readings_of(*counted: runtime.Work) -> list[Reading]:
    return [Energy().read(FILE, Bench(counted=one))[0] for one in counted]


def test_a_ranking_that_no_coefficient_can_turn_is_stable() -> None:
    nested = [
        replace(WORK, macs={"fp32": 100.0 * n}, weight_bytes=400.0 * n, activation_bytes=20.0 * n, key_bytes=0)
        for n in range(1, 6)
    ]
    assert energy.stability(readings_of(*nested))["low"] == pytest.approx(1.0)


def test_a_ranking_across_kinds_is_less_stable_and_repeats() -> None:
    rng = np.random.default_rng(3)
    mixed = [
        replace(WORK, macs={"fp32": float(f), "int8": float(i)}, weight_bytes=float(w), tree_visits=float(v))
        for f, i, w, v in rng.uniform(0, 5000, (12, 4))
    ]
    found = energy.stability(readings_of(*mixed))
    assert found == energy.stability(readings_of(*mixed))
    assert found["n"] == 12
    assert found["low"] < found["median"] < 1.0
    assert "reason" in energy.stability(readings_of(*mixed[:2]))


def test_size_counts_bytes_parameters_and_macs(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(b"x" * 321)
    size, parameters, macs = Size().read(path, Bench())
    assert [r.quantity for r in (size, parameters, macs)] == ["size", "parameters", "macs"]
    assert (size.value, parameters.value, macs.value) == (321.0, 1000.0, 1000.0)
    assert Size().read(tmp_path / "absent.onnx", Bench())[0].status == "unavailable"


def test_memory_or_why_there_is_none() -> None:
    found = PeakMemory().read(FILE, Bench(held={"before": 50, "peak": 70}))[0]
    assert (found.value, found.details["added"]) == (70.0, 20)
    assert PeakMemory().read(FILE, Bench(held={"error": "it crashed"}))[0].reason == "it crashed"
    assert "does not report" in PeakMemory().read(FILE, Bench(held={"before": None, "peak": None}))[0].reason


@pytest.mark.parametrize("name", plugins.names("meters"))
def test_every_meter_keeps_the_contract(name: str) -> None:
    meter = plugins.find("meters", name)()
    assert meter.unit in {"B", "µs", "µJ"}
    assert set(meter.limits) <= {"at_most", "at_most_ratio"}
    readings = meter.read(FILE, Bench(runs=(run(0.0, 20.0),), held={"before": 1, "peak": 2}))
    assert readings[0].quantity == name
    assert readings[0].unit == meter.unit
    assert all((r.value is None) == (r.status == "unavailable") and (r.value is not None or r.reason) for r in readings)


def test_the_two_technologies_are_in_order() -> None:
    assert all(low <= high for low, high in PICOJOULES.values())
    macs = [PICOJOULES[f"{kind}_mac"] for kind in ("int8", "fp16", "fp32")]
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(macs))
    assert log(3) > 1  # the factor of `stability` spans a decade
