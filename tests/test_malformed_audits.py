"""Wrong tables, policies and commands: one clear line and exit code 2, or a finding that says what is missing."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import autodistill
from autodistill import data, errors, report
from autodistill.cli import main

ROWS = 240
PLAIN = 'name: plain\nversion: "1"\nrequire:\n  - {check: accuracy_loss, at_most: 0.05}\n'
COMMAND = ["--policy", "plain.yaml", "--label", "y", "--teacher", "t", "--student", "s"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.yaml").write_text(PLAIN)
    return tmp_path


def rows(**cells: Any) -> dict[str, Any]:
    """A sound table: labels, decisions of both models, probabilities ``p``, two groups, ids."""
    y = np.resize([0, 1, 1], ROWS)
    t = np.where(np.arange(ROWS) % 10 == 0, 1 - y, y)
    p = np.where(y == 1, 0.8, 0.1)
    sound = {"y": y, "t": t, "s": t, "p": p, "q": p, "sex": np.resize(["F", "M"], ROWS), "who": np.arange(ROWS)}
    return sound | cells


def cell(name: str, row: int, value: Any) -> dict[str, Any]:
    column = list(rows()[name])
    column[row] = value
    return rows(**{name: column})


def three(**cells: Any) -> dict[str, Any]:
    y = np.resize(["a", "b", "c"], ROWS)
    scores = {f"{who}_{c}": np.where(y == c, 0.8, 0.1) for who in "ts" for c in "abc"}
    return {"y": y, **scores} | cells


def with_score(name: str, row: int, value: float) -> dict[str, Any]:
    column = three()[name].copy()
    column[row] = value
    return three(**{name: column})


BY_CLASS = {"teacher": "t_*", "student": "s_*"}
P = {"teacher": "p", "student": "q"}
YES = {"y": np.resize(["yes", "no"], ROWS)}

TABLES: list[tuple[str, Callable[[], Any], dict[str, Any], list[str]]] = [
    ("no such label", rows, {"label": "why"}, ["no column 'why' (label)"]),
    ("no such teacher", lambda: rows(teacher_1=rows()["t"]), {"teacher": "teacher1"}, ["did you mean teacher_1?"]),
    ("no such group", rows, {"groups": ["sexx"]}, ["no column 'sexx' (group)", "did you mean sex?"]),
    ("no such id", rows, {"id": "id"}, ["'id' (id)"]),
    ("no such cluster", rows, {"cluster": "patient"}, ["'patient' (cluster)"]),
    ("no such control", rows, {"control": "twin"}, ["'twin' (control)"]),
    ("teacher is the student", rows, {"student": "t"}, ["'t' is named as teacher and student"]),
    ("the label is the teacher", rows, {"teacher": "y"}, ["'y' is named as label and teacher"]),
    ("a group twice", rows, {"groups": ["sex", "sex"]}, ["'sex' is named as group twice"]),
    ("the label is a group", rows, {"groups": ["y"]}, ["'y' is named as label and group"]),
    ("one prefix in the other", three, {"teacher": "*", "student": "s_*"}, ["is named as"]),
    ("label missing", lambda: cell("y", 7, None), {}, ["column 'y', row 7", "the label is missing in 1 rows"]),
    ("label not a number", lambda: cell("y", 9, float("nan")), {}, ["column 'y', row 9"]),
    ("one class", lambda: rows(y=[1] * ROWS), {}, ["only one class, '1'"]),
    ("a label twice", lambda: rows(y=["1.0", *map(str, rows()["y"][1:])]), {}, ["'1' and '1.0' are one label"]),
    ("labels as a regression", lambda: rows(y=np.linspace(0, 1, ROWS)), {}, ["task: regression"]),
    ("teacher missing", lambda: cell("t", 5, None), {}, ["column 't', row 5", "1 cells are missing"]),
    ("student missing", lambda: cell("s", 0, None), {}, ["column 's', row 0"]),
    ("every decision missing", lambda: rows(s=[None] * ROWS), {}, ["column 's', rows 0, 1, 2, …", "missing"]),
    ("an empty decision", lambda: rows(**YES, t=["", *YES["y"][1:]], s=YES["y"]), {}, ["column 't', row 0"]),
    ("NaN among probabilities", lambda: cell("p", 11, float("nan")), P, ["column 'p', row 11", "missing"]),
    ("an infinite probability", lambda: cell("p", 11, float("inf")), P, ["column 'p', row 11: infinite"]),
    ("a negative probability", lambda: cell("q", 2, -0.2), P, ["column 'q', row 2", "-0.2 is neither"]),
    ("a probability above one", lambda: cell("q", 2, 1.2), P, ["1.2 is neither a label nor a probability"]),
    ("text among probabilities", lambda: rows(p=["high", *["0.2"] * (ROWS - 1)]), P, ["column 'p'"]),
    ("probabilities of what", lambda: rows(**YES), P, ["of which class is not said", "--positive no or yes"]),
    ("decisions written otherwise", lambda: rows(**YES), {}, ["none of its values ('0', '1') is a label", "'no'"]),
    (
        "a label but for its case",
        lambda: rows(**YES, t=["Yes", *YES["y"][1:]], s=YES["y"]),
        {},
        ["column 't', row 0", "did you mean 'yes'?"],
    ),
    (
        "a label but for a space",
        lambda: rows(**YES, t=[" yes", *YES["y"][1:]], s=YES["y"]),
        {},
        ["' yes' is no label", "did you mean 'yes'?"],
    ),
    (
        "one column, three classes",
        lambda: three(p=np.full(ROWS, 0.3)),
        {"teacher": "p", **{"student": "s_*"}},
        ["one column of probabilities, but 3 classes", "'p_*'"],
    ),
    ("a third decision beside probabilities", lambda: cell("s", 4, 2), {"teacher": "p"}, ["'2' is no label"]),
    ("no column of the prefix", three, {"teacher": "z_*", "student": "s_*"}, ["no column is named so"]),
    ("one column of the prefix", lambda: three(z_a=[1] * ROWS), {"teacher": "z_*", "student": "s_*"}, ["1 columns"]),
    (
        "a class without its column",
        lambda: {k: v for k, v in three().items() if k != "t_b"},
        BY_CLASS,
        ["no column is of class 'b'"],
    ),
    ("a class misspelt", lambda: three(t_B=three()["t_b"]), BY_CLASS, ["'B' is no label", "did you mean 'b'?"]),
    ("rows that do not sum to one", lambda: with_score("t_a", 6, 0.5), BY_CLASS, ["'t_*', row 6", "add up to"]),
    ("a negative share", lambda: with_score("t_a", 6, -0.1), BY_CLASS, ["'t_a', row 6", "-0.1 is no probability"]),
    ("a share not a number", lambda: with_score("s_c", 1, float("nan")), BY_CLASS, ["'s_c', row 1"]),
    ("an infinite share", lambda: with_score("s_c", 1, float("inf")), BY_CLASS, ["'s_c', row 1: infinite"]),
    (
        "a group called rest",
        lambda: rows(sex=np.resize(["a", "rest", "z"], ROWS)),
        {"groups": ["sex"]},
        ["column 'sex'", "'rest', which is the audit's word for all other groups", "rename"],
    ),
    (
        "a group called unknown",
        lambda: rows(sex=np.resize(["(unknown)", "F"], ROWS)),
        {"groups": ["sex"]},
        ["'(unknown)', which is the audit's word"],
    ),
    ("one group", lambda: rows(sex=["F"] * ROWS), {"groups": ["sex"]}, ["only one group, 'F'"]),
    ("no group known", lambda: rows(sex=[None] * ROWS), {"groups": ["sex"]}, ["every cell is missing"]),
    ("a group a row", lambda: rows(sex=[f"g{i}" for i in range(ROWS)]), {"groups": ["sex"]}, ["240 groups are too"]),
    ("dates as groups", lambda: rows(sex=pd.date_range("2024", periods=ROWS)), {"groups": ["sex"]}, ["dates"]),
    ("an intersection of one", rows, {"groups": ["sex"], "cross": [["sex"]]}, ["two or more attributes"]),
    ("an intersection of no group", rows, {"groups": ["sex"], "cross": [["sex", "who"]]}, ["'who', which is no group"]),
    (
        "a group that steers a terminal",
        lambda: rows(sex=np.resize(["F", "\x1b[2J"], ROWS)),
        {"groups": ["sex"]},
        ["control characters", r"\x1b"],
    ),
    ("a class of two lines", lambda: rows(y=np.resize(["yes", "n\no"], ROWS)), {}, ["control characters"]),
    ("an id twice", lambda: cell("who", 9, 3), {"id": "who"}, ["column 'who', row 9", "1 row ids stand twice", "'3'"]),
    ("an id missing", lambda: cell("who", 9, None), {"id": "who"}, ["column 'who', row 9", "row ids are missing"]),
    ("a cluster missing", lambda: rows(who=[None, *["a", "b"] * 119, "a"]), {"cluster": "who"}, ["clusters are miss"]),
    ("one cluster", lambda: rows(who=["a"] * ROWS), {"cluster": "who"}, ["only one cluster, 'a'"]),
    ("no such class", lambda: rows(**YES, t=YES["y"], s=YES["y"]), {"positive": "yess"}, ["'yess' (positive)"]),
    ("no such favourable", rows, {"favourable": "2"}, ["no class '2' (favourable)"]),
    ("a threshold of one", rows, {**P, "threshold": 1.0}, ["threshold 1 is not between 0 and 1"]),
    ("a threshold of nothing", rows, {"threshold": 0.4}, ["both models give decisions"]),
    ("a threshold of three classes", three, {**BY_CLASS, "threshold": 0.4}, ["a threshold needs two classes"]),
    ("a regression with a class", rows, {"task": "regression", "positive": 1}, ["positive means nothing"]),
    ("a regression of words", lambda: rows(**YES), {"task": "regression"}, ["column 'y'", "not a number"]),
    ("a constant regression", lambda: rows(y=[2.5] * ROWS), {"task": "regression"}, ["the label is constant"]),
    ("a regression with a gap", lambda: cell("t", 3, None), {"task": "regression"}, ["column 't', row 3"]),
    ("a regression without end", lambda: cell("p", 3, float("inf")), {"task": "regression", **P}, ["row 3: infinite"]),
    ("a task unknown", rows, {"task": "ranking"}, ["task 'ranking' is not known"]),
    ("seen, unknown word", rows, {"teacher_saw": "some"}, ["teacher_saw 'some' is not known"]),
    ("no rows", lambda: rows() and {name: [] for name in rows()}, {}, ["the table is empty"]),
    ("models of other lengths", lambda: rows(s=rows()["t"][:-1]), {}, ["'s' has 239 rows", "one length"]),
    ("two kinds in a column", lambda: pd.DataFrame(rows(t=[object(), *rows()["t"][1:]])), {}, ["cannot be read"]),
    ("two columns of one name", lambda: pd.DataFrame(np.zeros((9, 3)), columns=["y", "t", "t"]), {}, ["'t'"]),
    ("lists in a column", lambda: rows(sex=[["F"]] * ROWS), {"groups": ["sex"]}, ["values of type list"]),
    ("no table at all", lambda: 17, {}, ["cannot be read as a table"]),
]


@pytest.mark.parametrize(("frame", "asked", "says"), [t[1:] for t in TABLES], ids=[t[0] for t in TABLES])
def test_a_table_that_is_wrong_is_refused_in_one_line(
    place: Path, frame: Callable[[], Any], asked: Mapping[str, Any], says: list[str]
) -> None:
    given: dict[str, Any] = {"policy": place / "plain.yaml", "label": "y", "teacher": "t", "student": "s"}
    with pytest.raises(errors.TableError) as fault:
        autodistill.audit(frame(), **(given | dict(asked)))
    line = str(fault.value)
    assert "\n" not in line
    for part in says:
        assert part in line
    assert not (place / "reports").exists()


def command(place: Path, *more: str, table: str = "t.csv") -> list[str]:
    return ["audit", table, *COMMAND, *more]


POLICIES = [
    ("not there", None, ["no such", "policy"]),
    ("not YAML", "name: [", ["policy.yaml"]),
    ("nothing required", 'name: p\nversion: "1"\nrequire: []\n', ["nothing is required"]),
    ("no such check", PLAIN.replace("accuracy_loss", "acuracy_loss"), ["did you mean accuracy_loss?"]),
    ("no limit", PLAIN.replace(", at_most: 0.05", ""), ["without a limit"]),
    ("a group that is not named", PLAIN + "  - {check: worst_group_loss, attribute: sex, at_most: 0.1}\n",
     ["is required of 'sex'", "add --group sex"]),
    ("a group that is not there", PLAIN + "  - {check: worst_group_loss, attribute: Sexx, at_most: 0.1}\n",
     ["is required of 'Sexx'", "did you mean sex?"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), [p[1:] for p in POLICIES], ids=[p[0] for p in POLICIES])
def test_a_policy_that_is_wrong_is_refused_in_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], text: str | None, says: list[str]
) -> None:
    pd.DataFrame(rows()).to_csv("t.csv", index=False)
    if text is not None:
        (place / "policy.yaml").write_text(text)
    asked = [part.replace("plain.yaml", "policy.yaml") for part in command(place)]
    assert main(asked) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert all(part in told.err for part in says)
    assert not (place / "reports").exists()


COMMANDS = [
    ("no such table", ["nowhere.csv", *COMMAND], "no such file"),
    ("a folder", [".", *COMMAND], "this is a folder"),
    ("another format", ["plain.yaml", *COMMAND], "not a table that can be read"),
    ("an empty file", ["empty.csv", *COMMAND], "empty"),
    ("only a header", ["header.csv", *COMMAND], "empty"),
    ("not UTF-8", ["latin.csv", *COMMAND], "not UTF-8"),
    ("a torn Parquet", ["torn.parquet", *COMMAND], "torn.parquet"),
    ("an intersection of one", ["t.csv", *COMMAND, "--group", "sex", "--cross", "sex"], "names no intersection"),
    ("out is a file", ["t.csv", *COMMAND, "--out", "plain.yaml"], "is not a folder"),
    ("threshold not in (0, 1)", ["t.csv", *COMMAND, "--threshold", "-3"], "is not between 0 and 1"),
    ("threshold no number", ["t.csv", *COMMAND, "--threshold", "nan"], "is not between 0 and 1"),
]


@pytest.mark.parametrize(("asked", "says"), [c[1:] for c in COMMANDS], ids=[c[0] for c in COMMANDS])
def test_a_command_that_is_wrong_is_refused_in_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], asked: list[str], says: str
) -> None:
    pd.DataFrame(rows()).to_csv("t.csv", index=False)
    (place / "empty.csv").write_text("")
    (place / "header.csv").write_text("y,t,s\n")
    (place / "latin.csv").write_bytes("y,t,s\nä,1,1\n".encode("latin-1"))
    pq.write_table(pa.table({"y": list(range(100))}), place / "whole.parquet")
    (place / "torn.parquet").write_bytes((place / "whole.parquet").read_bytes()[:-20])
    assert main(["audit", *asked]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert says in told.err
    assert not (place / "reports").exists()


def test_a_broken_ledger_is_refused_and_no_verdict_is_given(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pd.DataFrame(rows()).to_csv("t.csv", index=False)
    assert main(command(place)) in {0, 3}
    capsys.readouterr()
    path = place / "reports" / "ledger.jsonl"
    path.write_text(path.read_text().replace("plain", "plane"))
    assert main(command(place, "--out", "other")) == 2
    assert "line 1 was changed" in capsys.readouterr().err
    assert not (place / "other" / "report.json").exists()


NASTY = {
    "html": "<script>alert('x')</script>",
    "formula": "=HYPERLINK(\"http://x\")",
    "unicode": "Žižkov 漢字 \u202e",
    "braces": "{{ 7 * 7 }} {% raw %}",
    "quote": '"><img src=x onerror=alert(1)>',
    "at": "@SUM(1+1)",
}  # fmt: skip


def test_nothing_from_a_table_is_rendered_unescaped(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = list(NASTY.values())
    label = np.resize(["<b>no</b>", "=yes"], ROWS)
    wrong = np.where(np.arange(ROWS) % 7 == 0, np.where(label == "=yes", "<b>no</b>", "=yes"), label)
    columns = {"<i>y</i>": label, "=t": label, "{{ s }}": wrong, "<u>g</u>": np.resize(names, ROWS)}
    columns["@id"] = [f"=1+{i}" for i in range(ROWS)]
    pd.DataFrame(columns).to_csv("t.csv", index=False)
    (place / "p.yaml").write_text(
        PLAIN + "  - {check: group_gap, metric: accuracy, at_most: 0.2}\nreport:\n  - {check: churn}\nrows_shown: ids\n"
    )
    asked = ["audit", "t.csv", "--policy", "p.yaml", "--label", "<i>y</i>", "--teacher", "=t", "--student", "{{ s }}"]
    assert main([*asked, "--group", "<u>g</u>", "--id", "@id", "--positive", "=yes", "--out", "out"]) in {1, 3}
    page = (place / "out" / "report.html").read_text()
    for raw in ("<script>alert", "<img src=x", "<u>g</u>", "<i>y</i>", "<b>no</b>"):
        assert raw not in page
    assert "&lt;script&gt;alert" in page
    assert "{{ 7 * 7 }}" in page
    lines = list(csv.reader((place / "out" / "rows_to_read.csv").read_text().splitlines()))
    assert len(lines) == 1 + len([one for one in range(ROWS) if one % 7 == 0])
    assert not [one for line in lines for one in line if one.startswith(("=", "+", "-", "@"))]
    assert "<script>" in capsys.readouterr().out
    found = autodistill.audit(columns, policy=place / "p.yaml", label="<i>y</i>", teacher="=t", student="{{ s }}",
                              groups=["<u>g</u>"], positive="=yes")  # fmt: skip
    assert "<script>" not in found._repr_html_()
    assert "&lt;script&gt;" in found._repr_html_()
    assert set(found.report["data"]["groups"]["<u>g</u>"]) == set(names)


def test_rows_of_unknown_group_are_listed(place: Path) -> None:
    sex = [None if i % 30 == 0 else g for i, g in enumerate(np.resize(["F", "M"], ROWS))]
    found = autodistill.audit(rows(sex=sex), policy=place / "plain.yaml", label="y", teacher="t", student="s",
                              groups="sex")  # fmt: skip
    assert found.report["data"]["groups"]["sex"] == {"F": 112, "M": 120, "(unknown)": 8}
    assert any("unknown in 8 of 240" in note for note in found.report["data"]["notes"])


def test_a_group_without_positives_is_insufficient_not_zero(place: Path) -> None:
    sex = np.where(rows()["y"] == 0, np.resize(["F", "M"], ROWS), "M")
    (place / "p.yaml").write_text(
        PLAIN + "  - {check: group_gap, metric: true_positive_rate, at_most: 0.2, grows_by_at_most: 0.1}\n"
    )
    found = autodistill.audit(rows(sex=sex), policy=place / "p.yaml", label="y", teacher="t", student="s", groups="sex")
    gap = next(f for f in found.findings if f.check == "group_gap")
    assert (gap.outcome, gap.denominator) == ("INSUFFICIENT", 0)
    odds = next(r for r in found.report["fairlearn"] if r["metric"] == "equalized_odds_difference")
    assert (odds["teacher"], odds["reason"]) == (None, "a group lacks one of the labels")
    assert found.exit_code == 3


def test_fewer_rows_than_the_policy_asks_for_are_insufficient(place: Path) -> None:
    few = {name: np.asarray(column)[:12] for name, column in rows().items()}
    found = autodistill.audit(few, policy=place / "plain.yaml", label="y", teacher="t", student="s")
    loss = next(f for f in found.findings if f.check == "accuracy_loss")
    assert (loss.outcome, loss.rows) == ("INSUFFICIENT", 12)
    assert found.exit_code == 3


def test_an_identical_student_is_evidence_and_no_proof(place: Path) -> None:
    few = {name: np.asarray(column)[:40] for name, column in rows().items()}
    found = autodistill.audit(few, policy=place / "plain.yaml", label="y", teacher="t", student="s")
    loss = next(f for f in found.findings if f.check == "accuracy_loss")
    assert (loss.estimate, loss.outcome) == (0.0, "INCONCLUSIVE")
    assert loss.high == pytest.approx(1 - 0.05 ** (1 / 40))
    assert loss.rows_needed


def test_no_row_is_lost(place: Path) -> None:
    found = data.outside(rows(), data.Asked(label="y", teacher="t", student="s", groups=("sex",)))
    assert len(found.evidence.y) == len(set(found.row_digests.tolist())) == ROWS
    cells = found.evidence.tables.cells
    assert cells.sum() == ROWS


def test_a_million_groups_are_refused_in_one_line(place: Path) -> None:
    many = 1_000_000
    y = np.resize([0, 1], many)
    table = pa.table({"y": y, "t": y, "s": y, "g": pa.array(np.arange(many).astype(str))})
    with pytest.raises(errors.TableError, match="1000000 groups are too many"):
        autodistill.audit(table, policy=place / "plain.yaml", label="y", teacher="t", student="s", groups="g")


def test_a_report_of_nothing_but_meters_decides_nothing(place: Path) -> None:
    (place / "m.yaml").write_text('name: m\nversion: "1"\nrequire:\n  - {meter: size, at_most: 9 kB}\n')
    found = autodistill.audit(rows(), policy=place / "m.yaml", label="y", teacher="t", student="s", out=place / "o")
    assert [f.check for f in found.findings if f.required] == ["class_collapse"]
    assert (found.verdict.decision, found.exit_code) == ("INCONCLUSIVE", 3)
    assert "requires nothing that predictions show" in found.verdict.sentence
    assert "Not judged, since predictions cannot show it: size." in found.verdict.sentence
    assert report.read(place / "o")["method"]["not_judged"] == ["size"]
