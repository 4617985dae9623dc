import itertools
import os
import random
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from autodistill import records, spec
from autodistill.errors import SpecError
from autodistill.spec import reader

ROOT = Path(__file__).parent.parent
DEMO = Path("search_spaces/adult_income.yaml")
BASE = Path("tests/experiment.yaml")  # what the tests change a line of; the demo may move on
MALFORMED = Path("tests/malformed")
POLICY = """\
name: strict
version: "1.0"
require:
  - {check: accuracy_loss, at_most: 0.015}
"""


@dataclass(frozen=True)
class Colour:
    """A meter that takes no limit."""

    unit: ClassVar[str] = "1"
    limits: ClassVar[tuple[str, ...]] = ()

    def read(self, artefact: Path, bench: object) -> tuple[()]:
        return ()


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def changed(tmp_path: Path, *changes: tuple[str, str], base: Path = BASE) -> Path:
    text = (ROOT / base).read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = tmp_path / "changed.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "file.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(path: Path, policy: bool = False) -> str:
    with pytest.raises(SpecError) as caught:
        (spec.load_policy if policy else spec.load)(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("path", sorted((ROOT / MALFORMED).rglob("*.yaml")), ids=lambda p: p.stem)
def test_a_malformed_file_is_refused_at_its_line(path: Path) -> None:
    """The first line of each file says the line, the key and the words of its message."""
    expected = path.read_bytes().split(b"\n", 1)[0].decode().removeprefix("# expect: ")
    relative = path.relative_to(ROOT)
    message = refused(relative, policy=path.parent.name == "policies")
    assert message.startswith(f"{relative}:")
    assert expected in message
    assert not re.match(r"\d", expected) or f"{relative}:{expected}" in message


def test_there_are_enough_malformed_files() -> None:
    assert len(list((ROOT / MALFORMED).glob("*.yaml"))) >= 20
    assert len(list((ROOT / MALFORMED / "policies").glob("*.yaml"))) >= 10


def test_the_demo_says_what_its_file_says() -> None:
    demo = spec.load(DEMO)
    assert (demo.name, demo.seed, demo.sampler) == ("adult-income", 0, "exact")
    assert demo.data.positive == ">50K"
    assert [g.column for g in demo.data.groups] == ["sex", "race"]
    assert demo.data.groups[1].merge == {"Other": ("Amer-Indian-Eskimo", "Asian-Pac-Islander", "Other")}
    assert isinstance(demo.data.split, dict)
    assert sum(demo.data.split.values()) == pytest.approx(1)
    assert demo.objectives == ("error", "latency", "energy")
    assert (demo.budget.trials, demo.budget.minutes) == (60, 3)
    assert demo.policy_path == Path("policies/default.yaml")
    assert {b.family for b in demo.space.branches} == {"mlp", "boosted", "tree", "linear"}
    assert demo.text == DEMO.read_text(encoding="utf-8")
    assert demo.track["mlflow"] == "sqlite:///mlflow.db"


def test_the_default_policy_asks_what_its_file_asks() -> None:
    policy = spec.load_policy("policies/default.yaml")
    assert policy.alpha == pytest.approx(0.05)
    assert policy.sha256 == records.digest(Path("policies/default.yaml").read_bytes())
    by_name = {(r.name, *r.options.values()): r.limits for r in policy.require}
    assert by_name["accuracy_loss",] == {"at_most": 0.015}
    assert by_name["size",] == {"at_most": 200_000, "at_most_ratio": 0.05}
    assert by_name["latency",] == {"at_most_ratio": 0.6}
    assert by_name["group_gap", "true_positive_rate", "race"] == {"at_most": 0.25, "grows_by_at_most": 0.15}
    assert all(not r.limits for r in policy.report)


def test_the_demo_and_its_policy_load_without_anything_heavy() -> None:
    heavy = ("torch", "mlflow", "optuna", "onnx", "skl2onnx", "onnxruntime")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({heavy}))\n"
        "from autodistill import spec\n"
        f"print(spec.load({str(DEMO)!r}).name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.stdout.strip(), done.stderr) == ("adult-income", "")


