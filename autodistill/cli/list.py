"""``autodistill list [ROOM]``."""

import argparse
import json
from typing import Any

from autodistill.errors import UserError

ROOMS = ("inputs", "teachers", "students", "losses", "checks", "meters", "controls")


def run(asked: argparse.Namespace) -> int:
    """Print what an experiment file or a policy can name."""
    from autodistill import plugins

    if asked.room is not None and asked.room not in ROOMS:
        raise UserError(f"there is no room {asked.room!r}", do=plugins.suggest(asked.room, ROOMS))
    rooms = ROOMS if asked.room is None else (asked.room,)
    found: dict[str, dict[str, Any]] = {
        room: {
            name: {
                "what": plugins.describe(room, name),
                "options": {
                    o.name: {"type": o.type, "default": None if o.required else o.default, "required": o.required,
                             "doc": o.doc}
                    for o in plugins.options(room, name)
                },
            }
            for name in plugins.names(room)
        }
        for room in rooms
    }  # fmt: skip
    if asked.json:
        print(json.dumps(found, default=str))
        return 0
    for room, names in found.items():
        print(room)
        for name, about in names.items():
            print(f"  {name}: {about['what']}")
            for option, said in about["options"].items():
                default = "required" if said["required"] else f"default {said['default']!r}"
                print(f"      {option} ({said['type']}, {default}) {said['doc']}".rstrip())
    return 0
