"""Find the smallest acceptable student for a teacher, and audit it.

``autodistill.search(FILE)`` runs an experiment file and returns its report; ``autodistill.predict(RUN, table)`` scores
new rows with a certified artefact. Both load what they need when they are called.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "predict", "search"]

if TYPE_CHECKING:
    from autodistill.run import predict, search


def __getattr__(name: str) -> Any:
    if name in {"search", "predict"}:
        from autodistill import run

        return getattr(run, name)
    raise AttributeError(f"module 'autodistill' has no attribute {name!r}")
