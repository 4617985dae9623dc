"""A regression from its experiment file to a report, and what a search of numbers refuses."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
import onnxruntime
import pandas as pd
import pyarrow.parquet as pq
import pytest
import signed_run
import small_run
import torch

from autodistill import cli, plugins, runtime, signoff, spec, stats
from autodistill.errors import StudentError
from autodistill.export import Answer, export, parity, wrap
from autodistill.inputs import Shapes
from autodistill.losses import Batch
from autodistill.losses.none import NoTeacher
from autodistill.losses.squared_error import SquaredError
from autodistill.records import Candidate
from autodistill.run import prepare
from autodistill.run.progress import silent
from autodistill.students.linear import Linear

ONE = Shapes(numeric=1, cardinalities=(), classes=1)
WAGES = Path(__file__).parent.parent / "data" / "wages.parquet"
GRADIENT = ("mlp", "linear")
FITTED = ("boosted", "tree", "majority")


@dataclass(frozen=True)
class OfClasses(Linear):
    """A family that means nothing for a number."""

    min_classes: ClassVar[int] = 2


def numbers(seed: int = 0, rows: int = 40) -> Batch:
    random = np.random.default_rng(seed)
    z, t, y = (torch.from_numpy(random.normal(size=rows)) for _ in range(3))
    return Batch(student=z[:, None].requires_grad_(), teacher=t[:, None], y=y)


def test_squared_error_is_the_distance_to_a_mix_and_what_no_student_changes():
    """(z − (w·t + (1 − w)·y))² + w·(1 − w)·(t − y)², whose second part has no gradient."""
    batch, w = numbers(), 0.7
    value = SquaredError(teacher_weight=w).build(ONE)(batch)
    value.backward()
    z, t, y = batch.student.detach().numpy()[:, 0], batch.teacher.numpy()[:, 0], batch.y.numpy()
    mixed = w * t + (1 - w) * y
    assert value.item() == pytest.approx(np.mean((z - mixed) ** 2 + w * (1 - w) * (t - y) ** 2), rel=1e-12)
    np.testing.assert_allclose(batch.student.grad.numpy()[:, 0], 2 * (z - mixed) / len(z), rtol=1e-12)


def test_weights_and_rows_without_label_count_as_they_are():
    batch, w = numbers(), 0.3
    z, t, y = batch.student.detach().numpy()[:, 0], batch.teacher.numpy()[:, 0], batch.y.numpy()
    weight, known = np.random.default_rng(1).uniform(0.5, 2, len(z)), np.arange(len(z)) < 15
    given = {"student": batch.student, "teacher": batch.teacher, "weight": torch.from_numpy(weight)}
    loss = SquaredError(teacher_weight=w).build(ONE)
    found = loss(Batch(y=batch.y, **given)).item()
    assert found == pytest.approx(np.average(w * (z - t) ** 2 + (1 - w) * (z - y) ** 2, weights=weight), rel=1e-12)
    found = loss(Batch(y=torch.from_numpy(y * known), labelled=torch.from_numpy(known), **given)).item()
    expected = np.where(known, w * (z - t) ** 2 + (1 - w) * (z - y) ** 2, (z - t) ** 2)
    assert found == pytest.approx(np.average(expected, weights=weight), rel=1e-12)
    alone = SquaredError(teacher_weight=0.0).build(ONE)(Batch(y=batch.y, **given)).item()
    assert alone == pytest.approx(NoTeacher().build(ONE)(Batch(y=batch.y, **given)).item(), rel=1e-12)


def test_large_values_stay_finite_in_float32():
    batch = Batch(student=torch.full((3, 1), 1e12), teacher=torch.full((3, 1), -1e12), y=torch.zeros(3))
    assert torch.isfinite(SquaredError().build(ONE)(batch))


def test_it_is_of_a_number():
    with pytest.raises(StudentError, match="squared_error is of a number, and the target has 3 classes"):
        SquaredError().build(Shapes(numeric=1, cardinalities=(), classes=3))


@pytest.mark.parametrize("family", GRADIENT)
def test_a_network_s_file_answers_in_the_target_s_units(loans, tmp_path, family):
    got = loans(1)
    torch.manual_seed(0)
    module = plugins.build("students", family, {}).build(got.encoding.shapes(1), 1)
    answer = Answer(classes=(), centre=52_000.0, spread=17_000.0)
    for precision in plugins.find("students", family).precisions:
        out = tmp_path / f"{precision}.onnx"
        artefact = export(got.encoding, module, answer, out, got.features, precision=precision)
        said = runtime.predict(runtime.open(out), got.features, np.arange(1200), "all")
        numeric, codes = (torch.from_numpy(part) for part in got.encoding.apply(got.features))
        with torch.no_grad():
            expected = 52_000 + 17_000 * module.eval()(numeric, codes).numpy()
        assert said.scores.shape == (1200, 1)
        assert said.decisions.dtype == np.float64
        np.testing.assert_array_equal(said.decisions, said.scores[:, 0])
        apart = np.abs(said.scores - expected).max()
        assert artefact.parity == pytest.approx(apart, rel=1e-5, abs=1e-2)
        assert apart < (0.05 if precision == "fp32" else 0.2 * 17_000)


@pytest.mark.parametrize("family", FITTED)
def test_a_fitted_family_s_file_answers_as_it_was_fitted(loans, tmp_path, family):
    got = loans(1)
    X, y = got.encoding.apply_matrix(got.features), (1000 * got.y[:, None]).astype(np.float32)
    model = plugins.build("students", family, {}).build(got.encoding.shapes(1), 1).fit(X, y, None)
    artefact = wrap(got.encoding, model.onnx(), Answer(classes=()), tmp_path / "s.onnx")
    assert parity(artefact, got.features, model.predict_proba(X)) < 1e-2
    said = runtime.predict(runtime.open(artefact.path), got.features, np.arange(1200), "all")
    assert said.scores.mean() == pytest.approx(y.mean(), rel=1e-4)


def test_a_root_mean_squared_error_has_the_limits_of_its_influence():
    """By the delta method, written out: the error of √m is sd(squares)/(2√m·√n), of a difference that of the sum."""
    random = np.random.default_rng(0)
    first, second = random.normal(size=4000) ** 2, (1.1 * random.normal(size=4000)) ** 2
    value, low, high = stats.root_limits(first, 0.05)
    assert value == pytest.approx(np.sqrt(first.mean()), rel=1e-12)
    error = first.std(ddof=1) / (2 * value * np.sqrt(4000))
    assert [high - value, value - low] == [pytest.approx(1.645 * error, rel=0.05)] * 2
    change, below, above = stats.root_difference(first, second, 0.05)
    a, b = np.sqrt(first.mean()), np.sqrt(second.mean())
    error = (first / (2 * a) - second / (2 * b)).std(ddof=1) / np.sqrt(4000)
    assert change == pytest.approx(a - b, rel=1e-12)
    assert above - below == pytest.approx(2 * 1.645 * error, rel=0.05)
    assert stats.root_difference(first, first, 0.05) == (0.0, 0.0, 0.0)


POLICY = """
name: loose
version: "1"
confidence: 0.95
choose: size
looks: 5
require:
  - {check: score_loss, metric: rmse, at_most: 3}
  - {check: score_loss, metric: rmse, attribute: gender, at_most: 4}
  - {check: score_gap, metric: mean_error, grows_by_at_most: 6}
  - {meter: size, at_most: 20 kB}
