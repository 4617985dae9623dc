"""What is this search worth against a plain Optuna loop on the same space, data and wall clock?

Arms, one after another, each with the same seconds on the search_spaces file:

- ``search``: this package's controller and jobs as ``autodistill search`` runs them (measured before it is trained,
  readings and traces kept by architecture, labels from disk, screened against the policy, journalled), under the
  file's sampler and any that ``--samplers`` names. Certification and report are not run, and their time is no arm's.
- ``nsga2`` and ``tpe``: ``study.optimize`` over error, latency and energy as a competent user writes it. Each trial
  builds, trains in full (networks: ``DataLoader``, AdamW, cosine schedule, best epoch kept; trees: scikit-learn),
  exports and measures. TPE is Optuna's default, NSGA-II has a population of 20 instead of 50 since a minute sees no
  50 trials twice. ``in loop`` asks the fitted teacher for the labels it learns from: every batch of a network, every
  fit of trees. ``cached`` reads the labels that this package keeps, which are out of fold besides, where a fitted
  teacher's labels of its own train rows are not.

The same for all: space, splits, encoded rows (kept within an arm), families and losses, export code (a plain loop
traces at each export, as ``torch.onnx.export`` does), one laboratory's protocol with an empty memory for each arm. Only
what was finished within the time counts. Not in any arm's time: imports, reading the table, fitting the teacher,
labelling, ranking the columns. Not compared: other optimisers, more workers, a certified verdict.

Hypervolume is of (error on the search split, latency as a share of the teacher's, energy as a share of the teacher's)
under the reference point (0.24, 1, 1), which is the majority's error and the teacher's own costs: fixed before any
run, as a share of the box from zero to it. ``log`` takes the two costs as logarithms to base 10, (0.24, 0, 0), and is
not a share. Latencies of the fronts are read once more at the end, by one laboratory for all arms, an architecture
once; the first figures use those, ``own`` uses what each arm read itself. ``acceptable`` is of the candidates that
meet every constraint of the policy on the search split, by the arm's own readings. ``reached`` is when the search had
the plain arm's own hypervolume. ``CPU s`` is what the arm's own processes spent, ``load`` the machine's load average
over a minute before and after it. Energy is modelled, not measured.

Run: ``python benchmarks/first_light.py [--seconds 90] [--seeds 0 1] [--samplers exact]``; it writes
``benchmarks/results/first_light.json`` and ``.md``.
"""

import argparse
import copy
import importlib
import itertools
import json
import logging
import math
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import optuna
import torch
from optuna._hypervolume import compute_hypervolume
from torch.utils.data import DataLoader, TensorDataset

from autodistill import __version__, engine, export, jobs, journal, measure, plugins, spec
from autodistill.losses import Batch, blended, teacher_logits
from autodistill.measure import machine
from autodistill.optimise import Controller
from autodistill.records import Artefact, Candidate, Reading
from autodistill.run import prepare
from autodistill.run.progress import silent

REFERENCE = (0.24, 1.0, 1.0)
PLAIN = ("nsga2 in loop", "nsga2 cached", "tpe in loop", "tpe cached")
RESULTS = Path(__file__).parent / "results"


@dataclass(kw_only=True)
class Found:
    """One finished candidate. ``at``: seconds of its arm; ``own``: error, latency share, energy share by the arm's own
    reading; ``final``: the same by the last reading (front only); ``acceptable``: all constraints met."""

    at: float
    candidate: Candidate
    key: str
    path: Path
    own: tuple[float, float, float]
    latency_us: float
    bytes: float
    acceptable: bool
    final: tuple[float, float, float] | None = None


@dataclass(kw_only=True)
class Arm:
    """One arm of one seed and what it came to."""

    name: str
    seed: int
    shop: jobs.Workshop
    tried: int = 0
    trained: int = 0
    refused: int = 0
    broken: int = 0
    late: int = 0
    unread: list[str] = field(default_factory=list)
    wall: float = 0.0
    cpu: float = 0.0
    load: tuple[float, float] = (0.0, 0.0)
    found: list[Found] = field(default_factory=list)


