"""``autodistill init TABLE``."""

import argparse
import json
import shlex
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autodistill.cli.display import console
from autodistill.errors import UserError

if TYPE_CHECKING:
    from autodistill.draft import Choices, Column, Draft, Looked

OK = 0
ENDINGS = (".gz", ".csv", ".tsv", ".parquet", ".pq", ".arrow", ".feather")
KEPT = "no file was written or changed; give other flags"
EXAMPLE = "sklearn.ensemble.GradientBoostingClassifier"


def run(asked: argparse.Namespace) -> int:
    """Look at the table and the teacher, ask what cannot be known, write two files, say what their rows decide."""
    from autodistill import draft

    out: Path = asked.out or Path(f"{_stem(asked.table)}.yaml")
    policy = out.with_name(f"{out.stem}.policy.yaml")
    for path in (out, policy):
        if path.exists() and not asked.force:
            raise UserError("a file is there", where=str(path), do="name another with --out, or write over it: --force")
        if path.exists() and asked.table.exists() and path.samefile(asked.table):
            raise UserError("that is the table itself", where=str(path), do="name another with --out")
    looked = draft.look(asked.table)
    choices = _choices(asked, looked)
    made = draft.draft(looked, choices, out, policy)
    before = {path: path.read_bytes() if path.exists() else None for path in (out, policy)}
    _write(policy, made.policy)
    _write(out, made.experiment)
    refused = _refused(out)
    if refused:
        _restore(before)
        raise UserError(f"`check` refuses what would be written: {refused}", where=f"init {asked.table}", do=KEPT)
    if asked.json:
        print(json.dumps(_plain(made, out, policy)))
    else:
        _say(made, out, policy)
    return OK


def _stem(table: Path) -> str:
    name = table.name
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    return name or "experiment"


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as fault:
        what = f"cannot be written ({fault.strerror})"
        raise UserError(what, where=str(path), do="choose another with --out") from None


def _choices(asked: argparse.Namespace, looked: "Looked") -> "Choices":
    """Flags first; what is missing is asked where a person sits at the terminal, and refused by name elsewhere."""
    from autodistill import draft

    names = [one.name for one in looked.columns]
    person = sys.stdin.isatty() and sys.stderr.isatty() and not asked.json
    target, teacher, groups = asked.target, asked.teacher, () if asked.no_groups else asked.group
    if asked.no_groups and asked.group:
        raise UserError("--group and --no-groups contradict each other", do="give one of them")
    lacking = {"--target": target is None, "--teacher": teacher is None, "--group": groups is None}
    if any(lacking.values()) and not person:
        raise UserError(_missing(lacking, looked), where=f"init {asked.table}", do=_ways(asked, lacking, looked))
    if target is None:
        target = _ask("Which column is predicted?", looked.targets[0], names)
    if groups is None:
        likely = [name for name in looked.people if name != target]
        groups = _groups("Which columns are groups of people to audit? (names, or none)", likely, names)
    if teacher is None:
        kinds = "an estimator's import path, a saved file, a model's folder, or a table of its predictions"
        teacher = _ask(f"Which teacher? ({kinds})", EXAMPLE)
    choices = draft.Choices(
        target=target,
        teacher=teacher,
        groups=tuple(dict.fromkeys(groups)),
        positive=asked.positive,
        task=asked.task,
        drop=tuple(asked.drop),
        entity=asked.entity,
        row_id=asked.row_id,
        input=asked.input,
        minutes=asked.minutes,
        trust=asked.trust,
    )
    return _positive(choices, looked, person, str(asked.table))


def _missing(lacking: dict[str, bool], looked: "Looked") -> str:
    named = [flag if flag != "--group" else "--group (or --no-groups)" for flag, missing in lacking.items() if missing]
    listed = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    shown = ", ".join(one.name for one in looked.columns[:12]) + (" …" if len(looked.columns) > 12 else "")
    return f"{listed} {'is' if len(named) == 1 else 'are'} missing (columns: {shown})"


def _ways(asked: argparse.Namespace, lacking: dict[str, bool], looked: "Looked") -> str:
    """The flags that would do, of what the table looks like; a class that would be asked for next among them."""
    from autodistill import draft

    likely, target = looked.people, asked.target or looked.targets[0]
    groups = " ".join(f"--group {shlex.quote(name)}" for name in likely) if likely else "--no-groups"
    column = looked.column(target)
    number = column is not None and (asked.task or draft.guess_task(column)) == "regression"
    teacher = EXAMPLE.replace("Classifier", "Regressor") if number else EXAMPLE
    ways = {"--target": f"--target {shlex.quote(target)}", "--teacher": f"--teacher {teacher}", "--group": groups}
    told = [ways[flag] for flag, missing in lacking.items() if missing]
    if asked.positive is None and column is not None and _open(column, asked.task):
        told.append(f"--positive {shlex.quote(column.values[-1])}")
    return "likely: " + " ".join(told)


def _open(column: "Column", task: str | None) -> bool:
    """Whether it has two classes, of which none is called yes."""
    from autodistill import draft

    two = column.distinct == 2 and (task or draft.guess_task(column)) != "regression"
    return two and draft.guess_positive(column) is None


