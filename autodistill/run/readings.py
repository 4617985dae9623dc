"""A run's readings as a book, so that the same search can be replayed exactly on another day."""

from collections.abc import Sequence

from autodistill.jobs import Workshop
from autodistill.measure import TEACHER, Book
from autodistill.records import Entry
from autodistill.run.beside import Beside
from autodistill.run.certify import FINAL, Certification


def readings_of(shop: Workshop, entries: Sequence[Entry], found: Certification, controls: Sequence[Beside]) -> Book:
    """What the search saw of every candidate under its key, and beside it what certification saw (``key@final``)."""
    kept = {shop.reading_key(entry.candidate): entry.readings for entry in entries if entry.readings}
    kept[TEACHER] = shop.teacher_readings
    kept[TEACHER + FINAL] = found.teacher_readings
    for one in found.shortlist:
        kept[shop.reading_key(one.entry.candidate) + FINAL] = one.entry.readings
    for control in controls:
        if control.candidate is not None and control.readings:
            kept.setdefault(shop.reading_key(control.candidate), control.readings)
        elif control.readings:  # of the teacher: a member, or itself made smaller
            kept[f"{shop.teacher.digest[:12]}-{control.name.replace('_', '-')}"] = control.readings
    return Book(environment=shop.lab.environment, readings=kept)
