"""A table on disk -> four splits, digests, leakage checks."""

from autodistill.data.asked import SHARES, DataSpec, GroupSpec
from autodistill.data.dataset import load
from autodistill.data.features import rows
from autodistill.data.table import read

__all__ = ["SHARES", "DataSpec", "GroupSpec", "load", "read", "rows"]
