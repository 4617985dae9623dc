"""What changed this night, as one small HTML page: no script, no network, everything from data escaped."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from autodistill.nightly.recorded import Record, Student
from autodistill.report.render import TEMPLATES

FILE = "delta.html"
SHOWN = 60  # nights on the chart and in the table
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 180, 64, 14, 34


def html(nights: Sequence[Record]) -> str:
    """The page of the last of ``nights`` (earliest first), with the nights before it on its charts and in its table."""
    nights = nights[-SHOWN:]
    style = (TEMPLATES / "delta.css").read_text("utf-8")
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    charts = [
        chart(nights, "Error on the audit rows", " %", error),
        chart(nights, f"{nights[-1].choose.capitalize()}, by which the policy chooses", _unit(nights), cost),
    ]
    return (
        _environment()
        .get_template("delta.html.j2")
        .render(
            night=nights[-1],
            nights=list(reversed(nights)),
            charts=[one for one in charts if one is not None],
            style=style,
            policy_of_content=f"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none'; form-action 'none'",
            percent=percent,
            cost=cost_words,
        )
    )


def _unit(nights: Sequence[Record]) -> str:
    """The unit of the policy's choice, as an axis says it."""
    units = (one.cost.get("unit") for night in nights for one in (night.champion, night.challenger) if one is not None)
    unit = next((one for one in units if one), "")
    return " kB" if unit == "B" else f" {unit}".rstrip()


def error(student: Student) -> tuple[float, float, float] | None:
    """Error in percent with its interval, None where it was not read."""
    said = student.error
    return None if said is None else (100 * said["value"], 100 * said["low"], 100 * said["high"])


def cost(student: Student) -> tuple[float, float, float] | None:
    """The policy's choice (size in kB), None where it was not read."""
    said = student.cost
    if said.get("value") is None:
        return None
    scale = 1000.0 if said.get("unit") == "B" else 1.0
    value, low, high = (float(said[name]) / scale for name in ("value", "low", "high"))
    return value, low, high


def percent(student: Student | None) -> str:
    """Error with its interval, in words."""
    found = None if student is None else error(student)
    return "–" if found is None else f"{found[0]:.2f} % [{found[1]:.2f}, {found[2]:.2f}]"


def cost_words(student: Student | None) -> str:
    """The policy's choice, in words."""
    found = None if student is None else cost(student)
    if student is None or found is None:
        return "–"
    unit = student.cost.get("unit", "")
    return f"{found[0]:,.1f} kB" if unit == "B" else f"{found[0]:,.3g} {unit}"


def chart(nights: Sequence[Record], title: str, unit: str, of: Any) -> dict[str, Any] | None:
    """Places of the champion's and the challengers' values over the nights, for an SVG; None where there is no value.

    x goes by night, y is linear from 0 or from the least value, whichever shows more.
    """
    points: list[tuple[int, str, Record, Student, tuple[float, float, float]]] = []
    for at, night in enumerate(nights):
        for role, student in (("champion", night.champion), ("challenger", night.challenger)):
            found = None if student is None else of(student)
            if student is not None and found is not None:
                points.append((at, role, night, student, found))
    if not points:
        return None
    low, high = min(p[4][1] for p in points), max(p[4][2] for p in points)
    low = 0.0 if low < 0.5 * high else low - 0.1 * (high - low or high or 1.0)
    high += 0.1 * (high - low or 1.0)

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low), 1)

    step = (WIDTH - LEFT - 20) / max(1, len(nights) - 1)
    marks = [
        {
            "x": round(LEFT + 4 + step * at + (3 if role == "challenger" else -3), 1),
            "y": y(value),
            "low": y(lower),
            "high": y(upper),
            "role": role + (" drift" if role == "champion" and night.outcome == "drift" else "")
            + (" proposed" if role == "challenger" and night.proposed else ""),
            "says": f"{night.date}, {role} {student.name}: {value:,.4g}{unit}",
        }
        for at, role, night, student, (value, lower, upper) in points
    ]  # fmt: skip
    ticks = [{"y": y(value), "text": f"{value:,.3g}{unit}"} for value in (low, (low + high) / 2, high)]
    ends = [nights[0].date, nights[-1].date] if len(nights) > 1 else [nights[0].date]
    return {
        "title": title,
        "marks": marks,
        "ticks": ticks,
        "ends": ends,
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
    }


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(TEMPLATES)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
