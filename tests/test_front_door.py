"""The first minutes of someone new: a first file, what is here, what is opened, what a shell and Python get."""

import importlib.util
import json
import os
import pty
import shlex
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

import autodistill
from autodistill import cli, spec

TEACHER = "sklearn.tree.DecisionTreeClassifier"
HEAVY = ("torch", "mlflow", "optuna", "sklearn", "matplotlib", "fairlearn", "ray", "transformers", "skl2onnx")
LIGHT = ("--version", "--help", "list", "completion")  # a quarter of a second is a quarter of what they take
ORDER = """
import sys
class Seen:
    def find_spec(self, name, path=None, target=None):
        if name in {heavy!r}:
            print("opens", name, file=sys.stderr)
sys.meta_path.insert(0, Seen())
from autodistill import cli
sys.exit(cli.main({arguments!r}))
"""


def people(rows: int = 1600) -> pd.DataFrame:
    """Rows that a first file is written for: numbers, a group of people, ids, dates, an entity."""
    draw = np.random.default_rng(7)
    age, hours = draw.integers(18, 90, rows), draw.integers(1, 60, rows)
    return pd.DataFrame({
        "id": np.arange(rows),
        "age": age,
        "hours a week": hours,
        "gender": draw.choice(["f", "m"], rows),
        "race": draw.choice(["a", "b", "c", "d"], rows, p=[0.45, 0.41, 0.07, 0.07]),
        "born": pd.Timestamp("2000-01-01"),
        "income": np.where(age + hours + draw.normal(0, 5, rows) > 85, "yes", "no"),
    })  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own with a table in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    people().to_parquet("people.parquet")
    return tmp_path


def init(*more: str, table: str = "people.parquet") -> int:
    return cli.main(["init", table, "--target", "income", "--teacher", TEACHER, *more])


