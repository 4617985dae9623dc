"""Network → ONNX core: written by the network itself where its family can (``onnx() -> ModelProto``, milliseconds),
else traced once an architecture: a trace costs seconds, weights are then put in by name."""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autodistill.export.joined import LOGITS
from autodistill.inputs import CODES, NUMERIC, Shapes

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Template:
    """A traced core. ``names`` are the weights that may be put in by name; ``whole`` if those are all that there are,
    else every export is a trace of its own."""

    core: bytes
    names: tuple[str, ...]
    whole: bool


def trace(module: "nn.Module", shapes: Shapes) -> Template:
    """Trace a network of ``shapes`` once, with a free number of rows.

    It is traced with random weights: the exporter folds special ones away (a bias of zeros vanishes).
    """
    import torch

    stand_in = copy.deepcopy(module).cpu().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in stand_in.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    core = _traced(stand_in, shapes)
    found = {t.name: t for t in core.graph.initializer}
    state = {name: value.numpy() for name, value in stand_in.state_dict().items()}
    names = tuple(name for name, value in state.items() if name in found and _same(found[name], value))
    return Template(core=core.SerializeToString(deterministic=True), names=names, whole=len(names) == len(state))


def template_of(module: "nn.Module", shapes: Shapes) -> Template | None:
    """What to keep of an architecture; None where the network writes its own core."""
    return None if hasattr(module, "onnx") else trace(module, shapes)


def core_of(module: "nn.Module", shapes: Shapes, template: Template | None = None) -> Any:
    """The network's core with its own weights: ``template`` filled in, or else written by the network itself, or a
    trace."""
    import onnx
    from onnx import numpy_helper

    write = getattr(module, "onnx", None)
    if template is None and write is not None:
        return write()
    template = template or trace(module, shapes)
    if not template.whole:
        return _traced(copy.deepcopy(module).cpu().eval(), shapes)
    core = onnx.load_model_from_string(template.core)
    state = module.state_dict()
    for constant in core.graph.initializer:
        if constant.name in state:
            value = state[constant.name].detach().cpu().numpy()
            constant.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value), constant.name))
    return core


def _same(constant: Any, value: Any) -> bool:
    from onnx import numpy_helper

    return np.array_equal(numpy_helper.to_array(constant), value)


def _traced(module: "nn.Module", shapes: Shapes) -> Any:
    """The core as torch exports it, without the inputs that it does not read."""
    import torch

    rows = torch.export.Dim("N")
    example = (
        torch.zeros(2, *shapes.shape),
        torch.zeros(2, shapes.coded, dtype=torch.int64),
    )
    with quiet():
        program = torch.onnx.export(
            module,
            example,
            dynamo=True,
            verbose=False,
            input_names=[NUMERIC, CODES],
            output_names=[LOGITS],
            dynamic_shapes=({0: rows}, {0: rows}),
        )
    core = program.model_proto  # type: ignore[union-attr]
    read = {name for node in core.graph.node for name in node.input}
    kept = [i for i in core.graph.input if i.name in read]
    del core.graph.input[:]
    core.graph.input.extend(kept)
    return core


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No output of other people's code: the exporter prints, logs and warns of nothing that a user could act on."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
