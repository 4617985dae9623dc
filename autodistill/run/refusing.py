"""What a search cannot do with this table, teacher and students is refused before anything is trained."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from autodistill import plugins, verdict
from autodistill.errors import SpecError
from autodistill.inputs import MODALITIES, Encoding
from autodistill.records import Dataset, Reading
from autodistill.space import fairness
from autodistill.spec import Spec

if TYPE_CHECKING:
    from autodistill.teacher import Teacher


def refuse(spec: Spec, dataset: Dataset) -> None:
    """SpecError for what a search cannot do with this table, before anything is trained."""
    if not dataset.classes:
        _refuse_counts(spec)
        _refuse_labels(spec)
    modality = plugins.find("inputs", spec.data.input[0]).modality
    for branch in spec.space.branches:
        able = getattr(plugins.find("students", branch.family), "forms", MODALITIES)
        if modality not in able:
            raise SpecError(
                f"{branch.family} reads {' or '.join(able)}, the input is of the kind {modality}",
                where=f"{spec.path}: student",
                do="take it out of the list",
            )
        _refuse_classes(spec, "student", "students", branch.family, len(dataset.classes))
    for arm in spec.space.arms:
        _refuse_classes(spec, "distill.loss", "losses", arm.loss, len(dataset.classes))


def _refuse_classes(spec: Spec, key: str, room: str, name: str, classes: int) -> None:
    """SpecError where a loss or a family means nothing for so few classes, or for so many (none: a regression)."""
    kind = plugins.find(room, name)
    least, most = getattr(kind, "min_classes", 0), getattr(kind, "max_classes", classes)
    where, do = f"{spec.path}: {key}", "take it out of the list"
    if classes < least:
        has = f"the table has {classes}" if classes else "its target is a number"
        raise SpecError(f"{name} needs {least} classes or more, {has}", where=where, do=do)
    if max(1, classes) > max(1, most):
        raise SpecError(f"{name} is of a number, and the target has {classes} classes", where=where, do=do)


def _refuse_counts(spec: Spec) -> None:
    """SpecError where a policy requires of a regression what only classes have: it would never be decided."""
    for line in spec.policy.require:
        if line.kind != "check":
            continue
        check = plugins.build("checks", line.name, line.options)
        if not getattr(check, "regression", False) and getattr(check, "compare", "") != "classes":
            metric = getattr(check, "metric", "")
            raise SpecError(
                f"{line.name}{f' ({metric})' if metric else ''} speaks of classes, and this target is a number",
                where=f"{spec.policy_path}: require",
                do="require score_loss or score_gap with metric rmse, mae or mean_error, or cvar with squared_error",
            )


def _refuse_labels(spec: Spec) -> None:
    """SpecError where training of a regression would count its labels as classes."""
    for name in ("reweigh", "trust", "debias"):
        if _turned(spec, name):
            what = f"{name} counts classes, and this target is a number"
            raise SpecError(what, where=f"{spec.path}: distill.{name}", do="take it out; dro works by group alone")


def refuse_features(spec: Spec, encoding: Encoding, classes: int, given: bool | None = None) -> None:
    """SpecError where a loss compares features and a side has none; ``given``: whether this teacher gave any (None: it
    has not been asked yet)."""
    from autodistill import jobs  # a tenth of a second that `check` does not need

    for arm in spec.space.arms:
        needs: frozenset[str] = getattr(plugins.find("losses", arm.loss), "needs", frozenset())
        lacking = ""
        if "student_features" in needs:
            shapes = encoding.shapes(max(1, classes))
            networks = [branch.family for branch in spec.space.branches if branch.trains == "gradient"]
            without = [family for family in networks if not jobs.has_features(family, shapes)]
            lacking = f"the student's features; {without[0]} has none" if without else ""
        if "teacher_features" in needs:
            lacking = _untold(spec.teacher[0], given) or lacking
        if lacking:
            do = "take one of the two out"
            raise SpecError(f"{arm.loss} needs {lacking}", where=f"{spec.path}: distill.loss", do=do)


def _untold(kind: str, given: bool | None) -> str:
    """What the teacher's features lack; nothing where they are or may be given."""
    if "teacher_features" not in getattr(plugins.find("teachers", kind), "gives", ()):
        return f"the teacher's features; a teacher of kind {kind} gives none"
    return f"the teacher's features; a teacher of kind {kind} gives none with these options" if given is False else ""


