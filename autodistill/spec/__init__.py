"""The experiment file and the policy as types; refused, with file, line and key, before anything runs."""

from autodistill.spec.experiment import DESCRIPTIVE, OBJECTIVES, Spec, load
from autodistill.spec.policy import METERS, load_policy
from autodistill.spec.settings import SAMPLERS, Budget, MeasureSpec
from autodistill.spec.trust import load_trust

__all__ = [
    "DESCRIPTIVE",
    "METERS",
    "OBJECTIVES",
    "SAMPLERS",
    "Budget",
    "MeasureSpec",
    "Spec",
    "load",
    "load_policy",
    "load_trust",
]
