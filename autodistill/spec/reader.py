"""YAML as nodes that know their line, so that every message can name its place.

YAML 1.2 (core schema): ``1e-4`` is a number, ``no`` is text. Duplicate keys, tags and aliases are refused.
"""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from autodistill.errors import SpecError

LARGEST = 1_000_000
DEEPEST = 20

_CORE = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]{1,18}|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}", list("-+0123456789")),
    "float": (r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
    "unbounded": (r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", list("-+.")),
}


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a file. ``data`` is a scalar, a list of nodes or a dict of nodes; ``text`` is a scalar as written;
    ``line`` is that of the key, where it has one."""

    file: str
    line: int
    path: tuple[str | int, ...]
    data: Any
    text: str = ""

    def plain(self) -> Any:
        """The value as plain dicts, lists and scalars."""
        if isinstance(self.data, dict):
            return {key: node.plain() for key, node in self.data.items()}
        return [node.plain() for node in self.data] if isinstance(self.data, list) else self.data

    def at(self, *path: str | int) -> "Node":
        """The node at a path, or the nearest one above it that is there."""
        node = self
        for step in path:
            children = dict(enumerate(node.data)) if isinstance(node.data, list) else node.data
            if not isinstance(children, dict) or step not in children:
                break
            node = children[step]
        return node

    def where(self, path: tuple[str | int, ...] = ()) -> str:
        """``file:line: key`` of the value at a path inside this one."""
        keys = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in (*self.path, *path)).lstrip(".")
        place = f"{self.file}:{self.at(*path).line}"
        return f"{place}: {keys}" if keys else place


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own attribute, filled below with YAML 1.2

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _RefusedError("an alias (*)", "write the value out", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise _RefusedError(f"a tag ({event.tag})", "write the plain value", event.start_mark)
        if self.depth >= DEEPEST:
            raise _RefusedError(f"nested deeper than {DEEPEST}", "no setting needs that", event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _name, (_pattern, _first) in _CORE.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})\Z"), _first)


class _RefusedError(Exception):
    """A fault at a mark; ``read`` knows the file."""

    def __init__(self, what: str, do: str, mark: Any) -> None:
        super().__init__(what)
        self.what, self.do, self.line = what, do, mark.line + 1


def read(path: str | Path, kind: str = "experiment file") -> Node:
    """The file as a mapping of nodes. Raises SpecError for anything that is not one."""
    file = str(path)
    text = _text(Path(path), kind)
    try:
        top = yaml.compose(text, Loader=_Loader)
        if top is None:
            raise SpecError(f"an empty {kind}", where=file, do="see search_spaces/ for examples")
        node = _node(top, file, top.start_mark.line + 1, ())
    except _RefusedError as fault:
        raise SpecError(fault.what, where=f"{file}:{fault.line}", do=fault.do) from None
    except yaml.MarkedYAMLError as fault:
        raise _syntax(fault, file) from None
    except yaml.reader.ReaderError as fault:
        line = text.count("\n", 0, fault.position) + 1
        raise SpecError("a control character", where=f"{file}:{line}", do="save it as plain UTF-8 text") from None
    if not isinstance(node.data, dict):
        what = "a list" if isinstance(node.data, list) else "a single value"
        raise SpecError(f"{what} at the top", where=node.where(), do="the top of the file is a mapping (name: …)")
    return node


def _text(path: Path, kind: str) -> str:
    try:
        if path.is_file() and path.stat().st_size > LARGEST:
            raise SpecError(f"larger than {LARGEST // 1_000_000} MB", where=str(path), do=f"is it the {kind}?")
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.y*ml")], n=1)
        do = f"did you mean {path.with_name(near[0])}?" if near else "paths are relative to the working directory"
        raise SpecError(f"no such {kind}", where=str(path), do=do) from None
    except UnicodeDecodeError as fault:
        line = fault.object.count(b"\n", 0, fault.start) + 1
        raise SpecError("not UTF-8 text", where=f"{path}:{line}", do="save it as UTF-8") from None
    except OSError as fault:
        raise SpecError(f"cannot be read: {fault.strerror}", where=str(path), do=f"give a readable {kind}") from None


def _syntax(fault: yaml.MarkedYAMLError, file: str) -> SpecError:
    mark = fault.problem_mark or fault.context_mark
    where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
    problem = fault.problem or "cannot be read"
    if "\\t" in problem:
        return SpecError("a tab", where=where, do="YAML is indented with spaces")
    if "single document" in (fault.context or ""):
        return SpecError("a second document (---)", where=where, do="one file is one document")
    if fault.context_mark is not None and "flow" in (fault.context or ""):
        problem += f", in the bracket opened in line {fault.context_mark.line + 1}"
    return SpecError(f"not YAML: {problem}", where=where, do="check indentation, quotes and brackets there")


def _node(node: yaml.Node, file: str, line: int, path: tuple[str | int, ...]) -> Node:
    if isinstance(node, yaml.MappingNode):
        return Node(file, line, path, dict(_items(node, file, path)))
    if isinstance(node, yaml.SequenceNode):
        children = [_node(n, file, n.start_mark.line + 1, (*path, i)) for i, n in enumerate(node.value)]
        return Node(file, line, path, children)
    return Node(file, line, path, _scalar(node), str(node.value))


def _items(node: yaml.MappingNode, file: str, path: tuple[str | int, ...]) -> Iterator[tuple[str, Node]]:
    seen: dict[str, int] = {}
    for key_node, value_node in node.value:
        mark = key_node.start_mark
        if not isinstance(key_node, yaml.ScalarNode) or not key_node.value:
            raise _RefusedError("a key that is not text", "a key is a name followed by a colon", mark)
        key = key_node.value
        if key in seen:
            raise _RefusedError(f"{key} is given twice (first in line {seen[key]})", "give it once", mark)
        seen[key] = mark.line + 1
        yield key, _node(value_node, file, mark.line + 1, (*path, key))


def _scalar(node: yaml.Node) -> Any:
    kind, text = node.tag.rpartition(":")[2], str(node.value)
    if kind == "unbounded":
        raise _RefusedError(f"{text} is not a finite number", "give a finite one", node.start_mark)
    if kind == "int":
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    if kind == "float":
        value = float(text)
        if abs(value) == float("inf"):
            raise _RefusedError(f"{text} is too large", "give a finite number", node.start_mark)
        return value
    return {"null": None, "bool": text.lower() == "true"}.get(kind, text)
