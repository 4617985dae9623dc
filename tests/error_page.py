"""Every class of ``autodistill.errors`` provoked once, and the page that lists them.

``python tests/error_page.py`` writes ``docs/errors.md`` anew; a test holds the two against each other.
"""

import inspect
import os
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd

from autodistill import errors, plugins
from autodistill.cli import parser

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"
HEAD = """# Errors

A mistake that a user can make is one line on stderr and exit code 2: where, what, what to do. There is no traceback;
one that you see is a fault of this package, please report it. In Python the same line is raised as
`autodistill.UserError`, or as the class below, from `autodistill.errors`.

<!-- Written by tests/error_page.py from the classes themselves: change them there. -->
"""
TABLE = "people.csv"
EXPERIMENT = """
name: people
data: {table: people.csv, target: income, positive: "yes"}
teacher: {kind: sklearn, estimator: sklearn.tree.DecisionTreeClassifier}
student: [{family: linear}]
budget: {trials: 2}
policy: policy.yaml
"""
POLICY = "name: people\nversion: '1'\nrequire:\n  - {check: accuracy_loss, at_most: 0.05}\n"


def prepared(folder: Path) -> None:
    """A table, an experiment file and a policy that are right."""
    draw = np.random.default_rng(0)
    age = draw.integers(18, 90, 200)
    told = {"age": age, "hours": draw.integers(1, 60, 200), "income": np.where(age > 50, "yes", "no")}
    pd.DataFrame(told).to_csv(folder / TABLE, index=False)
    (folder / "people.yaml").write_text(EXPERIMENT, encoding="utf-8")
    (folder / "policy.yaml").write_text(POLICY, encoding="utf-8")


def _verb(*arguments: str) -> None:
    """One verb as the command line runs it, up to the error."""
    asked = parser().parse_args(arguments)
    import_module(f"autodistill.cli.{asked.verb}").run(asked)


def _user() -> None:
    _verb("list", "lossess")


def _spec() -> None:
    file = Path("people.yaml")
    file.write_text(file.read_text(encoding="utf-8").replace("student:", "students:"), encoding="utf-8")
    _verb("check", "people.yaml")


def _table() -> None:
    file = Path("people.yaml")
    file.write_text(file.read_text(encoding="utf-8").replace("target: income", "target: incomes"), encoding="utf-8")
    _verb("check", "people.yaml")


def _teacher() -> None:
    asked = ("--target", "income", "--no-groups", "--out", "first.yaml")
    _verb("init", TABLE, *asked, "--teacher", "sklearn.tree.DecisionTreeClasifier")


def _student() -> None:
    from autodistill.inputs import Shapes

    plugins.build("losses", "dkd", {}).build(Shapes(numeric=3, cardinalities=(), classes=2))


def _artefact() -> None:
    Path("student.onnx").write_bytes(b"not a model")
    _verb("measure", "student.onnx", "--rows", TABLE)


def _run() -> None:
    _verb("show", "reports/people")


def _ledger() -> None:
    Path("reports").mkdir()
    Path("reports/ledger.jsonl").write_text('{"index": 0}\n', encoding="utf-8")
    pd.DataFrame({"true": [0, 1], "old": [0, 1], "new": [1, 1]}).to_csv("said.csv", index=False)
    _verb("audit", "said.csv", "--policy", "policy.yaml", "--label", "true", "--teacher", "old", "--student", "new")


def _spent() -> None:
    from autodistill.ledger import Ledger

    rows = np.array(["a", "b"])
    for shortlist in ("first", "second"):
        Ledger(Path("reports")).look(rows, policy="p", shortlist=shortlist, looks=1, alpha=0.05)


def _signature() -> None:
    Path("approver.pem").touch()
    _verb("keygen", "--out", "approver.pem")


PROVOKED: dict[str, Callable[[], None]] = {
    "UserError": _user,
    "SpecError": _spec,
    "TableError": _table,
    "TeacherError": _teacher,
    "StudentError": _student,
    "ArtefactError": _artefact,
    "RunError": _run,
    "LedgerError": _ledger,
    "LevelSpentError": _spent,
    "SignatureError": _signature,
}


def classes() -> dict[str, type[errors.UserError]]:
    """Every error of the catalogue, as the module lists them."""
    own = {name: one for name, one in vars(errors).items() if inspect.isclass(one)}
    return {name: one for name, one in own.items() if issubclass(one, errors.UserError)}


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def provoked(name: str, folder: Path) -> errors.UserError:
    """The error that a user meets."""
    prepared(folder)
    with inside(folder):
        try:
            PROVOKED[name]()
        except errors.UserError as fault:
            return fault
    raise AssertionError(f"nothing was raised for {name}")


def _filled(words: str) -> str:
    return textwrap.fill(" ".join(words.replace("``", "`").split()), 120, break_long_words=False)


def page(folder: Path) -> str:
    """``docs/errors.md``, with each line as it is printed now."""
    parts = [HEAD]
    for name, one in classes().items():
        place = folder / name
        place.mkdir()
        meaning, _, way = inspect.cleandoc(one.__doc__ or "").partition("\n\n")
        line = f"autodistill: {provoked(name, place)}"
        told, do = (_filled(words) for words in (meaning, f"**What to do.** {way}"))
        parts.append(f"## {name}\n\n{told}\n\n```text\n{line}\n```\n\n{do}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        PAGE.write_text(page(Path(made)), encoding="utf-8")
