"""The experiment file: everything a user can get wrong in it is refused here, before anything heavy is imported."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autodistill import records, space
from autodistill.data.asked import DataSpec
from autodistill.errors import SpecError
from autodistill.plugins import build, options, suggest
from autodistill.records import Policy, Requirement
from autodistill.spec.grouped import hold_groups
from autodistill.spec.nightly import Nightly, read_nightly
from autodistill.spec.policy import load_policy
from autodistill.spec.reader import Node, read
from autodistill.spec.settings import (
    Budget,
    MeasureSpec,
    Track,
    read_block,
    read_budget,
    read_engine,
    read_head,
    read_measure,
)
from autodistill.spec.table import read_data

OBJECTIVES = ("error", "latency", "latency@32", "energy", "size")
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
    "rungs",
    "warm_start",
    "nightly",
    *DESCRIPTIVE,
)


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
    rungs: bool
    warm_start: str
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
    head = read_head(node)
    over = {key: value for key, value in (overrides or {}).items() if value is not None}
    data = read_data(node.at("data"))
    policy, policy_path = _policy(node.at("policy"), data)
    measure = read_measure(node)
    distill = node.at("distill").plain() if "distill" in node.data else None
    searched = space.read(node.at("student").plain(), distill, node.where)
    parts = {
        "data": data,
        "teacher": _teacher(node.at("teacher")),
        "space": searched,
        "objectives": _objectives(node),
        "measure": measure,
        "sampler": head.sampler,
        "rungs": head.rungs,
    }
    hold_groups(policy, searched, data, node)
    own = dataclasses.asdict(head)
    return Spec(
        **{**own, **parts},
        budget=read_budget(node, over),
        policy=policy,
        policy_path=policy_path,
        track=read_block(Track, node, "track"),
        engine=read_engine(node, over),
        nightly=read_nightly(node),
        path=Path(path),
        text=Path(path).read_text(encoding="utf-8-sig"),
        sha256=_digest({name: value for name, value in own.items() if value} | parts | {"policy": policy_path}),
    )


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


def _by_group(line: Requirement) -> bool:
    """Whether a check speaks of groups as it stands here: some are of all rows where no attribute is named."""
    if not any(option.name == "attribute" for option in options("checks", line.name)):
        return False
    return getattr(build("checks", line.name, line.options), "compare", "") != "whole"


def _hold_against(policy: Policy, node: Node, audited: tuple[str, ...]) -> None:
    """A policy that speaks of groups needs them in the table: a check that finds none would never be decided."""
    for line in (*policy.require, *policy.report):
        attribute = line.options.get("attribute")
        if attribute is not None and attribute not in audited:
            what = f"its check {line.name} speaks of {attribute!r}, which data.groups does not have"
            raise SpecError(what, where=node.where(), do=suggest(str(attribute), audited))
    for line in policy.require:
        if line.kind == "check" and not audited and _by_group(line):
            what = f"its check {line.name} compares groups, and data.groups lists none"
            raise SpecError(what, where=node.where(), do="list the group columns, or name another policy")
