"""The controller: what is journalled is all it is; it repeats nothing, and goes on as if it had never been killed."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from fake_problem import (
    CONSTRAINTS,
    EXACT,
    LINEAR,
    NONE,
    OBJECTIVES,
    bounded,
    constraints,
    costs,
    drive,
    error,
    readings,
    respond,
    space,
    tiny,
    volume,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from autodistill.optimise import Controller, Step, mirror, samplers, start, values
from autodistill.records import Entry, Event, Reading, decode, encode
from autodistill.space import Space

SAMPLERS = samplers.SAMPLERS
TRIALS = {"exact": 16, "tpe": 24, "nsga2": 40, "random": 24}
"""Enough for a sampler to model what it was told (NSGA-II: to breed a second generation)."""


def controller(
    sampler: str = "tpe",
    seed: int = 0,
    trials: int | None = 30,
    where: Space | None = None,
) -> Controller:
    return Controller(where or space(), OBJECTIVES, CONSTRAINTS, seed, sampler=sampler, exact=EXACT, trials=trials)


def journalled(events: Sequence[Event]) -> list[Event]:
    """As they come back from a file."""
    return [decode(encode(event), Event) for event in events]


def proposals(events: Sequence[Event]) -> list[str]:
    return [f"{e.number} {e.kind} {e.candidate.recipe}" for e in events if e.kind in ("proposed", "duplicate")]  # type: ignore[union-attr]


def run(wanted: Controller, until: int) -> list[Event]:
    """The first ``until`` events of a search."""
    events: list[Event] = []
    for event in drive(wanted):
        events.append(event)
        if len(events) == until:
            break
    return events


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_at_every_event_boundary_a_restart_goes_on_with_the_same_step(sampler: str) -> None:
    straight = list(drive(controller(sampler, trials=TRIALS[sampler])))
    assert Counter(event.kind for event in straight)["proposed"] == TRIALS[sampler]
    saved = journalled(straight)
    assert saved == straight
    for cut in range(len(straight) + 1):
        again = controller(sampler, trials=TRIALS[sampler])
        again.replay(saved[:cut])
        step = again.next()
        following = straight[cut : cut + len(step.events)]
        assert list(step.events) == following
        if step.job is None:
            assert cut + len(step.events) == len(straight)
        else:  # what the run would tell of that job is what the straight search was told
            assert respond(step.job.kind, step.job.candidate) == straight[cut + len(step.events)]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("every", [1, 23])
def test_restarted_again_and_again_a_search_has_the_same_candidates(sampler: str, every: int) -> None:
    straight = list(drive(controller(sampler, trials=TRIALS[sampler])))
    events: list[Event] = []
    while True:
        one = controller(sampler, trials=TRIALS[sampler])
        one.replay(journalled(events))
        more = run(one, every)
        if not more:
            break
        events += more
    assert events == straight


HASHED = """
import sys
from test_optimise import controller, drive, proposals
print("\\n".join(proposals(list(drive(controller(sys.argv[1], trials=25))))))
"""


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_another_process_with_other_hashes_has_the_same_candidates(sampler: str) -> None:
    here = "\n".join(proposals(list(drive(controller(sampler, trials=25)))))
    env = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run([sys.executable, "-c", HASHED, sampler], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == here


def test_the_seed_decides() -> None:
    one, same, other = (proposals(list(drive(controller(seed=seed, trials=20)))) for seed in (1, 1, 2))
    assert one == same
    assert one != other
    assert one[:4] == other[:4]  # the fixed first ones


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_no_recipe_is_run_twice_and_repeats_cost_nothing(sampler: str) -> None:
    count = 2 * TRIALS[sampler]
    events = list(drive(controller(sampler, trials=count)))
    proposed = [event.candidate.recipe for event in events if event.kind == "proposed"]  # type: ignore[union-attr]
    assert len(set(proposed)) == len(proposed) == count
    told = Counter(event.number for event in events if event.kind in ("measured", "finished", "refused", "broken"))
    for event in events:
        if event.kind == "duplicate":
            assert told[event.number] == 0
            assert event.data["of"] < event.number


def test_the_first_candidates_are_one_of_each_family_and_labels_alone() -> None:
    found = [event.candidate for event in drive(controller(trials=4)) if event.kind == "proposed"]
    assert [one.family for one in found if one] == ["mlp", "boosted", "linear", "mlp"]
    assert [one.loss for one in found if one] == ["soft_targets", "soft_targets", "soft_targets", "none"]
    assert found[0] is not None
    assert dict(found[0].student) == {"width": 32, "depth": 2}
    assert found[0].training["learning_rate"] == 0.001
    assert found[0].precision == "fp32"


def test_warm_values_come_next_where_they_fit() -> None:
    warm = [
        {"family": "boosted", "boosted.trees": 7, "boosted.leaves": 4, "fit_loss": "none", "gone": 1},
        {"family": "boosted", "boosted.trees": 700},
        {"family": "forest"},
        {"family": "mlp", "mlp.width": 10},
    ]
    one = Controller(space(), OBJECTIVES, CONSTRAINTS, 0, exact=EXACT, trials=7, warm=warm)
    found = [event.candidate for event in drive(one) if event.kind == "proposed"]
    assert dict(found[4].student) == {"trees": 7, "leaves": 4}  # type: ignore[union-attr]
    assert found[5].student["width"] == 10  # type: ignore[union-attr]
    assert found[5].student["depth"] == 2  # type: ignore[union-attr]


def test_a_finite_space_is_exhausted_with_a_reason() -> None:
    one = controller(trials=None, where=tiny())
    events = list(drive(one))
    assert sum(event.kind == "proposed" for event in events) == tiny().size() == 12
    assert one.next() == Step(reason="all 12 candidates of the space were tried")


def test_a_budget_ends_with_a_reason() -> None:
    one = controller(trials=3)
    list(drive(one))
    assert one.next() == Step(reason="the budget of 3 candidates is used")


def test_a_space_of_one_candidate() -> None:
    one = controller(trials=None, where=Space(branches=(LINEAR,), arms=(NONE,), training={}))
    assert Counter(event.kind for event in drive(one))["proposed"] == 1
    assert one.next().reason == "all 1 candidates of the space were tried"


def test_what_is_infeasible_is_refused_before_training_and_learned_from() -> None:
    events = list(drive(controller(trials=60)))
    refused = {event.number for event in events if event.kind == "refused"}
    trained = {event.number for event in events if event.kind in ("finished", "broken")}
    assert not refused & trained
    assert len(refused) + len(trained) == 60
    one = controller(trials=60)
    one.replay(events)
    frozen = one._learner.study._study.trials
    for number, trial in enumerate(one.trials):
        assert len(frozen) == len(one.trials)
        source = number if trial.of is None else trial.of
        state = {"finished": "COMPLETE", "refused": "PRUNED", "broken": "FAIL"}[one.trials[source].state]
        assert frozen[number].state.name == state
        if state != "FAIL":
            assert tuple(frozen[number].constraints) == CONSTRAINTS


def test_a_refused_candidate_has_its_exact_constraints_and_the_median_of_the_others() -> None:
    one = controller(trials=None)
    gaps = []
    for _ in range(30):
        step = one.next()
        assert step.job is not None
        event = respond(step.job.kind, step.job.candidate)
        one.tell(event)
        if event.kind == "finished":
            gaps.append(constraints(step.job.candidate)[2])
    step = one.next()
    while step.job is not None and step.job.kind != "measure":
        one.tell(respond("train", step.job.candidate))
        gaps.append(constraints(step.job.candidate)[2])
        step = one.next()
    assert step.job is not None
    entry = Entry(candidate=step.job.candidate, state="refused", constraints=(0.5, -1.0, 0.0))
    one.tell(Event(kind="refused", number=step.job.candidate.number, entry=entry))
    assert one.trials[step.job.candidate.number].constraints == (0.5, -1.0, pytest.approx(np.median(gaps)))


def test_events_that_cannot_be() -> None:
    one = controller()
    job = one.next().job
    assert job is not None
    with pytest.raises(ValueError, match="candidate 5 is not in flight, but is told as measured"):
        one.tell(Event(kind="measured", number=5))
    with pytest.raises(ValueError, match="proposed is said by the controller"):
        one.tell(Event(kind="proposed", number=0))
    with pytest.raises(ValueError, match="finished without an entry"):
        one.tell(Event(kind="finished", number=0))
    entry = Entry(candidate=job.candidate, state="finished", error=0.1, constraints=(1.0,))
    with pytest.raises(ValueError, match="1 constraints, but 3 are named"):
        one.tell(Event(kind="finished", number=0, entry=entry))
    one.tell(Event(kind="broken", number=0))
    with pytest.raises(ValueError, match="candidate 0 is not in flight"):
        one.tell(Event(kind="broken", number=0))
    with pytest.raises(ValueError, match="candidate 7 follows 0 in the journal"):
        one.replay([Event(kind="proposed", number=7, candidate=job.candidate, data={"by": "start"})])


def test_several_in_flight_and_told_out_of_order_are_replayed() -> None:
    def search(one: Controller, events: list[Event], stop: int) -> list[Event]:
        one.replay(events)
        jobs = []
        while len(events) < stop:
            step = one.next()
            events += step.events
            if step.job is not None:
                jobs.append(step.job)
            if len(jobs) == 3 or step.job is None:
                job = jobs.pop(1 if len(jobs) > 1 else 0)
                event = respond(job.kind, job.candidate)
                one.tell(event)
                events.append(event)
        return events

    whole = search(controller(trials=None), [], 90)
    for cut in range(0, 90, 5):
        again = controller(trials=None)
        again.replay(journalled(whole[:cut]))
        fresh = [one for one in whole[cut:] if one.kind in ("proposed", "duplicate")]
        flying = {e.number for e in whole[:cut] if e.kind == "proposed"} - {
            e.number for e in whole[:cut] if e.kind in ("finished", "refused", "broken")
        }
        for number in sorted(flying):  # taken up again first, in order
            step = again.next()
            assert step.events == ()
            assert step.job is not None
            assert step.job.candidate.number == number
            measured = any(e.kind == "measured" and e.number == number for e in whole[:cut])
            assert step.job.kind == ("train" if measured else "measure")
        if fresh and whole[cut].kind in ("proposed", "duplicate"):
            assert again.next().events[0] == fresh[0]


def test_a_repeat_of_what_is_in_flight_gets_its_result_later() -> None:
    one = controller(trials=None, where=tiny())
    while True:
        step = one.next()
        if any(event.kind == "duplicate" for event in step.events):
            break
    repeated = next(event for event in step.events if event.kind == "duplicate")
    frozen = one._learner.study._study.trials
    assert frozen[repeated.number].state.name == "RUNNING"
    first = one.trials[repeated.data["of"]].candidate
    entry = Entry(candidate=first, state="finished", error=0.2, readings=readings(first), constraints=(-1.0, -1.0, 0.3))
    one.tell(Event(kind="finished", number=first.number, entry=entry))
    frozen = one._learner.study._study.trials
    assert frozen[repeated.number].values == frozen[first.number].values
    assert frozen[repeated.number].constraints == frozen[first.number].constraints


def test_noise_within_the_tie_width_does_not_steer() -> None:
    def told(one: Controller) -> np.ndarray:
        return np.array([trial.values or [0.0] * 3 for trial in one._learner.study._study.trials])

    quiet, loud = controller(trials=15), controller(trials=15)
    list(drive(quiet))
    step = loud.next()
    while step.job is not None:
        event = respond(step.job.kind, step.job.candidate)
        if event.entry is not None and event.kind == "finished":
            latency = event.entry.readings["latency"]
            assert latency.value is not None
            settled = values.settled(latency, latency.value)
            other = replace(latency, value=settled * 1.004)
            entry = replace(event.entry, readings={**event.entry.readings, "latency": other})
            event = replace(event, entry=entry)
        loud.tell(event)
        step = loud.next()
    np.testing.assert_allclose(told(loud), told(quiet))


@settings(max_examples=300, deadline=None)
@given(st.floats(0.01, 1e5), st.floats(0.01, 1e5), st.sampled_from(["us", "ms", "uJ"]))
def test_settling_keeps_order_and_moves_less_than_the_tie_width(a: float, b: float, unit: str) -> None:
    reading = Reading(quantity="latency", unit=unit, value=a, low=a, high=a, method="fake")
    low, high = sorted((a, b))
    assert values.settled(reading, low) <= values.settled(reading, high)
    width = 0.05 if {"us": a, "ms": a * 1e3, "uJ": 99.0}[unit] < 10 else 0.03
    assert abs(np.log(values.settled(reading, a) / a)) <= np.log1p(width) / 2 + 1e-9
    assert values.settled(reading, values.settled(reading, a)) == pytest.approx(values.settled(reading, a))
    for exact in (replace(reading, low=None), replace(reading, source="modelled")):
        assert values.settled(exact, a) == a


def test_an_objective_finds_its_reading() -> None:
    one = Reading(quantity="x", unit="us", value=3.0, method="fake")
    read = {"latency@32": replace(one, value=1.0), "latency_ratio": replace(one, value=2.0), "energy_uJ.modelled": one}
    assert values.reading(read, "latency") is None
    assert values.reading(read, "energy") is one
    assert values.reading(read, "latency@32") is read["latency@32"]
    assert values.objectives(("error", "latency", "energy"), None, read) == (None, None, 3.0)
    assert values.objectives(("error",), 0.25, read) == (0.25,)


def test_a_candidate_without_a_reading_is_not_told_as_something_else() -> None:
    one = controller(trials=None)
    job = one.next().job
    assert job is not None
    gone = Reading(quantity="energy", unit="uJ", value=None, method="rapl", status="unavailable", reason="no counter")
    read = {**readings(job.candidate), "energy_uJ.modelled": gone}
    entry = Entry(
        candidate=job.candidate, state="finished", error=0.1, readings=read, constraints=constraints(job.candidate)
    )
    one.tell(Event(kind="finished", number=0, entry=entry))
    assert one._learner.study._study.trials[0].state.name == "FAIL"
    assert one.trials[0].objectives[2] is None


def cheap(kind: str, one: Event, energy: float = 0.02) -> Event:
    """The event with an energy that is a constant times the latency."""
    read = one.readings or (one.entry.readings if one.entry else {})
    if not read:
        return one
    changed = {**read, "energy_uJ.modelled": replace(read["energy_uJ.modelled"], value=read["latency"].value * energy)}  # type: ignore[operator]
    if one.entry is None:
        return replace(one, readings=changed)
    return replace(one, entry=replace(one.entry, readings=changed))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_energy_that_is_latency_again_is_reported_not_optimised(sampler: str) -> None:
    def search(one: Controller, events: list[Event], stop: int) -> list[Event]:
        one.replay(events)
        events = list(events)
        while len(events) < stop:
            step = one.next()
            events += step.events
            assert step.job is not None
            event = cheap(step.job.kind, respond(step.job.kind, step.job.candidate), 0.02)
            one.tell(event)
            events.append(event)
        return events

    one = controller(sampler, trials=None)
    whole = search(one, [], 70)
    assert one.objectives == ("error", "latency")
    assert one.notes == (
        "energy orders 0.0% of the pairs of the first 20 candidates differently from latency: "
        "it is reported, not optimised",
    )
    assert len(one._learner.study._study.directions) == 2
    for cut in (20, 45, 62):  # the same, restarted before and after the gate
        again = search(controller(sampler, trials=None), journalled(whole[:cut]), 70)
        assert proposals(again) == proposals(whole)
    kept = controller(sampler, trials=21)
    list(drive(kept))
    assert kept.objectives == OBJECTIVES
    assert "both are optimised" in kept.notes[0]


def test_ordered_differently_counts_pairs() -> None:
    def read(latency: float, energy: float) -> dict[str, Reading]:
        one = Reading(quantity="latency", unit="us", value=latency, method="fake")
        return {"latency": one, "energy": replace(one, value=energy)}

    costly = [read(10, 10), read(20, 20), read(40, 15), read(40.5, 15.1), {}]
    # of the six pairs only (20, 20) with the two slow, frugal ones is the other way round
    assert values.ordered_differently(costly, "latency", "energy") == pytest.approx(2 / 6)
    assert values.ordered_differently([read(10, 1), read(10.1, 2)], "latency", "energy") == 1.0
    assert values.ordered_differently([read(1, 1)], "latency", "energy") == 0.0


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000))
def test_draws_and_mid_points_are_candidates(seed: int) -> None:
    where = space()
    candidate = where.candidate(0, start.draw(where, np.random.default_rng(seed)))
    assert start.admit(where, candidate.parameters) == candidate.parameters


def test_every_point_of_a_finite_space_is_listed_once() -> None:
    recipes = [tiny().candidate(0, point).recipe for point in start.every(tiny())]
    assert len(recipes) == len(set(recipes)) == tiny().size()


def test_the_mirror_has_every_finished_candidate_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    one = controller(trials=25)
    events = list(drive(one))
    assert mirror(url, "adult", one) == ""
    assert mirror(url, "adult", one) == ""
    study = optuna.load_study(study_name="adult", storage=url)
    closed = [event for event in events if event.kind in ("finished", "refused", "broken")]
    assert len(study.trials) == len(closed) == 25
    assert study.metric_names == list(OBJECTIVES)
    for trial, event in zip(study.trials, sorted(closed, key=lambda e: e.number), strict=True):
        candidate = one.trials[event.number].candidate
        assert trial.params == dict(candidate.parameters)
        assert trial.user_attrs["autodistill.key"] == candidate.key
        if event.kind == "finished":
            assert trial.values[0] == error(candidate)
            assert trial.values[2] == costs(candidate)["energy_uJ.modelled"]
    one.trials[-1].candidate = replace(one.trials[-1].candidate, seed=1)
    assert mirror(url, "adult", one) == ""
    assert len(optuna.load_study(study_name="adult", storage=url).trials) == 26


def test_a_mirror_that_cannot_be_reached_is_a_reason(tmp_path: Path) -> None:
    one = controller(trials=2)
    list(drive(one))
    assert "unable to open database file" in mirror(f"sqlite:///{tmp_path}/no/such/folder.db", "x", one)
    assert "redis" in mirror("redis://nowhere", "x", one).lower()


def test_volume_is_the_union_of_boxes() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(size=(12, 3))
    grid = rng.uniform(size=(60_000, 3))
    covered = (grid[:, None, :] >= points[None]).all(axis=2).any(axis=1).mean()
    assert volume(points, np.ones(3)) == pytest.approx(covered, abs=0.01)


def test_a_gradient_family_alone() -> None:
    assert Counter(event.kind for event in drive(controller(trials=15, where=bounded())))["proposed"] == 15
