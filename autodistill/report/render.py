"""The report as one HTML file: no network, no code but its own, everything from data escaped."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from autodistill.report import chart, view

TEMPLATES = Path(__file__).parent.parent / "templates"


def html(report: Mapping[str, Any], image: bytes = b"") -> str:
    """The page for a report (plain values, as ``read`` gives them); ``image`` is a PNG for readers without scripts."""
    audit = report.get("kind") == view.AUDIT
    sources = _sources(("style", "script") if audit else ("style", "library", "chart", "script"))
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            page=view.page(report),
            chart_json="" if audit else _embedded(chart.data(report)),
            image=base64.b64encode(image).decode(),
            policy_of_content=_content_policy(sources),
            **sources,
        )
    )


FILES = {"style": "report.css", "library": "vendor/d3.min.js", "chart": "chart.js", "script": "report.js"}


def _sources(names: Iterable[str]) -> dict[str, str]:
    """The page's own code and style, by the name that the template gives them."""
    return {name: (TEMPLATES / FILES[name]).read_text("utf-8") for name in names}


def _content_policy(sources: Mapping[str, str]) -> str:
    """Nothing runs or styles but what is here by its hash; nothing is fetched, framed or sent."""
    of = {
        name: f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'"
        for name, s in sources.items()
    }
    scripts = " ".join(hashed for name, hashed in of.items() if name != "style")
    return (
        f"default-src 'none'; script-src {scripts}; style-src {of['style']}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _embedded(data: Any) -> str:
    """JSON that cannot end the script element it stands in, nor open a comment in it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
