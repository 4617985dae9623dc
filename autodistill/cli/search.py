"""``autodistill search FILE``."""

import argparse
import json
import sys

from autodistill.cli.display import Display
from autodistill.run.progress import Progress


def run(asked: argparse.Namespace) -> int:
    """Search, and say what was found."""
    with Display(quiet=asked.json) as display:
        # Said before the optimiser and the trainer are opened, which takes seconds on a slow disk.
        display.show(Progress(phase="file", text=f"reading {asked.file}"))
        from autodistill import run as verbs

        found = verbs.search(
            asked.file,
            out=asked.out,
            trials=asked.trials,
            minutes=asked.minutes,
            workers=asked.workers,
            watch=display.show,
        )
    if asked.json:
        print(json.dumps(found.report))
    else:
        if found.again:
            print(f"{found.folder} holds this search, finished: nothing was run again.", file=sys.stderr)
        from autodistill.cli.words import summary

        summary(found.report, found.folder)
    return found.exit_code
