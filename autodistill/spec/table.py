"""The ``data:`` block: which table, and the part that each column plays."""

from pathlib import Path
from typing import Any

from autodistill.data.asked import BETWEEN, DataSpec
from autodistill.errors import SpecError
from autodistill.plugins import build, options_of, suggest, validate
from autodistill.records import SPLITS
from autodistill.spec.reader import Node

ROLES = ("target", "weights", "entity", "row_id")
AS_WRITTEN = ("target", "positive", "favourable", "weights", "entity", "row_id")


def read_data(node: Node) -> DataSpec:
    """Raises SpecError at the place of the fault; the table itself is not opened."""
    if not isinstance(node.data, dict):
        raise SpecError("should be a mapping", where=node.where(), do="it has table, target, groups, split …")
    known = [o.name for o in options_of(DataSpec)]
    for key in node.data:
        if key not in known:
            raise SpecError(f"data has no {key!r}", where=node.where((key,)), do=suggest(key, known))
    values: dict[str, Any] = {
        key: _written(child) if key in AS_WRITTEN else child.plain() for key, child in node.data.items()
    }
    for key, change in {"input": _input, "groups": _groups, "split": _split, "drop": _dropped}.items():
        if key in node.data:
            values[key] = change(node.at(key))
    data = validate(DataSpec, values, node.where)
    _table(data.table, node, "table")
    if data.unlabelled is not None:
        _table(data.unlabelled, node, "unlabelled")
    _roles(data, node)
    return data


def _written(node: Node) -> Any:
    """A scalar as it is written, since a class or a column may look like a number: 1, 1.0, true."""
    return node.text if node.text and not isinstance(node.data, list | dict) else node.plain()


def _name(node: Node) -> str:
    """A column or a value of one, as it is written."""
    if isinstance(node.data, list | dict) or not node.text:
        raise SpecError(f"should be a name, not {node.plain()!r}", where=node.where(), do="in quotes if it is unusual")
    return node.text


def _table(table: Path, node: Node, key: str) -> None:
    where = node.where((key,))
    if not table.exists():
        script = table.with_name(f"make_{table.stem}.py")
        do = f"make it: {script} says how" if script.exists() else "paths are relative to the working directory"
        raise SpecError(f"no table at {table}", where=where, do=do)
    if not table.is_file():
        raise SpecError(f"{table} is not a file", where=where, do="give one parquet, arrow or csv file")


def _input(node: Node) -> tuple[str, dict[str, Any]]:
    plain = node.plain()
    if not isinstance(plain, dict) or not isinstance(plain.get("kind"), str):
        raise SpecError("no kind of input", where=node.where(), do="for example {kind: tabular}")
    options = {key: value for key, value in plain.items() if key != "kind"}
    build("inputs", plain["kind"], options, lambda path: node.where(path or ("kind",)))
    return plain["kind"], options


def _columns(node: Node) -> list[str]:
    if not isinstance(node.data, list):
        raise SpecError("should be a list of columns", where=node.where(), do=f"write [{node.text or 'column'}]")
    return [_name(item) for item in node.data]


def _dropped(node: Node) -> list[str]:
    """Columns by their names; "" is one too, which pandas writes for an index."""
    if isinstance(node.data, list) and any(item.data == "" for item in node.data):
        return ["" if item.data == "" else _name(item) for item in node.data]
    return _columns(node)


def _groups(node: Node) -> list[dict[str, Any]]:
    if not isinstance(node.data, list):
        raise SpecError("should be a list of columns", where=node.where(), do=f"write [{node.text or 'column'}]")
    groups: list[dict[str, Any]] = []
    for item in node.data:
        group = _group(item)
        if group["column"] in [g["column"] for g in groups]:
            raise SpecError(f"{group['column']} is listed twice", where=item.where(), do="list a column once")
        groups.append(group)
    plain = [group["column"] for group in groups if not group.get("cross")]
    for at, group in enumerate(groups):
        for part in group.get("cross", ()):
            if part not in plain:
                where = node.where((at, "cross"))
                raise SpecError(f"{part!r} is crossed, and groups does not list it", where=where, do=f"list {part} too")
    return groups


