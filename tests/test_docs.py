"""What the documentation shows is run, read, or listed with the reason why it is not; its links lead somewhere."""

import contextlib
import importlib
import importlib.util
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT, Block, Page, folder, pages, run

from autodistill import cli, spec
from autodistill.spec import reader

PAGES = pages()
BY_PATH = {page.path: page for page in PAGES}
NOT_RUN = {block.head: block.said for page in PAGES for block in page.blocks if block.mark == "not run"}
SHORT = [page.path for page in PAGES if not page.long and any(b.code and b.mark != "not run" for b in page.blocks)]
LONG = [page.path for page in PAGES if page.long]


def story(page: Page, at: Path) -> None:
    """A page's blocks in their order, in one folder."""
    environment = folder(at)
    for block in page.blocks:
        if block.code and block.mark != "not run":
            run(block, at, environment)


@pytest.mark.parametrize("path", SHORT)
def test_every_block_of_a_page_runs(path: str, tmp_path: Path) -> None:
    story(BY_PATH[path], tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("path", LONG)
def test_every_block_of_a_long_page_runs(path: str, tmp_path: Path) -> None:
    story(BY_PATH[path], tmp_path)


def test_what_is_not_run_is_listed_with_its_reason() -> None:
    listed = "\n".join(f"{head}\n    {reason}" for head, reason in sorted(NOT_RUN.items()))
    assert listed == (ROOT / "tests" / "docs_not_run.txt").read_text(encoding="utf-8").strip(), listed
    assert all(NOT_RUN.values())


def commands(block: Block) -> list[list[str]]:
    """The lines of a shell block that call autodistill, as their words."""
    joined = re.sub(r"\\\n\s*", " ", block.text)
    lines = [shlex.split(line, comments=True) for line in joined.splitlines() if line.startswith("autodistill ")]
    return [[word for word in words[1:] if word != "…"] for words in lines]


SHELL = [block for page in PAGES for block in page.blocks if block.language == "sh"]


@pytest.mark.parametrize("block", [pytest.param(b, id=b.name) for b in SHELL if commands(b)])
def test_every_command_names_a_verb_and_its_options(block: Block) -> None:
    for words in commands(block):
        verb = next((word for word in words if not word.startswith("-")), "")
        told = io.StringIO()
        with contextlib.redirect_stdout(told), pytest.raises(SystemExit) as left:
            cli.main([*filter(None, [verb]), "--help"])
        assert left.value.code == 0, words
        known = set(re.findall(r"--[a-z-]+", told.getvalue()))
        assert {word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)} <= known, words


FILES = [block for page in PAGES for block in page.blocks if block.mark == "file"]


@pytest.mark.parametrize("block", [pytest.param(b, id=b.name) for b in FILES])
def test_a_file_is_shown_under_its_name(block: Block) -> None:
    """The mark above a block is a comment, which no reader sees."""
    head = BY_PATH[block.page].text.split(f"<!-- file: {block.said} -->\n```{block.language}\n{block.text}")[0]
    assert head.endswith(f"`{block.said}`:\n\n")


YAML = [block for page in PAGES for block in page.blocks if block.language == "yaml"]


@pytest.mark.parametrize("block", [pytest.param(b, id=b.name) for b in YAML])
def test_every_yaml_block_is_read(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "block.yaml"
    if block.mark == "policy":
        head = "" if block.text.startswith("name:") else "name: block\nversion: '1'\n"
        rest = "" if "require:" in block.text else "require:\n  - {check: class_collapse}\n"
        file.write_text(head + block.text + rest, encoding="utf-8")
        assert spec.load_policy(file).require
    elif block.mark == "experiment":
        monkeypatch.chdir(ROOT)
        whole = (ROOT / "search_spaces" / "adult_income.yaml").read_text(encoding="utf-8")
        given = {line.partition(":")[0] for line in block.text.splitlines() if re.match(r"[a-z_]+:", line)}
        kept = [part for part in re.split(r"(?m)^(?=[a-z_]+:)", whole) if part.partition(":")[0] not in given]
        file.write_text("".join(kept) + "\n" + block.text, encoding="utf-8")
        if "kind: ray" in block.text:
            pytest.importorskip("ray")  # without it such a file is refused
        assert spec.load(file)
    else:
        file.write_text(block.text, encoding="utf-8")
        reader.read(file, "block")


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as MkDocs and repository hosts make them."""
    heads = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?ms)^```.*?^```$", "", text))
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", head) for head in heads]
    return {re.sub(r"[^\w\s-]", "", head).strip().lower().replace(" ", "-") for head in plain}


@pytest.mark.parametrize("path", [page.path for page in PAGES])
def test_every_local_link_leads_somewhere(path: str) -> None:
    text = re.sub(r"(?ms)^```.*?^```$", "", BY_PATH[path].text)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        to = ((ROOT / path).parent / file).resolve() if file else ROOT / path
        assert to.exists(), f"{path} links to {target}"
        assert ROOT in to.parents, f"{path} links out of the project: {target}"
        if anchor:
            assert anchor in anchors(to.read_text(encoding="utf-8")), f"{path} links to {target}"


def test_the_reference_is_what_the_plugins_say() -> None:
    made = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    assert made is not None
    assert made.loader is not None
    module = importlib.util.module_from_spec(made)
    made.loader.exec_module(module)
    committed = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert committed == module.page(), "python docs/make_reference.py writes it anew"


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("material")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reference" / "index.html").is_file()


def test_the_readmes_figures_are_those_of_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    figures = importlib.import_module("readme_figures")
    text = BY_PATH["README.md"].text
    assert {found[2] for found in figures.MARK.finditer(text)} == set(figures.FIGURES)
    assert text == figures.filled(text), "python benchmarks/readme_figures.py writes them anew"
    assert figures.filled(text.replace("-->1.2<!--", "-->9.9<!--")) == text
