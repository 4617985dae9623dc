"""One unattended run: lock, budget, warm start, the champion on tonight's rows, and one of five outcomes.

``nightly`` does a night, ``history`` reads the nights of an experiment, ``entry`` prints what a scheduler needs. It
never signs, and never moves an alias.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["Ended", "Record", "entry", "history", "home", "nightly"]

if TYPE_CHECKING:
    from autodistill.nightly.conducting import Ended, nightly
    from autodistill.nightly.recorded import Record, history, home
    from autodistill.nightly.scheduling import entry

_WHERE = {
    "Ended": "conducting",
    "nightly": "conducting",
    "Record": "recorded",
    "history": "recorded",
    "home": "recorded",
    "entry": "scheduling",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"autodistill.nightly.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'autodistill.nightly' has no attribute {name!r}")
