"""The one door to ONNX Runtime: open an artefact, run it on raw rows, count its work. No torch, no onnx."""

from autodistill.runtime.session import ARRAYS, VERSION, Session, open, predict  # noqa: A004 — read as runtime.open
from autodistill.runtime.work import Work, count

__all__ = ["ARRAYS", "VERSION", "Session", "Work", "count", "open", "predict"]
