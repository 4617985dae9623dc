"""The page of an audit of predictions: sections that apply, sentences that say what their intervals allow."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import report_audits
import report_data
from report_audits import change, split
from report_findings import gap, loss

from autodistill import cli, report
from autodistill.report import attributed, chart, plain, to_read, undecided, view

GONE = ("front", "worth", "controls", "certification", "candidates", "measured", "cost")


def text(made: dict[str, Any]) -> str:
    return " ".join(report.html(report_data.plain(made)).split())


def page(made: dict[str, Any]) -> dict[str, Any]:
    return view.page(report_data.plain(made))


# ---- what an audit's page is made of ----


def test_what_needs_a_search_is_neither_shown_nor_listed_nor_written(tmp_path: Path) -> None:
    shown = text(report_audits.audited())
    for name in GONE:
        assert f'id="{name}"' not in shown
        assert f'href="#{name}"' not in shown
    for name, _ in page(report_audits.audited())["contents"]:
        assert f'<section id="{name}"' in shown
    assert "chart-data" not in shown
    report.write(tmp_path, report_audits.audited())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json"]
    again = report.read(tmp_path)
    assert again == json.loads(json.dumps(report_data.plain(report_audits.audited())))


@pytest.mark.parametrize(
    ("decision", "badge"), [("PASS", "Accepted"), ("FAIL", "Refused"), ("INCONCLUSIVE", "Not decided")]
)
def test_the_badge_speaks_of_acceptance(decision: str, badge: str) -> None:
    made = report_audits.audited()
    made["verdict"] = made["verdict"] | {"decision": decision}
    assert page(made)["verdict"]["badge"] == badge


def test_the_first_screen_names_both_models_with_their_errors_and_what_was_not_judged() -> None:
    shown = page(report_audits.audited())
    assert (shown["beside"]["teacher"], shown["beside"]["student"]) == (
        "score_of_the_old_model",
        "score_of_the_new_model",
    )
    error, score = shown["beside"]["rows"]
    assert (error["teacher_spread"], error["student_spread"]) == ("[12.35, 13.61]", "[12.95, 14.23]")
    assert error["ratio"] == "+0.61\u202fpoints"
    assert (score["title"], score["teacher"], score["student"]) == ("Log-loss", "0.412", "0.424")
    about = dict(shown["about"])
    assert about["Not judged"].startswith("latency and size")
    assert about["Look at these audit rows"] == "1 of 1 planned"
    assert "had seen none" in about["Seen by the teacher"]
    assert "not known" in dict(page(report_audits.hostile())["about"])["Seen by the teacher"]


def test_a_regression_has_no_error_and_no_rows_to_read() -> None:
    shown = page(report_audits.regression())
    assert [row["title"] for row in shown["beside"]["rows"]] == ["Root mean squared error"]
    assert shown["obstacles"]["shown"] is False
    assert shown["reading"]["none"] == "a regression has no decisions that flip"


def test_meters_that_nobody_read_stand_in_no_table() -> None:
    shown = page(report_audits.audited())
    assert not {"latency", "size"} & {
        t["finding"].check for t in (*shown["tests"], *shown["reported"], *shown["others"])
    }


# ---- in plain words ----


def test_what_fails_comes_first_and_what_passes_is_folded() -> None:
    found = plain.items(report_data.plain(report_audits.audited()), report_audits.findings())
    assert [item["outcome"] for item in found["said"][:4]] == ["FAIL", "PASS", "PASS", "INCONCLUSIVE"]
    assert {item["outcome"] for item in found["folded"]} <= {"PASS", "REPORTED"}
    assert [item["who"] for item in found["said"][:3]] == ["sex = Female", "All rows", "All rows"]


def test_a_widened_gap_is_told_with_its_interval_and_whose_doing_it_is() -> None:
    item = next(i for i in page(report_audits.audited())["plain"]["said"] if i["outcome"] == "FAIL")
    said = " ".join([item["text"], *item["doing"]]).replace("\u202f", " ")
    assert said.startswith("For sex = Female, the student finds 3.1 points fewer positives than the teacher does.")
    assert "stands 10.5 points worse off with the student and 7.6 points with the teacher" in said
    assert "the gap is wider by 2.9 points [1.2, 4.6]" in said
    assert "twin without distillation shows 0.4 points [−1.1, 1.9]" in said
    assert said.endswith(
        "2.5 points [0.9, 4.1] came with distillation: distillation did it. Descriptive: one control, one seed."
    )


@pytest.mark.parametrize(
    ("part", "rest", "says"),
    [
        ((0.03, 0.01, 0.05), (0.00, -0.02, 0.02), "distillation did it"),
        ((0.00, -0.02, 0.02), (0.03, 0.01, 0.05), "it comes without distillation too (capacity, data or objective)"),
        ((0.02, 0.01, 0.03), (0.02, 0.01, 0.03), "part comes without it too"),
        ((0.01, -0.01, 0.03), (0.01, -0.01, 0.03), "these rows cannot tell"),
        ((-0.03, -0.05, -0.01), (0.00, -0.02, 0.02), "distillation did it"),
        (
            (-0.02, -0.03, -0.01),
            (0.05, 0.03, 0.07),
            "too (capacity, data or objective), and distillation works against it",
        ),
    ],
)
def test_attribution_says_what_its_interval_allows(part: Any, rest: Any, says: str) -> None:
    of = loss(0.03, 0.01, 0.05)
    assert says in attributed.clause(split(of, (part, rest)), -1 if part[0] + rest[0] < 0 else 1)


def test_attribution_says_what_it_speaks_of() -> None:
    parts = ((0.03, 0.01, 0.05), (0.00, -0.02, 0.02))
    of = loss(0.03, 0.01, 0.05)
    assert "3 seeds of its twin" in attributed.clause(split(of, parts, about="this artefact", seeds=3))
    recipe = split(of, parts, about="the recipe", seeds=3)
    recipe = replace(recipe, id=recipe.id + "/recipe")
    assert "About the recipe: 3 seeds" in attributed.clause(recipe)
    assert [f.id for f in attributed.by_stem([recipe, split(of, parts)])["accuracy_loss"]] == [
        "attribution/accuracy_loss",
        "attribution/accuracy_loss/recipe",
    ]
    lost = replace(split(of, parts), estimate=None, note="fewer than 20 clusters")
    assert attributed.clause(lost) == "fewer than 20 clusters"


@pytest.mark.parametrize(
    ("gaps", "moved", "says"),
    [
        ((0.08, -0.05), (-0.13, -0.16, -0.10), "5.0 points better off with the student and 8.0 points worse off"),
        ((0.08, 0.05), (-0.03, -0.05, -0.01), "the gap is narrower by 3.0 points [1.0, 5.0]."),
        (
            (-0.08, -0.10),
            (-0.02, -0.05, 0.01),
            "wider by 2.0 points [−1.0, 5.0], which these rows cannot tell from no change",
        ),
        ((0.08, 0.08), (0.0, -0.01, 0.01), "the gap is as wide as before [−1.0, 1.0]"),
    ],
)
def test_a_gap_is_told_from_where_it_stood(gaps: Any, moved: Any, says: str) -> None:
    same = change(moved, gaps) | {"student": 0.5, "teacher": 0.5}
    made = gap("sex", "F", "true_positive_rate", "grows_by_at_most", (0.0, 0.0, 0.1), **same)
    found = plain.items({"data": {"favourable": "1"}}, [made])["folded"][0]["text"].replace("\u202f", " ")
    assert says in found
    blind = plain.items({"data": {"favourable": None}}, [made])["folded"][0]["text"]
    assert not {"better", "worse"} & set(blind.split())


# ---- what is not decided, and rows to read ----


def test_open_tests_say_why_and_how_many_rows_it_would_take() -> None:
    found = undecided.section(
        report_data.plain(report_audits.audited()),
        chart.findings(report_data.plain(report_audits.audited())["findings"]),
    )
    by = {(line["who"], line["outcome"]): line for line in found["open"]}
    assert by["race = Black", "INCONCLUSIVE"]["needed"] == "about 1\u202f640"
    assert "lies on both sides of the limit of 10.0\u202fpoints" in by["race = Black", "INCONCLUSIVE"]["why"]
    assert by["race = Other", "INSUFFICIENT"]["why"] == "18 positives, under n_min 30"
    assert by["race = Other", "INSUFFICIENT"]["needed"] == "not known, but at least 30 that the quantity counts"
    assert any("212 rows" in line for line in found["groups"])
    assert any(
        "race = Native: left undecided" in line and "no rate is worth a limit" in line for line in found["groups"]
    )
    assert {line["who"] for line in found["origins"]} == {"race = Black"}
    assert all(line["able"] for line in found["margins"])
    note = "nothing is decided: 90 of 100 rows have no known group, above 5%"
    capped = replace(loss(0, 0, 0.1, "INCONCLUSIVE"), options={"attribute": "race"}, note=note)
    assert undecided.section({}, [capped])["groups"] == [f"race: {capped.note}."]


def test_no_margin_under_the_limit_is_said_and_unfolded() -> None:
    made = report_audits.audited()
    made["findings"] = [replace(made["findings"][0], details={"smallest_margin": 0.02})]
    assert page(made)["undecided"]["able"] is False
    assert "<strong>not enough</strong>" in text(made)


def test_ids_stand_on_the_page_only_where_the_policy_shows_them() -> None:
    made = report_audits.audited()
    hidden = made["rows_to_read"] | {"ids": ["row-4711"], "shown": False}
    assert "row-4711" not in text(made | {"rows_to_read": hidden})
    shown = text(made | {"rows_to_read": hidden | {"shown": True}})
    assert "row-4711" in shown
    assert "the ids of some rows" in shown
    assert "<script>alert(1)" not in text(report_audits.hostile())


def test_groups_of_few_changed_rows_are_withheld() -> None:
    found = to_read.section(report_data.plain(report_audits.audited()))
    assert found is not None
    lines = {line["group"]: line for line in found["groups"]}
    assert lines["Female"]["times"] == "1.2\u202ftimes"
    assert lines["Other"]["share"] == "withheld"
    made = report_audits.audited()
    shares = {"Female": 0.04, "Male": 0.96}
    two = [{"attribute": "sex", "group": g, "share": v, "population": 0.5} for g, v in shares.items()]
    both = to_read.section(report_data.plain(made | {"rows_to_read": made["rows_to_read"] | {"groups": two}}))
    assert both is not None
    assert [line["share"] for line in both["groups"]] == ["withheld", "withheld"]  # else 1 − 0.96 tells the other
    assert to_read.section({}) is None


def test_details_of_small_groups_are_withheld_too() -> None:
    tiny = replace(report_audits.women()[0], denominator=9)
    assert chart.withheld(tiny).details == {}
    assert chart.withheld(replace(tiny, details={"excluded": ["x"], "change": 0.1})).details == {"excluded": ["x"]}


def test_the_terminal_says_what_an_audit_found(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    report.write(tmp_path, report_audits.audited())
    assert cli.main(["show", str(tmp_path)]) == 1
    said = " ".join(capsys.readouterr().out.replace("\u202f", " ").split())
    assert "Teacher score_of_the_old_model: error 12.97 % [12.35, 13.61]" in said
    assert "Attribution: distillation itself moved 1 of 2 differences" in said
    assert "true positive rate for sex = Female by 2.5 points" in said
    assert "Not judged, since predictions cannot show it: latency, size." in said
