"""Tell people how a night ended, through Apprise. Nobody being told is a note, never a failure."""

import logging
import os
import warnings
from collections.abc import Sequence

from autodistill.errors import UserError
from autodistill.nightly.recorded import Record

INSTALL = "pip install 'autodistill-audit[notify]'"


def addresses(said: Sequence[str]) -> tuple[str, ...]:
    """Addresses as Apprise reads them; ``$NAME`` stands for the environment variable that holds one or more."""
    found: list[str] = []
    for one in said:
        if not one.startswith("$"):
            found.append(one)
            continue
        name = one.strip("${}")
        value = os.environ.get(name)
        if not value:
            raise UserError(f"the environment has no {name}", where="notify", do="set it, or take it out of the list")
        found += value.split()
    return tuple(dict.fromkeys(found))


def notify(urls: Sequence[str], record: Record) -> list[str]:
    """Send the night's line to every address; notes on those that it did not reach, without their secrets."""
    if not urls:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a messenger says of its own libraries is no concern of the night
        return _told(urls, record)


def _told(urls: Sequence[str], record: Record) -> list[str]:
    try:
        import apprise
    except ImportError:
        return [f"nobody was told: apprise is not installed ({INSTALL})"]
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    kind = {0: apprise.NotifyType.SUCCESS, 3: apprise.NotifyType.WARNING}.get(
        record.exit_code, apprise.NotifyType.FAILURE
    )
    notes = []
    for at, url in enumerate(urls, start=1):
        where = f"address {at} of {len(urls)} ({url.partition(':')[0]})"
        try:
            to = apprise.Apprise()
            if not to.add(url):
                notes.append(f"{where} is not one that Apprise knows")
            elif not to.notify(
                title=f"autodistill nightly: {record.name} {record.outcome}", body=line(record), notify_type=kind
            ):
                notes.append(f"{where} was not reached")
        except Exception as fault:  # a messenger may raise anything, and the night has ended well
            notes.append(f"{where} was not reached ({type(fault).__name__})")
    return notes


def line(record: Record) -> str:
    """The night in one line, for a person."""
    return f"{record.name} {record.date}: {record.outcome}: {record.sentence}"
