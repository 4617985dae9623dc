"""A table on disk -> four splits, digests, leakage checks."""

from autodistill.data.asked import SHARES, DataSpec, GroupSpec
from autodistill.data.dataset import fingerprint, load
from autodistill.data.features import rows
from autodistill.data.modal import restored, stored
from autodistill.data.outside import Asked, Outside, outside, question
from autodistill.data.table import read, source
from autodistill.data.transfer import Transfer, transfer

__all__ = [
    "SHARES",
    "Asked",
    "DataSpec",
    "GroupSpec",
    "Outside",
    "Transfer",
    "fingerprint",
    "load",
    "outside",
    "question",
    "read",
    "restored",
    "rows",
    "source",
    "stored",
    "transfer",
]