def _positive(choices: "Choices", looked: "Looked", person: bool, where: str) -> "Choices":
    """Of two classes, the one that rates speak of."""
    from autodistill import draft

    column = looked.column(choices.target)
    two = column is not None and column.distinct == 2 and (choices.task or draft.guess_task(column)) != "regression"
    if column is None or not two or choices.positive is not None:
        return choices
    guess = draft.guess_positive(column)
    if guess is None and not person:
        shown = " or ".join(repr(value) for value in column.values)
        what = f"--positive is missing: the class that rates speak of, {shown}"
        raise UserError(what, where=f"init {where}", do=f"--positive {shlex.quote(column.values[-1])}, for example")
    if guess is None:
        guess = _ask("Which class do true and false positive rates speak of?", column.values[-1], list(column.values))
    return replace(choices, positive=guess)


def _ask(question: str, default: str, known: list[str] | None = None) -> str:
    """One answer from the terminal; asked again until it is a known one."""
    while True:
        print(f"{question} [{default}] ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            raise UserError("the questions were not answered to the end", do="give the answers as flags: init --help")
        answer = line.strip() or default
        if known is None or answer in known:
            return answer
        print(f"There is no {answer!r}. Known: {', '.join(known[:20])}", file=sys.stderr)


def _groups(question: str, likely: list[str], names: list[str]) -> tuple[str, ...]:
    """Columns, separated by commas; the word none for none."""
    default = ", ".join(likely) or "none"
    while True:
        answer = _ask(question, default)
        found = tuple(part.strip() for part in answer.split(",") if part.strip())
        if found == ("none",) and "none" not in names:
            return ()
        odd = [name for name in found if name not in names]
        if not odd:
            return found
        print(f"There is no {odd[0]!r}. Known: {', '.join(names[:20])}", file=sys.stderr)


def _say(made: "Draft", out: Path, policy: Path) -> None:
    plan = made.plan
    dataset = plan.dataset
    show = partial(console().print, soft_wrap=True)
    sizes = ", ".join(f"{name} {len(at):,}" for name, at in dataset.splits.items())
    show(f"{plan.table}: {len(dataset.y):,} rows ({sizes}), {_features(len(dataset.features))}")
    classes = ", ".join(dataset.classes[:8]) + (" …" if len(dataset.classes) > 8 else "")
    rated = f"; rates speak of {plan.data.positive}" if plan.data.positive is not None else ""
    show(f"  target: {plan.data.target} ({f'classes {classes}{rated}' if dataset.classes else 'a number: regression'})")
    show(f"  teacher: {plan.choices.teacher}: {plan.teacher.says}")
    show(f"  groups: {', '.join(dataset.groups) or 'none: no gap between groups is looked at'}")
    for name, why in plan.left_out.items():
        show(f"  left out: {name} ({why})")
    for note in plan.notes:
        show(f"  note: {note}")
    _decided(made, show)
    show(f"\nWritten: {out} and {policy}")
    show(f"Next:    autodistill check {out}\n         autodistill search {out}")


def _features(count: int) -> str:
    return "1 feature" if count == 1 else f"{count} features"


def _decided(made: "Draft", show: Any) -> None:
    """What the rows can and cannot decide."""
    found = made.plan.margins
    able = [one for one in found.lines if not one.why]
    assumed = " (by an assumed spread)" if found.together is None else ""
    show(f"\nThese rows can decide, for a student that loses nothing{assumed}:" if able else "\nToo few rows.")
    for one in able:
        power = "" if one.power is None else f", passes {100 * one.power:.0f} % of the time"
        show(f"  {one.wanted.about}: below {one.limit:g} ({one.rows:,} rows{power})")
    lost = [one for one in found.lines if one.why]
    if lost:
        show("They cannot decide:")
    for one in lost:
        kept = "only reported" if one.limit is None else f"required below {one.limit:g} all the same"
        show(f"  {one.wanted.about} ({kept}): {one.why}")
    if found.together is not None:
        show(f"All that is required, together: {100 * found.together:.0f} % of the time.")
    times = "once: a second search on this table decides nothing" if found.looks == 1 else f"{found.looks} times"
    show(f"The audit rows may be judged {times} (looks in the policy).")


def _plain(made: "Draft", out: Path, policy: Path) -> dict[str, Any]:
    plan = made.plan
    return {
        "experiment": str(out),
        "policy": str(policy),
        "rows": {name: len(at) for name, at in plan.dataset.splits.items()},
        "target": plan.data.target,
        "task": plan.data.task,
        "positive": plan.data.positive,
        "groups": list(plan.dataset.groups),
        "teacher": {"kind": plan.teacher.kind, **plan.teacher.options},
        "left_out": dict(plan.left_out),
        "notes": list(plan.notes),
        "together": plan.margins.together,
        "looks": plan.margins.looks,
        "limits": [
            {"check": one.wanted.check, **one.wanted.options, "limit_kind": one.wanted.limit_kind, "limit": one.limit,
             "power": one.power, "rows": one.rows, "why": one.why}
            for one in plan.margins.lines
        ],
    }  # fmt: skip


def _restore(before: dict[Path, bytes | None]) -> None:
    """The files as they were."""
    for path, text in before.items():
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(text)


def _refused(out: Path) -> str:
    """Why ``check`` would refuse the files just written, which are worth nothing then; "" where it would not."""
    from autodistill import data, spec
    from autodistill.run import refusing

    try:
        asked = spec.load(out)
        refusing.refuse(asked, data.load(asked.data, asked.seed))
    except UserError as fault:
        return str(fault)
    return ""