def _group(node: Node) -> dict[str, Any]:
    if not isinstance(node.data, dict):
        return {"column": _name(node), "merge": {}}
    for key in node.data:
        if key not in {"column", "merge", "cross"}:
            where = node.where((key,))
            raise SpecError(f"a group has no {key!r}", where=where, do=suggest(key, ("column", "merge", "cross")))
    if "cross" in node.data:
        return _crossed(node)
    if "column" not in node.data:
        raise SpecError("column is missing", where=node.where(), do="write {column: race, merge: {Other: [...]}}")
    merge = node.at("merge") if "merge" in node.data else None
    return {"column": _name(node.at("column")), "merge": _merge(merge) if merge is not None else {}}


def _crossed(node: Node) -> dict[str, Any]:
    if len(node.data) > 1:
        raise SpecError("cross beside other keys", where=node.where(), do="merge values where the column is listed")
    parts = _columns(node.at("cross"))
    if len(parts) < 2 or len(set(parts)) < len(parts):
        where = node.where(("cross",))
        raise SpecError("should name two or more groups, each once", where=where, do="for example [sex, race]")
    return {"column": BETWEEN.join(parts), "merge": {}, "cross": parts}


def _merge(node: Node) -> dict[str, list[str]]:
    if not isinstance(node.data, dict):
        raise SpecError("should be a mapping", where=node.where(), do="write {Other: [value, value]}")
    seen: dict[str, str] = {}
    for name, values in node.data.items():
        if not isinstance(values.data, list) or not values.data:
            raise SpecError("should list the values it replaces", where=values.where(), do=f"write {{{name}: [value]}}")
        for item in values.data:
            value = _name(item)
            if value in seen:
                raise SpecError(f"{value} is merged twice", where=item.where(), do=f"it is in {seen[value]} already")
            seen[value] = name
    return {name: [_name(item) for item in values.data] for name, values in node.data.items()}


def _split(node: Node) -> Any:
    if not isinstance(node.data, dict):
        return node.plain()
    for name in node.data:
        if name not in SPLITS:
            raise SpecError(f"no split {name!r}", where=node.where((name,)), do=suggest(name, SPLITS))
    for name in SPLITS:
        if name not in node.data:
            raise SpecError(f"no share for {name}", where=node.where(), do=f"give all of {', '.join(SPLITS)}")
    for name, share in node.data.items():
        if isinstance(share.data, bool) or not isinstance(share.data, int | float) or not 0 < share.data < 1:
            raise SpecError(
                f"should be between 0 and 1, not {share.plain()!r}", where=node.where((name,)), do="for example 0.4"
            )
    total = sum(share.data for share in node.data.values())
    if abs(total - 1) > 1e-6:
        raise SpecError(f"the shares sum to {total:.6g}", where=node.where(), do="make them sum to 1")
    return node.plain()


def _roles(data: DataSpec, node: Node) -> None:
    """One column plays one part; what only classes have is not given for a regression."""
    parts: dict[str, str] = {}
    for role in ROLES:
        column = getattr(data, role)
        if column is None:
            continue
        if column in parts:
            raise SpecError(
                f"{column} is {parts[column]} already", where=node.where((role,)), do="one column, one part"
            )
        parts[column] = role
    for key, columns in (("groups", [g.column for g in data.groups]), ("drop", data.drop)):
        for i, column in enumerate(columns):
            if parts.get(column) == "target":
                raise SpecError(f"{column} is the target", where=node.where((key, i)), do="take it out of this list")
    if data.threshold is not None and not 0 < data.threshold < 1:
        where = node.where(("threshold",))
        raise SpecError("should be between 0 and 1", where=where, do="it is a probability of the positive class")
    if data.threshold is not None and data.positive is None:
        where = node.where(("threshold",))
        raise SpecError("a threshold without positive", where=where, do="name the positive class")
    for key in ("positive", "favourable", "threshold"):
        if data.task == "regression" and getattr(data, key) is not None:
            raise SpecError(f"{key} in a regression", where=node.where((key,)), do="leave it out")
    if data.unit is not None and data.task != "regression":
        raise SpecError("a unit, and the target has classes", where=node.where(("unit",)), do="leave it out")
