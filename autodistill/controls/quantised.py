"""The teacher itself in int8: what compression does without a student."""

from dataclasses import dataclass
from typing import Any, ClassVar

from autodistill import export
from autodistill.controls import Derived, InapplicableError, Material, shorter

PRODUCTS = ("MatMul", "Gemm", "Conv")
TREES = (
    "it is made of trees, whose cuts and leaves are float32 in every operator that ONNX Runtime runs: fewer bits would "
    "leave its file as large"
)


@dataclass(frozen=True)
class Quantised:
    """The teacher's products with int8 weights: static, calibrated on train rows; dynamic where it attends."""

    title: ClassVar[str] = "teacher in int8"
    what: ClassVar[str] = "the teacher with int8 weights, not trained again"

    def derive(self, material: Material) -> Derived:
        """The artefact in int8. Raises ``InapplicableError`` where no product has weights, or the file grows."""
        graph = material.graph()
        weights = {constant.name for constant in graph.graph.initializer}
        products = [node for node in graph.graph.node if node.op_type in PRODUCTS]
        if not any(set(node.input) & weights for node in products):
            trees = any(node.op_type.startswith("TreeEnsemble") for node in graph.graph.node)
            raise InapplicableError(TREES if trees else "no MatMul, Gemm or Conv in it has weights")
        if _attends(products, weights):
            made, how = export.dynamic(graph), "dynamic int8: weights at rest, activations by their range in each call"
        else:
            _typed(graph, products)
            made, how = export.quantised(graph, material.rows()), "static int8, ranges of the activations on train rows"
        data = bytes(made.SerializeToString(deterministic=True))
        return Derived(onnx=shorter(data, material.onnx or b"", "int8"), what=f"{self.what}; {how}")


def _typed(graph: Any, products: list[Any]) -> None:
    """Say that what goes through products is float32: behind scikit-learn's operators the quantiser cannot infer it,
    and would leave their activations as they are."""
    from onnx import TensorProto, helper

    known = {value.name for value in (*graph.graph.value_info, *graph.graph.output, *graph.graph.input)}
    known |= {constant.name for constant in graph.graph.initializer}
    around = dict.fromkeys(name for node in products for name in (node.input[0], *node.output))
    graph.graph.value_info.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in around if name not in known
    )


def _attends(products: list[Any], weights: set[str]) -> bool:
    """Whether activations are multiplied by activations: there one range for all rows costs too much accuracy."""
    return any(node.op_type == "MatMul" and not set(node.input) & weights for node in products)
