"""What this machine can measure and run, line by line; only the standard library, so that it says what is broken."""

import os
import platform
import re
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from autodistill.run.sighted import Line, clock, cores, cuda, energy, governor, memory, noise, threads

DISTRIBUTION = "autodistill-audit"
NAME = re.compile(r"[A-Za-z0-9._-]+")
EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
OURS = frozenset({"dev"})  # for those who work on this package
OLDEST = (3, 11)


def examined() -> tuple[Line, ...]:
    """Every line, what is needed first."""
    needed, extras = _requirements()
    lines = [_python(), _packages(needed), _names()]
    lines += [cores(), memory(), governor(), noise(), clock(), energy(), cuda(), threads()]
    lines += [_chromium(), *(_extra(name, wanted) for name, wanted in extras.items()), *_places()]
    return tuple(lines)


def _python() -> Line:
    version = platform.python_version()
    if sys.version_info < OLDEST:
        return Line(name="python", state="broken", said=version, do="install Python 3.11 or newer")
    return Line(name="python", state="ok", said=f"{version}, {platform.platform(terse=True)}")


def _requirements() -> tuple[list[str], dict[str, list[str]]]:
    """The distributions that this package needs, and those of each of its extras."""
    needed: list[str] = []
    extras: dict[str, list[str]] = {}
    try:
        listed = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return [DISTRIBUTION], {}
    for one in listed:
        found, extra = NAME.match(one), EXTRA.search(one)
        if found is None or (extra is not None and extra[1] in OURS):
            continue
        (needed if extra is None else extras.setdefault(extra[1], [])).append(found[0])
    return needed, dict(sorted(extras.items()))


def _missing(names: list[str]) -> list[str]:
    missing = []
    for name in names:
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    return missing


def _packages(needed: list[str]) -> Line:
    missing = _missing(needed)
    if missing:
        do = f"pip install {' '.join(missing)}"
        return Line(name="packages", state="broken", said=f"not installed: {', '.join(missing)}", do=do)
    return Line(name="packages", state="ok", said=f"all {len(needed)} that are needed are installed")


def _names() -> Line:
    """Whether another distribution puts files under the import name that this one has."""
    others = {name for name in metadata.packages_distributions().get("autodistill", []) if name != DISTRIBUTION}
    here = str(Path(__file__).parents[1])
    if others:
        listed = ", ".join(sorted(others))
        what = f"{listed} installs the import name autodistill too, over or under this package's files"
        do = f"pip uninstall {' '.join(sorted(others))}, then pip install --force-reinstall --no-deps {DISTRIBUTION}; "
        return Line(
            name="import name", state="broken", said=what, do=do + "or keep the two in environments of their own"
        )
    return Line(name="import name", state="ok", said=f"autodistill is this package ({here})")


def _chromium() -> Line:
    try:
        from autodistill.errors import UserError
        from autodistill.report import pdf

        return Line(name="PDF", state="ok", said=f"printed by {pdf.browser()}")
    except UserError as fault:
        return Line(name="PDF", state="absent", said=fault.what, do=fault.do)
    except ImportError as fault:
        return Line(name="PDF", state="absent", said=f"cannot be asked ({fault})", do="mend the packages first")


def _extra(name: str, wanted: list[str]) -> Line:
    missing = _missing(wanted)
    if missing:
        do = f"pip install '{DISTRIBUTION}[{name}]'"
        return Line(name=f"extra {name}", state="absent", said=f"not installed: {', '.join(missing)}", do=do)
    return Line(name=f"extra {name}", state="ok", said=", ".join(f"{one} {metadata.version(one)}" for one in wanted))


def _places() -> list[Line]:
    """The folders that are written to, and the auditor's key."""
    if find_spec("platformdirs") is None:
        return [Line(name="folders", state="broken", said="platformdirs is missing", do="pip install platformdirs")]
    from autodistill.run.places import cache_folder, config_folder

    key = config_folder() / "auditor.pem"
    lines = [
        _writable("cache", cache_folder(), "XDG_CACHE_HOME"),
        _writable("configuration", config_folder(), "XDG_CONFIG_HOME"),
        _writable("reports", Path("reports"), ""),
    ]
    if key.is_file():
        return [*lines, Line(name="auditor key", state="ok", said=f"{key}; it signs what a run finds")]
    do = "made at the first run that needs it; autodistill keygen --auditor makes it now"
    return [*lines, Line(name="auditor key", state="absent", said=f"none yet at {key}", do=do)]


def _writable(name: str, folder: Path, variable: str) -> Line:
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        new = "" if folder.exists() else " (made when it is needed)"
        return Line(name=f"{name} folder", state="ok", said=f"{folder} can be written{new}")
    do = f"make it writable, or set {variable}" if variable else "work in a folder that can be written, or use -C DIR"
    return Line(name=f"{name} folder", state="broken", said=f"{folder} cannot be written", do=do)
