"""The front end against numpy, column by column."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodistill.errors import TableError
from autodistill.inputs.tabular import MISSING_KEYS, Tabular, rates


def local(encoding, codes, column):
    return codes[:, column] - encoding.offsets[column]


def test_numbers_are_imputed_scaled_and_flagged(loans):
    got = loans(2)
    numeric, _ = got.encoding.apply(got.features)
    train = got.at(slice(0, 600))
    age, savings = train["age"].astype(float), train["savings"].astype(float)
    known = savings[~np.isnan(savings)]
    filled = np.where(np.isnan(got.features["savings"]), np.median(known), got.features["savings"])
    assert numeric.dtype == np.float32
    # income is heavy-tailed, so every number passes through asinh
    np.testing.assert_allclose(numeric[:, 0], np.arcsinh((got.features["age"] - age.mean()) / age.std()), atol=1e-5)
    np.testing.assert_allclose(numeric[:, 2], np.arcsinh((filled - known.mean()) / known.std()), atol=1e-5)
    np.testing.assert_array_equal(numeric[:, 3], np.isnan(got.features["savings"]))
    assert (
        np.abs(numeric[:, 1]).max() < 8 < np.abs(train["income"] - train["income"].mean()).max() / train["income"].std()
    )


def test_without_a_heavy_tail_scaling_is_linear(loans):
    got = loans(2)
    features = {"age": got.features["age"], "town": got.features["town"]}
    numeric, _ = Tabular().fit(features, got.y, got.classes).apply(features)
    age = got.features["age"].astype(float)
    np.testing.assert_allclose(numeric[:, 0], (age - age.mean()) / age.std(), atol=1e-5)


def test_codes_are_in_order_of_the_target_rate(loans):
    got = loans(2)
    _, codes = got.encoding.apply(got.features)
    jobs = local(got.encoding, codes, 0)
    order = [got.y[:600][jobs[:600] == code].mean() for code in range(2, 6)]
    assert order == sorted(order)
    assert (jobs == 0).sum() == (got.features["job"] == "").sum()
    assert codes.max() < sum(got.encoding.cardinalities) == got.encoding.shapes(2).table


@pytest.mark.parametrize("form", ["split", "matrix"])
def test_missing_and_unseen(loans, form):
    got = loans(2)
    words = [*MISSING_KEYS, None, float("nan"), "astronaut"]
    rows = {name: np.repeat(column[:1], len(words)) for name, column in got.features.items()}
    rows["job"] = np.array(words, object)
    found = got.encoding.apply(rows)[1][:, 0] if form == "split" else got.encoding.apply_matrix(rows)[:, 1]
    assert found.tolist() == [0] * (len(words) - 1) + [1]


def test_the_matrix_for_trees_keeps_order_and_sets_missing_apart(loans):
    got = loans(2)
    matrix = got.encoding.apply_matrix(got.features)
    np.testing.assert_array_equal(matrix[:, 0], got.features["age"])
    savings, gone = matrix[:, 4], np.isnan(got.features["savings"])
    assert savings[gone].max() < savings[~gone].min()
    _, codes = got.encoding.apply(got.features)
    np.testing.assert_array_equal(matrix[:, 1], local(got.encoding, codes, 0))


def test_rare_words_are_unseen_and_only_the_most_frequent_are_kept():
    words = np.array(["a"] * 50 + ["b"] * 30 + ["c"] * 5 + ["d"] * 2, object)
    y = np.arange(len(words)) % 2
    kept = Tabular(min_rows=3, categories=2).fit({"w": words}, y, ("n", "y"))
    _, codes = kept.apply({"w": words})
    assert kept.cardinalities == (4,)
    assert {w: int(codes[words == w][0, 0]) for w in "cd"} == {"c": 1, "d": 1}
    assert kept.numeric == 0
    assert kept.apply({"w": words})[0].shape == (len(words), 0)


def test_three_classes_order_by_the_axis_of_most_difference():
    inverse = np.repeat([0, 1, 2], 100)
    target = np.zeros((300, 3))
    for category, shares in enumerate([(80, 10, 10), (10, 10, 80), (45, 10, 45)]):
        target[category * 100 : (category + 1) * 100] = np.repeat(np.eye(3), shares, axis=0)
    found = rates(inverse, np.array([100, 100, 100]), target)
    assert sorted([found[0], found[1]])[0] < found[2] < max(found[0], found[1])


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_any_number_of_rows(loans, rows):
    got = loans(2)
    numeric, codes = got.encoding.apply(got.at(slice(0, rows)))
    assert numeric.shape == (rows, 4)
    assert codes.shape == (rows, 2)
    assert got.encoding.apply_matrix(got.at(slice(0, rows))).shape == (rows, 5)


def test_degenerate_columns():
    features = {
        "constant": np.ones(20, np.float32),
        "empty": np.full(20, np.nan, np.float32),
        "blank": np.full(20, "", object),
        "/numeric2": np.arange(20, dtype=np.float32),
    }
    encoding = Tabular().fit(features, np.arange(20) % 2, ("n", "y"))
    numeric, codes = encoding.apply(features)
    assert np.isfinite(numeric).all()
    assert (codes == 0).all()
    assert np.isfinite(encoding.apply_matrix(features)).all()
    with pytest.raises(TableError, match="no feature column"):
        Tabular().fit({}, np.arange(20), ())


def test_equal_tables_give_equal_bytes(loans):
    got = loans(2)
    again = Tabular().fit(got.at(slice(0, 600)), got.y[:600], got.classes)
    assert again.digest == got.encoding.digest
    assert again.digest != loans(3).encoding.digest


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=False, width=32), min_size=1, max_size=20))
def test_whatever_the_numbers_nothing_is_missing_afterwards(values):
    features = {"x": np.array(values, np.float32)}
    encoding = Tabular().fit(features, np.zeros(len(values)), ())
    assert not np.isnan(encoding.apply(features)[0]).any()
    assert not np.isnan(encoding.apply_matrix(features)).any()
