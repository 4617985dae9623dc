"""``autodistill report RUN``."""

import argparse
import json


def run(asked: argparse.Namespace) -> int:
    """Render the report again from ``report.json``."""
    from autodistill import report

    found = report.read(asked.run)
    paths = report.write(asked.run, found)
    if asked.json:
        print(json.dumps([str(path) for path in paths]))
    else:
        print("\n".join(str(path) for path in paths))
    return 0
