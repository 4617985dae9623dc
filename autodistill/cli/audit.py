"""``autodistill audit TABLE``."""

import argparse
from pathlib import Path

from autodistill.errors import UserError

ENDINGS = (".gz", ".csv", ".tsv", ".parquet", ".pq", ".arrow", ".feather")


def run(asked: argparse.Namespace) -> int:
    """Judge a student against its teacher from a table of what they said, and say what was found."""
    from autodistill.data import Asked
    from autodistill.run import auditing

    question = Asked(
        label=asked.label,
        teacher=asked.teacher,
        student=asked.student,
        groups=tuple(asked.group),
        cross=tuple(_parts(one) for one in asked.cross),
        id=asked.id,
        cluster=asked.cluster,
        control=asked.control,
        teacher_saw=asked.teacher_saw,
        positive=asked.positive,
        favourable=asked.favourable,
        threshold=asked.threshold,
        task=asked.task,
    )
    out = asked.out or Path("reports") / _stem(asked.table)
    found = auditing.run(asked.table, asked.policy, question, out)
    if asked.json:
        print(found.to_json())
    else:
        from autodistill.cli.words import summary

        summary(found.report, out)
    return found.exit_code


def _parts(text: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in text.split(","))
    if len(parts) < 2 or not all(parts):
        raise UserError(f"--cross {text!r} names no intersection", do="write --cross sex,race")
    return parts


def _stem(table: Path) -> str:
    name = table.name
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    return name or "audit"