def costs(readings: Any, energy: float) -> tuple[float, float]:
    """Latency and energy as shares of the teacher's."""
    return readings["latency_ratio"].value, readings["energy"].value / energy


def volume(points: Sequence[tuple[float, float, float]], log: bool = False) -> float:
    """Hypervolume under the reference point; as a share of the box unless ``log``."""
    inside = [one for one in points if all(a < b for a, b in zip(one, REFERENCE, strict=True))]
    if not inside:
        return 0.0
    if log:
        inside = [(one[0], math.log10(one[1]), math.log10(one[2])) for one in inside]
    worst = np.array([REFERENCE[0], 0.0, 0.0] if log else REFERENCE)
    return float(compute_hypervolume(np.array(inside), worst)) / (1.0 if log else math.prod(REFERENCE))


def front(found: Sequence[Found]) -> list[Found]:
    """What no other dominates, by own readings."""
    return [
        one
        for one in found
        if not any(o.own != one.own and all(a <= b for a, b in zip(o.own, one.own, strict=True)) for o in found)
    ]


def cpu_seconds() -> float:
    """Of this process and its ended children."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


class Fitted:
    """A fitted teacher: a weighted mean of scikit-learn estimators."""

    def __init__(self, models: Sequence[tuple[float, Any]]) -> None:
        self.models = models

    def predict_proba(self, rows: Any) -> Any:
        """Shares [n, C]."""
        return sum(weight * model.predict_proba(rows) for weight, model in self.models)


class Bench:
    """What all arms share, made once and on nobody's clock."""

    def __init__(self, path: Path, room: Path) -> None:
        self.spec, self.room = spec.load(path), room
        self.shop = prepare.prepare(self.spec, room / "prepared", silent).shop
        self.ranking = self.shop.ranking
        self.labels = self.shop.teacher_logits
        self.rows = self.shop.matrix(self.shop.encoding)
        self.y = self.shop.dataset.y[self.shop.dataset.splits["train"]]
        self.teacher = self._fitted()
        self.energy = self.shop.teacher_readings["energy"].value or math.nan
        candidate = next(self._middles("mlp"))
        family = plugins.build("students", "mlp", candidate.student)  # the exporter's imports, before any clock
        shapes = self.shop.encoding.shapes(self.shop.outputs)
        export.trace(family.build(shapes, self.shop.outputs), shapes)

    def _middles(self, family: str) -> Any:
        for number in itertools.count():
            trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=number)).ask()
            candidate = propose(trial, self.spec.space)
            if candidate.family == family:
                yield candidate

    def _fitted(self) -> "Fitted":
        """The teacher as a user has it: estimators fitted on the train rows, and their weights in its labels."""
        kind, options = self.spec.teacher
        members = options["members"] if kind == "ensemble" else [options]
        weights = np.ones(1)
        if len(members) > 1:
            told = np.stack([one.scores.ravel() for one in self.shop.teacher.members], axis=1)
            weights = np.linalg.lstsq(told, self.shop.teacher.scores.ravel(), rcond=None)[0].round(4)
        models = []
        for member, weight in zip(members, weights, strict=True):
            given = {name: value for name, value in member.items() if name not in ("estimator", "options")}
            given |= member.get("options", {})
            module, _, name = member["estimator"].rpartition(".")
            made = getattr(importlib.import_module(module), name)
            if weight:
                models.append((float(weight), made(random_state=self.spec.seed, **given).fit(self.rows, self.y)))
        return Fitted(models)

    def arm(self, name: str, seed: int) -> Arm:
        """A workshop that remembers nothing."""
        folder = self.room / f"{name} {seed}"
        shop = replace(self.shop, lab=self.lab(folder / "readings"), folder=folder, kept={})
        shop.__dict__.update(ranking=self.ranking, teacher_logits=self.labels)
        _ = shop.calibration, shop.constraint_names, shop.groups
        return Arm(name=name, seed=seed, shop=shop)

    def lab(self, cache: Path) -> measure.Lab:
        """A laboratory with an empty memory."""
        return measure.Lab(
            cache,
            self.shop.dataset.rows("search"),
            self.room / "prepared" / "teacher.onnx",
            batch=self.spec.measure.batch,
            threads=self.spec.measure.threads,
        )

    def take(self, arm: Arm, at: float, candidate: Candidate, entry: tuple[Path, float, Any, Sequence[float]]) -> None:
        """Count a finished candidate."""
        path, error, readings, constraints = entry
        lacking = [one for one in ("latency_ratio", "energy") if readings[one].value is None]
        if lacking:
            arm.unread.append(f"{candidate.family}: {readings[lacking[0]].reason}")
            return
        fitted = plugins.find("students", candidate.family).readings_depend_on != "architecture"
        key = arm.shop.reading_key(candidate) + (f" {arm.name} {arm.seed}" if fitted else "")
        arm.found.append(
            Found(
                at=round(at, 2),
                candidate=candidate,
                key=key,
                path=path,
                own=(error, *costs(readings, self.energy)),
                latency_us=readings["latency"].value,
                bytes=readings["size"].value,
                acceptable=max(constraints, default=0.0) <= 0,
            )
        )


