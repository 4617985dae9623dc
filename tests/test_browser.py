"""The report in a real browser: no error, no request, working controls, a keyboard path, a narrow screen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browsing
import pytest
import report_audits
import report_data
from browsing import Visit

from autodistill import report

browser = browsing.browser

pytestmark = browsing.needed
SEARCHES = (report_data.certified, report_data.undecided, report_data.nothing, report_data.empty)
AUDITS = (report_audits.audited, report_audits.hostile, report_audits.regression)
MADE = {made.__name__: made for made in (*SEARCHES, *AUDITS)}
FIXTURES = tuple(MADE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pages")
    for name, fixture in MADE.items():
        text = report.html(report_data.plain(fixture()))
        (made / f"{name}.html").write_text(text, "utf-8")
    return made


@pytest.fixture
def visit(browser: Any, folder: Path) -> Iterator[Any]:
    opened: list[Visit] = []

    def go(name: str, width: int = 1280, **options: Any) -> Visit:
        opened.append(Visit(browser, folder / f"{name}.html", width, **options))
        return opened[-1]

    yield go
    for one in opened:
        one.page.close()


@pytest.mark.parametrize("name", FIXTURES)
def test_no_error_and_no_request_but_the_page_itself(visit: Any, folder: Path, name: str) -> None:
    one = visit(name)
    one.page.wait_for_function("document.querySelector('#theme:not([hidden])')")
    one.page.locator("#theme").click()
    assert one.said == []
    assert one.asked == [(folder / f"{name}.html").as_uri()]
    assert one.page.evaluate("performance.getEntriesByType('resource').length") == 0


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_does_not_scroll_sideways(visit: Any, name: str, width: int) -> None:
    page = visit(name, width).page
    page.evaluate("document.querySelectorAll('main details').forEach((d) => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = "e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll, svg, pre, .vh')"
    assert page.evaluate(f"[...document.querySelectorAll('main *')].filter({wide}).map(e => e.outerHTML)") == []


@pytest.mark.parametrize("name", ["certified", "undecided", "audited", "hostile"])
def test_no_text_of_a_cell_lies_on_its_neighbour(visit: Any, name: str) -> None:
    page = visit(name).page
    over = "c => c.scrollWidth > c.clientWidth + 1"
    assert page.evaluate(f"[...document.querySelectorAll('td')].filter({over}).map(c => c.outerHTML)") == []


def test_the_verdict_is_on_the_first_screen(visit: Any) -> None:
    for width in (390, 1280):
        box = visit("undecided", width).page.locator(".badge").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 900


def test_the_table_is_filtered_and_sorted(visit: Any) -> None:
    made, one = report_data.certified(), visit("certified")
    page, every = one.page, len(made["entries"])
    assert one.shown() == every
    page.select_option("#which", "front")
    assert one.shown() == len(made["front"])
    page.select_option("#which", "broken")
    assert one.shown() == sum(e.state == "broken" for e in made["entries"])
    assert page.locator("#found").inner_text() == f"{one.shown()} of {every}"
    page.select_option("#which", "")
    page.fill("#find", "not finite")
    assert one.shown() == 1
    page.fill("#find", "")
    page.get_by_role("button", name="Error, search split").click()
    cells = page.locator("#candidate-table tbody td:nth-child(4)").evaluate_all("c => c.map(x => x.dataset.sort)")
    known = [float(cell) for cell in cells if cell]
    assert known == sorted(known)
    assert cells[len(known) :] == [""] * (every - len(known))
    assert one.said == []


def test_the_chart_is_filtered_and_drawn_on_another_axis(visit: Any) -> None:
    one = visit("certified")
    page, points = one.page, "#plot .point"
    page.wait_for_selector(points)
    before = page.locator(points).count()
    page.get_by_role("checkbox", name="controls").uncheck()
    drawn = [one for one in report_data.certified()["controls"] if one["error"] is not None]
    assert page.locator(points).count() == before - len(drawn)
    page.get_by_role("checkbox", name="controls").check()
    page.select_option("#axis", "energy_uJ.modelled")
    assert "estimated: modelled" in (page.locator("#plot").text_content() or "")
    page.uncheck("#log")
    assert page.locator(points).count() > 0
    assert one.said == []


def test_the_keyboard_reaches_the_controls_and_walks_the_chart(visit: Any) -> None:
    page = visit("certified").page
    page.wait_for_selector("#plot .point")
    reached: list[str] = []
    for _ in range(80):
        page.keyboard.press("Tab")
        here = "e => e.id || (e.closest('#plot') ? 'point' : e.closest('th') ? 'sort' : e.type || e.tagName)"
        reached.append(page.evaluate(f"({here})(document.activeElement)"))
        if reached[-1] == "sort":
            break
    assert [name for name in reached if name in {"theme", "axis", "log", "point", "find", "which"}] == [
        "theme",
        "axis",
        "log",
        "point",
        "find",
        "which",
    ]
    assert reached.count("checkbox") >= 8
    page.locator("#plot .point[tabindex='0']").focus()
    first = page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") != first
    assert page.locator("#tip").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#tip").is_visible()


def test_enter_goes_from_a_point_to_its_row(visit: Any) -> None:
    page = visit("certified").page
    page.wait_for_selector("#plot .point")
    page.locator("#plot .point[tabindex='0']").focus()
    page.keyboard.press("Enter")
    row = page.locator("tr.found")
    assert row.count() == 1
    assert row.locator("details").evaluate("d => d.open && d.contains(document.activeElement)")


def test_without_scripts_everything_but_the_chart_is_there(visit: Any) -> None:
    page = visit("certified", java_script_enabled=False).page
    assert page.locator("#candidate-table tbody tr").count() == len(report_data.certified()["entries"])
    assert not page.locator("#table-controls").is_visible()
    assert page.locator(".badge").is_visible()
