"""The confirmatory test of an approval: the sealed split opened once, attested by the auditor, and what stands open."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from autodistill import __version__, signoff, verdict
from autodistill.errors import RunError, SignatureError
from autodistill.ledger import Ledger
from autodistill.records import Finding, Policy, digest, file_digest, plain
from autodistill.run import attest, opened, sealed, waived
from autodistill.run.folder import write_whole
from autodistill.run.progress import Progress, Watch
from autodistill.signoff import Asked


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """What an approval rests on: every required test by the name under which it is waived, those that stand open, and
    the sealed test (empty for an audit of predictions, which has no sealed rows)."""

    outcomes: Mapping[str, str] = field(default_factory=dict)
    open_tests: tuple[Finding, ...] = ()
    sealed: Mapping[str, Any] = field(default_factory=dict)


def confirm(
    run: Path, found: Mapping[str, Any], policy: Policy, held: tuple[Ledger, Asked], leave: tuple[set[str], bool],
    watch: Watch,
) -> Confirmed:  # fmt: skip
    """Open the sealed split where the run has one, and compare all required tests with the leave that is given.

    ``held`` is the ledger and what a verifier would be asked, ``leave`` the names of waived tests and whether to open
    although it will hardly decide. Raises RunError where there is no student, SignatureError where nothing that could
    be waived explains the verdict, or a waiver names no test.
    """
    given, anyway = leave
    rest: dict[str, Any] = {}
    shown: list[dict[str, Any]] = []
    never = waived.unproven(found, waived.tests(found, ()))
    if never:
        raise SignatureError(f"cannot be approved: {never}", where=str(run), do="reject it, or search on")
    if found.get("kind", "search") == "search":
        if not (found["certified"] or found["finalist"]):
            raise RunError("there is no student to approve", where=str(run), do="reject it, or search on")
        rest = _opened(run, found, policy, held, anyway, watch)
        shown = rest["findings"]
    required = waived.tests(found, shown)
    outcomes = waived.outcomes(required)
    unknown = given - set(outcomes)
    if unknown:
        what = f"no required test is called {min(unknown)!r}"
        raise SignatureError(what, where="--waive", do="see `show RUN --json`")
    stand = tuple(f for f in required if f.outcome != "PASS" and signoff.waivable(f) not in given)
    return Confirmed(outcomes=outcomes, open_tests=stand, sealed=rest)


def _opened(
    run: Path, found: Mapping[str, Any], policy: Policy, held: tuple[Ledger, Asked], anyway: bool, watch: Watch
) -> dict[str, Any]:
    ledger, asked = held
    predicted = sealed.power(run, found, policy)
    if predicted < sealed.POWER and not anyway and not (run / attest.SEALED).is_file():
        do = "--anyway opens it all the same; an inconclusive opening is spent and does not sign"
        what = f"the sealed test would pass with {predicted:.0%} probability only"
        raise SignatureError(what, where=str(run), do=do)
    watch(Progress(phase="sealed", text="opening the sealed split (written to the ledger first)"))
    there = _there(run, asked)
    opening = there or sealed.open_for(run, found, policy, ledger)
    if there is None:
        _attest_opening(run, opening, found, ledger)
    return {
        "verdict": plain(opening.verdict),
        "findings": plain(opening.findings),
        "look": dict(opening.look),
        "power": round(predicted, 4),
    }


def _there(run: Path, asked: Asked) -> sealed.Opening | None:
    """The opening that this run had, where its statement holds: earlier decisions rest on that file, so that it is
    not made again. None where there was none, or its statement was not finished: then it is opened again, free."""
    checks = opened.sealed(run, asked)
    if not checks or not all(one.ok for one in checks):
        return None
    said = signoff.peek((run / attest.SEALED).read_bytes())["predicate"][signoff.OURS]
    findings = tuple(msgspec.convert(said["findings"], list[Finding]))
    return sealed.Opening(findings=findings, verdict=verdict.judge(findings), look={**said["look"], "replay": True})


def _attest_opening(run: Path, opening: sealed.Opening, found: Mapping[str, Any], ledger: Ledger) -> None:
    """The auditor's statement about the sealed test: signed whatever it found, before anybody decides."""
    key = f"candidates/{found['certified'] or found['finalist']}/student.onnx"
    names = ("report.json", key, "sealed.parquet", "statements/predictions.sealed.parquet", "policy.yaml")
    files = {name: file_digest(run / name) for name in names}
    index, head = ledger.head()
    more = {
        "version": __version__,
        "run": found["name"],
        "split": "sealed",
        "at": attest.now(),
        "look": dict(opening.look),
        "findings": plain(opening.findings),
        "ledger": {"index": index, "sha256": head},
    }
    made = signoff.facts(files, opening.verdict.decision, opening.findings, {"policy.yaml": files["policy.yaml"]}, more)
    machine = signoff.auditor()
    data = signoff.seal(made, machine)
    write_whole(run / attest.SEALED, data)
    line = {"what": "sealed", "run": found["name"], "report": files["report.json"], "statement": digest(data)}
    ledger.once("signature", line | {"key": signoff.key_id(signoff.public_text(machine))})
