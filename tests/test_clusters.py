"""Rows that share clusters: less evidence than they look, by the same tests."""

from typing import Any

import numpy as np
import pytest
from audit_rows import check, evidence, policy, simulated

from autodistill import auditor
from autodistill.records import Finding, Policy, decode, encode
from autodistill.stats import paired_upper
from autodistill.stats.clustered import effect, influence, t_value

LIMIT = 0.05
ASKED = policy(
    check("accuracy_loss", {"at_most": LIMIT}),
    check("worst_group_loss", {"at_most": 0.1}, attribute="sex"),
    check("group_gap", {"at_most": 0.3, "grows_by_at_most": 0.1}, metric="selection_rate", attribute="sex"),
    check("group_gap", {"at_most": 0.3, "grows_by_at_most": 0.1}, metric="positive_predictive_value", attribute="sex"),
    check("group_gap", {"grows_by_at_most": 0.1}, metric="true_positive_rate", attribute="race"),
    check("impact_ratio", {"at_least": 0.2}, attribute="sex", reference="Male"),
    report=(check("churn", attribute="sex"), check("impact_ratio", attribute="race")),
)


def audited(found: auditor.Evidence, cluster: Any, asked: Policy = ASKED) -> dict[str, Finding]:
    fields = {name: getattr(found, name) for name in found.__dataclass_fields__} | {"cluster": cluster}
    return {f.id: f for f in auditor.audit(auditor.Evidence(**fields), asked)}


def repeated(found: auditor.Evidence, times: int) -> tuple[auditor.Evidence, np.ndarray]:
    """Every row ``times`` over, each row's copies one cluster."""
    at = np.repeat(np.arange(len(found.y)), times)
    teacher, student = (views[found.split].decisions[at] for views in (found.teacher, found.student))
    groups = {name: column[at] for name, column in found.groups.items()}
    return evidence(found.y[at], teacher, student, groups), at


def test_copies_of_rows_say_no_more_than_the_rows() -> None:
    found = simulated(6000, seed=3, flips=0.08)
    plain = audited(found, None)
    copies, cluster = repeated(found, 3)
    shared = audited(copies, cluster)
    assert set(plain) == set(shared)
    for name, one in plain.items():
        other = shared[name]
        assert one.estimate == pytest.approx(other.estimate, abs=1e-12), name
        if one.low is None or one.high is None or one.check == "class_collapse":
            continue
        # z becomes t of the clusters that carry the change: much alike where hundreds do. Where eight do the change has
        # no limits, and growth rests on the student's gap alone.
        width, reach = 0.35 if "race=Other" in name else 0.05, one.high - one.low
        assert one.high <= other.high <= one.high + width * reach, name
        assert one.low - width * reach <= other.low <= one.low, name


