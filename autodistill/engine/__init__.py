"""Where jobs run: this process, worker processes of this machine, or a Ray cluster.

Loaded by every worker before it knows what it is for, so that it loads next to nothing itself.
"""

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from autodistill.engine.protocol import Engine
from autodistill.errors import SpecError

if TYPE_CHECKING:
    from autodistill.jobs import Workshop

__all__ = ["Engine", "build", "refuse"]


def refuse(options: Mapping[str, Any]) -> None:
    """SpecError for an engine that cannot run here, before anything is read."""
    if options.get("kind") == "ray" and find_spec("ray") is None:
        raise SpecError("Ray is not installed", where="engine.kind", do="pip install 'autodistill-audit[ray]'")
    if options.get("kind", "local") == "local" and options.get("workers", 1) > 1 and os.name != "posix":
        raise SpecError("more workers need Linux or macOS", where="engine.workers", do="use 1")


def build(options: Mapping[str, Any], shop: "Workshop", again: "Callable[[], Workshop] | None" = None) -> Engine:
    """The engine that an experiment file asks for. ``again`` opens the same workshop in another process, where it goes
    by pickle; this process alone needs none."""
    from autodistill.engine.in_process import InProcess
    from autodistill.engine.local import Local
    from autodistill.engine.pool import Pool

    refuse(options)
    kind, workers = options.get("kind", "local"), int(options.get("workers", 1))
    if again is None or (kind == "local" and workers == 1):
        return InProcess(shop)
    if kind == "local":
        return Pool(shop, Local(workers, again))
    from autodistill.engine.ray import cluster

    return Pool(shop, cluster(workers, options.get("address"), again))
