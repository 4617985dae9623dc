"""Rungs and gate: nobody waits for ever, nothing ends twice, and a restart decides the same."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
import pytest
from fake_problem import (
    BOOSTED,
    CONSTRAINTS,
    EXACT,
    LOGITS,
    MLP,
    NONE,
    OBJECTIVES,
    bounded,
    costs,
    done,
    drive,
    error,
    error_at,
    noise,
    readings,
    respond,
    space,
    tiny,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress, spearmanr, t
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

from autodistill.optimise import Controller, Observation, Step, ranking
from autodistill.optimise.controller import PATIENCE
from autodistill.optimise.curves import CONFIDENCE, ENOUGH, Curve, correlation
from autodistill.optimise.gp import JITTER, Points, Process, fitted
from autodistill.optimise.rivals import Rivals
from autodistill.optimise.rungs import KEPT, STARTUP, TRUSTED, rungs
from autodistill.optimise.trials import always_whole
from autodistill.records import Candidate, Event, decode, encode
from autodistill.space import Branch, Choice, Range, Space

CLOSING = ("refused", "skipped", "stopped", "finished", "broken")


def controller(seed: int = 0, where: Space | None = None, **options: Any) -> Controller:
    wanted = {"exact": EXACT, "sampler": "random", "rungs": True, "gate": True, "choose": "size", **options}
    return Controller(where or space(), OBJECTIVES, CONSTRAINTS, seed, **wanted)  # type: ignore[arg-type]


def gradient(epochs: int) -> Candidate:
    return Candidate(number=0, family="mlp", student={}, loss="none", training={"epochs": epochs})


def search(one: Controller, events: list[Event], workers: int, order: np.random.Generator, crossing: float) -> None:
    """Go on to the end with so many workers whose jobs end in any order; ``events`` grows as a journal does."""
    flying: dict[int, Event] = {}
    while True:
        while len(flying) < workers:
            step = one.next()
            events += step.events
            if step.job is None:
                assert step.reason or flying, "nothing to do, nothing in flight, and no reason"
                break
            number = step.job.candidate.number
            assert number not in flying, "two jobs of one candidate"
            flying[number] = done(step.job, crossing)
        if not flying:
            assert step.reason
            return
        event = flying.pop(sorted(flying)[int(order.integers(len(flying)))])
        events.append(event)
        one.tell(event)


def check(events: Sequence[Event], whole: Controller) -> None:
    """Every candidate ends once, none goes on after its end, rungs rise, and what is exempt is not cut."""
    proposed = {event.number: event.candidate for event in events if event.kind == "proposed"}
    closed = Counter(event.number for event in events if event.kind in CLOSING)
    assert set(closed) == set(proposed)
    assert set(closed.values()) <= {1}
    for number, candidate in proposed.items():
        own = [event for event in events if event.number == number]
        assert own[-1].kind in CLOSING
        reached = [event.data["epochs"] for event in own if event.kind == "rung"]
        assert candidate is not None
        assert reached == sorted(rungs(candidate).values())[: len(reached)]
        if own[-1].kind in ("stopped", "skipped"):
            assert number >= 4, "one that every search begins with was cut"
            assert candidate.family == "mlp"
        if own[-1].kind == "stopped":
            assert not always_whole(whole.seed, number)
            assert own[-1].entry is not None
            assert own[-1].entry.error == [event.data["error"] for event in own if event.kind == "rung"][-1]
            assert own[-1].entry.fidelity == {"epochs": reached[-1], "of": 30, "whole": False}


@pytest.mark.parametrize(
    ("epochs", "places"),
    [(30, {0: 2, 1: 4, 2: 10}), (27, {0: 1, 1: 3, 2: 9}), (81, {0: 3, 1: 9, 2: 27}), (5, {1: 1, 2: 2}), (2, {2: 1})],
)
def test_rungs_are_parts_of_the_epochs_each_once(epochs: int, places: Mapping[int, int]) -> None:
    assert rungs(gradient(epochs)) == places


def test_one_epoch_and_what_is_fitted_have_no_rungs() -> None:
    assert rungs(gradient(1)) == {}
    assert rungs(Candidate(number=0, family="tree", student={}, loss="none")) == {}


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    workers=st.integers(1, 9),
    crossing=st.sampled_from([0.0, 3.0]),
    trials=st.integers(1, 50),
    cut=st.integers(0, 250),
)
def test_nobody_waits_for_ever_and_nothing_ends_twice(
    seed: int, workers: int, crossing: float, trials: int, cut: int
) -> None:
    order = np.random.default_rng(seed)
    events: list[Event] = []
    one = controller(seed, trials=trials)
    search(one, events, workers, order, crossing)
    check(events, one)
    again, kept = controller(seed, trials=trials), [decode(encode(event), Event) for event in events[:cut]]
    again.replay(kept)  # killed anywhere, with whatever was at work
    search(again, kept, workers, order, crossing)
    check(kept, again)
    assert again.next() == Step(reason=f"the budget of {trials} candidates is used")


@pytest.mark.parametrize(("sampler", "trials"), [("random", 50), ("tpe", 36), ("exact", 36), ("nsga2", 36)])
def test_at_every_event_boundary_a_restart_decides_the_same(sampler: str, trials: int) -> None:
    one = controller(sampler=sampler, trials=trials)
    straight = list(drive(one, 1.0))
    assert {"rung", "stopped"} <= {event.kind for event in straight}
    step = 5 if sampler == "random" else 19
    for cut in (*range(0, len(straight), step), len(straight)):
        again = controller(sampler=sampler, trials=trials)
        again.replay(straight[:cut])
        said = again.next()
        following = straight[cut : cut + len(said.events)]
        assert list(said.events) == following
        if said.job is not None:
            assert done(said.job, 1.0) == straight[cut + len(said.events)]
    assert again.fidelity() == one.fidelity()
    assert again.notes == one.notes


def test_a_finite_space_ends_and_nothing_waits() -> None:
    narrow = {"width": Range(4, 19, whole=True), "depth": Choice((2,))}
    branch = Branch(label="mlp", family="mlp", trains="gradient", settings=narrow, precision=Choice(("fp32",)))
    few = Space(branches=(branch,), arms=(NONE,), training={"epochs": Choice((30,))})
    events: list[Event] = []
    one = controller(where=few)
    search(one, events, 3, np.random.default_rng(0), 0.0)
    assert sum(event.kind == "proposed" for event in events) == 16
    assert one.next().reason == "all 16 candidates of the space were tried"
    assert list(drive(controller(where=tiny())))


def points(candidates: Sequence[Candidate], epoch: int) -> np.ndarray:
    rows = []
    for one in candidates:
        settled = Controller(space(), OBJECTIVES, CONSTRAINTS, 0)._point
        trial = type("Seen", (), {"readings": readings(one)})()
        rows.append(settled(trial, error_at(one, epoch)))  # type: ignore[arg-type]
    return np.array(rows, dtype=float)


def test_of_the_first_ones_the_best_third_goes_on() -> None:
    one = controller(trials=None, gate=False)
    came: list[int] = []
    ended: dict[int, str] = {}
    for event in drive(one):
        came += [event.number] if event.kind == "rung" and event.data["epochs"] == 4 else []
        if event.kind == "stopped" and event.entry:
            ended[event.number] = event.entry.reason
        if one.fidelity() and one.fidelity()[0]["pairs"] >= ENOUGH:
            break
    assert ended
    for place, number in enumerate(came[:-1]):
        among = points([one.trials[other].candidate for other in came[: place + 1]], 4)
        better = sum((other <= among[-1]).all() and (other < among[-1]).any() for other in among)
        first = [all(not ((q <= p).all() and (q < p).any()) for q in among) for p in among]
        exempt = one.trials[number].fixed or one.trials[number].whole
        if exempt or (first[-1] and sum(first) <= ceil(len(among) / KEPT)):
            assert number not in ended
        elif better >= ceil(len(among) / KEPT) or (not first[-1] and sum(first) >= ceil(len(among) / KEPT)):
            assert ended[number] == (
                f"at epoch 4 of 30 it is not in the best third of the {len(among)} candidates that have come so far"
            )
    assert len(came) <= STARTUP


def test_later_ones_stop_only_where_a_finished_one_costs_no_more_and_is_likely_better() -> None:
    one = controller(trials=150, gate=False, tie=0.0)
    events = list(drive(one))
    finished: dict[int, Candidate] = {}
    late = 0
    for event in events:
        if event.kind == "finished" and event.entry and max(event.entry.constraints) <= 0:
            finished[event.number] = event.entry.candidate
        if event.kind == "stopped" and event.entry and "likely to end" in event.entry.reason:
            late += 1
            own = costs(event.entry.candidate)
            cheaper = [
                error(other)
                for other in finished.values()
                if all(costs(other)[name] <= own[name] * (1.04 if name == "latency" else 1) for name in own)
            ]
            assert min(cheaper) < event.entry.error  # type: ignore[operator]
            assert min(cheaper) < error(event.entry.candidate) + 0.004
    assert late


def test_a_rung_whose_ranks_say_nothing_decides_nothing() -> None:
    def told(candidate: Candidate, epochs: int) -> float:
        return 0.5 - 2 * error(candidate) + 0.02 * noise(candidate, "z") - epochs / 1000

    one = controller(trials=90)
    off: list[bool] = []
    stopped = 0
    step = one.next()
    while step.job is not None:
        event = done(step.job)
        if event.kind == "rung":
            data = {**event.data, "error": told(step.job.candidate, event.data["epochs"])}
            event = Event(kind="rung", number=event.number, data=data)
        one.tell(event)
        off.append(not one._ladder.used(0))
        step = one.next()
        if off[-1]:
            stopped += sum("epoch 2 " in e.entry.reason for e in step.events if e.kind == "stopped" and e.entry)
    assert any(off)
    if all(off[off.index(True) :]):
        assert stopped == 0
    first = one.fidelity()[0]
    assert first["pairs"] >= 8
    assert first["used"] == (first["correlation"] >= TRUSTED)
    assert any("no longer decides" in note for note in one.notes) == any(not f["used"] for f in one.fidelity())


def test_what_each_rung_was_worth() -> None:
    one = controller(trials=100)
    events = list(drive(one))
    finished = {e.number: e.entry.error for e in events if e.kind == "finished" and e.entry}
    for place, (epoch, found) in enumerate(zip((2, 4, 10), one.fidelity(), strict=True)):
        at = {e.number: e.data["error"] for e in events if e.kind == "rung" and e.data["epochs"] == epoch}
        both = [(at[number], last) for number, last in finished.items() if number in at]
        assert found["share"] == pytest.approx(1 / (27, 9, 3)[place])
        assert (found["reached"], found["pairs"]) == (len(at), len(both))
        assert found["correlation"] == pytest.approx(spearmanr(*zip(*both, strict=True)).statistic)
        cut = sum(e.kind == "stopped" and e.entry.fidelity["epochs"] == epoch for e in events)  # type: ignore[union-attr]
        assert found["stopped"] == cut
    assert one.notes[-3].startswith(f"after 1/27 of the epochs {one.fidelity()[0]['stopped']} of ")


def test_the_gate_leaves_untrained_only_what_a_finished_one_dominates() -> None:
    one = controller(trials=150, tie=0.002, where=bounded(), rungs=False)
    events = list(drive(one))
    skipped = [event.entry for event in events if event.kind == "skipped" and event.entry]
    trained = {event.number for event in events if event.kind in ("finished", "broken")}
    assert skipped
    missed = 0
    for entry in skipped:
        assert entry.candidate.number not in trained
        assert entry.error is None
        rival = one.trials[int(entry.reason.split("candidate ")[1].split()[0])]
        assert rival.state == "finished"
        mine = costs(entry.candidate)
        assert all(value <= 1.04 * mine[name] for name, value in costs(rival.candidate).items())
        missed += error(rival.candidate) - 0.002 > error(entry.candidate)
    assert missed <= 0.1 * len(skipped)


@pytest.mark.parametrize("sampler", ["exact", "random"])
def test_a_search_that_believes_nothing_can_matter_trains_all_the_same(sampler: str) -> None:
    """With a tie as wide as all errors together the gate would leave all untrained for ever."""
    events = list(drive(controller(trials=150, tie=1.0, where=bounded(), rungs=False, sampler=sampler)))
    ends = [event.kind for event in events if event.kind in CLOSING]
    runs = [len(run) for run in "".join("s" if kind == "skipped" else " " for kind in ends).split()]
    assert max(runs) == PATIENCE
    assert len(runs) > 3


def test_a_shape_that_was_left_untrained_is_not_proposed_before_something_is_learned() -> None:
    one = controller(trials=120, tie=0.02, where=space(MLP), sampler="exact", rungs=False)
    left: set[str] = set()
    again, skips = 0, 0
    for event in drive(one):
        if event.kind == "proposed" and event.data["by"] == "sampler" and event.candidate is not None:
            again += event.candidate.architecture in left
        elif event.kind == "skipped":
            skips += 1
            left.add(one.trials[event.number].candidate.architecture)
        elif event.kind == "finished":
            left.clear()
    assert skips > 10
    assert again == 0


def test_what_was_cut_is_pruned_for_the_samplers_with_exact_and_typical_constraints() -> None:
    one = controller(trials=60)
    list(drive(one))
    frozen = one._learner.study._study.trials
    cut = [trial for trial in one.trials if trial.of is None and trial.state in ("stopped", "skipped")]
    assert cut
    for trial in cut:
        told = frozen[trial.candidate.number]
        assert told.state.name == "PRUNED"
        known = respond("measure", trial.candidate).data["constraints"]
        assert [told.constraints[name] for name in EXACT] == known[:2]
        assert told.constraints["gap"] != 0.0


def test_several_in_flight_make_tpe_keep_away_from_them() -> None:
    one = controller(sampler="tpe", trials=None, rungs=False)
    one.next()
    one.next()
    assert one._learner.study._study.sampler._constant_liar  # type: ignore[attr-defined]
    alone = controller(sampler="tpe", trials=None, rungs=False)
    alone.next()
    assert not alone._learner.study._study.sampler._constant_liar  # type: ignore[attr-defined]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=14), st.integers(1, 14))
def test_the_best_are_taken_rank_by_rank(listed: list[tuple[int, int]], count: int) -> None:
    at = np.array(listed, dtype=float)
    left, level = list(range(len(at))), 0
    ranks = [0] * len(at)
    while left:
        front = [i for i in left if not any((at[j] <= at[i]).all() and (at[j] < at[i]).any() for j in left)]
        for i in front:
            ranks[i] = level
        left, level = [i for i in left if i not in front], level + 1
    assert ranking.rank(at).tolist() == ranks
    kept = ranking.best(at, count)
    assert len(kept) == min(count, len(at))
    assert sorted(ranks[i] for i in kept) == sorted(ranks)[: len(kept)]


def test_ends_are_never_crowded() -> None:
    line = np.array([[0.0, 4.0], [1.0, 3.0], [1.1, 2.9], [1.2, 2.8], [4.0, 0.0]])
    assert ranking.best(line, 2) == {0, 4}
    assert ranking.crowding(line)[2] == pytest.approx(0.2 / 4 + 0.2 / 4)
    assert ranking.crowding(np.ones((3, 2))).tolist() == [0, 0, 0]


def test_a_learning_curve_is_a_regression_with_its_prediction_bound() -> None:
    rng = np.random.default_rng(5)
    early = np.exp(rng.normal(-1.5, 0.3, 30))
    last = early**0.7 * 0.6 * np.exp(0.05 * rng.normal(size=30))
    found = Curve(list(zip(early, last, strict=True))).outlook(0.3)
    line = linregress(np.log(early), np.log(last))
    mean = line.intercept + line.slope * np.log(0.3)
    x = np.log(early)
    residual = np.log(last) - line.intercept - line.slope * x
    away = (np.log(0.3) - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2)
    spread = np.sqrt(residual @ residual / 28 * (1 + 1 / 30 + away))
    assert found.mean == pytest.approx(np.exp(mean))
    assert found.lower == pytest.approx(np.exp(mean - t.ppf(CONFIDENCE, 28) * spread))
    assert found.deviation == pytest.approx(found.mean * spread)


def test_nine_in_ten_end_above_the_bound() -> None:
    rng = np.random.default_rng(1)
    above = []
    for _ in range(400):
        early = np.exp(rng.normal(-1.5, 0.3, 13))
        last = early**0.7 * 0.6 * np.exp(0.05 * rng.normal(size=13))
        above.append(last[-1] >= Curve(list(zip(early[:-1], last[:-1], strict=True))).outlook(early[-1]).lower)
    assert np.mean(above) == pytest.approx(CONFIDENCE, abs=0.04)


def test_curves_that_say_nothing() -> None:
    assert correlation([(0.1, 0.2)] * 7) is None
    assert correlation([(0.1, 0.2)] * 9) is None
    flat = Curve([(0.2, 0.1)] * 8).outlook(0.2)
    assert (flat.mean, flat.lower, flat.deviation) == (pytest.approx(0.1), pytest.approx(0.1), 0.0)
    assert Curve([(0.0, 0.0), *[(0.2, 0.1)] * 8]).outlook(0.0).lower == 0.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 3)), max_size=12), st.booleans())
def test_a_rival_is_the_most_accurate_that_costs_no_more(rows: list[tuple[int, int, int]], both: bool) -> None:
    rivals, used = Rivals(), np.array([True, both])
    for number, (wrong, *cost) in enumerate(rows):
        rivals.add(number, wrong / 10, [float(value) for value in cost])
    for wanted in ((0, 0), (1, 3), (3, 1), (3, 3)):
        cheaper = [w / 10 for w, *c in rows if c[0] <= wanted[0] and (not both or c[1] <= wanted[1])]
        found = rivals.of([float(value) for value in wanted], used)
        assert (None if found is None else found.error) == (min(cheaper) if cheaper else None)
    assert rivals.of([None, 1.0], used) is None


def test_doubt_is_noise_of_some_points_alone() -> None:
    rng = np.random.default_rng(3)
    at = rng.uniform(size=(25, 2))
    y = np.column_stack([np.sin(3 * at[:, 0]), at[:, 1]]) + 0.01 * rng.normal(size=(25, 2))
    doubt = np.zeros((25, 2))
    doubt[20:] = (0.04, 0.25)
    place = Points(at=at, category=np.zeros(2, dtype=bool))
    kernel = fitted(Points(at=at[:20], category=place.category), y[:20], (0.01, 1.0))
    process = Process(place, y, kernel, doubt)
    mean, spread = y[:20].mean(axis=0), y[:20].std(axis=0)
    new = Points(at=rng.uniform(size=(6, 2)), category=place.category)
    found, deviation = process.predict(new)
    for column in range(2):
        alpha = kernel.noise + JITTER + doubt[:, column] / spread[column] ** 2
        other = GaussianProcessRegressor(Matern(kernel.scales, nu=2.5), alpha=alpha, optimizer=None)
        other.fit(at, (y[:, column] - mean[column]) / spread[column])
        wanted, wide = other.predict(new.at, return_std=True)
        np.testing.assert_allclose(found[:, column], wanted * spread[column] + mean[column], rtol=1e-6)
        np.testing.assert_allclose(deviation[:, column], wide * spread[column], rtol=1e-4)


def observed(events: Sequence[Event]) -> list[Observation]:
    return [
        Observation(
            candidate=event.entry.candidate,
            error=event.entry.error or 0.0,
            readings=event.entry.readings,
            constraints=dict(zip(CONSTRAINTS, event.entry.constraints, strict=True)),
        )
        for event in events
        if event.kind == "finished" and event.entry
    ]


@pytest.mark.parametrize("sampler", ["tpe", "exact"])
def test_what_an_earlier_search_found_is_known_and_not_counted(sampler: str) -> None:
    before = observed(list(drive(controller(7, rungs=False, gate=False, trials=40))))
    one = controller(sampler=sampler, trials=12, prior=before)
    events = list(drive(one))
    proposed = [event.candidate for event in events if event.kind == "proposed"]
    assert len(proposed) == 12
    assert [c.family for c in proposed[:4] if c] == ["mlp", "boosted", "linear", "mlp"]
    told = one._learner.study._study.trials
    assert len(told) == len(before) + len(one.trials)
    assert all(trial.state.name == "COMPLETE" for trial in told[: len(before)])
    assert told[0].values[0] == before[0].error
    good = [o for o in before if max(o.constraints.values()) <= 0]
    recipes = {o.candidate.recipe for o in good}
    nexts = [event for event in events if event.kind in ("proposed", "duplicate")][4:]
    assert nexts[0].candidate is not None
    assert nexts[0].candidate.recipe in recipes
    best = min(good, key=lambda o: o.error).candidate.recipe
    assert best in {event.candidate.recipe for event in nexts if event.candidate and event.data["by"] == "start"}
    again = controller(sampler=sampler, trials=12, prior=before)
    again.replay(events)
    assert again.next() == one.next()


def told_before(where: Space, prior: Sequence[Observation]) -> list[Any]:
    """The trials of a study that nothing was proposed in."""
    return list(controller(where=where, prior=prior)._learner.study._study.trials)


def test_of_an_earlier_search_only_what_lies_in_this_space_is_taken() -> None:
    before = observed(list(drive(controller(7, rungs=False, gate=False, trials=40))))
    training = {"epochs": Choice((30,)), "learning_rate": Range(1e-4, 1e-3)}
    narrow = Space(branches=(MLP,), arms=(LOGITS, NONE), training=training)
    fits = [
        one
        for one in before
        if one.candidate.family == "mlp"
        and one.candidate.loss != "soft_targets"
        and one.candidate.training["learning_rate"] <= 1e-3
    ]
    assert 0 < len(fits) < len(before)
    assert len(told_before(narrow, before)) == len(fits)
    other = {"epochs": Choice((60,)), "learning_rate": Range(1e-4, 1e-2)}
    fixed = told_before(Space(branches=(MLP, BOOSTED), arms=(LOGITS, NONE), training=other), before)
    assert {trial.params["family"] for trial in fixed} == {"boosted"}  # what was fixed is fixed otherwise
    wide = {"batch_size": Choice((32, 64, 256)), **training}
    wider = told_before(Space(branches=(MLP, BOOSTED), arms=(LOGITS, NONE), training=wide), fits)
    assert [trial.params["batch_size"] for trial in wider] == [64] * len(fits)


def test_an_option_that_is_none() -> None:
    with pytest.raises(TypeError, match="a controller has no option rung"):
        Controller(space(), OBJECTIVES, CONSTRAINTS, 0, rung=True)  # type: ignore[call-arg]


def test_a_cut_candidate_is_told_by_the_controller_alone() -> None:
    one = controller()
    one.next()
    with pytest.raises(ValueError, match="stopped is said by the controller"):
        one.tell(Event(kind="stopped", number=0))
