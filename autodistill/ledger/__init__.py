"""The ledger of a project: policies, shortlists, looks at audit rows, sealed openings, signatures, revocations."""

from autodistill.ledger.accounts import Look, cost, row_hashes
from autodistill.ledger.chain import KINDS, START, Line
from autodistill.ledger.ledger import Ledger

__all__ = ["KINDS", "START", "Ledger", "Line", "Look", "cost", "row_hashes"]