def test_the_digest_leaves_out_what_does_not_change_the_question(tmp_path: Path) -> None:
    first = spec.load(BASE).sha256
    for old, new in (
        ("trials: 60, minutes: 3", "trials: 10"),
        ("track:", "engine: {workers: 2}\ntrack:"),
        ('{mlflow: "sqlite:///mlflow.db"}', "{}"),
        ("# audited", "# another comment"),
        ("measure: {batch: 1, threads: 1}", "measure: {}"),
    ):
        assert spec.load(changed(tmp_path, (old, new))).sha256 == first, new
    for old, new in (
        ("seed: 0", "seed: 1"),
        ("train: 0.4, search: 0.15", "train: 0.39, search: 0.16"),
        ("max_depth: 5", "max_depth: 4"),
        ("depth: [1, 2]", "depth: [1, 3]"),
        ("epochs: 20", "epochs: 21"),
        ("energy]", "size]"),
    ):
        assert spec.load(changed(tmp_path, (old, new))).sha256 != first, new


def test_the_command_line_overrides_the_budget(tmp_path: Path) -> None:
    over = spec.load(DEMO, {"trials": 5, "minutes": None, "workers": 2})
    assert (over.budget.trials, over.budget.minutes, over.engine["workers"]) == (5, 3, 2)
    assert over.sha256 == spec.load(DEMO).sha256
    path = changed(tmp_path, ("budget: {trials: 60, minutes: 3}\n", ""))
    assert spec.load(path, {"minutes": 2}).budget == spec.Budget(minutes=2)
    assert "no budget" in refused(path)
    with pytest.raises(SpecError, match=r"^the command line: trials: should be greater than or equal to 1, not 0"):
        spec.load(DEMO, {"trials": 0})


def test_a_class_or_a_column_may_look_like_a_number(tmp_path: Path) -> None:
    path = changed(tmp_path, ('positive: ">50K"', "positive: 1"), ("Asian-Pac-Islander", "2"))
    data = spec.load(path).data
    assert data.positive == "1"
    assert data.groups[1].merge["Other"][1] == "2"
    no = changed(tmp_path, ('positive: ">50K"', "positive: no"))
    assert spec.load(no).data.positive == "no"


def test_a_split_may_be_a_column_and_readings_a_file(tmp_path: Path) -> None:
    readings = tmp_path / "readings.json"
    readings.write_text("{}")
    path = changed(
        tmp_path,
        ("split: {train: 0.4, search: 0.15, audit: 0.225, sealed: 0.225}", "split: part"),
        ("measure: {batch: 1, threads: 1}", f"measure: {{from: {readings}}}"),
    )
    loaded = spec.load(path)
    assert loaded.data.split == "part"
    assert loaded.measure.source == readings


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  positive:", "  threshold: 0.5\n  x_positive:", "data has no 'x_positive'"),
        ('  positive: ">50K"', "  threshold: 0.5", "a threshold without positive"),
        ('  positive: ">50K"', '  task: regression\n  positive: ">50K"', "positive in a regression"),
        ('  positive: ">50K"', "  weights: income", "income is target already"),
        ('  positive: ">50K"', "  drop: fnlwgt", "should be a list of columns; write [fnlwgt]"),
        ('  positive: ">50K"', "  drop: [income]", "data.drop[0]: income is the target"),
        ('  positive: ">50K"', "  task: ranking", "data.task: should be 'classification' or 'regression'"),
        ("    - sex\n", "    - race\n", "race is listed twice"),
        ("    - sex\n", "    - {col: sex}\n", "a group has no 'col'; did you mean column?"),
        ("merge: {Other: [", "merge: {Other: [[], ", "should be a name, not []"),
        ("table: data/adult.parquet", "table: data", "data is not a file"),
        ("table: data/adult.parquet", "table:", "data.table: should be"),
        ("measure: {batch: 1", "measure: {batches: 1", "measure has no 'batches'; did you mean batch?"),
        ("measure: {batch: 1, threads: 1}", "measure: 1", "measure: should be a mapping, not 1"),
        (
            "budget: {trials: 60, minutes: 3}",
            "budget: 60",
            "budget: should be a mapping, not 60; it has trials, minutes",
        ),
        ("track:", "engine: {kind: rya}\ntrack:", "no engine 'rya'"),
        ("objectives: [error, latency, energy]", "objectives: error", "objectives: should be a list"),
        ("objectives: [error, latency, energy]", "objectives: [[error]]", "no objective ['error']"),
        ("{kind: sklearn,", "{knd: sklearn,", "no kind of teacher"),
    ],
)
def test_further_faults_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert message in refused(changed(tmp_path, (old, new)))


