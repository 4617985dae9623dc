"""Readings on disk: what a search measured, so that it can be replayed, or taken on the device that matters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from autodistill.errors import RunError
from autodistill.measure import machine
from autodistill.records import FORMAT, Reading, decode, encode


@dataclass(frozen=True, kw_only=True, slots=True)
class Book:
    """Readings by key (an architecture's, "teacher", a control's name) and the environment they were taken in."""

    format: int = FORMAT
    environment: Mapping[str, Any] = field(default_factory=machine.environment)
    readings: Mapping[str, Mapping[str, Reading]] = field(default_factory=dict)

    def get(self, key: str) -> Mapping[str, Reading]:
        """The readings of a key, exactly as recorded; RunError where they are not."""
        if key not in self.readings:
            raise RunError(
                f"the recorded readings have none for '{key}'",
                where="measure.from",
                do="measure it there and record it, or leave `from` out to measure here",
            )
        return self.readings[key]

    def plus(self, key: str, readings: Mapping[str, Reading]) -> "Book":
        """This book with the readings of one key put in or replaced."""
        merged = {**self.readings, key: readings}
        return Book(format=self.format, environment=self.environment, readings=merged)

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        try:
            machine.write(path, msgspec.json.format(encode(self), indent=1) + b"\n")
        except OSError as error:
            raise RunError(
                f"cannot be written ({error.strerror})", where=str(path), do="choose another place"
            ) from None


def load(path: Path) -> Book:
    """Read a book; RunError where it is not one, or of a later format."""
    try:
        book = decode(path.read_bytes(), Book)
    except OSError as error:
        raise RunError(f"cannot be read ({error.strerror})", where=str(path), do="name a readings.json") from None
    except msgspec.DecodeError as error:
        raise RunError(f"not recorded readings: {error}", where=str(path), do="name a readings.json") from None
    if book.format != FORMAT:
        raise RunError(f"format {book.format}, this version reads {FORMAT}", where=str(path), do="update autodistill")
    return book
