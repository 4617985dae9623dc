"""The small blocks of an experiment file: budget, engine, measuring, tracking, and the single values."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from autodistill.errors import SpecError
from autodistill.plugins import options_of, suggest, validate
from autodistill.spec.reader import Node

ENGINES = ("local", "ray")
SAMPLERS = ("exact", "tpe", "nsga2", "random")


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasureSpec:
    """How artefacts are read; ``source`` (``from:`` in the file) replays readings that were taken before."""

    batch: Annotated[int, Field(ge=1, le=4096, description="rows a call")] = 1
    threads: Annotated[int, Field(ge=1, le=256, description="of the runtime")] = 1
    source: Annotated[
        Path | None, Field(description="`from:` in the file: readings.json of a run, replayed instead of measured")
    ] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What a search may spend; whichever ends first."""

    trials: Annotated[int, Field(ge=1, le=1_000_000, description="candidates, trained or not")] | None = None
    minutes: (
        Annotated[
            float,
            Field(
                gt=0,
                le=1_000_000,
                description="of the search itself; the teacher is fitted before, the shortlist certified after",
            ),
        ]
        | None
    ) = None
    energy_wh: Annotated[float, Field(gt=0, description="watt-hours that the search itself may draw")] | None = None
    co2e_g: Annotated[float, Field(gt=0, description="grams of CO2e of the search itself")] | None = None
    country: Annotated[str, Field(pattern="^([A-Z]{3})?$", description="where it runs: ISO 3166 code such as DEU")] = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """Where copies of the search go: an MLflow tracking address, an Optuna storage address (both None: nowhere)."""

    mlflow: Annotated[str | None, Field(description="tracking address, such as `sqlite:///mlflow.db`")] = None
    optuna: Annotated[str | None, Field(description="storage address, such as `sqlite:///optuna.db`")] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine:
    """Where jobs run: ``local`` worker processes (1: this process alone), or actors of a ``ray`` cluster."""

    kind: Annotated[str, Field(description="`local` or `ray`")] = "local"
    workers: Annotated[int, Field(ge=1, le=256, description="processes that train; 1: none beside the search")] = 1
    address: Annotated[str | None, Field(description="of the Ray cluster; null: one of this search's own")] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The single values at the top level."""

    name: Annotated[str, Field(max_length=80, description="also the name of the report's folder")]
    seed: Annotated[int, Field(ge=0, lt=2**32, description="of splits, proposals and training")] = 0
    sampler: Annotated[str, Field(description="who proposes: `exact`, `tpe`, `nsga2` or `random`")] = "exact"
    rungs: Annotated[bool, Field(description="train in rungs and stop what cannot matter")] = True
    warm_start: Annotated[str, Field(description="folder of an earlier search to begin from")] = ""
    purpose: Annotated[str, Field(description="what the student is for")] = ""
    owner: Annotated[str, Field(description="who answers for it")] = ""
    out_of_scope: Annotated[str, Field(description="what it must not be used for")] = ""
    provenance: Annotated[str, Field(description="where the data are from, how they were labelled and grouped")] = ""
    oversight: Annotated[str, Field(description="who watches the student's decisions, and can overrule them")] = ""
    changes: Annotated[str, Field(description="changes that are foreseen, such as nightly searches")] = ""
    residual_risks: Annotated[str, Field(description="what remains, and who accepts it")] = ""
    rollback: Annotated[str, Field(description="what takes the student's place when it is withdrawn")] = ""
    revocation_triggers: Annotated[str, Field(description="what is watched, and when the approval ends")] = ""


def read_head(node: Node) -> Head:
    given = {key: child for key, child in node.data.items() if key in {o.name for o in options_of(Head)}}
    text = {key: given[key].text for key in ("name",) if given[key].text}
    head = validate(Head, {**{key: child.plain() for key, child in given.items()}, **text}, node.where)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", head.name):
        do = "use letters, digits, dot, dash and underscore"
        raise SpecError(f"{head.name!r} cannot name a folder", where=node.where(("name",)), do=do)
    if head.sampler not in SAMPLERS:
        raise SpecError(
            f"no sampler {head.sampler!r}", where=node.where(("sampler",)), do=suggest(head.sampler, SAMPLERS)
        )
    return head


def read_block(kind: type[Any], node: Node, key: str, over: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One mapping of the file as the fields of a frozen dataclass, defaults included."""
    values = node.at(key).plain() if key in node.data else {}
    if not isinstance(values, dict):
        known = ", ".join(o.name for o in options_of(kind))
        raise SpecError(f"should be a mapping, not {values!r}", where=node.where((key,)), do=f"it has {known}")
    checked = validate(kind, values, lambda path: node.where((key, *path)), key)
    return dataclasses.asdict(validate(kind, {**dataclasses.asdict(checked), **(over or {})}, "the command line", key))


def read_budget(node: Node, over: Mapping[str, Any]) -> Budget:
    budget = Budget(**read_block(Budget, node, "budget", {k: v for k, v in over.items() if k in {"trials", "minutes"}}))
    if all(one is None for one in (budget.trials, budget.minutes, budget.energy_wh, budget.co2e_g)):
        raise SpecError("no budget", where=node.where(("budget",)), do="give {trials: 60}, {minutes: 3}, or both")
    if budget.co2e_g is not None and not budget.country:
        do = "name it: {co2e_g: 5, country: DEU}"
        raise SpecError("CO2e depends on the country", where=node.where(("budget", "co2e_g")), do=do)
    if (budget.energy_wh or budget.co2e_g) is not None and find_spec("codecarbon") is None:
        key = "energy_wh" if budget.energy_wh is not None else "co2e_g"
        do = "pip install 'autodistill-audit[carbon]'"
        raise SpecError("codecarbon is not installed", where=node.where(("budget", key)), do=do)
    return budget


def read_engine(node: Node, over: Mapping[str, Any]) -> dict[str, Any]:
    engine = read_block(Engine, node, "engine", {k: v for k, v in over.items() if k == "workers"})
    if engine["kind"] not in ENGINES:
        do = suggest(engine["kind"], ENGINES)
        raise SpecError(f"no engine {engine['kind']!r}", where=node.where(("engine", "kind")), do=do)
    if engine["kind"] == "ray" and find_spec("ray") is None:
        do = "pip install 'autodistill-audit[ray]'"
        raise SpecError("Ray is not installed", where=node.where(("engine", "kind")), do=do)
    if engine["kind"] == "local" and engine["address"] is not None:
        do = "leave it out, or use kind: ray"
        raise SpecError("local workers have no address", where=node.where(("engine", "address")), do=do)
    return engine


def read_measure(node: Node) -> MeasureSpec:
    place = node.at("measure")
    if "measure" not in node.data:
        return MeasureSpec()
    if not isinstance(place.data, dict):
        raise SpecError(
            f"should be a mapping, not {place.plain()!r}", where=place.where(), do="it has batch, threads, from"
        )
    for key in place.data:
        if key not in {"batch", "threads", "from"}:
            where = place.where((key,))
            raise SpecError(f"measure has no {key!r}", where=where, do=suggest(key, ("batch", "threads", "from")))
    values = {"source" if key == "from" else key: value for key, value in place.plain().items()}
    measure = validate(
        MeasureSpec, values, lambda path: place.where(tuple("from" if p == "source" else p for p in path))
    )
    if measure.source is not None and not measure.source.is_file():
        raise SpecError(
            f"no readings at {measure.source}", where=place.where(("from",)), do="write them with measure --out"
        )
    return measure
