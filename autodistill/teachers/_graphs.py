"""ONNX files from elsewhere: what they answer with, and the graph to build an artefact around."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autodistill.errors import TeacherError
from autodistill.plugins import suggest
from autodistill.records import IntArray
from autodistill.runtime import Session
from autodistill.teachers import PLACES

NUMBERS = ("tensor(float)", "tensor(double)", "tensor(float16)")
LABELS = (*NUMBERS, "tensor(string)", "tensor(int64)", "tensor(int32)")
PREFIX = "m/"
LARGEST = 2**31 - 1  # bytes of one ONNX file


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The outputs to read (one [N, C], or one [N] a class) and the names of the classes, where the file says them."""

    outputs: tuple[str, ...]
    classes: tuple[str, ...]


def answer(path: Path, session: Session, asked: str | None, says: str, besides: str | None = None) -> Answer:
    """What to read off a file, whose output ``besides`` is for something else. Raises ``TeacherError`` where that is
    not clear."""
    kinds = {output.name: output.type for output in session.native.get_outputs()}
    if asked is not None and asked not in kinds:
        raise TeacherError(f"it has no output {asked!r}", where=str(path), do=suggest(asked, kinds))
    if asked is None and session.classes and says == "probabilities":
        return Answer(outputs=tuple(f"probability_{name}" for name in session.classes), classes=session.classes)
    fit = LABELS if says == "labels" else NUMBERS
    able = [name for name, kind in kinds.items() if kind in fit and asked in (None, name) and name != besides]
    if says == "labels" and len(able) > 1:
        able = [name for name in able if kinds[name] not in NUMBERS]
    if len(able) != 1:
        listed = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
        what = f"{'none' if not able else 'several'} of its outputs can be {says}: {listed}"
        zipped = any("map" in kind for kind in kinds.values())
        do = "convert it again with zipmap off" if zipped and not able else "name one: output"
        raise TeacherError(what, where=str(path), do=do)
    return Answer(outputs=tuple(able), classes=_classes(path, session))


def _classes(path: Path, session: Session) -> tuple[str, ...]:
    """The names that a classifier's operator carries; numbers from 0 on say no more than an order."""
    import onnx

    if session.classes:
        return session.classes
    for node in onnx.load(path, load_external_data=False).graph.node:
        for attribute in node.attribute:
            if attribute.name == "classlabels_strings" and attribute.strings:
                return tuple(text.decode() for text in attribute.strings)
            if attribute.name in ("classlabels_int64s", "classlabels_ints") and attribute.ints:
                names = tuple(str(number) for number in attribute.ints)
                return () if names == tuple(str(at) for at in range(len(names))) else names
    return ()


def placed(path: Path, output: str, at: IntArray | None, logits: bool) -> bytes:
    """The file's graph with its inputs under ``m/`` and one output, ``places`` float32 [N, places, C]: its ``output``
    as probabilities in the order ``at``."""
    import onnx
    from onnx import TensorProto, compose, helper, numpy_helper

    inner = compose.add_prefix(onnx.load(path), PREFIX)
    value = PREFIX + output
    nodes: list[tuple[str, dict[str, int], tuple[str, ...]]] = [("Cast", {"to": TensorProto.FLOAT}, ())]
    if logits:
        nodes.append(("Softmax", {"axis": 2}, ()))
    if at is not None:
        inner.graph.initializer.append(numpy_helper.from_array(np.asarray(at, np.int64), "/answer/order"))
        nodes.append(("Gather", {"axis": 2}, ("/answer/order",)))
    for count, (op, attributes, read) in enumerate(nodes, start=1):
        out = PLACES if count == len(nodes) else f"/answer/{count}"
        inner.graph.node.append(helper.make_node(op, [value, *read], [out], **attributes))
        value = out
    del inner.graph.output[:]
    inner.graph.output.append(helper.make_tensor_value_info(PLACES, TensorProto.FLOAT, ["N", None, None]))
    return bytes(inner.SerializeToString(deterministic=True))


def core(
    path: Path, session: Session, told: Answer, at: IntArray | None, logits: bool, *, single: bool
) -> tuple[bytes | None, str]:
    """The file's graph with its inputs under ``m/`` and one output, ``logits`` or ``probabilities`` float32 [N, C] in
    the order ``at``; or None and why. ``single``: one column speaks of the second of two classes."""
    import onnx
    from onnx import TensorProto, compose, helper, numpy_helper

    if session.fixed_batch:
        return None, f"it takes {session.fixed_batch} rows a call and no other number"
    model = onnx.load(path)  # with weights that lie beside it
    if model.ByteSize() > LARGEST:
        return None, "it is larger than one ONNX file may be"
    inner = compose.add_prefix(model, PREFIX)
    nodes: list[Any] = []
    names = [PREFIX + name for name in told.outputs]
    kinds = {value.name: value.type.tensor_type for value in inner.graph.output}

    def add(op: str, read: list[str], **attributes: Any) -> str:
        nodes.append(helper.make_node(op, read, [f"/answer/{len(nodes)}"], **attributes))
        return str(nodes[-1].output[0])

    def constant(value: Any) -> str:
        name = f"/answer/constant/{len(inner.graph.initializer)}"
        inner.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    width = len(names) if len(names) > 1 else 1 if single else -1
    value = names[0]
    if len(names) > 1 or single or len(kinds[value].shape.dim) < 2:
        flat = [add("Reshape", [name, constant(np.array([-1, 1], np.int64))]) for name in names]
        value = add("Concat", flat, axis=1) if width > 1 else flat[0]
    if kinds[names[0]].elem_type != TensorProto.FLOAT:
        value = add("Cast", [value], to=TensorProto.FLOAT)
    if single:
        zero = constant(np.float32(0.0 if logits else 1.0))
        value = add("Concat", [add("Sub", [zero, value]) if not logits else add("Mul", [value, zero]), value], axis=1)
    if at is not None:
        value = add("Gather", [value, constant(np.asarray(at, np.int64))], axis=1)
    out = "logits" if logits else "probabilities"
    nodes.append(helper.make_node("Identity", [value], [out]))
    inner.graph.node.extend(nodes)
    del inner.graph.output[:]
    inner.graph.output.append(helper.make_tensor_value_info(out, TensorProto.FLOAT, ["N", None]))
    return bytes(inner.SerializeToString(deterministic=True)), ""
