"""Fairness in a whole search: told apart, named in every record, kept out of the artefact, refused where a policy says
so; and a training that was cut goes on as if it was not."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import small_run
import torch
from test_feature_losses import NETWORKS, written
from test_jobs import entry, left, network, train, tree

from autodistill import cli, spec
from autodistill.errors import SpecError
from autodistill.jobs import Workshop, fair, making, taught
from autodistill.losses import teacher_logits
from autodistill.records import Candidate
from autodistill.run import prepare
from autodistill.run.progress import silent
from autodistill.space import fairness

FAIR = (
    "distill: {loss: [soft_targets, none], reweigh: [0, 1], dro: [0, 0.1], trust: [even, class, group], "
    "debias: [0, 1], group_by: sex, epochs: 2, batch_size: 512}"
)
TRIALS = 8
FORBIDDEN = small_run.POLICY.replace("name: loose", "name: blind\ngroup_data_in_training: forbidden")


@pytest.fixture(scope="module")
def done(recorded: small_run.Run, tmp_path_factory: pytest.TempPathFactory) -> small_run.Run:
    """A search over the fairness of one network."""
    root = tmp_path_factory.mktemp("fair")
    with small_run.inside(root, recorded.cache):
        file = written(root, recorded.readings, student=NETWORKS, distill=FAIR, budget=f"budget: {{trials: {TRIALS}}}")
        code = cli.main(["search", str(file)])
    return small_run.Run(root, recorded.cache, file, code)


def of_groups(entries: list[dict[str, Any]]) -> set[int]:
    """The candidates whose training reads group columns, by what their options mean."""
    found = set()
    for one in entries:
        on = one["candidate"]["fairness"]
        if "reweigh" in on or "dro" in on or on.get("trust") == "group" or "debias" in on:
            found.add(one["candidate"]["number"])
    return found


def test_each_candidate_that_used_group_columns_is_named(
    done: small_run.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    found = done.report
    used = of_groups(found["entries"])
    assert used
    assert len(used) < len(found["entries"]) == TRIALS
    about = found["group_data"]
    assert {one["number"] for one in about["candidates"]} == used
    assert {one["by"] for one in about["candidates"]} == {"sex"}
    assert about["rule"] == "allowed"
    assert about["features"] == []
    assert about["unknown"] == {"sex": 0}
    assert found["certified"] or found["finalist"]
    page = (done.folder / "report.html").read_text(encoding="utf-8")
    card = (done.folder / "README.md").read_text(encoding="utf-8")
    trained = [one for one in about["candidates"] if one["state"] not in {"refused", "skipped"}]
    told = f"{len(trained)} of {TRIALS} candidates were trained with the help of group columns"
    assert told in page
    assert told in card
    assert page.count(">group data</span>") == len(used)
    assert "of them (" in card or "is not one of them" in card
    rows = (done.folder / "candidates.csv").read_text(encoding="utf-8").splitlines()
    at = rows[0].split(",").index("fairness")
    assert at
    with small_run.inside(done.root, done.cache):
        cli.main(["search", str(done.file)])
    assert told in " ".join(capsys.readouterr().out.split())


def test_the_artefact_reads_no_group_column(done: small_run.Run) -> None:
    for one in done.report["entries"]:
        path = done.folder / "candidates" / _key(one) / "student.onnx"
        if path.exists():
            model = onnx.load(path)
            assert "sex" not in {value.name for value in model.graph.input}
            assert not any("sex" in node.name for node in model.graph.node)


def _key(one: dict[str, Any]) -> str:
    return Candidate(**one["candidate"]).key


def test_a_policy_that_forbids_it_tests_none_of_them(done: small_run.Run) -> None:
    (done.root / "blind.yaml").write_text(FORBIDDEN, encoding="utf-8")
    with small_run.inside(done.root, done.cache):
        cli.main(["report", "reports/small", "--policy", "blind.yaml"])
    found = json.loads(next((done.folder / "policies").glob("*/report.json")).read_bytes())
    used = of_groups(found["entries"])
    numbers = {_key(one): one["candidate"]["number"] for one in found["entries"]}
    assert found["shortlist"]
    assert not used & {numbers[one["key"]] for one in found["shortlist"]}
    finished = {one["candidate"]["number"] for one in found["entries"] if one["state"] == "finished"}
    note = f"{len(used & finished)} candidates were trained with group columns, which this policy forbids"
    assert any(note in one for one in found["notes"])
    assert found["group_data"]["rule"] == "forbidden"


@pytest.mark.parametrize(
    ("policy", "parts", "message"),
    [
        (FORBIDDEN, {"distill": FAIR}, "blind keeps group columns out of training .* and reweigh reads them"),
        (FORBIDDEN, {"distill": "distill: {trust: [even, group]}"}, "distill.trust: .* and trust reads them"),
        (FORBIDDEN, {"distill": "distill: {debias: 1, debias_by: [class, group]}"}, "distill.debias_by: "),
        (FORBIDDEN, {"features": "true"}, "data.group_features: .* and here they are features"),
        (small_run.POLICY, {"distill": "distill: {reweigh: 1, group_by: [sex, age]}"}, "data.groups has no 'age'"),
        (small_run.POLICY, {"distill": "distill: {reweigh: {low: 0, high: 2}}"}, "distill.reweigh.high: "),
        (small_run.POLICY, {"distill": "distill: {trust: [even, everyone]}"}, "distill.trust.1.: should be"),
        (small_run.POLICY, {"distill": "distill: {reweight: 1}"}, "did you mean reweigh"),
    ],
)  # fmt: skip
def test_what_may_not_be_is_refused_in_one_line_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], policy: str, parts: dict[str, str], message: str
) -> None:
    with small_run.inside(tmp_path, tmp_path / "cache"):
        features = "features" in parts
        file = written(tmp_path, Path("none.json"), **{key: line for key, line in parts.items() if key != "features"})
        text = file.read_text(encoding="utf-8").replace("measure: {from: none.json}", "")
        file.write_text(text.replace("  positive", "  group_features: true\n  positive") if features else text)
        (tmp_path / "policy.yaml").write_text(policy, encoding="utf-8")
        with pytest.raises(SpecError, match=message):
            spec.load(file)
        assert cli.main(["search", str(file)]) == 2
        said = capsys.readouterr()
        said_wrong = [line for line in said.err.strip().splitlines() if not line.startswith("reading ")]
        assert len(said_wrong) == 1, said.err
        assert not (tmp_path / "reports").exists()


def test_a_policy_that_forbids_it_lets_classes_pass(tmp_path: Path) -> None:
    with small_run.inside(tmp_path, tmp_path / "cache"):
        by_class = "distill: {trust: [even, class], debias: [0, 1], debias_by: class}"
        file = written(tmp_path, Path("none.json"), distill=by_class)
        file.write_text(file.read_text(encoding="utf-8").replace("measure: {from: none.json}", ""))
        (tmp_path / "policy.yaml").write_text(FORBIDDEN, encoding="utf-8")
        asked = spec.load(file)
    values = {name: setting.ends[1] for name, setting in asked.space.fairness.items()}
    assert values["debias"] == 1
    assert fairness.of_groups(fairness.told(values, "soft_targets", "gradient")) == ()


# ---- what is trained ----


@pytest.fixture(scope="module")
def bench(recorded: small_run.Run, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """The small search's materials, one row in ten of unknown sex."""
    root = tmp_path_factory.mktemp("unknown")
    with small_run.inside(root, recorded.cache):
        shop = prepare.prepare(spec.load(small_run.write(root, readings=recorded.readings)), root / "run", silent).shop
    sex = shop.dataset.groups["sex"].copy()
    sex[::10] = ""
    return dataclasses.replace(shop, dataset=dataclasses.replace(shop.dataset, groups={"sex": sex}))


