"""Metrics that are not counts: each against another library's, each error against a second way to it."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from audit_rows import check, policy
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from autodistill import auditor, plugins, verdict
from autodistill.records import Finding, Predictions
from autodistill.stats import Evidence, NotApplicable, Rows, RowSums
from autodistill.stats.influence import by_group, gradient, measured
from autodistill.stats.rowgaps import between
from autodistill.stats.spread import Spread

LOSSES = ("log_loss", "brier", "auc", "balanced_accuracy", "f1")


def softmax(z: np.ndarray) -> np.ndarray:
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def scored(n: int = 900, classes: int = 2, seed: int = 0, noise: float = 0.5, **more: Any) -> Evidence:
    """A calibrated teacher and a student with noise on its log-odds; groups a, b, c and some unknown."""
    random = np.random.default_rng(seed)
    z = random.normal(0, 1.5, (n, classes))
    p = softmax(z)
    y = np.minimum((p.cumsum(axis=1) < random.random((n, 1))).sum(axis=1), classes - 1)
    groups = random.choice(["a", "b", "c", ""], n, p=[0.4, 0.3, 0.25, 0.05]).astype(object)
    return of_scores(y, p, softmax(z + random.normal(0, noise, z.shape)), groups, **more)


def of_scores(y: Any, teacher: np.ndarray, student: np.ndarray, groups: Any, **more: Any) -> Evidence:
    ids, classes = np.arange(len(y)), teacher.shape[1]

    def said(p: np.ndarray) -> dict[str, Predictions]:
        scores = p.astype(np.float32)
        return {"search": Predictions(view="search", row_ids=ids, scores=scores, decisions=scores.argmax(axis=1))}

    values: dict[str, Any] = {"positive": 1, "favourable": 1} | more
    return Evidence(
        split="search",
        row_ids=ids,
        y=np.asarray(y, dtype=np.int64),
        classes=tuple("abcdefgh"[:classes]),
        groups={"g": np.asarray(groups, dtype=object)},
        teacher=said(teacher),
        student=said(student),
        **values,
    )


def numbers(n: int = 700, seed: int = 0, **more: Any) -> Evidence:
    random = np.random.default_rng(seed)
    y, ids = random.normal(10, 2, n), np.arange(n)
    teacher = y + random.normal(0, 1, n)
    student = teacher + random.normal(0.1, 0.3, n)

    def said(values: np.ndarray) -> dict[str, Predictions]:
        scores = values[:, None].astype(np.float32)
        return {"search": Predictions(view="search", row_ids=ids, scores=scores, decisions=values)}

    return Evidence(
        split="search",
        row_ids=ids,
        y=y,
        classes=(),
        positive=None,
        favourable=None,
        groups={"g": random.choice(["a", "b", "c"], n).astype(object)},
        teacher=said(teacher),
        student=said(student),
        **more,
    )


def rows_of(found: Evidence) -> Rows:
    return Rows(tables=found.tables, evidence=found)


def sums(found: Evidence, name: str, reference: Mapping[str, Any] | None = None, **options: Any) -> RowSums:
    counted = plugins.build("checks", name, options).statistic(rows_of(found), reference or {})
    assert isinstance(counted, RowSums), counted
    return counted


def one(found: Evidence, name: str, limits: Mapping[str, float] | None = None, **options: Any) -> list[Finding]:
    lines = (check(name, limits, **options),)
    rules = policy(*lines) if limits else policy(report=lines)
    return [f for f in auditor.audit(found, rules, rows_needed=True) if f.check == name]


def theirs(metric: str, y: np.ndarray, model: Predictions, at: np.ndarray) -> float:
    """The metric by scikit-learn."""
    scores, decisions, classes = model.scores[at].astype(float), model.decisions[at], model.scores.shape[1]
    everyone = list(range(classes))
    scores = scores / scores.sum(axis=1, keepdims=True)
    calls: dict[str, Callable[[], float]] = {
        "log_loss": lambda: metrics.log_loss(y[at], scores, labels=everyone),
        "brier": lambda: (
            metrics.brier_score_loss(y[at], scores[:, 1])
            if classes == 2
            else float(((scores - np.eye(classes)[y[at]]) ** 2).sum(axis=1).mean())
        ),
        "auc": lambda: metrics.roc_auc_score(y[at] == 1, model.scores[at, 1]),
        "balanced_accuracy": lambda: metrics.balanced_accuracy_score(y[at], decisions),
        "f1": lambda: metrics.f1_score(y[at] == 1, decisions == 1),
        "f1_macro": lambda: metrics.f1_score(y[at], decisions, average="macro"),
        "rmse": lambda: metrics.root_mean_squared_error(y[at], decisions),
        "mae": lambda: metrics.mean_absolute_error(y[at], decisions),
    }
    return float(calls[metric]())


@pytest.mark.parametrize("metric", [*LOSSES, "f1_macro"])
@pytest.mark.parametrize("classes", [2, 4])
def test_values_are_scikit_learns_in_every_group(metric: str, classes: int) -> None:
    found = scored(classes=classes, seed=3)
    options = {"metric": "f1", "average": "macro"} if metric == "f1_macro" else {"metric": metric}
    spreads = by_group(measured(sums(found, "score_loss", attribute="g", **options)))
    for k, name in enumerate(("a", "b", "c", "")):
        at = np.flatnonzero(found.groups["g"] == name)
        for spread, views in ((spreads.teacher, found.teacher), (spreads.student, found.student)):
            # Scores in single precision do not sum to 1 exactly, and scikit-learn takes no such row.
            close = 2e-7 if metric in {"log_loss", "brier"} else 1e-12
            assert spread.estimate[k] == pytest.approx(theirs(metric, found.y, views["search"], at), abs=close)


@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_a_regression_is_judged_end_to_end(metric: str) -> None:
    found = numbers(n=3000)
    worst = one(found, "score_loss", {"at_most": 0.2, "at_most_ratio": 1.2}, metric=metric, attribute="g")
    whole = one(found, "score_loss", {"at_most": 0.2}, metric=metric)[0]
    every = np.arange(len(found.y))
    for f, at in ((whole, every), (worst[0], np.flatnonzero(found.groups["g"] == worst[0].group))):
        assert f.teacher == pytest.approx(theirs(metric, found.y, found.teacher["search"], at), abs=1e-12)
        assert f.student == pytest.approx(theirs(metric, found.y, found.student["search"], at), abs=1e-12)
    assert [f.outcome for f in (whole, *worst)] == ["PASS"] * 3
    assert worst[1].estimate == pytest.approx((worst[1].student or 0) / (worst[1].teacher or 1))
    rules = policy(check("score_loss", {"at_most": 0.2}, metric=metric), check("accuracy_loss", {"at_most": 0.1}))
    findings = {f.check: f for f in auditor.audit(found, rules)}
    assert findings["accuracy_loss"].outcome == "NOT_APPLICABLE"
    assert "regression" in findings["accuracy_loss"].note
    # Always on for classes, and asked of no regression.
    assert not findings["class_collapse"].required
    only = policy(check("score_loss", {"at_most": 0.2}, metric=metric))
    assert verdict.judge(auditor.audit(found, only)).decision == "PASS"


def leave_one_out(found: RowSums, at: np.ndarray) -> tuple[float, float]:
    """Jackknife standard errors of the student's value and of the change, over the rows ``at``."""
    values = []
    for terms in (found.teacher, found.student):
        values.append(found.value(terms[at].sum(axis=0)[None] - terms[at]))
    n = len(at)
    return tuple(  # type: ignore[return-value]
        float(np.sqrt((n - 1) / n * ((v - v.mean()) ** 2).sum())) for v in (values[1], values[1] - values[0])
    )


