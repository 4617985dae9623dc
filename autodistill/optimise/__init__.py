"""The search as a state machine without I/O; the only door to Optuna."""

from autodistill.optimise.controller import Controller
from autodistill.optimise.mirror import mirror
from autodistill.optimise.options import Options, Step
from autodistill.optimise.prior import Observation
from autodistill.optimise.trials import Trial

__all__ = ["Controller", "Observation", "Options", "Step", "Trial", "mirror"]
