"""Student → one ONNX file on raw rows: its preparation, the model, the decision. Equal inputs give equal bytes.

Inputs are rank-1, named as the columns that are read; outputs ``label`` [N] string and ``probability_<class>`` [N]
float32 a class (regression: ``prediction`` [N]). ``metadata_props`` say the format, classes, input types, threshold and
digests.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autodistill.errors import ArtefactError
from autodistill.export.joined import IR_VERSION, LOGITS, Answer, Joined, head, opsets, properties, source
from autodistill.export.narrowed import narrowed
from autodistill.export.network import Template, core_of, template_of, trace
from autodistill.export.quantised import dynamic, quantised
from autodistill.inputs import CODES, FEATURES, NUMERIC, Encoding, Form
from autodistill.records import Artefact, Features, FloatArray, IntArray, digest

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "Answer",
    "Template",
    "dynamic",
    "export",
    "fronted",
    "parameters",
    "parity",
    "quantised",
    "template_of",
    "trace",
    "wrap",
]

TOLERANCE = 1e-4  # float32 sums in another order differ by 1e-6; of a regression in units of the target's spread
ROUNDING = 1e-6  # of a value itself: float32 has seven digits


def wrap(
    encoding: Encoding,
    core: Any,
    answer: Answer,
    out: Path,
    *,
    form: Form = "matrix",
    precision: str = "fp32",
    notes: tuple[str, ...] = (),
) -> Artefact:
    """Write front end + ``core`` + decision as one file at ``out``.

    ``core`` (``ModelProto``) takes one float [N, F] (form ``matrix``) or ``/numeric`` and ``/codes`` (form ``split``).
    Its output ``logits`` [N, C], or else its last float output [N, C] of probabilities ([N, 1] values for regression)
    is what the file answers from. Columns that nothing reads are no inputs of the file: trees that cut six of eleven
    ask for six. Raises ``ArtefactError`` where a column has the name of an output.
    """
    import onnx
    from onnx import helper, inliner

    taken = set(answer.outputs) & set(encoding.names)
    if taken:
        raise ArtefactError(f"column {min(taken)!r} has the name of an output", where="export", do="rename the column")
    front = encoding.graph(form)
    core = inliner.inline_local_functions(core) if core.functions else core
    if form == "matrix":
        front, core = narrowed(front, core)
    value = source(core)
    tail = head(answer, logits=value == LOGITS)
    same = {name: name for name in encoding.names}
    joined = Joined(same)
    front_names = joined.add(front.graph, same)
    core_names = joined.add(core.graph, _feeds(core, form, front_names))
    joined.add(tail.graph, {"x": core_names[value]}, keep=answer.outputs)
    nodes, constants = joined.used(answer.outputs)
    read = {name for node in nodes for name in node.input}
    columns = [i for i in front.graph.input if i.name in read]
    graph = helper.make_graph(nodes, "student", columns, tail.graph.output, constants)
    model = helper.make_model(graph, opset_imports=opsets(front, core, tail), ir_version=IR_VERSION)
    helper.set_model_props(model, properties(encoding, answer, precision, read))
    onnx.checker.check_model(model)
    data = model.SerializeToString(deterministic=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: a killed search must not find half a file of a shape and call the candidate broken.
    part = out.with_name(f".{out.name}.part")
    part.write_bytes(data)
    part.replace(out)
    count = parameters(core)
    return Artefact(path=out, sha256=digest(data), size=len(data), precision=precision, parameters=count, notes=notes)


def fronted(encoding: Encoding, core: Any, output: str, form: Form = "matrix") -> bytes:
    """Front end + ``core`` as one graph on raw rows that gives the core's ``output`` as it is."""
    from onnx import helper, inliner

    front = encoding.graph(form)
    core = inliner.inline_local_functions(core) if core.functions else core
    same = {name: name for name in encoding.names}
    joined = Joined({*same, output})
    joined.add(core.graph, _feeds(core, form, joined.add(front.graph, same)), keep=[output])
    nodes, constants = joined.used([output])
    outputs = [one for one in core.graph.output if one.name == output]
    graph = helper.make_graph(nodes, "fronted", front.graph.input, outputs, constants)
    model = helper.make_model(graph, opset_imports=opsets(front, core), ir_version=IR_VERSION)
    return bytes(model.SerializeToString(deterministic=True))


