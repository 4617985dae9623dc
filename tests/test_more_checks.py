"""Checks that need more than two models' predictions of the judged rows: controls, noise, a permuted column, train."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from audit_rows import check, evidence, policy, predictions, simulated
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score

from autodistill import auditor, verdict
from autodistill.checks.membership import area, best_threshold, second_half
from autodistill.jobs.views import Unmade, features
from autodistill.records import Dataset, Finding, Predictions
from autodistill.stats import Evidence, newcombe, paired_limits


def one(found: Evidence, *require: Any, report: tuple[Any, ...] = (), name: str = "") -> Finding:
    findings = auditor.audit(found, policy(*require, report=report))
    wanted = name or (require or report)[0].name
    return next(f for f in findings if f.check == wanted)


# A margin over a control


def against_majority(gain: float, n: int = 2000, **more: Any) -> Evidence:
    """A student that is right on ``gain`` more of the rows than a model that always says no."""
    y = np.r_[np.ones(n // 4), np.zeros(n - n // 4)].astype(np.int64)
    right = y == 0
    right[: round(gain * n)] = True
    student = np.where(right, y, 1 - y)
    return replace(evidence(y, y, student, **more), others={"majority": predictions(np.zeros(n))})


def test_a_gain_is_tested_against_its_margin() -> None:
    line = {"at_least": 0.05}
    clear = one(against_majority(0.10), check("beats_control", line, control="majority"))
    assert (clear.outcome, clear.limit_kind, clear.reference) == ("PASS", "at_least", "majority")
    assert clear.estimate == pytest.approx(0.10)
    assert (clear.student, clear.student_reference) == (pytest.approx(0.85), 0.75)
    assert clear.low > 0.05
    # 200 rows gained, none lost: Tango's limits of the turned difference, as wide or wider.
    low, high = paired_limits(0, 200, 2000, 0.05)
    assert clear.low <= -float(high) + 1e-12
    assert clear.high >= -float(low) - 1e-12
    near = one(against_majority(0.052), check("beats_control", line, control="majority"))
    assert near.outcome == "INCONCLUSIVE"
    under = one(against_majority(0.01), check("beats_control", line, control="majority"))
    assert under.outcome == "FAIL"
    assert verdict.constraints([under], ["beats_control/majority/at_least"])[0] > 0
    assert verdict.constraints([clear], ["beats_control/majority/at_least"])[0] < 0


def test_exactly_at_the_margin_passes_no_oftener_than_the_level() -> None:
    random, n, margin, passed = np.random.default_rng(0), 400, 0.05, 0
    for _ in range(200):
        better = random.random(n) < 0.10
        worse = ~better & (random.random(n) < 0.05 / 0.9)
        y = np.zeros(n, dtype=np.int64)
        control, student = np.where(better, 1, 0), np.where(worse, 1, 0)
        found = replace(evidence(y, y, student), others={"linear": predictions(control)})
        line = check("beats_control", {"at_least": margin}, control="linear")
        passed += one(found, line).outcome == "PASS"
    assert passed / 200 <= 0.07


def test_a_control_that_is_not_there_has_a_reason() -> None:
    found = simulated(300)
    missing = one(found, check("beats_control", {"at_least": 0.01}, control="label_only"))
    assert (missing.outcome, missing.required) == ("NOT_APPLICABLE", True)
    assert "label_only" in missing.note
    said = replace(found, reference={"missing": {"control": "the student was trained without a teacher"}})
    assert "without a teacher" in one(said, check("beats_control", {"at_least": 0.01}, control="label_only")).note
    assert verdict.judge(auditor.audit(found, policy(check("beats_control", {"at_least": 0.01})))).decision != "PASS"


def test_two_controls_are_two_lines() -> None:
    lines = [check("beats_control", {"at_least": 0.01}, control=name) for name in ("majority", "linear")]
    found = replace(against_majority(0.1), others={})
    assert [f.id for f in auditor.audit(found, policy(*lines))[:2]] == [
        "beats_control/majority/at_least",
        "beats_control/linear/at_least",
    ]


# What certification alone can read


def test_a_policy_is_screened_without_what_only_certification_has() -> None:
    asked = policy(
        check("accuracy_loss", {"at_most": 0.1}),
        check("beats_control", {"at_least": 0.01}, control="label_only"),
        check("noise_flips", {"at_most": 0.1}, scale=0.2),
        report=(check("churn"), check("membership"), check("reliance_shift", column="zip")),
    )
    assert verdict.further(asked) == (("noise:0.2", "train", "permuted:zip"), ("control",))
    short = verdict.screened(asked)
    assert [line.name for line in short.require] == ["accuracy_loss"]
    assert [line.name for line in short.report] == ["churn"]


# Views


def seen(found: Evidence, view: str, teacher: Any, student: Any, **more: Any) -> Evidence:
    """The evidence with one further view of both models."""
    said = {who: replace(one, view=view) for who, one in (("teacher", teacher), ("student", student))}
    return replace(
        found,
        teacher={**found.teacher, view: said["teacher"]},
        student={**found.student, view: said["student"]},
        **more,
    )


def test_reliance_is_what_permutation_costs_each_model() -> None:
    random, n = np.random.default_rng(0), 4000
    y = random.integers(0, 2, n)
    teacher, student = (np.where(random.random(n) < 0.1, 1 - y, y) for _ in range(2))
    cost_t, cost_s = (
        np.where(random.random(n) < share, 1 - y, said) for share, said in ((0.02, teacher), (0.2, student))
    )
    found = seen(evidence(y, teacher, student), "permuted:zip", predictions(cost_t), predictions(cost_s))
    shift = one(found, check("reliance_shift", {"at_most": 0.05}, column="zip"))
    of = {name: (said == y).mean() - (other == y).mean() for name, said, other in
          (("t", teacher, cost_t), ("s", student, cost_s))}  # fmt: skip
    assert shift.id == "reliance_shift/zip/at_most"
    assert shift.teacher == pytest.approx(of["t"], abs=1e-12)
    assert shift.student == pytest.approx(of["s"], abs=1e-12)
    assert shift.estimate == pytest.approx(of["s"] - of["t"], abs=1e-12)
    assert shift.outcome == "FAIL"
    change = ((student == y) * 1.0 - (cost_s == y)) - ((teacher == y) * 1.0 - (cost_t == y))
    assert float(shift.high or 0) - float(shift.estimate or 0) == pytest.approx(
        1.6448536 * change.std() / n**0.5, rel=0.02
    )
    assert one(found, check("reliance_shift", {"at_most": 0.05}, column="zip")).quantity


def test_reliance_that_did_not_shift_passes() -> None:
    random, n = np.random.default_rng(1), 4000
    y = random.integers(0, 2, n)
    said = np.where(random.random(n) < 0.1, 1 - y, y)
    costs = [np.where(random.random(n) < 0.05, 1 - y, said) for _ in range(2)]
    found = seen(evidence(y, said, said), "permuted:zip", predictions(costs[0]), predictions(costs[1]))
    assert one(found, check("reliance_shift", {"at_most": 0.05}, column="zip")).outcome == "PASS"


def test_flips_under_noise_are_counted_on_the_same_rows() -> None:
    random, n = np.random.default_rng(2), 3000
    y = random.integers(0, 2, n)
    flips = random.random((2, n)) < np.array([[0.02], [0.08]])
    found = seen(evidence(y, y, y), "noise", predictions(np.where(flips[0], 1 - y, y)),
                 predictions(np.where(flips[1], 1 - y, y)))  # fmt: skip
    noise = one(found, check("noise_flips", {"at_most": 0.02}))
    assert (noise.teacher, noise.student) == (pytest.approx(flips[0].mean()), pytest.approx(flips[1].mean()))
    assert noise.estimate == pytest.approx(flips[1].mean() - flips[0].mean())
    low, high = paired_limits((flips[1] & ~flips[0]).sum(), (flips[0] & ~flips[1]).sum(), n, 0.05)
    assert (noise.low, noise.high) == pytest.approx((float(low), float(high)))
    assert (noise.outcome, noise.quantity) == ("FAIL", "increase_in_flips")
    assert one(found, check("noise_flips", {"at_most": 0.10})).outcome == "PASS"


@pytest.mark.parametrize("name", ["noise_flips", "reliance_shift"])
def test_a_teacher_without_an_artefact_is_not_compared(name: str) -> None:
    found = simulated(300)
    options = {"column": "zip"} if name == "reliance_shift" else {}
    view = "permuted:zip" if options else "noise"
    alone = replace(
        found,
        student={**found.student, view: replace(found.student["search"], view=view)},
        reference={"missing": {"teacher": "it has no artefact to run (a service)"}},
    )
    line = one(alone, report=(check(name, **options),))
    assert line.outcome == "NOT_APPLICABLE"
    assert "no artefact to run" in line.note


def dataset(n: int = 600) -> Dataset:
    random = np.random.default_rng(5)
    age = random.normal(40, 12, n).astype(np.float32)
    age[::7] = np.nan
    word = random.choice(["a", "b", ""], n).astype(object)
    return Dataset(
        features={"age": age, "word": word},
        y=np.zeros(n, dtype=np.int64),
        classes=("no", "yes"),
        positive=1,
        favourable=1,
        groups={},
        row_ids=np.arange(n),
        splits={"train": np.arange(n // 2), "audit": np.arange(n // 2, n)},
        digests={},
        row_digests=np.arange(n).astype(str),
        leakage={},
    )


def view(name: str, seed: int = 0) -> Mapping[str, Any]:
    made = features(dataset(), name, "audit", seed)
    assert not isinstance(made, Unmade)
    return made


def test_noise_is_of_the_size_asked_and_the_same_each_time() -> None:
    plain, rows = dataset().rows("audit"), view("noise:0.5")
    moved = rows["age"] - plain["age"]
    known = np.isfinite(plain["age"])
    assert np.array_equal(np.isfinite(rows["age"]), known)
    assert rows["age"].dtype == np.float32
    train = dataset().rows("train")["age"]
    assert moved[known].std() == pytest.approx(0.5 * np.nanstd(train), rel=0.1)
    assert np.array_equal(rows["word"], plain["word"])
    assert np.array_equal(view("noise:0.5")["age"], rows["age"], equal_nan=True)
    assert not np.array_equal(view("noise:0.5", seed=1)["age"], rows["age"], equal_nan=True)
    small = view("noise")["age"] - plain["age"]
    assert small[known].std() == pytest.approx(0.1 * np.nanstd(train), rel=0.1)


def test_a_permuted_column_holds_the_same_cells_in_another_order() -> None:
    plain, rows = dataset().rows("audit"), view("permuted:word")
    assert sorted(rows["word"]) == sorted(plain["word"])
    assert not np.array_equal(rows["word"], plain["word"])
    assert np.array_equal(rows["age"], plain["age"], equal_nan=True)
    assert len(view("train")["age"]) == 300


def test_a_view_that_cannot_be_made_says_why() -> None:
    assert features(dataset(), "permuted:zip", "audit", 0) == Unmade("the models read no column 'zip'")
    words = replace(dataset(), features={"word": dataset().features["word"]})
    assert features(words, "noise", "audit", 0) == Unmade("no column is a number")
    assert isinstance(features(dataset(), "dream", "audit", 0), Unmade)


# Membership


def leaking(random: Any, n: int, memory: float, m: int | None = None) -> Evidence:
    """n judged and m train rows; a share ``memory`` of the train rows is known by heart."""
    m = m or n
    y, train_y = random.integers(0, 2, n), random.integers(0, 2, m)

    def said(labels: Any, name: str, known: float) -> Predictions:
        sure = np.where(random.random(len(labels)) < known, 0.999, random.beta(4, 2, len(labels)))
        scores = np.where((labels == 1)[:, None], np.stack([1 - sure, sure], 1), np.stack([sure, 1 - sure], 1))
        ids = np.arange(len(labels)) + (100_000 if name == "train" else 0)
        return Predictions(view=name, row_ids=ids, scores=scores, decisions=scores.argmax(axis=1))

    student = {"search": said(y, "search", 0), "train": said(train_y, "train", memory)}
    teacher = {"search": said(y, "search", 0), "train": said(train_y, "train", 0)}
    return replace(evidence(y, y, y), teacher=teacher, student=student, labels={"train": train_y})


def attacked(found: Evidence) -> Finding:
    return one(found, check("membership", {"at_most": 0.1}))


def test_where_nothing_leaks_the_other_half_reads_nothing() -> None:
    """The best threshold on the same rows reads 0.08 at n = 200 (AUDIT §7)."""
    random = np.random.default_rng(0)
    elsewhere, same = [], []
    for _ in range(150):
        found = leaking(random, 200, 0.0)
        elsewhere.append(float(attacked(found).estimate or 0))
        members, others = (
            said.scores[np.arange(200), y]
            for said, y in ((found.student["train"], found.labels["train"]), (found.student["search"], found.y))
        )
        same.append(ks_2samp(members, others).statistic)  # the best threshold, in the better direction
    error = np.std(elsewhere) / 150**0.5
    assert abs(np.mean(elsewhere)) < 3 * error < 0.03
    assert np.mean(same) == pytest.approx(0.082, abs=0.006)


def test_a_student_that_knows_its_rows_by_heart_is_found() -> None:
    found = attacked(leaking(np.random.default_rng(1), 1000, 0.6))
    assert found.outcome == "FAIL"
    assert found.estimate == pytest.approx(0.6, abs=0.1)
    assert found.details["auc_student"] > 0.75
    assert abs(found.teacher or 0) < 0.1
    assert found.details["auc_teacher"] == pytest.approx(0.5, abs=0.05)
    quiet = attacked(leaking(np.random.default_rng(2), 4000, 0.0))
    assert quiet.outcome == "PASS"


def test_membership_limits_are_newcombes_on_the_other_half() -> None:
    found = leaking(np.random.default_rng(3), 300, 0.3, m=500)
    told = attacked(found)
    members = found.student["train"].scores[np.arange(500), found.labels["train"]]
    others = found.student["search"].scores[np.arange(300), found.y]
    halves = second_half(found.student["train"].row_ids), second_half(found.row_ids)
    assert (halves[0].sum(), halves[1].sum()) == (250, 150)
    cut = best_threshold(members[~halves[0]], others[~halves[1]])
    hits, alarms = (members[halves[0]] >= cut).sum(), (others[halves[1]] >= cut).sum()
    assert told.estimate == pytest.approx(hits / 250 - alarms / 150)
    low, high = newcombe(hits, 250, alarms, 150, 0.05)
    assert (told.low, told.high) == pytest.approx((float(low), float(high)))
    order = np.random.default_rng(0).permutation(300)
    shuffled = replace(
        found,
        row_ids=found.row_ids[order],
        y=found.y[order],
        student=found.student | {"search": _taken(found.student["search"], order)},
        teacher=found.teacher | {"search": _taken(found.teacher["search"], order)},
    )
    again = attacked(shuffled)
    assert (again.estimate, again.low, again.details) == (told.estimate, told.low, told.details)


def _taken(said: Predictions, order: Any) -> Predictions:
    return replace(said, row_ids=said.row_ids[order], scores=said.scores[order], decisions=said.decisions[order])


def test_the_area_is_scikit_learns_and_its_error_delongs() -> None:
    random = np.random.default_rng(4)
    members, others = random.integers(0, 8, 300) + 1.0, random.integers(0, 8, 200) + 0.0
    value, error = area(members, others)
    assert value == pytest.approx(roc_auc_score(np.r_[np.ones(300), np.zeros(200)], np.r_[members, others]))
    draws = [area(random.integers(0, 8, 300) + 1.0, random.integers(0, 8, 200) + 0.0)[0] for _ in range(400)]
    assert error == pytest.approx(np.std(np.asarray(draws, dtype=float)), rel=0.15)
    assert area(members[:1], others) == (None, None)


def test_membership_of_a_teacher_that_cannot_be_run_is_left_out() -> None:
    found = leaking(np.random.default_rng(5), 400, 0.0)
    alone = replace(
        found,
        teacher={"search": found.teacher["search"]},
        reference={"missing": {"teacher": "it has no artefact to run"}},
    )
    told = attacked(alone)
    assert told.outcome in {"PASS", "INCONCLUSIVE"}
    assert told.teacher is None
    assert told.details["teacher_missing"] == "it has no artefact to run"
    assert attacked(replace(found, labels={})).outcome == "NOT_APPLICABLE"


# Over-simplification


def test_where_changes_gather_is_told_by_group() -> None:
    sex = ["F"] * 40 + ["M"] * 60
    student = [1] * 8 + [0] * 32 + [1] * 2 + [0] * 58
    found = auditor.audit(evidence([0] * 100, [0] * 100, student, {"sex": sex}), policy(report=(check("churn"),)))
    shares = {f.group: f.details for f in found if f.check == "churn"}
    assert (shares["F"]["share_of_changes"], shares["F"]["population"]) == (0.8, 0.4)
    assert (shares[None]["share_of_changes"], shares[None]["population"]) == (1.0, 1.0)


def test_collapse_tells_how_even_the_decisions_are() -> None:
    y = np.repeat([0, 1, 2, 3], 100)
    student = np.where(y == 3, 2, y)
    found = one(evidence(y, y, student, classes=("a", "b", "c", "d")), check("class_collapse"))
    assert found.details["classes_predicted"] == {"teacher": 4, "student": 3}
    expected = -(2 * 0.25 * np.log(0.25) + 0.5 * np.log(0.5)) / np.log(4)
    assert found.details["entropy_ratio"] == pytest.approx(expected)
    silent = one(evidence([0, 1] * 50, [0] * 100, [0] * 100), check("class_collapse"))
    assert silent.details["entropy_ratio"] is None


def test_flips_under_noise_of_rows_that_share_clusters_are_wider() -> None:
    random, n = np.random.default_rng(2), 3000
    y = random.integers(0, 2, n)
    flips = (random.random(n // 20) < 0.05).repeat(20)  # a patient's rows flip together
    found = seen(evidence(y, y, y), "noise", predictions(y), predictions(np.where(flips, 1 - y, y)))
    alone = one(found, check("noise_flips", {"at_most": 0.2}))
    together = one(replace(found, cluster=np.arange(n) // 20), check("noise_flips", {"at_most": 0.2}))
    assert float(together.high or 0) - flips.mean() > 3 * (float(alone.high or 0) - flips.mean())
