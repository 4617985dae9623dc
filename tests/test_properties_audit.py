"""What must hold whatever the data: Hypothesis looks for the exception."""

from dataclasses import replace

import numpy as np
from audit_rows import check, evidence, policy
from hypothesis import given, settings
from hypothesis import strategies as st

from autodistill import auditor, verdict
from autodistill.records import Finding
from autodistill.stats import LABELS, PairedGap, accounting, origins, paired_limits
from autodistill.stats.disparity import gap_upper, growth_upper

RULES = policy(
    check("accuracy_loss", {"at_most": 0.05}),
    check("worst_group_loss", {"at_most": 0.1}),
    check("group_gap", {"at_most": 0.25, "grows_by_at_most": 0.1}, metric="selection_rate"),
    check("group_gap", {"at_most": 0.3, "grows_by_at_most": 0.1}, metric="true_positive_rate"),
    report=(check("churn"), check("impact_ratio"), check("group_gap", metric="positive_predictive_value")),
    n_min=5,
)
QUICK = settings(max_examples=25, deadline=None, derandomize=True)
SLOW = settings(max_examples=12, deadline=None, derandomize=True)


@st.composite
def judged(draw: st.DrawFn) -> auditor.Evidence:
    n, groups = draw(st.integers(20, 400)), draw(st.integers(2, 4))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    y = (random.random(n) < draw(st.floats(0.1, 0.9))).astype(int)
    teacher = np.where(random.random(n) < draw(st.floats(0, 0.4)), 1 - y, y)
    student = np.where(random.random(n) < draw(st.floats(0, 0.4)), 1 - teacher, teacher)
    names = np.array([f"g{at}" for at in range(groups)], dtype=object)
    return evidence(y, teacher, student, {"group": names[random.integers(0, groups, n)]})


def parts(found: auditor.Evidence) -> tuple[np.ndarray, ...]:
    views = found.teacher["search"], found.student["search"]
    return found.y, *(view.decisions for view in views), found.groups["group"]


def plain(findings: tuple[Finding, ...]) -> list[Finding]:
    """Without what floating-point sums may move in the last digit."""

    def rounded(value: object) -> object:
        if isinstance(value, float):
            return round(value, 10) + 0.0
        if isinstance(value, dict):
            return {k: rounded(v) for k, v in value.items()}
        return [rounded(v) for v in value] if isinstance(value, list) else value

    numbers = ("estimate", "low", "high", "teacher", "student", "gap_teacher", "gap_student")
    return [
        replace(f, details=rounded(dict(f.details)), **{name: rounded(getattr(f, name)) for name in numbers})  # type: ignore[arg-type]
        for f in findings
    ]


@SLOW
@given(judged(), st.integers(0, 1000))
def test_reordering_rows_changes_nothing(found: auditor.Evidence, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(found.y))
    y, teacher, student, group = (part[order] for part in parts(found))
    assert plain(auditor.audit(evidence(y, teacher, student, {"group": group}), RULES)) == plain(
        auditor.audit(found, RULES)
    )


@SLOW
@given(judged(), st.permutations(["ä", "<b>", "z", "Ω 4"]))
def test_renaming_groups_changes_names_only(found: auditor.Evidence, names: list[str]) -> None:
    y, teacher, student, group = parts(found)
    new = dict(zip(sorted(set(group)), names, strict=False))
    renamed = auditor.audit(evidence(y, teacher, student, {"group": [new[g] for g in group]}), RULES)
    back = {v: k for k, v in new.items()}

    def key(f: Finding, names: dict[str, str]) -> tuple[object, ...]:
        group = None if f.group is None else names.get(f.group, f.group)
        # Two groups are one contrast, and which of both comes first is the alphabet's choice.
        group = "pair" if len(new) == 2 and f.check == "group_gap" else group
        return f.check, str(f.options.get("metric")), str(f.limit_kind), str(group), f.outcome, f.origin

    def numbers(f: Finding) -> tuple[float | None, ...]:
        return tuple(None if v is None else round(v, 10) for v in (f.estimate, f.low, f.high))

    def listed(findings: tuple[Finding, ...], names: dict[str, str]) -> list[tuple[object, ...]]:
        required = [f for f in findings if f.required and f.check != "worst_group_loss"]
        return sorted(((*key(f, names), *numbers(f)) for f in required), key=str)

    same = {g: g for g in new}
    assert listed(renamed, back) == listed(auditor.audit(found, RULES), same)
    assert verdict.judge(renamed).decision == verdict.judge(auditor.audit(found, RULES)).decision


@QUICK
@given(judged())
def test_equal_decisions_never_fail_and_change_nothing(found: auditor.Evidence) -> None:
    y, teacher, _, group = parts(found)
    # Absolute limits speak of the teacher's own gap, which equal decisions inherit.
    for f in auditor.audit(evidence(y, teacher, teacher, {"group": group}), RULES):
        if f.limit is not None and f.quantity in {"loss", "worst_loss", "gap_growth"}:
            assert f.outcome != "FAIL"
            assert f.estimate in {0.0, None}
            assert f.low in {0.0, None} or (f.quantity != "gap_growth" and f.low is not None and f.low < 0)
            assert f.origin in {None, "undetermined", "clear", "inherited"}


@QUICK
@given(judged(), st.integers(0, 1000))
def test_more_errors_never_turn_a_refusal_into_a_pass(found: auditor.Evidence, seed: int) -> None:
    y, teacher, student, group = parts(found)
    random = np.random.default_rng(seed)
    worse = np.where((student == y) & (random.random(len(y)) < 0.3), 1 - y, student)
    rules = policy(*RULES.require[:2], n_min=5)
    for before, after in zip(
        auditor.audit(found, rules),
        auditor.audit(evidence(y, teacher, worse, {"group": group}), rules),
        strict=True,
    ):
        if before.quantity in {"loss", "worst_loss"}:
            assert before.id == after.id
            assert not (before.outcome == "FAIL" and after.outcome == "PASS")
            assert before.high is None or (after.high is not None and after.high >= before.high - 1e-9)


