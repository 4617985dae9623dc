"""``autodistill report RUN``."""

import argparse
import json

from autodistill.errors import UserError


def run(asked: argparse.Namespace) -> int:
    """Render the report again from ``report.json``."""
    from autodistill import report

    found = report.read(asked.run)
    paths = report.write(asked.run, found)
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
