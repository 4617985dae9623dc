"""The versions that a figure depends on."""

import platform
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from autodistill import __version__


def environment(packages: Sequence[str]) -> dict[str, Any]:
    """Versions of this package, of Python, the platform and ``packages``."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return {
        "autodistill": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "packages": found,
    }
