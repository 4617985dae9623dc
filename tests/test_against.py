"""Distillation against traditional compression: one table, every figure of it computed a second time."""

import json
from typing import Any

import pandas as pd
import pytest
import report_data
import small_run

from autodistill import report, stats
from autodistill.report import against, card, chart

NAMES = ["student", "label_only", "quantised", "pruned", "linear", "majority"]


@pytest.fixture(scope="module")
def table(recorded: small_run.Run) -> dict[str, dict[str, Any]]:
    """The rows of a real search by name."""
    found = recorded.report["against"]
    assert [row["name"] for row in found] == NAMES
    return {row["name"]: row for row in found}


def test_what_the_student_gets_wrong_is_counted_from_the_kept_rows(
    recorded: small_run.Run, table: dict[str, dict[str, Any]]
) -> None:
    found, row = recorded.report, table["student"]
    key = found["certified"] or found["finalist"]
    rows = pd.read_parquet(recorded.folder / "rows.parquet").query("split == 'audit'").set_index("row_id")
    said = pd.read_parquet(recorded.folder / "candidates" / key / "predictions.audit.parquet").set_index("row_id")
    wrong = said.decision.reindex(rows.index) != rows.y
    teacher = (rows["teacher:1"] > rows["teacher:0"]).astype(int) != rows.y
    n, b, c = len(rows), int((wrong & ~teacher).sum()), int((teacher & ~wrong).sum())
    assert row["error"]["value"] == pytest.approx(wrong.mean())
    assert row["difference"]["estimate"] == pytest.approx(wrong.mean() - teacher.mean())
    assert (row["difference"]["low"], row["difference"]["high"]) == pytest.approx(stats.paired_limits(b, c, n, 0.05))
    assert row["decision"] == next(one["decision"] for one in found["shortlist"] if one["key"] == key)
    ours = (recorded.folder / "student.onnx").stat().st_size
    assert row["size_ratio"] == pytest.approx(ours / (recorded.folder / "teacher.onnx").stat().st_size)
    entry = next(one for one in found["entries"] if one["artefact"].get("sha256") and _key(one) == key)
    assert row["latency_ratio"]["value"] == entry["readings"]["latency_ratio"]["value"]


def test_controls_stand_beside_it_unjudged_and_one_that_cannot_be_had_says_why(
    recorded: small_run.Run, table: dict[str, dict[str, Any]]
) -> None:
    controls = {one["name"]: one for one in recorded.report["controls"]}
    for name in NAMES[1:]:
        row = table[name]
        assert row["decision"] is None
        assert (row["error"] is None) == bool(row["reason"])
        if name in controls:
            assert row["error"] == controls[name]["audit_error"]
            assert row["difference"] == controls[name]["loss"]
    assert "made of trees" in table["quantised"]["reason"]  # the small search's teacher is boosted trees
    assert table["majority"]["error"]["value"] > table["student"]["error"]["value"]


def test_page_card_and_terminal_show_the_same_rows(recorded: small_run.Run, capsys: pytest.CaptureFixture[str]) -> None:
    from autodistill.cli import words

    found = recorded.report
    texts = against.shown(found)
    page, about = report.html(found), card.card(found, chart.findings(found["findings"]))
    words.summary(found, recorded.folder)
    terminal = capsys.readouterr().out
    for row in texts:
        assert page.count(row["title"]) >= 1
        assert row["title"] in about
        assert row["title"] in terminal
    for row in texts:
        absent = row["reason"].startswith("Not made: ")
        assert not absent or f"{row['title']}: not made: {row['reason'].removeprefix('Not made: ')}" in terminal
        for name in ("size", "error", "difference"):
            assert absent or row[name].replace("−", "-")[:4] in terminal.replace("−", "-")
            assert f">{row[name]}" in page


def test_a_narrow_terminal_folds_names_and_leaves_costs_to_the_page(
    recorded: small_run.Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from autodistill.cli import display, words

    shown = {}
    for columns in (80, 160):
        monkeypatch.setattr(display, "WIDE", columns)
        words.summary(recorded.report, recorded.folder)
        shown[columns] = capsys.readouterr().out
    assert max(map(len, shown[80].splitlines())) <= 80
    assert "energy" in shown[160]
    assert "energy" not in shown[80]
    for line in shown[160].splitlines():
        if line.startswith(("boosted ", "tree ", "mlp ")):
            assert all(word in shown[80] for word in line.split("  ")[0].split())


def test_an_older_report_gets_the_table_too() -> None:
    made = report_data.plain(report_data.certified())
    assert "against" not in made
    rows = {row["name"]: row for row in against.told(made)}
    assert rows["student"]["decision"] == "PASS"
    assert rows["student"]["size_ratio"] == pytest.approx(made_size(made) / 1_284_000)
    assert rows["pruned"]["reason"] == "this run has none"


@pytest.mark.parametrize("change", ["nothing", "labels", "linear", "elsewhere"])
def test_why_a_row_has_no_model(change: str) -> None:
    made = report_data.plain(report_data.nothing() if change == "nothing" else report_data.certified())
    if change == "nothing":
        assert {row["reason"] for row in against.rows(made)} == {against.NOBODY}
        return
    key = made["certified"]
    entry = next(one for one in made["entries"] if _key(one) == key)
    if change == "elsewhere":
        twin = next(one for one in made["controls"] if one["name"] == "label_only")
        twin["candidate"] = {**entry["candidate"], "student": {"leaves": 999}}
        assert _reason(made, "label_only") == against.ELSEWHERE
        return
    made["controls"] = [one for one in made["controls"] if one["name"] not in {"label_only", "linear"}]
    assert _reason(made, "label_only") == "this run has none"
    entry["candidate"] |= {"loss": "none", "distill": {}, "family": "linear" if change == "linear" else "boosted"}
    made["certified"] = made["finalist"] = _key(entry)
    assert _reason(made, "label_only") == "the student itself was trained on labels alone"
    expected = (
        "the student itself is linear and was trained on labels alone" if change == "linear" else "this run has none"
    )
    assert _reason(made, "linear") == expected


def _reason(made: dict[str, Any], name: str) -> str:
    return next(str(row["reason"]) for row in json.loads(json.dumps(against.rows(made))) if row["name"] == name)


def _key(entry: dict[str, Any]) -> str:
    return against._key(entry)


def made_size(made: dict[str, Any]) -> float:
    """Bytes of the certified student of a report made by hand."""
    entry = next(one for one in made["entries"] if _key(one) == made["certified"])
    return float(entry["readings"]["size"]["value"])
