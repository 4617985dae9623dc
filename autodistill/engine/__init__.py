"""Where jobs run: this process, worker processes of this machine, or a Ray cluster."""

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from autodistill import jobs
from autodistill.engine.in_process import InProcess
from autodistill.engine.local import Local
from autodistill.engine.pool import Pool
from autodistill.engine.protocol import Engine
from autodistill.errors import SpecError

__all__ = ["Engine", "build", "refuse"]


def refuse(options: Mapping[str, Any]) -> None:
    """SpecError for an engine that cannot run here, before anything is read."""
    if options.get("kind") == "ray" and find_spec("ray") is None:
        raise SpecError("Ray is not installed", where="engine.kind", do="pip install 'autodistill-audit[ray]'")
    if options.get("kind", "local") == "local" and options.get("workers", 1) > 1 and os.name != "posix":
        raise SpecError("more workers need Linux or macOS", where="engine.workers", do="use 1")


def build(options: Mapping[str, Any], shop: jobs.Workshop, again: Callable[[], jobs.Workshop] | None = None) -> Engine:
    """The engine that an experiment file asks for. ``again`` opens the same workshop in another process, where it goes
    by pickle; this process alone needs none."""
    refuse(options)
    workers = int(options.get("workers", 1))
    if again is None:
        return InProcess(shop)
    if options.get("kind", "local") == "ray":
        from autodistill.engine.ray import cluster

        return Pool(shop, cluster(workers, options.get("address"), again))
    return InProcess(shop) if workers == 1 else Pool(shop, Local(workers, again))
