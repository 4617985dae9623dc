"""Tables on disk -> four splits: content addresses, stratification, duplicates, columns and groups."""

import datetime
import decimal
import hashlib
import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autodistill import data
from autodistill.data import DataSpec, GroupSpec, digest
from autodistill.data.groups import crossed
from autodistill.errors import TableError
from autodistill.records import SPLITS, Dataset

ADULT = Path(__file__).parents[1] / "data" / "adult.parquet"


def frame(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """A table with a number, a category, two group columns and a target that depends on both, with duplicates."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 40, rows)
    job = rng.choice(["clerk", "smith", "cook"], rows)
    score = age / 20 + (job == "smith") + rng.normal(size=rows)
    sex, region = rng.choice(["F", "M"], rows), rng.choice(["n", "s", "w"], rows, p=[0.7, 0.25, 0.05])
    region[-1] = region[-1] if "w" in region else "w"  # the groups below merge it
    return pd.DataFrame(
        {
            "age": age,
            "job": job,
            "sex": sex,
            "region": region,
            "label_is": np.where(score > np.median(score), "yes", "no"),
        }
    )


def load(table: pd.DataFrame, folder: Path, seed: int = 0, suffix: str = ".parquet", **options: Any) -> Dataset:
    path = folder / f"table{suffix}"
    if suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False)
    return data.load(DataSpec(**({"table": path, "target": "label_is"} | options)), seed)


GROUPS = (GroupSpec(column="sex"), GroupSpec(column="region", merge={"other": ("s", "w")}))


def test_splits_are_disjoint_complete_and_of_the_shares(tmp_path: Path) -> None:
    found = load(frame(), tmp_path, groups=GROUPS)
    rows = np.concatenate([found.splits[name] for name in SPLITS])
    assert sorted(rows) == list(range(400))
    assert [len(found.splits[name]) for name in SPLITS] == pytest.approx([160, 60, 90, 90], abs=8)


def test_strata_are_shared_out_to_within_a_few_rows() -> None:
    found = data.load(DataSpec(table=ADULT, target="income", positive=">50K", groups=(GroupSpec(column="race"),)))
    strata = [f"{label}/{race}" for label, race in zip(found.y, found.groups["race"], strict=True)]
    whole = Counter(strata)
    for name, share in data.SHARES.items():
        inside = Counter(strata[at] for at in found.splits[name])
        # Within 1 if no two rows were equal: units have up to 3 rows, and their rows may differ in race.
        assert max(abs(inside[s] - share * whole[s]) for s in whole) < 4
    assert found.leakage["exact_duplicates_across"] == 0
    assert found.leakage["exact_duplicates"] == int(pd.read_parquet(ADULT).drop(columns="race").duplicated().sum())


def test_adult_is_whole_and_read_right() -> None:
    groups = (GroupSpec(column="sex"), GroupSpec(column="race"))
    found = data.load(DataSpec(table=ADULT, target="income", positive=">50K", groups=groups, drop=("fnlwgt",)))
    raw = pd.read_parquet(ADULT)
    assert len(found.y) == 48_842
    assert found.classes == ("<=50K", ">50K")
    assert (found.positive, found.favourable) == (1, 1)
    assert int(found.y.sum()) == 11_687
    assert set(found.features) == set(raw.columns) - {"income", "fnlwgt", "sex", "race"}
    assert int((found.features["workclass"] == "").sum()) == 2_799
    assert found.features["age"].dtype == np.float32
    seen = raw.drop(columns=["sex", "race", "fnlwgt"])
    assert found.leakage["exact_duplicates"] == int(seen.duplicated().sum())
    twins = seen.groupby(list(set(seen) - {"income"}), dropna=False)["income"].transform("nunique")
    assert found.leakage["near_duplicates"] == int((twins > 1).sum())


def rows_by_split(found: Dataset) -> dict[str, Counter[str]]:
    return {name: Counter(found.row_digests[found.splits[name]]) for name in SPLITS}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.integers(0, 5), st.randoms(use_true_random=False))
def test_order_of_rows_and_columns_changes_nothing(tmp_path: Path, content: int, seed: int, shuffle: Any) -> None:
    table = frame(120, content)
    order = list(range(len(table)))
    columns = list(table.columns)
    shuffle.shuffle(order)
    shuffle.shuffle(columns)
    one = load(table, tmp_path, seed, groups=GROUPS)
    other = load(table.iloc[order][columns], tmp_path, seed, groups=GROUPS)
    assert rows_by_split(one) == rows_by_split(other)
    assert one.digests == other.digests
    for name in SPLITS:  # the same rows in the same order of content
        assert (one.row_digests[one.splits[name]] == other.row_digests[other.splits[name]]).all()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.integers(0, 5))
def test_equal_rows_never_cross(tmp_path: Path, content: int, seed: int) -> None:
    table = frame(160, content)
    plain = load(table, tmp_path, seed, groups=GROUPS)
    where = np.empty(len(table), dtype=object)
    for name in SPLITS:
        where[plain.splits[name]] = name
    for _, rows in table.groupby(["age", "job", "label_is"]).indices.items():
        assert len(set(where[rows])) == 1
    assert plain.leakage["exact_duplicates_across"] == 0


@pytest.mark.parametrize("seed", range(5))
def test_rows_of_one_entity_stay_together(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = frame(400, seed).assign(age=rng.normal(size=400), who=rng.integers(0, 120, 400))
    found = load(table, tmp_path, seed, entity="who")
    homes = {name: set(table["who"].to_numpy()[found.splits[name]]) for name in SPLITS}
    assert sum(len(home) for home in homes.values()) == table["who"].nunique()
    assert found.leakage["entities_across"] == 0
    assert found.units is not None
    assert len(set(found.units)) == table["who"].nunique()


@pytest.mark.parametrize("seed", range(3))
def test_large_units_are_shared_out_as_single_rows_are(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = np.repeat([1, 2, 5, 20], [1000, 200, 60, 20])
    rows = pd.DataFrame({"age": rng.normal(size=len(sizes)), "label_is": rng.choice(["yes", "no"], len(sizes))})
    found = load(rows.loc[rows.index.repeat(sizes)].reset_index(drop=True), tmp_path, seed)
    size = np.repeat(sizes, sizes)
    for of in (1, 2, 5, 20):
        inside = [int((size[found.splits[name]] == of).sum()) / int((size == of).sum()) for name in SPLITS]
        assert inside == pytest.approx(list(data.SHARES.values()), abs=0.1)


def test_another_seed_is_another_split(tmp_path: Path) -> None:
    one, other = load(frame(), tmp_path, 0), load(frame(), tmp_path, 1)
    assert one.digests["table"] == other.digests["table"]
    assert one.digests["train"] != other.digests["train"]


def test_csv_and_parquet_have_one_digest(tmp_path: Path) -> None:
    table = frame().assign(share=np.arange(400) / 8, known=np.where(np.arange(400) % 7 == 0, None, "x"))
    one, other = load(table, tmp_path), load(table, tmp_path, suffix=".csv")
    assert one.digests == other.digests
    assert (one.row_digests == other.row_digests).all()


def test_digests_are_what_the_docstring_says(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("b,a\n1.0,x\n2.5,\n")
    table = data.read(path)
    expected = [b"1:a1:x1:b1:1", b"1:a0:1:b3:2.5"]
    found = digest.rows({name: table[name] for name in table.column_names})
    assert [row.tobytes() for row in found] == [hashlib.sha256(text).digest() for text in expected]
    assert list(digest.short(found)) == [hashlib.sha256(text).hexdigest()[:16] for text in expected]
    both = b"".join(sorted(hashlib.sha256(text).digest() for text in expected))
    assert digest.together(found, ["a", "b"]) == hashlib.sha256(b"1:a1:b" + both).hexdigest()


def canonical(value: Any) -> bytes:
    """A cell's text, one at a time, as the docstring has it."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return b""
    if isinstance(value, bool):
        return str(value).lower().encode()
    if isinstance(value, float):
        return (str(int(value)) if value.is_integer() else repr(value)).encode()
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest().encode()
    return str(value).encode()


def cells() -> dict[str, pa.ChunkedArray]:
    """Every type that a cell may have, with what is hard to write."""
    rng = np.random.default_rng(0)
    many = 3000
    numbers = np.concatenate(
        [
            rng.normal(size=500),
            10.0 ** rng.uniform(-320, 308, 500),
            10.0 ** rng.uniform(-5, 12, 1000),
            rng.integers(-(10**6), 10**6, 500) / 8,
            2.0 ** rng.integers(0, 80, 500),
        ]
    ) * rng.choice([-1.0, 1.0], many)
    numbers[:5] = [np.nan, -0.0, np.inf, -np.inf, 1e16]
    texts = np.array(["a", "", None, "ü€", "1:x"], object)[rng.integers(0, 5, many)]
    parts = {
        "float64": pa.array(numbers),
        "float32": pa.array(numbers.clip(-1e30, 1e30).astype(np.float32), from_pandas=True),
        "int8": pa.array(rng.integers(-128, 128, many).astype(np.int8)),
        "uint64": pa.array(rng.integers(0, 2**64 - 1, many, dtype=np.uint64)),
        "bool": pa.array(np.array([True, False, None], object)[rng.integers(0, 3, many)]),
        "text": pa.array(texts),
        "large": pa.array(texts, pa.large_string()),
        "view": pa.array(texts, pa.string_view()),
        "category": pa.array(texts).dictionary_encode(),
        "nothing": pa.nulls(many),
        "bytes": pa.array([None if one is None else one.encode() for one in texts]),
        "date": pa.array([datetime.date(2020, 1, 1 + at % 9) for at in range(many)]),
        "decimal": pa.array([decimal.Decimal(at) / 8 for at in range(many)]),
        "list": pa.array([[1.0, at] for at in range(many)]),
    }
    return {name: pa.chunked_array([part[:1700], part[1700:]]) for name, part in parts.items()}


@pytest.mark.parametrize("at_once", [1 << 16, 700])
def test_rows_are_written_by_columns_as_they_are_one_at_a_time(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "AT_ONCE", at_once)
    found, expected = cells(), []
    tensor = np.random.default_rng(1).integers(0, 9, (3000, 2, 3), dtype=np.uint8)
    alike = {name: column.to_pylist() for name, column in found.items()} | {"tensor": [one.tobytes() for one in tensor]}
    found["tensor"] = pa.chunked_array([pa.FixedShapeTensorArray.from_numpy_ndarray(tensor)])
    for row in range(3000):
        texts = [(name.encode(), canonical(alike[name][row])) for name in sorted(alike)]
        whole = b"".join(b"%d:%s%d:%s" % (len(name), name, len(text), text) for name, text in texts)
        expected.append(hashlib.sha256(whole).digest())
    assert digest.rows(found).tobytes() == b"".join(expected)
    label = pa.chunked_array([pa.array(np.arange(3000) % 3)])
    whole, alone = digest.labelled(found, label)
    assert alone.tobytes() == b"".join(expected)
    assert whole.tobytes() == digest.rows({**found, "": label}).tobytes()


def test_no_cell_of_a_usual_column_is_looked_at_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "_text", lambda value: pytest.fail(f"{value!r} by itself"))
    rng = np.random.default_rng(0)
    usual = {"n": rng.uniform(0.01, 9e8, 500), "w": np.arange(500.0), "i": np.arange(500), "s": ["a", "b"] * 250}
    assert len(digest.rows({name: pa.chunked_array([pa.array(one)]) for name, one in usual.items()})) == 500