def search(bench: Bench, arm: Arm, sampler: str, seconds: float) -> None:
    """This package's loop, as its ``run`` has it."""
    shop, asked = arm.shop, bench.spec
    meters = {f"{one.name}/{limit}" for one in shop.policy.require if one.kind == "meter" for limit in one.limits}
    start = time.monotonic()
    deadline = start + seconds
    controller = Controller(
        asked.space,
        asked.objectives,
        shop.constraint_names,
        arm.seed,
        sampler=sampler,
        exact=[name for name in shop.constraint_names if name in meters],
    )
    pump = engine.build(asked.engine, shop)
    durations: dict[str, list[float]] = {}
    with journal.Journal(shop.folder / "journal.jsonl") as log:
        while time.monotonic() < deadline:
            step = controller.next()
            for event in step.events:
                log.append(event)
                arm.tried += event.kind == "proposed"
            if step.job is None:
                break
            family = step.job.candidate.family
            seen = durations.get(family) or [one for many in durations.values() for one in many]
            if seen and median(seen) > deadline - time.monotonic():
                break
            begun = time.monotonic()
            pump.submit(step.job, deadline)
            event = pump.wait()[0]
            durations.setdefault(family, []).append(time.monotonic() - begun)
            log.append(event)
            controller.tell(event)
            at = time.monotonic() - start
            arm.refused += event.kind == "refused"
            arm.broken += event.kind == "broken"
            arm.trained += event.kind == "finished"
            if event.kind == "finished" and at > seconds:
                arm.late += 1
            elif event.kind == "finished" and event.entry is not None:
                one = event.entry
                path = shop.home(one.candidate) / "student.onnx"
                bench.take(arm, at, one.candidate, (path, one.error or 0.0, one.readings, one.constraints))


def propose(trial: optuna.Trial, space: Any) -> Candidate:
    """The space, define-by-run."""
    values: dict[str, Any] = {}
    for one in space.dimensions:
        if any(values.get(parent) not in among for parent, among in one.when):
            continue
        if one.kind == "choice":
            values[one.name] = trial.suggest_categorical(one.name, one.choices)
        elif one.kind == "int":
            values[one.name] = trial.suggest_int(one.name, int(one.low), int(one.high), log=one.log)
        else:
            values[one.name] = trial.suggest_float(one.name, one.low, one.high, log=one.log)
    candidate: Candidate = space.candidate(trial.number, values)
    return candidate


