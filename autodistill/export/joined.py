"""Joining graphs: front end, core and head as one, under short names, without what nothing needs."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autodistill.errors import ArtefactError
from autodistill.inputs import Encoding
from autodistill.records import Dataset

IR_VERSION = 10
LOGITS = "logits"  # a core whose output is so called is followed by a softmax


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an artefact says: ``classes`` in code order (none for regression) and the rule of ``label``: argmax, or
    class ``positive`` of two iff its probability ≥ ``threshold``. The value of a regression is ``centre`` + ``spread``
    times what the core says."""

    classes: tuple[str, ...]
    positive: int | None = None
    threshold: float | None = None
    centre: float = 0.0
    spread: float = 1.0

    @classmethod
    def of(cls, dataset: Dataset) -> "Answer":
        """The rule of a table."""
        return cls(classes=dataset.classes, positive=dataset.positive, threshold=dataset.threshold)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the file's outputs."""
        return ("label", *(f"probability_{name}" for name in self.classes)) if self.classes else ("prediction",)


class Joined:
    """Nodes and constants of several graphs under fresh names (two parts may call a value the same)."""

    def __init__(self, reserved: Iterable[str]) -> None:
        self._reserved, self._count = frozenset(reserved), 0
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def add(self, graph: Any, given: Mapping[str, str], keep: Sequence[str] = ()) -> Mapping[str, str]:
        """Take a graph over, reading ``given`` (its names → joined names); returns the names of its values."""
        names = dict(given) | {name: name for name in keep}
        for constant in graph.initializer:
            copy = self._taken(self._constants, constant)
            copy.name = names.setdefault(constant.name, self._fresh())
            copy.doc_string = ""
        for node in graph.node:
            self._rename(self._taken(self._nodes, node), names)
        return names

    def used(self, outputs: Sequence[str]) -> tuple[list[Any], list[Any]]:
        """The nodes and the constants that the outputs rest on, in order."""
        wanted, nodes = set(outputs), []
        for node in reversed(self._nodes):
            if wanted & set(node.output):
                nodes.append(node)
                wanted |= _reads(node)
        return nodes[::-1], [c for c in self._constants if c.name in wanted]

    def _fresh(self) -> str:
        self._count += 1
        name = f"/{self._count}"
        return name if name not in self._reserved else self._fresh()

    def _taken(self, into: list[Any], part: Any) -> Any:
        copy = type(part)()
        copy.CopyFrom(part)
        into.append(copy)
        return copy

    def _rename(self, node: Any, names: dict[str, str]) -> None:
        # Names, source lines and stack traces would cost bytes, and differ from machine to machine.
        for field in ("name", "doc_string", "metadata_props"):
            node.ClearField(field)
        for at, name in enumerate(node.input):
            node.input[at] = names[name] if name else ""
        for attribute in node.attribute:
            if attribute.HasField("g"):
                inner = dict(names)
                attribute.g.ClearField("value_info")
                for value in (*attribute.g.input, *attribute.g.initializer):
                    value.name = inner.setdefault(value.name, self._fresh())
                for child in attribute.g.node:
                    self._rename(child, inner)
                for value in attribute.g.output:
                    value.name = inner[value.name]
        for at, name in enumerate(node.output):
            node.output[at] = names.setdefault(name, self._fresh()) if name else ""


def _reads(node: Any) -> set[str]:
    """Values that a node reads, those of its inner graphs included."""
    reads = set(node.input)
    for attribute in node.attribute:
        if attribute.HasField("g"):
            for child in attribute.g.node:
                reads |= _reads(child)
            reads |= {o.name for o in attribute.g.output}
    return reads


def opsets(*models: Any) -> list[Any]:
    """One version a domain, the highest asked for: our own parts use operators that later versions left as they were
    (a domain listed twice kills the quantiser)."""
    from onnx import helper

    versions: dict[str, int] = {}
    for model in models:
        for opset in model.opset_import:
            domain = "" if opset.domain == "ai.onnx" else opset.domain
            versions[domain] = max(versions.get(domain, 1), opset.version)
    return [helper.make_opsetid(domain, versions[domain]) for domain in sorted(versions)]


def properties(encoding: Encoding, answer: Answer, precision: str, read: Collection[str]) -> Mapping[str, str]:
    """What a reader of the file needs to know and could not see from its graph."""
    return {
        "format": "autodistill/1",
        "task": "classification" if answer.classes else "regression",
        "classes": json.dumps(list(answer.classes), ensure_ascii=False),
        "inputs": json.dumps([list(pair) for pair in encoding.inputs if pair[0] in read], ensure_ascii=False),
        "positive": "" if answer.positive is None else answer.classes[answer.positive],
        "threshold": "" if answer.threshold is None else repr(float(answer.threshold)),
        "encoding": encoding.digest,
        "precision": precision,
    }


def source(core: Any) -> str:
    """The core's output to answer from: ``logits``, or else its last float one."""
    from onnx import TensorProto

    floats = [o.name for o in core.graph.output if o.type.tensor_type.elem_type == TensorProto.FLOAT]
    if not floats:
        raise ArtefactError("the core has no float output", where="export")
    return LOGITS if LOGITS in floats else floats[-1]


def head(answer: Answer, *, logits: bool) -> Any:
    """From ``x`` [N, C] (logits or probabilities; regression: [N, 1] values) to the file's outputs."""
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    constants: list[Any] = []

    def add(op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def constant(name: str, value: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    if not answer.classes:
        value = "x"
        if (answer.centre, answer.spread) != (0.0, 1.0):
            wide = add("Mul", ["x", constant("spread", np.float32(answer.spread))], "wide")
            value = add("Add", [wide, constant("centre", np.float32(answer.centre))], "value")
        add("Reshape", [value, constant("flat", np.array([-1], np.int64))], "prediction")
    else:
        shares = add("Softmax", ["x"], "shares", axis=1) if logits else "x"
        for at, name in enumerate(answer.outputs[1:]):
            add("Gather", [shares, constant(f"at{at}", np.int64(at))], name, axis=1)
        if answer.threshold is not None and answer.positive is not None:
            limit = constant("limit", np.float32(answer.threshold))
            yes = add("GreaterOrEqual", [answer.outputs[1 + answer.positive], limit], "yes")
            pair = (answer.classes[answer.positive], answer.classes[1 - answer.positive])
            add("Where", [yes, *(constant(f"word{i}", np.array(w, object)) for i, w in enumerate(pair))], "label")
        else:
            words = constant("words", np.array(answer.classes, object))
            add("Gather", [words, add("ArgMax", [shares], "best", axis=1, keepdims=0)], "label")
    kinds = {"label": TensorProto.STRING}
    outputs = [helper.make_tensor_value_info(n, kinds.get(n, TensorProto.FLOAT), ["N"]) for n in answer.outputs]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", None])
    graph = helper.make_graph(nodes, "head", [x], outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=IR_VERSION)
