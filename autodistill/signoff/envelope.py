"""DSSE: a payload and signatures over its type and its bytes, so that neither can be exchanged.

Dead Simple Signing Envelope v1.0.0: what is signed is PAE(type, payload).
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from autodistill.errors import SignatureError
from autodistill.records import encode
from autodistill.signoff import keys

IN_TOTO = "application/vnd.in-toto+json"


def pae(kind: str, payload: bytes) -> bytes:
    """The pre-authentication encoding of a payload and its type."""
    name = kind.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def seal(statement: Mapping[str, Any], key: Ed25519PrivateKey) -> bytes:
    """A statement as a signed envelope, as the bytes of its file."""
    payload = encode(dict(statement))
    signature = key.sign(pae(IN_TOTO, payload))
    name = keys.key_id(keys.public_text(key))
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": IN_TOTO,
        "signatures": [{"keyid": name, "sig": base64.b64encode(signature).decode()}],
    }
    return msgspec.json.format(msgspec.json.encode(envelope), indent=1) + b"\n"


def unseal(data: bytes, trusted: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """The statement in an envelope and the id of the trusted key that signed it.

    ``trusted`` maps key ids to public halves; it comes from the verifier, never from the envelope. Raises
    ``SignatureError`` where the envelope is none, is of another type, or no trusted key signed it.
    """
    payload, kind, signatures = _parts(data)
    if kind != IN_TOTO:
        raise SignatureError(f"its payload is of type {kind!r}, not {IN_TOTO}")
    message = pae(kind, payload)
    named = []
    for signature in signatures:
        name = str(signature.get("keyid", ""))
        named.append(name[:12] or "unnamed")
        public = trusted.get(name)
        if public is not None and keys.signed(public, _bytes(signature.get("sig")), message):
            return _statement(payload), name
        if public is not None:
            raise SignatureError(f"the signature by key {name[:12]} is not over these bytes: they were changed")
    raise SignatureError(f"it is signed by no trusted key (by {', '.join(named) or 'none'})")


def peek(data: bytes) -> dict[str, Any]:
    """The statement in an envelope, its signature not checked: for what is only shown."""
    return _statement(_parts(data)[0])


def _parts(data: bytes) -> tuple[bytes, str, list[dict[str, Any]]]:
    try:
        envelope = msgspec.json.decode(data)
        payload = base64.b64decode(envelope["payload"], validate=True)
        kind, signatures = str(envelope["payloadType"]), list(envelope["signatures"])
    except (msgspec.DecodeError, binascii.Error, KeyError, TypeError, ValueError, RecursionError):
        raise SignatureError("it is not a signed envelope (DSSE)") from None
    return payload, kind, [one for one in signatures if isinstance(one, dict)]


def _bytes(text: Any) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _statement(payload: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("predicate"), dict):
        raise SignatureError("its payload is not a statement")
    return found
