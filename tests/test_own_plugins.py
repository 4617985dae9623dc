"""A user's own student, loss, check and meter, one file each outside of the package, searched to a report."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import small_run
from sklearn.datasets import load_breast_cancer

from autodistill import cli, plugins
from autodistill.errors import SpecError
from autodistill.measure import further

ROOT = Path(__file__).parent.parent
LOSS = "house.squared_logits.SquaredLogits"
SPEC = f"""
name: own
data:
  table: tumours.parquet
  target: diagnosis
  positive: benign
  groups: [ward]
teacher: {{kind: sklearn, estimator: sklearn.linear_model.LogisticRegression}}
student: [{{family: house.gated.Gated, width: 4}}]
distill: {{loss: [{LOSS}, none], teacher_weight: [0.5, 1.0], epochs: 4, batch_size: 32, learning_rate: 0.02}}
objectives: [error, size]
budget: {{trials: 3}}
rungs: false
policy: policy.yaml
"""
POLICY = """
name: own
version: "1"
require:
  - {check: house.sure_errors.SureErrors, sure: 0.8, at_most: 0.2}
  - {meter: house.download.Download, at_most: 20 kB}
"""


def readme_block() -> str:
    """The plugin that the README shows."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- plugin -->\n```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A search with nothing but a package that lies elsewhere; its loss is the README's block."""
    root = tmp_path_factory.mktemp("own")
    shutil.copytree(ROOT / "examples" / "house", root / "house")
    (root / "house" / "squared_logits.py").write_text(readme_block(), encoding="utf-8")
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    table = X[["mean radius", "mean texture", "mean smoothness", "mean concavity"]].assign(
        ward=np.where(np.arange(len(y)) % 2, "A", "B"), diagnosis=np.where(y == 1, "benign", "malignant")
    )
    pd.DataFrame(table).to_parquet(root / "tumours.parquet")
    (root / "own.yaml").write_text(SPEC, encoding="utf-8")
    (root / "policy.yaml").write_text(POLICY, encoding="utf-8")
    sys.path.insert(0, str(root))
    try:
        with small_run.inside(root, root / "cache"):
            code = cli.main(["search", "own.yaml"])
        yield code, json.loads((root / "reports" / "own" / "report.json").read_bytes()), root
    finally:
        sys.path.remove(str(root))
        for name in [name for name in sys.modules if name.split(".")[0] == "house"]:
            del sys.modules[name]


def test_the_readme_shows_the_file_of_the_examples() -> None:
    assert readme_block() == (ROOT / "examples" / "house" / "squared_logits.py").read_text(encoding="utf-8")
    assert len(readme_block().splitlines()) <= 26


def test_a_search_ends_with_a_report_that_speaks_of_all_four(done: Any) -> None:
    code, report, root = done
    assert code == {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}[report["verdict"]["decision"]]
    candidates = [one["candidate"] for one in report["entries"]]
    assert {one["family"] for one in candidates} == {"house.gated.Gated"}
    assert {one["loss"] for one in candidates} == {LOSS, "none"}
    assert all(one["state"] == "finished" for one in report["entries"]), report["entries"]
    for one in report["entries"]:
        assert one["error"] < 0.2  # the majority errs on 37 %
        read = one["readings"]["house.download.Download"]
        assert read["quantity"] == "download"
        assert 500 < read["value"] < one["readings"]["size"]["value"]
    checks = {one["check"]: one for one in report["findings"]}
    assert checks["house.download.Download"]["outcome"] == "PASS"
    sure = checks["house.sure_errors.SureErrors"]
    assert sure["outcome"] in {"PASS", "INCONCLUSIVE"}
    page = (root / "reports" / "own" / "report.html").read_text(encoding="utf-8")
    assert "SureErrors" in page
    assert "Download" in page


def test_its_check_counts_what_it_says(done: Any) -> None:
    _, report, root = done
    key = report["certified"] or report["finalist"]
    rows = pd.read_parquet(root / "reports" / "own" / "rows.parquet").query("split == 'audit'").set_index("row_id")
    path = root / "reports" / "own" / "candidates" / key / "predictions.audit.parquet"
    said = pd.read_parquet(path).set_index("row_id").reindex(rows.index)
    scores = said[[name for name in said if name.startswith("score")]].to_numpy()
    teacher = rows[["teacher:0", "teacher:1"]].to_numpy()
    sure = [((one.argmax(axis=1) != rows.y) & (one.max(axis=1) >= 0.8)).mean() for one in (scores, teacher)]
    finding = next(one for one in report["findings"] if one["check"].endswith("SureErrors"))
    assert finding["estimate"] == pytest.approx(sure[0] - sure[1])


def test_a_meter_that_raises_is_a_reading_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "examples" / "house" / "download.py").read_text(encoding="utf-8")
    (tmp_path / "broken_meter.py").write_text(text.replace("gzip.compress(", "gzip.nothing("), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))

    class Bench:
        device = "here"

    found = further.named(["broken_meter.Download"])["broken_meter.Download"].read(tmp_path, Bench())  # type: ignore[arg-type]
    assert found.status == "unavailable"
    assert "AttributeError" in found.reason
    with pytest.raises(SpecError, match="lacks limits, read"):
        plugins.find("meters", "autodistill.records.Reading")