@pytest.mark.parametrize("metric", ["log_loss", "brier", "f1"])
def test_errors_are_the_jackknifes(metric: str) -> None:
    found = sums(scored(n=1500, seed=5), "score_loss", metric=metric, attribute="g")
    spreads = by_group(measured(found))
    for k in range(3):
        own, change = leave_one_out(found, np.flatnonzero(found.codes == k))
        assert spreads.student.error[k] == pytest.approx(own, rel=0.01)
        assert spreads.change.error[k] == pytest.approx(change, rel=0.01)


@pytest.mark.parametrize("metric", ["auc", "balanced_accuracy", "f1_macro"])
def test_errors_of_what_is_no_sum_are_the_jackknifes_of_the_metric_itself(metric: str) -> None:
    found = scored(n=150, seed=6)
    options = {"metric": "f1", "average": "macro"} if metric == "f1_macro" else {"metric": metric}
    change = by_group(measured(sums(found, "score_loss", **options))).change
    rows = np.arange(len(found.y))
    without = [np.delete(rows, k) for k in rows]
    values = [
        theirs(metric, found.y, found.student["search"], at) - theirs(metric, found.y, found.teacher["search"], at)
        for at in without
    ]
    n = len(rows)
    jackknife = float(np.sqrt((n - 1) / n * ((np.array(values) - np.mean(values)) ** 2).sum()))
    assert change.error[0] == pytest.approx(jackknife, rel=0.03)


