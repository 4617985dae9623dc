"""Searches in a recorded world, on a simulated clock: training and measuring cost what was recorded, proposing costs
what it really takes. Nothing is trained."""

import heapq
import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from drive import CONSTRAINTS, Found, Run, Shop
from world import RUNGS, World

from autodistill.optimise import Controller, ranking
from autodistill.records import Candidate, Entry, Event


def ours(controller: Controller, shop: Shop, budget: float, slots: int = 1) -> Run:
    """A search by our controller with so many workers; latency is read in one lane, one architecture at a time."""
    run, now, lane = Run(), 0.0, 0.0
    flying: list[tuple[float, int, Event, float]] = []
    trained: dict[int, float] = {}
    while True:
        while len(flying) < slots and now < budget:
            begun = time.process_time()
            step = controller.next()
            now += _thought(run, begun)
            for event in step.events:
                run.count(event.kind)
                if event.kind == "stopped" and event.entry is not None and now <= budget:
                    _take(run, shop, event.entry, now)
            if step.job is None:
                break
            event, seconds, share = shop.do(step.job)
            start = now
            if step.job.kind == "measure":
                start = max(now, lane)
                lane = start + seconds
            heapq.heappush(flying, (start + seconds, event.number, event, share))
        if not flying:
            break
        end, number, event, share = heapq.heappop(flying)
        if end > budget:
            break
        now = max(now, end)
        run.trained += share
        trained[number] = trained.get(number, 0.0) + share
        begun = time.process_time()
        controller.tell(event)
        now += _thought(run, begun)
        run.count(event.kind)
        if event.kind == "finished" and event.entry is not None:
            _take(run, shop, event.entry, now)
    run.end = now
    return run


def _thought(run: Run, begun: float) -> float:
    spent = time.process_time() - begun
    run.thought += spent
    return spent


def _take(run: Run, shop: Shop, entry: Entry, now: float) -> None:
    costs = shop.known(entry.candidate)["costs"]
    assert entry.error is not None
    run.found.append(Found(at=now, trained=run.trained, error=entry.error, whole=entry.state == "finished", **costs))


def propose(trial: optuna.Trial, world: World, flat: bool = False) -> Candidate:
    """The space, define-by-run, as a user of Optuna writes it; or ``flat``: every parameter asked for in every trial,
    the inactive ones put aside. NSGA-II crosses only what all trials share: in a conditional space that is the family
    alone, and all else is random."""
    values: dict[str, Any] = {}
    for one in world.space.dimensions:
        if not flat and any(values.get(parent) not in among for parent, among in one.when):
            continue
        if one.kind == "choice":
            values[one.name] = trial.suggest_categorical(one.name, one.choices)
        elif one.kind == "int":
            values[one.name] = trial.suggest_int(one.name, int(one.low), int(one.high), log=one.log)
        else:
            values[one.name] = trial.suggest_float(one.name, one.low, one.high, log=one.log)
    if flat:
        told, values = values, {}
        for one in world.space.dimensions:
            if all(values.get(parent) in among for parent, among in one.when):
                values[one.name] = told[one.name]
    return world.space.candidate(trial.number, values)


def plain(sampler: optuna.samplers.BaseSampler, shop: Shop, budget: float) -> Run:
    """``study.optimize`` over error, latency and energy: every trial is trained in full, exported and measured."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=["minimize"] * 3, sampler=sampler)
    run, now = Run(), 0.0
    while now < budget:
        begun = time.process_time()
        trial = study.ask()
        candidate = propose(trial, shop.world, isinstance(sampler, optuna.samplers.NSGAIISampler))
        now += _thought(run, begun)
        known = shop.known(candidate)
        epochs = 1 if known["fitted"] else RUNGS[-1]
        now += epochs * known["epoch"] + known["export"] + shop.look(candidate)
        if now > budget:
            break
        error, costs = float(known["curve"][-1]), known["costs"]
        run.trained += 1
        run.count("finished")
        run.found.append(Found(at=now, trained=run.trained, error=error, whole=True, **costs))
        begun = time.process_time()
        if shop.limits:
            for name, value in zip(CONSTRAINTS, shop.violations(costs, error), strict=True):
                trial.set_constraint(name, value)
        study.tell(trial, [error, costs["latency"], costs["energy"]])
        now += _thought(run, begun)
    run.end = now
    return run


def asha(seed: int, shop: Shop, budget: float, draw: Callable[[np.random.Generator], dict[str, Any]]) -> Run:
    """MO-ASHA with one worker (Schmucker et al. 2021, arXiv 2106.12639): the best third of a rung, by non-dominated
    sort and crowding of error, latency and energy, is promoted; else a new random candidate begins."""
    rng, run, now, number = np.random.default_rng(seed), Run(), 0.0, 0
    reached: dict[int, list[tuple[Candidate, tuple[float, ...]]]] = {rung: [] for rung in RUNGS}
    promoted: dict[int, set[int]] = {rung: set() for rung in RUNGS}
    while now < budget:
        begun = time.process_time()
        chosen = _promotion(reached, promoted)
        if chosen is None:
            candidate, last, before = shop.world.space.candidate(number, draw(rng)), RUNGS[0], 0
            number += 1
            now += shop.look(candidate) + shop.known(candidate)["export"]
        else:
            candidate, before, last = chosen
        now += _thought(run, begun)
        known = shop.known(candidate)
        fitted = known["fitted"]
        now += known["epoch"] * (1 if fitted else last - before)
        if now > budget:
            break
        run.trained += 1.0 if fitted else (last - before) / RUNGS[-1]
        error = float(known["curve"][-1]) if fitted else shop.error(known, last)
        run.found.append(
            Found(at=now, trained=run.trained, error=error, whole=fitted or last == RUNGS[-1], **known["costs"])
        )
        run.count("finished" if fitted or last == RUNGS[-1] else "rung")
        if not fitted:
            reached[last].append((candidate, run.found[-1].point))
    run.end = now
    return run


def _promotion(
    reached: dict[int, list[tuple[Candidate, tuple[float, ...]]]], promoted: dict[int, set[int]]
) -> tuple[Candidate, int, int] | None:
    for rung, after in reversed(list(itertools.pairwise(RUNGS))):
        many = len(reached[rung]) // 3
        if many <= len(promoted[rung]):
            continue
        points = np.array([point for _, point in reached[rung]])
        for at in sorted(ranking.best(points, many)):
            if at not in promoted[rung]:
                promoted[rung].add(at)
                return reached[rung][at][0], rung, after
    return None
