"""The door to a project's ledger: its chain of lines, and the accounts of its looks."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy.typing as npt

from autodistill import records
from autodistill.errors import LedgerError, LevelSpentError
from autodistill.ledger import accounts, chain
from autodistill.ledger.accounts import Hashes, Look
from autodistill.ledger.chain import START, Kind, Line

Vouch = Callable[[Path, int, str, str], None]
Vouched = Callable[[Path], tuple[int, str] | None]


class Ledger:
    """``ledger.jsonl`` under ``root``, shared by the runs of a project; made on the first append.

    One write and one fsync a line, under a lock. Raises ``LedgerError`` wherever it is broken or cannot be written.
    ``vouch`` is told of every new head (root, index, SHA-256, moment), to keep it or sign it outside of the chain, and
    ``vouched`` gives the one that was kept last: nothing is added to a ledger from which that line is gone.
    """

    def __init__(self, root: Path, vouch: Vouch | None = None, vouched: Vouched | None = None) -> None:
        self.root = root
        self.path = root / "ledger.jsonl"
        self._vouch = vouch
        self._vouched = vouched

    def append(self, kind: Kind, data: Mapping[str, Any], *, at: str | None = None) -> Line:
        """Add a line; it is on the disk when this returns. ``at`` is UTC, now if not given."""
        with chain.held(self.root):
            return self._add(kind, data, at)

    def once(self, kind: Kind, data: Mapping[str, Any], *, at: str | None = None) -> Line:
        """The line with this kind and data, added if it is not there: a continued run writes nothing twice."""
        with chain.held(self.root):
            wanted = msgspec.json.decode(records.encode(data))  # as it is read back: tuples are lists
            same = [line for line in self.lines(kind) if line.data == wanted]
            return same[0] if same else self._add(kind, data, at)

    def look(
        self, rows: npt.NDArray[Any], *, policy: str, shortlist: str, looks: int, alpha: float, at: str | None = None
    ) -> Look:
        """Pay for a look at audit rows, before they are read.

        ``rows`` holds a digest for each row; ``policy`` and ``shortlist`` are digests. A look is (rows, policy,
        shortlist): the same again is a replay and free. Each look spends ``alpha / looks``, and all that draw on one
        account (``accounts``) together at most ``alpha``; raises ``LevelSpentError`` when that is spent.
        """
        return self._spend("look", rows, {"policy": policy, "shortlist": shortlist}, looks, alpha, at)

    def opening(
        self, rows: npt.NDArray[Any], *, policy: str, candidate: str, openings: int, alpha: float, at: str | None = None
    ) -> Look:
        """Pay for opening sealed rows for one candidate, before they are scored: as ``look``, accounts apart."""
        return self._spend("opening", rows, {"policy": policy, "candidate": candidate}, openings, alpha, at)

    def lines(self, kind: Kind | None = None) -> tuple[Line, ...]:
        """All lines (of one kind), the chain checked; raises ``LedgerError`` with the first fault."""
        lines, faults = chain.read(self.path)
        chain.refuse(self.path, faults)
        return tuple(line for line in lines if kind is None or line.kind == kind)

    def head(self) -> tuple[int, str]:
        """Index and SHA-256 of the last line, (-1, zeros) while there is none: what to keep outside."""
        lines = self.lines()
        return (lines[-1].index, lines[-1].sha256) if lines else (-1, START)

    def verify(self) -> list[str]:
        """Everything that is wrong with the ledger and with the rows kept beside it; empty if nothing is."""
        lines, faults = chain.read(self.path)
        for digest in sorted({line.data["rows"] for line in lines if line.kind in ("look", "opening")}):
            try:
                accounts.kept(self._folder, digest)
            except LedgerError as fault:
                faults.append(str(fault))
        return faults

    def settle(self) -> None:
        """Have the head vouched for where a process ended between its last line and that; nothing to do otherwise."""
        with chain.held(self.root):
            lines = self.lines()
            seen = self._kept_head()
            if self._vouch is not None and seen is not None and seen[0] < len(lines) - 1:
                self._vouch(self.root, lines[-1].index, lines[-1].sha256, lines[-1].at)

    def repair(self) -> str:
        """Cut off a torn last line (one without its end) and say what was dropped; "" if there was none."""
        with chain.held(self.root):
            return chain.repair(self.path)

    def _add(self, kind: Kind, data: Mapping[str, Any], at: str | None) -> Line:
        """One line more; the new head is vouched for before the lock is given back."""
        self._kept_head()
        line = chain.append(self.path, kind, data, at)
        if self._vouch is not None:
            self._vouch(self.root, line.index, line.sha256, line.at)
        return line

    def _kept_head(self) -> tuple[int, str] | None:
        """The head that was kept last. Raises ``LedgerError`` where its line is gone: to add a line, and have the new
        head vouched for, would hide that."""
        seen = None if self._vouched is None else self._vouched(self.root)
        if seen is None:
            return None
        lines = self.lines()
        if not 0 <= seen[0] < len(lines) or lines[seen[0]].sha256 != seen[1]:
            raise LedgerError(
                f"line {seen[0] + 1}, which its signed head names, was dropped or exchanged",
                where=str(self.path),
                do="restore it from a copy",
            )
        return seen

    @property
    def _folder(self) -> Path:
        return self.root / ".looks"

    def _spend(
        self, kind: Kind, rows: npt.NDArray[Any], what: Mapping[str, str], times: int, alpha: float, at: str | None
    ) -> Look:
        hashes = accounts.row_hashes(rows)
        what = {"rows": records.digest(hashes.tobytes()), **what}
        share = alpha / times
        with chain.held(self.root):
            paid = [line for line in self.lines() if line.kind in ("look", "opening")]
            known = {digest: accounts.kept(self._folder, digest) for digest in {line.data["rows"] for line in paid}}
            mine = [line for line in paid if line.kind == kind]
            same = [line for line in mine if all(line.data[name] == value for name, value in what.items())]
            if same:
                return _look(same[0], mine, _labels(mine, known), replay=True)
            before = [known[digest] for digest in known]
            known[what["rows"]] = hashes
            labels = _labels(mine, known, what["rows"])
            account = [line for line in mine if labels[line.data["rows"]] == labels[what["rows"]]]
            spent = sum(line.data["share"] for line in account)
            if spent + share > alpha * (1 + 1e-9):
                raise LevelSpentError(
                    f"rows of this {kind} were read {len(account)} times before and their level is spent "
                    f"({spent:.4g} of {alpha:.4g}, this {kind} takes {share:.4g})",
                    where=str(self.path),
                    do="it needs fresh rows",
                )
            used = accounts.used(hashes, before)
            # The rows first: a line whose rows are missing would be a broken ledger, rows without a line are not.
            accounts.keep(self._folder, hashes)
            place = {"count": hashes.size, "share": share, "alpha": alpha, "of": times, "used": used}
            line = self._add(kind, {**what, **place, "index": len(account) + 1}, at)
            return _look(line, [*mine, line], labels, replay=False)


def _labels(mine: Sequence[Line], known: Mapping[str, Hashes], *more: str) -> dict[str, int]:
    """A label of the account for each set of rows, by its digest."""
    digests = sorted({*(line.data["rows"] for line in mine), *more})
    return dict(zip(digests, accounts.components([known[digest] for digest in digests]), strict=True))


def _look(line: Line, mine: Sequence[Line], labels: Mapping[str, int], *, replay: bool) -> Look:
    account = [other for other in mine if labels[other.data["rows"]] == labels[line.data["rows"]]]
    return Look(
        share=line.data["share"],
        spent=sum(other.data["share"] for other in account if other.index <= line.index),
        replay=replay,
        account=account[0].index,
        index=line.data["index"],
        used=line.data["used"],
        accounts=len(set(labels.values())),
    )
