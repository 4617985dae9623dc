"""A boosted model and its artefact send every row the same way, rows that lie on a cut included."""

import numpy as np
import onnxruntime
import pytest
from sklearn.datasets import load_diabetes
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from autodistill.teachers._convert import convert

lightgbm = pytest.importorskip("lightgbm")
pytest.importorskip("onnxmltools")


def told(core: bytes, rows: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(core, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: rows})[0]).ravel()


@pytest.mark.parametrize("piped", [False, True])
def test_cuts_between_two_floats_decide_as_before(piped: bool) -> None:
    table, y = load_diabetes(return_X_y=True)
    rows = table.astype(np.float32)
    model = lightgbm.LGBMRegressor(n_estimators=40, verbose=-1, n_jobs=1)
    model = make_pipeline(FunctionTransformer(), model) if piped else model
    model.fit(rows[:177], y[:177])
    booster = (model[-1] if piped else model).booster_
    cuts = booster.trees_to_dataframe()["threshold"].dropna().to_numpy()
    up = cuts[np.float32(cuts) > cuts]
    assert np.isin(np.float32(up), rows).any()  # rounded to the nearest these would move a row
    before, text = model.predict(rows), booster.model_to_string()
    core, why = convert(model, rows.shape[1], 0)
    assert (core is None, why) == (False, "")
    assert np.abs(told(core or b"", rows) - before).max() < 1e-3 * np.abs(before).max()
    assert booster.model_to_string() == text
