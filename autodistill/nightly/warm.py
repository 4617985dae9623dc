"""Where a night begins: what earlier nights found, by their search splits alone.

From each earlier night, the last one first, its whole shortlist in the order that was fixed before its audit rows were
read, then its front. The champion's recipe is among them, as one of a shortlist: never because an audit liked it. A
child of the best-audited parent on rows that are used again is falsely certified 81 % of the time by night 90, one that
was chosen blind 4 % (AUDIT §8).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from autodistill.errors import RunError
from autodistill.records import Candidate, encode
from autodistill.report import read

MOST = 12
NIGHTS = 5  # that are looked back upon


def warm(folders: Sequence[Path], most: int = MOST) -> tuple[Mapping[str, Any], ...]:
    """Parameters to begin with, at most so many, each once. ``folders``: earlier runs, earliest first."""
    found: dict[bytes, Mapping[str, Any]] = {}
    for folder in reversed(folders[-NIGHTS:]):
        for candidate in _of(folder):
            if len(found) < most and candidate.parameters:
                found.setdefault(encode(dict(candidate.parameters)), dict(candidate.parameters))
    return tuple(found.values())


def _of(folder: Path) -> Iterator[Candidate]:
    try:
        report = read(folder)
    except RunError:  # a night that was cut off has none
        return
    by_key = {one.key: one for one in (msgspec.convert(e["candidate"], Candidate) for e in report["entries"])}
    listed = sorted(report["shortlist"], key=lambda one: one["order"])
    for key in (*(one["key"] for one in listed), *report["front"]):
        if key in by_key:
            yield by_key[key]
