"""The search as a state machine without I/O; the only door to Optuna."""

from autodistill.optimise.controller import Controller, Step, Trial
from autodistill.optimise.mirror import mirror

__all__ = ["Controller", "Step", "Trial", "mirror"]