def test_every_count_check_is_decided_by_clusters() -> None:
    found = simulated(6000, seed=1, flips=0.05)
    findings = audited(found, found.row_ids // 6)
    for finding in findings.values():
        assert decode(encode(finding), Finding) == finding
    assert not [f.id for f in findings.values() if f.outcome == "NOT_APPLICABLE"]
    methods = {f.check: f.method for f in findings.values()}
    assert methods["accuracy_loss"] == "tango-guard-clusters"
    assert {methods["churn"], methods["class_collapse"]} == {"wilson-clusters", "counts"}
    assert findings["accuracy_loss/at_most"].details["clusters"] == 1000
    assert findings["accuracy_loss/at_most"].outcome == "PASS"


def test_order_and_names_of_clusters_change_nothing() -> None:
    found = simulated(3000, seed=5, flips=0.06)
    cluster = found.row_ids // 5
    one = audited(found, cluster)
    other = audited(found, np.array([f"patient {7919 * c % 601}" for c in cluster], dtype=object))
    for name, finding in one.items():
        assert finding.outcome == other[name].outcome, name
        assert finding.high is None or finding.high == pytest.approx(other[name].high, abs=1e-12), name


def test_few_clusters_are_insufficient_however_many_rows() -> None:
    found = simulated(6000, seed=2, flips=0.05)
    lax = policy(*ASKED.require, n_min=10)
    few = audited(found, found.row_ids % 19, lax)
    assert {f.outcome for f in few.values() if f.required and f.check != "class_collapse"} == {"INSUFFICIENT"}
    assert "fewer than 20" in few["accuracy_loss/at_most"].note
    assert "n_min" in audited(found, found.row_ids % 25)["accuracy_loss/at_most"].note


def test_changes_in_few_clusters_are_insufficient() -> None:
    y = np.tile([0, 1], 2000)
    student = y.copy()
    student[:160] = 1 - student[:160]
    sex = np.array(["Female", "Male"], dtype=object)[np.arange(4000) // 2 % 2]
    found = evidence(y, y, student, {"sex": sex})
    one = policy(check("accuracy_loss", {"at_most": 0.2}), check("worst_group_loss", {"at_most": 0.2}, attribute="sex"))
    assert {f.outcome for f in audited(found, None, one).values()} == {"PASS"}
    four = audited(found, np.arange(4000) // 40, one)
    assert four["accuracy_loss/at_most"].outcome == "INSUFFICIENT"
    assert "fewer than 10" in four["worst_group_loss/sex/at_most"].note
    assert four["accuracy_loss/at_most"].low is None


def test_a_cluster_that_spans_groups_widens_what_it_opposes() -> None:
    """In each cluster the women gain what the men lose: the change of the gap varies more than either side says."""
    random = np.random.default_rng(8)
    n, size = 6000, 20
    cluster = np.arange(n) // size
    sex = np.where(np.arange(n) % 2 == 0, "Female", "Male").astype(object)
    lean = random.choice([-1, 1], n // size)[cluster]
    teacher = random.integers(0, 2, n)
    flip = random.random(n) < 0.2
    student = np.where(flip, np.where((lean > 0) == (sex == "Male"), 1, 0), teacher)
    found = evidence(teacher, teacher, student, {"sex": sex})
    asked = policy(check("group_gap", {"grows_by_at_most": 0.1}, metric="selection_rate", attribute="sex"))
    name = "group_gap/selection_rate/sex=Female/grows_by_at_most"
    spanning = audited(found, cluster, asked)[name].details
    nested = audited(found, 2 * cluster + (sex == "Male"), asked)[name].details
    assert spanning["change"] == nested["change"]
    widths = [d["change_high"] - d["change_low"] for d in (spanning, nested)]
    assert widths[0] > 1.15 * widths[1]


def clustered_losses(
    random: np.random.Generator, draws: int, clusters: int, rows: int, alike: float
) -> tuple[np.ndarray, ...]:
    """b, c, n by cluster [draws, clusters]: a student at the limit, Dirichlet clusters with intraclass correlation
    ``alike``, log-normal sizes."""
    n = np.maximum(1, np.rint(random.lognormal(np.log(rows) - 0.5, 1.0, (draws, clusters)))).astype(int)
    worse, better = 0.075, 0.025
    shape = (1 - alike) / alike * np.array([worse, better, 1 - worse - better])
    rates = random.standard_gamma(shape, (draws, clusters, 3)) + 1e-12
    rates /= rates.sum(axis=-1, keepdims=True)
    b = random.binomial(n, rates[..., 0])
    c = random.binomial(n - b, np.clip(rates[..., 1] / (1 - rates[..., 0] + 1e-12), 0, 1))
    return b, c, n


@pytest.mark.parametrize(("clusters", "rows", "alike"), [(100, 10, 0.3), (40, 20, 0.1), (200, 5, 0.9)])
def test_naive_limits_pass_falsely_and_ours_do_not(clusters: int, rows: int, alike: float) -> None:
    draws = 700
    b, c, n = clustered_losses(np.random.default_rng(clusters), draws, clusters, rows, alike)
    sums = [part.sum(axis=1).astype(float) for part in (b, c, n)]
    naive = float((paired_upper(*sums, 0.05) < LIMIT).mean())
    passed = 0
    for at in range(draws):
        worse, better, total = (part[at].astype(float) for part in (b, c, n))
        size = total.sum()
        loss = (worse - better).sum() / size
        plain = ((worse + better).sum() / size - loss**2) / size
        found = effect([influence(worse - better, total, worse + better > 0)], [plain])
        if found.known[0]:
            upper = paired_upper(*(np.array([v[at]]) / found.deff for v in sums), found.level(0.05))
            passed += bool(upper[0] < LIMIT)
    assert naive > 0.12
    assert passed / draws <= 0.065


def test_effective_clusters_are_all_of_equal_ones_and_one_of_a_giant() -> None:
    equal = influence(np.array([1.0, -1.0] * 50), np.ones(100), np.ones(100, dtype=bool))
    assert equal.units == pytest.approx(100)
    assert equal.variance == pytest.approx(100 / 99 / 100)
    giant = influence(np.array([1000.0, *[0.0] * 99]), np.array([1000.0, *[10.0] * 99]), np.ones(100, dtype=bool))
    assert giant.units < 1.1
    assert float(t_value(0.05, 1e6)) == pytest.approx(1.6449, abs=1e-4)
    assert float(t_value(1e-300, 3)) == 30.0