report:
  - {check: cvar, metric: squared_error}
  - {check: churn}
  - {check: membership}
"""
SPEC = """
name: wages
data:
  table: wages.parquet
  target: earnings
  task: regression
  unit: dollars an hour
  groups: [gender]
  drop: [age_group]
teacher: {kind: sklearn, estimator: sklearn.ensemble.GradientBoostingRegressor, n_estimators: 15, max_depth: 3}
student:
  - {family: tree, leaves: [4, 8, 16]}
  - {family: boosted, trees: [2, 4], leaves: 4}
  - {family: linear}
distill: {loss: [squared_error, none], teacher_weight: 0.5, learning_rate: 1.0e-2, epochs: 2, batch_size: 256}
objectives: [error, latency, size]
budget: {trials: 3}
policy: policy.yaml
track: {}
"""
ROWS = 4000
MEMBER = "{estimator: sklearn.tree.DecisionTreeRegressor}"


def experiment(root: Path, text: str = SPEC, policy: str = POLICY) -> Path:
    """An experiment on some of the wages, in a folder of its own; its file."""
    root.mkdir(parents=True, exist_ok=True)
    people = pd.read_parquet(WAGES).sample(ROWS, random_state=0)
    people.to_parquet(root / "wages.parquet", index=False)
    (root / "policy.yaml").write_text(policy, encoding="utf-8")
    (root / "wages.yaml").write_text(text, encoding="utf-8")
    return root / "wages.yaml"


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search of a regression, approved by Ada; its project folder."""
    root = tmp_path_factory.mktemp("wages")
    file = experiment(root)
    with small_run.inside(root, root / "cache"):
        assert cli.main(["search", str(file)]) == 0
    signed_run.trust(root, [("Ada", "approver", signoff.make(root / "ada.pem"))])
    assert signed_run.at(root, "sign", "reports/wages", *signed_run.ada("approved")) == 0
    return root


def told(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "reports" / "wages" / "report.json").read_bytes())
    return found


def rmse(first: Any, second: Any) -> float:
    return float(np.sqrt(np.mean((np.asarray(first, float) - np.asarray(second, float)) ** 2)))


