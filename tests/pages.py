"""The pages of the documentation as blocks of code, and how a page's blocks are run: one page, one folder, in order.

A comment in the line above a block says what is special about it: ``<!-- file: NAME -->`` writes it to a file,
``<!-- not run: REASON -->`` leaves it out, ``<!-- exit: N -->`` is how a shell block ends, ``<!-- decided -->`` one
that may end with any verdict, ``<!-- policy -->`` and ``<!-- experiment -->`` are fragments of such a file. A page
whose first line is ``<!-- long: REASON -->`` is run by ``make test-long``.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- ([a-z- ]+?)(?:: (.*?))? -->\n\Z")
CARRIED = ("data", "policies", "search_spaces", "examples")


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, its place among the page's blocks from 1 on, its language, its mark and text."""

    page: str
    number: int
    language: str
    mark: str
    said: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page} block {self.number}"

    @property
    def head(self) -> str:
        """Its page and first line, which stay when blocks are added before it."""
        return f"{self.page}: {self.text.splitlines()[0]}"

    @property
    def code(self) -> bool:
        """Whether it is something to run; a YAML block is only read where it is no file."""
        return self.language in {"sh", "python"} or self.mark == "file"


@dataclass(frozen=True)
class Page:
    """A page by its path from the project's root."""

    path: str

    @cached_property
    def text(self) -> str:
        return (ROOT / self.path).read_text(encoding="utf-8")

    @property
    def long(self) -> bool:
        return self.text.startswith("<!-- long: ")

    @cached_property
    def blocks(self) -> list[Block]:
        found = []
        for number, fence in enumerate(FENCE.finditer(self.text), 1):
            mark = MARK.search(self.text[: fence.start()])
            name, said = (mark[1], mark[2] or "") if mark else ("", "")
            found.append(Block(self.path, number, fence[1], name, said, fence[2]))
        return found


def pages() -> list[Page]:
    """README and every page under docs."""
    listed = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
    return [Page(path) for path in ("README.md", "CONTRIBUTING.md", *listed)]


def folder(at: Path) -> dict[str, str]:
    """A project folder as a reader has it, and the environment that its commands run in: no home is touched."""
    for name in CARRIED:
        shutil.copytree(ROOT / name, at / name, ignore=shutil.ignore_patterns("__pycache__"))
    homes = {f"XDG_{kind}_HOME": str(at / ".home" / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
    here = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    quiet = {"OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "NO_COLOR": "1", "HF_HUB_OFFLINE": "1"}
    return {**os.environ, **homes, **here, **quiet}


def run(block: Block, at: Path, environment: dict[str, str]) -> None:
    """Do what a reader of the page would do; AssertionError with what was printed where it ends otherwise."""
    if block.mark == "file":
        (at / block.said).parent.mkdir(parents=True, exist_ok=True)
        (at / block.said).write_text(block.text, encoding="utf-8")
        return
    program = ["bash", "-euo", "pipefail", "-c"] if block.language == "sh" else [sys.executable, "-c"]
    done = subprocess.run(
        [*program, block.text], cwd=at, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    wanted = {0, 1, 3} if block.mark == "decided" else {int(block.said) if block.mark == "exit" else 0}
    told = f"{block.name} ended with {done.returncode}, not {wanted}\n{block.text}\n{done.stdout}\n{done.stderr}"
    assert done.returncode in wanted, told
    assert "Traceback" not in done.stderr, told