def plain(bench: Bench, arm: Arm, sampler: optuna.samplers.BaseSampler, seconds: float, in_loop: bool) -> None:
    """``study.optimize`` until the time is up."""
    shop = arm.shop
    done: list[tuple[float, Candidate, Path, float, dict[str, Reading]]] = []

    def objective(trial: optuna.Trial) -> tuple[float, float, float]:
        candidate = propose(trial, bench.spec.space)
        arm.tried += 1
        torch.manual_seed(arm.seed * 100_003 + trial.number)
        out = shop.folder / f"{trial.number}.onnx"
        family = plugins.build("students", candidate.family, candidate.student)
        (fit if family.trains == "fit" else descend)(bench, shop, candidate, out, in_loop)
        error = shop.error(shop.predict(out, "search"), "search")
        readings = dict(shop.lab.first(f"trial {trial.number}", out))
        arm.trained += 1
        done.append((time.monotonic() - start, candidate, out, error, readings))
        return error, readings["latency"].value or math.nan, readings["energy"].value or math.nan

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    start = time.monotonic()
    study = optuna.create_study(directions=["minimize"] * 3, sampler=sampler)
    study.optimize(objective, timeout=seconds, catch=(Exception,))
    arm.broken = sum(one.state == optuna.trial.TrialState.FAIL for one in study.trials)
    for at, candidate, path, error, readings in done:  # the policy is asked off the clock: a plain loop knows none
        if at > seconds:
            arm.late += 1
            continue
        screened = jobs.complete(candidate, shop, by_file(path), readings=readings, split="search")
        bench.take(arm, at, candidate, (path, error, readings, screened.constraints))


def by_file(path: Path) -> Artefact:
    """An artefact by its file alone."""
    return Artefact(path=path, sha256="", size=path.stat().st_size, precision="", parameters=0)


def fit(bench: Bench, shop: jobs.Workshop, candidate: Candidate, out: Path, in_loop: bool) -> None:
    """Trees by scikit-learn."""
    family = plugins.build("students", candidate.family, candidate.student)
    loss = plugins.build("losses", candidate.loss, candidate.distill)
    encoding = shop.encoding_of(candidate)
    share = getattr(loss, "teacher_weight", 0.0)
    logits = shop.teacher_logits
    if in_loop and candidate.loss != "none":
        logits = teacher_logits(bench.teacher.predict_proba(bench.rows))
    soft = blended(logits, bench.y, getattr(loss, "temperature", 1.0), share)
    model = family.build(encoding.shapes(shop.outputs), shop.outputs).fit(shop.matrix(encoding), soft, shop.weight)
    export.wrap(encoding, model.onnx(), shop.answer, out)


def descend(bench: Bench, shop: jobs.Workshop, candidate: Candidate, out: Path, in_loop: bool) -> None:
    """A network by an ordinary PyTorch loop."""
    encoding, options = shop.encoding_of(candidate), candidate.training
    shapes = encoding.shapes(shop.outputs)
    network = plugins.build("students", candidate.family, candidate.student).build(shapes, shop.outputs)
    objective = plugins.build("losses", candidate.loss, candidate.distill).build(shapes)
    rows, search_rows = shop.tensors(encoding)
    taught = torch.from_numpy(np.asarray(bench.rows if in_loop else shop.teacher_logits, np.float32))
    data = TensorDataset(rows.numeric, rows.codes, rows.y, taught)
    loader = DataLoader(data, batch_size=options["batch_size"], shuffle=True)
    learner = torch.optim.AdamW(network.parameters(), lr=options["learning_rate"], weight_decay=options["weight_decay"])
    steps = options["epochs"] * len(loader)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(learner, steps)
    best, state = math.inf, network.state_dict()
    for _ in range(options["epochs"]):
        network.train()
        for numeric, codes, y, told in loader:
            teacher = told
            if in_loop and candidate.loss != "none":
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
    traced = export.trace(network, encoding.shapes(shop.outputs))  # what a plain loop does; ours writes its own graph
    export.export(encoding, network, shop.answer, out, shop.calibration, precision=candidate.precision, template=traced)


