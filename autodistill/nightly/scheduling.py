"""The entry that makes a scheduler run the nights: printed, never installed. It holds no secret."""

import shlex
import sys
from pathlib import Path

from autodistill.errors import UserError

HOUR = 2


def entry(kind: str, file: Path, minutes: float | None = None, trust: Path | None = None) -> str:
    """What to install for ``cron`` (a crontab line) or ``systemd`` (a service and its timer, each under its name)."""
    command = [sys.executable, "-m", "autodistill", "nightly", str(file.resolve())]
    command += [] if minutes is None else ["--minutes", f"{minutes:g}"]
    command += [] if trust is None else ["--trust", str(trust.resolve())]
    here = str(Path.cwd())
    for part in (here, *command):
        if any(ord(sign) < 32 for sign in part):
            raise UserError("holds a line break or a control character", where=repr(part), do="rename it")
    return _cron(here, command) if kind == "cron" else _systemd(here, command, file)


def _cron(here: str, command: list[str]) -> str:
    """A crontab line: the shell reads it, and before that cron takes an unescaped ``%`` for a line break."""
    log = shlex.quote(str(Path(here) / "reports" / "nightly.log"))
    line = f"cd {shlex.quote(here)} && mkdir -p reports && {shlex.join(command)} >> {log} 2>&1"
    told = "# crontab -e; an address for $NAME in notify: is set in a line of its own above: NAME=json://…"
    return f"{told}\n0 {HOUR} * * * {line.replace('%', chr(92) + '%')}\n"


def _systemd(here: str, command: list[str], file: Path) -> str:
    """Two units. A night that was cut off goes on at the next start; failing is said by its exit code."""
    name = "autodistill-nightly-" + "".join(s if s.isalnum() or s in "-_." else "-" for s in file.stem)
    path = here.replace("%", "%%")
    return f"""# ~/.config/systemd/user/{name}.service
[Unit]
Description=autodistill nightly {file.stem.replace("%", "%%")}

[Service]
Type=oneshot
WorkingDirectory={path}
ExecStart={" ".join(_quoted(part) for part in command)}
SuccessExitStatus=3
# Addresses for $NAME in notify: NAME=json://… in a file that only you can read.
EnvironmentFile=-%h/.config/autodistill/nightly.env

# ~/.config/systemd/user/{name}.timer
[Unit]
Description=Every night at {HOUR:02d}:00

[Timer]
OnCalendar=*-*-* {HOUR:02d}:00:00
Persistent=true

[Install]
WantedBy=timers.target

# Then: systemctl --user enable --now {name}.timer
"""


def _quoted(part: str) -> str:
    """One word of ExecStart: systemd has C escapes, ``%`` specifiers and ``$`` variables of its own."""
    for sign, safe in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        part = part.replace(sign, safe)
    return f'"{part}"' if not part.isascii() or any(s in part for s in " ;'\"\t") else part
