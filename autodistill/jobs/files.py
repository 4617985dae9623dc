"""What a candidate leaves in its folder. Copies: the journal is the truth while a search runs."""

from pathlib import Path
from urllib.parse import quote

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from autodistill.errors import RunError
from autodistill.records import Entry, Predictions, encode


def keep(home: Path, what: Entry | Predictions) -> None:
    """Write an entry (``entry.json``) or predictions (``predictions.<view>.parquet``) whole, or raise RunError."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        if isinstance(what, Entry):
            data, name = msgspec.json.format(encode(what), indent=1), "entry.json"
        else:
            data, name = _parquet(what), f"predictions.{quote(what.view, safe='')}.parquet"
        part = home / f".{name}.part"
        part.touch(mode=0o600)  # row ids, decisions and group cells can be personal data
        part.write_bytes(data)
        part.replace(home / name)
    except OSError as fault:
        raise RunError(
            f"cannot be written ({fault.strerror})",
            where=str(home),
            do="free some space; every candidate finished before is kept, and the same command goes on",
        ) from fault


def _parquet(what: Predictions) -> bytes:
    columns = {"row_id": what.row_ids, "decision": what.decisions}
    columns |= {f"score_{at}": what.scores[:, at] for at in range(what.scores.shape[1])}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return bytes(sink.getvalue())
