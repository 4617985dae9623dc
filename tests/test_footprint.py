"""A budget of energy ends a search, and the report says what the search drew and how that is known."""

import json
from pathlib import Path

import pytest
import small_run

from autodistill import cli, spec
from autodistill.errors import SpecError
from autodistill.report.record import drawn
from autodistill.run.footprint import Footprint
from autodistill.spec import Budget

pytest.importorskip("codecarbon")


def test_a_search_ends_when_its_energy_is_used_and_goes_on_with_more(tmp_path: Path) -> None:
    file = small_run.write(tmp_path, trials=500)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("{trials: 500}", "{trials: 500, energy_wh: 0.03, country: DEU}"), encoding="utf-8")
    with small_run.inside(tmp_path, tmp_path / "cache"):
        assert cli.main(["search", str(file)]) in (0, 1, 3)
    report = json.loads((tmp_path / "reports" / "small" / "report.json").read_bytes())
    drawn = report["cost"]["footprint"]
    assert drawn["energy_wh"] >= 0.03
    assert drawn["co2e_g"] > 0
    assert drawn["method"] == "codecarbon"
    assert drawn["source"] == "modelled"
    assert len(report["entries"]) < 500
    journaled = [
        one["data"]["energy_wh"]
        for one in small_run.events(tmp_path / "reports" / "small")
        if "energy_wh" in one["data"]
    ]
    assert journaled == sorted(journaled)


def test_what_earlier_processes_drew_counts() -> None:
    meter = Footprint(budget=Budget(energy_wh=1.0, country="FRA"), before={"energy_wh": 2.0, "co2e_g": 0.1})
    meter.start()
    try:
        assert meter.exhausted()
        assert meter.spent()["energy_wh"] >= 2.0
    finally:
        meter.stop()
    assert meter.told()["country"] == "FRA"


def test_without_being_asked_nothing_is_read() -> None:
    meter = Footprint(budget=Budget(trials=3))
    meter.start()
    assert not meter.spent()
    assert not meter.exhausted()
    assert "budget.country" in meter.told()["reason"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("{co2e_g: 2}", "country"),
        ("{energy_wh: 0}", "energy_wh"),
        ("{energy_wh: 1, country: Germany}", "country"),
        ("{country: DEU}", "no budget"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(tmp_path: Path, said: str, why: str) -> None:
    file = small_run.write(tmp_path)
    file.write_text(file.read_text(encoding="utf-8").replace("{trials: 10}", said), encoding="utf-8")
    with pytest.raises(SpecError, match=why):
        spec.load(file)


def test_the_page_says_what_was_drawn_and_how_that_is_known() -> None:
    told = {"energy_wh": 0.0123, "co2e_g": 0.005, "method": "codecarbon", "processor": "AMD EPYC", "country": "DEU"}
    lines = dict(drawn(told))
    assert lines["energy of the search"] == "0.0123 Wh, estimated by codecarbon from the load of AMD EPYC"
    assert lines["CO2e of the search"].startswith("0.005 g, estimated")
    assert drawn({"reason": "not asked for"}) == [("energy of the search", "not read: not asked for")]
    assert drawn({}) == []
