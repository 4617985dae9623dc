"""A whole search over a mapped column: the same candidates, errors and labels as over one in memory, in worker
processes too, and its sealed rows are scored as they are kept."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small_run
from test_modal_searches import GROUPS, MODALITIES, POLICY, ROWS, SPEC

from autodistill import cli, data, runtime
from autodistill.data import table, wide
from autodistill.records import columns
from autodistill.run import sealed


def searched(root: Path, kind: str, engine: str = "") -> Path:
    """A search of two trials under readings that no clock decides, in a folder and with a cache of its own."""
    made, asked, teacher, student = MODALITIES[kind]
    rng = np.random.default_rng(1)
    cells, y = made(rng)
    root.mkdir()
    sides = pa.array(GROUPS[rng.integers(0, 2, ROWS)])
    pq.write_table(pa.table({"x": cells, "y": pa.array(y), "side": sides}), root / "toy.parquet", row_group_size=90)
    (root / "policy.yaml").write_text(POLICY, encoding="utf-8")
    text = SPEC.format(input=asked, teacher=teacher, student=student) + engine
    text = text.replace("[error, latency, size]", "[error, size]").replace("{trials: 3}", "{trials: 2}")
    (root / "toy.yaml").write_text(text, encoding="utf-8")
    with small_run.inside(root, root / "cache"):
        assert cli.main(["search", "toy.yaml"]) in {0, 1, 3}
    return root / "reports" / "toy"


def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide, "LEAST", 1)
    for room in (wide, table):
        monkeypatch.setattr(room, "BATCH", 4000)
    monkeypatch.setattr(columns, "PIECE", 500)


def said(run: Path) -> Any:
    """What a report says that clocks do not touch."""
    report = json.loads((run / "report.json").read_bytes())
    assert {entry["state"] for entry in report["entries"]} == {"finished"}
    errors = {json.dumps({**entry["candidate"], "number": 0}): entry["error"] for entry in report["entries"]}
    about = {name: report["data"][name] for name in ("digests", "splits", "features", "sha256")}
    return errors, about, report["teacher"]["digest"]


@pytest.mark.parametrize(("kind", "engine"), [("text", ""), ("image", "engine: {kind: local, workers: 2}\n")])
def test_a_search_over_mapped_rows_finds_what_one_in_memory_finds(
    kind: str, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = searched(tmp_path / "plain", kind)
    large(monkeypatch)
    run = searched(tmp_path / "mapped", kind, engine)
    assert list((tmp_path / "mapped" / "cache").rglob(f"{wide.KEPT}/*/0.npy"))
    assert not list((tmp_path / "plain" / "cache").rglob(wide.KEPT))
    (errors, *about), (expected, *known) = said(run), said(plain)
    assert about == known
    both = errors.keys() & expected.keys()  # two workers may be asked in another order
    assert both
    assert [errors[key] for key in both] == [expected[key] for key in both]
    kept = pq.ParquetFile(run / "sealed.parquet")
    assert kept.num_row_groups > 1
    for name in ("feature:x", "y", "row_id", "teacher:0"):
        found, expected = (pq.read_table(one / "sealed.parquet")[name] for one in (run, plain))
        assert found.combine_chunks().equals(expected.combine_chunks())
    _sealed_rows_are_scored(run, tmp_path / "mapped" / "toy.parquet")


def _sealed_rows_are_scored(run: Path, path: Path) -> None:
    """From the file that is kept, as from the table's own cells."""
    content = (run / "student.onnx").read_bytes()
    rows, task = (
        sealed.read(run / "sealed.parquet", "sealed"),
        sealed.Task.of(json.loads((run / "report.json").read_bytes())),
    )
    cells = data.restored(pq.read_table(path)["x"])[rows.ids.astype(int)]
    cells = cells.astype(object) if cells.dtype.kind in "OU" else cells
    expected = runtime.open(content).probabilities({"x": cells})
    np.testing.assert_allclose(sealed._said(rows, content, task).scores, expected, atol=1e-6)
