"""New rows through the student of a finished run: the artefact's own decisions and probabilities."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from autodistill import data, report, runtime
from autodistill.errors import RunError
from autodistill.records import batches, digest

KEY = re.compile(r"[0-9a-f]{12}-\d+")  # of a candidate: a report from elsewhere must not lead out of its folder


def predict(run: str | Path, table: str | Path, *, uncertified: bool = False) -> pd.DataFrame:
    """Decisions (``label``) and ``probability_<class>`` for each row of a table, in its order.

    Only the certified student answers, unless ``uncertified``: then the finalist does. Raises RunError where there is
    none, TableError where the table lacks a column of the student's.
    """
    folder = Path(run)
    found = report.read(folder)
    key = found["certified"] or (found["finalist"] if uncertified else None)
    if key is None:
        way = "--uncertified uses the finalist" if found["finalist"] else "search on, with a larger budget"
        raise RunError("no student of this run is certified", where=str(folder), do=way)
    name = f"candidates/{key}/student.onnx"
    path = folder / name
    if not KEY.fullmatch(key) or not path.is_file():
        raise RunError("the student's file is missing", where=str(path), do="run the search again")
    content = path.read_bytes()
    if digest(content) != found["files"].get(name):
        raise RunError("is not the file that was audited", where=str(path), do="restore it, or run the search again")
    session = runtime.open(content)
    options = dict(found["data"].get("input") or {"kind": "tabular"})
    rows = data.rows(Path(table), session.inputs, (options.pop("kind"), options))
    parts = [session.run(session.feed(some)) for some in batches(rows)]
    outputs = [np.concatenate(one) for one in zip(*parts, strict=True)]
    return pd.DataFrame(dict(zip(session.outputs, outputs, strict=True)))
