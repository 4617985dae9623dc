"""``autodistill doctor``."""

import argparse
import json
from dataclasses import asdict

from autodistill.cli.display import console

OK, BROKEN = 0, 1
STYLE = {"ok": "green", "absent": "yellow", "broken": "bold red"}


def run(asked: argparse.Namespace) -> int:
    """One line for each thing that this machine has or lacks; 1 where something that is needed is broken."""
    from autodistill.run.health import examined

    lines = examined()
    broken = any(line.state == "broken" for line in lines)
    if asked.json:
        print(json.dumps({"usable": not broken, "lines": [asdict(line) for line in lines]}))
        return BROKEN if broken else OK
    out = console()
    wide = max(len(line.name) for line in lines)
    for line in lines:
        way = f"  -> {line.do}" if line.do else ""
        out.print(f"{line.state:<6}  {line.name:<{wide}}  {line.said}{way}", style=STYLE[line.state], soft_wrap=True)
    said = "Something that is needed is broken: see above." if broken else "Everything that is needed works."
    out.print(said, style="bold red" if broken else "bold green")
    return BROKEN if broken else OK
