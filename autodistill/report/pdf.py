"""A report as a PDF: its page printed by a Chromium of this machine, without a network, a shell or the user's profile.

The PDF is a view of ``report.html`` for people who file paper. No statement is about it, and `autodistill verify` does
not look at it.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from autodistill.errors import UserError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
NAMED = "AUTODISTILL_CHROMIUM"
SECONDS = 120.0
QUIET = (
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-pdf-header-footer",
    "--virtual-time-budget=5000",  # the chart draws itself when its place is known
)


def browser() -> str:
    """The Chromium to print with: what ``AUTODISTILL_CHROMIUM`` names, else the first on the PATH.

    Raises:
        UserError: there is none.
    """
    said = os.environ.get(NAMED)
    found = shutil.which(said) if said else next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        what = f"{said!r} is no program" if said else "no Chromium or Chrome is here to print with"
        do = f"install one, name it with {NAMED}, or print report.html from any browser"
        raise UserError(what, where=NAMED if said else "--pdf", do=do)
    return found


def write(page: Path, out: Path, seconds: float = SECONDS) -> Path:
    """Print an HTML file to ``out``, which appears whole or not at all, readable by its owner only.

    Raises:
        UserError: there is no Chromium, it fails or takes longer than so many seconds, or ``out`` cannot be written.
    """
    program = browser()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        made = Path(home) / "page.pdf"
        command = [program, *QUIET, f"--user-data-dir={home}/profile", f"--print-to-pdf={made}"]
        command += ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium starts no sandbox for root
        code, said = _run([*command, page.resolve().as_uri()], seconds)
        if code or not made.is_file() or not made.read_bytes().startswith(b"%PDF-"):
            raise UserError(f"did not print: {_last(said)}", where=program, do=f"see {NAMED}")
        return _put(out, made.read_bytes())


def _run(command: list[str], seconds: float) -> tuple[int, bytes]:
    """Exit code of a program and what it complained of; it and its children end in time."""
    none = subprocess.DEVNULL
    try:
        with subprocess.Popen(
            command, stdin=none, stdout=none, stderr=subprocess.PIPE, start_new_session=True
        ) as started:
            try:
                _, said = started.communicate(timeout=seconds)
            except BaseException:
                os.killpg(started.pid, signal.SIGKILL)  # a Chromium is many processes, often behind a script
                raise
            return started.returncode, said
    except subprocess.TimeoutExpired:
        raise UserError(f"did not print within {seconds:g} s", where=command[0], do="try again later") from None
    except OSError as fault:
        raise UserError(f"cannot be started ({fault.strerror})", where=command[0], do=f"see {NAMED}") from None


def _put(out: Path, data: bytes) -> Path:
    part = out.with_name(f".{out.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        part.replace(out)
    except OSError as fault:
        raise UserError(f"cannot be written ({fault.strerror})", where=str(out), do="give --pdf another FILE") from None
    return out


def _last(said: bytes) -> str:
    """What a program said last, in one line."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it gave no reason"
