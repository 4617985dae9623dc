"""The verbs: parse, call, print, exit code. Heavy libraries are imported only inside the verb that needs them."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from autodistill.cli.arguments import parser
from autodistill.errors import UserError

__all__ = ["INCONCLUSIVE", "INTERRUPTED", "OK", "REFUSED", "WRONG", "main", "parser"]

OK, REFUSED, WRONG, INCONCLUSIVE, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; the exit code."""
    known = parser()
    asked = known.parse_args(arguments)
    if asked.verb is None and not asked.version:
        known.error("a VERB is needed, such as init, check or search")
    try:
        if asked.directory is not None:
            if not asked.directory.is_dir():
                raise UserError("is not a directory", where=str(asked.directory), do="name one that exists with -C")
            os.chdir(asked.directory)
        verb = "version" if asked.version else asked.verb
        module: ModuleType = import_module(f"autodistill.cli.{verb}")
        return int(module.run(asked))
    except UserError as fault:
        print(f"autodistill: {fault}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("\ninterrupted: nothing that was finished is lost; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not an error, and nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
