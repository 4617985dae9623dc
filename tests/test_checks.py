"""What each check counts, against a count by hand, and against fairlearn."""

from typing import Any

import fairlearn.metrics
import numpy as np
import pytest
from audit_rows import COMPAS, check, compas, evidence, policy, simulated

from autodistill import auditor, plugins, verdict
from autodistill.data.groups import crossed
from autodistill.errors import SpecError
from autodistill.records import LIMIT_KINDS, Finding
from autodistill.stats import Rows, koopman


def rows_of(found: auditor.Evidence) -> Rows:
    return Rows(tables=found.tables, evidence=found)


@pytest.mark.parametrize("name", plugins.names("checks"))
def test_every_check_declares_what_it_needs(name: str) -> None:
    kind = plugins.find("checks", name)
    assert set(kind.limits) <= set(LIMIT_KINDS)
    assert kind.views
    assert isinstance(kind.unit, str | property)
    assert kind.__doc__
    required = {option.name for option in plugins.options("checks", name) if option.required}
    assert required <= {"metric", "column"}


def by_hand(found: auditor.Evidence, metric: str, group: str) -> tuple[float, float]:
    """The metric of teacher and student in one race, row by row."""
    at = found.groups["race"] == group
    y = found.y[at]
    values = []
    for views in (found.teacher, found.student):
        says = views["search"].decisions[at]
        value = {
            "selection_rate": lambda says=says: (says == 1).mean(),
            "true_positive_rate": lambda says=says: (says[y == 1] == 1).mean(),
            "false_negative_rate": lambda says=says: (says[y == 1] != 1).mean(),
            "false_positive_rate": lambda says=says: (says[y != 1] == 1).mean(),
            "positive_predictive_value": lambda says=says: (y[says == 1] == 1).mean(),
            "accuracy": lambda says=says: (says == y).mean(),
            "error": lambda says=says: (says != y).mean(),
        }[metric]()
        values.append(float(value))
    return values[0], values[1]


METRICS = (
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
    "false_negative_rate",
    "positive_predictive_value",
    "accuracy",
    "error",
)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("classes", [("no", "yes"), ("a", "b", "c")])
def test_group_gap_counts_as_by_hand(metric: str, classes: tuple[str, ...]) -> None:
    random = np.random.default_rng(3)
    y, teacher, student = random.integers(0, len(classes), (3, 900))
    race = random.choice(["A", "B", "C"], 900)
    found = evidence(y, teacher, student, {"race": race}, classes=classes)
    findings = auditor.audit(found, policy(report=(check("group_gap", metric=metric),)))
    listed = {f.group: (f.teacher, f.student) for f in findings if f.check == "group_gap"}
    assert set(listed) == {"A", "B", "C"}
    for group, values in listed.items():
        assert values == pytest.approx(by_hand(found, metric, str(group)), abs=1e-15)


def test_rates_that_complement_each_other_have_the_same_gap() -> None:
    found = simulated(3000)
    limits = {"at_most": 0.2, "grows_by_at_most": 0.05}
    for one, other in (("true_positive_rate", "false_negative_rate"), ("accuracy", "error")):
        first, second = (
            [f for f in auditor.audit(found, policy(check("group_gap", limits, metric=metric))) if f.limit is not None]
            for metric in (one, other)
        )
        for a, b in zip(first, second, strict=True):
            assert a.outcome == b.outcome
            assert a.origin == b.origin
            assert (a.estimate, a.low, a.high) == pytest.approx((b.estimate, b.low, b.high), abs=1e-12)


def test_an_unfavourable_class_turns_the_sign() -> None:
    gaps = {
        favourable: [
            f.gap_student
            for f in auditor.audit(
                compas(favourable=favourable),
                policy(check("group_gap", {"at_most": 0.5}, metric="false_positive_rate", attribute="race")),
            )
            if f.group == "African-American"
        ]
        for favourable in (0, 1, None)
    }
    # To be called high risk wrongly is harm; to be called worthy of credit wrongly is not.
    assert gaps[0][0] == -gaps[1][0] > 0
    assert gaps[None] == gaps[1]


