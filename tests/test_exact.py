"""The sampler for exact costs: its integrals against sampling, its processes against another library's."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from fake_problem import (
    CONSTRAINTS,
    EXACT,
    FP32,
    LOGITS,
    MLP,
    NONE,
    OBJECTIVES,
    constraints,
    costs,
    drive,
    error,
    noise,
    readings,
    respond,
    space,
    volume,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

from autodistill.optimise import Controller
from autodistill.optimise.curves import Outlook
from autodistill.optimise.gp import JITTER, Near, Points, Process, fitted, posterior
from autodistill.optimise.grid import Grid
from autodistill.optimise.improvement import Front, expected, undominated, volumes
from autodistill.optimise.problem import Problem
from autodistill.optimise.study import Study
from autodistill.records import Entry, Event
from autodistill.space import Branch, Choice, Range, Space

MLP_FIXED = Branch(
    label="mlp",
    family="mlp",
    trains="gradient",
    settings={"width": Choice((16,)), "depth": Choice((2,))},
    precision=FP32,
)


@pytest.mark.parametrize("dimensions", [0, 1, 2, 3])
def test_expected_improvement_is_what_sampling_says(dimensions: int) -> None:
    rng = np.random.default_rng(dimensions)
    error_, costs_ = rng.uniform(size=9), rng.uniform(size=(9, dimensions))
    kept = undominated(error_, costs_)
    front = Front(error=error_[kept], costs=costs_[kept], worst_error=0.95, worst_costs=np.full(dimensions, 0.9))
    candidates = rng.uniform(0, 0.7, size=(5, dimensions))
    mean, deviation = rng.uniform(0, 1, 5), rng.uniform(0.05, 0.3, 5)
    found = expected(mean, deviation, candidates, front)
    # E over errors, integral over costs: what is above the candidate and not above any front point
    at = rng.uniform(size=(40_000, dimensions)) * front.worst_costs
    drawn = rng.normal(size=40_000)
    for i in range(5):
        inside = (at >= candidates[i]).all(axis=1)
        dominating = (front.costs[None] <= at[:, None]).all(axis=2)
        lowest = np.where(dominating, front.error, 0.95).min(axis=1).clip(max=0.95)
        gain = np.maximum(lowest - (mean[i] + deviation[i] * drawn), 0) * inside
        sampled, spread = gain.mean() * 0.9**dimensions, gain.std() * 0.9**dimensions / 200
        assert found[i] == pytest.approx(sampled, abs=5 * spread + 1e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.integers(0, 7), st.integers(0, 1000))
def test_free_volume_is_the_box_less_the_hypervolume(dimensions: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, corner = rng.uniform(size=(count, dimensions)), rng.uniform(size=(1, dimensions))
    reference = np.full(dimensions, 0.9)
    clipped = np.zeros((count, 3))  # `volume` measures in three dimensions: the rest are of thickness one
    clipped[:, :dimensions] = np.maximum(points, corner)
    whole = np.append(reference, np.ones(3 - dimensions))
    box = np.prod(np.maximum(reference - corner[0], 0))
    taken = volume(clipped, whole) if (corner < reference).all() else box
    front = Front(error=np.linspace(0.1, 0.2, count), costs=points, worst_error=1.0, worst_costs=reference)
    found = volumes(corner, front)[0]
    assert found[-1] == pytest.approx(box - taken, abs=1e-12)
    assert found.sum() == pytest.approx(box, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), max_size=12))
def test_the_front_is_what_nothing_dominates(points: list[tuple[int, int, int]]) -> None:
    at = np.array(points, dtype=float).reshape(-1, 3)
    kept = undominated(at[:, 0], at[:, 1:])
    distinct = set(points)
    wanted = {
        p for p in distinct if not any(q != p and all(a <= b for a, b in zip(q, p, strict=True)) for q in distinct)
    }
    assert Counter(points[i] for i in kept) == Counter(wanted)
    assert (np.diff(at[kept, 0]) >= 0).all()


def problem(count: int = 40) -> tuple[Points, np.ndarray]:
    rng = np.random.default_rng(3)
    at = np.column_stack([rng.uniform(size=(count, 2)), rng.integers(0, 3, count)])
    points = Points(at=at, category=np.array([False, False, True]))
    y = np.sin(4 * at[:, 0]) + 0.5 * (at[:, 2] == 1) + 0.02 * rng.normal(size=count)
    return points, np.column_stack([y, -3 * y + 7])


def test_a_process_predicts_what_scikit_learn_does_with_the_same_kernel() -> None:
    points, y = problem()
    kernel = fitted(points, y, noise=(0.01, 1.0))
    process = Process(points, y, kernel)
    assert kernel.scales[0] < kernel.scales[1]  # the second dimension says nothing

    def plain(at: np.ndarray) -> np.ndarray:  # categories as corners one apart
        return np.column_stack([at[:, :2], np.eye(3)[at[:, 2].astype(int)] / np.sqrt(2)])

    scales = np.append(kernel.scales[:2], [kernel.scales[2]] * 3)
    other = GaussianProcessRegressor(Matern(scales, nu=2.5), alpha=kernel.noise + JITTER, optimizer=None)
    other.fit(plain(points.at), (y - y.mean(axis=0)) / y.std(axis=0))
    new = Points(
        at=np.column_stack([np.linspace(0, 1, 30), np.full(30, 0.3), np.arange(30) % 3]), category=points.category
    )
    mean, deviation = process.predict(new)
    wanted, spread = other.predict(plain(new.at), return_std=True)
    np.testing.assert_allclose(mean, wanted * y.std(axis=0) + y.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(deviation, spread * y.std(axis=0), rtol=1e-4)
    truth = np.sin(4 * new.at[:, 0]) + 0.5 * (new.at[:, 2] == 1)
    assert np.abs(mean[:, 0] - truth).max() < 0.25


def test_the_gradient_of_the_posterior_is_its_slope() -> None:
    points, y = problem(15)
    apart = np.stack([points.apart(points, d) for d in range(3)])
    y = (y - y.mean(axis=0)) / y.std(axis=0)
    for theta in ([0.3, -0.7, 0.1, -3.0], [-1.0, 1.0, 0.0, -1.0]):
        gap = check_grad(lambda t: posterior(t, apart, y)[0], lambda t: posterior(t, apart, y)[1], np.array(theta))
        assert gap < 1e-4


def test_a_process_without_dimensions_is_the_mean() -> None:
    points = Points(at=np.empty((20, 0)), category=np.empty(0, dtype=bool))
    y = np.random.default_rng(0).normal(3, 1, size=(20, 1))
    mean, deviation = Process(points, y, fitted(points, y, noise=(0.01, 2.0))).predict(points)
    np.testing.assert_allclose(mean, y.mean(), rtol=1e-9)
    assert (deviation > 0).all()


@pytest.mark.parametrize("training", [{"learning_rate": Range(1e-4, 1e-2, log=True)}, {}])
def test_one_architecture_and_one_objective(training: dict[str, Range]) -> None:
    where = Space(branches=(MLP_FIXED,), arms=(LOGITS, NONE), training=training)
    for objectives, names in ((OBJECTIVES, CONSTRAINTS), (("error",), CONSTRAINTS)):
        one = Controller(where, objectives, names, 0, sampler="exact", exact=EXACT, trials=18)
        assert Counter(event.kind for event in drive(one))["proposed"] == 18


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_points_of_the_grid_are_points_of_the_space(seed: int) -> None:
    where = space()
    grid = Grid(where)
    rng = np.random.default_rng(seed)
    drawn = grid.draw(4, rng)
    for u in np.concatenate([drawn, grid.mutate(drawn, rng)]):
        values = grid.decode(u)
        assert tuple(values) == tuple(d.name for d in where.active(values))
        assert where.candidate(0, values).parameters == values
        back = grid.encode([values])
        assert grid.decode(back[0]) == pytest.approx(values)
        np.testing.assert_allclose(grid.points(back).at, grid.points(u[None]).at, atol=1e-9)


def test_a_mutation_changes_one_or_two_active_dimensions() -> None:
    grid = Grid(space())
    rng = np.random.default_rng(0)
    before = grid.draw(500, rng)
    after = grid.mutate(before, rng)
    changed = ((before != after) & grid.active(before)).sum(axis=1)
    assert changed.max() == 2
    assert (changed == 0).mean() < 0.3  # a category drawn again, a whole number that rounds back


def test_it_finds_more_than_chance_in_the_same_number_of_trainings() -> None:
    def reached(sampler: str, seed: int) -> float:
        one = Controller(space(), OBJECTIVES, CONSTRAINTS, seed, sampler=sampler, exact=EXACT, trials=40)
        good = []
        for event in drive(one):
            candidate = one.trials[event.number].candidate
            if event.kind == "finished" and max(constraints(candidate)) <= 0:
                cost = costs(candidate)
                good.append([error(candidate), cost["latency"], np.log(cost["energy_uJ.modelled"])])
        return volume(np.array(good), np.array([0.25, 60.0, np.log(40)]))

    for seed in (0, 1):
        assert reached("exact", seed) > reached("random", seed)


def test_a_category_that_nobody_had_is_as_far_from_each_that_somebody_had() -> None:
    known = Points(at=np.array([[0.2, 0.0], [0.2, 1.0], [0.7, 1.0]]), category=np.array([False, True]))
    asked = Points(at=np.array([[0.2, 1.0], [0.2, 5.0]]), category=known.category)
    scales = np.array([0.5, 1.5])
    apart = sum(asked.apart(known, d) / scales[d] ** 2 for d in range(2))
    root = np.sqrt(5 * apart)
    np.testing.assert_allclose(Near(known, scales).kernel(asked), (1 + root + root**2 / 3) * np.exp(-root), rtol=1e-12)


def test_a_foreseen_error_of_one_that_was_stopped_is_capped_as_those_of_the_finished() -> None:
    where = space(MLP_FIXED)
    grid = Grid(where)

    def proposed(foreseen: float, seed: int) -> dict[str, object]:
        def outlook(place: int, at: float) -> Outlook:
            return Outlook(mean=foreseen, deviation=0.004, lower=foreseen)

        study = Study(Problem(space=where, objectives=("error",), constraints=(), outlook=outlook), 0, "exact")
        for number, u in enumerate(grid.draw(24, np.random.default_rng(seed))):
            values = study.ask(number, grid.decode(u))
            found = error(where.candidate(number, values))
            stopped = (0, found) if number >= 16 else None
            study.tell(number, [found], (), trained=stopped is None, stopped_at=stopped)
        return study.ask(24)

    for seed in range(5):
        assert proposed(0.3, seed) == proposed(300.0, seed)  # both are bad; how bad bends nothing
        assert proposed(0.05, seed) != proposed(0.3, seed)  # one that looks good does


def test_a_network_that_was_refused_is_not_proposed_again_in_other_training() -> None:
    """All but the smallest just miss a limit, and are the more accurate: a model that is never sure hopes on."""
    sizes = {"width": Choice((4, 24, 32, 48, 64)), "depth": Choice((1, 2, 3))}
    one = Controller(
        space(replace(MLP, settings=sizes)), OBJECTIVES, CONSTRAINTS, 0, sampler="exact", exact=EXACT, trials=60
    )
    refused: Counter[str] = Counter()
    while (step := one.next()).job is not None:
        candidate = step.job.candidate
        event = respond(step.job.kind, candidate)
        if step.job.kind == "measure" and candidate.student["width"] > 4:
            over = 0.03 + 0.02 * noise(candidate, "m")
            entry = Entry(
                candidate=candidate, state="refused", readings=readings(candidate), constraints=(over, -0.5, 0)
            )
            event = Event(kind="refused", number=candidate.number, entry=entry)
            refused[candidate.architecture] += one.trials[candidate.number].sampled
        one.tell(event)
    assert len(refused) > 5
    assert max(refused.values()) == 1


def told(numbers: list[int], study: Study, trials: list[dict[str, object]], found: list[float], refused: int) -> Study:
    """A study whose proposals are all asked first and then end in this order."""
    for number, values in enumerate(trials):
        study.ask(number, values)
    for number in numbers:
        if number == refused:
            study.tell(number, [None, 2.0], (0.5,), trained=False, refused=True)
        else:
            study.tell(number, [found[number], 1.0], (-1.0,), trained=True)
    return study


def test_what_follows_does_not_depend_on_the_order_in_which_workers_ended() -> None:
    """Errors of some hundred rows tie; a replay tells what is known by number."""
    where = space(MLP)
    grid = Grid(where)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        trials = [grid.decode(u) for u in grid.draw(16, rng)]
        found = [round(float(v), 1) for v in rng.uniform(0.1, 0.4, 16)]
        problem = Problem(
            space=where, objectives=("error", "size"), constraints=("size/at_most",), exact=frozenset({"size/at_most"})
        )
        orders = (list(range(16)), [int(n) for n in rng.permutation(16)])
        studies = [told(order, Study(problem, 0, "exact"), trials, found, refused=3) for order in orders]
        assert studies[0].ask(16) == studies[1].ask(16)
