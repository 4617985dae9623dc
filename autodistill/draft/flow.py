"""Values as YAML that a person reads: flow style, quoted where they would be read as something else."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./@+-]*( [A-Za-z0-9_./@+-]+)*")
WORDS = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"])
WIDE = 116


def flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(str(key))}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, str | PurePath):
        return text(str(value))
    if isinstance(value, Sequence):
        return "[" + ", ".join(flow(one) for one in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def text(value: str) -> str:
    """A name or a class; in double quotes unless nothing else could be meant."""
    if PLAIN.fullmatch(value) and value.casefold() not in WORDS:
        return value
    return json.dumps(value, ensure_ascii=not value.isprintable())


def said(value: str) -> str:
    """Words of the user's in a comment: on one line, what cannot be printed left out."""
    return "".join(one for one in " ".join(value.split()) if one.isprintable())


def listed(values: Sequence[Any], indent: int) -> str:
    """A list in flow style, broken between its items where it is long."""
    lines, line = [], ""
    for at, one in enumerate(values):
        part = flow(one) + (", " if at + 1 < len(values) else "")
        if line and indent + len(line) + len(part) > WIDE:
            lines.append(line.rstrip())
            line = ""
        line += part
    return ("\n" + " " * indent).join([*lines, line])
