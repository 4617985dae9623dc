"""Whether an ExportedProgram's file can be read without running anything that somebody wrote into it.

``torch.export.load`` unpickles what a file asks it to, takes operators by any name inside ``torch``
(``torch.os.system`` is one), and evaluates its symbols and guards as Python. So a file that is not trusted has tensors
as plain bytes, operators of ``torch.ops`` alone, and expressions of a few names.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autodistill.errors import TeacherError

OPERATOR = re.compile(
    r"torch\.ops\.[a-z0-9_]+\.(?!__)\w+(\.(?!__)\w+)?|math\.[a-z0-9]+"
    r"|_operator\.(getitem|add|sub|mul|truediv|floordiv|mod|pow|neg|eq|ne|lt|le|gt|ge|and_|or_|not_)"
)
SYMBOL = re.compile(r"[a-z]{1,4}\d+")
WORD = re.compile(
    r"Symbol|positive|integer|True|False|L|size|Integer|Float|Mod|PythonMod|Max|Min|FloorDiv|CeilDiv|and|or|not"
)
MARKS = re.compile(r"[\s\d.,()\[\]=<>!+\-*/%&|~]*")
QUOTED = re.compile(r"(?<=L\[)'\w+'(?=\])|'[a-z]{1,4}\d+'")
CODE = ("expr_str", "sym_expr_str")


def refuse(path: Path) -> None:
    """Raise ``TeacherError`` where a file would run code, or is none of today's format."""
    why = _why(path)
    if why:
        do = "if you know who made it: trust: true; or save it again with torch.export.save of this version"
        raise TeacherError(f"it is not read without trust: {why}", where=str(path), do=do)


def _why(path: Path) -> str:
    import torch

    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2]: name for name in archive.namelist()}
            models = [name for name in names if re.fullmatch(r"models/[^/]+\.json", name)]
            if "archive_format" not in names or len(models) != 1:
                return "it is of an older format, or holds several programs"
            for name, place in names.items():
                if re.fullmatch(r"data/(weights|constants)/.*\.pt|.*(custom_obj|opaque_obj)_\d+", name):
                    return f"{name} is a pickle"
                if re.fullmatch(r"data/(weights|constants)/.*_config\.json", name):
                    pickled = [key for key, one in _config(archive, place).items() if _is_pickled(one)]
                    if pickled:
                        return f"{pickled[0]} is a pickle"
                if name.startswith("data/sample_inputs/"):
                    torch.load(io.BytesIO(archive.read(place)), weights_only=True)
                if name.startswith("data/aotinductor/"):
                    return "it holds compiled code"
            return _odd(json.loads(archive.read(names[models[0]])))
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        return f"it is no exported program ({' '.join(str(fault).split())[:100]})"
    except Exception:  # torch's refusal to unpickle has no class of its own
        return "its example inputs are more than tensors"


def _config(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(archive.read(name))["config"]
    return found


def _is_pickled(entry: dict[str, Any]) -> bool:
    return bool(entry.get("use_pickle", True)) or not re.fullmatch(r"(weight|tensor)_\d+", str(entry["path_name"]))


def _odd(program: dict[str, Any]) -> str:
    """The first thing in a program that is not on the list, in words; "" where all is."""
    for key, value in _leaves(program):
        if key == "target" and value.startswith(("torch", "_operator", "math", "#")) and not OPERATOR.fullmatch(value):
            return f"it calls {value}"
        if key in CODE and not _plain(value):
            return f"it holds the expression {value[:60]}"
    for guard in program.get("guards_code", []):
        if not _plain(guard):
            return f"it holds the condition {guard[:60]}"
    for name in program.get("range_constraints", {}):
        if not SYMBOL.fullmatch(name):
            return f"it holds the symbol {name[:60]}"
    return ""


def _plain(text: str) -> bool:
    bare = QUOTED.sub("", text)
    words = re.findall(r"[^\W\d]\w*", bare)
    return all(WORD.fullmatch(word) or SYMBOL.fullmatch(word) for word in words) and bool(
        MARKS.fullmatch(re.sub(r"[^\W\d]\w*", "", bare))
    )


def _leaves(value: Any) -> Iterator[tuple[str, str]]:
    """Keys and strings of nested JSON, whatever its depth."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield from ((key, part) for key, part in one.items() if isinstance(part, str))
            waiting += [part for part in one.values() if isinstance(part, dict | list)]
        elif isinstance(one, list):
            waiting += [part for part in one if isinstance(part, dict | list)]
