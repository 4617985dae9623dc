"""What a candidate leaves in its folder. Copies: the journal is the truth while a search runs."""

import errno
from pathlib import Path
from urllib.parse import quote

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from autodistill.errors import RunError
from autodistill.records import Entry, Predictions, encode

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""What a disk says that takes no more: not one candidate's fault, but the whole run's."""


def keep(home: Path, what: Entry | Predictions) -> None:
    """Write an entry (``entry.json``) or predictions (``predictions.<view>.parquet``) whole, or raise RunError."""
    if isinstance(what, Entry):
        write(home / "entry.json", msgspec.json.format(encode(what), indent=1))
    else:
        write(home / f"predictions.{quote(what.view, safe='')}.parquet", _parquet(what))


def write(path: Path, data: bytes) -> None:
    """Write a file that its owner alone may read, whole or not at all, or raise RunError."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch(mode=0o600)  # row ids, decisions and group cells can be personal data
        part.write_bytes(data)
        part.replace(path)
    except OSError as fault:
        raise unwritable(fault, path.parent) from fault


def unwritable(fault: OSError, where: Path) -> RunError:
    """What to tell a person of a disk that takes no more."""
    return RunError(
        f"cannot be written ({fault.strerror})",
        where=str(where),
        do="free some space; every candidate finished before is kept, and the same command goes on",
    )


def disk_of(fault: BaseException | None) -> OSError | None:
    """The disk's refusal that a fault comes from, however libraries wrapped it; None where there is none."""
    while fault is not None:
        if isinstance(fault, OSError) and fault.errno in UNWRITABLE:
            return fault
        fault = fault.__cause__ or fault.__context__
    return None


def _parquet(what: Predictions) -> bytes:
    columns = {"row_id": what.row_ids, "decision": what.decisions}
    columns |= {f"score_{at}": what.scores[:, at] for at in range(what.scores.shape[1])}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return bytes(sink.getvalue())
