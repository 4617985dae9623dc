"""Tables of numbers and categories: one ONNX graph of few nodes, fitted on the train split.

Numbers are stacked first and scaled once (rank-1 columns → Concat → Reshape → Transpose → Imputer → Scaler), strings
are coded by one LabelEncoder a column and stacked the same way: the graph is on the path of every call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic.fields import Field

from autodistill.errors import TableError
from autodistill.inputs import CODES, FEATURES, NUMERIC, Encoding, Inputs, Modality
from autodistill.records import Features, FloatArray

MISSING_KEYS = ("", "nan", "None", "<NA>")  # ONNX Runtime turns None and NaN in a string column into words
HEAVY_TAIL = 8.0  # a largest |z| above this makes a column heavy-tailed
LOWEST, TINY = -3e38, 1e-30  # what float32 holds, and whose inverse it holds
SMOOTHING = 10.0  # rows of the overall rate that are mixed into a category's own


@dataclass(frozen=True)
class Tabular:
    """A table's columns: numbers imputed and scaled, categories coded in order of their train target rate."""

    modality: ClassVar[Modality] = "table"

    min_rows: Annotated[int, Field(ge=1, description="a category of fewer train rows is coded as unseen")] = 3
    categories: Annotated[int, Field(ge=1, description="most categories kept of a column, by frequency")] = 256
    squash: Annotated[bool, Field(description="asinh after scaling if a column is heavy-tailed (networks)")] = True

    def fit(self, features: Features, y: npt.NDArray[Any], classes: Sequence[str]) -> Encoding:
        """Fit on train rows; ``classes`` is empty for regression. Raises ``TableError`` without any column."""
        if not features:
            raise TableError("no feature column is left", where="data", do="drop or group fewer columns")
        target = _target(y, len(classes))
        numbers = [_Number(n, np.asarray(c, np.float32)) for n, c in features.items() if c.dtype != object]
        words = {n: self._vocabulary(c, target) for n, c in features.items() if c.dtype == object}
        inputs: Inputs = tuple((name, "string" if name in words else "float") for name in features)
        return Encoding(
            inputs=inputs,
            numeric=len(numbers) + sum(c.has_missing for c in numbers),
            cardinalities=tuple(len(v) + 2 for v in words.values()),
            split=_split(inputs, numbers, words, self.squash),
            matrix=_matrix(inputs, numbers, words),
        )

    def _vocabulary(self, column: npt.NDArray[Any], target: FloatArray) -> tuple[str, ...]:
        """The categories kept, in order of their target rate; ties by name."""
        values, inverse, counts = np.unique(column.astype(str), return_inverse=True, return_counts=True)
        kept = (counts >= self.min_rows) & ~np.isin(values, MISSING_KEYS)
        if kept.sum() > self.categories:
            by_frequency = np.lexsort((values, -np.where(kept, counts, 0)))
            kept[by_frequency[self.categories :]] = False
        order = np.lexsort((values, rates(inverse, counts, target)))
        return tuple(str(values[i]) for i in order if kept[i])


class _Number:
    """Train statistics of one numeric column; infinities are left out of them."""

    def __init__(self, name: str, column: npt.NDArray[np.float32]) -> None:
        known = column[np.isfinite(column)].astype(np.float64)
        known = known if len(known) else np.zeros(1)
        self.name = name
        self.has_missing = bool(np.isnan(column).any())
        self.median, self.mean = float(np.median(known)), float(known.mean())
        # Trees get missing as a value below every other, so that one cut sets it apart.
        self.below = max(float(known.min() - 1.0 - abs(known.min()) * 1e-3), LOWEST)
        sd = float(known.std())
        sd = sd if sd > TINY else 1.0
        away = np.abs(known - self.median)
        away = away[away > TINY]
        self.heavy = bool(len(away)) and float(np.abs(known - self.mean).max()) / sd > HEAVY_TAIL
        self.offset, self.spread = (self.median, float(np.median(away))) if self.heavy else (self.mean, sd)


def _target(y: npt.NDArray[Any], classes: int) -> FloatArray:
    """What a category's mean is taken of: [n, 1] (regression, the second of two classes) or one-hot [n, C]."""
    if classes == 0:
        return np.asarray(y, np.float64)[:, None]
    if classes <= 2:
        return np.asarray(y == 1, np.float64)[:, None]
    return np.asarray(np.eye(classes)[np.asarray(y)])


def rates(inverse: npt.NDArray[Any], counts: npt.NDArray[Any], target: FloatArray) -> FloatArray:
    """One number a category: its smoothed mean target, for more columns along the axis on which the means differ most
    (leading right singular vector of the centred means, weighted by rows; largest loading positive)."""
    sums = np.stack([np.bincount(inverse, weights=t, minlength=len(counts)) for t in target.T], axis=1)
    overall = target.mean(axis=0)
    means = (sums + SMOOTHING * overall) / (counts + SMOOTHING)[:, None]
    if target.shape[1] == 1:
        return np.asarray(np.round(means[:, 0], 12))
    centred = means - overall
    axis = np.linalg.svd(centred * np.sqrt(counts)[:, None], full_matrices=False)[2][0]
    axis = axis * np.sign(axis[np.abs(axis).argmax()])
    return np.asarray(np.round(centred @ axis, 12))


