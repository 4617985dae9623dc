import itertools
import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import Field

from autodistill import plugins, records, space
from autodistill.errors import SpecError
from autodistill.plugins import Fixed
from autodistill.space import Dimension, Space, Training

HERE = __name__


class Family:
    readings_depend_on: ClassVar[str] = "architecture"

    def build(self, inputs: Any, outputs: int) -> None: ...


@dataclass(frozen=True)
class Net(Family):
    trains: ClassVar[str] = "gradient"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")

    width: Annotated[int, Field(ge=1, le=512)] = 32
    hidden: tuple[int, ...] = (4,)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    bias: bool = True
    kind: Annotated[str, Fixed] = "plain"


@dataclass(frozen=True)
class Forest(Family):
    trains: ClassVar[str] = "fit"
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)

    trees: Annotated[int, Field(ge=1)] = 10
    rate: Annotated[float, Field(gt=0)] | None = None


@dataclass(frozen=True)
class Ordered(Family):
    trains: ClassVar[str] = "gradient"
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)

    low: int = 1
    high: int = 2

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


NET, FOREST, ORDERED = (f"{HERE}.{c.__name__}" for c in (Net, Forest, Ordered))


def named(made: Space) -> dict[str, Dimension]:
    return {d.name.replace(f"{HERE}.", ""): d for d in made.dimensions}


def test_a_value_is_fixed_a_list_is_a_choice_and_bounds_are_a_range() -> None:
    made = space.read(
        {
            "family": NET,
            "width": {"low": 4, "high": 256, "log": True},
            "dropout": {"low": 0.1, "high": 0.5},
            "bias": False,
        },
        {"loss": "soft_targets", "temperature": [1, 2.5], "epochs": 3, "learning_rate": {"low": 1e-4, "high": 1e-2}},
    )
    dims = named(made)
    assert list(dims) == ["Net.width", "Net.dropout", "soft_targets.temperature", "learning_rate"]
    assert (dims["Net.width"].kind, dims["Net.width"].low, dims["Net.width"].high, dims["Net.width"].log) == (
        "int",
        4,
        256,
        True,
    )
    assert (dims["Net.dropout"].kind, dims["Net.dropout"].log) == ("float", False)
    assert dims["soft_targets.temperature"].choices == (1, 2.5)
    assert all(d.when == () for d in made.dimensions)
    assert made.size() is None


def test_a_flat_list_is_one_value_of_a_tuple_and_a_list_of_lists_is_a_choice() -> None:
    fixed = space.read({"family": NET, "hidden": [8, 4]}, {"loss": "none"})
    assert fixed.dimensions == ()
    assert fixed.candidate(0, {}).student["hidden"] == [8, 4]
    made = space.read({"family": NET, "hidden": [[8, 4], [2]]}, {"loss": "none"})
    assert made.dimensions[0].choices == ("[8, 4]", "[2]")
    assert made.candidate(0, {f"{NET}.hidden": "[2]"}).student["hidden"] == [2]


def test_conditions_name_every_ancestor() -> None:
    made = space.read(
        [
            {"family": NET, "width": [1, 2], "precision": ["fp32", "int8"]},
            {"family": FOREST, "trees": {"low": 1, "high": 3}},
            {"family": NET, "width": [3, 4]},
        ],
        {
            "loss": ["soft_targets", "standardized_logits", "none"],
            "temperature": {"low": 1, "high": 8},
            "epochs": [1, 2],
        },
    )
    dims = named(made)
    gradient, fit = ("family", (NET, f"{NET}#2")), ("family", (FOREST,))
    assert dims["family"].choices == (NET, FOREST, f"{NET}#2")
    assert dims["Net.precision"].when == (("family", (NET,)),)
    assert dims["Net#2.width"].when == (("family", (f"{NET}#2",)),)
    assert dims["loss"].when == (gradient,)
    assert dims["soft_targets.temperature"].when == (gradient, ("loss", ("soft_targets",)))
    assert dims["epochs"].when == (gradient,)
    assert dims["fit_loss"].choices == ("soft_targets", "none")
    assert dims["fit.soft_targets.temperature"].when == (fit, ("fit_loss", ("soft_targets",)))
    assert "fit.standardized_logits.temperature" not in dims
    assert "none.temperature" not in dims


