"""Ed25519 keys: made, kept for their owner only, loaded, named by the digest of their public half."""

import base64
import contextlib
import os
from pathlib import Path

import platformdirs
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from autodistill.errors import SignatureError
from autodistill.records import digest

AUDITOR = "auditor.pem"


def auditor_path() -> Path:
    """Where the key of this machine's auditor is: the user's configuration folder, never a run's."""
    return Path(platformdirs.user_config_dir("autodistill", appauthor=False)) / AUDITOR


def auditor() -> Ed25519PrivateKey:
    """The machine's own key, made at its first use (mode 0600). Raises ``SignatureError`` where it cannot be."""
    path = auditor_path()
    if not path.exists():
        try:
            with contextlib.suppress(FileExistsError):  # another process was faster: its key is the key
                make(path)
        except SignatureError as fault:
            do = "this machine's auditor signs what a run finds: make that folder writable, or set XDG_CONFIG_HOME"
            raise SignatureError(fault.what, where=fault.where, do=do) from None
    return load(path)


def make(path: Path, passphrase: str | None = None) -> Ed25519PrivateKey:
    """A new private key at ``path``, mode 0600, encrypted where a passphrase is given; never over another file."""
    key = Ed25519PrivateKey.generate()
    how = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Written apart and linked into place: a reader never sees half a key, and an existing file wins.
        part = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(part, path)
        finally:
            part.unlink()
    except FileExistsError:
        if not path.exists():  # a file stands where its folder should be
            raise SignatureError(
                "the key cannot be written (not a folder)", where=str(path.parent), do="--out"
            ) from None
        raise
    except OSError as fault:
        raise SignatureError(f"the key cannot be written ({fault.strerror})", where=str(path), do="--out") from None
    return key


def load(path: Path, passphrase: str | None = None) -> Ed25519PrivateKey:
    """A private key; raises ``SignatureError`` where it is no Ed25519 key, is encrypted, or others may read it."""
    try:
        data = path.read_bytes()
    except OSError as fault:
        why = fault.strerror or "unreadable"
        raise SignatureError(f"no key ({why})", where=str(path), do="make one: autodistill keygen --out FILE") from None
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise SignatureError("others can read this key", where=str(path), do=f"chmod 600 {path.name}")
    try:
        key = load_pem_private_key(data, passphrase.encode() if passphrase else None)
    except TypeError:
        do = "give its passphrase in AUTODISTILL_KEY_PASSPHRASE" if passphrase is None else "it has no passphrase"
        raise SignatureError("the key and the passphrase do not fit", where=str(path), do=do) from None
    except ValueError:
        what = "not a private key in PEM, or the passphrase is wrong"
        raise SignatureError(what, where=str(path), do="make one: autodistill keygen --out FILE") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SignatureError("not an Ed25519 key", where=str(path), do="make one: autodistill keygen --out FILE")
    return key


def public_text(key: Ed25519PrivateKey | Ed25519PublicKey) -> str:
    """The public half as base64 of its 32 bytes, as a trust file lists it."""
    half = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return base64.b64encode(half.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def key_id(public: str) -> str:
    """The name of a key: SHA-256 of its public 32 bytes."""
    return digest(base64.b64decode(public))


def signed(public: str, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` over ``message`` is by the key with this public half."""
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True)).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
