"""The arms: this package's own loop, and ``study.optimize`` as a competent user writes it."""

import copy
import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import torch
from bench import Arm, Bench, cpu_seconds
from torch.utils.data import DataLoader, TensorDataset

from autodistill import export, jobs, journal, plugins
from autodistill.losses import Batch, blended, teacher_logits
from autodistill.records import Artefact, Candidate, Entry, Reading
from autodistill.run.progress import silent
from autodistill.run.pumping import Pump
from autodistill.spec import Budget


def search(bench: Bench, arm: Arm, sampler: str, rungs: bool, seconds: float) -> None:
    """The loop of ``autodistill search``, by the clock alone."""
    asked = replace(bench.spec, sampler=sampler, rungs=rungs, seed=arm.seed, budget=Budget(minutes=seconds / 60))
    start = time.monotonic()

    def took(entry: Entry) -> None:
        at = time.monotonic() - start
        arm.count(entry.state if at <= seconds else "late")
        if at <= seconds and entry.state in ("finished", "stopped") and entry.error is not None:
            whole = entry.state == "finished"
            limits = entry.constraints if whole else None
            bench.take(arm, at, entry.candidate.family, entry.error, entry.readings, limits)

    with journal.Journal(arm.shop.folder / "journal.jsonl") as log:
        Pump(asked, arm.shop, log, silent, None, took).run()


def propose(trial: optuna.Trial, space: Any, flat: bool = False) -> Candidate:
    """The space, define-by-run; or ``flat``: every parameter asked for in every trial, the inactive ones put aside.
    NSGA-II crosses only what all trials share: in a conditional space that is the family alone, and the rest random."""
    values: dict[str, Any] = {}
    for one in space.dimensions:
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
        for one in space.dimensions:
            if all(values.get(parent) in among for parent, among in one.when):
                values[one.name] = told[one.name]
    candidate: Candidate = space.candidate(trial.number, values)
    return candidate


def plain(bench: Bench, arm: Arm, sampler: optuna.samplers.BaseSampler, seconds: float, in_loop: bool) -> None:
    """``study.optimize`` until the time is up."""
    shop = arm.shop
    done: list[tuple[float, Candidate, Any, float, dict[str, Reading]]] = []
    loop = Loop(bench, shop, in_loop)

    def objective(trial: optuna.Trial) -> tuple[float, float, float]:
        candidate = propose(trial, bench.spec.space, isinstance(sampler, optuna.samplers.NSGAIISampler))
        torch.manual_seed(arm.seed * 100_003 + trial.number)
        out = shop.folder / f"{trial.number}.onnx"
        family = plugins.build("students", candidate.family, candidate.student)
        (loop.fit if family.trains == "fit" else loop.descend)(candidate, out)
        error = shop.error(shop.predict(out, "search"), "search")
        readings = dict(shop.lab.first(f"trial {trial.number}", out))
        done.append((time.monotonic() - start, candidate, out, error, readings))
        return error, readings["latency"].value or math.nan, readings["energy"].value or math.nan

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    start = time.monotonic()
    study = optuna.create_study(directions=["minimize"] * 3, sampler=sampler)
    study.optimize(objective, timeout=seconds, catch=(Exception,))
    arm.counts["broken"] = sum(one.state == optuna.trial.TrialState.FAIL for one in study.trials)
    for at, candidate, path, error, readings in done:  # the policy is asked off the clock: a plain loop knows none
        arm.count("finished" if at <= seconds else "late")
        if at <= seconds:
            made = Artefact(path=path, sha256="", size=path.stat().st_size, precision="", parameters=0)
            screened = jobs.complete(candidate, shop, made, readings=readings, split="search")
            bench.take(arm, at, candidate.family, error, readings, screened.constraints)


