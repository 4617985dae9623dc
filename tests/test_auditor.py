"""Findings: outcomes, ids, what is small or missing, what more rows would do."""

import numpy as np
import pytest
from audit_rows import check, compas, evidence, policy, simulated

from autodistill import auditor, verdict
from autodistill.auditor.simulate import possible
from autodistill.errors import TableError
from autodistill.records import Dataset, Finding, decode, encode
from autodistill.stats import paired_limits, tango_z, z_value

LINES = (
    check("accuracy_loss", {"at_most": 0.015}),
    check("worst_group_loss", {"at_most": 0.04}),
    check("group_gap", {"at_most": 0.25, "grows_by_at_most": 0.10}, metric="true_positive_rate"),
    check("group_gap", {"at_most": 0.15, "grows_by_at_most": 0.05}, metric="false_positive_rate"),
)


def by_id(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    named = {f.id: f for f in findings}
    assert len(named) == len(findings)
    return named


def test_ids_are_known_before_any_row_is_read() -> None:
    rules = policy(*LINES)
    names = verdict.constraint_names(rules, {"sex": ("Female", "Male"), "race": ("Black", "Other", "White")})
    findings = auditor.audit(simulated(), rules)
    assert tuple(f.id for f in findings if f.required) == names
    assert "group_gap/false_positive_rate/race=Black/grows_by_at_most" in names
    assert "group_gap/true_positive_rate/sex=Female/at_most" in names
    assert names[-1] == "class_collapse"


def test_statements_count_tests_groups_and_directions() -> None:
    groups = {"sex": ("Female", "Male"), "race": ("Black", "Other", "White")}
    # loss 1; groups 2 + 3; two metrics × two limits × (1 + 3) contrasts × 2 directions; class_collapse 1
    assert verdict.count(policy(*LINES), groups) == 1 + 5 + 2 * 2 * 4 * 2 + 1


def test_the_loss_is_decided_by_the_score() -> None:
    found = simulated(3000, flips=0.02)
    finding = by_id(auditor.audit(found, policy(*LINES)))["accuracy_loss/at_most"]
    t, s = (views["search"].decisions == found.y for views in (found.teacher, found.student))
    b, c = int((t & ~s).sum()), int((~t & s).sum())
    assert (finding.details["b"], finding.details["c"]) == (b, c)
    assert finding.estimate == pytest.approx((b - c) / 3000)
    low, high = paired_limits(b, c, 3000, 0.05)
    assert (finding.low, finding.high) == pytest.approx((float(low), float(high)), abs=1e-12)
    for margin in (0.005, 0.01, 0.015, 0.02, 0.03):
        outcome = auditor.audit(found, policy(check("accuracy_loss", {"at_most": margin})))[0].outcome
        assert (outcome == "PASS") is bool(tango_z(b, c, 3000, margin) < -z_value(0.05))


def test_findings_survive_the_disk() -> None:
    findings = auditor.audit(simulated(900), policy(*LINES, report=(check("churn"), check("calibration"))))
    for finding in findings:
        assert decode(encode(finding), Finding) == finding


def test_a_gap_that_was_there_is_inherited_and_still_refused() -> None:
    """An unfair teacher, faithfully copied: the absolute limit fails, the growth passes, and it is no defence."""
    rules = policy(check("group_gap", {"at_most": 0.15, "grows_by_at_most": 0.05}, metric="false_positive_rate"))
    found = by_id(auditor.audit(compas(("African-American", "Caucasian")), rules))
    gap = found["group_gap/false_positive_rate/race=African-American/at_most"]
    growth = found["group_gap/false_positive_rate/race=African-American/grows_by_at_most"]
    assert (gap.outcome, growth.outcome) == ("FAIL", "PASS")
    assert (growth.estimate, growth.low, gap.origin, growth.origin) == (0.0, 0.0, "inherited", "inherited")
    assert gap.estimate == pytest.approx(0.4485 - 0.2345, abs=1e-4)
    assert verdict.judge(tuple(found.values())).decision == "FAIL"


def test_planted_amplification_is_found_and_named() -> None:
    rules = policy(check("group_gap", {"grows_by_at_most": 0.05}, metric="true_positive_rate"))
    found = by_id(auditor.audit(simulated(40_000, flips=0.01, bias={"Black": 0.35}), rules))
    grown = found["group_gap/true_positive_rate/race=Black/grows_by_at_most"]
    assert grown.outcome == "FAIL"
    assert grown.origin == "introduced"
    assert grown.gap_student is not None
    assert grown.gap_student > 0.2
    assert found["group_gap/true_positive_rate/sex=Female/grows_by_at_most"].outcome == "PASS"


def test_two_groups_are_one_contrast_and_unknown_is_listed_apart() -> None:
    found = simulated(2000)
    sex = found.groups["sex"].copy()
    sex[:40] = ""
    rules = policy(check("group_gap", {"grows_by_at_most": 0.05}, metric="selection_rate", attribute="sex"))
    findings = auditor.audit(
        evidence(found.y, found.teacher["search"].decisions, found.student["search"].decisions, {"sex": sex}), rules
    )
    gaps = [f for f in findings if f.check == "group_gap"]
    assert [(f.group, f.reference, f.required) for f in gaps] == [
        ("Female", "Male", True),
        ("(unknown)", None, False),
    ]
    assert gaps[1].rows == 40
    assert gaps[1].outcome == "REPORTED"
    assert gaps[0].rows + gaps[0].details["rows_reference"] == 1960


def test_too_many_unknown_decide_nothing() -> None:
    found = simulated(4000)
    sex = found.groups["sex"].copy()
    sex[:400] = ""
    judged = evidence(found.y, found.teacher["search"].decisions, found.student["search"].decisions, {"sex": sex})
    lines = (check("group_gap", {"at_most": 0.9}, metric="selection_rate"), check("worst_group_loss", {"at_most": 0.5}))
    for finding in auditor.audit(judged, policy(*lines)):
        if finding.required and finding.check != "class_collapse":
            assert finding.outcome == "INCONCLUSIVE"
            assert "no known group" in finding.note
    asked = auditor.audit(judged, policy(*lines, unknown="require", unknown_at_most=0.5))
    assert [f.group for f in asked if f.check == "group_gap"] == ["Female", "(unknown)"]
    assert {f.outcome for f in asked} == {"PASS"}


def test_a_group_without_positives_is_insufficient() -> None:
    y = np.array([0] * 200 + [0, 1] * 200)
    found = evidence(y, y, y, {"sex": ["F"] * 200 + ["M"] * 400})
    rules = policy(check("group_gap", {"at_most": 0.1, "grows_by_at_most": 0.05}, metric="true_positive_rate"))
    findings = [f for f in auditor.audit(found, rules) if f.check == "group_gap"]
    assert {f.outcome for f in findings} == {"INSUFFICIENT"}
    assert all(f.estimate is None and f.teacher is None and f.denominator == 0 and f.rows == 200 for f in findings)
    assert verdict.judge(findings).decision == "INCONCLUSIVE"


def test_leave_for_a_tiny_group_is_named() -> None:
    rules = {"exclude_below": 0.02, "because": "18 people"}
    lines = (
        check("group_gap", {"grows_by_at_most": 0.05}, metric="false_positive_rate"),
        check("worst_group_loss", {"at_most": 0.02}),
    )
    blocked = auditor.audit(compas(), policy(*lines))
    assert {f.group for f in blocked if f.outcome == "INSUFFICIENT"} >= {"Asian", "Native American"}
    free = auditor.audit(compas(), policy(*lines, **rules))
    tiny = [f for f in free if f.group in {"Asian", "Native American"}]
    assert tiny
    assert not any(f.required for f in tiny)
    assert all(f.teacher is not None and f.rows for f in tiny)
    judged = verdict.judge(free)
    assert judged.decision == "PASS"
    assert "race Asian and race Native American" in judged.sentence


def test_a_small_reference_gives_no_leave() -> None:
    """Else a policy whose own reference is rare would require nothing of the large groups."""
    sex = ["F"] * 1000 + ["M"] * 1000 + ["X"] * 20
    y = np.resize([0, 1], len(sex))
    leave = {"exclude_below": 0.05, "because": "few"}
    for one in (
        check("group_gap", {"at_most": 0.5}, metric="accuracy", reference="X"),
        check("impact_ratio", {"at_least": 0.5}, reference="X"),
    ):
        found = [f for f in auditor.audit(evidence(y, y, y, {"sex": sex}), policy(one, **leave)) if f.group is not None]
        assert [(f.group, f.outcome, f.required) for f in found] == [
            ("F", "INSUFFICIENT", True),
            ("M", "INSUFFICIENT", True),
        ]
    # Of two groups without a reference the small one is named, whichever comes first.
    lines = check("group_gap", {"at_most": 0.5}, metric="accuracy")
    two = auditor.audit(evidence(y[980:], y[980:], y[980:], {"sex": sex[:20] + sex[1000:2000] + [""] * 20}),
                        policy(lines, **leave))  # fmt: skip
    other = auditor.audit(evidence(y[980:], y[980:], y[980:], {"sex": ["Z"] * 20 + sex[1000:2000] + [""] * 20}),
                          policy(lines, **leave))  # fmt: skip
    assert [f.details["excluded"] for found in (two, other) for f in found if f.check == "group_gap" and f.limit] == [
        ["F"],
        ["Z"],
    ]


def test_what_does_not_apply_says_why() -> None:
    rules = policy(*LINES, check("group_gap", {"at_most": 0.1}, metric="error", attribute="age"))
    plain = evidence([0, 1] * 50, [0, 1] * 50, [0, 1] * 50)
    missing = [f for f in auditor.audit(plain, rules) if f.outcome == "NOT_APPLICABLE"]
    assert {f.id for f in missing} >= {"worst_group_loss/at_most", "group_gap/error/age/at_most"}
    assert all(f.note and f.required for f in missing)
    alone = evidence([0, 1] * 50, [0, 1] * 50, [0, 1] * 50, {"sex": ["F"] * 100})
    gap = by_id(auditor.audit(alone, policy(LINES[2])))["group_gap/true_positive_rate/sex/at_most"]
    assert (gap.outcome, gap.note) == ("NOT_APPLICABLE", "fewer than two known groups")
    unnamed = evidence([0, 1, 2] * 50, [0, 1, 2] * 50, [0, 1, 2] * 50, {"sex": ["F", "M"] * 75}, classes=tuple("abc"))
    free = auditor.Evidence(**{**vars_of(unnamed), "positive": None, "favourable": None})
    assert {f.outcome for f in auditor.audit(free, policy(LINES[2])) if f.limit} == {"NOT_APPLICABLE"}
    assert verdict.judge(missing).decision == "INCONCLUSIVE"


def vars_of(found: auditor.Evidence) -> dict[str, object]:
    return {name: getattr(found, name) for name in found.__dataclass_fields__}


def test_regression_is_not_counted() -> None:
    found = simulated(100)
    judged = auditor.Evidence(**{**vars_of(found), "classes": (), "positive": None, "favourable": None})
    assert {f.outcome for f in auditor.audit(judged, policy(*LINES))} == {"NOT_APPLICABLE"}
    assert auditor.power(judged, policy(*LINES), 1.0) == 0.0


def test_simulated_tables_hold_only_what_rows_can_hold() -> None:
    random = np.random.default_rng(2)
    for classes in (("no", "yes"), ("a", "b", "c", "d")):
        y, teacher, student = random.integers(0, len(classes), (3, 5000))
        seen = evidence(y, teacher, student, classes=classes).tables.cells.sum(axis=0).reshape(2, 16)
        for label in (0, 1):
            assert np.array_equal(np.flatnonzero(seen[label]), possible(label, len(classes)))


def test_misaligned_rows_are_refused() -> None:
    found = simulated(50)
    with pytest.raises(TableError, match="other rows"):
        auditor.Evidence(**{**vars_of(found), "row_ids": np.arange(1, 51)})
    with pytest.raises(TableError, match="missing"):
        auditor.Evidence(**{**vars_of(found), "student": {}})
    with pytest.raises(TableError, match="sex has 3 rows"):
        auditor.Evidence(**{**vars_of(found), "groups": {"sex": np.array(["a", "b", ""], dtype=object)}})


def test_fail_is_corrected_for_all_statements() -> None:
    found = simulated(4000, flips=0.06)
    alone = auditor.audit(found, policy(LINES[0]), statements=1)[0]
    shared = auditor.audit(found, policy(LINES[0]), statements=10_000_000)[0]
    assert alone.outcome == "FAIL"
    assert shared.details["fail_low"] < alone.details["fail_low"]
    assert (shared.low, shared.high) == (alone.low, alone.high)


def test_a_reference_of_the_policys_own() -> None:
    line = check("group_gap", {"at_most": 0.3}, metric="selection_rate", attribute="race", reference="White")
    findings = [f for f in auditor.audit(simulated(), policy(line)) if f.limit is not None]
    assert [(f.group, f.reference) for f in findings] == [("Black", "White"), ("Other", "White")]
    wrong = check("group_gap", {"at_most": 0.3}, metric="selection_rate", attribute="race", reference="Blue")
    assert auditor.audit(simulated(), policy(wrong))[0].note == "the reference 'Blue' is not a group"


def test_rows_needed_have_the_power_they_promise() -> None:
    """Drawn afresh at the predicted size, the test passes in about 80 % of splits."""
    found = simulated(1200, seed=9, flips=0.03)
    rules = policy(check("accuracy_loss", {"at_most": 0.03}))
    finding = auditor.audit(found, rules, rows_needed=True)[0]
    assert finding.outcome == "INCONCLUSIVE"
    assert finding.rows_needed is not None
    n, b, c = finding.rows_needed, finding.details["b"] + 0.5, finding.details["c"] + 0.5
    random = np.random.default_rng(77)
    cells = random.multinomial(n, np.array([b, c, 1202 - b - c]) / 1202, size=4000)
    passed = float((tango_z(cells[:, 0], cells[:, 1], n, 0.03) < -z_value(0.05)).mean())
    assert passed == pytest.approx(0.8, abs=0.03)


def test_rows_needed_are_none_where_the_data_lean_the_other_way() -> None:
    found = simulated(400, seed=1, flips=0.05)
    finding = auditor.audit(found, policy(check("accuracy_loss", {"at_most": 0.03})), rows_needed=True)[0]
    assert (finding.outcome, finding.rows_needed) == ("INCONCLUSIVE", None)
    assert "lean towards a FAIL" in finding.note


def test_rows_needed_of_a_group_are_rows_of_that_group() -> None:
    rules = policy(check("group_gap", {"grows_by_at_most": 0.05}, metric="true_positive_rate"))
    findings = auditor.audit(simulated(1500, seed=3), rules, rows_needed=True)
    open_ = [f for f in findings if f.outcome == "INCONCLUSIVE" and f.rows_needed]
    assert open_
    assert all(f.rows < (f.rows_needed or 0) < 50 * f.rows for f in open_)


def test_power_rises_with_rows_and_falls_with_the_level() -> None:
    found, rules = simulated(2000, flips=0.008), policy(*LINES)
    small, same, large = (auditor.power(found, rules, scale) for scale in (0.3, 1.0, 6.0))
    assert small <= same < large
    assert large > 0.9
    assert auditor.power(found, rules, 1.0, level=0.001) < same
    assert auditor.power(found, rules, 2.0) == auditor.power(found, rules, 2.0)


def test_predicted_power_is_what_fresh_splits_show() -> None:
    rules = policy(check("accuracy_loss", {"at_most": 0.02}))
    predicted = auditor.power(simulated(20_000, seed=0, flips=0.03), rules, 0.1)
    fresh = [auditor.audit(simulated(2000, seed=s, flips=0.03), rules)[0].outcome == "PASS" for s in range(1, 200)]
    assert predicted == pytest.approx(float(np.mean(fresh)), abs=0.16)


def test_search_z_is_the_worst_tests_distance() -> None:
    found = simulated(6000, flips=0.02)
    rules = policy(*LINES)
    findings = auditor.audit(found, rules)
    z = auditor.search_z(findings)
    passes = all(f.outcome == "PASS" for f in findings if f.required)
    assert (z > float(z_value(0.05))) is passes
    assert auditor.search_z(auditor.audit(simulated(6000, flips=0.001), rules)) > z
    constant = evidence(found.y, found.y, np.zeros(6000), found.groups)
    assert auditor.search_z(auditor.audit(constant, rules)) == -np.inf


def dataset(found: auditor.Evidence) -> Dataset:
    return Dataset(
        features={},
        y=found.y,
        classes=found.classes,
        positive=found.positive,
        favourable=found.favourable,
        groups=found.groups,
        row_ids=found.row_ids,
        splits={"audit": np.arange(0, len(found.y), 2)},
        digests={},
        row_digests=found.row_ids,
        leakage={},
    )


def test_what_a_split_can_certify_is_said_beforehand() -> None:
    found = simulated(12_000)
    records = auditor.certifiable(policy(*LINES), dataset(found))
    named = {r.id: r for r in records}
    loss = named["accuracy_loss/at_most"]
    expected = paired_limits(0.025 * 6000, 0.025 * 6000, 6000, 0.05)[1]
    assert loss.margin == pytest.approx(float(expected), abs=1e-9)
    assert loss.denominator == 6000
    gap = named["group_gap/true_positive_rate/race=Black/grows_by_at_most"]
    at = found.groups["race"][::2] == "Black"
    assert gap.denominator == int(((found.y[::2] == 1) & at).sum())
    for record in records[:-1]:
        assert record.limit is not None
        assert record.margin is not None
        # At the smallest margin of expected counts about half of all splits pass.
        assert (record.power > 0.5) is (record.margin < record.limit) or abs(record.power - 0.5) < 0.15
        assert record.reach is not None
        assert (record.power >= 0.9) is (record.reach < record.limit)
    assert records[-1].id == "all"
    assert records[-1].power <= min(r.power for r in records[:-1]) + 1e-12


def test_a_small_audit_split_says_that_it_is_too_small() -> None:
    records = auditor.certifiable(policy(*LINES), dataset(simulated(120)))
    few = [r for r in records if "INSUFFICIENT" in r.note]
    assert few
    assert all(r.power == 0 for r in few)


def test_false_pass_of_a_whole_candidate_at_one_margin() -> None:
    """A student exactly at the margin of the loss passes the audit in at most 5 % + 1 point of splits."""
    rules = policy(check("accuracy_loss", {"at_most": 0.02}))
    random = np.random.default_rng(12)
    y = np.zeros(600, dtype=np.int64)
    y[:200] = 1
    passed = 0
    for _ in range(300):
        case = random.choice(4, 600, p=[0.83, 0.03, 0.01, 0.13])  # both right, only teacher, only student, both wrong
        teacher, student = np.where(case <= 1, y, 1 - y), np.where((case == 0) | (case == 2), y, 1 - y)
        passed += auditor.audit(evidence(y, teacher, student), rules)[0].outcome == "PASS"
    assert passed / 300 <= 0.06 + 2 * np.sqrt(0.05 * 0.95 / 300)
