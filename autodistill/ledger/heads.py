"""Which lines of a ledger somebody vouches for: its signed head, and the line that is announced to come next.

Dropping the *last* lines of a chain is invisible to it, and so is adding some. So a line is added in four steps, under
the ledger's lock:

1. the signed head must name the last line there is;
2. the digest of the line to come is signed and put beside the ledger (announced);
3. the line is written;
4. what was announced becomes the head.

A process that ends after any step leaves a ledger that says which: a line behind the head is accepted only where it is
the very line that was announced. Nothing is ever signed over a line that no signature covered before; where one is
found, or where the head is gone, nothing more is added until somebody repairs it by name (``Ledger.repair``).

What this proves: every line up to the head was written by a holder of a trusted key, in this order, and none before it
is missing. What it does not: that there were no later ones. Ledger and head rolled back together to an earlier pair,
or begun anew, look whole; only a head that was kept elsewhere, or a statement that names a later one, knows better.
And whoever holds the key can vouch for anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autodistill.ledger.chain import Line


@dataclass(frozen=True, slots=True)
class Head:
    """A line that somebody vouches for: its index and SHA-256."""

    index: int
    sha256: str

    def names(self, lines: Sequence[Line]) -> bool:
        """Whether that line is there."""
        return 0 <= self.index < len(lines) and lines[self.index].sha256 == self.sha256


@dataclass(frozen=True, kw_only=True, slots=True)
class Heads:
    """What is signed beside a ledger: its head and the line announced after it; None where there is none."""

    head: Head | None = None
    announced: Head | None = None


class Voucher(Protocol):
    """Who vouches for a ledger, by whatever means the bytes are kept from others."""

    def heads(self, root: Path) -> Heads:
        """What is signed beside the ledger in ``root``. Raises a ``UserError`` where the head's signature does not
        hold; an announcement whose signature does not hold is none."""

    def announce(self, root: Path, index: int, sha256: str, at: str) -> None:
        """Sign the line to come; a ``UserError`` where that cannot be done or written."""

    def confirm(self, root: Path) -> None:
        """What was announced is the head."""


def uncovered(lines: Sequence[Line], heads: Heads) -> str:
    """Why these lines are not those that are vouched for; empty where they are."""
    head = heads.head
    if head is not None and not head.names(lines):
        return f"line {head.index + 1}, which its signed head names, was dropped or exchanged"
    behind = lines[0 if head is None else head.index + 1 :]
    if not behind or (len(behind) == 1 and heads.announced == Head(behind[0].index, behind[0].sha256)):
        return ""
    if head is None:
        return f"it has {len(lines)} lines and no signed head: nobody vouches for them, or some were dropped"
    span = f"line {behind[0].index + 1} is" if len(behind) == 1 else f"lines {behind[0].index + 1} to {len(lines)} are"
    return f"{span} covered by no signed head"
