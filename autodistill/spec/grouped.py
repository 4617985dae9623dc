"""Group columns in training: which of the file's options may read them, and whether the policy lets them."""

from autodistill.data.asked import DataSpec
from autodistill.errors import SpecError
from autodistill.plugins import suggest
from autodistill.records import Policy
from autodistill.space import Space, fairness
from autodistill.spec.reader import Node


def hold_groups(policy: Policy, space: Space, data: DataSpec, node: Node) -> None:
    """SpecError where an option reads groups that the table has not, or that the policy keeps out of training."""
    audited = tuple(group.column for group in data.groups)
    forbidden = policy.group_data_in_training == "forbidden"
    says = f"the policy {policy.name} keeps group columns out of training (group_data_in_training: forbidden)"
    if forbidden and data.group_features:
        where = node.where(("data", "group_features"))
        raise SpecError(f"{says}, and here they are features", where=where, do="take it out")
    for name in readers(space):
        where = node.where(("distill", "debias_by" if name == "debias" else name))
        if not audited:
            what = f"{name} reads groups, and data.groups lists none"
            raise SpecError(what, where=where, do="list the group columns, or take it out")
        if forbidden:
            do = "take it out, or name another policy"
            raise SpecError(f"{says}, and {name} reads them", where=where, do=do)
    for _, attribute in space.fairness["group_by"].extremes():
        if attribute is not None and attribute not in audited:
            what, where = f"data.groups has no {attribute!r}", node.where(("distill", "group_by"))
            raise SpecError(what, where=where, do=suggest(str(attribute), audited))


def readers(space: Space) -> tuple[str, ...]:
    """The options that read group columns in some candidate of a space."""
    most = {name: max(value for _, value in space.fairness[name].extremes()) for name in ("reweigh", "dro", "debias")}
    values = {name: [value for _, value in space.fairness[name].extremes()] for name in ("trust", "debias_by")}
    gradient = any(branch.trains == "gradient" for branch in space.branches)
    taught = any(arm.loss != "none" for arm in space.arms)
    able = {
        "reweigh": most["reweigh"] > 0,
        "dro": most["dro"] > 0 and gradient,
        "trust": "group" in values["trust"] and taught,
        "debias": most["debias"] > 0 and "group" in values["debias_by"] and taught,
    }
    return tuple(name for name in fairness.OFF if able[name])