class Loop:
    """Ordinary training. ``in_loop``: the fitted teacher is asked for the labels of every batch and every fit."""

    def __init__(self, bench: Bench, shop: jobs.Workshop, in_loop: bool) -> None:
        self.bench, self.shop, self.in_loop = bench, shop, in_loop

    def fit(self, candidate: Candidate, out: Any) -> None:
        """Trees by scikit-learn."""
        bench, shop = self.bench, self.shop
        loss = plugins.build("losses", candidate.loss, candidate.distill)
        family = plugins.build("students", candidate.family, candidate.student)
        encoding = shop.encoding_of(candidate)
        share = getattr(loss, "teacher_weight", 0.0)
        logits = shop.teacher_logits
        if self.in_loop and candidate.loss != "none":
            logits = teacher_logits(bench.teacher.predict_proba(bench.rows))
        soft = blended(logits, bench.y, getattr(loss, "temperature", 1.0), share)
        model = family.build(encoding.shapes(shop.outputs), shop.outputs).fit(shop.matrix(encoding), soft, shop.weight)
        export.wrap(encoding, model.onnx(), shop.answer, out)

    def descend(self, candidate: Candidate, out: Any) -> None:
        """A network by an ordinary PyTorch loop."""
        bench, shop = self.bench, self.shop
        encoding, options = shop.encoding_of(candidate), candidate.training
        shapes = encoding.shapes(shop.outputs)
        network = plugins.build("students", candidate.family, candidate.student).build(shapes, shop.outputs)
        objective = plugins.build("losses", candidate.loss, candidate.distill).build(shapes)
        rows, search_rows = shop.tensors(encoding)
        taught = torch.from_numpy(np.asarray(bench.rows if self.in_loop else shop.teacher_logits, np.float32))
        data = TensorDataset(rows.numeric, rows.codes, rows.y, taught)
        loader = DataLoader(data, batch_size=options["batch_size"], shuffle=True)
        learner = torch.optim.AdamW(
            network.parameters(), lr=options["learning_rate"], weight_decay=options["weight_decay"]
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(learner, options["epochs"] * len(loader))
        best, state = math.inf, network.state_dict()
        for _ in range(options["epochs"]):
            network.train()
            for numeric, codes, y, told in loader:
                teacher = told
                if self.in_loop and candidate.loss != "none":
                    teacher = torch.from_numpy(teacher_logits(bench.teacher.predict_proba(told.numpy())))
                loss = objective(Batch(student=network(numeric, codes), y=y, teacher=teacher))
                learner.zero_grad()
                loss.backward()
                learner.step()
                schedule.step()
            network.eval()
            with torch.no_grad():
                wrong = network(search_rows.numeric, search_rows.codes).argmax(dim=1) != search_rows.y
            error = float(wrong.float().mean())
            if error < best:
                best, state = error, copy.deepcopy(network.state_dict())
        network.load_state_dict(state)
        export.export(encoding, network, shop.answer, out, shop.calibration, precision=candidate.precision)


RIVALS: dict[str, Callable[[int], optuna.samplers.BaseSampler]] = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=20),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
}


def run(bench: Bench, name: str, seed: int, seconds: float) -> Arm:
    """One arm on its clock: "search SAMPLER [no rungs]", or a rival "in loop" or "cached"."""
    arm = bench.arm(name, seed)
    before, cpu, start = os.getloadavg()[0], cpu_seconds(), time.monotonic()
    kind, *rest = name.split(maxsplit=1)
    if kind == "search":
        search(bench, arm, rest[0].split()[0], not rest[0].endswith("no rungs"), seconds)
    else:
        plain(bench, arm, RIVALS[kind](seed), seconds, rest[0] == "in loop")
    arm.wall, arm.cpu = time.monotonic() - start, cpu_seconds() - cpu
    arm.load = before, os.getloadavg()[0]
    print(f"{bench.task}, {name}, seed {seed}: {arm.counts}, {volume(bench, arm):.4f}", flush=True)
    return arm


def volume(bench: Bench, arm: Arm, until: float = math.inf) -> float:
    """Hypervolume of what an arm had by then."""
    return bench.volume([one.point for one in arm.found if one.at <= until])