def test_rows_that_stand_twice_have_one_digest_in_any_order() -> None:
    found = digest.rows({"a": pa.chunked_array([pa.array([3, 1, 3, 2, 1])])})
    expected = hashlib.sha256(b"".join(sorted(row.tobytes() for row in found))).hexdigest()
    for order in ([0, 1, 2, 3, 4], [4, 2, 0, 1, 3]):
        assert digest.together(found[order]) == expected


def test_a_changed_cell_changes_one_row_digest(tmp_path: Path) -> None:
    table = frame()
    one = load(table, tmp_path)
    table.loc[7, "region"] = "elsewhere"
    other = load(table, tmp_path)
    assert np.flatnonzero(one.row_digests != other.row_digests).tolist() == [7]
    assert one.digests["table"] != other.digests["table"]


def test_row_digests_outlive_a_change_of_the_experiment(tmp_path: Path) -> None:
    one = load(frame(), tmp_path, 0, groups=GROUPS)
    other = load(frame(), tmp_path, 3, drop=("job", "sex"))
    assert (one.row_digests == other.row_digests).all()


def test_groups_are_no_features_unless_asked(tmp_path: Path) -> None:
    assert set(load(frame(), tmp_path, groups=GROUPS).features) == {"age", "job"}
    asked = load(frame(), tmp_path, groups=GROUPS, group_features=True)
    assert set(asked.features) == {"age", "job", "sex", "region"}


