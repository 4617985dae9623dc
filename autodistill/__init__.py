"""Find the smallest acceptable student for a teacher, and audit it.

``autodistill.search(FILE)`` runs an experiment file and returns what it found; ``autodistill.audit(table, policy=…)``
judges any student against any teacher from what they said; ``autodistill.rejudge(RUN, POLICY)`` judges a finished run
again under another policy; ``autodistill.predict(RUN, table)`` scores new rows with a certified artefact.

What a search, an audit and a judgement return shows itself in a notebook and has ``to_pandas()``; a search's has
``plot()`` as well. Each loads what it needs when it is called. What a user can mend is an ``autodistill.UserError``.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["AuditReport", "Rejudged", "Result", "UserError", "__version__", "audit", "predict", "rejudge", "search"]

if TYPE_CHECKING:
    from autodistill.errors import UserError
    from autodistill.run import AuditReport, Rejudged, Result, audit, predict, rejudge, search


def __getattr__(name: str) -> Any:
    if name == "UserError":
        from autodistill.errors import UserError

        return UserError
    if name in __all__:
        from autodistill import run

        return getattr(run, name)
    raise AttributeError(f"module 'autodistill' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