def run_arm(bench: Bench, name: str, seed: int, seconds: float) -> Arm:
    """One arm on its clock."""
    arm = bench.arm(name, seed)
    before, cpu, start = os.getloadavg()[0], cpu_seconds(), time.monotonic()
    if name.startswith("search"):
        search(bench, arm, name.split()[1], seconds)
    else:
        made: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
            "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed, population_size=20),
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
        }
        plain(bench, arm, made[name.split(maxsplit=1)[0]](), seconds, name.endswith("in loop"))
    arm.wall, arm.cpu = time.monotonic() - start, cpu_seconds() - cpu
    arm.load = before, os.getloadavg()[0]
    print(f"{name}, seed {seed}: {arm.tried} tried, {arm.trained} trained, {own(arm):.4f}", flush=True)
    return arm


def own(arm: Arm, until: float = math.inf) -> float:
    """Hypervolume by the arm's own readings of what it had by then."""
    return volume([one.own for one in arm.found if one.at <= until])


def reread(bench: Bench, arms: Sequence[Arm]) -> None:
    """The fronts' latencies once more, all by one laboratory, an architecture once."""
    lab = bench.lab(bench.room / "last")
    fronts = [one for arm in arms for one in front(arm.found)]
    np.random.default_rng(0).shuffle(fronts)
    for one in fronts:
        one.final = (one.own[0], *costs(lab.first(one.key, one.path), bench.energy))


def reached(arm: Arm, target: float) -> float | None:
    """When an arm first had so much hypervolume."""
    return next((one.at for one in arm.found if own(arm, one.at) >= target), None)


def said(arm: Arm, base: Arm) -> dict[str, Any]:
    """The figures of an arm; ``base`` is this search with the file's sampler and the same seed."""
    last = [one.final for one in arm.found if one.final is not None]
    return {
        "arm": arm.name,
        "seed": arm.seed,
        "tried": arm.tried,
        "trained": arm.trained,
        "refused": arm.refused,
        "broken": arm.broken,
        "late": arm.late,
        "unread": sorted(set(arm.unread)),
        "acceptable": sum(one.acceptable for one in arm.found),
        "front": len(last),
        "least_error": min((one.own[0] for one in arm.found), default=None),
        "hypervolume": volume(last),
        "hypervolume_log": volume(last, log=True),
        "hypervolume_own": own(arm),
        "hypervolume_acceptable": volume([one.own for one in arm.found if one.acceptable]),
        "search_reached_it_after": reached(base, own(arm)) if arm is not base else None,
        "wall_seconds": round(arm.wall, 1),
        "cpu_seconds": round(arm.cpu, 1),
        "load_average": [round(one, 2) for one in arm.load],
    }