def test_auc_has_delongs_error() -> None:
    """DeLong, DeLong and Clarke-Pearson (1988) written out over all pairs, ties included."""
    found = scored(n=300, seed=7)
    for model in (found.teacher["search"], found.student["search"]):
        model.scores[:, 1] = np.round(model.scores[:, 1], 1)
    spreads = by_group(measured(sums(found, "score_loss", metric="auc")))
    placed = []
    for model in (found.teacher["search"], found.student["search"]):
        s = model.scores[:, 1].astype(float)
        wins = np.sign(s[found.y == 1][:, None] - s[found.y == 0][None]) / 2 + 0.5
        placed.append((wins.mean(axis=1), wins.mean(axis=0)))
    (t10, t01), (s10, s01) = placed
    assert spreads.student.estimate[0] == pytest.approx(s10.mean(), abs=1e-13)
    for spread, by_positive, by_negative in (
        (spreads.student, s10, s01),
        (spreads.change, s10 - t10, s01 - t01),
    ):
        delong = by_positive.var(ddof=1) / len(by_positive) + by_negative.var(ddof=1) / len(by_negative)
        assert spread.error[0] == pytest.approx(np.sqrt(delong), rel=0.005)


def test_contrasts_have_the_errors_of_two_independent_samples() -> None:
    found = scored(n=1200, seed=8)
    counted = sums(found, "score_gap", metric="brier", attribute="g")
    data = measured(counted)
    group, rest = np.array([[1.0, 0, 0, 0]]), np.array([[0, 1.0, 1.0, 0]])
    gap = between(data, group, rest)
    d = counted.student[:, 0] - counted.teacher[:, 0]
    inside, outside = d[counted.codes == 0], d[(counted.codes == 1) | (counted.codes == 2)]
    assert gap.change[0] == pytest.approx(inside.mean() - outside.mean(), abs=1e-14)
    error = np.sqrt(inside.var(ddof=1) / len(inside) + outside.var(ddof=1) / len(outside))
    low, high = gap.change_limits(0.05)
    assert (high[0] - low[0]) / 2 / 1.6449 == pytest.approx(error, rel=0.15)
    rows = np.arange(len(d))
    single = between(measured(counted, rows), group, rest)
    assert single.parts[2][0].error[0] == pytest.approx(error, rel=0.002)


