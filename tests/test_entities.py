"""A search whose rows share entities (people of one household): split whole, and judged as clusters."""

from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import small_run

from autodistill import cli
from autodistill.records import Finding
from autodistill.run import deep
from autodistill.stats import paired_limits

STUDENTS = """student:
  - {family: tree, leaves: [8, 16]}
distill:
  loss: [none]
"""


def test_rows_of_one_entity_are_not_taken_for_independent(tmp_path: Path) -> None:
    table = tmp_path / "people.parquet"
    people = small_run.people()
    # Four rows a household, alike in what decides the label, so that the errors of both models come in fours.
    first = people.iloc[::4].reset_index(drop=True)
    many = first.loc[first.index.repeat(4)].reset_index(drop=True)
    many["hours_per_week"] = many["hours_per_week"] + np.arange(len(many)) % 4
    many["household"] = [f"h{at // 4}" for at in range(len(many))]
    many.to_parquet(table)
    file = small_run.write(tmp_path, table=table, trials=2)
    text = file.read_text(encoding="utf-8")
    start, end = text.index("student:\n"), text.index("objectives:")
    text = text[:start] + STUDENTS + text[end:]
    file.write_text(text.replace("  target: income\n", "  target: income\n  entity: household\n"), encoding="utf-8")
    with small_run.inside(tmp_path, tmp_path / "cache"):
        assert cli.main(["search", str(file)]) in {0, 1, 3}
        run = small_run.Run(tmp_path, tmp_path / "cache", file, 0)
        found = run.report
        rows = pq.read_table(run.folder / "rows.parquet").filter(
            pq.read_table(run.folder / "rows.parquet")["split"].to_numpy(zero_copy_only=False) == "audit"
        )
        households = len(set(rows["cluster"].to_pylist()))
        assert rows.num_rows == 4 * households
        loss = next(f for f in msgspec.convert(found["findings"], list[Finding]) if f.check == "accuracy_loss")
        assert loss.details["clusters"] == households
        naive = paired_limits(loss.details["b"], loss.details["c"], loss.rows, loss.level)
        assert loss.high > float(naive[1])
        assert loss.low < float(naive[0])
        assert deep.differences(run.folder, found) == []
