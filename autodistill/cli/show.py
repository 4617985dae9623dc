"""``autodistill show RUN``."""

import argparse
import json
from typing import Any

from autodistill.cli import words
from autodistill.cli.display import console


def run(asked: argparse.Namespace) -> int:
    """The front, and why each candidate was accepted or refused."""
    from autodistill import report
    from autodistill.run.exits import EXIT

    found = report.read(asked.run)
    if asked.json:
        print(json.dumps(found))
        return EXIT[found["verdict"]["decision"]]
    out = console()
    words.summary(found, asked.run)
    if found["shortlist"]:
        out.print("\nTested on the audit split, in the order fixed beforehand:")
        by_key = {entry.candidate.key: entry for entry in words.entries(found)}
        for one in found["shortlist"]:
            known = words.name(by_key[one["key"]].candidate)
            out.print(f"  {one['order']}. {one['decision']:<12} at α = {one['level']:.4f}  {one['key']}  {known}")
    if asked.all:
        _every(out, found)
    elif found["rejected_because"]:
        out.print("\nWhat refused candidates failed (--all lists each):")
        for reason, count in sorted(found["rejected_because"].items(), key=lambda item: -item[1]):
            out.print(f"  {count:>4}  {reason}")
    return EXIT[found["verdict"]["decision"]]


def _every(out: Any, found: dict[str, Any]) -> None:
    from autodistill.report import errors

    out.print("\nEvery candidate (screened on the search split; the verdict is the audit split's):")
    for entry in words.entries(found):
        error = "" if entry.error is None else f"error {errors.search(entry.error, found)}"
        why = entry.reason
        if entry.state == "finished" and entry.verdict is not None:
            failed = [f.id for f in entry.findings if f.required and f.outcome == "FAIL"]
            why = "fails " + ", ".join(failed) if failed else "passes or is undecided in every test"
        about = f"{entry.candidate.key}  {words.name(entry.candidate)}"
        out.print(f"  {entry.candidate.number:>4}  {entry.state:<9} {about}  {error}  {why}")
