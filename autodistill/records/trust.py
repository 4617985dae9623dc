"""Whom a verifier trusts: public keys with their roles and dates."""

from dataclasses import dataclass
from typing import Literal

KeyRole = Literal["auditor", "approver"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrustedKey:
    """One key: ``public`` is base64 of its 32 bytes, ``since`` and ``until`` are UTC days (YYYY-MM-DD) or None."""

    name: str
    role: KeyRole
    public: str
    since: str | None = None
    until: str | None = None

    def holds(self, moment: str) -> bool:
        """Whether the key may sign at a UTC moment (ISO 8601)."""
        day = moment[:10]
        return (self.since is None or day >= self.since) and (self.until is None or day <= self.until)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """A trust file: its keys, where it is, and its digest."""

    keys: tuple[TrustedKey, ...] = ()
    path: str = ""
    sha256: str = ""
