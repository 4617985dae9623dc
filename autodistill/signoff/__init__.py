"""Keys, signed statements, and what a verifier recomputes."""

from autodistill.signoff.envelope import peek, seal, unseal
from autodistill.signoff.keys import auditor, key_id, public_text
from autodistill.signoff.statements import Waiver, decision, digests, facts

__all__ = ["Waiver", "auditor", "decision", "digests", "facts", "key_id", "peek", "public_text", "seal", "unseal"]
