"""Find the smallest acceptable student for a teacher, and audit it.

``autodistill.search(FILE)`` runs an experiment file and returns its report; ``autodistill.audit(table, policy=…, …)``
judges any student against any teacher from what they said; ``autodistill.rejudge(RUN, POLICY)`` judges a finished run
again under another policy; ``autodistill.predict(RUN, table)`` scores new rows with a certified artefact. Each loads
what it needs when it is called.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["AuditReport", "__version__", "audit", "predict", "rejudge", "search"]

if TYPE_CHECKING:
    from autodistill.run import AuditReport, audit, predict, rejudge, search


def __getattr__(name: str) -> Any:
    if name in {"AuditReport", "audit", "predict", "rejudge", "search"}:
        from autodistill import run

        return getattr(run, name)
    raise AttributeError(f"module 'autodistill' has no attribute {name!r}")
