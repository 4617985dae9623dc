"""Where this machine's own files are: labels and readings that were made before, and the key of its auditor."""

from pathlib import Path

import platformdirs

NAME = "autodistill"


def cache_folder() -> Path:
    """The user's cache: labels and readings by content; safe to delete."""
    return Path(platformdirs.user_cache_dir(NAME, appauthor=False))


def config_folder() -> Path:
    """The user's configuration: the auditor's key."""
    return Path(platformdirs.user_config_dir(NAME, appauthor=False))
