import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field

from autodistill import plugins
from autodistill.errors import SpecError
from autodistill.plugins import Fixed, Rest

ROOMS = ("checks", "inputs", "losses", "students", "teachers")


@dataclass(frozen=True)
class Inner:
    share: Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Example:
    """An example of a loss.

    More about it.
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    path: Annotated[str, Fixed, Field(description="where it is")]
    width: Annotated[int, Field(ge=1, le=9, description="hidden units")] = 3
    rate: Annotated[float, Field(gt=0)] | None = None
    sizes: tuple[int, ...] = (1, 2)
    mode: Literal["a", "b"] = "a"
    flag: bool = False
    parts: tuple[Inner, ...] = ()

    def __post_init__(self) -> None:
        if self.mode == "b" and self.width == 1:
            raise ValueError("mode b needs a width of 2")

    def build(self, shapes: Any) -> Any:
        return shapes


@dataclass(frozen=True)
class Open:
    """Takes anything."""

    estimator: str
    raw: bool = False
    options: Annotated[Mapping[str, Any], Rest] = field(default_factory=dict)


@dataclass
class Thawed:
    needs: ClassVar[frozenset[str]] = frozenset()


@dataclass(frozen=True)
class Bare:
    pass


HERE = __name__


@pytest.mark.parametrize("room", ROOMS)
def test_every_file_of_a_room_is_a_plugin_with_words(room: str) -> None:
    assert plugins.names(room)
    for name in plugins.names(room):
        assert plugins.find(room, name).__module__ == f"autodistill.{room}.{name}"
        assert plugins.describe(room, name).endswith(".")
        for option in plugins.options(room, name):
            assert option.type
            assert option.doc, f"{room}/{name}: {option.name} has no description"
        for lacking in plugins.REQUIRED.get(room, ()):
            assert hasattr(plugins.find(room, name), lacking)


@pytest.mark.parametrize("room", ROOMS)
def test_defaults_are_valid_themselves(room: str) -> None:
    for name in plugins.names(room):
        options = plugins.options(room, name)
        if not any(o.required for o in options):
            made = plugins.build(room, name, {o.name: o.default for o in options if not o.rest})
            assert made == plugins.build(room, name, {})


def test_listing_and_reading_plugins_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.modules.update(torch=None, mlflow=None, optuna=None, sklearn=None, onnx=None)\n"
        "from autodistill import plugins\n"
        f"print([plugins.options(r, n) for r in {ROOMS} for n in plugins.names(r)] != [])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("True", "")


def test_options_say_what_a_field_says() -> None:
    options = {o.name: o for o in plugins.options_of(Example)}
    assert list(options) == ["path", "width", "rate", "sizes", "mode", "flag", "parts"]
    assert options["path"].required
    assert not options["path"].searchable
    assert options["width"].type == "int, ≥ 1, ≤ 9"
    assert (options["width"].doc, options["width"].default, options["width"].number) == ("hidden units", 3, "int")
    assert (options["rate"].type, options["rate"].number) == ("float or null, > 0", "float")
    assert options["sizes"].is_tuple
    assert options["mode"].type == "a | b"
    assert options["flag"].number is None


def test_whole_numbers_widen_and_nothing_else_is_converted() -> None:
    made = plugins.validate(Example, {"path": "x", "rate": 2, "sizes": [3], "parts": [{"share": 1}]})
    assert made == Example("x", rate=2.0, sizes=(3,), parts=(Inner(1.0),))
    assert isinstance(made.rate, float)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "here: path is missing; give path: str"),
        ({"path": 1}, "here: path: should be a valid string, not 1"),
        ({"path": "x", "width": True}, "here: width: should be a valid integer, not True"),
        ({"path": "x", "width": 2.0}, "here: width: should be a valid integer, not 2.0"),
        ({"path": "x", "width": 10}, "should be less than or equal to 9, not 10; width is int, ≥ 1, ≤ 9"),
        ({"path": "x", "rate": True}, "rate: should be a valid number, not True"),
        ({"path": "x", "rate": float("nan")}, "rate: should be a finite number"),
        ({"path": "x", "rate": float("inf")}, "rate: should be a finite number"),
        ({"path": "x", "rate": "1e-4"}, "rate: should be a valid number, not '1e-4'"),
        ({"path": "x", "sizes": [1, "2"]}, "sizes.1: should be a valid integer, not '2'"),
        ({"path": "x", "sizes": 1}, "sizes: should be a valid array, not 1"),
        ({"path": "x", "mode": "c"}, "mode: should be 'a' or 'b', not 'c'"),
        ({"path": "x", "flag": 1}, "flag: should be a valid boolean, not 1"),
        ({"path": "x", "flag": object()}, "cannot be an option"),
        ({"path": "x", "widht": 1}, "here: widht: Example has no option 'widht'; did you mean width?"),
        ({"path": "x", "needs": []}, "Example has no option 'needs'"),
        ({"path": "x", "parts": [{"share": 2}]}, "parts.0.share: should be less than or equal to 1, not 2"),
        ({"path": "x", "parts": [{"share": 1, "more": 2}]}, "parts.0.more: Unexpected keyword argument"),
        ({"path": "x", "mode": "b", "width": 1}, "here: mode b needs a width of 2"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        plugins.validate(Example, values, "here")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_place_may_be_a_function_of_the_path() -> None:
    with pytest.raises(SpecError, match=r"^line of \('sizes', 1\): should"):
        plugins.validate(Example, {"path": "x", "sizes": [1, "2"]}, lambda path: f"line of {path}")


def test_the_rest_goes_to_the_option_that_takes_it() -> None:
    made = plugins.validate(Open, {"estimator": "a.B", "depth": 3, "options": {"rate": 0.1}})
    assert made == Open("a.B", options={"rate": 0.1, "depth": 3})
    assert plugins.validate(Open, {"estimator": "a.B"}) == Open("a.B")
    assert not plugins.options_of(Open)[2].searchable


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("soft_target", "an unknown name in losses: 'soft_target'; did you mean soft_targets?"),
        ("", "an empty name in losses"),
        ("../losses", "'../losses' is not a dotted name"),
        ("no_such_package.Loss", "cannot import no_such_package: ModuleNotFoundError"),
        (f"{HERE}.Exampel", "has no Exampel; did you mean Example?"),
        (f"{HERE}.Thawed", "is not a frozen dataclass"),
        (f"{HERE}.Bare", "lacks needs, build"),
        ("os.path.join", "is not a frozen dataclass"),
    ],
)
def test_an_unfit_name_is_refused(name: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        plugins.find("losses", name, "file.yaml:3")
    assert str(caught.value).startswith("file.yaml:3: ")
    assert message in str(caught.value)


def test_a_dotted_name_reaches_outside() -> None:
    assert plugins.build("losses", f"{HERE}.Example", {"path": "x"}) == Example("x")
    assert plugins.describe("losses", f"{HERE}.Example") == "An example of a loss."


def test_suggestions() -> None:
    assert plugins.suggest("Sex", ["race", "sex"]) == "did you mean sex?"
    assert plugins.suggest("zzz", ["race", "sex"]) == "known: race, sex"
    assert plugins.suggest("zzz", []) == "there is none"
    assert plugins.suggest("zzz", [f"c{i}" for i in range(20)]).endswith("c11 and 8 more")