def table(figures: Sequence[dict[str, Any]], base: str) -> list[str]:
    """One row an arm and seed; the ratio is the search's hypervolume over the arm's."""
    lines = [
        "| seed | arm | tried | trained | refused | broken | acceptable | least error | hypervolume | ratio | log "
        "| ratio | own | acceptable only | reached | CPU s | load |",
        "|" + "---|" * 17,
    ]
    for one in figures:
        first = next(o for o in figures if o["seed"] == one["seed"] and o["arm"] == base)
        after = one["search_reached_it_after"]
        cells = [
            one["seed"], one["arm"], one["tried"], one["trained"], one["refused"], one["broken"], one["acceptable"],
            "none" if one["least_error"] is None else f"{one['least_error']:.4f}",
            f"{one['hypervolume']:.4f}", ratio(first, one, "hypervolume"),
            f"{one['hypervolume_log']:.4f}", ratio(first, one, "hypervolume_log"),
            f"{one['hypervolume_own']:.4f}", f"{one['hypervolume_acceptable']:.4f}",
            "" if one is first else "not" if after is None else f"{after:.0f} s",
            f"{one['cpu_seconds']:.0f}", f"{one['load_average'][0]:.1f} → {one['load_average'][1]:.1f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def summary(figures: Sequence[dict[str, Any]], base: str) -> list[str]:
    """The ratios of each arm over its seeds: geometric mean and range."""
    lines = ["| arm | hypervolume: ratio over seeds | log: ratio over seeds |", "|---|---|---|"]
    for arm in dict.fromkeys(one["arm"] for one in figures if one["arm"] != base):
        cells = []
        for name in ("hypervolume", "hypervolume_log"):
            of = {one["seed"]: one[name] for one in figures if one["arm"] == arm}
            ours = {one["seed"]: one[name] for one in figures if one["arm"] == base}
            found = [ours[seed] / of[seed] for seed in of if of[seed] and ours[seed]]
            mean = math.exp(sum(map(math.log, found)) / len(found)) if found else math.nan
            cells.append(f"{mean:.3f} ({min(found):.3f} to {max(found):.3f})" if found else "none")
        lines.append(f"| {arm} | {cells[0]} | {cells[1]} |")
    return lines


def ratio(first: dict[str, Any], other: dict[str, Any], name: str) -> str:
    """The search's figure over another arm's."""
    return f"{first[name] / other[name]:.3f}" if other[name] else "none"


def raw(arm: Arm) -> list[dict[str, Any]]:
    """Every candidate that counts."""
    kept = ("family", "student", "loss", "distill", "training", "precision")
    return [
        {
            "at": one.at,
            "own": one.own,
            "final": one.final,
            "latency_us": one.latency_us,
            "bytes": one.bytes,
            "acceptable": one.acceptable,
            **{name: value for name, value in asdict(one.candidate).items() if name in kept},
        }
        for one in arm.found
    ]


def main() -> None:
    """Run all arms, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=90.0, help="of each arm")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--samplers", nargs="*", default=[], help="of this search, beside the file's own")
    parser.add_argument("--file", type=Path, default=Path("search_spaces/adult_income.yaml"))
    parser.add_argument("--out", type=Path, default=RESULTS / "first_light")
    asked = parser.parse_args()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as room:
        bench = Bench(asked.file, Path(room))
        base = f"search {bench.spec.sampler}"
        names = list(dict.fromkeys([base, *(f"search {one}" for one in asked.samplers), *PLAIN]))
        arms = []
        for at, seed in enumerate(asked.seeds):
            turned = names[::-1] if at % 2 else names  # nobody is always first
            done = {name: run_arm(bench, name, seed, asked.seconds) for name in turned}
            arms += [done[name] for name in names]
        reread(bench, arms)
        first = {arm.seed: arm for arm in arms if arm.name == base}
        figures = [said(arm, first[arm.seed]) for arm in arms]
        here = machine.environment()
        head = {
            "version": __version__,
            "file": asked.file.name,
            "seconds": asked.seconds,
            "reference": REFERENCE,
            "teacher_energy_uJ": bench.energy,
            "teacher_latency_us": bench.shop.teacher_readings["latency"].value,
            "optuna": optuna.__version__,
            "torch": torch.__version__,
            "environment": here,
            "cores": os.cpu_count(),
        }
        kept = [{**one, "candidates": raw(arm)} for one, arm in zip(figures, arms, strict=True)]
    text = [
        f"{here['processor']}, {os.cpu_count()} cores shared with other work (load average of each arm in the table), "
        f"Optuna {optuna.__version__}, PyTorch {torch.__version__}. {asked.seconds:.0f} s an arm, "
        f"{len(asked.seeds)} seed(s); {asked.file.name}; the figures are explained at the head of the script.",
        f"Reference point: error {REFERENCE[0]}, the teacher's latency, the teacher's energy. Ratio: `{base}` over the "
        "arm, of the same seed.",
        "",
        *summary(figures, base),
        "",
        *table(figures, base),
    ]
    print("\n".join(text))
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.with_suffix(".json").write_text(json.dumps({**head, "arms": kept}, indent=1) + "\n")
    asked.out.with_suffix(".md").write_text("# First light (`first_light.py`)\n\n" + "\n".join(text) + "\n")


if __name__ == "__main__":
    main()
