"""A file is its own registration: list, find, validate, build.

A plugin is one file of a room (``students``, ``losses``, ``checks`` …) with one frozen dataclass. Its fields are its
options, its file name is its name, and its docstring is its description. A dotted name
(``my_package.my_check.MyCheck``) reaches outside the package.
"""

import difflib
import importlib
import importlib.util
import inspect
import pkgutil
import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import pydantic
from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError, to_json

from autodistill.errors import SpecError

T = TypeVar("T")
Where = str | Callable[[tuple[str | int, ...]], str]
"""Where a value stands: a place in words, or a function from the path inside the value to one."""


class Fixed:
    """Marks an option that takes one value and may not be searched: ``path: Annotated[str, Fixed]``."""


class Rest:
    """Marks the one option that takes every key that no other has: ``options: Annotated[Mapping[str, Any], Rest]``."""


REQUIRED: Mapping[str, tuple[str, ...]] = {
    "students": ("trains", "precisions", "readings_depend_on", "build"),
    "losses": ("needs", "build"),
    "checks": ("limits", "statistic"),
    "meters": ("unit", "limits", "read"),
}
"""What a plugin from outside must have to stand in a room."""

_CONFIG = pydantic.ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One option of a plugin. ``type`` in words with its bounds; ``hint`` is the annotation itself; ``default`` is
    None where ``required``; ``rest`` takes every key that no other option has."""

    name: str
    type: str
    hint: Any
    default: Any = None
    required: bool = False
    doc: str = ""
    fixed: bool = False
    rest: bool = False

    @property
    def searchable(self) -> bool:
        """Whether an experiment file may give a choice or a range."""
        return not (self.fixed or self.rest)

    @property
    def is_tuple(self) -> bool:
        """Whether a flat list is one value (then only a list of lists is a choice)."""
        return any(get_origin(kind) in {tuple, frozenset} or kind in {tuple, frozenset} for kind in _members(self.hint))

    @property
    def number(self) -> Literal["int", "float"] | None:
        """Which kind of range it may have."""
        kinds = _members(self.hint)
        return "float" if float in kinds else "int" if int in kinds else None


def names(room: str) -> tuple[str, ...]:
    """The plugins of a room: its files, without those that begin with an underscore."""
    package = importlib.util.find_spec(f"autodistill.{room}")  # found, not run: a room may open its giant library
    paths = package.submodule_search_locations if package is not None else None
    return tuple(sorted(m.name for m in pkgutil.iter_modules(paths or ()) if not m.name.startswith("_")))


def suggest(word: str, known: Iterable[str]) -> str:
    """What to do about an unknown name: the nearest known one, else all of them."""
    listed = [str(k) for k in known]
    lower = {k.lower(): k for k in reversed(listed)}
    near = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    if near:
        return f"did you mean {lower[near[0]]}?"
    shown = ", ".join(listed[:12]) + (f" and {len(listed) - 12} more" if len(listed) > 12 else "")
    return f"known: {shown}" if listed else "there is none"


def find(room: str, name: str, where: str = "") -> type[Any]:
    """The plugin class behind a name. Raises SpecError for an unknown or unfit one."""
    if "." in name:
        return _outside(room, name, where)
    if name not in names(room):
        article = "an unknown" if name else "an empty"
        raise SpecError(f"{article} name in {room}: {name!r}", where=where, do=suggest(name, names(room)))
    return _inside(room, name)


@cache
def _inside(room: str, name: str) -> type[Any]:
    module = importlib.import_module(f"autodistill.{room}.{name}")
    public = [c for n, c in vars(module).items() if not n.startswith("_") and _is_plugin(c)]
    own = [c for c in public if c.__module__ == module.__name__]
    named = [c for c in own if c.__name__.lower() == name.replace("_", "")]
    if len(named) != 1 and len(own) != 1:
        raise SpecError(f"autodistill/{room}/{name}.py has {len(own)} frozen dataclasses", do="a plugin file has one")
    found: type[Any] = (named or own)[0]
    return found


def _outside(room: str, name: str, where: str) -> type[Any]:
    module_name, _, attribute = name.rpartition(".")
    if not all(part.isidentifier() for part in name.split(".")):
        raise SpecError(f"{name!r} is not a dotted name", where=where, do="write my_package.my_module.MyClass")
    try:
        module = importlib.import_module(module_name)
    except Exception as fault:
        raise SpecError(
            f"cannot import {module_name}: {type(fault).__name__}: {fault}",
            where=where,
            do="is it installed, or on PYTHONPATH?",
        ) from fault
    found = getattr(module, attribute, None)
    if found is None:
        public = [n for n, c in vars(module).items() if _is_plugin(c)]
        raise SpecError(f"{module_name} has no {attribute}", where=where, do=suggest(attribute, public))
    if not _is_plugin(found):
        raise SpecError(f"{name} is not a frozen dataclass", where=where, do="a plugin is one frozen dataclass")
    lacking = [n for n in REQUIRED.get(room, ()) if not hasattr(found, n)]
    if lacking:
        raise SpecError(f"{name} lacks {', '.join(lacking)}", where=where, do=f"every plugin of {room} has it")
    plugin: type[Any] = found
    return plugin


def _is_plugin(value: Any) -> bool:
    return isinstance(value, type) and is_dataclass(value) and bool(vars(value)["__dataclass_params__"].frozen)


def describe(room: str, name: str) -> str:
    """The first line of a plugin's docstring."""
    return (inspect.getdoc(find(room, name)) or "").partition("\n")[0]