def test_a_policy_of_groups_needs_groups(tmp_path: Path) -> None:
    text = (ROOT / BASE).read_text(encoding="utf-8")
    bare = written(tmp_path, re.sub(r"  groups:.*?\n  split", "  split", text, flags=re.DOTALL))
    (tmp_path / "policy.yaml").write_text(POLICY + "  - {check: worst_group_loss, at_most: 0.1}\n")
    bare.write_text(bare.read_text().replace("policies/default.yaml", str(tmp_path / "policy.yaml")))
    assert "its check worst_group_loss compares groups, and data.groups lists none" in refused(bare)
    (tmp_path / "policy.yaml").write_text(POLICY)
    assert spec.load(bare).data.groups == ()


# policies


@pytest.mark.parametrize(
    ("written_as", "base"),
    [("200 kB", 200e3), ("0.2MB", 200e3), ("2e5 B", 200e3), ("1 KiB", 1024), ("1.5 GiB", 1.5 * 2**30)],
)
def test_sizes_have_units(tmp_path: Path, written_as: str, base: float) -> None:
    path = written(tmp_path, POLICY + f"  - {{meter: size, at_most: {written_as}}}\n")
    assert spec.load_policy(path).require[1].limits["at_most"] == pytest.approx(base)


@pytest.mark.parametrize(
    ("meter", "written_as", "base"),
    [
        ("latency", "50 us", 50),
        ("latency", "50 µs", 50),
        ("latency@32", "50 \u03bcs", 50),
        ("latency", "1.5 ms", 1500),
        ("latency", "800 ns", 0.8),
        ("energy", "2 uJ", 2),
        ("energy", "1 mJ", 1000),
    ],
)
def test_times_and_energies_have_units(tmp_path: Path, meter: str, written_as: str, base: float) -> None:
    path = written(tmp_path, POLICY + f'  - {{meter: {meter}, at_most: "{written_as}"}}\n')
    assert spec.load_policy(path).require[1] == records.Requirement(
        kind="meter", name=meter, limits={"at_most": pytest.approx(base)}
    )


def test_a_meter_beyond_the_usual_says_its_own_unit(tmp_path: Path) -> None:
    path = written(tmp_path, POLICY + "  - {meter: peak_memory, at_most: 64 MB}\n")
    assert spec.load_policy(path).require[1].limits == {"at_most": 64e6}
    outside = POLICY + f"  - {{meter: {__name__}.Colour, at_most: 64 MB}}\n"
    assert f"{__name__}.Colour cannot be limited" in refused(written(tmp_path, outside), policy=True)
    shown = POLICY + f"report:\n  - {{meter: {__name__}.Colour}}\n"
    assert spec.load_policy(written(tmp_path, shown)).report[0].name == f"{__name__}.Colour"


def test_a_share_may_be_a_percentage_and_a_limit_may_ask_for_superiority(tmp_path: Path) -> None:
    assert spec.load_policy(written(tmp_path, POLICY.replace("0.015", "1.5 %"))).require[0].limits["at_most"] == 0.015
    assert spec.load_policy(written(tmp_path, POLICY.replace("0.015", "-0.01"))).require[0].limits["at_most"] == -0.01


