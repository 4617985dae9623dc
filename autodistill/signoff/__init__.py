"""Keys, signed statements, and what a verifier recomputes."""

from autodistill.signoff.envelope import peek, seal, unseal
from autodistill.signoff.head import Auditor
from autodistill.signoff.held import Asked, Checked, Checks, differing
from autodistill.signoff.keys import auditor, auditor_path, key_id, load, make, public_text
from autodistill.signoff.statements import (
    APPROVED,
    DECISION,
    OURS,
    TEST_RESULT,
    Waiver,
    decision,
    digests,
    facts,
    waivable,
)

__all__ = [
    "APPROVED",
    "DECISION",
    "OURS",
    "TEST_RESULT",
    "Asked",
    "Auditor",
    "Checked",
    "Checks",
    "Waiver",
    "auditor",
    "auditor_path",
    "decision",
    "differing",
    "digests",
    "facts",
    "key_id",
    "load",
    "make",
    "peek",
    "public_text",
    "seal",
    "unseal",
    "waivable",
]