@pytest.mark.parametrize("name", ["score_loss", "score_gap"])
def test_rows_twice_in_one_cluster_say_what_they_say_once(name: str) -> None:
    once = sums(scored(n=400, seed=9), name, metric="brier", attribute="g")
    copies = 3
    repeated = RowSums(
        names=once.names,
        codes=np.repeat(once.codes, copies),
        teacher=np.repeat(once.teacher, copies, axis=0),
        student=np.repeat(once.student, copies, axis=0),
        value=once.value,
        harm=1,
        quantity="brier",
        worst=1.0,
    )
    one_each, shared = measured(once, np.arange(400)), measured(repeated, np.repeat(np.arange(400), copies))
    for part in ("teacher", "student", "change"):
        first, second = (getattr(by_group(data), part) for data in (one_each, shared))
        for field in ("estimate", "error", "tilt", "units"):
            np.testing.assert_allclose(getattr(first, field), getattr(second, field), rtol=1e-9, atol=1e-12)
    group, rest = np.eye(4)[:3], np.array([[0, 1.0, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0]])
    for a, b in zip(
        between(one_each, group, rest).change_limits(0.05),
        between(shared, group, rest).change_limits(0.05),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_few_clusters_decide_nothing() -> None:
    found = scored(n=600, seed=2, cluster=np.arange(600) % 12)
    f = one(found, "score_loss", {"at_most": 0.5}, metric="brier")[0]
    assert f.outcome == "INSUFFICIENT"
    assert "12 clusters" in f.note
    enough = one(scored(n=600, seed=2, cluster=np.arange(600) % 60), "score_loss", {"at_most": 0.5}, metric="brier")[0]
    assert (enough.outcome, enough.denominator, enough.method) == ("PASS", 60, "influence-clusters")


def test_the_debiased_calibration_error_is_the_mean_product_of_pairs() -> None:
    found = scored(n=500, seed=10)
    counted = sums(found, "calibration", metric="squared_error", attribute="g")
    spreads = by_group(measured(counted))
    for k, name in enumerate(("a", "b", "c")):
        at = found.groups["g"] == name
        score = found.student["search"].scores[at, 1].astype(float)
        excess, cells = score - found.y[at], np.minimum((score * 10).astype(int), 9)
        value = 0.0
        for cell in range(10):
            r = excess[cells == cell]
            if len(r) > 1:
                value += len(r) / at.sum() * (r.sum() ** 2 - (r**2).sum()) / (len(r) * (len(r) - 1))
        assert spreads.student.estimate[k] == pytest.approx(value, abs=1e-12)


def test_the_squared_calibration_error_is_unbiased_and_its_error_is_true() -> None:
    """A calibrated teacher has 0; a student that is 0.1 too high has 0.01."""
    random = np.random.default_rng(11)
    reps, n = 300, 400
    p = random.uniform(0.15, 0.85, (reps, n))
    y = random.random((reps, n)) < p
    values, errors = [], []
    for k in range(reps):
        both = [np.stack([1 - s, s], axis=1) for s in (p[k], p[k] + 0.1)]
        spreads = by_group(measured(sums(of_scores(y[k], *both, ["a"] * n), "calibration", metric="squared_error")))
        values.append([spreads.teacher.estimate[0], spreads.student.estimate[0]])
        errors.append([spreads.teacher.error[0], spreads.student.error[0]])
    mean, spread = np.mean(values, axis=0), np.std(values, axis=0)
    assert mean == pytest.approx([0.0, 0.01], abs=0.001)
    stated = np.sqrt(np.mean(np.square(errors), axis=0))
    assert stated[0] == pytest.approx(np.sqrt(2) * spread[0], rel=0.15)
    assert 0.95 * spread[1] < stated[1] < 1.3 * spread[1]


def test_cvar_is_the_mean_of_the_worst_tenth() -> None:
    found = scored(n=1000, seed=12)
    f = one(found, "cvar", {"at_most": 2.0})[0]
    losses = []
    for views in (found.teacher, found.student):
        losses.append(-np.log(views["search"].scores[np.arange(1000), found.y].astype(float)))
    worst = np.sort(losses[1] - losses[0])[-100:]
    assert f.estimate == pytest.approx(worst.mean(), abs=1e-9)
    assert (f.denominator, f.outcome, f.unit) == (100, "PASS", "nats")
    few = one(scored(n=250, seed=12), "cvar", {"at_most": 2.0})[0]
    assert few.outcome == "INSUFFICIENT"


def test_tail_loss_counts_rare_classes_and_low_margins() -> None:
    random = np.random.default_rng(13)
    y = random.choice(3, 3000, p=[0.6, 0.37, 0.03])
    teacher = softmax(3.0 * np.eye(3)[y] + random.normal(0, 1, (3000, 3)))
    student = teacher.copy()
    student[y == 2] = [0.5, 0.3, 0.2]
    found = of_scores(y, teacher, student, ["a"] * 3000)
    f = one(found, "tail_loss", {"at_most": 0.1})[0]
    assert (f.outcome, f.group, f.rows) == ("FAIL", "rare classes", int((y == 2).sum()))
    margins = np.sort(found.teacher["search"].scores, axis=1)
    low = int((margins[:, 2].astype(float) - margins[:, 1] < 0.1).sum())
    assert {row["group"]: row["rows"] for row in f.details["groups"]}["low margin"] == low
    # Leave for small groups of people is no leave for a rare class.
    lenient = policy(check("tail_loss", {"at_most": 0.1}), exclude_below=0.05, because="small")
    assert {f.outcome for f in auditor.audit(found, lenient) if f.check == "tail_loss"} == {"FAIL"}
    shared = one(replace(found, cluster=np.arange(3000) // 2), "tail_loss", {"at_most": 0.1}, rare=0.01)[0]
    assert (shared.group, shared.method) == ("low margin", "tango-guard-clusters")


@pytest.mark.parametrize("metric", ["log_loss", "brier", "auc"])
def test_scores_are_needed_where_they_are(metric: str) -> None:
    found = scored(n=200)
    only = {
        view: Predictions(view=view, row_ids=p.row_ids, scores=np.zeros((200, 0), np.float32), decisions=p.decisions)
        for view, p in found.student.items()
    }
    bare = Evidence(**{**_fields(found), "student": only})
    f = one(bare, "score_loss", {"at_most": 0.1}, metric=metric)[0]
    assert f.outcome == "NOT_APPLICABLE"
    assert "only decisions" in f.note


def _fields(found: Evidence) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__dataclass_fields__}


def test_equal_students_certify_nothing_and_change_nothing() -> None:
    found = scored(n=800)
    same = Evidence(**{**_fields(found), "student": found.teacher})
    lines = (
        *(check("score_loss", {"at_most": 0.3}, metric=m) for m in LOSSES),
        check("score_gap", {"grows_by_at_most": 0.2}, metric="brier"),
        check("calibration", {"grows_by_at_most": 0.2}),
        check("calibration", {"grows_by_at_most": 0.2}, metric="squared_error"),
        check("cvar", {"at_most": 1.0}),
    )
    rules = policy(*lines, unknown_at_most=1.0)
    findings = [f for f in auditor.audit(same, rules) if f.required and f.check != "class_collapse"]
    assert {f.outcome for f in findings} == {"INCONCLUSIVE"}
    assert {f.estimate for f in findings} == {0.0}
    assert all("certifies nothing" in f.note for f in findings)


def test_an_undefined_metric_is_insufficient_and_no_zero() -> None:
    found = scored(n=900)
    y = np.where(found.groups["g"] == "a", 0, found.y)
    f = one(Evidence(**{**_fields(found), "y": y}), "score_loss", {"at_most": 0.3}, metric="auc", attribute="g")[0]
    assert f.outcome == "INSUFFICIENT"
    assert "a (0" in f.note
    table = {row["group"]: row for row in f.details["groups"]}
    assert table["a"]["estimate"] is None
    assert f.group in {"b", "c"}


def test_unknown_rows_are_listed_or_judged() -> None:
    found = scored(n=900)
    line = check("score_gap", {"at_most": 0.5}, metric="brier")
    listed = [f for f in auditor.audit(found, policy(line)) if f.check == "score_gap"]
    assert [f.group for f in listed] == ["a", "b", "c", "(unknown)"]
    assert not listed[-1].required
    judged = [f for f in auditor.audit(found, policy(line, unknown="require")) if f.check == "score_gap"]
    assert [(f.group, f.required) for f in judged] == [("a", True), ("b", True), ("c", True), ("(unknown)", True)]
    capped = [f for f in auditor.audit(found, policy(line, unknown_at_most=0.01)) if f.check == "score_gap"]
    assert {f.outcome for f in capped if f.required} == {"INCONCLUSIVE"}


def test_every_required_id_is_known_beforehand() -> None:
    found = scored(n=900)
    lines = (
        check("score_loss", {"at_most": 0.3, "at_most_ratio": 2.0}, metric="log_loss"),
        check("score_loss", {"at_most": 0.3}, metric="f1", average="macro"),
        check("score_loss", {"at_most": 0.3}, metric="auc", attribute="g"),
        check("score_gap", {"at_most": 0.3, "grows_by_at_most": 0.1}, metric="log_loss"),
        check("calibration", {"at_most": 0.3, "grows_by_at_most": 0.1}),
        check("tail_loss", {"at_most": 0.3}),
        check("cvar", {"at_most": 3.0}),
    )
    rules = policy(*lines, unknown="require")
    groups = {"g": ("a", "b", "c")}
    findings = auditor.audit(found, rules)
    assert {f.id for f in findings if f.required} == set(verdict.constraint_names(rules, groups))
    # 2 + 1 + 4 groups + 4 × 2 × 2 + (1 + 4) × 2 × 2 + 2 parts + 1, and the collapse
    assert verdict.count(rules, groups) == 2 + 1 + 4 + 16 + 20 + 2 + 1 + 1
    assert len({f.id for f in findings}) == len(findings)


def test_the_gradient_is_that_of_the_function() -> None:
    random = np.random.default_rng(14)
    totals = random.uniform(1, 9, (5, 3))

    def value(s: np.ndarray) -> np.ndarray:
        return np.sqrt(s[..., 0] / s[..., 2]) - (s[..., 1] / s[..., 2]) ** 2

    root = np.sqrt(totals[:, 0] / totals[:, 2])
    exact = np.stack(
        [
            root / totals[:, 0] / 2,
            -2 * totals[:, 1] / totals[:, 2] ** 2,
            -root / totals[:, 2] / 2 + 2 * totals[:, 1] ** 2 / totals[:, 2] ** 3,
        ],
        axis=1,
    )
    np.testing.assert_allclose(gradient(value, totals, totals), exact, rtol=1e-9)


def test_limits_cover_what_no_row_has_shown() -> None:
    """Ninety-nine rows alike and one loss of 1 that could be: a z bound would certify anything."""
    one, none = np.ones(1), np.zeros(1)
    many = 99 * one
    quiet = Spread(estimate=none, error=1e-4 * one, tilt=none, units=many, worst=one, curve=none)
    assert quiet.limits(0.05)[1][0] == pytest.approx(1 - 0.05 ** (1 / 99))
    tilted = replace(quiet, error=one, tilt=0.3 * one)
    low, high = tilted.limits(0.05)
    assert high[0] > -low[0] > 1.65


def test_power_of_a_row_level_line_follows_its_limit_and_the_rows() -> None:
    found = scored(n=2000, seed=1)
    by_limit = [
        auditor.power(found, policy(check("score_loss", {"at_most": m}, metric="brier")), 1.0)
        for m in (0.005, 0.02, 0.04)
    ]
    assert by_limit[0] < 0.05 < by_limit[1] < 0.99 < by_limit[2]
    line = policy(check("score_loss", {"at_most": 0.02}, metric="brier"))
    assert auditor.power(found, line, 4.0) > auditor.power(found, line, 1.0) > auditor.power(found, line, 0.25)
    regression = policy(check("score_loss", {"at_most": 0.1}, metric="rmse"))
    assert auditor.power(numbers(n=2000), regression, 1.0) > 0.5
    assert auditor.power(numbers(), policy(check("accuracy_loss", {"at_most": 0.1})), 1.0) == 0.0
    every = policy(
        check("score_gap", {"at_most": 0.3, "grows_by_at_most": 0.1}, metric="brier"),
        check("calibration", {"at_most": 0.2}),
        check("tail_loss", {"at_most": 0.4}),
        check("cvar", {"at_most": 3.0}),
    )
    assert 0.9 < auditor.power(found, every, 1.0) <= 1.0


def test_ten_rows_that_differ_are_the_least() -> None:
    found = scored(n=500)
    p = found.teacher["search"].scores.astype(float)
    moved = p.copy()
    moved[:9] = moved[:9, ::-1]
    f = one(of_scores(found.y, p, moved, found.groups["g"]), "score_loss", {"at_most": 0.5}, metric="brier")[0]
    assert f.outcome == "INCONCLUSIVE"
    assert "fewer than 10" in f.note


QUICK = settings(max_examples=10, deadline=None, derandomize=True)
RULES = policy(
    check("score_loss", {"at_most": 0.05}, metric="log_loss"),
    *(check("score_loss", {"at_most": 0.05}, metric=m, attribute="g") for m in LOSSES),
    check("score_gap", {"at_most": 0.1, "grows_by_at_most": 0.03}, metric="brier"),
    check("calibration", {"at_most": 0.1, "grows_by_at_most": 0.03}),
    check("calibration", {"at_most": 0.02}, metric="squared_error"),
    check("cvar", {"at_most": 1.0}),
    n_min=10,
)


def plain(findings: tuple[Finding, ...]) -> list[tuple[Any, ...]]:
    def rounded(value: float | None) -> float | None:
        return None if value is None else float(f"{value:.7e}") + 0.0

    return [
        (f.id, f.group, f.outcome, *(rounded(v) for v in (f.teacher, f.student, f.estimate, f.low, f.high)))
        for f in findings
    ]


@QUICK
@given(st.integers(0, 10**6), st.integers(120, 500))
def test_reordering_rows_changes_nothing(seed: int, n: int) -> None:
    found = scored(n=n, seed=seed)
    order = np.random.default_rng(seed).permutation(n)
    scores = [views["search"].scores[order] for views in (found.teacher, found.student)]
    moved = of_scores(found.y[order], *scores, found.groups["g"][order])
    for a, b in zip(plain(auditor.audit(found, RULES)), plain(auditor.audit(moved, RULES)), strict=True):
        assert a[:3] == b[:3]
        for x, y in zip(a[3:], b[3:], strict=True):
            assert (x is None) == (y is None)
            assert x is None or y is None or x == pytest.approx(y, abs=1e-7)


@QUICK
@given(st.integers(0, 10**6), st.permutations(["ä", "<b>", "Ω"]))
def test_renaming_groups_changes_names_only(seed: int, names: list[str]) -> None:
    found = scored(n=400, seed=seed)
    new = dict(zip("abc", names, strict=True)) | {"": ""}
    scores = [views["search"].scores for views in (found.teacher, found.student)]
    renamed = of_scores(found.y, *scores, [new[g] for g in found.groups["g"]])

    def listed(findings: tuple[Finding, ...], back: Mapping[str, str]) -> list[Any]:
        rows = [
            (
                f.check,
                str(f.options.get("metric")),
                str(f.limit_kind),
                back.get(f.group or "", f.group or ""),
                f.outcome,
            )
            for f in findings
        ]
        return sorted(rows)

    same = {g: g for g in "abc"}
    assert listed(auditor.audit(renamed, RULES), {v: k for k, v in new.items()}) == listed(
        auditor.audit(found, RULES), same
    )


def test_checks_say_why_they_have_nothing_to_say() -> None:
    found = scored(n=100, classes=3, positive=None, favourable=None)
    for name, options in (
        ("score_loss", {"metric": "auc"}),
        ("score_loss", {"metric": "rmse"}),
        ("score_gap", {"metric": "mean_error", "attribute": "g"}),
        ("calibration", {}),
        ("cvar", {"metric": "squared_error"}),
        ("score_loss", {"metric": "brier", "attribute": "nobody"}),
    ):
        answer = plugins.build("checks", name, options).statistic(rows_of(found), {})
        assert isinstance(answer, NotApplicable)
        assert answer.reason
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        auditor.audit(scored(n=40, classes=3, positive=None, favourable=None), RULES)
