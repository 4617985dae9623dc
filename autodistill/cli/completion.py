"""``autodistill completion SHELL``."""

import argparse
import json
from pathlib import Path
from typing import Any

import shtab

from autodistill.cli.arguments import parser

HOW = {
    "bash": "autodistill completion bash > ~/.local/share/bash-completion/completions/autodistill",
    "zsh": "autodistill completion zsh > DIR/_autodistill, where DIR is on $fpath",
    "fish": "autodistill completion fish > ~/.config/fish/completions/autodistill.fish",
    "tcsh": "autodistill completion tcsh > FILE, and source FILE in ~/.tcshrc",
    "powershell": "autodistill completion powershell > FILE.ps1, and dot-source it in $PROFILE",
}


def run(asked: argparse.Namespace) -> int:
    """Print the script on stdout."""
    top = parser()
    _paths(top)
    script = shtab.complete(top, asked.shell)
    print(json.dumps({"shell": asked.shell, "script": script, "install": HOW[asked.shell]}) if asked.json else script)
    return 0


def _paths(one: argparse.ArgumentParser) -> None:
    """Files complete where a file is due, folders where a folder is."""
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in dict.fromkeys(action.choices.values()):
                _paths(sub)
        elif action.type is Path:
            kept: Any = action  # the attribute is shtab's own way of being told
            kept.complete = shtab.DIRECTORY if action.metavar in {"DIR", "RUN"} else shtab.FILE
