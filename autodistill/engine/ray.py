"""Workers of a Ray cluster, or of a small one started here: the same tasks, done by actors. The only door to Ray.

All nodes need this package and see the run's folder, the cache and the working directory under the same paths. Where
some node has the custom resource ``latency_slot``, an actor there reads latencies: beside the trainings if they are on
other nodes, else when they are drained.
"""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from autodistill.engine.protocol import Died, Fault, Outcome, Task
from autodistill.engine.worker import work
from autodistill.errors import RunError, SpecError, UserError
from autodistill.jobs import Workshop

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_agent_register_timeout_ms", "120000")
import ray  # it reads these when it is loaded
from ray.exceptions import RayError

SLOT = "latency_slot"


class Hand:
    """What an actor is: a workshop, opened once. Ray gives it as many threads as it has processors: one."""

    def __init__(self, place: tuple[list[str], str], open_shop: Callable[[], Workshop]) -> None:
        sys.path[:], folder = [*place[0], *(one for one in sys.path if one not in place[0])], place[1]
        os.chdir(folder)
        self._fault: Fault | None = None
        try:
            self._shop = open_shop()
        except UserError as fault:
            self._fault = Fault(what=fault.what, where=fault.where, do=fault.do)

    def where(self) -> tuple[str, int]:
        """Its node and its process."""
        return ray.get_runtime_context().get_node_id(), os.getpid()

    def do(self, task: Task) -> Outcome:
        """See ``work``."""
        return self._fault or work(task, self._shop)


@dataclass(eq=False)
class _Actor:
    """An actor as its driver sees it; ``doing`` is the answer that it owes, first where it is, then its task's."""

    handle: Any
    doing: Any
    task: Task | None = None
    node: str = ""
    pid: int = 0


class Cluster:
    """A crew of at most ``size`` actors, each with a processor and its share of the graphics processors."""

    def __init__(self, size: int, open_shop: Callable[[], Workshop], *, owned: bool) -> None:
        self.size, self._owned = size, owned
        self._shop = ray.put(open_shop)
        found = ray.cluster_resources()
        if found.get("CPU", 0) < size:
            self.close()
            raise SpecError(
                f"the Ray cluster has {found.get('CPU', 0):g} processors, not {size}",
                where="engine.workers",
                do="ask for fewer workers",
            )
        self._gpus = min(1.0, int(found.get("GPU", 0) / size * 100) / 100)
        self._actors: list[_Actor] = []
        self._has_slot = found.get(SLOT, 0) >= 1
        self._slot = self._new(slot=True) if self._has_slot else None

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the workers that have said where they are."""
        return tuple(one.pid for one in self._actors if one.pid)

    @property
    def reads(self) -> Literal["here", "drained", "apart"]:
        """See ``Crew``."""
        if not self._has_slot:
            return "here"
        node = "" if self._slot is None else self._slot.node
        return "apart" if node and all(one.node not in ("", node) for one in self._actors) else "drained"

    @property
    def busy(self) -> int:
        """See ``Crew``."""
        return sum(one.doing is not None for one in self._actors)

    @property
    def reading(self) -> bool:
        """See ``Crew``."""
        return self._slot is not None and self._slot.task is not None

    def give(self, task: Task) -> None:
        """See ``Crew``."""
        if task.kind == "read":
            actor = self._slot = self._slot or self._new(slot=True)
        else:
            idle = next((one for one in self._actors if one.doing is None), None)
            actor = idle or self._new(slot=False)
            if idle is None:
                self._actors.append(actor)
        actor.task = task
        if actor.doing is None:
            actor.doing = actor.handle.do.remote(task)

    def ended(self, timeout: float | None) -> list[tuple[Task, Outcome]]:
        """See ``Crew``."""
        found: list[tuple[Task, Outcome]] = []
        while not found:
            everyone = [*self._actors, *([] if self._slot is None else [self._slot])]
            owing = {one.doing: one for one in everyone if one.doing is not None}
            if not any(one.task is not None for one in owing.values()):
                break
            done, _ = ray.wait(list(owing), timeout=timeout)
            if not done:
                break
            for answer in done:
                found += self._hear(owing[answer])
        return found

    def _hear(self, actor: _Actor) -> list[tuple[Task, Outcome]]:
        """What one actor has answered, or that it is no more."""
        answer, actor.doing = actor.doing, None
        task = actor.task
        try:
            said = ray.get(answer)
        except RayError as fault:
            if actor in self._actors:
                self._actors.remove(actor)
            else:
                self._slot = None
            why = " ".join(str(fault).split())[:300]
            return [] if task is None else [(task, Died(why=why, begun=bool(actor.pid)))]
        if not actor.pid:
            actor.node, actor.pid = said
            if task is not None:
                actor.doing = actor.handle.do.remote(task)
            return []
        actor.task = None
        return [] if task is None else [(task, said)]

    def _new(self, *, slot: bool) -> _Actor:
        needs: dict[str, Any] = {"num_cpus": 0, "resources": {SLOT: 1}} if slot else {"num_cpus": 1}
        if self._gpus and not slot:
            needs["num_gpus"] = self._gpus
        place = (list(sys.path), str(Path.cwd()))
        handle = ray.remote(max_restarts=0, **needs)(Hand).remote(place, self._shop)
        return _Actor(handle, handle.where.remote())

    def close(self) -> None:
        """See ``Crew``."""
        for one in [*getattr(self, "_actors", []), *([self._slot] if getattr(self, "_slot", None) else [])]:
            with suppress(RayError):
                ray.kill(one.handle)
        if self._owned:
            ray.shutdown()


def cluster(workers: int, address: str | None, open_shop: Callable[[], Workshop]) -> Cluster:
    """The cluster at ``address`` ("auto": the one of this machine), or without one a small one of this search's own.

    RunError where it cannot be reached or started.
    """
    owned = not ray.is_initialized()
    if owned and not _joined(workers, address):  # on a machine under load the first start may be too slow for Ray
        _joined(workers, address, last=True)
    return Cluster(workers, open_shop, owned=owned)


def _joined(workers: int, address: str | None, *, last: bool = False) -> bool:
    options: dict[str, Any] = {"address": address or "local"}
    if address is None:
        options |= {"num_cpus": workers, "include_dashboard": False}
    try:
        ray.init(**options, log_to_driver=False, configure_logging=False, logging_level="error")
    except Exception as fault:  # its own kinds, OSError and plain Exception
        ray.shutdown()
        if address is None and not last:
            return False
        raise RunError(
            f"Ray cannot be {'started' if address is None else 'reached'}: {' '.join(str(fault).split())[:200]}",
            where="engine",
            do="try again, or use engine: {kind: local}",
        ) from None
    return True
