"""The experiment file: everything a user can get wrong in it is refused here, before anything heavy is imported."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from autodistill import records, space
from autodistill.data.asked import DataSpec
from autodistill.errors import SpecError
from autodistill.plugins import build, options, options_of, suggest, validate
from autodistill.records import Policy
from autodistill.spec.nightly import Nightly, read_nightly
from autodistill.spec.policy import load_policy
from autodistill.spec.reader import Node, read
from autodistill.spec.table import read_data

OBJECTIVES = ("error", "latency", "latency@32", "energy", "size")
SAMPLERS = ("tpe", "exact", "nsga2", "random")
DESCRIPTIVE = (
    "purpose",
    "owner",
    "out_of_scope",
    "provenance",
    "oversight",
    "changes",
    "residual_risks",
    "rollback",
    "revocation_triggers",
)
"""What a sign-off needs in words; none of it changes a search."""

KEYS = (
    "name",
    "seed",
    "data",
    "teacher",
    "student",
    "distill",
    "objectives",
    "measure",
    "budget",
    "policy",
    "track",
    "engine",
    "sampler",
    "nightly",
    *DESCRIPTIVE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasureSpec:
    """How artefacts are read; ``source`` (``from:`` in the file) replays readings that were taken before."""

    batch: Annotated[int, Field(ge=1, le=4096, description="rows a call")] = 1
    threads: Annotated[int, Field(ge=1, le=256, description="of the runtime")] = 1
    source: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What a search may spend; whichever ends first."""

    trials: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    minutes: Annotated[float, Field(gt=0, le=1_000_000)] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """Where copies of the search go: an MLflow tracking address, an Optuna storage address (both None: nowhere)."""

    mlflow: str | None = None
    optuna: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine:
    """Where jobs run: ``local`` worker processes (1: this process alone)."""

    kind: str = "local"
    workers: Annotated[int, Field(ge=1, le=256)] = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The single values at the top level."""

    name: Annotated[str, Field(max_length=80, description="also the name of the report's folder")]
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    sampler: str = "tpe"
    purpose: str = ""
    owner: str = ""
    out_of_scope: str = ""
    provenance: Annotated[str, Field(description="where the data are from, how they were labelled and grouped")] = ""
    oversight: Annotated[str, Field(description="who watches the student's decisions, and can overrule them")] = ""
    changes: Annotated[str, Field(description="changes that are foreseen, such as nightly searches")] = ""
    residual_risks: str = ""
    rollback: Annotated[str, Field(description="what takes the student's place when it is withdrawn")] = ""
    revocation_triggers: Annotated[str, Field(description="what is watched, and when the approval ends")] = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """An experiment file, checked. ``teacher`` is its kind and options; ``sha256`` leaves out budget, engine,
    track, nightly."""

    name: str
    seed: int
    data: DataSpec
    teacher: tuple[str, Mapping[str, Any]]
    space: space.Space
    objectives: tuple[str, ...]
    measure: MeasureSpec
    budget: Budget
    policy: Policy
    policy_path: Path
    track: Mapping[str, Any]
    engine: Mapping[str, Any]
    nightly: Nightly
    sampler: str
    purpose: str
    owner: str
    out_of_scope: str
    provenance: str
    oversight: str
    changes: str
    residual_risks: str
    rollback: str
    revocation_triggers: str
    path: Path
    text: str
    sha256: str


def load(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Spec:
    """Read an experiment file and its policy. Raises SpecError with ``file:line: key``.

    ``overrides``: trials, minutes, workers (None: as the file says), from the command line.
    """
    node = read(path)
    for key in node.data:
        if key not in KEYS:
            raise SpecError(f"an experiment file has no {key!r}", where=node.where((key,)), do=suggest(key, KEYS))
    for key in ("name", "data", "teacher", "student", "policy"):
        if key not in node.data:
            raise SpecError(f"{key} is missing", where=node.where(), do=f"an experiment file needs {key}:")
    head = _head(node)
    over = {key: value for key, value in (overrides or {}).items() if value is not None}
    data = read_data(node.at("data"))
    policy, policy_path = _policy(node.at("policy"), data)
    measure = _measure(node)
    parts = {
        "data": data,
        "teacher": _teacher(node.at("teacher")),
        "space": space.read(
            node.at("student").plain(), node.at("distill").plain() if "distill" in node.data else None, node.where
        ),
        "objectives": _objectives(node),
        "measure": measure,
        "sampler": head.sampler,
    }
    own = dataclasses.asdict(head)
    return Spec(
        **{**own, **parts},
        budget=_budget(node, over),
        policy=policy,
        policy_path=policy_path,
        track=_block(Track, node, "track"),
        engine=_engine(node, over),
        nightly=read_nightly(node),
        path=Path(path),
        text=Path(path).read_text(encoding="utf-8-sig"),
        sha256=_digest({name: value for name, value in own.items() if value} | parts | {"policy": policy_path}),
    )


def _head(node: Node) -> Head:
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


def _digest(parts: Mapping[str, Any]) -> str:
    return records.digest(records.encode(_plain(parts)))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value.as_posix() if isinstance(value, Path) else value


def _block(kind: type[Any], node: Node, key: str, over: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One mapping of the file as the fields of a frozen dataclass, defaults included."""
    values = node.at(key).plain() if key in node.data else {}
    if not isinstance(values, dict):
        known = ", ".join(o.name for o in options_of(kind))
        raise SpecError(f"should be a mapping, not {values!r}", where=node.where((key,)), do=f"it has {known}")
    checked = validate(kind, values, lambda path: node.where((key, *path)), key)
    return dataclasses.asdict(validate(kind, {**dataclasses.asdict(checked), **(over or {})}, "the command line", key))