def test_a_search_of_numbers_ends_with_a_certified_student(searched: Path) -> None:
    found, run = told(searched), searched / "reports" / "wages"
    assert found["verdict"]["decision"] == "PASS"
    assert "squared_error" in {one["candidate"]["loss"] for one in found["entries"]}
    assert {one["candidate"]["family"] for one in found["entries"]} == {"tree", "boosted", "linear"}
    rows = pq.read_table(run / "rows.parquet").to_pandas()
    audit = rows[rows.split == "audit"].set_index("row_id")
    search = rows[rows.split == "search"].set_index("row_id")
    said = pq.read_table(run / "candidates" / found["certified"] / "predictions.audit.parquet").to_pandas()
    y = audit.loc[said.row_id, "y"].to_numpy()
    own, teacher = rmse(said.score_0, y), rmse(audit.loc[said.row_id, "teacher:0"], y)
    np.testing.assert_array_equal(said.decision, said.score_0.astype(float))
    line = next(one for one in found["shortlist"] if one["key"] == found["certified"])
    assert (line["error_audit"]["value"], line["error_audit"]["unit"]) == (pytest.approx(own, rel=1e-6), "target")
    assert line["loss"]["estimate"] == pytest.approx(own - teacher, abs=1e-6)
    assert found["teacher"]["error_audit"]["value"] == pytest.approx(teacher, rel=1e-6)
    finding = next(one for one in found["findings"] if one["id"] == "score_loss/rmse/at_most")
    assert finding["estimate"] == pytest.approx(own - teacher, abs=1e-6)
    said = f"root mean squared error {abs(own - teacher):.3g} dollars an hour {'higher' if own > teacher else 'lower'}"
    assert said in found["verdict"]["sentence"]
    for entry in found["entries"]:
        if entry["state"] == "finished":
            key = msgspec.convert(entry["candidate"], Candidate).key
            seen = pq.read_table(run / "candidates" / key / "predictions.search.parquet").to_pandas()
            y = search.loc[seen.row_id, "y"].to_numpy()
            assert entry["error"] == pytest.approx(rmse(seen.score_0, y) / y.std(), rel=1e-5)
    y = search.y.to_numpy()
    assert found["teacher"]["error_search"] == pytest.approx(rmse(search["teacher:0"], y) / y.std(), rel=1e-5)


def test_controls_of_numbers_stand_beside_it(searched: Path) -> None:
    found = {one["name"]: one for one in told(searched)["controls"]}
    assert (found["majority"]["title"], found["majority"]["what"]) == ("mean", "always the mean of the train split")
    assert found["majority"]["error"] == pytest.approx(1.0, abs=0.01)
    assert "linear regression" in found["linear"]["what"]
    for one in ("majority", "linear"):
        assert found[one]["loss"]["low"] < found[one]["loss"]["estimate"] < found[one]["loss"]["high"]


def test_the_certified_file_answers_in_dollars_on_raw_rows(searched: Path) -> None:
    from autodistill import predict

    run = searched / "reports" / "wages"
    answers = predict(run, searched / "wages.parquet")
    assert list(answers.columns) == ["prediction"]
    table = pd.read_parquet(searched / "wages.parquet")
    assert answers.prediction.mean() == pytest.approx(table.earnings.mean(), rel=0.05)
    session = onnxruntime.InferenceSession(run / "student.onnx", providers=["CPUExecutionProvider"])
    types = {"tensor(string)": object, "tensor(float)": np.float32}
    feed = {one.name: table[one.name].to_numpy().astype(types[one.type]) for one in session.get_inputs()}
    np.testing.assert_array_equal(session.run(["prediction"], feed)[0], answers.prediction)


