"""A real Chromium for tests, and a page opened in it. What needs one is skipped by name where there is none."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = os.environ.get("AUTODISTILL_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
MISSING = (
    "playwright is not installed (pip install playwright)"
    if importlib.util.find_spec("playwright") is None
    else "no Chromium on PATH, and AUTODISTILL_CHROMIUM names none"
)
needed = pytest.mark.skipif(CHROMIUM is None or importlib.util.find_spec("playwright") is None, reason=MISSING)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for the tests of a file."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield found
        found.close()


class Visit:
    """A page that was opened, and what it complained of or asked for."""

    def __init__(self, browser: Any, path: Path, width: int = 1280, **options: Any) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda line: self.said.append(f"{line.type}: {line.text}"))
        self.page.on("pageerror", lambda fault: self.said.append(str(fault)))
        self.page.on("dialog", lambda box: (self.said.append(box.message), box.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def shown(self) -> int:
        return int(self.page.locator("#candidate-table tbody tr:visible").count())
