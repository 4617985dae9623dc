"""What an import path names."""

import importlib
from collections.abc import Callable
from typing import Any

from autodistill.errors import TeacherError
from autodistill.plugins import suggest

EXTRAS = ("lightgbm", "xgboost", "catboost")


def imported(path: str, where: str, example: str) -> Any:
    """The attribute that ``path`` names. Raises ``TeacherError`` at ``where``; ``example`` is what could be written."""
    module_name, _, attribute = path.rpartition(".")
    if not module_name or not all(part.isidentifier() for part in path.split(".")):
        do = f"write an import path such as {example}"
        raise TeacherError(f"{path!r} is not an import path", where=where, do=do)
    try:
        module = importlib.import_module(module_name)
    except Exception as fault:
        what = f"cannot import {module_name} ({type(fault).__name__}: {fault})"
        name = module_name.partition(".")[0]
        do = f"pip install 'autodistill-audit[{name}]'" if name in EXTRAS else "is it installed, or on PYTHONPATH?"
        raise TeacherError(what, where=where, do=do) from fault
    if not hasattr(module, attribute):
        public = [name for name in vars(module) if not name.startswith("_")]
        raise TeacherError(f"{module_name} has no {attribute}", where=where, do=suggest(attribute, public))
    return getattr(module, attribute)


def called(path: str, where: str, example: str) -> Callable[..., Any]:
    """The callable that ``path`` names."""
    found = imported(path, where, example)
    if not callable(found):
        raise TeacherError(f"{path} is no function and no class", where=where, do=f"name one, such as {example}")
    made: Callable[..., Any] = found
    return made