@pytest.fixture
def shop(bench: Workshop, tmp_path: Path) -> Workshop:
    return dataclasses.replace(bench, folder=tmp_path, kept={}, seen={})


def with_fairness(candidate: Candidate, **options: Any) -> Candidate:
    gradient = "gradient" if candidate.family == "mlp" else "fit"
    return dataclasses.replace(candidate, fairness=fairness.told(options, candidate.loss, gradient))


def test_rows_of_unknown_group_have_weight_1_and_a_stratum_of_their_own(shop: Workshop) -> None:
    at = shop.dataset.splits["train"]
    unknown = shop.dataset.groups["sex"][at] == ""
    assert fair.strata(shop.dataset, None).unknown == unknown.sum() > 0
    rows, _ = taught.rows(with_fairness(network(shop), reweigh=1.0), shop)
    assert rows.weight is not None
    assert (rows.weight.numpy()[unknown] == 1).all()
    assert len(np.unique(rows.weight.numpy()[~unknown])) == 4  # two sexes, two incomes
    rows, _ = taught.rows(with_fairness(network(shop), dro=0.1), shop)
    assert rows.group is not None
    assert (rows.group.numpy() == -1).tolist() == unknown.tolist()
    assert sorted(np.unique(rows.group)) == [-1, 0, 1, 2, 3]
    plain, _ = taught.rows(network(shop), shop)
    assert plain.weight is None
    assert plain.group is None
    rows, _ = taught.rows(with_fairness(network(shop), debias=1.0), shop)
    assert torch.equal(rows.teacher[unknown], plain.teacher[unknown])  # type: ignore[index]
    assert not torch.equal(rows.teacher[~unknown], plain.teacher[~unknown])  # type: ignore[index]


def test_labels_alone_are_weighed_too(shop: Workshop) -> None:
    alone = dataclasses.replace(network(shop), loss="none", distill={})
    rows, _ = taught.rows(with_fairness(alone, reweigh=0.5, trust="group", dro=0), shop)
    taught_rows, _ = taught.rows(with_fairness(network(shop), reweigh=0.5), shop)
    assert rows.teacher is None
    assert torch.equal(rows.weight, taught_rows.weight)  # type: ignore[arg-type]


