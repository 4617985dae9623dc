"""``autodistill sign RUN``."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

import msgspec

from autodistill.cli.display import Display, console
from autodistill.errors import UserError

if TYPE_CHECKING:
    from autodistill.run.signing import Request, Signed

REFUSED, INCONCLUSIVE = 1, 3


def run(asked: argparse.Namespace) -> int:
    """Open the sealed split where an approval needs it, and sign the decision, or revoke one."""
    from autodistill.run import signing

    waivers = signing.waivers(asked.waive or (), asked.because or "", asked.by, asked.until or "")
    request = signing.Request(
        run=asked.run,
        key=asked.key,
        by=asked.by,
        role=asked.role,
        decision=asked.decision,
        waivers=waivers,
        conditions=tuple(asked.condition or ()),
        because=asked.because or "",
        days=_days(asked.expires),
        trust=asked.trust,
        anyway=asked.anyway,
    )
    with Display(quiet=asked.json) as display:
        done = signing.sign(request, display.show)
    number = _promote(asked, request) if asked.track and done.statement and done.decision in signing.APPROVED else None
    if asked.json:
        print(json.dumps(msgspec.to_builtins(done, enc_hook=str)))
    else:
        _say(done)
        for note in done.notes:
            print(f"note: {note}", file=sys.stderr)
        if number is not None:
            print(f"models:/…@signed-off is now version {number}.")
    if done.statement is not None:
        return 0
    return REFUSED if any(f.outcome == "FAIL" for f in done.open_tests) else INCONCLUSIVE


def _promote(asked: argparse.Namespace, request: "Request") -> str:
    from autodistill import signoff, spec
    from autodistill.run import attest, promote

    book = attest.book()
    verifier = signoff.Asked(trust=spec.load_trust(request.trust), root=book.root, now=attest.now())
    return promote.promote(asked.run, asked.track, promote.SIGNED_OFF, verifier, book)


def _days(text: str) -> int:
    number = text.removesuffix("d")
    if not number.isdigit() or not 1 <= int(number) <= 3650:
        raise UserError(f"{text!r} is not a number of days", where="--expires", do="for example 180d")
    return int(number)


def _say(done: "Signed") -> None:
    from autodistill.report import sentence
    from autodistill.signoff import waivable

    out = console()
    look = done.sealed.get("look") or {}
    if look:
        again = " (the same opening again: free)" if look["replay"] else ""
        said = f"opening {look['index']} of {look['openings']}, level {look['share']:.4f} of {look['alpha']:.4f}{again}"
        out.print(f"Sealed split: {done.sealed['verdict']['sentence']} ({said}).")
    if done.statement is None:
        out.print("Not signed: these tests neither pass nor are waived.")
        for finding in done.open_tests:
            out.print(f"  {finding.outcome} {waivable(finding)}: {sentence(finding)}")
        out.print("Reject the run, or waive each by name: --waive ID --because … --until YYYY-MM-DD")
        return
    if done.in_spite_of:
        out.print(done.in_spite_of, style="bold red")
    until = f", valid until {done.until}" if done.until else ""
    out.print(f"Signed: {done.decision}{until}. Statement: {done.statement}")