def test_groups_may_be_crossed(tmp_path: Path) -> None:
    asked = (GroupSpec(column="sex"), GroupSpec(column="race", merge={"Other": ("B",)}))
    both = GroupSpec(column="sex & race", cross=("sex", "race"))
    table = frame()
    table["sex"] = np.where(np.arange(len(table)) % 3, "F", "M")
    table.loc[:9, "sex"] = None
    table["race"] = np.where(np.arange(len(table)) % 2, "A", "B")
    found = load(table, tmp_path, groups=(*asked, both))
    cross = found.groups["sex & race"]
    assert set(cross) == {"", "F & A", "F & Other", "M & A", "M & Other"}
    pairs = zip(found.groups["sex"], found.groups["race"], strict=True)
    assert cross.tolist() == [f"{sex} & {race}" if sex else "" for sex, race in pairs]
    assert "group 'sex & race' is unknown in 10 of" in " ".join(found.notes)
    assert not {"sex", "race", "sex & race"} & set(found.features)


def test_crossed_groups_must_keep_their_names_apart() -> None:
    values = {"a": ("x & y", "x", "x"), "b": ("z", "y & z", "z")}
    columns = {name: np.array(column, dtype=object) for name, column in values.items()}
    with pytest.raises(TableError, match="two intersections are both called 'x & y & z'"):
        crossed(columns, ["a", "b"])
    with pytest.raises(TableError, match="an intersection of 'c', which is no group"):
        crossed(columns, ["a", "c"])
    with pytest.raises(TableError, match="two or more attributes, each once"):
        crossed(columns, ["a", "a"])