def test_compas_rates_are_the_published_ones() -> None:
    published = {
        "African-American": (0.4485, 0.2799),
        "Caucasian": (0.2345, 0.4772),
        "Hispanic": (0.2148, 0.5560),
        "Other": (0.1475, 0.6767),
        "Asian": (0.0870, 0.3333),
        "Native American": (0.3750, 0.1000),
    }
    lines = [check("group_gap", {"at_most": 0.15}, metric=m) for m in ("false_positive_rate", "false_negative_rate")]
    findings = auditor.audit(compas(), policy(*lines))
    for group, rates in published.items():
        mine = [f for f in findings if f.group == group]
        assert [round(float(f.teacher or 0), 4) for f in mine] == list(rates)
        few = {True: "INSUFFICIENT"}
        small = group in {"Asian", "Native American"}
        assert all((f.outcome == few.get(small, f.outcome)) and (small or f.outcome != "INSUFFICIENT") for f in mine)


def test_fairlearn_values_of_compas() -> None:
    values = {row["metric"]: row for row in auditor.fairlearn_values(compas()) if "group" not in row}
    assert values["demographic_parity_difference"]["teacher"] == pytest.approx(0.457118, abs=5e-7)
    assert values["demographic_parity_ratio"]["teacher"] == pytest.approx(0.314324, abs=5e-7)
    assert values["equalized_odds_difference"]["student"] == pytest.approx(0.576692, abs=5e-7)
    two = auditor.fairlearn_values(compas(("African-American", "Caucasian")))
    pair = {row["metric"]: row["student"] for row in two if "group" not in row}
    assert pair["demographic_parity_difference"] == pytest.approx(0.240200, abs=5e-7)
    assert pair["demographic_parity_ratio"] == pytest.approx(0.591638, abs=5e-7)
    assert pair["equalized_odds_difference"] == pytest.approx(0.213925, abs=5e-7)


def fairlearns_own(found: auditor.Evidence, who: str, metric: str, attribute: str, group: str | None) -> float:
    """What fairlearn says, asked row by row."""
    views = found.teacher if who == "teacher" else found.student
    y, decided = found.y == found.rated, views[found.split].decisions == found.rated
    groups, ask = found.groups[attribute], getattr(fairlearn.metrics, metric)
    if group is None:
        return float(ask(y, decided, sensitive_features=groups))
    frame = fairlearn.metrics.MetricFrame(metrics=ask, y_true=y, y_pred=decided, sensitive_features=groups)
    return float(frame.by_group[group])


@pytest.mark.parametrize("found", [simulated(2500, seed=4), simulated(311, seed=5, bias={"Black": 0.2}), compas()])
def test_our_points_are_fairlearns_to_the_last_digit(found: auditor.Evidence) -> None:
    theirs = {(r["metric"], r["attribute"], r.get("group")): r for r in auditor.fairlearn_values(found)}
    for (metric, attribute, group), row in theirs.items():
        for who in ("teacher", "student"):
            assert row[who] == fairlearns_own(found, who, metric, attribute, group)
    groups = sum(len(known) for known, _ in found.encoded.values())
    assert len(theirs) == 4 * (len(found.groups) + groups)
    lines = tuple(check("group_gap", metric=metric) for metric in METRICS[:4])
    seen = 0
    for f in auditor.audit(found, policy(report=lines)):
        if f.check == "group_gap" and f.group is not None:
            row = theirs[str(f.options["metric"]), str(f.options["attribute"]), f.group]
            assert (f.teacher, f.student, f.denominator) == (row["teacher"], row["student"], row["denominator"])
            seen += 1
    # Two groups are one contrast.
    assert seen == 4 * sum(len(known) if len(known) > 2 else 1 for known, _ in found.encoded.values())


def test_no_rate_is_made_up_where_none_is_defined() -> None:
    y = np.array([0] * 50 + [0, 1] * 25)
    nobody = auditor.fairlearn_values(evidence(y, 0 * y, 0 * y, {"sex": ["F"] * 50 + ["M"] * 50}))
    ratio = next(r for r in nobody if r["metric"] == "demographic_parity_ratio")
    assert (ratio["teacher"], ratio["reason"]) == (None, "no group is selected")


def test_fairlearn_is_not_asked_where_a_rate_is_undefined() -> None:
    y = np.array([0] * 50 + [0, 1] * 25)
    found = evidence(y, y, y, {"sex": ["F"] * 50 + ["M"] * 50})
    rows = auditor.fairlearn_values(found)
    odds = next(r for r in rows if r["metric"] == "equalized_odds_difference")
    assert odds["teacher"] is None
    assert "label" in odds["reason"]
    miss = next(r for r in rows if r["metric"] == "true_positive_rate" and r["group"] == "F")
    assert (miss["student"], miss["denominator"]) == (None, 0)


