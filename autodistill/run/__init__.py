"""One function a verb: what order things happen in. Computes nothing itself.

Loaded when asked for: a reader of reports needs neither the optimiser nor the trainer.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["AuditReport", "Rejudged", "Result", "audit", "predict", "rejudge", "search"]

if TYPE_CHECKING:
    from autodistill.run.audited import AuditReport
    from autodistill.run.auditing import audit
    from autodistill.run.predicting import predict
    from autodistill.run.rejudging import Rejudged, rejudge
    from autodistill.run.searching import Result, search

_WHERE = {
    "AuditReport": "audited",
    "audit": "auditing",
    "Rejudged": "rejudging",
    "Result": "searching",
    "search": "searching",
    "predict": "predicting",
    "rejudge": "rejudging",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"autodistill.run.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'autodistill.run' has no attribute {name!r}")