def test_every_page_says_values_and_their_unit(searched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = searched / "reports" / "wages"
    assert signed_run.at(searched, "show", "reports/wages", "--all") == 0
    terminal = capsys.readouterr().out
    card = (run / "README.md").read_text(encoding="utf-8")
    page = (run / "report.html").read_text(encoding="utf-8")
    for text in (terminal, card, page):
        assert "dollars an hour" in text
        assert "most frequent class" not in text
        assert "logistic" not in text
    assert "\u202fsd" in terminal
    assert "rmse, audit split, dollars an hour" in card
    assert "what always saying the mean comes to" in page
    assert "Root mean squared error, audit split" in page
    bill = json.loads((run / "bom.cdx.json").read_text(encoding="utf-8"))
    assert "tabular-regression" in json.dumps(bill)


def test_it_is_verified_and_judged_again(searched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert signed_run.at(searched, "verify", "reports/wages", "--deep") == 0
    other = POLICY.replace("rmse, at_most: 3", "rmse, at_most: 0.0001").replace("name: loose", "name: strict")
    (searched / "strict.yaml").write_text(other, encoding="utf-8")
    assert signed_run.at(searched, "report", "reports/wages", "--policy", "strict.yaml", "--out", "again") != 0
    assert "score_loss/rmse" in (searched / "again" / "report.json").read_text(encoding="utf-8")
    capsys.readouterr()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("loss: [squared_error, none]", "loss: [dkd, none]", "dkd needs 3 classes or more, its target is a number"),
        ("family: linear}", "family: test_regression.OfClasses}", "needs 2 classes or more, its target is a number"),
        (
            SPEC[SPEC.index("{kind: sklearn") : SPEC.index("student:")],
            f"{{kind: ensemble, members: [{MEMBER}, {MEMBER}]}}\n",
            "an ensemble is for classes; name one estimator, kind: sklearn",
        ),
    ],
    ids=["a loss of classes", "a family of classes", "a teacher of classes"],
)
def test_what_means_nothing_for_a_number_is_refused_by_name(
    old: str, new: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = experiment(tmp_path, SPEC.replace(old, new))
    with small_run.inside(tmp_path, tmp_path / "cache"):
        assert cli.main(["search", str(file)]) == cli.WRONG
    assert words in capsys.readouterr().err.splitlines()[-1]
    kept = tmp_path / "cache" / "autodistill" / "teachers"
    assert not [path for path in kept.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{check: accuracy_loss, at_most: 0.1}", "accuracy_loss speaks of classes"),
        ("{check: score_loss, metric: auc, at_most: 0.1}", "score_loss (auc) speaks of classes"),
        ("{check: calibration, metric: in_the_large, at_most: 0.1}", "calibration"),
    ],
    ids=["counts", "a score", "calibration"],
)
def test_a_policy_of_classes_is_refused(
    line: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = POLICY.replace("  - {check: score_loss, metric: rmse, at_most: 3}", f"  - {line}")
    file = experiment(tmp_path, policy=policy)
    with small_run.inside(tmp_path, tmp_path / "cache"):
        for verb in ("check", "search"):
            assert cli.main([verb, str(file)]) == cli.WRONG
            assert words in capsys.readouterr().err.splitlines()[-1]


def test_a_unit_is_of_a_number_and_a_night_of_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = experiment(tmp_path, SPEC.replace("  task: regression\n", ""))
    with small_run.inside(tmp_path, tmp_path / "cache"):
        assert cli.main(["check", str(file)]) == cli.WRONG
        assert "a unit, and the target has classes" in capsys.readouterr().err
        file.write_text(SPEC, encoding="utf-8")
        assert cli.main(["nightly", str(file)]) == cli.WRONG
        assert "this target is a number" in capsys.readouterr().err
        assert cli.main(["check", str(file)]) == 0
        assert "none (regression)" in capsys.readouterr().out


def test_the_files_that_ship_are_read() -> None:
    with small_run.inside(WAGES.parent.parent, WAGES.parent):
        asked = spec.load(Path("search_spaces/wages_regression.yaml"))
    assert asked.data.task == "regression"
    assert {arm.loss for arm in asked.space.arms} == {"squared_error", "none"}


def test_predictions_of_one_column_are_a_teacher_of_numbers(tmp_path: Path) -> None:
    file = experiment(tmp_path)
    table = pd.read_parquet(tmp_path / "wages.parquet")
    table["person"], table["said"] = [f"p{at}" for at in range(len(table))], 5 + table.education
    table[["person", "said"]].to_parquet(tmp_path / "said.parquet", index=False)
    table.drop(columns="said").to_parquet(tmp_path / "wages.parquet", index=False)
    start, end = SPEC.index("teacher:"), SPEC.index("student:")
    teacher = "teacher: {kind: predictions, table: said.parquet, row_id: person, value: said}\n"
    text = SPEC[:start] + teacher + SPEC[end:]
    text = text.replace("  groups: [gender]", "  row_id: person\n  groups: [gender]")
    file.write_text(text, encoding="utf-8")
    with small_run.inside(tmp_path, tmp_path / "cache"):
        made = prepare.prepare(spec.load(file), tmp_path / "run", silent).shop
    known = table.set_index("person").said.loc[made.dataset.row_ids].to_numpy()
    np.testing.assert_allclose(made.teacher.scores[:, 0], known, rtol=1e-6)
    assert made.teacher_readings["latency"].value is None
    # Networks learn what it says in units of the labels' spread, trees in dollars.
    train = made.dataset.splits["train"]
    y = made.dataset.y[train]
    rows = made.tensors(made.encoding)[0]
    np.testing.assert_allclose(rows.teacher.numpy()[:, 0], (known[train] - y.mean()) / y.std(), atol=1e-5)
    np.testing.assert_allclose(rows.y.numpy(), (y - y.mean()) / y.std(), atol=1e-5)
    np.testing.assert_allclose(made.teacher_logits[:, 0], known[train], rtol=1e-6)