cell = st.tuples(*(st.integers(0, 60),) * 4)


@QUICK
@given(cell, cell, st.integers(1, 20))
def test_harming_a_group_more_never_lowers_the_bounds(first: tuple[int, ...], rest: tuple[int, ...], more: int) -> None:
    """Rows that move from unharmed to harmed under the student, on the side that already grew."""
    group, other = (np.array(c, dtype=float).reshape(1, 2, 2) for c in (first, rest))
    moved = min(more, int(group[0, 0, 0]))
    worse = group.copy()
    worse[0, 0, 0] -= moved
    worse[0, 0, 1] += moved
    before, after = PairedGap(group, other, 1), PairedGap(worse, other, 1)
    for level in (0.05, 0.01):
        assert after.student_limits(level)[0][0] >= before.student_limits(level)[0][0] - 1e-9
        assert after.student_limits(level)[1][0] >= before.student_limits(level)[1][0] - 1e-9
        if before.student[0] >= 0 and before.change[0] >= 0:
            fails = min(before.student_limits(level)[0][0], before.change_limits(level)[0][0])
            passes = growth_upper(after, level)[0]
            assert not (fails > passes)


@QUICK
@given(cell, cell, st.floats(0.02, 0.3), st.floats(0.1, 0.9))
def test_at_most_one_label_and_bounds_in_order(
    first: tuple[int, ...], rest: tuple[int, ...], at_most: float, share: float
) -> None:
    gap = PairedGap(*(np.array(c, dtype=float).reshape(1, 2, 2) for c in (first, rest)), 1)
    limits = [gap.teacher_limits(0.025), gap.student_limits(0.025), gap.change_limits(0.025)]
    grows = share * at_most
    named = certified_labels(limits, at_most, grows)
    assert len(named) <= 1
    assert LABELS[int(origins(*limits, at_most, grows)[0])].split(" ")[0] == (next(iter(named), "undetermined"))
    for low, high in limits:
        assert low[0] <= high[0]
    assert gap_upper(gap, 0.01)[0] >= gap_upper(gap, 0.05)[0] - 1e-12
    assert growth_upper(gap, 0.01)[0] >= growth_upper(gap, 0.05)[0] - 1e-9


def certified_labels(limits: list[tuple[np.ndarray, np.ndarray]], tau: float, eps: float) -> set[str]:
    """AUDIT §4's partition, written out statement by statement for both sides."""
    named = set()
    (t, s, d) = ((float(low[0]), float(high[0])) for low, high in limits)
    if max(abs(t[0]), abs(t[1]), abs(s[0]), abs(s[1])) < tau:
        named.add("clear")
    for a in (1, -1):
        (tl, th), (sl, _), (dl, dh) = ((x if a > 0 else (-x[1], -x[0])) for x in (t, s, d))
        if -eps < dl and dh < eps and (sl >= tau or tl >= tau):
            named.add("inherited")
        if tl >= tau and dl > eps:
            named.add("amplified")
        if sl >= tau and th < tau and dl > eps:
            named.add("introduced")
        if tl >= tau and dh < -eps and sl > -tau:
            named.add("mitigated")
    return named


def test_the_accounting_adds_up_on_random_pairs() -> None:
    random = np.random.default_rng(0)
    teacher, student = random.uniform(-1, 1, (2, 100_000))
    inherited, grown, mitigated = accounting(teacher, student)
    assert np.allclose(inherited + grown, np.abs(student), atol=1e-15)
    assert np.allclose(inherited + mitigated, np.abs(teacher), atol=1e-15)
    assert min(inherited.min(), grown.min(), mitigated.min()) >= -1e-15
    crossed = teacher * student < 0
    assert np.allclose(inherited[crossed], 0, atol=1e-15)
    assert np.allclose(grown[crossed], np.abs(student)[crossed], atol=1e-15)


@QUICK
@given(st.integers(1, 3000), st.floats(0, 1), st.floats(0, 1), st.sampled_from([0.05, 0.01, 1e-4]))
def test_paired_limits_turn_with_the_question(n: int, first: float, second: float, level: float) -> None:
    b = int(first * n)
    c = int(second * (n - b))
    low, high = paired_limits(b, c, n, level)
    back = paired_limits(c, b, n, level)
    assert (float(low), float(high)) == (-float(back[1]), -float(back[0]))
    assert -1 <= float(low) <= (b - c) / n + 1e-12
    assert (b - c) / n - 1e-12 <= float(high) <= 1


@QUICK
@given(judged())
def test_a_verdict_is_never_better_than_its_findings(found: auditor.Evidence) -> None:
    findings = auditor.audit(found, RULES)
    judged_ = verdict.judge(findings)
    outcomes = {f.outcome for f in findings if f.required}
    assert (judged_.decision == "PASS") is (outcomes == {"PASS"})
    assert (judged_.decision == "FAIL") is ("FAIL" in outcomes)
    names = verdict.constraint_names(RULES, {"group": tuple(sorted(set(found.groups["group"])))})
    assert len(verdict.constraints(findings, names)) == len(names)
    for f in findings:
        if f.estimate is not None and f.low is not None and f.high is not None and f.check != "worst_group_loss":
            assert f.low - 1e-9 <= f.estimate <= f.high + 1e-9, f.id
