"""The door to a project's ledger: its chain of lines, and the accounts of its looks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy.typing as npt

from autodistill import records
from autodistill.errors import LedgerError, LevelSpentError, UserError
from autodistill.ledger import accounts, chain, heads
from autodistill.ledger.accounts import Hashes, Look
from autodistill.ledger.chain import START, Kind, Line


class Ledger:
    """``ledger.jsonl`` under ``root``, shared by the runs of a project; made on the first append.

    One write and one fsync a line, under a lock. Raises ``LedgerError`` wherever it is broken or cannot be written.
    A ``voucher`` signs each line before it is written and the head after it, and nothing is added behind lines that no
    signed head covers (``heads``). Without one the ledger is a chain, and no more.
    """

    def __init__(self, root: Path, voucher: heads.Voucher | None = None) -> None:
        self.root = root
        self.path = root / "ledger.jsonl"
        self._voucher = voucher

    def append(self, kind: Kind, data: Mapping[str, Any], *, at: str | None = None) -> Line:
        """Add a line; it is on the disk when this returns. ``at`` is UTC, now if not given."""
        with chain.held(self.root):
            return self._add(kind, data, at)

    def once(self, kind: Kind, data: Mapping[str, Any], *, at: str | None = None) -> Line:
        """The line with this kind and data, added if it is not there: a continued run writes nothing twice."""
        with chain.held(self.root):
            wanted = msgspec.json.decode(records.encode(data))  # as it is read back: tuples are lists
            same = [line for line in self._covered() if line.kind == kind and line.data == wanted]
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
        """Index and SHA-256 of the last line, (-1, zeros) while there is none: what to keep outside, and what a
        statement names. Raises ``LedgerError`` where there is a voucher and lines that no signed head covers."""
        lines = self._covered()
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
        """Raise ``LedgerError`` where the ledger would take no line; where a process ended between its last line and
        the head, that line's announcement becomes the head."""
        with chain.held(self.root):
            lines = self._covered()
            if self._voucher is not None and lines and self._voucher.heads(self.root).head != _head(lines):
                self._voucher.confirm(self.root)

    def repair(self, by: str) -> tuple[str, ...]:
        """Cut off a torn last line, and vouch for the ledger as it stands where nobody does; what was done, in words.

        The second is written down as a line of its own: what an earlier line grants (a decision, an alias, pages) does
        not stand any more, since nobody knows what was added or lost. Revocations and payments stay.
        """
        with chain.held(self.root):
            torn = chain.repair(self.path)
            done = [torn] if torn else []
            try:
                self._covered()
            except UserError as fault:
                done.append(self._vouch_again(str(fault), by))
            return tuple(done)

    def granted(self, kind: Kind) -> tuple[Line, ...]:
        """The lines of one kind since the last repair by hand: what an earlier one grants does not stand."""
        lines = self.lines()
        repaired = max((line.index for line in lines if line.kind == "repair"), default=-1)
        return tuple(line for line in lines if line.kind == kind and line.index > repaired)

    def _vouch_again(self, fault: str, by: str) -> str:
        lines = self.lines()  # a chain that is broken itself is not mended by a signature
        if self._voucher is None:
            raise LedgerError("nobody is there to vouch for it", where=str(self.path))
        line, text = chain.following(lines, "repair", {"because": fault, "by": by, "lines": len(lines)}, None)
        self._put(line, text)
        return (
            f"{fault}; lines 1 to {len(lines)} are vouched for by hand (line {line.index + 1} says so): decisions, "
            "aliases and pages from before do not stand any more"
        )

    def _add(self, kind: Kind, data: Mapping[str, Any], at: str | None) -> Line:
        line, text = chain.following(self._covered(), kind, data, at)
        self._put(line, text)
        return line

    def _put(self, line: Line, text: bytes) -> None:
        """Announced, written, confirmed (``heads``)."""
        if self._voucher is not None:
            self._voucher.announce(self.root, line.index, line.sha256, line.at)
        chain.put(self.path, text)
        if self._voucher is not None:
            self._voucher.confirm(self.root)

    def _covered(self) -> tuple[Line, ...]:
        """All lines; raises ``LedgerError`` where the chain is broken, or a line is there that no signed head covers:
        to add one behind it, and have that vouched for, would hide it."""
        lines = self.lines()
        if self._voucher is not None:
            why = heads.uncovered(lines, self._voucher.heads(self.root))
            if why:
                do = "restore it and its head from a copy, or see `autodistill verify --repair`"
                raise LedgerError(why, where=str(self.path), do=do)
        return lines

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
            paid = [line for line in self._covered() if line.kind in ("look", "opening")]
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


def _head(lines: Sequence[Line]) -> heads.Head:
    return heads.Head(lines[-1].index, lines[-1].sha256)


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
