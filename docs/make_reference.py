"""Write docs/reference.md from the plugins' own fields and docstrings: ``python docs/make_reference.py``."""

import inspect
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from autodistill import plugins
from autodistill.data.asked import DataSpec
from autodistill.space import Fairness, Training
from autodistill.spec.nightly import Nightly
from autodistill.spec.policy import Head as PolicyHead
from autodistill.spec.settings import Budget, Engine, Head, MeasureSpec, Track

ROOMS = {
    "inputs": "What the table's columns become: `data: {input: {kind: …}}`.",
    "teachers": "Where a teacher comes from: `teacher: {kind: …}`.",
    "students": "Families of students: `student: [{family: …}]`.",
    "losses": "What a student learns from: `distill: {loss: […]}`. See [what they have in common](distillation.md).",
    "checks": "What a policy may ask of predictions: `{check: …}`. See [writing a policy](policy.md).",
    "meters": "What a policy may ask of the file that ships: `{meter: …}`.",
    "controls": "What every report carries beside its candidates.",
}
BLOCKS: dict[str, tuple[type[Any], str]] = {
    "Top level": (Head, "The single values of an experiment file."),
    "data": (DataSpec, "The table, and the part that each column plays."),
    "budget": (Budget, ""),
    "engine": (Engine, ""),
    "measure": (MeasureSpec, ""),
    "track": (Track, ""),
    "nightly": (Nightly, ""),
    "Policy": (PolicyHead, "The top level of a policy file, beside `require` and `report`."),
}
DATA = {
    "table": "CSV (also .tsv, .gz) or Parquet file, one row an example; relative to the working directory",
    "target": "the column that is predicted",
    "input": "`{kind: text, column: review}`: one column that is the input, and how it is read; without it the table's "
    "own columns are ([inputs](#inputs))",
    "positive": "of two classes, the one that true and false positive rates and the threshold speak of",
    "favourable": "the class that is good to get, for selection rates; without it `positive`",
    "groups": "columns of people to audit, each a name or `{column: race, merge: {Other: [a, b]}}`, or "
    "`{cross: [sex, race]}` for their intersections",
    "group_features": "whether the group columns are features too",
    "drop": "columns that are neither features nor anything else here",
    "split": "shares of the four splits, or the name of a column that holds `train`, `search`, `audit` and `sealed`",
    "threshold": "probability of the positive class from which on it is decided; without it the likelier class",
    "weights": "column of sample weights for fitting teacher and students; the audit counts rows",
    "entity": "column that says whose a row is: nobody's rows stand in two splits",
    "row_id": "column that names the rows, for a teacher's table of predictions and for rows shown",
    "unlabelled": "file of further rows without a label, which the teacher labels for training",
    "task": "how the target is read: as classes or as a number",
    "unit": "what a regression's target counts, as the report says it: `$`, `days`",
}
TYPES = {"input": "mapping", "groups": "list of columns"}  # as a file says them, not as they are held
SAID = {
    "trains": "Trained by", "precisions": "Precisions", "readings_depend_on": "Readings depend on the",
    "needs": "Needs", "limits": "Limits", "unit": "Unit", "views": "Sees",
}  # fmt: skip
TOP = """# Every option

Written by `python docs/make_reference.py` from the plugins themselves; `autodistill list` prints what is installed.
*Searchable* options may be a choice (a list) or a range (`{low: …, high: …, log: true}`) in an experiment file.
"""


def page() -> str:
    """The whole page."""
    parts = [TOP, "## Experiment file and policy\n"]
    for name, (kind, said) in BLOCKS.items():
        options = plugins.options_of(kind)
        if kind is DataSpec:
            options = tuple(replace(one, doc=DATA[one.name], type=TYPES.get(one.name, one.type)) for one in options)
        parts += [f"### {name}\n", _prose(said or inspect.getdoc(kind) or ""), _table(options, False)]
        parts += _shared() if name == "data" else []
    for room, said in ROOMS.items():
        parts += [f"## {room}\n", said + "\n"]
        for name in plugins.names(room):
            parts += _plugin(room, name)
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def _shared() -> list[str]:
    """What ``distill:`` takes beside the options of its losses."""
    said = "Beside `loss` and its options. What is said of fairness has [a page of its own](fairness.md)."
    options = [*plugins.options_of(Training), *plugins.options_of(Fairness)]
    return ["### distill\n", said + "\n", _table(options, True)]


def _plugin(room: str, name: str) -> list[str]:
    kind = plugins.find(room, name)
    facts = [f"{word}: {_words(getattr(kind, key))}." for key, word in SAID.items() if _plain(kind, key)]
    title = f"### {room}: {name}\n"
    options = plugins.options(room, name)
    return [title, _prose(inspect.getdoc(kind) or ""), " ".join(facts) + "\n" if facts else "", _table(options, True)]


def _plain(kind: type[Any], key: str) -> bool:
    """Whether the class itself says it; what depends on the options is in its prose."""
    return hasattr(kind, key) and not isinstance(getattr(kind, key), property)


def _words(value: Any) -> str:
    if isinstance(value, frozenset | set):
        value = sorted(value)
    if isinstance(value, list | tuple):
        return ", ".join(f"`{one}`" for one in value) or "none"
    return f"`{value}`"


def _prose(text: str) -> str:
    return _safe(text).replace("``", "`") + "\n"


def _safe(text: str) -> str:
    return text.replace("<", "&lt;").replace("|", "\\|")


def _table(options: Iterable[plugins.Option], searched: bool) -> str:
    rows = list(options)
    if not rows:
        return ""
    head = "| option | what it is | value | default |" + (" searchable |" if searched else "")
    lines = [head, "|---" * (5 if searched else 4) + "|"]
    for one in rows:
        default = "required" if one.required else f"`{_default(one.default)}`"
        may = f" {'yes' if one.searchable else 'no'} |" if searched else ""
        lines.append(f"| `{one.name}` | {_safe(one.doc)} | {_safe(one.type)} | {default} |{may}")
    return "\n".join(lines) + "\n"


def _default(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if value == ("tabular", {}):
        return "{kind: tabular}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {one}" for key, one in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value) if value != "" else '""'


if __name__ == "__main__":
    Path(__file__).with_name("reference.md").write_text(page(), encoding="utf-8")
