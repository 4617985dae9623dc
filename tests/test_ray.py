"""A real Ray of two workers on this machine: it makes what one process makes, although one of them is killed."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import engines
import pytest

from autodistill import engine
from autodistill.engine.in_process import InProcess
from autodistill.engine.pool import Pool
from autodistill.errors import RunError, SpecError
from autodistill.records import Event
from autodistill.run import reopening

ray: Any = pytest.importorskip("ray", reason="Ray is not installed")

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*:ResourceWarning",  # Ray leaves its own processes to the system
    "ignore:.*:FutureWarning",
)


def test_two_workers_of_which_one_is_killed(tmp_path: Path) -> None:
    """Started here with a slot for readings, which an actor takes once the trainings beside it are drained."""
    made = engines.trees(tmp_path)
    asked, known = made.shop(tmp_path / "prepared", workers=2, kind="ray")
    alone, shop = (engines.unread(known, tmp_path / name) for name in ("alone", "shop"))
    expected = engines.pumped(InProcess(alone), engines.candidates(asked, 6))
    try:
        started = engine.build(asked.engine, shop, reopening.again(asked, shop))
    except RunError as fault:  # Ray gives itself half a minute, which is too little on a machine under load
        if "timed out during startup" not in str(fault):
            raise
        pytest.skip(str(fault))
    with started as both:
        assert isinstance(both, Pool)
        crew: Any = both._crew
        assert crew.reads == "here"
        killed: list[int] = []

        def kill(event: Event) -> None:
            if event.kind == "finished" and not killed:
                killed.append(crew.pids[0])
                os.kill(killed[0], signal.SIGKILL)

        found = engines.pumped(both, engines.candidates(asked, 6), kill)
        assert killed
        assert set(killed).isdisjoint(crew.pids)
        reads = [one for one in both.spans if one[0] == "read"]
        assert len(reads) == 6
        assert not [1 for a in reads for b in both.spans if b is not a and a[1] < b[2] and b[1] < a[2]]
        too_many = {**asked.engine, "workers": 99}
        with pytest.raises(SpecError, match=r"engine\.workers: the Ray cluster has 2 processors, not 99"):
            engine.build(too_many, shop, reopening.again(asked, shop))
    assert found == expected
    assert not ray.is_initialized()


def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    made = engines.trees(tmp_path)
    asked, shop = made.shop(tmp_path / "run", workers=2, kind="ray")
    away = {**asked.engine, "address": "auto"}
    with pytest.raises(RunError, match="Ray cannot be reached"):
        engine.build(away, replace(shop), reopening.again(asked, shop))


@pytest.mark.long
def test_readings_are_taken_in_the_slot_that_a_cluster_has(tmp_path: Path) -> None:
    """The cluster's slot is on the machine of the trainings, so that they are drained; the readings are the same."""
    made = engines.trees(tmp_path)
    asked, known = made.shop(tmp_path / "prepared", workers=2, kind="ray")
    shop = replace(known, lab=replaced(known), folder=tmp_path / "shop", kept={}, seen={})
    ray.init(address="local", num_cpus=2, resources={"latency_slot": 1}, include_dashboard=False, log_to_driver=False)
    try:
        with engine.build(asked.engine, shop, reopening.again(asked, shop)) as both:
            crew: Any = both._crew
            found = engines.pumped(both, engines.candidates(asked, 4))
            assert crew.reads == "drained"
            assert [kind for kind, _, _ in both.spans].count("read") == 4
            assert {entry.state for entry in found.values()} == {"finished"}
        assert ray.is_initialized()  # it was not ours to end
    finally:
        ray.shutdown()


def replaced(shop: Any) -> Any:
    """A lab that measures: nothing is known of it before."""
    from autodistill.measure import Lab

    return Lab(shop.folder.parent / "fresh", shop.lab.rows, shop.lab.teacher_path)