def test_a_constant_student_is_caught() -> None:
    random = np.random.default_rng(1)
    y = random.integers(0, 2, 600)
    found = evidence(y, y, np.zeros(600), {"sex": random.choice(["F", "M"], 600)})
    limits = {"grows_by_at_most": 0.02}
    findings = auditor.audit(found, policy(check("group_gap", limits, metric="false_positive_rate")))
    collapse = next(f for f in findings if f.check == "class_collapse")
    assert collapse.required
    assert collapse.outcome == "FAIL"
    assert "one class only" in collapse.note


def test_a_lost_class_of_several_is_named() -> None:
    y = np.repeat([0, 1, 2], 100)
    student = np.where(y == 2, 1, y)
    found = evidence(y, y, student, classes=("a", "b", "c"))
    collapse = auditor.audit(found, policy())[-1]
    assert collapse.outcome == "FAIL"
    assert collapse.details["collapsed"] == ["c"]


def test_a_class_that_the_teacher_never_predicts_is_not_the_students_fault() -> None:
    y = np.repeat([0, 1, 2], 100)
    teacher = np.where(y == 2, 1, y)
    assert auditor.audit(evidence(y, teacher, teacher, classes=("a", "b", "c")), policy())[-1].outcome == "PASS"


def test_churn_is_split_into_good_bad_and_neutral() -> None:
    y = [0, 0, 1, 1, 2, 2]
    teacher = [0, 1, 1, 0, 0, 2]
    student = [0, 0, 0, 1, 1, 2]
    found = evidence(y, teacher, student, classes=("a", "b", "c"))
    churn = next(f for f in auditor.audit(found, policy(report=(check("churn"),))) if f.check == "churn")
    assert churn.estimate == pytest.approx(4 / 6)
    assert {k: churn.details[k] for k in ("good", "bad", "neutral", "unnecessary")} == {
        "good": 2,
        "bad": 1,
        "neutral": 1,
        "unnecessary": 3,
    }


def test_impact_ratio_of_local_law_144() -> None:
    """Counts of our own in the shape of the LL144 rule: selection rates of four groups over the highest."""
    selected = {"A": (1390, 667), "B": (822, 227), "C": (345, 113), "D": (210, 74)}
    decided = np.concatenate([np.repeat([1, 0], [k, n - k]) for n, k in selected.values()])
    group = np.repeat(list(selected), [n for n, _ in selected.values()])
    found = evidence(decided, decided, decided, {"group": group})
    findings = [f for f in auditor.audit(found, policy(report=(check("impact_ratio"),))) if f.check == "impact_ratio"]
    top = 667 / 1390
    for f in findings:
        n, k = selected[str(f.group)]
        assert f.estimate == pytest.approx(k / n / top)
        assert f.details["four_fifths"] is (k / n / top < 0.8)
        assert f.outcome == "REPORTED"


RATED = (
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
    "false_negative_rate",
    "positive_predictive_value",
)


@pytest.mark.parametrize("metric", RATED)
def test_a_rate_of_each_class_is_sklearns_one_against_the_rest(metric: str) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    random, classes = np.random.default_rng(12), ("blue", "green", "red")
    race = random.choice(["Black", "Other", "White"], 900).astype(object)
    y, teacher, student = (random.integers(0, 3, 900) for _ in range(3))
    found = evidence(y, teacher, student, {"race": race}, classes=classes, positive=None, favourable=1)
    asked = [check("group_gap", metric=metric, attribute="race", of=of) for of in classes]
    findings = {f.id: f for f in auditor.audit(found, policy(report=tuple(asked)))}
    for code, of in enumerate(classes):
        for group in ("Black", "Other", "White"):
            finding = findings[f"group_gap/{metric}/of:{of}/race={group}"]
            for decided, value in ((teacher, finding.teacher), (student, finding.student)):
                at = race == group
                tables = sklearn.multilabel_confusion_matrix(y[at], decided[at], labels=[0, 1, 2])
                (tn, fp), (fn, tp) = tables[code]
                expected = {
                    "selection_rate": (tp + fp) / at.sum(),
                    "true_positive_rate": tp / (tp + fn),
                    "false_positive_rate": fp / (fp + tn),
                    "false_negative_rate": fn / (fn + tp),
                    "positive_predictive_value": tp / (tp + fp),
                }[metric]
                assert value == pytest.approx(expected, abs=1e-12)
            # Of a class that nobody wants, more is worse: the sign of harm turns.
            assert finding.gap_student is not None
            assert finding.student is not None
            assert finding.student_reference is not None
            wanted = 1 if (metric == "false_negative_rate") == (of == "green") else -1
            gap = wanted * (finding.student - finding.student_reference)
            assert finding.gap_student == pytest.approx(gap, abs=1e-12)