class _Graph:
    """Nodes and initializers of a front end under construction."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, op: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(op, list(inputs), [output], domain=domain, **attributes))
        return output

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def stack(self, columns: Sequence[str], name: str) -> str:
        """Rank-1 columns of one type as [N, len(columns)]: three nodes, whatever their number."""
        flat = self.add("Concat", columns, f"{name}/flat", axis=0) if len(columns) > 1 else columns[0]
        shape = self.constant(f"{name}/shape", np.array([len(columns), -1], np.int64))
        rows = self.add("Reshape", [flat, shape], f"{name}/rows")
        return self.add("Transpose", [rows], name, perm=[1, 0])

    def code(self, column: str, words: Sequence[str], offset: int | None) -> str:
        """A string column as int64 codes from ``offset``, or as float ordinals without one."""
        keys = [*MISSING_KEYS, *words]
        codes = [0] * len(MISSING_KEYS) + list(range(2, len(words) + 2))
        values: dict[str, Any]
        if offset is None:
            values = {"values_floats": [float(c) for c in codes], "default_float": 1.0}
        else:
            values = {"values_int64s": [c + offset for c in codes], "default_int64": 1 + offset}
        return self.add("LabelEncoder", [column], f"/code/{column}", domain="ai.onnx.ml", keys_strings=keys, **values)

    def impute(self, column: str, values: Sequence[float], name: str) -> str:
        nan = float("nan")
        return self.add(
            "Imputer",
            [column],
            name,
            domain="ai.onnx.ml",
            imputed_value_floats=list(values),
            replaced_value_float=nan,
        )

    def model(self, outputs: Sequence[tuple[str, int, int]]) -> bytes:
        """The serialised model; an output is its name, element type and width."""
        import onnx
        from onnx import TensorProto, helper

        kinds = {"string": TensorProto.STRING, "float": TensorProto.FLOAT}
        inputs = [helper.make_tensor_value_info(name, kinds[kind], ["N"]) for name, kind in self.inputs]
        results = [helper.make_tensor_value_info(name, kind, ["N", width]) for name, kind, width in outputs]
        graph = helper.make_graph(self.nodes, "front_end", inputs, results, self.constants)
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))


def _split(inputs: Inputs, numbers: Sequence[_Number], words: dict[str, tuple[str, ...]], squash: bool) -> bytes:
    """The form for networks: ``numeric`` [N, K] with indicators of missing values last, ``codes`` [N, M]."""
    from onnx import TensorProto

    graph, outputs = _Graph(inputs), []
    if words:
        cards = [len(v) + 2 for v in words.values()]
        offsets = np.cumsum([0, *cards])[:-1].tolist()
        codes = [graph.code(c, v, o) for (c, v), o in zip(words.items(), offsets, strict=True)]
        outputs.append((graph.stack(codes, CODES), TensorProto.INT64, len(words)))
    if numbers:
        squash = squash and any(c.heavy for c in numbers)
        missing = np.array([i for i, c in enumerate(numbers) if c.has_missing], np.int64)
        tail = ["/scaled" if squash or len(missing) else NUMERIC, "/squashed" if len(missing) else NUMERIC]
        raw = graph.stack([c.name for c in numbers], "/numbers")
        scaled = graph.add(
            "Scaler",
            [graph.impute(raw, [c.median for c in numbers], "/imputed")],
            tail[0],
            domain="ai.onnx.ml",
            offset=[c.offset for c in numbers],
            scale=[1.0 / c.spread for c in numbers],
        )
        if squash:
            scaled = graph.add("Asinh", [scaled], tail[1])
        if len(missing):
            absent = graph.add("IsNaN", [raw], "/absent")
            where = graph.add("Gather", [absent, graph.constant("/missing", missing)], "/absent/at", axis=1)
            graph.add("Concat", [scaled, graph.add("Cast", [where], "/indicator", to=1)], NUMERIC, axis=1)
        outputs.append((NUMERIC, TensorProto.FLOAT, len(numbers) + len(missing)))
    return graph.model(outputs)


def _matrix(inputs: Inputs, numbers: Sequence[_Number], words: dict[str, tuple[str, ...]]) -> bytes:
    """The form for trees: ``features`` [N, F] in order of the inputs."""
    from onnx import TensorProto

    graph, at = _Graph(inputs), {c.name: c for c in numbers}
    columns = [graph.code(name, words[name], None) if kind == "string" else name for name, kind in inputs]
    fill = [(at[n].below if at[n].has_missing else at[n].median) if n in at else 0.0 for n, _ in inputs]
    if not numbers:
        return graph.model([(graph.stack(columns, FEATURES), TensorProto.FLOAT, len(inputs))])
    features = graph.impute(graph.stack(columns, "/raw"), fill, FEATURES)
    return graph.model([(features, TensorProto.FLOAT, len(inputs))])
