"""``autodistill report RUN``."""

import argparse
import json

from autodistill.errors import UserError


def run(asked: argparse.Namespace) -> int:
    """Render the report again from ``report.json``, or judge the run again under another policy."""
    if asked.policy is not None:
        return _judge(asked)
    if asked.out is not None:
        raise UserError("--out goes with --policy", do="a report is rendered again where it is")
    from autodistill import report
    from autodistill.run import attest

    found = report.read(asked.run)
    paths = report.write(asked.run, found)
    if (asked.run / attest.FACTS).is_file():
        attest.rendered(asked.run, attest.book())
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


def _judge(asked: argparse.Namespace) -> int:
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