def test_a_class_that_is_not_there_is_named() -> None:
    found = simulated(400)
    asked = check("group_gap", {"at_most": 0.1}, metric="selection_rate", attribute="sex", of="maybe")
    finding = auditor.audit(found, policy(asked))[0]
    assert (finding.outcome, finding.note) == ("NOT_APPLICABLE", "no class is called 'maybe': there are no, yes")
    with pytest.raises(SpecError, match="accuracy is of no class"):
        plugins.build("checks", "group_gap", {"metric": "accuracy", "of": "yes"})


def hired(selected: dict[str, tuple[int, int]], teacher: float = 1.0) -> auditor.Evidence:
    """Rows with (all, selected) by group; the teacher selects a ``teacher`` part of those."""
    decided = np.concatenate([np.repeat([1, 0], [k, n - k]) for n, k in selected.values()])
    before = np.concatenate([np.repeat([1, 0], [int(teacher * k), n - int(teacher * k)]) for n, k in selected.values()])
    group = np.repeat(list(selected), [n for n, _ in selected.values()])
    return evidence(decided, before, decided, {"group": group})


def ratios(found: auditor.Evidence, limit: float = 0.8, **more: Any) -> dict[str, Finding]:
    asked = check("impact_ratio", {"at_least": limit}, attribute="group", reference="A")
    return {f.id: f for f in auditor.audit(found, policy(asked, **more)) if f.check == "impact_ratio"}


def test_a_ratio_to_a_reference_is_decided_by_koopman() -> None:
    found = ratios(hired({"A": (1000, 500), "B": (1000, 480), "C": (1000, 250), "D": (100, 41), "E": (20, 9)}))
    outcomes = {name.removeprefix("impact_ratio/group:A="): f.outcome for name, f in found.items()}
    assert outcomes == {
        "B/at_least": "PASS",
        "C/at_least": "FAIL",
        "D/at_least": "INCONCLUSIVE",
        "E/at_least": "INSUFFICIENT",
    }
    passed = found["impact_ratio/group:A=B/at_least"]
    low, high = koopman(480, 1000, 500, 1000, 0.05)
    assert (passed.low, passed.high) == (pytest.approx(float(low)), pytest.approx(float(high)))
    assert (passed.estimate, passed.reference, passed.statement) == (pytest.approx(0.96), "A", "ratio > 0.8")
    assert passed.details["four_fifths"] is False
    assert found["impact_ratio/group:A=C/at_least"].details["four_fifths"] is True


def test_ids_and_statements_of_ratios_are_known_beforehand() -> None:
    asked = policy(check("impact_ratio", {"at_least": 0.8}, attribute="group", reference="A"))
    names = verdict.constraint_names(asked, {"group": ("A", "B", "C")})
    assert names[:2] == ("impact_ratio/group:A=B/at_least", "impact_ratio/group:A=C/at_least")
    assert verdict.count(asked, {"group": ("A", "B", "C")}) == 3
    found = hired({"A": (300, 150), "B": (300, 130), "C": (300, 60)})
    findings = auditor.audit(found, asked)
    assert set(names) == {f.id for f in findings if f.required}
    at = verdict.constraints(findings, names)
    assert at[0] < 0 < at[1]
    assert auditor.search_z(findings) < 0
    assert auditor.power(found, asked, 1.0) == 0.0
    better = hired({"A": (3000, 1500), "B": (3000, 1450), "C": (3000, 1400)})
    assert auditor.power(better, asked, 1.0) > 0.99


