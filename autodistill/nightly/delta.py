"""What changed this night, as one small HTML page: no script, no network, everything from data escaped."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2

from autodistill.nightly.recorded import Record, Student
from autodistill.report.nights import MOST, Night, Shown, charts, cost_words, percent
from autodistill.report.render import TEMPLATES

FILE = "delta.html"


def html(nights: Sequence[Record]) -> str:
    """The page of the last of ``nights`` (earliest first), with the nights before it on its charts and in its table."""
    nights = nights[-MOST:]
    style = (TEMPLATES / "delta.css").read_text("utf-8")
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        _environment()
        .get_template("delta.html.j2")
        .render(
            night=nights[-1],
            nights=list(reversed(nights)),
            charts=charts([shown(one) for one in nights], nights[-1].choose),
            style=style,
            policy_of_content=f"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none'; form-action 'none'",
            percent=percent,
            cost=cost_words,
        )
    )


def shown(record: Record) -> Night:
    """What a chart shows of a night."""
    return Night(
        date=record.date,
        outcome=record.outcome,
        champion=_student(record.champion),
        challenger=_student(record.challenger),
        proposed=record.proposed is not None,
        looks=record.looks,
    )


def _student(one: Student | None) -> Shown | None:
    return None if one is None else Shown(name=one.name, error=one.error, cost=one.cost)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(TEMPLATES)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
