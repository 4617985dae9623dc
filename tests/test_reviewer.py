"""A reviewer's way through a report, in a real Chromium: filter, follow a refusal, read the groups, print; axe-core."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browsing
import pytest
import report_audits
import report_data
import report_nights
from browsing import Visit

from autodistill import report

pytestmark = browsing.needed
browser = browsing.browser
WIDTHS = (1280, 390)
SERIOUS = frozenset({"serious", "critical"})
PAGES: dict[str, Callable[[], str]] = {
    "search": lambda: report.html(report_data.plain(report_data.certified(16))),
    "undecided": lambda: report.html(report_data.plain(report_data.undecided())),
    "audit": lambda: report.html(report_data.plain(report_audits.audited())),
    "night": lambda: report.html(report_data.plain(report_nights.night())),
    "delta": report_nights.drift,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("reviewed")
    for name, page in PAGES.items():
        (made / f"{name}.html").write_text(page(), "utf-8")
    return made


@pytest.fixture
def visit(browser: Any, folder: Path) -> Iterator[Callable[..., Visit]]:
    opened: list[Visit] = []

    def go(name: str, width: int = 1280, **options: Any) -> Visit:
        opened.append(Visit(browser, folder / f"{name}.html", width, **options))
        return opened[-1]

    yield go
    for one in opened:
        one.page.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_reviewers_path(browser: Any, tmp_path: Path, width: int) -> None:
    """On the files that a run leaves: no error on the console, no request but the page, under 2 MB."""
    made = report_data.certified()
    report.write(tmp_path, made)
    file = tmp_path / "report.html"
    assert file.stat().st_size < 2_000_000
    one = Visit(browser, file, width)
    page = one.page
    assert page.locator(".badge").inner_text().split() == ["PASS", "Certified"]

    page.wait_for_selector("#plot .point")
    for kind in page.locator("#by-screening input").evaluate_all("inputs => inputs.map((i) => i.value)"):
        page.locator(f"#by-screening input[value={kind}]").set_checked(kind == "refused")
    refused = [e for e in made["entries"] if e.state == "refused"]
    assert page.locator("#plot .point").count() == len(refused)
    page.locator("#plot .point[tabindex='0']").focus()
    page.keyboard.press("Enter")
    row = page.locator("tr.found")
    assert row.locator("td").first.inner_text() in {str(e.candidate.number) for e in refused}
    assert row.locator(".why").inner_text() == refused[0].reason
    assert row.locator(".why").is_visible()

    page.select_option("#which", "fails")
    failed = [e for e in made["entries"] if e.verdict and e.verdict.decision == "FAIL"]
    assert one.shown() == len(failed) > 0
    assert all("fail" in text for text in page.locator("#candidate-table tbody tr:visible .why").all_inner_texts())
    page.select_option("#which", "stopped")
    assert one.shown() == len(report_data.STOPPED)
    page.select_option("#which", "")

    page.evaluate("location.hash = '#groups'")
    table = page.locator("#groups table.groups").first
    assert table.locator("tbody tr").count() > 1
    heads = table.locator("thead th").all_text_contents()
    assert {"Group", "Teacher", "Student", "Change"} <= set(heads)
    assert table.locator("svg.bar[aria-label]").count() == table.locator("svg.bar").count() > 0
    assert table.locator("tbody th").first.is_visible()

    printed = page.pdf(format="A4", path=tmp_path / "printed.pdf")
    assert printed[:5] == b"%PDF-"
    assert one.said == []
    assert one.asked == [file.as_uri()]
    assert page.evaluate("performance.getEntriesByType('resource').length") == 0
    page.close()


@pytest.mark.parametrize("name", ["search", "undecided", "audit", "night", "delta"])
def test_nothing_is_cut_off_or_folded_on_an_a4_page(visit: Any, name: str) -> None:
    """A4 less its margins is 182 mm wide: 688 CSS pixels."""
    page = visit(name, 688).page
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    over = "e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('svg, .vh')"
    assert page.evaluate(f"[...document.querySelectorAll('main *')].filter({over}).map((e) => e.outerHTML)") == []
    assert page.evaluate("[...document.querySelectorAll('main details:not([open])')].length") == 0
    heads = "[...document.querySelectorAll('main thead')].map((e) => getComputedStyle(e).display)"
    assert set(page.evaluate(heads)) <= {"table-header-group"}
    clipped = "e => getComputedStyle(e).overflowY !== 'visible' && e.scrollHeight > e.clientHeight + 1"
    assert page.evaluate(f"[...document.querySelectorAll('main div, main pre')].filter({clipped}).length") == 0


def violations(page: Any, *, contrast: bool) -> list[str]:
    """What axe-core finds serious on a page with every folded part open; its colours only where they are asked for."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page.evaluate("document.querySelectorAll('main details').forEach((d) => { d.open = true; })")
    rules = {} if contrast else {"color-contrast": {"enabled": False}}
    found = axe.Axe().run(page, options={"resultTypes": ["violations"], "rules": rules}).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in SERIOUS]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["search", "audit", "delta"])
def test_axe_finds_nothing_serious(visit: Any, name: str, width: int) -> None:
    assert violations(visit(name, width).page, contrast=False) == []


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious_in_the_colours_either(visit: Any, name: str, width: int, scheme: str) -> None:
    assert violations(visit(name, width, color_scheme=scheme).page, contrast=True) == []


def test_axe_would_find_it(browser: Any) -> None:
    page = browser.new_page()
    page.set_content("<main><button></button><p style='color: #eee'>pale</p></main>")
    assert [one.partition(":")[0] for one in violations(page, contrast=False)] >= ["button-name"]
    assert any(one.startswith("color-contrast") for one in violations(page, contrast=True))
    page.close()
