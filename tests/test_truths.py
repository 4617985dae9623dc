"""The truths of AUDIT §10 that need rows and the whole auditor; the rest is tested where its subject lives:

false pass and coverage, worst cells: tests/test_stats.py (exact, small), benchmarks/audit_validity.py (all) ·
published counts of COMPAS and fairlearn's values: tests/test_checks.py · Wilson, Newcombe, Katz, McNemar against
statsmodels and Tango's interval: tests/test_stats.py · renaming groups, reordering rows, equal decisions, the
accounting identity on any table: tests/test_properties_audit.py · familywise error of ordered tests:
tests/test_verdict.py · the search cannot read an audit finding: tests/test_search.py, tests/test_multiplicity.py.
"""

from collections.abc import Mapping
from dataclasses import replace

import fairlearn.metrics as fair
import numpy as np
import pytest
from audit_rows import COMPAS, check, compas, evidence, policy, simulated
from hypothesis import given, settings
from hypothesis import strategies as st

from autodistill import auditor, verdict
from autodistill.records import Finding
from autodistill.stats import accounting

GROWTH = policy(check("group_gap", {"grows_by_at_most": 0.05}, metric="selection_rate"))
BOTH = policy(check("group_gap", {"at_most": 0.15, "grows_by_at_most": 0.05}, metric="selection_rate"))


def drawn(
    random: np.random.Generator, rates: Mapping[str, tuple[int, float, float]], flips: float = 0.01
) -> auditor.Evidence:
    """Rows of each group: name -> (rows, teacher's share, student's share); they differ no more than they must."""
    teacher, student, group = [], [], []
    for name, (n, t, s) in rates.items():
        number = random.random(n)
        moved = random.random(n) < flips
        teacher.append(number < t)
        student.append(np.where(moved, random.random(n), number) < s)
        group += [name] * n
    y = (random.random(len(group)) < 0.5).astype(int)
    return evidence(y, np.concatenate(teacher), np.concatenate(student), {"g": group})


def gap(findings: tuple[Finding, ...], group: str, kind: str = "grows_by_at_most") -> Finding:
    return next(f for f in findings if f.check == "group_gap" and f.group == group and f.limit_kind == kind)


@pytest.mark.parametrize("names", [tuple(COMPAS), ("African-American", "Caucasian")])
def test_compas_against_fairlearn_itself(names: tuple[str, ...]) -> None:
    """fairlearn's own functions on the rebuilt rows, to the last digit, and the figures that AUDIT prints."""
    found = compas(names)
    printed = dict(zip((6, 2), ((0.457118, 0.314324, 0.576692), (0.240200, 0.591638, 0.213925)), strict=True))
    ours = {row["metric"]: row["teacher"] for row in auditor.fairlearn_values(found) if "group" not in row}
    metrics = (fair.demographic_parity_difference, fair.demographic_parity_ratio, fair.equalized_odds_difference)
    for metric, published in zip(metrics, printed[len(names)], strict=True):
        theirs = metric(found.y, found.teacher["search"].decisions, sensitive_features=found.groups["race"])
        assert ours[metric.__name__] == theirs
        assert round(theirs, 6) == published


def test_the_example_of_local_law_144() -> None:
    """The rule's own tables (6 RCNY § 5-301): applicants, selected, and the ratio that is printed beside them."""
    sex = {"Male": (1390, 667, 1.0), "Female": (1181, 555, 0.979)}
    race = {
        "Hispanic or Latino": (408, 204, 0.97),
        "White": (797, 412, 1.0),
        "Black or African American": (390, 170, 0.84),
        "Native Hawaiian or Pacific Islander": (119, 52, 0.85),
        "Asian": (616, 302, 0.95),
        "Native American or Alaska Native": (41, 18, 0.85),
        "Two or More Races": (213, 96, 0.87),
    }
    for table, digits in ((sex, 3), (race, 2)):
        decided = np.concatenate([np.repeat([1, 0], [k, n - k]) for n, k, _ in table.values()])
        group = np.repeat(list(table), [n for n, _, _ in table.values()])
        found = evidence(decided, decided, decided, {"group": group})
        findings = auditor.audit(found, policy(report=(check("impact_ratio"),)))
        ratios = {f.group: f.estimate for f in findings if f.check == "impact_ratio" and f.estimate is not None}
        assert {str(name): round(value, digits) for name, value in ratios.items()} == {
            name: ratio for name, (_, _, ratio) in table.items()
        }