def test_a_version_that_looks_like_a_number_is_text(tmp_path: Path) -> None:
    assert spec.load_policy(written(tmp_path, POLICY.replace('"1.0"', "1.10"))).version == "1.10"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version:", "because: x\nversion:", None),
        ('version: "1.0"\n', "", "version is missing"),
        ("require:", "demand:", "a policy has no 'demand'"),
        ("require:\n  - {check: accuracy_loss, at_most: 0.015}\n", "", "require is missing"),
        ("{check: accuracy_loss, at_most: 0.015}", "accuracy_loss", "should be a mapping, not 'accuracy_loss'"),
        ("{check: accuracy_loss, at_most: 0.015}", "{check: accuracy_loss, meter: size}", "both check and meter"),
        ("{check: accuracy_loss, at_most: 0.015}", "{check: [a], at_most: 1}", "should be a name, not ['a']"),
        ("{check: accuracy_loss, at_most: 0.015}", "{check: class_collapse, at_most: 1}", "takes no at_most; it has"),
        (
            "{check: accuracy_loss, at_most: 0.015}",
            "{meter: size}",
            "size without a limit; give at_most or at_most_ratio",
        ),
        ("{check: accuracy_loss, at_most: 0.015}", "{meter: size, at_most_ratio: 0}", "should be above 0"),
        (
            "{check: accuracy_loss, at_most: 0.015}",
            "{meter: size, at_most_ratio: half}",
            "should be a number, not 'half'",
        ),
        ("{check: accuracy_loss, at_most: 0.015}", "{meter: size, at_most: -1 kB}", "-1 kB is not above zero"),
        ("{check: accuracy_loss, at_most: 0.015}", "{meter: size, at_most: big}", "an amount with its unit"),
        ("{check: accuracy_loss, at_most: 0.015}", "{meter: size, at_most: [1]}", "an amount with its unit"),
        ("{check: accuracy_loss, at_most: 0.015}", "{meter: size, at_least: 1 kB}", "size takes no at_least"),
        ("{check: accuracy_loss, at_most: 0.015}", "{check: churn}", ":4: require[0]: churn decides nothing; move the"),
        (
            "{check: accuracy_loss, at_most: 0.015}",
            "{check: churn, at_most: 0.1}",
            ":4: require[0]: churn decides nothing",
        ),
        (
            "{check: accuracy_loss, at_most: 0.015}",
            "{check: impact_ratio, at_least: 0.8}",
            "at_least without reference",
        ),
        (
            "{check: accuracy_loss, at_most: 0.015}",
            "{check: impact_ratio, reference: Male, at_least: 80}",
            ":4: require[0].at_least: 80 is above 1; 0.8 is four fifths of the reference's",
        ),
        (
            "{check: accuracy_loss, at_most: 0.015}",
            "{check: impact_ratio, reference: Male, at_least: 0}",
            "0 is not above zero; it is in ratio",
        ),
        (
            "{check: accuracy_loss, at_most: 0.015}",
            "{check: score_loss, metric: log_loss, at_most: 0}",
            "0 is not above zero; it is in nats",
        ),
        (
            "{check: accuracy_loss, at_most: 0.015}",
            '{check: score_loss, metric: log_loss, at_most: "1 %"}',
            "should be a number, not '1 %'",
        ),
        (
            "{check: accuracy_loss, at_most: 0.015}",
            "{check: score_loss, metric: log_loss, at_most_ratio: 0}",
            "should be above 0 and at most 100",
        ),
        (
            "{check: accuracy_loss, at_most: 0.015}",
            "{check: group_gap, metric: accuracy, of: yes, at_most: 0.1}",
            "accuracy is of no class: leave out of: yes",
        ),
        ("0.015", "few", "should be a number, not 'few'"),
        ("0.015", "true", "should be a number, not True"),
        ("  - {check: accuracy_loss, at_most: 0.015}", "  check: accuracy_loss", "require: should be a list"),
    ],
)
def test_faults_of_a_policy_are_named(tmp_path: Path, old: str, new: str, message: str | None) -> None:
    assert old in POLICY
    path = written(tmp_path, POLICY.replace(old, new, 1))
    if message is None:
        assert spec.load_policy(path).because == "x"
    else:
        assert message in refused(path, policy=True)


def test_limits_are_in_the_units_of_their_checks(tmp_path: Path) -> None:
    lines = (
        "{check: impact_ratio, reference: Male, at_least: 0.8}",
        "{check: score_loss, metric: log_loss, at_most: 1.5, at_most_ratio: 1.1}",
        "{check: class_collapse}",
    )
    text = POLICY + "".join(f"  - {line}\n" for line in lines)
    limits = [dict(line.limits) for line in spec.load_policy(written(tmp_path, text)).require[1:]]
    assert limits == [{"at_least": 0.8}, {"at_most": 1.5, "at_most_ratio": 1.1}, {}]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{cross: [sex, race]}", None),
        ("{cross: [sex]}", "should name two or more groups, each once"),
        ("{cross: [sex, sex]}", "should name two or more groups, each once"),
        ("{cross: [sex, age]}", "'age' is crossed, and groups does not list it; list age too"),
        ("{cross: [sex, race], merge: {A: [B]}}", "cross beside other keys"),
        ("{cross: sex}", "should be a list of columns"),
        ("{across: [sex, race]}", "a group has no 'across'; did you mean cross?"),
    ],
)
def test_groups_may_be_crossed(tmp_path: Path, line: str, message: str | None) -> None:
    path = changed(tmp_path, ("    - sex\n", f"    - {line}\n    - sex\n"))
    if message is None:
        both = spec.load(path).data.groups[0]
        assert (both.column, both.cross) == ("sex & race", ("sex", "race"))
    else:
        assert message in refused(path)