def test_what_a_family_ignores_is_no_part_of_a_recipe() -> None:
    made = space.read(
        [{"family": NET, "width": [1, 2]}, {"family": FOREST, "trees": [1, 2]}],
        {"loss": ["soft_targets", "none"], "temperature": {"low": 1, "high": 8}, "epochs": [1, 2]},
    )
    values = {"family": FOREST, f"{FOREST}.trees": 2, "fit_loss": "none"}
    noise = {f"{NET}.width": 1, "loss": "soft_targets", "soft_targets.temperature": 3.0, "epochs": 2}
    one, two = (
        made.candidate(1, values),
        made.candidate(2, {**values, **noise, "fit.soft_targets.temperature": 2.0}, seed=1),
    )
    assert one.recipe == two.recipe
    assert one.key != two.key
    assert (one.training, one.distill, one.precision) == ({}, {}, "fp32")
    assert one.student == {"trees": 2, "rate": None}
    assert two.parameters == values


def test_defaults_written_out_are_the_same_recipe() -> None:
    short = space.read({"family": NET}, {"loss": "none"}).candidate(0, {})
    long = space.read(
        {"family": NET, "width": 32, "hidden": [4], "dropout": 0, "bias": True, "precision": "fp32"},
        {"loss": [{"kind": "none"}], "epochs": 30, "learning_rate": 0.001},
    ).candidate(7, {})
    assert short.recipe == long.recipe
    assert set(short.training) == {o.name for o in plugins.options_of(Training)} - {"places"}  # one says nothing


def test_the_long_form_overrides_the_shorthand_and_the_default_arms_include_no_teacher() -> None:
    made = space.read(
        {"family": NET},
        {
            "loss": [{"kind": "standardized_logits", "temperature": [1, 2]}, "soft_targets"],
            "temperature": [3, 4],
        },
    )
    assert named(made)["standardized_logits.temperature"].choices == (1, 2)
    assert named(made)["soft_targets.temperature"].choices == (3, 4)
    assert [a.loss for a in space.read({"family": NET}).arms] == ["soft_targets", "none"]


def test_values_are_rounded_to_three_digits_and_stay_inside_their_bounds() -> None:
    made = space.read({"family": NET, "dropout": {"low": 0.10049, "high": 0.99849}}, {"loss": "none"})
    low, high = made.dimensions[0].low, made.dimensions[0].high
    assert (low, high) == (0.1, 0.998)
    assert made.candidate(0, {f"{NET}.dropout": 0.123456}).student["dropout"] == 0.123
    assert made.candidate(0, {f"{NET}.dropout": 0.123456}).parameters == {f"{NET}.dropout": 0.123456}


def test_a_missing_or_foreign_value_is_an_error() -> None:
    made = space.read({"family": NET, "width": {"low": 1, "high": 3}, "bias": [True, False]}, {"loss": "none"})
    good = {f"{NET}.width": 2, f"{NET}.bias": True}
    assert made.candidate(0, good).student["bias"] is True
    for bad in (
        {f"{NET}.width": 2},
        {**good, f"{NET}.width": 4},
        {**good, f"{NET}.width": 1.5},
        {**good, f"{NET}.bias": 1},
    ):
        with pytest.raises(ValueError, match=r"no value for|outside|none of"):
            made.candidate(0, bad)


def test_the_size_counts_overlapping_entries_once() -> None:
    entries = [{"family": NET, "width": [1, 2, 3]}, {"family": NET, "width": [3, 4], "bias": [True, False]}]
    assert space.read(entries, {"loss": ["none", "soft_targets"], "temperature": [1, 2]}).size() == (3 + 4 - 1) * 3
    assert space.read({"family": FOREST, "trees": {"low": 1, "high": 60}}, {"loss": "none"}).size() == 60
    assert space.read({"family": FOREST, "rate": {"low": 0.1, "high": 1.0}}, {"loss": "none"}).size() is None
    assert space.read({"family": FOREST, "trees": {"low": 1, "high": 50_000}}, {"loss": "none"}).size() is None


