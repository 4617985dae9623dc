"""From what an experiment file says (``student:`` and ``distill:``) to a Space; every bound is tried beforehand."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from autodistill.errors import SpecError
from autodistill.plugins import Option, Where, find, options_of, placed, suggest, validate
from autodistill.records import canonical
from autodistill.space.fairness import Fairness
from autodistill.space.setting import Choice, Place, Setting
from autodistill.space.setting import read as read_setting
from autodistill.space.space import FIT_LOSSES, Arm, Branch, Space
from autodistill.space.training import Training

DEFAULT_LOSSES = ("soft_targets", "none")


def read(student: Any, distill: Mapping[str, Any] | None = None, where: Where = "") -> Space:
    """The Space of ``student:`` (a list of entries, or one) and ``distill:`` as plain values.

    ``where`` is given paths that begin with "student" or "distill". Raises SpecError at the place of the fault.
    """
    place = placed(where)
    branches = _branches(student, _under(place, "student"))
    at = _under(place, "distill")
    distill = {} if distill is None else distill
    if not isinstance(distill, Mapping):
        raise SpecError("should be a mapping", where=at(()), do="for example {loss: [soft_targets, none], epochs: 30}")
    shared = {key: value for key, value in distill.items() if key != "loss"}
    arms = _arms(distill.get("loss", list(DEFAULT_LOSSES)), shared, at)
    _refuse_unknown(shared, arms, at)
    if all(b.trains == "fit" for b in branches) and not any(a.loss in FIT_LOSSES for a in arms):
        known = f"{', '.join(FIT_LOSSES[:-1])} and {FIT_LOSSES[-1]}"
        raise SpecError(
            f"every family listed is fitted, and a fitted one knows only {known}",
            where=at(("loss",)),
            do="list one of them, or a family that is trained by gradients",
        )
    training, fairness = (_shared(kind, shared, at) for kind in (Training, Fairness))
    return Space(branches=branches, arms=arms, training=training, fairness=fairness)


def _shared(kind: type[Any], shared: Mapping[str, Any], place: Place) -> dict[str, Setting]:
    named = {o.name for o in options_of(kind)}
    return _settings(kind, "training", {k: v for k, v in shared.items() if k in named}, place)


def _under(place: Place, *path: str | int) -> Place:
    return lambda inner: place((*path, *inner))


def _branches(student: Any, place: Place) -> tuple[Branch, ...]:
    entries = [student] if isinstance(student, Mapping) else student
    if not isinstance(entries, list | tuple) or not entries:
        raise SpecError("no student", where=place(()), do="list at least one, for example [{family: linear}]")
    alone = isinstance(student, Mapping)
    seen: dict[str, int] = {}
    branches = []
    for i, entry in enumerate(entries):
        at = place if alone else _under(place, i)
        family = _name(entry, "family", "students", at)
        seen[family] = seen.get(family, 0) + 1
        label = family if seen[family] == 1 else f"{family}#{seen[family]}"
        branches.append(_branch(label, family, entry, at))
    return tuple(branches)


def _name(entry: Any, key: str, room: str, place: Place) -> str:
    if not isinstance(entry, Mapping):
        raise SpecError(f"should be a mapping, not {entry!r}", where=place(()), do=f"for example {{{key}: …}}")
    if key not in entry:
        near = difflib.get_close_matches(key, entry, n=1)
        raise SpecError(
            f"{key} is missing",
            where=place(tuple(near)),
            do=f"write {key} for {near[0]}" if near else f"name the {key}",
        )
    if not isinstance(entry[key], str):
        raise SpecError(f"{entry[key]!r} is no name in {room}", where=place((key,)), do="one name an entry")
    name: str = entry[key]
    return name


def _branch(label: str, family: str, entry: Mapping[str, Any], place: Place) -> Branch:
    kind = find("students", family, place(("family",)))
    given = {k: v for k, v in entry.items() if k not in {"family", "precision"}}
    option = Option(name="precision", type=" | ".join(kind.precisions), hint=str, default=kind.precisions[0])
    precision = read_setting(option, entry.get("precision", kind.precisions[0]), _under(place, "precision"))
    for path, value in precision.extremes():
        if value not in kind.precisions:
            raise SpecError(
                f"{family} has no precision {value!r}",
                where=place(("precision", *path)),
                do=suggest(str(value), kind.precisions),
            )
    assert isinstance(precision, Choice)  # noqa: S101 - a string option has no range
    settings = _settings(kind, family, given, place, also=("family", "precision"))
    return Branch(label=label, family=family, trains=kind.trains, settings=settings, precision=precision)


def _arms(loss: Any, shared: Mapping[str, Any], place: Place) -> tuple[Arm, ...]:
    entries = loss if isinstance(loss, list | tuple) else [loss]
    if not entries:
        raise SpecError("an empty list", where=place(("loss",)), do="list at least one loss, for example none")
    arms: list[Arm] = []
    for i, entry in enumerate(entries):
        path = ("loss", i) if isinstance(loss, list | tuple) else ("loss",)
        long_form = isinstance(entry, Mapping)
        name = _name(entry if long_form else {"kind": entry}, "kind", "losses", _under(place, *path))
        kind = find("losses", name, place((*path, "kind") if long_form else path))
        if any(arm.loss == name for arm in arms):
            raise SpecError(f"{name} is listed twice", where=place(path), do="give its options as choices or ranges")
        own = {k: v for k, v in entry.items() if k != "kind"} if long_form else {}
        inherited = {o.name: shared[o.name] for o in options_of(kind) if o.name in shared and o.name not in own}
        at = _either(own, _under(place, *path), place)
        arms.append(Arm(loss=name, settings=_settings(kind, name, {**inherited, **own}, at, also=("kind",))))
    return tuple(arms)


def _either(own: Mapping[str, Any], inside: Place, shorthand: Place) -> Place:
    """Options of the long form stand in it, the others in ``distill:`` itself."""
    return lambda path: shorthand(path) if path and path[0] not in own else inside(path)


def _refuse_unknown(shared: Mapping[str, Any], arms: Sequence[Arm], place: Place) -> None:
    own = (o.name for kind in (Training, Fairness) for o in options_of(kind))
    known = {*(name for arm in arms for name in arm.settings), *own, "loss"}
    for key in shared:
        if key not in known:
            raise SpecError(
                f"no listed loss has an option {key!r}, and training has none",
                where=place((key,)),
                do=suggest(key, sorted(known)),
            )


def _settings(
    kind: type[Any], called: str, given: Mapping[str, Any], place: Place, also: tuple[str, ...] = ()
) -> dict[str, Setting]:
    """Every option of a plugin as a setting, defaults included; all values tried one field at a time, then all-low and
    all-high, so that a bad bound fails before the first trial."""
    options = {o.name: o for o in options_of(kind)}
    for key in given:
        if key not in options:
            raise SpecError(
                f"{called} has no option {key!r}",
                where=place((key,)),
                do=suggest(key, [*options, *also]),
            )
    read_in = {name: read_setting(options[name], value, _under(place, name)) for name, value in given.items()}
    first = {name: s.extremes()[0][1] for name, s in read_in.items()}
    for name, setting in read_in.items():
        for path, value in setting.extremes():
            validate(kind, first | {name: value}, _at(place, name, path), called)
    for side in (0, 1):
        validate(kind, {name: s.ends[side] for name, s in read_in.items()}, place, called)
    missing = {o.name: Choice((canonical(o.default),)) for o in options.values() if o.name not in read_in}
    return {name: read_in.get(name) or missing[name] for name in options}


def _at(place: Place, name: str, path: tuple[str | int, ...]) -> Place:
    """Where one tried value stands: the path inside the setting comes before any path inside the value."""
    return lambda inner: place((name, *path, *inner[1:])) if inner and inner[0] == name else place(inner)