@pytest.mark.parametrize(("limit", "change", "growth"), [(0.05, (59, 84), (63, 90)), (0.02, (149, 211), (160, 226))])
def test_equal_decisions_pass_only_from_so_many_rows(
    limit: float, change: tuple[int, int], growth: tuple[int, int]
) -> None:
    """AUDIT §4 through the whole auditor, against a reference without end and against one as large: so many rows for
    |D| < ``limit`` at α, and a few more for growth, which spends 0.8 α on the change."""
    rules = policy(check("group_gap", {"grows_by_at_most": limit}, metric="accuracy"))

    def audited(n: int, rest: int) -> Finding:
        said = np.arange(n + rest) % 2
        found = evidence(np.zeros(n + rest), said, said, {"g": ["a"] * n + ["b"] * rest})
        return gap(auditor.audit(found, rules), "a")

    for at, rest in ((0, 200_000), (1, 0)):
        for n, certain in ((change[at], True), (change[at] - 1, False)):
            f = audited(n, rest or n)
            assert (max(-f.details["change_low"], f.details["change_high"]) < limit) is certain
            assert (f.estimate, f.low, f.details["change"]) == (0.0, 0.0, 0.0)
        outcomes = [audited(n, rest or n).outcome for n in (30, change[at] - 1, growth[at] - 1, growth[at])]
        assert outcomes == ["INCONCLUSIVE"] * 3 + ["PASS"]


def test_a_reversal_never_passes_and_is_called_one() -> None:
    random = np.random.default_rng(1)
    labels = []
    for n in (40, 100, 300, 300, 300, 1000):
        for _ in range(10):
            found = drawn(random, {"a": (n, 0.65, 0.15), "b": (n, 0.4, 0.4), "c": (2 * n, 0.4, 0.4)})
            for rules in (BOTH, GROWTH):
                grown = [f for f in auditor.audit(found, rules) if f.group == "a" and f.limit is not None]
                assert not any(f.outcome == "PASS" for f in grown)
            if n >= 300:
                labels.append(gap(auditor.audit(found, BOTH), "a").origin)
    named = labels.count("introduced (reversed)") / len(labels)
    assert named > 0.8
    assert set(labels) <= {"introduced", "introduced (reversed)", "undetermined"}


def test_a_new_gap_of_the_limits_size_rarely_passes() -> None:
    """Teacher's gap 0, student's ε: at most 5 % + 1 point (and three standard errors of 400 draws)."""
    random, passed = np.random.default_rng(2), 0
    for _ in range(400):
        found = drawn(random, {"a": (300, 0.35, 0.30), "b": (900, 0.35, 0.35)})
        passed += gap(auditor.audit(found, GROWTH), "a").outcome == "PASS"
    assert passed / 400 <= 0.06 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_planted_amplification_in_one_group_is_found_and_named() -> None:
    """Of six groups one was worse off by 20 points and is by 35; the others are not blamed for it."""
    random = np.random.default_rng(3)
    rates = {f"g{k}": (3000, 0.4, 0.4) for k in range(5)} | {"z": (3000, 0.2, 0.05)}
    findings = auditor.audit(drawn(random, rates), BOTH)
    planted = gap(findings, "z")
    assert (planted.outcome, planted.origin) == ("FAIL", "amplified")
    assert planted.gap_student == pytest.approx(0.35, abs=0.03)
    assert planted.details["grown"] == pytest.approx(0.15, abs=0.03)
    others = [gap(findings, f"g{k}") for k in range(5)]
    assert {f.outcome for f in others} == {"PASS"}
    assert not any(f.origin in {"amplified", "introduced"} for f in others)
    assert verdict.judge(findings).decision == "FAIL"


def test_planted_class_collapse_is_found_whatever_else_passes() -> None:
    """A rare class is never predicted any more: accuracy and gaps hardly move, the verdict is FAIL."""
    random = np.random.default_rng(4)
    y = random.choice(3, 6000, p=[0.6, 0.38, 0.02])
    group = random.choice(["a", "b"], 6000)
    found = evidence(y, y, np.where(y == 2, 0, y), {"g": group}, classes=("x", "y", "rare"))
    rules = policy(check("accuracy_loss", {"at_most": 0.05}), check("worst_group_loss", {"at_most": 0.05}))
    findings = auditor.audit(found, rules)
    assert {f.id: f.outcome for f in findings} == {
        "accuracy_loss/at_most": "PASS",
        "worst_group_loss/g/at_most": "PASS",
        "class_collapse": "FAIL",
    }
    assert findings[-1].details["collapsed"] == ["rare"]
    assert verdict.judge(findings).decision == "FAIL"


def test_groups_that_mean_nothing_are_not_called_introduced() -> None:
    """Names drawn at random have no gap: "introduced" in at most α of permutations, for every group."""
    random = np.random.default_rng(5)
    found = simulated(3000, seed=5, flips=0.1)
    y, teacher, student = found.y, found.teacher["search"].decisions, found.student["search"].decisions
    names = np.repeat(["a", "b", "c", "d"], [1800, 700, 400, 100]).astype(object)
    rules = policy(check("group_gap", {"at_most": 0.06, "grows_by_at_most": 0.02}, metric="selection_rate"))
    introduced = dict.fromkeys("abcd", 0)
    for _ in range(200):
        findings = auditor.audit(evidence(y, teacher, student, {"g": random.permutation(names)}), rules)
        for name in introduced:
            introduced[name] += "introduced" in str(gap(findings, name).origin)
    assert max(introduced.values()) / 200 <= 0.05