def export(
    encoding: Encoding,
    module: "nn.Module",
    answer: Answer,
    out: Path,
    rows: Features,
    *,
    precision: str = "fp32",
    template: Template | None = None,
) -> Artefact:
    """Write a network as one file at ``out``; trained or not, its size and its latency are the same.

    ``rows`` are some hundred raw train rows: int8 is calibrated on them, and the largest difference in probability to
    the network itself is recorded on them. ``template`` (``template_of``) spares the seconds that a trace takes. Raises
    ``ArtefactError`` where an fp32 file and its network disagree.
    """
    shapes = encoding.shapes(max(1, len(answer.classes)))
    numeric, codes = encoding.apply(rows)
    expected = _expected(module, numeric, codes, answer)
    for known in (template, None) if template else (None,):
        core = core_of(module, shapes, known)
        count = parameters(core)
        if precision == "int8":
            inputs = {i.name: {NUMERIC: numeric, CODES: codes}[i.name] for i in core.graph.input}
            core = quantised(core, inputs)
        artefact = wrap(encoding, core, answer, out, form="split", precision=precision)
        difference = parity(artefact, rows, expected)
        if precision != "fp32" or difference <= TOLERANCE * answer.spread + ROUNDING * abs(answer.centre):
            return replace(artefact, parity=difference, parameters=count)
    raise ArtefactError(
        f"its {'probabilities differ' if answer.classes else 'values differ'} from the network's by {difference:.2g}",
        where=str(out),
        do="report this: it is a fault",
    )


def parity(artefact: Artefact, rows: Features, expected: FloatArray) -> float:
    """Largest absolute difference of a file's probabilities (or values) on raw rows from ``expected`` [n, C]."""
    from autodistill import runtime

    session = runtime.open(artefact.path)
    outputs = [name for name in session.outputs if name != "label"]
    found = np.stack(session.run(session.feed(rows), outputs), axis=1)
    return float(np.abs(found - expected).max(initial=0.0))


def _expected(module: "nn.Module", numeric: FloatArray, codes: IntArray, answer: Answer) -> FloatArray:
    """What the network itself says: class shares [n, C], or values [n, 1] in the target's units."""
    import torch

    device = next(module.parameters()).device
    training = module.training
    with torch.no_grad():
        outputs = module.eval()(torch.from_numpy(numeric).to(device), torch.from_numpy(codes).to(device))
    module.train(training)
    shares = outputs.softmax(dim=1) if outputs.shape[1] > 1 else answer.centre + answer.spread * outputs
    return np.asarray(shares.cpu().numpy())


def _feeds(core: Any, form: Form, front: Any) -> dict[str, str]:
    """The core's inputs → the front end's outputs, by their joined names."""
    constants = {t.name for t in core.graph.initializer}
    free = [i.name for i in core.graph.input if i.name not in constants]
    feeds = {name: front.get(FEATURES if form == "matrix" else name) for name in free}
    if None in feeds.values():
        wanted = "one matrix" if form == "matrix" else f"{NUMERIC} and {CODES}"
        raise ArtefactError(f"the core's inputs are {free}, not {wanted}", where="export")
    return {name: value for name, value in feeds.items() if value is not None}


def parameters(core: Any) -> int:
    """Floating-point and quantised numbers that a core carries: its weights, and the cuts and leaves of its trees."""
    from onnx import TensorProto, numpy_helper

    kinds = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.INT8, TensorProto.UINT8)
    total = sum(int(np.prod(t.dims)) for t in core.graph.initializer if t.data_type in kinds)
    for node in core.graph.node:
        for attribute in node.attribute if node.op_type.startswith("TreeEnsemble") else ():
            if attribute.name in ("nodes_splits", "leaf_weights"):
                total += numpy_helper.to_array(attribute.t).size
            elif attribute.name in ("class_weights", "target_weights"):
                total += len(attribute.floats)
            elif attribute.name == "nodes_modes" and attribute.strings:
                total += sum(mode != b"LEAF" for mode in attribute.strings)
    return total
