"""``autodistill nightly FILE``."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autodistill.cli.display import Display, console


def run(asked: argparse.Namespace) -> int:
    """One night and its outcome; or the entry for a scheduler, or the nights so far."""
    from autodistill import nightly, records, spec

    if asked.schedule is not None:
        spec.load(asked.file)  # an entry for a file that is wrong would fail every night
        said = nightly.entry(asked.schedule, asked.file, asked.minutes, asked.trust)
        print(json.dumps({"schedule": asked.schedule, "entry": said}) if asked.json else said, end="")
        return 0
    if asked.history:
        nights = nightly.history(nightly.home(spec.load(asked.file).name))
        if asked.json:
            print(json.dumps([_cut_off(one) if isinstance(one, str) else records.plain(one) for one in nights]))
        else:
            table(nights)
        return 0
    with Display(quiet=asked.json) as display:
        trust = {} if asked.trust is None else {"trust": asked.trust}
        ended = nightly.nightly(asked.file, minutes=asked.minutes, notify=asked.notify, watch=display.show, **trust)
    record = ended.record
    if asked.json:
        print(json.dumps({**records.plain(record), "again": ended.again}))
        return record.exit_code
    if ended.again:
        print(f"{record.folder} holds this night, ended: nothing was run again.", file=sys.stderr)
    print(" ".join(f"{record.outcome}: {record.sentence} ({Path(record.folder) / 'delta.html'})".split()))
    for note in record.notes:
        print(f"note: {note}", file=sys.stderr)
    return record.exit_code


def _cut_off(date: str) -> dict[str, Any]:
    return {"date": date, "outcome": None, "sentence": "cut off, and not gone on with"}


def table(nights: Sequence[Any]) -> None:
    """The nights, earliest first: who stood, who was certified, what it cost."""
    from rich.table import Table

    from autodistill.report.nights import cost_words, percent

    out = Table(box=None, pad_edge=False, header_style="bold")
    for column, justify in (
        ("date", "left"), ("outcome", "left"), ("champion", "left"), ("error", "right"), ("certified", "left"),
        ("error", "right"), ("cost", "right"), ("looks", "right"), ("new rows", "right"), ("minutes", "right"),
    ):  # fmt: skip
        out.add_column(column, justify=justify)  # type: ignore[arg-type]
    for one in nights:
        if isinstance(one, str):
            out.add_row(one, "cut off", *["–"] * 8)
            continue
        looks = f"{one.looks['index']} of {one.looks['looks']}" if one.looks else "–"
        out.add_row(
            one.date, one.outcome, one.champion.name if one.champion else "–", percent(one.champion),
            one.challenger.name if one.challenger else "–", percent(one.challenger), cost_words(one.challenger), looks,
            str(one.rows.get("new", "–")), f"{one.seconds.get('all', 0.0) / 60:.1f}",
        )  # fmt: skip
    console().print(out if nights else "no night has ended yet")
