"""The report: whole files, words that are never blank, nothing from data that runs, in a page or in a spreadsheet."""

import base64
import csv
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import report_audits
import report_data
import report_findings

from autodistill import report, stats
from autodistill.errors import RunError
from autodistill.report import audited, beside, chart, numbers, sections, sentences, terms, view, words

SEARCHES = (report_data.certified, report_data.undecided, report_data.nothing, report_data.empty)
AUDITS = (report_audits.audited, report_audits.hostile, report_audits.regression)
MADE = {made.__name__: made for made in (*SEARCHES, *AUDITS)}
FIXTURES = tuple(MADE)
VOID = {"meta", "input", "img", "br", "hr", "rect", "line", "circle", "path", "link"}


class Page(HTMLParser):
    """What a page is made of: elements with attributes, texts of table cells and definitions, scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.inline: dict[str, list[str]] = {"script": [], "style": []}
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in {"td", "dd"} or (tag == "th" and dict(attrs).get("scope") == "row"):
            self.cells.append("")
        if tag in self.inline and dict(attrs).get("type") != "application/json":
            self.inline[tag].append("")
        if tag not in VOID:
            self._open.append("data" if dict(attrs).get("type") == "application/json" else tag)
        elif {"td", "dd"} & set(self._open):
            self.cells[-1] += "·"  # a drawing or a control is not a blank

    def handle_endtag(self, tag: str) -> None:
        while self._open and tag not in VOID:
            if self._open.pop() in {tag, "data"}:
                break

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in self.inline:
            self.inline[self._open[-1]][-1] += data
        elif {"td", "dd", "th"} & set(self._open) and self.cells:
            self.cells[-1] += data


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: report.html(report_data.plain(made())) for name, made in MADE.items()}


# ---- files ----


def test_files_are_written_whole_and_read_back(tmp_path: Path) -> None:
    made = report_data.certified()
    paths = report.write(tmp_path / "new" / "folder", made)
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == sorted(p.name for p in paths)
    again = report.read(tmp_path / "new" / "folder")
    assert again == json.loads(json.dumps(report_data.plain(made)))
    before = {p.name: p.read_bytes() for p in paths}
    report.write(tmp_path / "new" / "folder", again)
    assert {p.name: p.read_bytes() for p in paths} == before
    assert before["front.png"].startswith(b"\x89PNG")
    assert {p.stat().st_mode & 0o077 for p in paths} == {0}


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot be written"):
        report.write(tmp_path / "file" / "folder", report_data.empty())


@pytest.mark.parametrize("content", ['{"format": 99}', '{"name": "x"}', "[1]", "{", "\ud7ff"])
def test_another_format_or_damage_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "report.json").write_text(content, "utf-8")
    with pytest.raises(RunError) as caught:
        report.read(tmp_path)
    assert str(tmp_path / "report.json") in str(caught.value)


def test_an_empty_folder_and_no_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no finished run is here"):
        report.read(tmp_path)
    with pytest.raises(RunError, match="no such folder"):
        report.read(tmp_path / "absent")


def test_no_cell_of_the_table_runs_as_a_formula(tmp_path: Path) -> None:
    made = report_data.certified()
    lead = ("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx")
    made["entries"] = [
        replace(e, state="broken", reason=text, verdict=None) for e, text in zip(made["entries"], lead, strict=False)
    ]
    report.write(tmp_path, made)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "candidates.csv").read_bytes().decode(), newline="")))
    assert [row["why"] for row in rows] == [f"'{text}" for text in lead]
    numbers_ = [float(row["error_search_split"]) for row in rows if row["error_search_split"]]
    assert len(rows) == len(lead)
    assert all(value >= 0 for value in numbers_)


def test_the_table_has_every_candidate_and_says_what_is_missing(tmp_path: Path) -> None:
    made = report_data.certified()
    report.write(tmp_path, made)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "candidates.csv").read_text("utf-8"))))
    assert [int(row["number"]) for row in rows] == sorted(e.candidate.number for e in made["entries"])
    assert [row["key"] for row in rows if row["certified"] == "True"] == [made["certified"]]
    assert {row["key"] for row in rows if row["front_search_split"] == "True"} == set(made["front"])
    assert "energy_uJ.modelled" in rows[0]
    assert all(row["why"] for row in rows)


def test_what_was_left_untrained_or_stopped_is_listed_with_its_reason_and_refused_by_nobody(tmp_path: Path) -> None:
    made = report_data.certified()
    report.write(tmp_path, made)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "candidates.csv").read_text("utf-8"))))
    by_number = {int(row["number"]): row for row in rows}
    page = view.page(report_data.plain(made))
    lines = {line["number"]: line for line in page["candidates"]["rows"]}
    points = {point["number"]: point for point in chart.data(report_data.plain(made))["points"]}
    for number in (*report_data.STOPPED, *report_data.SKIPPED):
        state = "stopped" if number in report_data.STOPPED else "skipped"
        assert (by_number[number]["state"], lines[number]["screening"], points[number]["screening"]) == (state,) * 3
        assert by_number[number]["why"] == lines[number]["why"] == points[number]["why"]
        assert not lines[number]["front"]
    for number in report_data.STOPPED:
        assert by_number[number]["error_at"] == lines[number]["partly"] == "at epoch 4 of 30"
        assert points[number]["error_text"].endswith("of search rows, at epoch 4 of 30")
    assert {lines[number]["error"] for number in report_data.SKIPPED} == {"not trained"}
    assert page["candidates"]["counts"]["refused"] == sum(e.state == "refused" for e in made["entries"])
    assert ("stopped early", "3") in page["cost"]["counts"]
    assert ("left untrained", "2") in page["cost"]["counts"]


# ---- the page is safe ----


@pytest.mark.parametrize("name", FIXTURES)
def test_only_what_is_here_by_its_hash_runs_and_nothing_is_fetched(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    policy = next(a["content"] for t, a in page.elements if a.get("http-equiv") == "Content-Security-Policy") or ""
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules["default-src"] == ["'none'"]

    def hashed(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert {hashed(text) for text in page.inline["script"]} == set(rules["script-src"])
    assert [hashed(text) for text in page.inline["style"]] == rules["style-src"]
    assert rules["img-src"] == ["data:"]
    for tag, attributes in page.elements:
        assert not [a for a in attributes if a.startswith("on") or a == "style"], (tag, attributes)
        for address in (attributes.get("src"), attributes.get("href")):
            assert address is None or address.startswith(("#", "data:image/png;base64,")), (tag, address)
    assert "@import" not in pages[name]
    assert "url(" not in page.inline["style"][0]


def test_names_from_data_are_text_in_the_page_and_in_its_script(pages: dict[str, str]) -> None:
    text = pages["undecided"]
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert report_findings.NASTY in "".join(Page(text).cells)
    found = re.search(r'<script type="application/json" id="chart-data">(.*?)</script>', text, re.DOTALL)
    assert found
    points = json.loads(found[1])["points"]
    assert any(report_findings.NASTY in point["name"] for point in points)


def test_the_page_stays_small_and_says_how_many_it_leaves_out() -> None:
    made = report_data.plain(report_data.certified(1000))
    text = report.html(made, b"x" * 80_000)
    assert len(text.encode()) < 2_000_000
    assert f"{1000 - chart.SHOWN} more are only in candidates.csv" in text.replace("\u202f", "")
    kept = {entry.candidate.key for entry in chart.shown(made)}
    assert {made["certified"], *made["front"], *(line["key"] for line in made["shortlist"])} <= kept


# ---- the page says everything ----


@pytest.mark.parametrize("name", FIXTURES)
def test_nothing_is_blank_none_or_nan(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    assert page.cells
    assert not [i for i, cell in enumerate(page.cells) if not cell.strip()]
    assert not [cell for cell in page.cells if re.search(r"\b(None|nan|NaN|undefined value|\[\]|\{\})\b", cell)]


@pytest.mark.parametrize("name", FIXTURES)
def test_the_verdict_comes_before_everything_else(pages: dict[str, str], name: str) -> None:
    made = MADE[name]()
    sections_ = [a["id"] for t, a in Page(pages[name]).elements if t == "section"]
    assert sections_[0] == "verdict"
    assert pages[name].index(f"<strong>{made['verdict']['decision']}</strong>") < pages[name].index("<table")


def test_a_search_that_refused_everything_says_so(pages: dict[str, str]) -> None:
    text = pages["nothing"]
    assert "What stands in the way" in text
    assert "No candidate reached the audit split" in text
    assert "64 × latency ratio above 0.6 (exact, before training)" in text
    assert "No student reached certification" in text
    assert "was trained, so this run cannot tell" in text


def test_a_finalist_without_a_certificate_lists_what_stands_in_the_way() -> None:
    page = view.page(report_data.plain(report_data.undecided()))
    lines = page["obstacles"]["lines"]
    assert [line["outcome"] for line in lines][:2] == ["FAIL", "INCONCLUSIVE"]
    assert page["beside"]["certified"] is False
    assert page["notes"]


def test_energy_is_named_an_estimate_wherever_it_stands(pages: dict[str, str]) -> None:
    assert numbers.title("energy_uJ.modelled") == "Energy a row (estimated: modelled)"
    shown = [cell for cell in Page(pages["certified"]).cells if cell.startswith("Energy")]
    assert shown
    assert all("estimated" in cell for cell in shown)
    assert chart.tiered({"energy": report_findings.reading("energy", "uJ", 1.0, source="modelled")}).keys() == {
        "energy_uJ.modelled"
    }


def test_two_readings_that_do_not_agree_with_the_ratio_read_together_are_said_to() -> None:
    read = report_findings.reading
    apart = {"latency": read("latency", "us", 44.0)}, {"latency": read("latency", "us", 104.0)}
    for low, high, said in ((0.21, 0.28, "0.42"), (0.21, 0.5, None)):
        together = replace(read("latency_ratio", "ratio", 0.25), low=low, high=high)
        shown = beside._quantity("latency", {**apart[0], "latency_ratio": together}, apart[1], [])
        assert shown["ratio"].startswith("0.25")
        assert ("apart give" in shown["words"]) == (said is not None)
        assert said is None or said in shown["words"]


def test_an_unavailable_reading_gives_its_reason_beside_the_word() -> None:
    lost = report_findings.reading("size", "bytes", None, status="unavailable", reason="the disk was full")
    size, latency, _ = sections.triple({"size": lost})
    assert (size["text"], size["why"]) == ("unavailable", "the disk was full")
    assert latency["text"] == numbers.MISSING


def test_small_groups_are_withheld(pages: dict[str, str]) -> None:
    tiny = report_findings.gap(
        "race", "Few", "true_positive_rate", "at_most", (0.37, -0.2, 0.7), denominator=9, teacher=0.5
    )
    hidden = chart.withheld(tiny)
    assert hidden.estimate is hidden.low is hidden.teacher is hidden.denominator is None
    assert "under 10" in hidden.note
    assert chart.withheld(replace(tiny, denominator=10)) == replace(tiny, denominator=10)
    few = {"metric": "selection_rate", "attribute": "race", "group": "Few", "denominator": 9, "teacher": 0.2}
    assert sections.fairlearn({"fairlearn": [few]})[0]["teacher"] == "withheld"


def test_the_run_s_note_is_not_said_twice() -> None:
    made: dict[str, Any] = report_data.empty() | {"notes": ["No candidate was proposed", "Another matter."]}
    assert view.page(report_data.plain(made))["notes"] == ["Another matter."]


# ---- words and numbers ----


def test_the_student_s_audit_error_is_that_of_the_tested_rows() -> None:
    found = report_findings.loss(0.0061, 0.0022, 0.0099, student=0.86, rows=1000)
    error = sections.error_of(found, 0.95)
    low, high = stats.wilson(140, 1000, 0.05)
    assert error == pytest.approx({"value": 0.14, "low": float(low), "high": float(high)})
    assert sections.error_of(None, 0.95) == {}
    assert sections.error_of(replace(found, student=None), 0.95) == {}


def test_sentences_take_their_direction_from_the_two_models() -> None:
    worse = sentences.sentence(report_findings.loss(0.0061, 0.0022, 0.0099))
    better = sentences.sentence(report_findings.loss(-0.0061, -0.0099, -0.0022))
    assert "0.6\u202fpoints fewer rows rightly" in worse
    assert "0.6\u202fpoints more rows rightly" in better
    assert "[0.2, 1.0]" in worse
    open_ = sentences.sentence(report_findings.loss(0.0111, 0.0065, 0.0158, "INCONCLUSIVE", rows_needed=15_200))
    assert "about 15\u202f200 rows would decide it" in open_


def test_an_exact_reading_has_no_interval() -> None:
    exact = report_findings.meter("size", "bytes", 7780.0, 200_000.0, "at_most", low=7780.0, high=7780.0)
    assert words.interval(exact) == ""
    assert audited.test_row(exact)["interval"] == "exact"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("accuracy_loss/at_most (search split)", "Accuracy loss above the limit (search split)"),
        ("worst_group_loss/race/at_most (search split)", "Loss, group by group (race) above the limit (search split)"),
        (
            "group_gap/true_positive_rate/race=Other/grows_by_at_most (search split)",
            "Gap between groups (true positive rate, race = Other) grows beyond the limit (search split)",
        ),
        ("broke", "broke while it was made"),
        ("the disk was full (again)", "the disk was full (again)"),
        (report_findings.NASTY, report_findings.NASTY),
    ],
)
def test_reasons_are_said_in_words(text: str, said: str) -> None:
    assert terms.reason(text) == said


def test_looks_and_times_are_said_in_words() -> None:
    found = {
        "account": 2,
        "accounts": 1,
        "alpha": 0.05,
        "index": 1,
        "looks": 2,
        "replay": False,
        "share": 0.025,
        "x": 3,
    }
    assert terms.looks(found)[:2] == [
        ("Look at these audit rows", "1 of 2 planned"),
        ("Level of this look", "2.50\u202f% of 5.00\u202f% for all looks at these rows"),
    ]
    assert terms.looks(found)[-1] == ("Look: x", "3")
    assert terms.moment("2026-11-24T07:13:46+02:00") == "24 November 2026, 05:13 UTC"
    assert terms.moment("yesterday") == "yesterday"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (7.7e-5, "7.70e−05"),
        (-0.12, "−0.120"),
        (29.32, "29.3"),
        (456_211.0, "456\u202f211"),
        (9.996, "10.00"),
    ],
)
def test_numbers_have_three_digits_and_a_true_minus(value: float, text: str) -> None:
    assert numbers.digits(value) == text


def test_minus_zero_is_zero_and_one_point_is_singular() -> None:
    assert numbers.points(-0.0001) == "0.0\u202fpoints"
    assert numbers.points(0.01) == "1.0\u202fpoint"
    assert numbers.seconds(3723) == "1\u202fh 02\u202fmin"
