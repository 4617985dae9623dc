"""The rows of an audit of predictions as they are kept, so that they can be judged again: ``rows.parquet``."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from autodistill.errors import RunError
from autodistill.records import Predictions
from autodistill.stats import Evidence

FILE = "rows.parquet"


def write(evidence: Evidence, row_digests: npt.NDArray[Any]) -> bytes:
    """Labels, groups, clusters and what each model said, as Parquet. A model of decisions only has no score columns."""
    split = evidence.split
    columns: dict[str, Any] = {
        "split": pa.DictionaryArray.from_arrays(np.zeros(len(evidence.y), dtype=np.int32), [split]),
        "row_id": evidence.row_ids,
        "row_digest": row_digests,
        "y": evidence.y,
    }
    columns |= {f"group:{name}": column for name, column in evidence.groups.items()}
    models = {"teacher": evidence.teacher[split], "student": evidence.student[split]}
    for who, said in models.items():
        columns |= {f"{who}_decision": said.decisions} | _scores(who, said)
    for name, said in evidence.others.items():
        columns |= {f"other:{name}:decision": said.decisions} | _scores(f"other:{name}", said)
    if evidence.cluster is not None:
        columns["cluster"] = evidence.cluster
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return sink.getvalue()


def _scores(who: str, said: Predictions) -> dict[str, Any]:
    return {f"{who}:{code}": np.ascontiguousarray(said.scores[:, code]) for code in range(said.scores.shape[1])}


def read(folder: Path, data: Mapping[str, Any]) -> tuple[Evidence, npt.NDArray[Any]]:
    """The evidence that ``write`` kept, and its row digests; ``data`` is the report's. Raises ``RunError``."""
    path = folder / FILE
    try:
        table = pq.read_table(path)
        return _evidence(table, data), np.asarray(table["row_digest"].to_numpy(zero_copy_only=False)).astype(str)
    except (OSError, KeyError, ValueError, pa.ArrowException) as fault:
        what = f"the audited rows cannot be read ({' '.join(str(fault).split())[:120]})"
        raise RunError(what, where=str(path), do="run the audit again") from None


def _evidence(table: pa.Table, data: Mapping[str, Any]) -> Evidence:
    split = str(table["split"][0].as_py())
    ids = table["row_id"].to_numpy(zero_copy_only=False)
    classes = tuple(data["classes"])
    names = table.column_names
    others = sorted({name.split(":")[1] for name in names if name.startswith("other:")})

    def column(name: str) -> npt.NDArray[Any]:
        return np.asarray(table[name].to_numpy(zero_copy_only=False))

    def said(who: str, decision: str) -> Predictions:
        scored = [name for code in range(max(1, len(classes))) if (name := f"{who}:{code}") in names]
        scores = np.stack([column(name) for name in scored], axis=1) if scored else np.zeros((len(ids), 0))
        return Predictions(view=split, row_ids=ids, scores=scores, decisions=column(decision))

    def code(name: str | None) -> int | None:
        return None if name is None else classes.index(name)

    return Evidence(
        split=split,
        row_ids=ids,
        y=column("y"),
        classes=classes,
        positive=code(data.get("positive")),
        favourable=code(data.get("favourable")),
        groups={name.removeprefix("group:"): column(name) for name in names if name.startswith("group:")},
        teacher={split: said("teacher", "teacher_decision")},
        student={split: said("student", "student_decision")},
        cluster=column("cluster") if "cluster" in names else None,
        others={name: said(f"other:{name}", f"other:{name}:decision") for name in others},
    )
