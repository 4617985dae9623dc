"""``autodistill verify RUN|FILE|models:/NAME@ALIAS``."""

import argparse
import json
import re
import sys
from pathlib import Path

from autodistill.cli.display import console
from autodistill.errors import UserError

VALID, REFUSED = 0, 1


def run(asked: argparse.Namespace) -> int:
    """Recompute everything that a signature rests on; one line for each thing checked; 0 valid, 1 refused."""
    from autodistill.run import gate

    if asked.repair:
        from autodistill.run import attest

        done = attest.book(asked.ledger, asked.trust).repair(attest.person()["by"])
        print("\n".join(done) or "nothing to repair", file=sys.stderr if asked.json else sys.stdout)
    found = gate.verify(
        asked.what,
        gate.Options(
            trust=asked.trust,
            root=asked.ledger,
            head=_head(asked.head),
            deep=asked.deep,
            data=asked.data,
            track=asked.track,
        ),
    )
    valid = bool(found) and all(one.ok for one in found)
    if asked.json:
        lines = [{"what": one.what, "ok": one.ok, "why": one.why} for one in found]
        print(json.dumps({"valid": valid, "subject": asked.what, "checks": lines}))
        return VALID if valid else REFUSED
    out = console()
    for one in found:
        why = f"  ({one.why})" if one.why else ""
        out.print(f"{'ok     ' if one.ok else 'REFUSED'}  {one.what}{why}", style="" if one.ok else "red")
    out.print(f"{'VALID' if valid else 'REFUSED'}  {asked.what}", style="bold green" if valid else "bold red")
    return VALID if valid else REFUSED


def _head(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    if Path(text).is_file():
        data = Path(text).read_bytes()
        if data.lstrip().startswith(b"{"):
            from autodistill.signoff import head

            return head.copied(data)
        text = data.decode(errors="replace").strip()
    found = re.fullmatch(r"(\d+):([0-9a-f]{64})", text, re.ASCII)
    if found is None:
        do = "give INDEX:SHA256, a file that holds it, or a copy of ledger.head.json"
        raise UserError("not a head", where="--head", do=do)
    return int(found[1]), found[2]