def test_what_is_missing_keeps_a_ratio_open() -> None:
    groups = {"A": (1000, 500), "B": (1000, 490), "": (100, 42), "C": (30, 15)}
    listed = ratios(hired(groups))
    assert set(listed) == {"impact_ratio/group:A=B/at_least", "impact_ratio/group:A=C/at_least"}
    judged = ratios(hired(groups), unknown="require")
    assert judged["impact_ratio/group:A=(unknown)/at_least"].outcome == "INCONCLUSIVE"
    capped = ratios(hired(groups), unknown_at_most=0.01)
    assert capped["impact_ratio/group:A=B/at_least"].outcome == "INCONCLUSIVE"
    assert "no known group" in capped["impact_ratio/group:A=B/at_least"].note
    tiny = ratios(hired(groups), exclude_below=0.02, because="too few to say")["impact_ratio/group:A=C/at_least"]
    assert (tiny.outcome, tiny.required, tiny.details["excluded"]) == ("REPORTED", False, ["C"])
    nobody = ratios(hired({"A": (100, 0), "B": (100, 10)}))["impact_ratio/group:A=B/at_least"]
    assert (nobody.outcome, nobody.estimate) == ("INSUFFICIENT", None)
    absent = {f.outcome for f in ratios(hired({"B": (100, 10), "C": (90, 10)})).values()}
    assert absent == {"NOT_APPLICABLE"}


def test_missing_groups_keep_a_rate_of_a_class_open() -> None:
    found = simulated(3000)
    race = found.groups["race"].copy()
    race[:200] = ""
    found = evidence(found.y, found.teacher["search"].decisions, found.student["search"].decisions, {"race": race})
    asked = check("group_gap", {"at_most": 0.3}, metric="selection_rate", attribute="race", of="no")

    def outcomes(**more: Any) -> dict[str, str]:
        return {str(f.group): f.outcome for f in auditor.audit(found, policy(asked, **more)) if f.check == "group_gap"}

    assert outcomes(unknown_at_most=0.5) == {"Black": "PASS", "Other": "PASS", "White": "PASS", "(unknown)": "REPORTED"}
    assert set(outcomes(unknown_at_most=0.05).values()) == {"INCONCLUSIVE", "REPORTED"}
    assert outcomes(unknown="require", unknown_at_most=0.5)["(unknown)"] == "PASS"
    left = outcomes(exclude_below=0.1, because="few", unknown_at_most=0.5)
    assert (left["Other"], left["White"]) == ("REPORTED", "PASS")


def test_intersections_are_groups_of_their_own() -> None:
    """Selection rates and impact ratios of sex × race, each intersection over the highest, from the definition."""
    random = np.random.default_rng(4)
    sex = random.choice(["Female", "Male", ""], 3000, p=[0.45, 0.5, 0.05]).astype(object)
    race = random.choice(["Black", "White"], 3000, p=[0.3, 0.7]).astype(object)
    name, both = crossed({"sex": sex, "race": race}, ["sex", "race"])
    decided = (random.random(3000) < np.where(both == "Female & Black", 0.3, 0.5)).astype(int)
    found = evidence(decided, decided, decided, {name: both})
    asked = policy(report=(check("impact_ratio", attribute="sex & race"),))
    findings = {f.group: f for f in auditor.audit(found, asked) if f.check == "impact_ratio"}
    rates = {
        f"{s} & {r}": decided[(sex == s) & (race == r)].mean() for s in ("Female", "Male") for r in ("Black", "White")
    }
    assert set(findings) == set(rates)
    for group, rate in rates.items():
        assert findings[group].estimate == pytest.approx(rate / max(rates.values()), abs=1e-12)
    assert findings["Female & Black"].details["four_fifths"] is True
    assert found.tables.sizes(name)[-1] == (sex == "").sum()


def test_calibration_in_the_large_by_group() -> None:
    found = simulated(800, seed=2)
    findings = auditor.audit(found, policy(report=(check("calibration"),)))
    women = next(f for f in findings if f.group == "Female")
    at = found.groups["sex"] == "Female"
    for views, value in ((found.teacher, women.teacher), (found.student, women.student)):
        assert value == pytest.approx(float(views["search"].scores[at, 1].mean() - found.y[at].mean()), abs=1e-6)
    assert women.estimate == pytest.approx(float(women.student or 0) - float(women.teacher or 0), abs=1e-12)
    assert 0 <= women.details["ece_student"] <= 1


def test_compas_has_the_published_number_of_rows() -> None:
    assert sum(sum(counts) for counts in COMPAS.values()) == len(compas().y) == 7214