def test_a_first_file_holds_and_its_limits_are_those_that_check_computes(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init("--group", "gender", "--group", "race", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["task"], told["positive"], told["groups"]) == ("classification", "yes", ["gender", "race"])
    assert told["left_out"] == {"id": "names the rows", "born": "dates and times are not read"}
    asked = spec.load("people.yaml")
    assert dict(asked.data.groups[1].merge) == {"Other": ("d", "c")}
    assert cli.main(["check", "people.yaml", "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert checked["policy"]["looks"] == told["looks"]
    decided = {one["id"]: one for one in checked["certifiable"]["first_level"]}
    assert decided["all"]["power"] == told["together"] >= 0.8
    for one in told["limits"]:
        tests = [t for t in decided.values() if t["check"] == one["check"]
                 and all(t["options"].get(k) == one.get(k) for k in ("metric", "attribute"))]  # fmt: skip
        assert bool(tests) == (one["limit"] is not None)
        if tests:
            assert min(t["power"] for t in tests) == one["power"] >= 0.9
            assert {t["limit"] for t in tests} == {one["limit"]}
    required = {one.name for one in asked.policy.require}
    assert {"accuracy_loss", "worst_group_loss", "class_collapse", "latency", "size"} <= required


def test_few_rows_are_said_to_be_few_and_accuracy_is_required_all_the_same(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people(150).to_csv("few.csv", index=False)
    assert init("--no-groups", table="few.csv") == 0
    assert "Too few rows." in capsys.readouterr().out
    policy = spec.load("few.yaml").policy
    assert (policy.looks, policy.require[0].limits) == (1, {"at_most": 0.10})


def test_a_regression_is_seen_by_its_target(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["init", "people.parquet", "--target", "age", "--group", "gender", "--drop", "income"]
    assert cli.main([*arguments, "--teacher", "sklearn.tree.DecisionTreeRegressor", "--out", "age.yaml"]) == 0
    assert "regression" in capsys.readouterr().out
    asked = spec.load("age.yaml")
    assert (asked.data.task, asked.policy.require[0].name) == ("regression", "score_loss")
    assert cli.main([*arguments, "--teacher", TEACHER, "--task", "regression", "--force", "--out", "age.yaml"]) == 2
    assert "it is made for classification" in capsys.readouterr().err


def test_few_numbers_are_asked_for_an_error_that_few_rows_can_decide(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 100 audit rows the mean absolute error, of 400 and more the root mean squared one; `check` says the limits."""
    for rows, metric in ((440, "mae"), (1900, "rmse")):
        people(rows).to_csv("some.csv", index=False)
        arguments = ["init", "some.csv", "--target", "age", "--group", "gender", "--drop", "income", "--force"]
        assert cli.main([*arguments, "--teacher", "sklearn.tree.DecisionTreeRegressor"]) == 0
        policy = spec.load("some.yaml").policy
        first = policy.require[0]
        assert first.options["metric"] == metric
        capsys.readouterr()
        assert cli.main(["check", "some.yaml", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)["assumed"]["first_level"]
        found = {one["id"]: one for one in told}[f"score_loss/{metric}/at_most"]
        assert (found["note"], found["limit"]) == ("", first.limits["at_most"])
        # The limit of a mean of rows that each add 0.3 deviations, passed nine times of ten at the first level.
        splits = json.loads((cli.main(["check", "some.yaml", "--json"]), capsys.readouterr().out)[1])
        level, audit = splits["policy"]["first_level"], splits["table"]["splits"]["audit"]
        normal = NormalDist()
        wanted = (normal.inv_cdf(1 - level) + normal.inv_cdf(0.9)) * 0.3 / audit**0.5
        assert found["margin"] / people(rows)["age"].std() == pytest.approx(wanted, rel=0.1)
    Path("some.policy.yaml").write_text(
        "name: x\nversion: '1'\nrequire: [{check: score_loss, metric: rmse, at_most: 0.01}]", encoding="utf-8"
    )
    assert cli.main(["check", "some.yaml"]) == 0
    assert "expect INCONCLUSIVE" in capsys.readouterr().out


def test_an_interval_inside_a_limit_that_passes_nothing_says_why_and_how_many_rows(place: Path) -> None:
    """100 rows, of which few cost most: their root mean squared error is not decided, their mean absolute one is."""
    draw = np.random.default_rng(0)
    y = draw.normal(0, 1, 100)
    teacher, student = y + draw.laplace(0, 1, 100), y + draw.laplace(0, 0.9, 100)
    frame = pd.DataFrame({"y": y, "t": teacher, "s": student})
    told = {}
    for metric in ("rmse", "mae"):
        Path("one.yaml").write_text(
            f"name: x\nversion: '1'\nrequire: [{{check: score_loss, metric: {metric}, at_most: 0.5}}]", encoding="utf-8"
        )
        told[metric] = autodistill.audit(
            frame, policy="one.yaml", label="y", teacher="t", student="s", task="regression", teacher_saw="none"
        )
    finding = next(one for one in told["rmse"].report["findings"] if one["id"] == "score_loss/rmse/at_most")
    assert finding["high"] < finding["limit"]
    assert finding["outcome"] == "INCONCLUSIVE"
    assert "(metric: mae) mostly needs fewer" in told["rmse"].report["verdict"]["sentence"]
    both = [(said - y) ** 2 for said in (student, teacher)]
    moved = both[0] / (2 * both[0].mean() ** 0.5) - both[1] / (2 * both[1].mean() ** 0.5)
    away = moved - moved.mean()
    tilt = (away**3).sum() / (away**2).sum() ** 1.5
    assert finding["rows_needed"] == pytest.approx(100 * (tilt / 0.1) ** 2, abs=1)
    assert told["mae"].report["verdict"]["decision"] == "PASS"


def test_a_budget_that_is_spent_by_setting_up_still_tries_a_student(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init("--no-groups") == 0
    text = Path("people.yaml").read_text(encoding="utf-8")
    head, rest = text.split("student:", 1)
    students = "student: [{family: tree, leaves: 8}, {family: linear}]\n\ndistill:"
    text = head + students + rest.split("distill:", 1)[1].replace("track: ", "# ") + "track: {}\n"
    Path("people.yaml").write_text(text, encoding="utf-8")
    Path("people.policy.yaml").write_text(
        "name: x\nversion: '1'\nrequire: [{check: accuracy_loss, at_most: 0.2}]", encoding="utf-8"
    )
    capsys.readouterr()
    assert cli.main(["search", "people.yaml", "--minutes", "0.00001", "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert "1 trained" in said
    assert "The budget ended after 1 of the 3 candidates" in said


def test_a_table_of_predictions_is_matched_by_class_and_row(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = people()[["id"]].assign(teacher_yes=0.25, teacher_no=0.75)
    said.to_csv("said.csv", index=False)
    asked = ["init", "people.parquet", "--target", "income", "--no-groups", "--teacher", "said.csv"]
    assert cli.main(asked) == cli.WRONG
    assert "--row-id id" in capsys.readouterr().err
    assert cli.main([*asked, "--row-id", "id"]) == 0
    kind, options = spec.load("people.yaml").teacher
    assert (kind, options["columns"]) == ("predictions", {"no": "teacher_no", "yes": "teacher_yes"})
    assert "no latency" in Path("people.yaml").read_text(encoding="utf-8")


def test_a_ratio_to_a_teacher_without_a_file_is_refused_before_anything_is_trained(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people()[["id"]].assign(yes=0.25, no=0.75).to_csv("said.csv", index=False)
    asked = ["init", "people.parquet", "--target", "income", "--no-groups", "--teacher", "said.csv", "--row-id", "id"]
    assert cli.main(asked) == 0
    policy = Path("people.policy.yaml")
    policy.write_text(policy.read_text(encoding="utf-8").replace("size, at_most: 200 kB", "size, at_most_ratio: 0.5"))
    capsys.readouterr()
    assert cli.main(["search", "people.yaml"]) == cli.WRONG
    said = capsys.readouterr().err.splitlines()[-1]
    assert "size is limited as a ratio to the teacher's" in said
    assert said.endswith("limit it by at_most, or take the line out")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "--group (or --no-groups) is missing"),
        (["--no-groups", "--teacher", "lightgbmm.LGBMRegressor"], "is it installed"),
        (["--no-groups", "--drop", "agee"], "no column 'agee' (--drop); did you mean age?"),
        (["--group", "sex"], "no column 'sex' (--group)"),
        (["--no-groups", "--group", "gender"], "contradict"),
        (["--no-groups", "--teacher", "model.pt"], "weights alone"),
        (["--no-groups", "--teacher", "model.pkl"], "give --trust"),
        (["--no-groups", "--teacher", "."], "config.json"),
        (["--no-groups", "--teacher", "nothing"], "nothing that a teacher can be"),
        (["--no-groups", "--teacher", "model.onnx"], "model.onnx"),
        (["--no-groups", "--teacher", "sklearn.svm.LinearSVC"], "no probabilities"),
        (["--no-groups", "--out", "people.parquet"], "a file is there"),
    ],
)
def test_what_init_cannot_know_or_read_is_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert init(*more) == cli.WRONG
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert said in err
    assert not Path("people.yaml").exists()


def test_all_that_is_missing_is_said_at_once(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people().replace({"income": {"yes": "much", "no": "a bit"}}).drop(columns=["gender", "race"]).to_csv("odd.csv")
    assert cli.main(["init", "odd.csv"]) == cli.WRONG
    said = capsys.readouterr().err
    flags = shlex.split(said.partition("likely: ")[2])
    assert cli.main(["init", "odd.csv", *flags]) == 0
    assert spec.load("odd.yaml").data.positive == "much"


def test_no_file_is_written_over_without_force(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init("--no-groups") == 0
    Path("people.policy.yaml").write_text("mine", encoding="utf-8")
    Path("people.yaml").unlink()
    assert init("--no-groups") == cli.WRONG
    assert Path("people.policy.yaml").read_text(encoding="utf-8") == "mine"
    assert init("--no-groups", "--force") == 0
    assert Path("people.policy.yaml").read_text(encoding="utf-8") != "mine"


def test_a_regression_without_groups_is_drafted(place: Path) -> None:
    kept = people().drop(columns=["income", "born"])
    kept.to_parquet("kept.parquet")
    arguments = ["init", "kept.parquet", "--target", "age", "--no-groups", "--drop", "id"]
    assert cli.main([*arguments, "--teacher", "sklearn.tree.DecisionTreeRegressor"]) == 0
    assert spec.load("kept.yaml").policy.require[0].name == "score_loss"


def test_texts_are_cut_as_the_teacher_cuts_them_where_it_has_a_tokenizer(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = pytest.importorskip("tokenizers").models
    words = ["[UNK]", "good", "bad", "food", "##s", "tea", "and", "slow"]
    vocabulary = {word: at for at, word in enumerate(words)}
    made = pytest.importorskip("tokenizers").Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(["good", "bad", "foods", "tea", "slow"], 8)) for _ in range(900)]
    table = pd.DataFrame({"review": texts, "liked": np.where(draw.random(900) < 0.5, "yes", "no")})
    table.to_parquet("reviews.parquet")
    (place / "model").mkdir()
    (place / "model" / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    asked = [
        "init",
        "reviews.parquet",
        "--target",
        "liked",
        "--teacher",
        "model",
        "--out",
        "r.yaml",
        "--force",
        "--no-groups",
    ]
    if importlib.util.find_spec("transformers") is None:
        assert cli.main(asked) == 2
        assert "transformers is not installed; pip install 'autodistill-audit[huggingface]'" in capsys.readouterr().err
        return
    for pieces, vectors in ((False, False), (True, False), (True, True)):
        if pieces:
            made.save(str(place / "model" / "tokenizer.json"))
        if vectors:
            (place / "model" / "model.safetensors").write_bytes(b"")
        assert cli.main(asked) == 0
        told = {"pieces": "model", "vectors": vectors, "min_rows": 1} if pieces else {}
        assert spec.load(Path("r.yaml")).data.input == ("text", {"column": "review", **told})


def test_an_entity_that_is_found_is_not_left_out_too(place: Path) -> None:
    draw = np.random.default_rng(3)
    patients = draw.integers(0, 500, 1600).astype(str).astype(object)
    patients[draw.random(1600) < 0.02] = "unknown text"
    people().drop(columns="id").assign(patient_id=patients).to_parquet("ent.parquet")
    assert init("--no-groups", table="ent.parquet") == 0
    asked = spec.load("ent.yaml").data
    assert (asked.entity, "patient_id" in asked.drop) == ("patient_id", False)


def test_what_cannot_be_printed_survives_too(place: Path) -> None:
    odd = people().rename(columns={"gender": "g\x85h", "hours a week": "h\x90"})
    odd["g\x85h"] = odd["g\x85h"] + "\x07\x9f"
    odd.to_parquet("bell.parquet")
    assert init("--group", "g\x85h", table="bell.parquet") == 0
    assert spec.load("bell.yaml").data.groups[0].column == "g\x85h"


def test_files_are_as_they_were_where_the_new_ones_would_be_refused(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert init("--no-groups") == 0
    before = [Path(name).read_bytes() for name in ("people.yaml", "people.policy.yaml")]
    capsys.readouterr()
    monkeypatch.setattr("autodistill.cli.init._refused", lambda out: f"{out}: no")
    assert init("--group", "gender", "--force") == cli.WRONG
    assert "no file was written or changed" in capsys.readouterr().err
    assert [Path(name).read_bytes() for name in ("people.yaml", "people.policy.yaml")] == before
    monkeypatch.undo()
    table = place / "people.parquet"
    assert cli.main(["init", str(table), "--target", "income", "--teacher", TEACHER, "--no-groups", "--force",
                     "--out", str(table)]) == cli.WRONG  # fmt: skip
    assert len(pd.read_parquet(table)) == 1600


def test_odd_names_survive(place: Path) -> None:
    odd = people().rename(columns={"age": 'a: "b" #c', "hours a week": "- x\ty", "gender": "no", "income": "true"})
    odd.to_parquet("odd.parquet")
    assert cli.main(["init", "odd.parquet", "--target", "true", "--group", "no", "--teacher", TEACHER]) == 0
    asked = spec.load("odd.yaml")
    assert (asked.data.target, asked.data.groups[0].column, asked.data.positive) == ("true", "no", "yes")


def test_what_is_missing_is_asked_on_a_terminal(place: Path) -> None:
    answers = "incom\nincome\n\nsklearn.tree.DecisionTreeClassifier\n"
    code, said = terminal(["-m", "autodistill", "init", "people.parquet"], answers)
    assert code == 0, said
    assert "There is no 'incom'" in said
    asked = spec.load("people.yaml")
    assert [group.column for group in asked.data.groups] == ["gender", "race"]
    assert (asked.data.target, asked.data.positive) == ("income", "yes")


def terminal(arguments: list[str], answers: str = "", **environment: str) -> tuple[int, str]:
    """Python on a terminal of its own: its exit code and all that the terminal showed."""
    ours, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "CI"}}
    child = subprocess.Popen(
        [sys.executable, *arguments], stdin=theirs, stdout=theirs, stderr=theirs,
        env={**kept, "TERM": "xterm", **environment}, close_fds=True,
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, answers.encode())
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return child.wait(), shown.decode(errors="replace")


def test_colours_are_a_terminals_and_no_color_is_kept_to(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = "from autodistill.cli.display import console; console().print('said', style='red')"
    assert "\x1b[31msaid" in terminal(["-c", script])[1]
    assert "\x1b[31m" not in terminal(["-c", script], NO_COLOR="1")[1]
    exec(script)
    assert capsys.readouterr().out == "said\n"


def test_a_doctor_says_what_is_here_and_how_to_get_the_rest(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    lines = {line["name"]: line for line in found["lines"]}
    assert found["usable"] is True
    assert {"python", "packages", "import name", "cores", "timer", "energy counter", "CUDA", "PDF", "auditor key",
            "cache folder", "threads"} <= set(lines)  # fmt: skip
    assert lines["auditor key"]["state"] == "absent"
    assert "keygen --auditor" in lines["auditor key"]["do"]
    for line in lines.values():
        assert line["state"] in {"ok", "absent", "broken"}
        if line["name"].startswith("extra ") and line["state"] == "absent":
            assert line["do"].startswith("pip install 'autodistill-audit[")


def test_a_doctor_knows_the_other_package_of_the_same_import_name(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = place / "site" / "autodistill-0.1.29.dist-info"
    home.mkdir(parents=True)
    (home / "METADATA").write_text("Metadata-Version: 2.1\nName: autodistill\nVersion: 0.1.29\n", encoding="utf-8")
    (home / "top_level.txt").write_text("autodistill\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(home.parent))
    assert cli.main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "autodistill installs the import name autodistill too" in said
    assert "pip uninstall autodistill" in said


def test_a_version_names_what_figures_depend_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    wanted = {"torch", "optuna", "onnxruntime", "scikit-learn", "fairlearn", "mlflow", "pandas"}
    assert wanted <= set(found["packages"])
    assert "not installed" not in found["packages"].values()
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith(f"autodistill {found['autodistill']}\n  python {found['python']}")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_verbs_and_options(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("search", "doctor", "minutes", "no-groups"))
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_reading_verbs_open_nothing_heavy(place: Path) -> None:
    """One process, verb after verb: the first that opens a heavy library is named."""
    people()[["id"]].assign(yes=0.25, no=0.75).to_csv("said.csv", index=False)
    truth = (people()["income"] == "yes").astype(int)
    pd.DataFrame({"y": truth, "t": truth, "s": truth}).to_csv("pair.csv", index=False)
    Path("policy.yaml").write_text("name: p\nversion: '1'\nrequire:\n  - {check: accuracy_loss, at_most: 0.1}\n")
    verbs = [
        ["--version"], ["--help"], ["list"], ["completion", "bash"],
        ["init", "people.parquet", "--target", "income", "--no-groups", "--teacher", "said.csv", "--row-id", "id"],
        ["check", "people.yaml"],
        ["audit", "pair.csv", "--policy", "policy.yaml", "--label", "y", "--teacher", "t", "--student", "s"],
        ["show", "reports/pair"], ["report", "reports/pair"], ["doctor"],
    ]  # fmt: skip
    script = f"""
import sys
from autodistill import cli
for verb in {verbs!r}:
    try:
        code = cli.main(verb)
    except SystemExit as end:
        code = end.code
    opened = [name for name in {HEAVY!r} if name in sys.modules]
    opened += ["scipy.special"] if verb[0] in {LIGHT!r} and "scipy.special" in sys.modules else []
    assert code == 0 and not opened, (verb, code, opened)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_search_says_that_it_reads_before_it_opens_anything(place: Path) -> None:
    assert init("--no-groups") == 0
    # A policy that is wrong ends the search early: what comes before its line is what is looked at.
    Path("people.policy.yaml").write_text("name: x", encoding="utf-8")
    script = ORDER.format(heavy=HEAVY, arguments=["search", "people.yaml"])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    assert lines[0] == "reading people.yaml"
    assert (done.returncode, lines[-1].startswith("autodistill: ")) == (cli.WRONG, True)


def test_types_are_shipped() -> None:
    assert (files("autodistill") / "py.typed").is_file()


@pytest.mark.long
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_a_users_script_is_typed_from_outside(tmp_path: Path, checker: str) -> None:
    pytest.importorskip(checker)
    script = tmp_path / "outside.py"
    script.write_text((Path(__file__).parent / "outside.py").read_text(encoding="utf-8"), encoding="utf-8")
    more = {"mypy": ["--strict"], "pyright": ["--pythonpath", sys.executable]}[checker]
    done = subprocess.run(
        [sys.executable, "-m", checker, *more, "outside.py"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
