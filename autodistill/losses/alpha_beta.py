"""α-β divergence between the teacher's and the student's shares (Wang et al. 2025, "ABKD", arXiv 2505.04560)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.losses import Batch, Objective, cross_entropy, enough, shares, taught, told, untaught

if TYPE_CHECKING:
    from torch import Tensor

LEAST = 0.05  # 1/(α + β)² of a difference: below this float32 has no digits left


@dataclass(frozen=True)
class AlphaBeta:
    """w·T²·D(p ‖ q) + (1 − w)·CE, D = −1/(αβ) Σ [p^α q^β − α/(α+β) p^(α+β) − β/(α+β) q^(α+β)], and its limits.

    (1, 0) is forward KL, so soft_targets itself, and (0, 1) reverse KL; what lies between is continuous. T² is
    soft_targets' and not the paper's.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    min_classes: ClassVar[int] = 2

    temperature: Annotated[float, Field(ge=0.1, le=100, description="softens both distributions")] = 2.0
    alpha: Annotated[float, Field(ge=0, le=2, description="more of it: errors where the teacher is sure")] = 0.8
    beta: Annotated[float, Field(ge=0, le=2, description="more of it: errors where the student is sure")] = 0.3
    teacher_weight: Annotated[float, Field(ge=0, le=1, description="share of the teacher against the labels")] = 0.9

    def __post_init__(self) -> None:
        if self.alpha + self.beta < LEAST:
            raise ValueError(f"alpha + beta should be {LEAST} or more: towards (0, 0) all shares weigh the same")

    def build(self, shapes: Shapes) -> Objective:
        """The loss; raises ``StudentError`` for a regression."""
        enough("alpha_beta", shapes.classes, self.min_classes, "it compares class shares")

        def objective(batch: Batch) -> "Tensor":
            if untaught(batch, self.teacher_weight):
                return cross_entropy(batch)
            rows = ab_divergence(*shares(batch.student, told(batch), self.temperature), self.alpha, self.beta)
            return taught(batch, self.teacher_weight, self.temperature**2 * rows)

        return objective


def ab_divergence(log_q: "Tensor", log_p: "Tensor", alpha: float, beta: float) -> "Tensor":
    """D(p ‖ q) a row [n] of log-shares [n, C].

    With s = α + β, a = s·log p, b = s·log q, u = α/s, v = β/s the sum's entries are e^a − e^b less the growth of
    e^(ua + vb) towards either; that growth, over the smaller of u and v, has the limit that the formula lacks at 0.
    """
    s = alpha + beta
    u, v = alpha / s, beta / s
    a, b = s * log_p, s * log_q
    between, whole = u * a + v * b, a.exp() - b.exp()
    entries = (_growth(between, a - b, v) - whole) / u if u >= v else (whole - _growth(b, a - b, u)) / v
    return entries.sum(dim=1) / s**2


def _growth(start: "Tensor", step: "Tensor", share: float) -> "Tensor":
    """(e^(start + share·step) − e^start) / share, e^start·step for a share of 0; both exponents are at most 0."""
    if share == 0:
        return start.exp() * step
    x = share * step
    near = start.exp() * x.clamp(max=1.0).expm1()  # exact for small steps, and a large one would overflow
    return near.where(x <= 1.0, (start + x).exp() - start.exp()) / share