def options(room: str, name: str) -> tuple[Option, ...]:
    """The options of a plugin, in the order of its fields."""
    return options_of(find(room, name))


def options_of(kind: type[Any]) -> tuple[Option, ...]:
    """The options of a frozen dataclass, in the order of its fields."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(_option(field, hints[field.name]) for field in fields(kind) if field.init)


def _option(field: "Field[Any]", hint: Any) -> Option:
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    infos = [m for m in (*marks, *_inner(hint)) if isinstance(m, FieldInfo)]
    default = field.default
    if default is MISSING and field.default_factory is not MISSING:
        default = field.default_factory()
    return Option(
        name=field.name,
        type=", ".join([_words(hint), *_bounds(infos)]),
        hint=hint,
        default=None if default is MISSING else default,
        required=default is MISSING,
        doc=next((i.description for i in infos if i.description), ""),
        fixed=Fixed in marks or any(isinstance(m, Fixed) for m in marks),
        rest=Rest in marks or any(isinstance(m, Rest) for m in marks),
    )


def _inner(hint: Any) -> tuple[Any, ...]:
    """The marks of a union's members: ``Annotated[int, Field(ge=1)] | None`` has its bound inside."""
    if get_origin(hint) is Annotated:
        return _inner(get_args(hint)[0])
    if get_origin(hint) not in {Union, types.UnionType}:
        return ()
    return tuple(mark for one in get_args(hint) if get_origin(one) is Annotated for mark in get_args(one)[1:])


def _bounds(infos: Iterable[FieldInfo]) -> list[str]:
    limits = [m for info in infos for m in info.metadata]
    return [f"{sign} {getattr(m, at)}" for m in limits for at, sign in _SIGNS.items() if hasattr(m, at)]


def _members(hint: Any) -> tuple[Any, ...]:
    """The members of a union, without annotations; one for a plain type."""
    if get_origin(hint) is Annotated:
        return _members(get_args(hint)[0])
    if get_origin(hint) in {Union, types.UnionType}:
        return tuple(kind for member in get_args(hint) for kind in _members(member))
    return (hint,)


def _words(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _words(arguments[0])
    if origin in {Union, types.UnionType}:
        return " or ".join("null" if a is type(None) else _words(a) for a in arguments)
    if origin is Literal:
        return " | ".join(str(a) for a in arguments)
    if origin is tuple:
        return f"list of {_words(arguments[0])}" if arguments else "list"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "mapping"
    return str(getattr(hint, "__name__", hint))


@cache
def _adapter(hint: Any) -> pydantic.TypeAdapter[Any]:
    # In a tuple of one, so that a field which is itself a dataclass obeys the configuration too: pydantic refuses a
    # configuration for a bare dataclass, and without one it drops unknown keys silently.
    return pydantic.TypeAdapter(tuple[hint], config=_CONFIG)


def placed(where: Where) -> Callable[[tuple[str | int, ...]], str]:
    """The function from a path inside the value to its place in words."""
    if callable(where):
        return where
    return lambda path: ": ".join(part for part in (where, ".".join(map(str, path))) if part)


def validate(kind: type[T], values: Mapping[str, Any], where: Where = "", called: str = "") -> T:
    """``values`` as an instance of a frozen dataclass: unknown keys, missing ones, wrong types and values out of bounds
    raise SpecError at their place. Whole numbers widen to floats; nothing else is converted."""
    place = placed(where)
    known = {option.name: option for option in options_of(kind)}
    rest = next((o.name for o in known.values() if o.rest), None)
    own = {k: v for k, v in values.items() if k in known and k != rest}
    for key in values:
        if key not in own and rest is None:
            raise SpecError(
                f"{called or kind.__name__} has no option {key!r}", where=place((key,)), do=suggest(key, known)
            )
    if rest is not None:
        given = dict(values.get(rest) or {}) if isinstance(values.get(rest), Mapping) else {}
        own[rest] = given | {k: v for k, v in values.items() if k not in known}
    for option in known.values():
        if option.required and option.name not in own:
            raise SpecError(f"{option.name} is missing", where=place(()), do=f"give {option.name}: {option.type}")
    built = {name: _value(known[name], value, place) for name, value in own.items()}
    try:
        return kind(**built)
    except ValueError as fault:  # a dataclass may refuse a combination of its options in __post_init__
        raise SpecError(str(fault), where=place(()), do=f"see the options of {called or kind.__name__}") from fault


def _value(option: Option, value: Any, place: Callable[[tuple[str | int, ...]], str]) -> Any:
    """One value, as JSON so that lists become tuples and paths come from text while types stay strict."""
    try:
        return _adapter(option.hint).validate_json(to_json([value], inf_nan_mode="constants"))[0]
    except PydanticSerializationError as fault:
        raise SpecError(f"{value!r} cannot be an option", where=place((option.name,))) from fault
    except pydantic.ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        inner = tuple(p for p in first["loc"][1:] if not isinstance(p, str) or "[" not in p)
        got = "" if first["type"] == "unexpected_keyword_argument" else f", not {_shown(first.get('input'))}"
        what = re.sub(r"^\w+ should", "should", first["msg"]) + got
        raise SpecError(what, where=place((option.name, *inner)), do=f"{option.name} is {option.type}") from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def build(room: str, name: str, values: Mapping[str, Any], where: Where = "") -> Any:
    """A plugin with its options. Raises SpecError as ``find`` and ``validate`` do."""
    kind = find(room, name, where(()) if callable(where) else where)
    return validate(kind, values, where, name)
