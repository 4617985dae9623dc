"""What a verifier looks at: one claim, whether it holds, and why not."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from autodistill.errors import UserError
from autodistill.records.trust import Trust
from autodistill.signoff import keys


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """One thing that was checked; ``why`` says what was found, or what is wrong."""

    what: str
    ok: bool
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the verifier supplies: whom to trust, the project's ledger, the moment (UTC, ISO 8601), the outside head."""

    trust: Trust
    root: Path
    now: str
    head: tuple[int, str] | None = None

    def trusted(self, role: str) -> dict[str, str]:
        """Key id -> public half of the keys in a role."""
        return {keys.key_id(one.public): one.public for one in self.trust.keys if one.role == role}

    def name(self, key_id: str) -> str:
        """Whose key it is, as the trust file has it."""
        return next((one.name for one in self.trust.keys if keys.key_id(one.public) == key_id), "")

    def why_not(self, key_id: str, moment: str) -> str:
        """Why a trusted key may not have signed at a moment; empty if it may."""
        one = next((key for key in self.trust.keys if keys.key_id(key.public) == key_id), None)
        if one is None:
            return f"key {key_id[:12]} is not in the trust file"
        if not one.holds(moment):
            span = f"{one.since or '…'} to {one.until or '…'}"
            return f"the key of {one.name} holds from {span}, it signed at {moment}"
        return ""


@dataclass
class Checks:
    """The list as it grows. A check that cannot be made is a refusal, never a crash (fail closed)."""

    done: list[Checked] = field(default_factory=list)

    def add(self, what: str, ok: bool, why: str = "") -> bool:
        """One result."""
        self.done.append(Checked(what=what, ok=ok, why=why))
        return ok

    @contextmanager
    def guarded(self, what: str) -> Iterator[None]:
        """Turn whatever goes wrong inside into a refusal of ``what``."""
        try:
            yield
        except UserError as fault:
            self.add(what, False, str(fault))
        except Exception as fault:  # a verifier that crashes has vouched for nothing: any fault is a refusal
            self.add(what, False, f"cannot be checked ({type(fault).__name__}: {' '.join(str(fault).split())[:200]})")

    def faults(self, what: str, found: Callable[[], list[str]], fine: str = "") -> bool:
        """A check that returns what is wrong."""
        before = len(self.done)
        with self.guarded(what):
            wrong = found()
            self.add(what, not wrong, "; ".join(wrong[:3]) if wrong else fine)
        return all(one.ok for one in self.done[before:])


def differing(claimed: Mapping[str, str], folder: Path, digest: Callable[[Path], str]) -> list[str]:
    """Files whose bytes have not the digest that is claimed, or that are not there."""
    wrong = []
    for name, sha in sorted(claimed.items()):
        path = folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            wrong.append(f"{name} is outside the run's folder")
        elif not path.is_file():
            wrong.append(f"{name} is missing")
        elif digest(path) != sha:
            wrong.append(f"{name} was changed")
    return wrong
