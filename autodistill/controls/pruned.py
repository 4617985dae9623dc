"""The teacher with less of itself: the first rounds of a booster, some trees of a forest, fewer channels."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from autodistill.controls import Derived, InapplicableError, Material, shorter
from autodistill.controls._trees import rounds, truncated

STEPS = tuple(2.0 ** (-at / 2) for at in range(18, 0, -1))  # shares of the rounds, the smallest first
SHARES = (0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125)  # of a network's channels, the largest first


@dataclass(frozen=True)
class Pruned:
    """The smallest teacher of fewer rounds, trees or channels that errs within half a point on the search split."""

    title: ClassVar[str] = "pruned teacher"
    what: ClassVar[str] = "the teacher with fewer trees or channels"

    def derive(self, material: Material) -> Derived:
        """The artefact with less. Raises ``InapplicableError`` where less of it is not as good, or cannot be had."""
        graph = material.graph()
        if rounds(graph):
            return _fewer_rounds(material, rounds(graph))
        if material.smaller is None:
            what = (
                "it has no trees, weights that are set to 0 leave its file as large, and channels can be taken out of "
            )
            raise InapplicableError(what + "a network alone that PyTorch builds (kind: torch, with network)")
        for share in SHARES:
            made = material.smaller(share)
            if material.holds(made):
                data = shorter(made, material.onnx or b"", "pruning")
                what = f"without {100 * share:g} % of its channels, trained on for a little: {_rule(material)}"
                return Derived(onnx=data, what=what)
        raise InapplicableError(f"without {100 * SHARES[-1]:g} % of its channels it errs more than the rule allows")


def _rule(material: Material) -> str:
    return f"the smallest that errs no more than {material.within} above it on the search split"


def _fewer_rounds(material: Material, total: int) -> Derived:
    for kept in sorted({int(np.ceil(share * total)) for share in STEPS} - {total}):
        made = truncated(material.graph(), kept / total)
        data = bytes(made.SerializeToString(deterministic=True))
        if material.holds(data):
            what = f"the first {kept:,} of the teacher's {total:,} rounds or trees, not fitted again: {_rule(material)}"
            return Derived(onnx=shorter(data, material.onnx or b"", "fewer trees"), what=what)
    raise InapplicableError(f"fewer than its {total:,} rounds or trees err more than {material.within} above it")