def test_a_crossed_attribute_may_have_two_hundred_groups(tmp_path: Path) -> None:
    table = frame(900)
    table["site"] = [f"s{i % 45}" for i in range(900)]
    table["sex"] = np.where(np.arange(900) % 7 < 3, "F", "M")
    table["age_band"] = [f"b{i % 11}" for i in range(900)]
    parts = tuple(GroupSpec(column=name) for name in ("site", "sex", "age_band"))
    few = load(table, tmp_path, groups=(*parts, GroupSpec(column="site & sex", cross=("site", "sex"))))
    assert len(set(few.groups["site & sex"])) == 90
    with pytest.raises(TableError, match="groups are too many to compare"):
        load(table, tmp_path, groups=(*parts, GroupSpec(column="site & age_band", cross=("site", "age_band"))))


def test_groups_merge_and_unknown_is_empty(tmp_path: Path) -> None:
    table = frame()
    table.loc[[3, 5], "region"] = None
    found = load(table, tmp_path, groups=GROUPS)
    assert set(found.groups["region"]) == {"n", "other", ""}
    assert np.flatnonzero(found.groups["region"] == "").tolist() == [3, 5]
    assert any("'region' is unknown in 2 of 400" in note for note in found.notes)


def test_a_split_column_decides_and_leaks_are_counted(tmp_path: Path) -> None:
    table = frame(400).assign(part=np.resize(SPLITS, 400))
    found = load(table, tmp_path, split="part")
    for at, name in enumerate(SPLITS):
        assert sorted(found.splits[name]) == list(range(at, 400, 4))
    where = table.groupby(["age", "job", "sex", "region", "label_is"])["part"].transform("nunique")
    assert found.leakage["exact_duplicates_across"] == int((where > 1).sum()) > 0
    assert any(note.startswith("LEAK: ") for note in found.notes)
    assert "part" not in found.features


