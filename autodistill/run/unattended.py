"""What a night adds to a search: rows whose splits are kept, earlier candidates to begin with, the champion, an end."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from autodistill import auditor
from autodistill.errors import ArtefactError
from autodistill.jobs import Workshop
from autodistill.jobs.files import keep
from autodistill.jobs.views import with_views
from autodistill.records import Candidate, Dataset, Finding, Reading, digest, plain
from autodistill.report import nights
from autodistill.run import beside, rates, twins
from autodistill.run.folder import write_whole
from autodistill.run.ordered import Certification, Stands

HOME = "champion"  # in the night's folder: the champion's artefact, and what it says of tonight's rows


@dataclass(frozen=True, kw_only=True)
class Champion:
    """The student that stands: its artefact's bytes and digest, what it is, and its readings when it was certified."""

    sha256: str
    artefact: Path
    candidate: Candidate
    readings: Mapping[str, Reading] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Night:
    """``warm`` are earlier parameters, ``seed`` that of the proposals. ``until`` (``time.monotonic()``) is when the
    whole night should be over, ``reserve`` the seconds after the search that are no waiting; None: as long as it
    takes. ``earlier`` are the nights before, earliest first, as the report's chart shows them. ``registers`` says
    whether a night with this report registers its student."""

    date: str
    dataset: Dataset
    seed: int
    warm: Sequence[Mapping[str, Any]] = ()
    champion: Champion | None = None
    earlier: Sequence[nights.Night] = ()
    until: float | None = None
    reserve: float = 0.0
    registers: Callable[[Mapping[str, Any]], bool] = lambda report: True  # noqa: ARG005

    def search_until(self, patience: float, elapsed: float = 0.0) -> float | None:
        """When the search should end, so that certification may wait ``patience`` of its seconds: ``elapsed`` were
        spent by earlier processes of this night."""
        if self.until is None:
            return None
        left = self.until - self.reserve - time.monotonic() - patience * elapsed
        return time.monotonic() + left / (1.0 + patience)

    def waiting(self, seconds: float) -> float:
        """How long certification may really wait where it would wait so many seconds."""
        return seconds if self.until is None else min(seconds, self.until - self.reserve - time.monotonic())


def standing(shop: Workshop, champion: Champion) -> Stands:
    """The champion's artefact as certification tests it: on tonight's audit rows, against tonight's teacher."""
    data = champion.artefact.read_bytes()
    if digest(data) != champion.sha256:
        raise ArtefactError("is not the champion's file", where=str(champion.artefact), do="restore it")
    home = shop.folder / HOME
    write_whole(home / twins.STUDENT, data)

    def findings(level: float) -> tuple[Finding, ...]:
        predictions = shop.predict(home / twins.STUDENT, "audit")
        keep(home, predictions)
        others, missing = twins.others(shop, champion.candidate)
        seen = replace(shop.evidence("audit", predictions), others=others, reference={"missing": missing})
        seen = with_views(shop, seen, home / twins.STUDENT, home)
        tests = auditor.audit(seen, shop.policy, level=level)
        return (*tests, *shop.meters(readings(shop, champion)))

    return Stands(sha256=champion.sha256, findings=findings)


def readings(shop: Workshop, champion: Champion) -> Mapping[str, Reading]:
    """The champion's readings beside tonight's teacher; those of its certification where readings are replayed."""
    if shop.lab.book is not None:
        return champion.readings
    return shop.lab.first(f"champion-{champion.sha256[:16]}", shop.folder / HOME / twins.STUDENT)


def told(shop: Workshop, night: Night, found: Certification) -> dict[str, Any]:
    """What the report says of the night: the champion's test, and the certified student beside it, row by row.

    ``loss`` is how much oftener the certified student errs than the champion, with Tango limits at the policy's α a
    side: no claim rests on it, it only stops a proposal.
    """
    standing_, alpha = night.champion, shop.policy.alpha
    earlier = [plain(one) for one in night.earlier[-nights.MOST + 1 :]]
    out: dict[str, Any] = {"date": night.date, "champion": None, "challenger": None, "earlier": earlier}
    mine = theirs = None
    if standing_ is not None:
        out["champion"] = _untested(standing_)
        if found.stands is not None and found.stands.decision is not None:
            mine = _wrong(shop, shop.folder / HOME / twins.STUDENT)
            out["champion"] |= {
                "level": found.stands.level,
                "decision": found.stands.decision,
                "findings": plain(found.stands.found),
                "readings": plain(dict(readings(shop, standing_))),
                "error_audit": rates.share(mine, alpha),
            }
    if found.chosen is not None:
        artefact = shop.home(found.chosen.entry.candidate) / twins.STUDENT
        theirs = _wrong(shop, artefact)
        out["challenger"] = {
            "key": found.chosen.entry.candidate.key,
            "sha256": digest(artefact.read_bytes()),
            "error_audit": rates.share(theirs, alpha),
            "loss": None if mine is None else rates.difference(theirs, mine, alpha),
        }
    return out


def _untested(champion: Champion) -> dict[str, Any]:
    return {
        "sha256": champion.sha256,
        "key": champion.candidate.key,
        "candidate": plain(champion.candidate),
        "level": None,
        "decision": None,
        "findings": [],
        "readings": plain(dict(champion.readings)),
        "error_audit": None,
    }


def _wrong(shop: Workshop, artefact: Path) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = beside.wrong(shop, shop.predict(artefact, "audit"))
    return found