@pytest.mark.parametrize(
    ("student", "distill", "message"),
    [
        ([], {}, "f: student: no student"),
        (3, {}, "f: student: no student"),
        ([3], {}, "f: student.0: should be a mapping, not 3"),
        ({"family": [NET]}, {}, "one name an entry"),
        ({"family": NET, "width": {"low": 1}}, {}, "f: student.width: a range without high"),
        ({"family": NET, "width": {"low": 1, "high": 2.5}}, {}, "width.high: should be a whole number, not 2.5"),
        ({"family": NET, "width": {"low": 1, "high": True}}, {}, "width.high: should be a whole number, not True"),
        ({"family": NET, "width": {"low": 1, "high": 2, "log": "yes"}}, {}, "width.log: log is true or false"),
        ({"family": NET, "width": {"low": 0, "high": 2, "log": True}}, {}, "width.low: a logarithmic range from 0"),
        ({"family": NET, "width": {"low": 1, "high": 513}}, {}, "width.high: should be less than or equal to 512"),
        ({"family": NET, "width": {}}, {}, "a range without low"),
        ({"family": NET, "dropout": {"low": 0, "high": 0.9999}}, {}, "dropout.high: should be less than 1, not 1"),
        ({"family": NET, "bias": {"low": 0, "high": 1}}, {}, "bias is bool: it has no range"),
        ({"family": NET, "hidden": [[1], ["a"]]}, {}, "hidden.1.0: should be a valid integer"),
        ({"family": NET, "kind": ["a", "b"]}, {}, "kind takes one value and may not be searched"),
        ({"family": NET, "width": [1, {"low": 1, "high": 2}]}, {}, "width.1: a mapping among the choices"),
        ({"family": NET, "dropout": [0.1, 0.1001]}, {}, "0.1 is listed twice (to three significant digits)"),
        ({"family": NET, "width": list(range(1, 1002))}, {}, "a list of 1001 values; give a range"),
        ({"family": ORDERED, "low": [1, 5], "high": [2, 6]}, {}, "student: low is above high"),
        (
            {"family": FOREST},
            {"loss": "standardized_logits"},
            "knows only soft_targets, squared_error and none",
        ),
        ({"family": NET}, {"loss": []}, "distill.loss: an empty list"),
        ({"family": NET}, {"loss": [{"king": "none"}]}, "write kind for king"),
        ({"family": NET}, {"loss": ["none", "none"]}, "distill.loss.1: none is listed twice"),
        ({"family": NET}, {"loss": "none", "temperature": 2}, "no listed loss has an option 'temperature'"),
        ({"family": NET}, {"loss": "soft_targets", "temperature": -1}, "distill.temperature: should be greater"),
        (
            {"family": NET},
            {"loss": [{"kind": "soft_targets", "temperature": -1}]},
            "distill.loss.0.temperature: should",
        ),
        (
            {"family": NET},
            {"learning_rate": {"low": 0, "high": 1}},
            "distill.learning_rate.low: should be greater than 0",
        ),
        ({"family": NET}, ["none"], "distill: should be a mapping"),
    ],
)
def test_a_wrong_setting_fails_before_the_first_trial(student: Any, distill: Any, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        space.read(student, distill, "f")
    assert message in str(caught.value)


@st.composite
def numbers(draw: st.DrawFn, low: float, high: float, whole: bool) -> Any:
    number = st.integers(int(low), int(high)) if whole else st.floats(low, high).map(lambda v: float(f"{v:.3g}"))
    if draw(st.booleans()):
        return draw(st.lists(number, min_size=1, max_size=3, unique_by=records.canonical))
    one, two = sorted((draw(number), draw(number)))
    return {"low": one, "high": two, "log": draw(st.booleans()) and one > 0}


@st.composite
def entries(draw: st.DrawFn, continuous: bool = True) -> dict[str, Any]:
    some = st.sampled_from([[[1]], [[1], [2, 3]], [4, 5]])
    share = numbers(0.001, 0.99, False) if continuous else st.sampled_from([0.1, [0.2, 0.30001]])
    if draw(st.booleans()):
        entry = {"width": numbers(1, 20, True), "hidden": some, "dropout": share, "bias": st.just([True, False])}
        family, precision = NET, st.sampled_from(["fp32", ["fp32", "int8"], ["int8"]])
    else:
        entry, family, precision = {"trees": numbers(1, 20, True), "rate": share}, FOREST, st.just("fp32")
    kept = {k: draw(v) for k, v in {**entry, "precision": precision}.items() if draw(st.booleans())}
    return {"family": family, **kept}


@st.composite
def spaces(draw: st.DrawFn, continuous: bool = True) -> Space:
    student = draw(st.lists(entries(continuous), min_size=1, max_size=3))
    losses = draw(st.lists(st.sampled_from(["soft_targets", "standardized_logits", "none"]), min_size=1, unique=True))
    assume(set(losses) & {"soft_targets", "none"})
    distill: dict[str, Any] = {"loss": losses}
    if set(losses) - {"none"}:
        distill["temperature"] = draw(numbers(1, 8, False)) if continuous else [1, 2]
    if draw(st.booleans()):
        distill["epochs"] = draw(numbers(1, 5, True))
    return space.read(student, distill)


def every(dimension: Dimension) -> list[Any]:
    return list(dimension.choices) or list(range(int(dimension.low), int(dimension.high) + 1))


def value(dimension: Dimension) -> st.SearchStrategy[Any]:
    if dimension.kind == "choice":
        return st.sampled_from(dimension.choices)
    if dimension.kind == "int":
        return st.integers(int(dimension.low), int(dimension.high))
    return st.floats(dimension.low, dimension.high)


PATIENT = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@PATIENT
@given(st.data())
def test_any_assignment_of_active_dimensions_is_a_valid_canonical_candidate(data: st.DataObject) -> None:
    made = data.draw(spaces())
    values: dict[str, Any] = {}
    for dimension in made.dimensions:  # parents first, so that what is active is known when its turn comes
        if dimension in made.active(values):
            values[dimension.name] = data.draw(value(dimension))
    found = made.candidate(3, values)

    plugins.build("students", found.family, found.student)
    plugins.build("losses", found.loss, found.distill)
    kind = plugins.find("students", found.family)
    assert found.precision in kind.precisions
    if kind.trains == "gradient":
        plugins.validate(Training, found.training)
    else:
        assert found.training == {}
        assert found.loss in {"soft_targets", "none"}

    for part in (found.student, found.distill, found.training):
        assert records.canonical(part) == part
    assert set(found.parameters) == set(values)

    inactive = {d.name: data.draw(value(d)) for d in made.dimensions if d.name not in values}
    again = made.candidate(9, {**inactive, **values})
    assert (again.recipe, again.parameters) == (found.recipe, found.parameters)
    assert records.decode(records.encode(found), records.Candidate) == found
    assert made.candidate(3, found.parameters) == found


@PATIENT
@given(spaces(continuous=False))
def test_recipes_are_as_many_as_the_size_says_and_equal_where_the_forms_are(made: Space) -> None:
    assume(all(d.kind != "float" for d in made.dimensions))
    assume(math.prod(len(every(d)) for d in made.dimensions) <= 3000)
    forms: dict[str, str] = {}
    for combination in itertools.product(*(every(d) for d in made.dimensions)):
        values = dict(zip((d.name for d in made.dimensions), combination, strict=True))
        found = made.candidate(0, values)
        parts = [found.family, found.student, found.loss, found.distill, found.training, found.precision]
        form = repr([sorted(p.items()) if isinstance(p, dict) else p for p in parts])
        assert forms.setdefault(found.recipe, form) == form
    assert len(forms) == len(set(forms.values())) == made.size()
