"""The sealed split: opened for one candidate, written to the ledger before a row of it is scored."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from autodistill import auditor, data, plugins, runtime, verdict
from autodistill.errors import RunError
from autodistill.ledger import Ledger
from autodistill.records import Candidate, Finding, Policy, Predictions, Reading, Verdict, decide, digest
from autodistill.run.folder import write_whole
from autodistill.stats import Evidence

SPLIT, FEATURE = "sealed", "feature:"
CONTROLS = ("majority", "linear")
POWER = 0.5  # predicted, under which an opening must be asked for by name


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of one split as a run keeps them in ``path``: labels, groups, teacher's scores, digests, what they share.
    Their raw features stay there."""

    path: Path

    ids: npt.NDArray[Any]
    digests: npt.NDArray[Any]
    y: npt.NDArray[Any]
    groups: Mapping[str, npt.NDArray[Any]]
    teacher: npt.NDArray[Any]
    cluster: npt.NDArray[Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the decisions of a run mean: its classes, which is positive and favourable, where the threshold lies."""

    classes: tuple[str, ...]
    positive: int | None
    favourable: int | None
    threshold: float | None

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Task":
        """From a report."""
        about = found["data"]
        classes = tuple(map(str, about["classes"]))
        at = [None if about.get(name) is None else classes.index(about[name]) for name in ("positive", "favourable")]
        return cls(classes=classes, positive=at[0], favourable=at[1], threshold=about.get("threshold"))


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What an opening found: tests of one candidate on rows that nobody had seen, and what the opening cost."""

    findings: tuple[Finding, ...]
    verdict: Verdict
    look: Mapping[str, Any]


def read(path: Path, split: str) -> Rows:
    """One split of a run's row file; raises RunError where it is missing or damaged."""
    try:
        file = pq.ParquetFile(path)
        names = [name for name in file.schema_arrow.names if not name.startswith(FEATURE)]
        table = file.read(columns=names, use_threads=False)
        at = np.flatnonzero(table["split"].to_numpy(zero_copy_only=False) == split)
        columns = {name: table[name].to_numpy(zero_copy_only=False)[at] for name in table.column_names}
        scores = [columns[f"teacher:{c}"] for c in range(sum(name.startswith("teacher:") for name in columns))]
        return Rows(
            path=path,
            ids=columns["row_id"],
            digests=columns["row_digest"],
            y=columns["y"],
            groups={name[6:]: columns[name].astype(object) for name in columns if name.startswith("group:")},
            teacher=np.stack(scores, axis=1).astype(np.float32),
            cluster=columns.get("cluster"),
        )
    except (OSError, KeyError, ValueError, pa.ArrowException) as fault:
        why = " ".join(str(fault).split())[:120]
        raise RunError(f"rows cannot be read: {why}", where=str(path), do="restore the file") from None


def evidence(rows: Rows, task: Task, student: Predictions, known: Mapping[str, tuple[str, ...]]) -> Evidence:
    """Teacher and student side by side on these rows."""
    decisions = decide(rows.teacher, task.positive, task.threshold) if task.classes else rows.teacher[:, 0]
    teacher = Predictions(view=student.view, row_ids=rows.ids, scores=rows.teacher, decisions=decisions)
    return Evidence(
        split=student.view,
        row_ids=rows.ids,
        y=rows.y,
        classes=task.classes,
        positive=task.positive,
        favourable=task.favourable,
        groups=rows.groups,
        teacher={student.view: teacher},
        student={student.view: student},
        known=known,
        cluster=rows.cluster if rows.cluster is not None and len(np.unique(rows.cluster)) < len(rows.ids) else None,
    )


def known_groups(found: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Attribute -> the names that exist in the whole table, as a report lists them."""
    groups = (found.get("data") or {}).get("groups") or {}
    return {name: tuple(sorted(set(counts) - {"(unknown)"})) for name, counts in groups.items()}


def open_for(folder: Path, found: Mapping[str, Any], policy: Policy, ledger: Ledger) -> Opening:
    """Pay for an opening, then score the candidate on the sealed rows and test it once, at its share of α.

    Raises LedgerError where the rows' openings are spent, RunError where a file is missing or is not the audited one.
    """
    key, task = str(found["certified"] or found["finalist"]), Task.of(found)
    artefact = folder / "candidates" / key / "student.onnx"
    content = artefact.read_bytes() if artefact.is_file() else b""
    if digest(content) != found["files"].get(f"candidates/{key}/student.onnx"):
        raise RunError("is not the file that was audited", where=str(artefact), do="restore it")
    rows = read(folder / "sealed.parquet", SPLIT)
    look = ledger.opening(
        rows.digests,
        policy=policy.sha256,
        candidate=digest(content),
        openings=policy.openings,
        alpha=policy.alpha,
    )
    student = _said(rows, content, task)
    _keep(folder, student)
    entry = next(one for one in found["entries"] if _key(one) == key)
    seen = evidence(rows, task, student, known_groups(found))
    seen = _with_others(folder, found, policy, seen, (rows, task, msgspec.convert(entry["candidate"], Candidate)))
    readings = msgspec.convert(entry["readings"], dict[str, Reading])
    teacher = msgspec.convert(found["teacher"]["readings"], dict[str, Reading])
    tests = auditor.audit(seen, policy, level=look.share, rows_needed=True)
    findings = (*tests, *verdict.meters(policy, readings, teacher))
    account = {name: getattr(look, name) for name in ("share", "replay", "account", "index", "used", "accounts")}
    return Opening(
        findings=findings,
        verdict=verdict.judge(findings),
        look={**account, "openings": policy.openings, "alpha": policy.alpha},
    )


def _said(rows: Rows, content: bytes, task: Task) -> Predictions:
    """What an artefact says of the sealed rows, of which only some are in memory at a time."""
    session, at, parts = runtime.open(content), 0, []
    opened = data.source(rows.path)
    names = [name for name in opened.names if name.startswith(FEATURE)]
    for some in opened.batches(names):
        features = {name.removeprefix(FEATURE): data.restored(some[name]) for name in names}
        ids = rows.ids[at : at + len(some)]
        at += len(some)
        parts.append(runtime.predict(session, features, ids, SPLIT, positive=task.positive, threshold=task.threshold))
    scores, decisions = (np.concatenate([getattr(one, name) for one in parts]) for name in ("scores", "decisions"))
    return Predictions(view=SPLIT, row_ids=rows.ids, scores=scores, decisions=decisions)


def _key(entry: Mapping[str, Any]) -> str:
    return msgspec.convert(entry["candidate"], Candidate).key


def beside(candidate: Candidate, name: str) -> Path:
    """Where a search puts a further model, in its folder: a control by its name, a candidate's twin by its recipe."""
    if name in CONTROLS:
        return Path("controls") / name
    twin = plugins.build("controls", "label_only", {}).plan(candidate)
    return Path("replicates") / ("none" if twin is None else twin.key)


def _with_others(
    folder: Path, found: Mapping[str, Any], policy: Policy, seen: Evidence, of: tuple[Rows, Task, Candidate]
) -> Evidence:
    """What the policy's further models say of the sealed rows, by the files that were audited; or why not."""
    rows, task, candidate = of
    others: dict[str, Predictions] = {}
    missing: dict[str, str] = {}
    for name in verdict.further(policy)[1]:
        place = beside(candidate, name) / "student.onnx"
        content = (folder / place).read_bytes() if (folder / place).is_file() else b""
        if digest(content) != found["files"].get(place.as_posix()):
            missing[name] = f"{place.as_posix()} is not the file that was audited"
            continue
        others[name] = _said(rows, content, task)
    return replace(seen, others=others, reference={**seen.reference, "missing": missing})


def power(folder: Path, found: Mapping[str, Any], policy: Policy) -> float:
    """Predicted power of the sealed test, from audit-split rates: no sealed row is read but counted."""
    key, task = str(found["certified"] or found["finalist"]), Task.of(found)
    rows = read(folder / "rows.parquet", "audit")
    student = predictions(folder / "candidates" / key / "predictions.audit.parquet", "audit")
    splits = found["data"]["splits"]
    seen = evidence(rows, task, student, known_groups(found))
    return auditor.power(
        seen, verdict.screened(policy), splits[SPLIT] / splits["audit"], policy.alpha / policy.openings
    )


def predictions(path: Path, view: str) -> Predictions:
    """A candidate's kept predictions."""
    try:
        table = pq.ParquetFile(io.BytesIO(path.read_bytes())).read(use_threads=False)
        scores = [table[name].to_numpy(zero_copy_only=False) for name in table.column_names if name[:6] == "score_"]
        ids, decisions = (table[name].to_numpy(zero_copy_only=False) for name in ("row_id", "decision"))
        return Predictions(view=view, row_ids=ids, scores=np.stack(scores, axis=1), decisions=decisions)
    except (OSError, KeyError, ValueError, pa.ArrowException) as fault:
        why = " ".join(str(fault).split())[:120]
        raise RunError(f"predictions cannot be read: {why}", where=str(path), do="restore the file") from None


def _keep(folder: Path, student: Predictions) -> None:
    write_whole(folder / "statements" / "predictions.sealed.parquet", stored(student), mode=0o600)


def stored(student: Predictions) -> bytes:
    """Predictions as the file that ``predictions`` reads."""
    columns = {"row_id": student.row_ids, "decision": student.decisions}
    columns |= {f"score_{c}": student.scores[:, c] for c in range(student.scores.shape[1])}
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return sink.getvalue()
