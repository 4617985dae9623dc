"""The ``nightly:`` block of an experiment file: how long a night may last, and who is told of it."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from autodistill.errors import SpecError
from autodistill.plugins import suggest, validate
from autodistill.spec.reader import Node

NIGHTLY = ("minutes", "notify")


@dataclass(frozen=True, kw_only=True, slots=True)
class Nightly:
    """``minutes`` of a whole night (None: those of the budget). ``notify`` are addresses as Apprise reads them; one
    that begins with ``$`` names an environment variable that holds it, so that no secret stands in the file."""

    minutes: (
        Annotated[float, Field(gt=0, le=1_000_000, description="of the whole night; null: those of the budget")] | None
    ) = None
    notify: Annotated[tuple[str, ...], Field(description="addresses for Apprise; $NAME: of the environment")] = ()


def read_nightly(node: Node) -> Nightly:
    """The block of a file, or what holds without one. Raises SpecError with ``file:line: key``."""
    if "nightly" not in node.data:
        return Nightly()
    place = node.at("nightly")
    if not isinstance(place.data, dict):
        what = f"should be a mapping, not {place.plain()!r}"
        raise SpecError(what, where=place.where(), do=f"it has {', '.join(NIGHTLY)}")
    for key in place.data:
        if key not in NIGHTLY:
            raise SpecError(f"nightly has no {key!r}", where=place.where((key,)), do=suggest(key, NIGHTLY))
    values: dict[str, Any] = place.plain()
    urls = values.pop("notify", [])
    if not isinstance(urls, list) or not all(isinstance(one, str) and one.strip() for one in urls):
        do = "for example [$NIGHTLY_URL], an environment variable that holds the address"
        raise SpecError("should be a list of addresses", where=place.where(("notify",)), do=do)
    checked: Nightly = validate(Nightly, values, place.where)
    return Nightly(minutes=checked.minutes, notify=tuple(urls))