def test_columns_that_say_nothing_are_dropped_with_a_note(tmp_path: Path) -> None:
    table = frame().assign(
        one=1, same="a", void=None, nan=np.nan, name=[f"person {at}" for at in range(400)], flag=np.arange(400) % 2 == 0
    )
    found = load(table, tmp_path)
    assert set(found.features) == {"age", "job", "sex", "region", "flag"}
    for name in ("one", "same", "void", "nan", "name"):
        assert any(f"{name!r} dropped" in note for note in found.notes)
    assert set(found.features["flag"]) == {0.0, 1.0}


def test_a_column_that_determines_the_label_is_noted_loudly(tmp_path: Path) -> None:
    table = frame()
    table["paid"] = np.where(table["label_is"] == "yes", 7, np.arange(400) % 5)
    found = load(table, tmp_path)
    assert found.leakage["determine_label"] == 1
    assert any(note.startswith("LEAK? column 'paid'") for note in found.notes)


def test_integer_codes_and_booleans_are_classes_in_order(tmp_path: Path) -> None:
    table = frame().assign(label_is=np.resize([10, 2, 1], 400))
    assert load(table, tmp_path).classes == ("1", "2", "10")
    assert load(table.assign(label_is=np.resize([1.0, 0.0], 400)), tmp_path).classes == ("0", "1")
    booleans = load(table.assign(label_is=np.resize([True, False], 400)), tmp_path, positive="true")
    assert (booleans.classes, booleans.positive) == (("false", "true"), 1)


def test_numbers_as_strings_stay_a_category(tmp_path: Path) -> None:
    found = load(frame().assign(zip=np.resize(["01", "02", "03"], 400)), tmp_path)
    assert set(found.features["zip"]) == {"01", "02", "03"}


def test_regression(tmp_path: Path) -> None:
    table = frame().assign(label_is=np.random.default_rng(1).normal(size=400))
    found = load(table, tmp_path, task="regression")
    assert found.classes == ()
    assert found.positive is None
    assert found.y.dtype == np.float64
    means = [float(np.mean(found.y[found.splits[name]] < np.median(found.y))) for name in SPLITS]
    assert means == pytest.approx([0.5] * 4, abs=0.05)


def test_row_ids_weights_and_entities_are_no_features(tmp_path: Path) -> None:
    table = frame().assign(age=np.arange(400) / 8, number=np.arange(1000, 1400), w=0.5, who=np.arange(400) // 2)
    found = load(table, tmp_path, row_id="number", weights="w", entity="who")
    assert found.row_ids[3] == "1003"
    assert found.weights is not None
    assert set(found.weights) == {0.5}
    assert not {"number", "w", "who"} & set(found.features)


@pytest.mark.parametrize("text", ["a;b\n1,5;x\n2,5;y\n", "\ufeffa,b\n1.5,x\n2.5,y\n", "a\tb\n1.5\tx\n2.5\ty\n"])
def test_csv_dialects(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    assert data.read(path).to_pydict() == {"a": [1.5, 2.5], "b": ["x", "y"]}


def test_new_rows_for_a_finished_artefact(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("age,job,more\n30,cook,1\n,,2\n")
    found = data.rows(path, {"job": "string", "age": "float"})
    assert list(found["job"]) == ["cook", ""]
    assert found["age"][0] == 30
    assert np.isnan(found["age"][1])


def test_pandas_index_is_no_feature(tmp_path: Path) -> None:
    frame().iloc[::-1].to_parquet(tmp_path / "t.parquet")
    assert "__index_level_0__" not in data.read(tmp_path / "t.parquet").column_names


def test_adult_is_built_from_the_raw_files(tmp_path: Path) -> None:
    made = runpy.run_path(str(ADULT.with_name("make_adult.py")))
    train, test = tmp_path / "adult.data", tmp_path / "adult.test"
    cells = "39, State-gov, 77516, Bachelors, 13, Never-married, ?, Own-child, White, Male, 2174, 0, 40, Cuba, <=50K"
    train.write_text(f"{cells}\n\n")
    test.write_text(f"|1x3 Cross validator\n{cells}.\n")
    table = made["table"]([train, test])
    assert table.column_names == pd.read_parquet(ADULT).columns.tolist()
    assert table.column("income").to_pylist() == ["<=50K", "<=50K"]
    assert table.column("occupation").to_pylist() == [None, None]
    assert table.column("age").to_pylist() == [39, 39]