def refuse_places(spec: Spec, encoding: Encoding, classes: int, given: bool | None = None) -> None:
    """SpecError where more places of a text than a row's own are to be taught, and input, students or teacher have none
    (``given`` as above), or where another option speaks of the row alone."""
    from autodistill import jobs

    training = spec.space.training
    if training["places"].ends[1] == 1:
        return
    lacking, do = "", "leave it out"
    if not any(code >= 0 for code in encoding.follows):
        lacking = f"texts whose classes are what follows, and this input ({spec.data.input[0]}) does not say it of them"
        do = "take characters, and name those that its classes stand for: input: {classes: {<class>: <character>}}"
    shapes = encoding.shapes(max(1, classes))
    networks = [branch.family for branch in spec.space.branches if branch.trains == "gradient"]
    alone = [family for family in networks if not jobs.has_places(family, shapes)]
    if alone:
        lacking = lacking or f"students that answer for each place, and {alone[0]} answers for a row"
    needs = [arm.loss for arm in spec.space.arms if getattr(plugins.find("losses", arm.loss), "needs", ())]
    if needs:
        lacking = lacking or f"losses of logits, and {needs[0]} compares features of rows"
    kind = spec.teacher[0]
    if any(arm.loss != "none" for arm in spec.space.arms) and not lacking:
        if "places" not in getattr(plugins.find("teachers", kind), "gives", ()):
            lacking = f"what the teacher says of each; a teacher of kind {kind} does not"
        elif given is False or (given is None and spec.teacher[1].get("places") is None):
            lacking, do = f"what the teacher says of each; a teacher of kind {kind} is not asked", "name it: places"
    if lacking:
        raise SpecError(f"it needs {lacking}", where=f"{spec.path}: distill.places", do=do)
    of_rows = {
        "data.unlabelled": spec.data.unlabelled is not None,
        "distill.perturb": training["perturb"].ends[1] > 0,
        "distill.assistant": any(width is not None for _, width in training["assistant"].extremes()),
        **{f"distill.{name}": _turned(spec, name) for name in fairness.OFF},
    }
    for where, asked in of_rows.items():
        if asked:
            what = "it is of whole rows, and distill.places teaches places of them"
            raise SpecError(what, where=f"{spec.path}: {where}", do="take one of the two out")


def _turned(spec: Spec, name: str) -> bool:
    """Whether an option of fairness does anything."""
    return any(value != fairness.OFF[name] for _, value in spec.space.fairness[name].extremes())


def refuse_further(spec: Spec, labels: "Teacher") -> None:
    """SpecError where rows are to be labelled by a teacher that cannot be asked again, or for a loss that would have to
    know their features; where an assistant is no wider version of a student."""
    training = spec.space.training
    named = {"data.unlabelled": spec.data.unlabelled is not None, "distill.perturb": training["perturb"].ends[1] > 0}
    asked = [where for where, wanted in named.items() if wanted]
    again = [where for where in asked if where == "distill.perturb" or labels.further is None]
    if again and (labels.onnx is None or labels.prepared or labels.further is not None):
        why = labels.why_no_onnx or "part of it runs in Python"
        what = f"the teacher labels these rows, and this one cannot be asked again: it has no ONNX file ({why})"
        raise SpecError(what, where=f"{spec.path}: {again[0]}", do="leave it out, or name a teacher that has one")
    for arm in spec.space.arms:
        if asked and "teacher_features" in getattr(plugins.find("losses", arm.loss), "needs", ()):
            what = f"{arm.loss} needs the teacher's features of these rows, and its ONNX file gives none"
            raise SpecError(what, where=f"{spec.path}: {asked[0]}", do="take one of the two out")
    kind = plugins.find("inputs", spec.data.input[0])
    if named["distill.perturb"] and kind.modality != "table" and not hasattr(kind, "perturbed"):
        what = f"rows of a table, pictures and sounds are perturbed, and the input is of the kind {kind.modality}"
        raise SpecError(what, where=f"{spec.path}: distill.perturb", do="leave it out")
    for branch in spec.space.branches:
        narrow = branch.trains == "gradient" and "width" not in branch.settings
        if narrow and any(width is not None for _, width in training["assistant"].extremes()):
            what = f"an assistant is of another width, and {branch.family} has none"
            raise SpecError(what, where=f"{spec.path}: distill.assistant", do="take one of the two out")


def refuse_ratios(spec: Spec, labels: "Teacher", readings: Mapping[str, Reading]) -> None:
    """SpecError where the policy requires a ratio to a teacher that has no file to read: nobody could be certified."""
    if labels.onnx is not None:
        return
    for line in spec.policy.require:
        if line.kind == "meter" and "at_most_ratio" in line.limits and verdict.reading(readings, line.name) is None:
            why = labels.why_no_onnx or "it gave no ONNX file"
            raise SpecError(
                f"{line.name} is limited as a ratio to the teacher's, and this teacher has none ({why})",
                where=f"{spec.policy_path}: require",
                do="limit it by at_most, or take the line out",
            )