def test_names_and_order_of_rows_are_no_evidence() -> None:
    random = np.random.default_rng(6)
    found = simulated(1500, seed=6, bias={"Black": 0.1})
    order = random.permutation(1500)
    new = {"Black": "z", "Other": "m", "White": "a"}
    parts = (found.y, found.teacher["search"].decisions, found.student["search"].decisions)
    moved = evidence(*(part[order] for part in parts), {"race": [new[g] for g in found.groups["race"][order]]})
    plain = evidence(*parts, {"race": found.groups["race"]})

    def said(findings: tuple[Finding, ...], names: Mapping[str, str]) -> dict[object, object]:
        return {
            (names.get(str(f.group), ""), f.limit_kind): (
                f.outcome,
                f.origin,
                f.estimate,
                f.low,
                f.high,
                f.teacher,
                f.student,
            )
            for f in findings
            if f.check == "group_gap"
        }

    one, other = (auditor.audit(judged, BOTH) for judged in (plain, moved))
    assert said(one, {g: g for g in new}) == said(other, {v: k for k, v in new.items()})


def test_a_group_without_positives_is_insufficient_where_fairlearn_says_one() -> None:
    """A perfect classifier: fairlearn scores the undefined rate 0 and the difference 1, the audit says INSUFFICIENT."""
    y = np.array([0] * 100 + [0, 1] * 100)
    group = np.array(["a"] * 100 + ["b"] * 200, dtype=object)
    with np.errstate(all="ignore"):
        assert fair.equalized_odds_difference(y, y, sensitive_features=group) == 1.0
    rules = policy(check("group_gap", {"at_most": 0.1, "grows_by_at_most": 0.05}, metric="true_positive_rate"))
    findings = auditor.audit(evidence(y, y, y, {"g": group}), rules)
    assert {f.outcome for f in findings if f.check == "group_gap"} == {"INSUFFICIENT"}
    assert verdict.judge(findings).decision == "INCONCLUSIVE"


OUTCOMES = ("PASS", "INCONCLUSIVE", "INSUFFICIENT", "NOT_APPLICABLE", "FAIL")
WORSE = {"PASS": OUTCOMES[1:], "INCONCLUSIVE": ("FAIL",), "INSUFFICIENT": ("FAIL",), "NOT_APPLICABLE": ("FAIL",)}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=8), st.data())
def test_worsening_a_finding_never_helps(outcomes: list[str], data: st.DataObject) -> None:
    """FAIL stays FAIL, and nothing but PASS everywhere is a PASS."""
    ranks = {"FAIL": 0, "INCONCLUSIVE": 1, "PASS": 2}

    def judged(values: list[str]) -> int:
        base = Finding(
            id="x", check="c", split="audit", quantity="q", level=0.05, method="m", outcome="PASS", required=True
        )
        return ranks[verdict.judge([replace(base, id=str(k), outcome=v) for k, v in enumerate(values)]).decision]  # type: ignore[arg-type]

    at = data.draw(st.integers(0, len(outcomes) - 1))
    worse = list(outcomes)
    if outcomes[at] in WORSE:
        worse[at] = data.draw(st.sampled_from(WORSE[outcomes[at]]))
    assert judged(worse) <= judged(outcomes)


def test_harming_a_group_row_by_row_never_turns_fail_into_pass() -> None:
    """From no gap to a large one, a row at a time: once a limit is not passed it is never passed again."""
    n, rest = 400, 2000
    teacher = np.concatenate([np.arange(n) % 5 < 2, np.arange(rest) % 5 < 2]).astype(int)
    chosen = np.flatnonzero(teacher[:n])
    student = teacher.copy()
    order = {"PASS": 2, "INCONCLUSIVE": 1, "FAIL": 0}
    seen = []
    for step in range(0, len(chosen), 4):
        student[chosen[step : step + 4]] = 0
        found = evidence(teacher, teacher, student, {"g": ["a"] * n + ["b"] * rest})
        seen.append(order[gap(auditor.audit(found, GROWTH), "a").outcome])
    assert seen == sorted(seen, reverse=True)
    assert (seen[0], seen[-1]) == (2, 0)


def test_the_accounts_of_findings_add_up() -> None:
    """|u_S| = inherited + grown and |u_T| = inherited + mitigated: 100,000 random pairs, and every printed finding."""
    u = np.random.default_rng(7).uniform(-1, 1, (2, 100_000))
    inherited, grown, mitigated = accounting(*u)
    assert np.abs(inherited + grown - np.abs(u[1])).max() < 1e-15
    assert np.abs(inherited + mitigated - np.abs(u[0])).max() < 1e-15
    for f in auditor.audit(simulated(2000, seed=8, flips=0.1, bias={"Black": 0.2}), BOTH):
        if f.check == "group_gap":
            assert f.gap_student is not None
            assert f.gap_teacher is not None
            assert f.details["inherited"] + f.details["grown"] == pytest.approx(abs(f.gap_student), abs=1e-12)
            assert f.details["inherited"] + f.details["mitigated"] == pytest.approx(abs(f.gap_teacher), abs=1e-12)
