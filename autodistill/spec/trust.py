"""The trust file: which public keys a verifier believes, in which role, from when to when."""

import base64
import binascii
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from autodistill.errors import SpecError
from autodistill.plugins import suggest, validate
from autodistill.records import digest
from autodistill.records.trust import Trust, TrustedKey
from autodistill.spec.reader import Node, read

DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One key of the file."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    role: Literal["auditor", "approver"]
    public: Annotated[str, Field(min_length=44, max_length=44, description="base64 of the 32 bytes")]
    since: str | None = None
    until: str | None = None


def load_trust(path: str | Path) -> Trust:
    """Read a trust file (``keys: [{name, role, public, since, until}]``). Raises SpecError with ``file:line: key``."""
    node = read(path, "trust file")
    for key in node.data:
        if key != "keys":
            raise SpecError(f"a trust file has no {key!r}", where=node.where((key,)), do=suggest(key, ["keys"]))
    listed = node.data.get("keys")
    if listed is None or not isinstance(listed.data, list) or not listed.data:
        do = "list them: keys: [{name: …, role: approver, public: …}]; `autodistill keygen` prints such a line"
        raise SpecError("no keys", where=node.where(("keys",)), do=do)
    keys = tuple(_key(item) for item in listed.data)
    for at, one in enumerate(keys):
        if any(base64.b64decode(other.public) == base64.b64decode(one.public) for other in keys[:at]):
            do = "one key has one role: give the other person a key of their own"
            raise SpecError(f"the key of {one.name!r} is listed twice", where=listed.data[at].where(), do=do)
    return Trust(keys=keys, path=str(path), sha256=digest(Path(path).read_bytes()))


def _key(node: Node) -> TrustedKey:
    if not isinstance(node.data, dict):
        raise SpecError("should be a mapping", where=node.where(), do="{name: …, role: approver, public: …}")
    line = validate(Line, node.plain(), node.where)
    try:
        fits = len(base64.b64decode(line.public, validate=True)) == 32
    except binascii.Error:
        fits = False
    if not fits:
        do = "copy the line that `autodistill keygen` printed"
        raise SpecError("not an Ed25519 public key in base64", where=node.where(("public",)), do=do)
    for name in ("since", "until"):
        day = getattr(line, name)
        if day is not None and not DAY.fullmatch(day):
            raise SpecError(f"{day!r} is not a day", where=node.where((name,)), do="write YYYY-MM-DD")
    return TrustedKey(name=line.name, role=line.role, public=line.public, since=line.since, until=line.until)
