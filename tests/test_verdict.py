"""Findings to verdicts, constraints and order; the familywise error of ordered tests."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from audit_rows import check, meter, policy

from autodistill import verdict
from autodistill.records import Finding, Outcome, Reading
from autodistill.report import sentence


def finding(outcome: Outcome, **more: Any) -> Finding:
    values: dict[str, Any] = {"id": f"accuracy_loss/{outcome}", "check": "accuracy_loss", "split": "audit"}
    values |= {"quantity": "loss", "level": 0.05, "method": "tango-guard", "required": True, "estimate": 0.01}
    values |= {"limit": 0.02, "limit_kind": "at_most"} | more
    return Finding(outcome=outcome, **values)


def reading(value: float | None, low: float | None = None, high: float | None = None, **more: Any) -> Reading:
    return Reading(
        **({"quantity": "latency", "unit": "us", "method": "p10", "low": low, "high": high} | more), value=value
    )


@pytest.mark.parametrize(
    ("outcomes", "decision"),
    [
        (("PASS", "PASS"), "PASS"),
        (("PASS", "FAIL", "INCONCLUSIVE"), "FAIL"),
        (("PASS", "INCONCLUSIVE"), "INCONCLUSIVE"),
        (("PASS", "INSUFFICIENT"), "INCONCLUSIVE"),
        (("PASS", "NOT_APPLICABLE"), "INCONCLUSIVE"),
        ((), "INCONCLUSIVE"),
    ],
)
def test_a_verdict_is_the_worst_of_what_is_required(outcomes: tuple[Outcome, ...], decision: str) -> None:
    shown = finding("FAIL", required=False, id="shown")
    judged = verdict.judge([*(finding(outcome) for outcome in outcomes), shown])
    assert judged.decision == decision
    assert "shown" not in judged.because
    assert judged.sentence.endswith(".")


def test_the_sentence_is_in_plain_words() -> None:
    options = {"metric": "true_positive_rate", "attribute": "race"}
    failed = finding("FAIL", check="group_gap", options=options, group="Black", estimate=0.31, limit=0.25)
    sentence = verdict.judge([failed, finding("PASS")]).sentence
    assert sentence == (
        "Refused: group gap (true positive rate) for race Black, 31.00 points against a limit of 25.00 points."
    )
    open_ = finding("INCONCLUSIVE", rows_needed=1234)
    assert "1,234 rows" in verdict.judge([open_]).sentence


def test_meters_against_the_teacher_use_the_interleaved_ratio() -> None:
    rules = policy(meter("latency", at_most_ratio=0.5), meter("size", at_most=200_000.0))
    size = reading(150_000, quantity="size", unit="B")
    teacher = {"latency": reading(100, 90, 110), "size": reading(9e6, quantity="size", unit="B")}
    ok = {"latency": reading(60, 55, 65), "latency_ratio": reading(0.4, 0.38, 0.42), "size": size}
    latency, bytes_ = verdict.meters(rules, ok, teacher)
    assert (latency.id, latency.outcome, latency.estimate) == ("latency/at_most_ratio", "PASS", 0.4)
    assert (bytes_.id, bytes_.outcome, bytes_.unit) == ("size/at_most", "PASS", "B")
    apart = {"latency": reading(40, 38, 44), "size": size}
    latency = verdict.meters(rules, apart, teacher)[0]
    assert (latency.estimate, latency.low, latency.high) == pytest.approx((0.4, 38 / 110, 44 / 90))
    assert latency.outcome == "PASS"
    assert verdict.meters(rules, apart | {"latency": reading(80, 75, 85)}, teacher)[0].outcome == "FAIL"


def test_a_reading_that_is_not_ok_is_widened_or_not_enough() -> None:
    rules = policy(meter("latency", at_most_ratio=0.5, at_most=100.0))
    readings = {"latency": reading(50, status="few_accepted"), "latency_ratio": reading(0.45, status="few_accepted")}
    absolute, ratio = verdict.meters(rules, readings, {})
    assert (ratio.low, ratio.high) == pytest.approx((0.45 / 1.15, 0.45 * 1.15))
    assert (absolute.outcome, ratio.outcome) == ("INCONCLUSIVE", "INCONCLUSIVE")
    closer = readings | {"latency_ratio": reading(0.4, status="few_accepted")}
    assert verdict.meters(rules, closer, {})[1].outcome == "PASS"


def test_a_missing_reading_has_its_reason() -> None:
    rules = policy(meter("energy", at_most=5.0))
    gone = reading(None, status="unavailable", reason="no counter on this machine")
    found = verdict.meters(rules, {"energy": gone}, {})[0]
    assert (found.outcome, found.note, found.estimate) == ("NOT_APPLICABLE", "no counter on this machine", None)
    assert verdict.meters(rules, {}, {})[0].note == "no reading of energy"
    modelled = {"energy_uJ.modelled": reading(4, quantity="energy", unit="uJ")}
    assert verdict.meters(rules, modelled, {})[0].outcome == "PASS"


def test_constraints_follow_their_names() -> None:
    rules = policy(meter("size", at_most=100.0), check("accuracy_loss", {"at_most": 0.02}))
    names = verdict.constraint_names(rules, {})
    assert names == ("size/at_most", "accuracy_loss/at_most", "class_collapse")
    loss = finding("PASS", id=names[1], estimate=0.01)
    collapse = finding("FAIL", id="class_collapse", limit=None, limit_kind=None)
    size = replace(loss, id=names[0], estimate=150.0, limit=100.0)
    assert verdict.constraints([collapse, loss, size], names) == pytest.approx((0.5, -0.5, 1.0))
    assert verdict.constraints([replace(loss, outcome="INSUFFICIENT")], names) == (0.0, 0.0, 0.0)
    # A limit near zero does not blow the scale up.
    assert verdict.constraints([replace(loss, limit=0.0)], names)[1] == pytest.approx(1.0)
    least = replace(loss, limit_kind="at_least", limit=0.8, estimate=0.6)
    assert verdict.constraints([least], names)[1] == pytest.approx(0.25)


def test_front_keeps_ties_and_drops_the_dominated() -> None:
    points = [[1, 2], [2, 1], [2, 2], [1, 2], [0.5, np.nan]]
    assert verdict.front(points) == (0, 1, 3)
    assert verdict.front([]) == ()


def test_front_agrees_with_its_definition() -> None:
    points = np.random.default_rng(0).integers(0, 6, (60, 3))
    expected = [
        i for i, p in enumerate(points) if not any(all(q <= p) and any(q < p) for j, q in enumerate(points) if j != i)
    ]
    assert list(verdict.front(points)) == expected


def test_fallback_hands_its_level_on() -> None:
    answers = ["PASS", "INCONCLUSIVE", "PASS", "PASS"]
    steps = verdict.fallback(4, 0.04, lambda order, level: answers[order])  # type: ignore[arg-type, return-value]
    assert [step.level for step in steps] == pytest.approx([0.01, 0.02, 0.01, 0.02])
    assert [step.decision for step in steps] == answers
    alone = verdict.fallback(1, 0.05, lambda order, level: True)
    assert [(s.level, s.decision) for s in alone] == [(0.05, "PASS")]


def test_fallback_certifies_something_false_at_most_at_its_level() -> None:
    """Five candidates exactly at the margin, correlated as students of one teacher are."""
    random = np.random.default_rng(3)
    common, own = random.standard_normal((20_000, 1)), random.standard_normal((20_000, 5))
    z = np.sqrt(0.6) * common + np.sqrt(0.4) * own
    from statistics import NormalDist

    threshold = NormalDist().inv_cdf

    def any_passes(row: np.ndarray) -> bool:
        steps = verdict.fallback(5, 0.05, lambda order, level: bool(row[order] < threshold(level)))
        return any(step.decision == "PASS" for step in steps)

    assert np.mean([any_passes(row) for row in z]) <= 0.05


def test_the_smallest_is_chosen() -> None:
    sizes = {"b": {"size": reading(10)}, "a": {"size": reading(10)}, "c": {"size": reading(30)}, "d": {}}
    assert verdict.choose(sizes, "size") == "a"
    assert verdict.choose({}, "size") is None
    energies = {"a": {"energy_uJ.modelled": reading(3)}, "b": {"energy_uJ.modelled": reading(2)}}
    assert verdict.choose(energies, "energy") == "b"


def test_pairs_of_groups() -> None:
    assert verdict.pairs(("F", "M")) == (("F", "M"),)
    assert verdict.pairs(("a", "b", "c")) == (("a", "rest"), ("b", "rest"), ("c", "rest"))
    assert verdict.pairs(("a", "b", "c"), "b") == (("a", "b"), ("c", "b"))
    assert verdict.pairs(("a",)) == ()
    assert verdict.pairs(("a", "b", "(unknown)")) == (("a", "b"), ("(unknown)", "rest"))


@pytest.mark.parametrize(
    ("note", "why"),
    [
        ("largest of 3 losses, biased upwards", []),
        ("largest of 3 losses, biased upwards; 2 clusters, under n_min 30", ["2 clusters, under n_min 30"]),
        ("", []),
    ],
)
def test_why_an_interval_inside_its_limit_is_no_pass_is_told_where_it_is_known(note: str, why: list[str]) -> None:
    """The terminal's sentence and the page's say the same, and neither ends in a "but" with nothing behind it."""
    one = finding("INCONCLUSIVE", low=0.0, high=0.015, note=note)
    assert verdict.inside(one)
    assert verdict.reasons(one) == why
    said = verdict.judge([one]).sentence
    assert f"({'; '.join(why)})" in said if why else "(" not in said
    page = sentence(one)
    assert f"(the interval is inside it, but {'; '.join(why)})" in page if why else "but" not in page
