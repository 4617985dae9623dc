"""A table on disk -> four splits, digests, leakage checks."""

from autodistill.data.asked import SHARES, DataSpec, GroupSpec

__all__ = ["SHARES", "DataSpec", "GroupSpec"]
