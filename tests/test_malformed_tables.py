"""Tables that are wrong: each is refused in one line that names the place, by ``TableError``."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autodistill import data
from autodistill.data import DataSpec, GroupSpec
from autodistill.errors import TableError

ROWS = 60


def columns() -> dict[str, Any]:
    """A sound table."""
    rng = np.random.default_rng(0)
    return {
        "age": rng.normal(40, 10, ROWS),
        "job": np.resize(["clerk", "smith", "cook"], ROWS),
        "sex": np.resize(["F", "M", "M"], ROWS),
        "paid": np.resize(["yes", "no", "no", "yes", "no"], ROWS),
    }


def changed(**cells: Any) -> pa.Table:
    return pa.table(columns() | cells)


def with_cell(name: str, row: int, value: Any) -> pa.Table:
    cells = list(columns()[name])
    cells[row] = value
    return changed(**{name: cells})


def two_of_one_name() -> pa.Table:
    table = changed()
    return table.append_column("age", table["age"])


TABLES: list[tuple[str, Callable[[], pa.Table], dict[str, Any], list[str]]] = [
    ("no such target", changed, {"target": "payed"}, ["'payed' (target)", "did you mean paid?"]),
    ("no such group", changed, {"groups": (GroupSpec(column="gender"),)}, ["'gender' (groups)"]),
    ("no such drop", changed, {"drop": ("ages",)}, ["'ages' (drop)", "did you mean age?"]),
    ("two parts", changed, {"weights": "age", "entity": "age"}, ["'age' is named under weights and entity"]),
    (
        "target missing",
        lambda: with_cell("paid", 7, None),
        {},
        ["column 'paid', row 7: the target is missing in 1 rows"],
    ),
    ("target empty", lambda: with_cell("paid", 7, ""), {}, ["row 7"]),
    ("one class", lambda: changed(paid=["yes"] * ROWS), {}, ["only one class, 'yes'"]),
    ("a rare class", lambda: with_cell("paid", 7, "perhaps"), {}, ["class 'perhaps' has 1 rows, none of them in the "]),
    ("regression", lambda: changed(paid=np.arange(ROWS) / 7), {}, ["60 classes in 60 rows", "task: regression"]),
    ("no such class", changed, {"positive": "Yes"}, ["no class 'Yes' (positive)", "did you mean yes?"]),
    ("threshold", changed, {"threshold": 1.5, "positive": "yes"}, ["threshold 1.5"]),
    ("threshold of no class", changed, {"threshold": 0.5}, ["threshold 0.5 needs two classes, positive"]),
    ("mixed", lambda: changed(age=[*map(str, range(ROWS - 1)), "old"]), {}, ["column 'age', row 59", "first 'old'"]),
    ("infinite", lambda: with_cell("age", 3, float("inf")), {}, ["column 'age', row 3: infinite"]),
    ("too large", lambda: with_cell("age", 3, 1e300), {}, ["row 3: too large for float32"]),
    ("dates", lambda: changed(born=pd.date_range("2000-01-01", periods=ROWS)), {}, ["'born': dates and times"]),
    ("lists", lambda: changed(kids=[[1, 2]] * ROWS), {}, ["'kids': values of type list<"]),
    ("structs", lambda: changed(home=[{"zip": 1}] * ROWS), {}, ["'home': values of type struct<"]),
    ("bytes", lambda: changed(face=[b"\x00"] * ROWS), {}, ["'face': values of type binary"]),
    ("two of one name", two_of_one_name, {}, ["two columns are named 'age'"]),
    ("no rows", lambda: changed().slice(0, 0), {}, ["the table is empty"]),
    ("no feature", lambda: changed().select(["paid"]), {}, ["no feature is left"]),
    ("no feature says anything", lambda: pa.table({"a": [1] * ROWS, "paid": columns()["paid"]}), {}, ["constant (1)"]),
    ("copy of the target", lambda: changed(again=(columns()["paid"] == "yes") * 3), {}, ["'again': is the target"]),
    ("reserved", lambda: changed(label=np.arange(ROWS)), {}, ["may not be named 'label'"]),
    ("one group", lambda: changed(sex=["F"] * ROWS), {"groups": (GroupSpec(column="sex"),)}, ["only one group, 'F'"]),
    ("many groups", changed, {"groups": (GroupSpec(column="age"),)}, ["60 groups are too many"]),
    (
        "merge",
        changed,
        {"groups": (GroupSpec(column="sex", merge={"x": ("W",)}),)},
        ["'sex': merge names no value 'W'"],
    ),
    (
        "merged twice",
        changed,
        {"groups": (GroupSpec(column="sex", merge={"x": ("F",), "y": ("F",)}),)},
        ["'F' is merged into 'x' and 'y'"],
    ),
    ("row ids twice", lambda: changed(n=[*range(ROWS - 1), 4]), {"row_id": "n"}, ["column 'n', row 59: 1 row ids"]),
    ("row ids missing", lambda: changed(n=[*range(ROWS - 1), None]), {"row_id": "n"}, ["row 59: row ids are missing"]),
    ("weights", lambda: changed(w=[-1.0] * ROWS), {"weights": "w"}, ["column 'w', rows 0, 1, 2, …"]),
    ("entity", lambda: changed(who=[None, *range(ROWS - 1)]), {"entity": "who"}, ["row 0: entities are missing"]),
    ("one entity", lambda: changed(who=["a"] * ROWS), {"entity": "who"}, ["60 rows belong together"]),
    ("rows are equal", lambda: changed(age=[1.0] * ROWS, job=["a", "b"] * 30), {}, ["rows belong together"]),
    ("too few rows", lambda: changed().slice(0, 3), {}, ["split"]),
    ("shares", changed, {"split": {"train": 0.5, "search": 0.5, "audit": 0.5, "sealed": 0.5}}, ["add up to 2"]),
    ("names of shares", changed, {"split": {"train": 0.5, "test": 0.5}}, ["does not name the four splits"]),
    (
        "split column",
        lambda: changed(part=["train", "test"] * 30),
        {"split": "part"},
        ["rows 1, 3, 5, …", "'test' is no split"],
    ),
    (
        "entity in two splits",
        lambda: changed(part=np.resize(["train", "search", "audit", "sealed"], ROWS), who=["a"] * ROWS),
        {"split": "part", "entity": "who"},
        ["1 entities have rows in several splits"],
    ),
]


@pytest.mark.parametrize(("make", "options", "said"), [t[1:] for t in TABLES], ids=[t[0] for t in TABLES])
def test_table(tmp_path: Path, make: Callable[[], pa.Table], options: dict[str, Any], said: list[str]) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(make(), path)
    with pytest.raises(TableError) as caught:
        data.load(DataSpec(**({"table": path, "target": "paid"} | options)))
    refused(caught.value, path, said)


def refused(fault: TableError, path: Path, said: list[str]) -> None:
    line = str(fault)
    assert "\n" not in line
    assert line.startswith(str(path))
    assert fault.do
    for part in said:
        assert part in line


CSV = b"age,job,paid\n1,a,yes\n2,b,no\n"
FILES: list[tuple[str, bytes | None, list[str]]] = [
    ("t.csv", b"", ["the file is empty"]),
    ("t.csv", b"age,paid\n", ["the table is empty"]),
    ("t.csv", b"age,paid\n1,yes\n2\n", ["Expected 2 columns, got 1"]),
    ("t.csv", "age,paid\n1,ja\n2,n\u00e4\n".encode("latin-1"), ["line 3", "not UTF-8"]),
    ("t.csv", "age,paid\n1,ja\n".encode("utf-16"), ["line 1", "not UTF-8"]),
    ("t.csv", b"age,age,paid\n1,1,yes\n", ["two columns are named 'age'"]),
    ("t.csv", b"PAR1....", ["this is a Parquet file"]),
    ("t.csv.gz", CSV, ["not a gzip file"]),
    ("t.csv.gz", gzip.compress(CSV, mtime=0)[:-12], ["cut off"]),
    ("t.parquet", CSV, ["not a Parquet file"]),
    ("t.parquet", b"PAR1" + b"\x00" * 40, ["repair the file"]),
    ("t.xlsx", CSV, ["not a table that can be read", "save it as .parquet, .arrow or .csv"]),
    ("t.csv", None, ["no such file"]),
]


@pytest.mark.parametrize(("name", "content", "said"), FILES)
def test_file(tmp_path: Path, name: str, content: bytes | None, said: list[str]) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError) as caught:
        data.load(DataSpec(table=path, target="paid"))
    refused(caught.value, path, said)


def test_folder_and_near_name(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(CSV)
    with pytest.raises(TableError, match="this is a folder"):
        data.read(tmp_path)
    with pytest.raises(TableError, match=r"did you mean table\.csv"):
        data.read(tmp_path / "tables.csv")


def test_more_than_a_thousand_classes(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": np.arange(1500.0), "paid": [f"c{at}" for at in range(1500)]}), path)
    with pytest.raises(TableError, match="1,500 classes in 1,500 rows"):
        data.load(DataSpec(table=path, target="paid"))


def test_new_rows_lack_a_column(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(CSV)
    with pytest.raises(TableError, match="no column 'ages'; did you mean age"):
        data.rows(path, {"ages": "float"})
    with pytest.raises(TableError, match="column 'job', rows 0, 1: not a number"):
        data.rows(path, {"job": "float"})