def test_a_fitted_family_takes_weights_and_targets(shop: Workshop) -> None:
    y = shop.dataset.y[shop.dataset.splits["train"]]
    groups, ones = fair.strata(shop.dataset, None).codes, np.ones(len(y))
    loss = dataclasses.replace(tree(), loss="soft_targets", distill={"temperature": 1.0, "teacher_weight": 1.0})
    both = with_fairness(loss, reweigh=1.0, trust="group", dro=0.5)
    assert "dro" not in both.fairness
    logits, weight = fair.fitted(both, shop)
    np.testing.assert_allclose(weight, fair.reweighed(groups, y, ones, 1.0), rtol=1e-6)  # type: ignore[arg-type]
    np.testing.assert_allclose(logits, fair.trusted(shop.teacher_logits, y, groups, ones))
    assert fair.fitted(loss, shop) == (shop.teacher_logits, None)
    made = {one.recipe: making.make(one, shop, home=shop.folder / one.recipe)[0].sha256 for one in (loss, both)}
    assert len(set(made.values())) == 2
    # The same tree by scikit-learn's own hand, on those shares with those weights.
    from sklearn.tree import DecisionTreeRegressor

    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    matrix = shop.matrix(shop.encoding)
    grown = DecisionTreeRegressor(max_leaf_nodes=8, min_samples_leaf=20, random_state=0)
    expected = grown.fit(matrix, shares.astype(np.float32), sample_weight=weight).predict(matrix[:50])
    kept = {name: column[:50] for name, column in shop.dataset.rows("train").items()}
    from autodistill import runtime

    found = runtime.open(shop.folder / both.recipe / "student.onnx").probabilities(kept)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    other = dataclasses.replace(shop.dataset, groups={"sex": np.roll(shop.dataset.groups["sex"], 1)})
    elsewhere = dataclasses.replace(shop, dataset=other, kept={})
    assert shop.reading_key(both) != elsewhere.reading_key(both)
    assert shop.reading_key(loss) == elsewhere.reading_key(loss)


def test_an_assistant_s_words_are_weighed_as_the_teacher_s_are(shop: Workshop) -> None:
    rows, _ = taught.rows(with_fairness(network(shop, assistant=16), trust="class"), shop)
    plain, _ = taught.rows(network(shop, assistant=16), shop)
    y = shop.dataset.y[shop.dataset.splits["train"]]
    expected = fair.trusted(plain.teacher.numpy(), y, None, np.ones(len(y)))  # type: ignore[union-attr]
    np.testing.assert_allclose(rows.teacher.numpy(), expected, atol=1e-6)  # type: ignore[union-attr]
    assert not np.allclose(teacher_logits(np.exp(plain.teacher.numpy())), expected)  # type: ignore[union-attr]


def test_a_training_that_was_cut_remembers_which_group_was_worst(shop: Workshop) -> None:
    candidate = with_fairness(network(shop), dro=0.2)
    whole = dataclasses.replace(shop, folder=shop.folder / "whole", seen={})
    done = entry(train(whole, candidate))
    cut = dataclasses.replace(shop, folder=shop.folder / "cut", seen={})
    assert train(cut, candidate, to_epoch=1).kind == "rung"
    again = dataclasses.replace(cut, kept={})
    gone_on = entry(train(again, candidate))
    assert (gone_on.error, gone_on.artefact) == (done.error, done.artefact)
    assert left(again, candidate) == left(whole, candidate)
    assert left(whole, candidate) != left_plain(shop)


def left_plain(shop: Workshop) -> dict[str, bytes]:
    plain = dataclasses.replace(shop, folder=shop.folder / "plain", seen={})
    train(plain, network(plain))
    return left(plain, network(plain))


def test_a_regression_has_groups_and_no_classes_to_weigh(recorded: small_run.Run, tmp_path: Path) -> None:
    with small_run.inside(tmp_path, recorded.cache):
        policy = "name: p\nversion: '1'\nrequire:\n  - {check: score_loss, metric: rmse, at_most_ratio: 2}\n"
        file = written(
            tmp_path,
            recorded.readings,
            data=f"data: {{table: {tmp_path / 'adult.parquet'}, target: age, task: regression, groups: [sex]}}",
            teacher="teacher: {kind: sklearn, estimator: sklearn.linear_model.LinearRegression}",
            student=NETWORKS,
            distill="distill: {reweigh: [0, 1]}",
            policy="policy: policy.yaml",
        )
        (tmp_path / "policy.yaml").write_text(policy, encoding="utf-8")
        with pytest.raises(SpecError, match=r"reweigh counts classes, and this target is a number.*dro works"):
            prepare.prepare(spec.load(file), tmp_path / "run", silent)
