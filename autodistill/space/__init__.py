"""What a setting may be: a fixed value, a choice or a range; and what a search may propose."""

from autodistill.space.fairness import Fairness
from autodistill.space.reading import read
from autodistill.space.setting import Choice, Range, Setting
from autodistill.space.space import FIT_LOSSES, Arm, Branch, Dimension, Space
from autodistill.space.training import Training

__all__ = [
    "FIT_LOSSES",
    "Arm",
    "Branch",
    "Choice",
    "Dimension",
    "Fairness",
    "Range",
    "Setting",
    "Space",
    "Training",
    "read",
]