def _budget(node: Node, over: Mapping[str, Any]) -> Budget:
    budget = Budget(**_block(Budget, node, "budget", {k: v for k, v in over.items() if k in {"trials", "minutes"}}))
    if budget.trials is None and budget.minutes is None:
        raise SpecError("no budget", where=node.where(("budget",)), do="give {trials: 60}, {minutes: 3}, or both")
    return budget


def _engine(node: Node, over: Mapping[str, Any]) -> dict[str, Any]:
    engine = _block(Engine, node, "engine", {k: v for k, v in over.items() if k == "workers"})
    if engine["kind"] != "local":
        raise SpecError(f"no engine {engine['kind']!r}", where=node.where(("engine", "kind")), do="known: local")
    return engine


def _measure(node: Node) -> MeasureSpec:
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


def _objectives(node: Node) -> tuple[str, ...]:
    if "objectives" not in node.data:
        return ("error", "latency", "energy")
    place = node.at("objectives")
    if not isinstance(place.data, list) or not place.data:
        raise SpecError("should be a list", where=place.where(), do="for example [error, latency, energy]")
    named: list[str] = []
    for item in place.data:
        if item.data not in OBJECTIVES:
            raise SpecError(
                f"no objective {item.plain()!r}", where=item.where(), do=suggest(str(item.data), OBJECTIVES)
            )
        if item.data in named:
            raise SpecError(f"{item.data} is listed twice", where=item.where(), do="list it once")
        named.append(item.data)
    return tuple(named)


def _teacher(node: Node) -> tuple[str, Mapping[str, Any]]:
    if not isinstance(node.data, dict) or not isinstance(node.at("kind").data, str):
        raise SpecError("no kind of teacher", where=node.where(), do="for example {kind: sklearn, estimator: …}")
    kind = node.at("kind").data
    given = {key: value for key, value in node.plain().items() if key != "kind"}
    try:
        build("teachers", kind, given, lambda path: node.where(path or ("kind",)))
    except SpecError as fault:
        if fault.where.startswith(str(node.where()).split(":")[0]):
            raise
        # A plugin that checks its own parts knows their place within the teacher, and not the file's line.
        raise SpecError(fault.what, where=f"{node.where()} {fault.where}", do=fault.do) from fault
    return kind, given


def _policy(node: Node, data: DataSpec) -> tuple[Policy, Path]:
    if not isinstance(node.data, str) or not node.data:
        raise SpecError("should name a file", where=node.where(), do="for example policies/default.yaml")
    path = Path(node.data)
    if not path.is_file():
        raise SpecError(f"no policy at {path}", where=node.where(), do="paths are relative to the working directory")
    policy = load_policy(path)
    _hold_against(policy, node, tuple(group.column for group in data.groups))
    return policy, path


def _hold_against(policy: Policy, node: Node, audited: tuple[str, ...]) -> None:
    """A policy that speaks of groups needs them in the table: a check that finds none would never be decided."""
    for line in (*policy.require, *policy.report):
        attribute = line.options.get("attribute")
        if attribute is not None and attribute not in audited:
            what = f"its check {line.name} speaks of {attribute!r}, which data.groups does not have"
            raise SpecError(what, where=node.where(), do=suggest(str(attribute), audited))
    for line in policy.require:
        by_group = line.kind == "check" and any(o.name == "attribute" for o in options("checks", line.name))
        if by_group and not audited:
            what = f"its check {line.name} compares groups, and data.groups lists none"
            raise SpecError(what, where=node.where(), do="list the group columns, or name another policy")
