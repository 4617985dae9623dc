"""Open an ONNX artefact in ONNX Runtime with explicit threads, and turn raw rows into probabilities.

This module is imported by the timing process, so that it needs numpy and onnxruntime only.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from autodistill.errors import ArtefactError
from autodistill.runtime import graph

if TYPE_CHECKING:
    from autodistill.records import Features, FloatArray, Predictions

VERSION = str(onnxruntime.__version__)
CHUNK = 4096  # rows a call when whole splits are scored
BYTES = 8 << 20  # of those rows, where they are wide
QUIET = 4  # fatal only: what matters comes back as an exception
PREFIX = "probability_"
VALUE = "prediction"  # what a regression answers with
TYPES = {
    "tensor(string)": "string",
    "tensor(float)": "float",
    "tensor(double)": "double",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}
ARRAYS = {"float": np.float32, "double": np.float64, "float16": np.float16} | {
    name: np.dtype(name).type for name in ("int64", "int32", "uint8", "bool")
}

onnxruntime.set_default_logger_severity(QUIET)
onnxruntime.disable_telemetry_events()


class Session:
    """An opened artefact.

    ``inputs`` maps a column to "string" or "float" (foreign artefacts: double, int64 …), ``shapes`` to the shape that
    is asked for (a name or None where any length will do); ``classes`` are those of its ``probability_<class>``
    outputs (order: ``metadata["classes"]`` if it names the same ones), ``where`` is its file.
    """

    def __init__(self, native: Any, metadata: Mapping[str, str], where: str) -> None:
        self.native, self.metadata, self.where = native, dict(metadata), where
        self.inputs: dict[str, str] = {}
        self.shapes: dict[str, tuple[int | str | None, ...]] = {}
        self.fixed_batch: int | None = None
        for given in native.get_inputs():
            if given.type not in TYPES:
                raise ArtefactError(f"its input '{given.name}' is a {given.type}", where=where, do="export it again")
            self.inputs[given.name] = TYPES[given.type]
            self.shapes[given.name] = tuple(given.shape)
            if given.shape and isinstance(given.shape[0], int):
                self.fixed_batch = given.shape[0]
        self.outputs = tuple(output.name for output in native.get_outputs())
        self.classes = self._classes()

    def _classes(self) -> tuple[str, ...]:
        named = tuple(name.removeprefix(PREFIX) for name in self.outputs if name.startswith(PREFIX))
        try:
            listed = tuple(str(name) for name in json.loads(self.metadata.get("classes", "[]")))
        except (ValueError, TypeError):
            return named
        return listed if sorted(listed) == sorted(named) else named

    def feed(self, features: "Features", rows: npt.NDArray[Any] | slice | None = None) -> dict[str, npt.NDArray[Any]]:
        """The artefact's inputs for some rows; other columns are left out. Strings go in as objects, numbers cast."""
        missing = [name for name in self.inputs if name not in features]
        if missing:
            raise ArtefactError(
                f"the rows have no column '{missing[0]}'" + (f" (nor {len(missing) - 1} more)" if missing[1:] else ""),
                where=self.where,
                do=f"give a table with the columns {', '.join(self.inputs)}",
            )
        at = slice(None) if rows is None else rows
        return {name: self._column(name, np.asarray(features[name][at])) for name in self.inputs}

    def _column(self, name: str, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
        kind = self.inputs[name]
        try:
            array = column.astype(object if kind == "string" else ARRAYS[kind], copy=False)
        except (ValueError, TypeError) as error:
            raise ArtefactError(
                f"column '{name}' is not {kind}: {error}", where=self.where, do="fix the table"
            ) from None
        if array.ndim == 1 and len(self.shapes[name]) == 2:
            array = array[:, None]
        return np.ascontiguousarray(array)

    def run(self, feed: Mapping[str, npt.NDArray[Any]], outputs: Sequence[str] | None = None) -> list[npt.NDArray[Any]]:
        """One call; ``outputs`` None asks for all."""
        try:
            found: list[npt.NDArray[Any]] = self.native.run(outputs, feed)
        except Exception as error:  # onnxruntime's exceptions share no public base
            raise ArtefactError(
                f"it fails on these rows: {_line(error)}", where=self.where, do="export it again"
            ) from None
        return found

    def probabilities(self, features: "Features", chunk: int = CHUNK) -> "FloatArray":
        """Probabilities float32 [n, C] of all rows, ``chunk`` rows a call, classes in the order of ``classes``."""
        if not self.classes:
            raise ArtefactError(
                f"it has no '{PREFIX}<class>' outputs", where=self.where, do="export it with autodistill"
            )
        return self._columns(features, [PREFIX + name for name in self.classes], "probabilities", chunk)

    def scores(self, features: "Features", chunk: int = CHUNK) -> "FloatArray":
        """What the artefact says of all rows, float32: probabilities [n, C], or the values [n, 1] of a regression."""
        if self.classes or VALUE not in self.outputs:
            return self.probabilities(features, chunk)
        return self._columns(features, [VALUE], "values", chunk)

    def _columns(self, features: "Features", names: list[str], what: str, chunk: int) -> "FloatArray":
        rows = len(next(iter(features.values()))) if features else 0
        wide = sum(features[name].nbytes for name in self.inputs if name in features) // max(1, rows)
        step = self.fixed_batch or min(chunk, max(1, BYTES // max(1, wide)))
        parts = [np.zeros((0, len(names)), np.float32)]
        for start in range(0, rows, step):
            found = self.run(self.feed(features, slice(start, start + step)), names)
            parts.append(np.stack([column.reshape(-1) for column in found], axis=1).astype(np.float32))
        scores = np.concatenate(parts)
        broken = int((~np.isfinite(scores).all(axis=1)).sum())
        if broken:
            raise ArtefactError(
                f"its {what} are not finite on {broken} of {rows} rows", where=self.where, do="train it again"
            )
        return scores


def open(  # noqa: A001 — read as runtime.open
    source: Path | str | bytes, threads: int = 1, settings: Mapping[str, str] | None = None, **options: Any
) -> Session:
    """Open an artefact from its file or its bytes, sequential, ``threads`` within an operator, no spinning.

    An artefact is untrusted: weights may lie in further files only inside its own folder (never when it is given as
    bytes), and no custom operators are loaded. ``settings`` are session config entries and ``options`` attributes of
    ``onnxruntime.SessionOptions``. ArtefactError where it cannot be opened.
    """
    where = "artefact" if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else content(Path(source))
    model = graph.read(data, where)
    external = model.external()
    for name in external:
        _inside(name, None if isinstance(source, bytes) else Path(source).parent, where)
    asked = onnxruntime.SessionOptions()
    asked.intra_op_num_threads, asked.inter_op_num_threads = threads, 1
    asked.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    asked.log_severity_level = QUIET
    asked.add_session_config_entry("session.intra_op.allow_spinning", "0")
    asked.add_session_config_entry("session.inter_op.allow_spinning", "0")
    for key, value in (settings or {}).items():
        asked.add_session_config_entry(key, value)
    for key, value in options.items():
        setattr(asked, key, value)
    try:
        # the bytes that were checked are the bytes that are opened, unless weights lie beside them
        native = onnxruntime.InferenceSession(
            str(source) if external else data, asked, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's exceptions share no public base
        raise ArtefactError(
            f"onnxruntime {VERSION} cannot open it: {_line(error)}", where=where, do="export it again"
        ) from None
    return Session(native, model.metadata, where)


def predict(
    session: Session,
    features: "Features",
    row_ids: npt.NDArray[Any],
    view: str,
    positive: int | None = None,
    threshold: float | None = None,
) -> "Predictions":
    """What an artefact says of some rows, under the decision rule that teacher and student share."""
    from autodistill import records  # not at the top: the timing process does not need msgspec

    scores = session.scores(features)
    decisions = records.decide(scores, positive, threshold) if session.classes else scores[:, 0].astype(np.float64)
    return records.Predictions(view=view, row_ids=row_ids, scores=scores, decisions=decisions)


def content(path: Path) -> bytes:
    """The bytes of an artefact's file; ArtefactError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"cannot be read ({error.strerror})", where=str(path), do="give an ONNX file") from None


def _inside(name: str, folder: Path | None, where: str) -> None:
    home = folder.resolve() if folder is not None else None
    if home is None or not name or Path(name).is_absolute() or not (home / name).resolve().is_relative_to(home):
        raise ArtefactError(
            f"it wants weights from '{name}', outside its own folder",
            where=where,
            do="refuse it, or save it as one file",
        )


def _line(error: Exception) -> str:
    """The part of a native error that a person can use."""
    text = " ".join(str(error).split())
    text = text.split(" : ", 3)[-1] if text.startswith("[ONNXRuntimeError]") else text
    return text if len(text) <= 240 else text[:239] + "…"
