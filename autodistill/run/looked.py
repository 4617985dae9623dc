"""What makes a look this one and no other: the digests of the rows that are read, and who is judged on them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from autodistill.errors import RunError
from autodistill.records import digest, encode

ROWS = "rows.parquet"


def row_digests(path: Path, split: str) -> npt.NDArray[Any]:
    """The digests of one split's rows and nothing else of them; RunError where they cannot be read."""
    try:
        if not path.is_file():  # reading a pipe would wait for ever
            raise OSError("missing, or no file")
        table = pq.ParquetFile(path).read(columns=["split", "row_digest"], use_threads=False)
        # As lists: for arrays of text pyarrow opens pandas, which a verifier has no other need of.
        at = np.array(table["split"].to_pylist(), dtype=object) == split
        return np.asarray(np.array(table["row_digest"].to_pylist(), dtype=object)[at].astype(str))
    except (OSError, KeyError, ValueError) as fault:  # pyarrow's own errors are ValueErrors
        why = " ".join(str(fault).split())[:120]
        raise RunError(f"rows cannot be read: {why}", where=str(path), do="restore the file") from None


def audited(digests: Mapping[str, str], question: Mapping[str, Any]) -> str:
    """The one candidate of an audit's look: what the models said, and of which classes, groups and clusters it is
    asked.

    Whoever asks of other groups, or beside another control, looks again: else the groups that pass could be picked.
    """
    kept = {name: question[name] for name in ("positive", "favourable", "cluster", "cross")}
    models = {who: digests[who] for who in ("teacher", "student", "control") if who in digests}
    return digest(encode({**models, **kept, "groups": sorted(question["groups"])}))
