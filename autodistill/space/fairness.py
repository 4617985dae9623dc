"""What training may do about gaps between groups: the options that ``distill:`` takes for it, all of them off unless
asked for. The table's group columns reach training only where an option that reads them is on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from autodistill.records import canonical


@dataclass(frozen=True, kw_only=True, slots=True)
class Fairness:
    """Weights of rows, and what is believed of the teacher, by group or class."""

    reweigh: Annotated[
        float, Field(ge=0, le=1, description="power of the weights under which group and label are independent")
    ] = 0.0
    dro: Annotated[
        float, Field(ge=0, le=1, description="step at which groups that lose more gain weight; networks only")
    ] = 0.0
    trust: Annotated[
        Literal["even", "class", "group"],
        Field(description="where the teacher's margin is poor, labels take its place: by class, or by group and class"),
    ] = "even"
    debias: Annotated[
        float, Field(ge=0, le=2, description="how much of what a class's frequency adds the teacher's logits lose")
    ] = 0.0
    debias_by: Annotated[
        Literal["group", "class"], Field(description="frequencies in the row's group, or in the table")
    ] = "group"
    group_by: Annotated[
        str | None, Field(description="attribute of data.groups that counts in training; null: all, crossed")
    ] = None


OFF: Mapping[str, Any] = {"reweigh": 0.0, "dro": 0.0, "trust": "even", "debias": 0.0}
"""The value at which an option does nothing; the two others only say how."""

OF_TEACHER = ("trust", "debias", "debias_by")


def applicable(loss: str, trains: str) -> tuple[str, ...]:
    """The options that mean something for a loss, and for a family that is trained (``gradient``) or fitted."""
    weights = ("reweigh", *(("dro",) if trains == "gradient" else ()))
    return (*weights, *(OF_TEACHER if loss != "none" else ()), "group_by")


def told(options: Mapping[str, Any], loss: str, trains: str) -> dict[str, Any]:
    """What is on, in canonical form: equal trainings have equal options.

    Off or without a meaning here is left out. Under ``dro`` a weight that all rows of a group and label share changes
    nothing where every group is known (else only what rows of unknown group count for in a batch), so ``reweigh`` is
    left out too.
    """
    kept = {name: options[name] for name in applicable(loss, trains) if name in options}
    on = {name: value for name, value in kept.items() if name in OFF and value != OFF[name]}
    if "dro" in on:
        on.pop("reweigh", None)
    if "debias" in on:
        on["debias_by"] = kept.get("debias_by", "group")
    if of_groups(on) and kept.get("group_by") is not None:
        on["group_by"] = kept["group_by"]
    found: dict[str, Any] = canonical(on)
    return found


def of_groups(fairness: Mapping[str, Any]) -> tuple[str, ...]:
    """The options among those that are on which read group columns."""
    by_group = {
        "reweigh": True,
        "dro": True,
        "trust": fairness.get("trust") == "group",
        "debias": fairness.get("debias_by", "group") == "group",
    }
    return tuple(name for name, reads in by_group.items() if name in fairness and reads)