# the reader


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "no such experiment file; did you mean search_spaces/adult_income.yaml?" in refused(
        Path("search_spaces/adult_incom.yaml")
    )
    assert "cannot be read" in refused(tmp_path)
    assert "an empty experiment file" in refused(written(tmp_path, ""))
    assert "larger than 1 MB" in refused(written(tmp_path, "#" * 1_000_001))
    assert "no such policy" in refused(tmp_path / "none.yaml", policy=True)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser reads every file")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = written(tmp_path, POLICY)
    path.chmod(0)
    assert "cannot be read: Permission denied" in refused(path, policy=True)


def test_a_byte_order_mark_and_windows_line_ends_are_harmless(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbf" + POLICY.replace("\n", "\r\n").encode())
    assert spec.load_policy(path).name == "strict"


def test_an_alias_bomb_is_refused_before_it_grows(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40))]
    assert ":2: an alias (*)" in refused(written(tmp_path, "\n".join(lines)))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1.0e-4", 1e-4),
        ("-.5", -0.5),
        ("+3", 3),
        ("007", 7),
        ("0x1f", 31),
        ("0o17", 15),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("no", "no"),
        ("On", "On"),
        ("y", "y"),
        ("True", True),
        ("false", False),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ("1234567890123456789012", 1234567890123456789012.0),
        ("<<", "<<"),
    ],
)
def test_scalars_are_read_as_yaml_1_2(tmp_path: Path, text: str, value: Any) -> None:
    found = reader.read(written(tmp_path, f"key: {text}\n")).plain()["key"]
    assert (found, type(found)) == (value, type(value))


def test_a_node_knows_its_line(tmp_path: Path) -> None:
    node = reader.read(written(tmp_path, "a:\n  b:\n    - x\n    - {c: 1,\n       d: 2}\n"))
    assert node.where(("a", "b", 1, "d")).endswith("file.yaml:5: a.b[1].d")
    assert node.where(("a", "b", 1, "none")).endswith("file.yaml:4: a.b[1].none")
    assert node.at("a", "b").where((0,)).endswith("file.yaml:3: a.b[0]")
    assert node.where().endswith("file.yaml:1")


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1), inner, max_size=4),
    max_leaves=12,
)


class Quoting(yaml.SafeDumper):
    """Without anchors; strings quoted, since PyYAML writes YAML 1.1."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


Quoting.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.dictionaries(st.text(min_size=1), PLAIN, min_size=1, max_size=4))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("read") / "file.yaml"
    path.write_text(yaml.dump(values, Dumper=Quoting, allow_unicode=True), encoding="utf-8")
    assert reader.read(path).plain() == values


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=60) | st.text(alphabet="ab:{}[]-*&!#|>'\"\n\t ,?%@`1.e", max_size=40).map(str.encode))
def test_no_bytes_crash_the_reader(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "file.yaml"
    path.write_bytes(data)
    fault = None
    try:
        assert isinstance(reader.read(path).plain(), dict)
    except SpecError as caught:
        fault = str(caught)
    assert fault is None or "\n" not in fault


STRANGE: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    3,
    1e308,
    -0.5,
    "",
    "x",
    "\u00e9\u4e2d",
    "a.b",
    ".",
    "..",
    "/",
    [],
    {},
    [[]],
    [None],
    [{}],
    {"kind": "none"},
    {"low": 1, "high": 2},
    {"low": None, "high": []},
    {"family": "mlp"},
    {"check": "churn"},
    [1, 1],
    ["x", ["y"]],
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(p for key, child in children for p in places(child, (*path, key)))]


@pytest.mark.parametrize("file", [DEMO, Path("policies/default.yaml")], ids=["experiment", "policy"])
def test_any_value_replaced_by_any_other_is_read_or_refused_in_one_line(tmp_path: Path, file: Path) -> None:
    whole = reader.read(file).plain()
    load = spec.load if file == DEMO else spec.load_policy
    cases = list(itertools.product(places(whole)[1:], STRANGE))
    faults = []
    for path, strange in random.Random(0).sample(cases, 250):
        values = yaml.safe_load(yaml.dump(whole, Dumper=Quoting))
        parent = values
        for step in path[:-1]:
            parent = parent[step]
        parent[path[-1]] = strange
        try:
            load(written(tmp_path, yaml.dump(values, Dumper=Quoting, allow_unicode=True)))
        except SpecError as fault:
            faults.append(str(fault))
    assert len(faults) > 150
    for fault_line in faults:
        assert re.fullmatch(r"\S+file\.yaml:\d+: \S.*", fault_line), fault_line
