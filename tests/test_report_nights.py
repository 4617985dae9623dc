"""The chart of champion and challengers: the nights' own figures, and the same in words."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import report_data
import report_nights

from autodistill import report
from autodistill.errors import RunError
from autodistill.nightly import delta
from autodistill.report import nights, view


class Charts(HTMLParser):
    """What a page's charts are called, and how many marks they have."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: dict[str, str] = {}
        self.labels: list[str] = []
        self.circles = 0
        self._id = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "svg" and found.get("class") == "nights":
            assert found["role"] == "img"
            self.labels += (found["aria-labelledby"] or "").split()
        self.circles += tag == "circle" and not found.get("class")
        self._id = found.get("id") or "" if tag in {"title", "desc"} else ""

    def handle_data(self, data: str) -> None:
        if self._id:
            self.ids[self._id], self._id = data, ""


def test_a_nights_report_shows_every_night_and_says_the_same_in_a_table() -> None:
    made = report_data.plain(report_nights.night())
    text = report.html(made)
    found = Charts(text)
    told = [one for record in report_nights.records() for one in (record.champion, record.challenger) if one]
    read = sum(one.error is not None for one in told) + 2  # and this night's own two
    assert found.circles == 2 * read
    assert len(found.labels) == 4
    assert all(found.ids[label] for label in found.labels)
    stood = [one.champion for one in report_nights.records() if one.champion and one.champion.error]
    assert f"champion on {len(stood) + 1} nights" in found.ids["nights-1-says"]
    section = view.page(made)["nights"]
    assert [row["date"] for row in section["rows"]] == ["2024-05-10", *reversed(report_nights.DATES)]
    assert section["rows"][0]["outcome"] == nights.TONIGHT
    assert [row["outcome"] for row in section["rows"][1:]] == list(reversed(report_nights.OUTCOMES))
    by_date = {row["date"]: row for row in section["rows"]}
    assert by_date["2024-05-03"]["champion_error"] == "13.30 % [12.70, 14.00]"
    assert by_date["2024-05-03"]["champion_cost"] == "8.3 kB"
    assert by_date["2024-05-05"]["champion_error"] == "–"  # a night that broke read nothing
    assert ("nights", "Over the nights") in view.page(made)["contents"]


def test_a_value_stands_where_its_axis_says() -> None:
    """Places computed backwards: a straight line through the axis' ticks gives each mark's value again."""
    made = nights.charts([delta.shown(one) for one in report_nights.records()], "size")[0]
    ticks = [(float(tick["text"].removesuffix(" %")), tick["y"]) for tick in made["ticks"]]
    (low, y_low), _, (high, y_high) = ticks
    for mark in made["marks"]:
        value = float(re.search(r": ([\d.]+) %", mark["says"])[1])  # type: ignore[index]
        assert low + (high - low) * (y_low - mark["y"]) / (y_low - y_high) == pytest.approx(value, abs=0.06)
    drift = [mark for mark in made["marks"] if "drift" in mark["role"]]
    assert [mark["says"][:10] for mark in drift] == ["2024-05-07"]


def test_a_run_that_is_no_night_has_no_such_section(tmp_path: Path) -> None:
    made = report_data.plain(report_data.certified())
    assert nights.section(made) is None
    assert 'id="nights"' not in report.html(made)


def test_only_the_last_nights_are_drawn() -> None:
    made = report_data.plain(report_nights.night())
    made["night"]["earlier"] = made["night"]["earlier"] * 10
    section = nights.section(made)
    assert section is not None
    assert len(section["rows"]) == nights.MOST
    assert len(report.html(made).encode()) < 2_000_000


def test_a_night_that_was_edited_is_refused(tmp_path: Path) -> None:
    report.write(tmp_path, report_nights.night())
    path = tmp_path / "report.json"
    assert report.read(tmp_path)["night"]["date"] == "2024-05-10"
    path.write_text(path.read_text().replace('"earlier": [', '"earlier": [5,', 1))
    with pytest.raises(RunError, match="is damaged"):
        report.read(tmp_path)
