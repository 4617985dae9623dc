"""PyTorch networks that are only run: in batches, without gradients, with a layer listened to; and as ONNX."""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autodistill.errors import TeacherError
from autodistill.plugins import suggest
from autodistill.records import FloatArray, IntArray
from autodistill.teachers import Progress

if TYPE_CHECKING:
    from torch import Tensor, nn

Given = Callable[[slice | IntArray], "tuple[Tensor, ...]"]
"""The network's inputs for some rows."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """``values`` float32 [N, columns], what the network gives; ``features`` float32 [N, D] of the layer, or None."""

    values: FloatArray
    features: FloatArray | None


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a network is run: rows a ``batch``, exactly so many where ``fixed``; the ``layer`` that is listened to."""

    batch: int
    fixed: bool = False
    layer: str | None = None
    who: str = "it"


def device() -> str:
    """Where networks run."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def run(network: Any, given: Given, rows: int, manner: Manner, progress: Progress) -> Ran:
    """Every row through a network, in order. Raises ``TeacherError`` where it fails on them, with their shapes."""
    import torch

    heard: list[Any] = []
    handle = None if manner.layer is None else _layer(network, manner.layer).register_forward_hook(
        lambda _module, _inputs, found: heard.append(_pooled(output(found), manner.layer or ""))
    )  # fmt: skip
    place = device()
    network = network.to(place)
    values, features = [], []
    steps = range(0, rows, manner.batch)
    try:
        with torch.no_grad():
            for done, start in enumerate(steps, start=1):
                part = given(slice(start, min(start + manner.batch, rows)))
                count = len(part[0])
                part = tuple(_padded(one, manner.batch) if manner.fixed else one for one in part)
                try:
                    found = output(network(*(one.to(place) for one in part)))
                except (RuntimeError, TypeError, ValueError, IndexError, AssertionError) as fault:
                    raise _failed(manner.who, part, fault) from fault
                values.append(found[:count].float().cpu().numpy().reshape(count, -1))
                if heard:
                    features.append(heard.pop()[:count].float().cpu().numpy())
                progress(done, len(steps), f"{manner.who}: {done} of {len(steps)} batches labelled")
    finally:
        if handle is not None:
            handle.remove()
    if manner.layer is not None and not features:
        raise TeacherError(f"its layer {manner.layer!r} is never run", where="teacher: hook", do="name another")
    return Ran(values=np.concatenate(values), features=np.concatenate(features) if features else None)


def output(found: Any) -> "Tensor":
    """The tensor that a network gives: itself, the first of several, or ``logits`` of a named result."""
    named = getattr(found, "logits", None)
    if named is not None:
        found = named
    if isinstance(found, Mapping):
        found = found.get("logits", next(iter(found.values())))
    elif isinstance(found, Sequence):
        found = found[0]
    tensor: Tensor = found
    return tensor


def _layer(network: Any, name: str) -> "nn.Module":
    known = [one for one, _ in network.named_modules() if one]
    if name not in known:
        raise TeacherError(f"it has no layer {name!r}", where="teacher: hook", do=suggest(name, known))
    layer: nn.Module = network.get_submodule(name)
    return layer


def _pooled(found: "Tensor", layer: str) -> "Tensor":
    """[n, D]; of maps [n, D, H, W] the mean over places."""
    if found.ndim == 4:
        return found.mean(dim=(2, 3))
    if found.ndim != 2:
        what = f"its layer {layer!r} gives {tuple(found.shape)}, and features are [n, D] or maps [n, D, H, W]"
        raise TeacherError(what, where="teacher: hook", do="name a layer after the pooling")
    return found


def _padded(part: "Tensor", rows: int) -> "Tensor":
    import torch

    return part if len(part) == rows else torch.cat([part, part[-1:].expand(rows - len(part), *part.shape[1:])])


def _failed(who: str, part: "tuple[Tensor, ...]", fault: Exception) -> TeacherError:
    shapes = " and ".join(f"{str(one.dtype).removeprefix('torch.')} {list(one.shape)}" for one in part)
    line = " ".join(str(fault).split())[:200]
    return TeacherError(
        f"{who} is given {shapes}, and fails on that ({line})", where="teacher", do="see reads, prepare"
    )


def onnx(
    network: Any, given: "Mapping[str, Tensor]", at: IntArray | None, scale: str, free: Mapping[str, Mapping[int, str]]
) -> tuple[bytes | None, str]:
    """A network as an ONNX core, or None and why: its inputs by name, its output ``logits`` or ``probabilities``
    [N, C] in the order ``at``. ``free`` names the axes of an input, beside the rows, that have any length."""
    import torch

    axes = {name: torch.export.Dim(name) for axis in free.values() for name in axis.values()} | {
        "N": torch.export.Dim("N")
    }
    shapes = tuple({0: axes["N"], **{axis: axes[n] for axis, n in free.get(name, {}).items()}} for name in given)
    answer = _answer(network.cpu(), at, scale)
    try:
        with quiet():
            program = torch.onnx.export(
                answer,
                tuple(given.values()),
                dynamo=True,
                verbose=False,
                input_names=list(given),
                output_names=["probabilities" if scale == "probabilities" else "logits"],
                dynamic_shapes=(shapes,),
            )
        core = program.model_proto  # type: ignore[union-attr]
        read = {name for node in core.graph.node for name in node.input}
        kept = [one for one in core.graph.input if one.name in read]
        del core.graph.input[:]
        core.graph.input.extend(kept)
        return bytes(core.SerializeToString(deterministic=True)), ""
    except Exception as fault:  # the exporter may raise anything
        line = " ".join(str(fault).strip().split("\n", 1)[0].split())[:160]
        return None, f"PyTorch cannot export it ({type(fault).__name__}: {line})"


def _answer(network: Any, at: IntArray | None, scale: str) -> "nn.Module":
    """The network with one output [N, C], float32, in the order of the table's classes."""
    import torch

    class Answer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *given: "Tensor") -> "Tensor":
            found = output(self.network(*given)).float()
            found = found.reshape(found.shape[0], -1)
            if at is not None and len(at) == 2 and found.shape[1] == 1:
                other = 1 - found if scale == "probabilities" else torch.zeros_like(found)
                found = torch.cat([other, found], dim=1)
            return found if at is None else found[:, torch.from_numpy(at)]

    return Answer()


@contextlib.contextmanager
def quiet() -> Any:
    """Nothing of what other people's exporters print, log and warn of."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
