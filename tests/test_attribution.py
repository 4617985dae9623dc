"""A gap split into distillation's doing and the rest: the parts add up, and the intervals know about seeds."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from audit_rows import check, evidence, policy, predictions, simulated
from scipy.stats import norm

from autodistill.auditor.arms import Contrast, Sum
from autodistill.auditor.attribution import attribution
from autodistill.auditor.exemplars import exemplar_csv, exemplar_table, rows_to_read
from autodistill.records import Predictions
from autodistill.stats import Evidence, paired_limits

METRICS = (
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
    "false_negative_rate",
    "positive_predictive_value",
    "accuracy",
    "error",
)
POLICY = policy(
    check("accuracy_loss", {"at_most": 0.1}),
    *(check("group_gap", {"at_most": 0.3, "grows_by_at_most": 0.1}, metric=metric) for metric in METRICS[:4]),
    report=(*(check("group_gap", metric=metric) for metric in METRICS[4:]), check("churn")),
)


def student(found: Evidence, seed: int, flips: float = 0.06) -> Predictions:
    """Another student of the same teacher."""
    random, teacher = np.random.default_rng(seed), found.teacher[found.split].decisions
    return predictions(np.where(random.random(len(teacher)) < flips, 1 - teacher, teacher))


def arms(found: Evidence, seeds: int = 3) -> tuple[list[Predictions], list[Predictions]]:
    own = found.student[found.split]
    return [own, *(student(found, 10 + k) for k in range(seeds - 1))], [student(found, k, 0.1) for k in range(seeds)]


def gap(found: Evidence, model: Predictions, metric: str, attribute: str | None, sides: tuple[Any, Any]) -> float:
    """u of one model, row by row."""
    says, y = model.decisions == 1, found.y == 1
    value, counted = {
        "selection_rate": (says, np.ones(len(y), bool)),
        "true_positive_rate": (says, y),
        "false_positive_rate": (says, ~y),
        "false_negative_rate": (~says, y),
        "positive_predictive_value": (y, says),
        "accuracy": (says == y, np.ones(len(y), bool)),
        "error": (says != y, np.ones(len(y), bool)),
    }[metric]
    if attribute is None:
        return float(value[counted].mean())
    group, rest = (value[at & counted].mean() for at in sides)
    return float(group - rest) * (1 if metric in {"false_negative_rate", "error"} else -1)


def both_sides(found: Evidence, attribute: str | None, group: str | None, reference: str | None) -> tuple[Any, Any]:
    if attribute is None:
        return None, None
    column = found.groups[attribute]
    return column == group, (column != group if reference == "rest" else column == reference)


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_parts_are_the_models_own_gaps_and_add_up(seeds: int) -> None:
    found = simulated(3000, seed=2)
    students, controls = arms(found)
    if seeds == 1:
        found, students, controls = replace(found, others={"control": controls[0]}), [], [controls[0]]
    findings = attribution(found, POLICY, level=0.05, students=students, controls=controls if seeds > 1 else ())
    assert len(findings) == (1 + len(METRICS) * (1 + 3)) * (1 if seeds == 1 else 2)
    assert len({f.id for f in findings}) == len(findings)
    for f in findings:
        where = both_sides(found, f.options.get("attribute"), f.group, f.reference)
        recipe = f.details["about"] == "the recipe"
        arm = students if recipe else [found.student["search"]]
        metric, attribute = f.options["metric"], f.options.get("attribute")
        u_t = gap(found, found.teacher["search"], metric, attribute, where)
        u_s, u_c = (np.mean([gap(found, m, metric, attribute, where) for m in models]) for models in (arm, controls))
        details = f.details
        assert (details["teacher"], details["student"], details["control"]) == pytest.approx((u_t, u_s, u_c), abs=1e-12)
        assert f.estimate == pytest.approx(u_s - u_c, abs=1e-12)
        assert f.estimate + details["not_distillation"]["estimate"] == pytest.approx(u_s - u_t, abs=1e-12)
        for low, point, high in (
            (f.low, f.estimate, f.high),
            [details["not_distillation"][end] for end in ("low", "estimate", "high")],
        ):
            assert low <= point <= high
        assert (f.required, f.outcome, f.quantity, details["seeds"]) == (False, "REPORTED", "distillation", seeds)
        assert details["about"] == "descriptive" if seeds == 1 else details["about"] in {"this artefact", "the recipe"}


@pytest.mark.parametrize("metric", METRICS[:5])
def test_a_rate_of_a_named_class_is_split_for_that_class(metric: str) -> None:
    random, n = np.random.default_rng(9), 2000
    y, taught, learned, alone = random.integers(0, 3, (4, n))
    town = random.choice(["A", "B"], n)
    found = replace(
        evidence(y, taught, learned, {"town": town}, classes=("a", "b", "c"), favourable=2),
        others={"control": predictions(alone, 3)},
    )
    line = policy(check("group_gap", {"at_most": 0.3}, metric=metric, of="c"))
    for students in ([], [found.student["search"]] * 3):
        f = attribution(found, line, level=0.05, students=students, controls=[found.others["control"]] * 3)[0]
        # As one class against the others, by hand.
        two = evidence(y == 2, taught == 2, learned == 2, {"town": town})
        gaps = [
            gap(two, predictions(said == 2), metric, "town", (town == "A", town == "B"))
            for said in (taught, learned, alone)
        ]
        assert (f.details["teacher"], f.details["student"], f.details["control"]) == pytest.approx(gaps, abs=1e-12)
        assert f.estimate == pytest.approx(gaps[1] - gaps[2], abs=1e-12)
        assert f.options["class"] == "c"


def test_one_twin_has_the_intervals_of_the_audit_itself() -> None:
    """Control and student as the pair: Tango for the loss."""
    found = simulated(2000, seed=5)
    twin = student(found, 3, 0.1)
    loss = attribution(replace(found, others={"control": twin}), POLICY, level=0.05)[0]
    right, before = found.student["search"].decisions == found.y, twin.decisions == found.y
    low, high = paired_limits((before & ~right).sum(), (right & ~before).sum(), len(right), 0.05)
    assert (loss.id, loss.method) == ("attribution/accuracy_loss", "tango-guard")
    assert (loss.low, loss.high) == pytest.approx((float(low), float(high)), abs=1e-12)


def test_one_model_in_each_arm_has_the_paired_error_of_a_textbook() -> None:
    """sd of the paired difference over √n in each stratum, added in squares."""
    found = simulated(1500, seed=6)
    twin, own = student(found, 3, 0.1), found.student["search"]
    women = found.groups["sex"] == "Female"
    contrast = Contrast(evidence=found, metric="error", harm=1, group=women, rest=~women)
    difference = contrast.difference([own], [twin], 0.05)
    change = (own.decisions != found.y).astype(float) - (twin.decisions != found.y)
    square = sum(change[at].var() / at.sum() for at in (women, ~women))
    assert difference.variances == pytest.approx((square,), rel=1e-12)


def test_limits_are_students_t_where_one_source_is_all() -> None:
    for sources in (((0.0, 4.0), (1000.0, 2.0)), ((0.0, 0.0, 4.0), (1000.0, 2.0, 2.0))):
        one = Sum(estimate=0.0, variances=sources[0], freedoms=sources[1])
        assert one.limits(0.025)[1] == pytest.approx(2 * 4.302652729911275)
    # Both arms: Satterthwaite adds the degrees of freedom of equal variances. One arm: each limit by itself.
    both = Sum(estimate=1.0, variances=(0.0, 1.0, 1.0), freedoms=(1e6, 2.0, 2.0))
    assert both.limits(0.025)[1] == pytest.approx(1 + 2**0.5 * 2.7764451051977987)
    arm = Sum(estimate=1.0, variances=(1.0, 1.0), freedoms=(1e9, 2.0))
    assert arm.limits(0.025)[0] == pytest.approx(1 - np.hypot(1.959963984540054, 4.302652729911275))


def drawn(
    random: Any, n: int, spread: float, effect: float
) -> tuple[Contrast, list[Predictions], list[Predictions], list[float]]:
    """Rows of two groups and three seeds of two recipes; the first widens the gap by ``effect`` on average, and each
    seed by its own amount more, sd ``spread``. Rows that are hard are hard for every model. Last: the true gaps."""
    women, y = random.random(n) < 0.4, (random.random(n) < 0.5).astype(np.int64)
    hard, gaps = random.normal(size=n), []

    def model(mean: float) -> Predictions:
        gaps.append(mean + random.normal(0, spread))
        share = np.clip(0.15 + gaps[-1] * women, 1e-4, 0.9)
        wrong = 0.775 * hard + 0.632 * random.normal(size=n) < norm.ppf(share)
        return predictions(np.where(wrong, 1 - y, y))

    students, controls = ([model(mean) for _ in range(3)] for mean in (0.05 + effect, 0.05))
    found = evidence(y, y, students[0].decisions)
    return Contrast(evidence=found, metric="error", harm=1, group=women, rest=~women), students, controls, gaps


@pytest.mark.parametrize(("spread", "least"), [(0.03, 0.80), (0.01, 0.93)])
def test_intervals_know_about_seeds(spread: float, least: float) -> None:
    """95 % where an interval from rows alone covers far less (AUDIT §4): of the recipe, and of this artefact."""
    random, effect, draws = np.random.default_rng(1), 0.03, 250
    covered = np.zeros(3)
    for _ in range(draws):
        contrast, students, controls, gaps = drawn(random, 1500, spread, effect)
        recipe = contrast.difference(students, controls, 0.025)
        artefact = contrast.difference(students[:1], controls, 0.025)
        alone = recipe.estimate - effect, 1.959964 * recipe.variances[0] ** 0.5
        covered += [
            recipe.limits(0.025)[0] <= effect <= recipe.limits(0.025)[1],
            artefact.limits(0.025)[0] <= gaps[0] - 0.05 <= artefact.limits(0.025)[1],
            abs(alone[0]) <= alone[1],
        ]
    assert covered[0] / draws >= 0.935
    assert covered[1] / draws >= 0.935
    assert covered[2] / draws <= least


def test_planted_harm_is_laid_at_its_own_door() -> None:
    """A teacher that withholds from one group, a student that copies it, a twin that learned from labels."""
    random, n = np.random.default_rng(4), 8000
    sex = random.choice(["Female", "Male"], n).astype(object)
    y = (random.random(n) < 0.4).astype(np.int64)
    noisy = np.where(random.random(n) < 0.05, 1 - y, y)
    withheld = np.where((sex == "Female") & (random.random(n) < 0.3), 0, noisy)
    line = policy(check("group_gap", {"at_most": 0.3}, metric="true_positive_rate"))

    def split(taught: Any, twin: Any) -> Any:
        copied = np.where(random.random(n) < 0.03, 1 - taught, taught)
        found = replace(evidence(y, taught, copied, {"sex": sex}), others={"control": predictions(twin)})
        return attribution(found, line, level=0.05)[0]

    by_teacher = split(withheld, noisy)
    assert by_teacher.low > 0.2
    assert by_teacher.details["not_distillation"]["high"] < -0.2
    by_capacity = split(noisy, noisy)
    assert abs(by_capacity.estimate) < 0.03


def test_silent_sides_are_evidence_and_not_proof() -> None:
    found = simulated(400, flips=0.0)
    same = found.student["search"]
    findings = attribution(found, POLICY, level=0.05, students=[same] * 3, controls=[same] * 3)
    for f in findings:
        assert abs(f.estimate) < 1e-12
        assert f.high >= 1 - 0.05 ** (1 / 400)


def test_what_cannot_be_split_says_so() -> None:
    found = simulated(300)
    assert attribution(found, POLICY, level=0.05) == ()
    few = replace(
        evidence([0, 1] * 100, [0, 1] * 100, [1, 0] + [0, 1] * 99, {"sex": ["F"] * 10 + ["M"] * 190}),
        others={"control": predictions([0, 1] * 100)},
    )
    small = [f for f in attribution(few, POLICY, level=0.05) if f.group]
    assert {f.outcome for f in small} == {"INSUFFICIENT"}
    assert all("n_min" in f.note for f in small)
    none = replace(
        evidence([0, 1] * 50, [0, 1] * 50, [0] * 100, {"sex": ["F"] * 50 + ["M"] * 50}),
        others={"control": predictions([0, 1] * 50)},
    )
    ppv = next(f for f in attribution(none, POLICY, level=0.05) if f.options["metric"] == "positive_predictive_value")
    assert (ppv.outcome, ppv.estimate, ppv.details["not_distillation"]) == ("INSUFFICIENT", None, {})
    assert "undefined" in ppv.note


def test_rows_that_share_clusters_widen_the_split() -> None:
    found = simulated(2000, seed=8)
    wide, own = student(found, 1, 0.1), found.student["search"]

    def reach(cluster: Any) -> float:
        one = attribution(replace(found, cluster=cluster, others={"control": wide}), POLICY, level=0.05)[0]
        return float(one.high - one.low)

    differs = (own.decisions == found.y).astype(int) - (wide.decisions == found.y)
    together = np.argsort(differs, kind="stable").argsort() // 40  # rows that change alike are of one patient
    assert reach(together) > 3 * reach(np.arange(2000))
    few = attribution(replace(found, cluster=np.arange(2000) % 5, others={"control": wide}), POLICY, level=0.05)[0]
    assert (few.outcome, few.note) == ("INSUFFICIENT", "under 20 clusters")


def listed(found: Evidence, students: Sequence[Predictions] = ()) -> list[str]:
    return [row["id"] for row in exemplar_table(found, students)]


def test_rows_to_read_are_the_flips_the_most_confident_first() -> None:
    found = simulated(500, seed=3)
    flips = np.flatnonzero(found.teacher["search"].decisions != found.student["search"].decisions)
    said = rows_to_read(found, policy(rows_shown="ids"))
    assert sorted(listed(found), key=int) == [str(at) for at in flips]
    assert sum(said["counts"].values()) == len(flips)
    assert said["ids"] == listed(found)[:20]
    assert said["shown"]
    women = next(row for row in said["groups"] if row["group"] == "Female")
    assert women["share"] == pytest.approx((found.groups["sex"][flips] == "Female").mean())
    assert women["population"] == pytest.approx((found.groups["sex"] == "Female").mean())
    hidden = rows_to_read(found, policy())
    assert (hidden["shown"], hidden["ids"]) == (False, [])
    assert "rows_to_read.csv" in hidden["reason"]
    scores = found.teacher["search"].scores.copy()
    scores[flips[-1]] = [0.001, 0.999] if found.teacher["search"].decisions[flips[-1]] else [0.999, 0.001]
    sure = replace(found, teacher={"search": replace(found.teacher["search"], scores=scores)})
    assert listed(sure)[0] == str(flips[-1])


def test_with_seeds_the_rows_to_read_are_those_that_most_seeds_flip() -> None:
    teacher = [0, 0, 0, 0, 1, 1]
    found = evidence([0, 1, 1, 0, 1, 0], teacher, [1, 1, 0, 0, 0, 1])
    seeds = [predictions(d) for d in ([1, 1, 0, 0, 0, 1], [0, 1, 0, 0, 0, 1], [0, 1, 1, 0, 0, 1])]
    assert listed(found, seeds) == ["1", "4"]
    table = {row["id"]: row for row in exemplar_table(found, seeds)}
    assert (table["1"]["kind"], table["1"]["seeds_that_flip"]) == ("good", 3)
    assert table["4"]["kind"] == "bad"


def test_a_cell_that_a_spreadsheet_would_run_is_text() -> None:
    found = evidence([0, 0], [0, 0], [1, 1], {"=cmd": ["=1+1", "<b>"]}, classes=("-no", "yes"))
    text = exemplar_csv(exemplar_table(found)).decode()
    assert "'-no" in text
    assert "'=1+1" in text
    assert not any(cell.startswith(("=", "-", "+", "@")) for line in text.splitlines() for cell in line.split(","))
    assert exemplar_csv([]).startswith(b"id,")


def test_a_group_of_few_people_has_no_share() -> None:
    found = evidence([0] * 40, [0] * 40, [1] * 4 + [0] * 36, {"town": ["A"] * 5 + ["B"] * 35})
    rows = {row["group"]: row for row in rows_to_read(found, policy())["groups"]}
    assert rows["A"]["share"] is None
    assert "under 10" in rows["A"]["reason"]
    assert rows["B"]["population"] == 35 / 40
