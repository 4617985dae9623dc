"""``autodistill report RUN``."""

import argparse
import json
from pathlib import Path

from autodistill.errors import UserError


def run(asked: argparse.Namespace) -> int:
    """Render the report again from ``report.json`` (and print it as a PDF), or judge the run under another policy."""
    if asked.policy is not None:
        return _judge(asked)
    if asked.out is not None:
        raise UserError("--out goes with --policy", do="a report is rendered again where it is")
    from autodistill import report
    from autodistill.report import pdf
    from autodistill.run import attest

    if asked.pdf is not None:
        pdf.browser()  # before anything is written again
    found, book, signed = report.read(asked.run), attest.book(), (asked.run / attest.FACTS).is_file()
    if signed:
        book.settle()  # pages that the ledger would not know are not written over those that it knows
    paths = report.write(asked.run, found)
    if signed:
        attest.rendered(asked.run, book)
    if asked.pdf is not None:
        paths = (*paths, pdf.write(asked.run / "report.html", _pdf(asked)))
    if asked.track is not None:
        from autodistill import track

        copied = track.sync(asked.track, str(found["name"]), asked.run, found)
        for note in copied.notes:
            raise UserError(note, where=asked.track, do="try again later")
    if asked.json:
        print(json.dumps([str(path) for path in paths]))
    else:
        print("\n".join(str(path) for path in paths))
    return 0


def _pdf(asked: argparse.Namespace) -> Path:
    """Where the PDF goes: beside the page unless a file is named."""
    return Path(asked.pdf) if asked.pdf else asked.run / "report.pdf"


def _judge(asked: argparse.Namespace) -> int:
    if asked.pdf is not None:
        raise UserError(
            "--pdf goes without --policy", do="print the new report afterwards: `autodistill report DIR --pdf`"
        )
    if asked.track is not None:
        raise UserError("--track goes without --policy", do="a run is copied under the policy that it was made under")
    from autodistill import run as verbs

    found = verbs.rejudge(asked.run, asked.policy, out=asked.out)
    if asked.json:
        print(json.dumps(found.report))
        return found.exit_code
    from autodistill.cli.words import summary

    summary(found.report, found.folder)
    looks = found.report["method"]["looks"]
    if found.own:
        print("This is the policy that the run was made under: nothing was judged again.")
    else:
        print(found.report["rejudged"]["statement"])
    if found.again:
        print(f"It was judged under this policy before: a replay, and free ({looks['cost']}).")
    elif not found.own:
        print(f"Cost in alpha: {looks['cost']}." if looks else "Cost in alpha: none, nothing was read.")
    return found.exit_code
