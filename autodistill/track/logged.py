"""Logging an ONNX file as a model of MLflow's, so that MLflow's own loaders predict with it on raw rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np


@contextmanager
def at(uri: str) -> Iterator[None]:
    """MLflow's models are found by the address that the whole process has: ours for a moment."""
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


def log_model(run_id: str, student: Path) -> str:
    """Log an ONNX file on raw rows so that ``pyfunc`` predicts on a table of its columns; the logged model's id.

    Its signature is of named tensors: MLflow then casts each column (pandas' own strings, whole numbers) to what the
    file takes; by a signature of columns it refuses both.
    """
    import mlflow
    import onnx
    from mlflow.models import ModelSignature
    from mlflow.types.schema import Schema, TensorSpec
    from onnx.helper import tensor_dtype_to_np_dtype

    def schema(values: Any) -> Schema:
        kinds = {v.name: v.type.tensor_type.elem_type for v in values}
        text = onnx.TensorProto.STRING
        types = {n: np.dtype(str) if kind == text else tensor_dtype_to_np_dtype(kind) for n, kind in kinds.items()}
        return Schema([TensorSpec(kind, (-1,), name) for name, kind in types.items()])

    model = onnx.load(str(student))
    with mlflow.start_run(run_id=run_id):
        info = mlflow.onnx.log_model(
            model,
            name="student",
            signature=ModelSignature(schema(model.graph.input), schema(model.graph.output)),
            pip_requirements=[f"{p}=={metadata.version(p)}" for p in ("onnx", "onnxruntime", "numpy", "pandas")],
            save_as_external_data=False,
        )
    return str(info.model_id)
