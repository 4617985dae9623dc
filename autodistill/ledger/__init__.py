"""The ledger of a project: policies, shortlists, looks at audit rows, sealed openings, signatures, revocations."""

from autodistill.ledger.accounts import Look, cost, row_hashes
from autodistill.ledger.chain import KINDS, START, Line
from autodistill.ledger.heads import Head, Heads, Voucher, uncovered
from autodistill.ledger.ledger import Ledger

__all__ = ["KINDS", "START", "Head", "Heads", "Ledger", "Line", "Look", "Voucher", "cost", "row_hashes", "uncovered"]
