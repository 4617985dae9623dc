"""Fairness in training: every weight and target computed a second time, and what is off changes nothing."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from autodistill import plugins, space
from autodistill.errors import StudentError
from autodistill.inputs import Shapes
from autodistill.jobs import fair
from autodistill.losses import Batch
from autodistill.records import Candidate
from autodistill.space import fairness
from autodistill.train import GroupDro
from autodistill.train.dro import row_losses

SHAPES = Shapes(numeric=4, cardinalities=(), classes=3)
ROWS = 400


@pytest.fixture
def people() -> pd.DataFrame:
    """Group, label, weight and what a teacher says; a few of unknown group (−1)."""
    rng = np.random.default_rng(3)
    group = rng.choice([-1, 0, 1, 2], ROWS, p=[0.05, 0.5, 0.3, 0.15])
    y = np.where(rng.uniform(size=ROWS) < 0.25 + 0.15 * group, 1, rng.choice([0, 2], ROWS))
    logits = rng.normal(size=(ROWS, 3)) + 1.5 * np.eye(3)[y] - 2.0 * np.eye(3)[y] * (group == 2)[:, None]
    made = pd.DataFrame({"group": group, "y": y, "weight": rng.uniform(0.5, 2.0, ROWS)})
    return made.assign(**{f"z{c}": logits[:, c] for c in range(3)})


def logits(people: pd.DataFrame) -> np.ndarray:
    return people[["z0", "z1", "z2"]].to_numpy(np.float32)


def arrays(people: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return people.group.to_numpy(), people.y.to_numpy(), people.weight.to_numpy()


# ---- weights ----


def test_weights_are_kamiran_and_calders_own(people: pd.DataFrame) -> None:
    groups, y, _ = arrays(people)
    found = fair.reweighed(groups, y, np.ones(ROWS), 1.0)
    known = people[people.group >= 0]
    for (g, label), cell in known.groupby(["group", "y"]):
        share = (known.group == g).mean() * (known.y == label).mean() / (len(cell) / len(known))
        assert found[cell.index] == pytest.approx(share)
    assert (found[groups < 0] == 1).all()
    assert found[groups >= 0].mean() == pytest.approx(1.0)
    # With them group and label are independent: the label's weighted share is the same in every group.
    rates = known.assign(w=found[known.index]).groupby("group").apply(
        lambda one: one.w[one.y == 1].sum() / one.w.sum(), include_groups=False
    )  # fmt: skip
    assert rates.to_numpy() == pytest.approx(float((known.y == 1).mean()))


def test_rows_weights_count_and_a_power_goes_part_of_the_way(people: pd.DataFrame) -> None:
    groups, y, base = arrays(people)
    whole, half, none = (fair.reweighed(groups, y, base, power) for power in (1.0, 0.5, 0.0))
    known = people[people.group >= 0]
    total = known.weight.sum()
    of_group, of_label = known.groupby("group").weight.sum() / total, known.groupby("y").weight.sum() / total
    both = known.groupby(["group", "y"]).weight.sum() / total
    expected = np.array([of_group[g] * of_label[c] / both[g, c] for g, c in zip(known.group, known.y, strict=True)])
    assert whole[known.index] == pytest.approx(expected)
    root = np.sqrt(expected)
    assert half[known.index] == pytest.approx(root * total / (known.weight @ root))
    assert none == pytest.approx(np.ones(ROWS))
    assert fair.reweighed(np.full(ROWS, -1), y, base, 1.0) == pytest.approx(np.ones(ROWS))


# ---- what is believed of the teacher ----


def test_a_teacher_is_believed_by_its_margin(people: pd.DataFrame) -> None:
    groups, y, base = arrays(people)
    p = functional.softmax(torch.from_numpy(logits(people)).double(), dim=1).numpy()
    margin = np.array([row[label] - np.delete(row, label).max() for row, label in zip(p, y, strict=True)])
    for by in (None, groups):
        cells = people[["y"]] if by is None else people[["group", "y"]]
        weighted = pd.DataFrame({"m": margin * base, "w": base}).groupby([cells[c] for c in cells]).transform("sum")
        alpha = np.maximum(weighted.m / weighted.w, 0.0).to_numpy()
        expected = alpha[:, None] * p + (1 - alpha)[:, None] * np.eye(3)[y]
        found = np.exp(fair.trusted(logits(people), y, by, base))
        np.testing.assert_allclose(found, np.maximum(expected, 1e-4), atol=2e-6)
    # The group of which the teacher is mostly wrong is told its labels.
    assert fair.trusted(logits(people), y, groups, base)[groups == 2].argmax(axis=1) == pytest.approx(y[groups == 2])


def test_targets_lose_what_a_group_s_frequency_adds(people: pd.DataFrame) -> None:
    groups, y, base = arrays(people)
    known = people[people.group >= 0]
    found = fair.debiased(logits(people), y, groups, base, 0.7)
    of_label = known.groupby("y").weight.sum() + 0.5
    overall = np.log(of_label / of_label.sum())
    for g, rows in known.groupby("group"):
        own = rows.groupby("y").weight.sum().reindex(range(3), fill_value=0.0) + 0.5
        shift = 0.7 * (overall - np.log(own / own.sum())).to_numpy()
        np.testing.assert_allclose(found[people.group == g], logits(people)[people.group == g] + shift, atol=1e-5)
    np.testing.assert_array_equal(found[groups < 0], logits(people)[groups < 0])
    table = people.groupby("y").weight.sum() + 0.5
    expected = logits(people) - 0.7 * np.log(table / table.sum()).to_numpy()
    np.testing.assert_allclose(fair.debiased(logits(people), y, None, base, 0.7), expected, atol=1e-5)


def test_an_ideal_teacher_s_targets_are_as_if_the_groups_had_one_frequency() -> None:
    """p(y | x, g) ∝ p(x | y) π(y | g): with τ = 1 what is left is p(x | y) π(y), whatever the group."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 2, 40_000)
    y = (rng.uniform(size=len(groups)) < np.where(groups == 1, 0.7, 0.2)).astype(np.int64)
    x = rng.normal(size=len(y)) + 2.0 * y
    seen = np.stack([np.exp(-(x**2) / 2), np.exp(-((x - 2) ** 2) / 2)], axis=1)
    prior = np.where(groups == 1, 0.7, 0.2)
    posterior = seen * np.stack([1 - prior, prior], axis=1)
    posterior /= posterior.sum(axis=1, keepdims=True)
    found = fair.debiased(np.log(posterior).astype(np.float32), y, groups, np.ones(len(y)), 1.0)
    odds = (found[:, 1] - found[:, 0]) - (2 * x - 2)  # less the evidence, log π(1)/π(0) of the whole table is left
    assert odds == pytest.approx(np.log(y.mean() / (1 - y.mean())), abs=0.05)


# ---- group-DRO ----


def batch(seed: int, weighted: bool, many: int = 64) -> Batch:
    rng = torch.Generator().manual_seed(seed)
    return Batch(
        student=torch.randn(many, 3, generator=rng, dtype=torch.float64, requires_grad=True),
        teacher=torch.randn(many, 3, generator=rng, dtype=torch.float64),
        y=torch.randint(0, 3, (many,), generator=rng),
        weight=torch.rand(many, generator=rng, dtype=torch.float64) + 0.5 if weighted else None,
        group=torch.randint(-1, 4 if seed else 3, (many,), generator=rng),  # the first batch lacks the last group
        progress=0.5,
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_shares_and_gradient_are_sagawa_s_by_hand(weighted: bool) -> None:
    inner = plugins.build("losses", "soft_targets", {"temperature": 2.0, "teacher_weight": 0.6}).build(SHAPES)
    step, q = 0.3, np.full(4, 0.25)
    objective = GroupDro(inner, 4, step).double()
    for seed in range(5):
        one = batch(seed, weighted)
        w = np.ones(64) if one.weight is None else one.weight.numpy()
        with torch.no_grad():
            each = np.array([float(inner(rows_of(one, i))) for i in range(64)])
        group = one.group.numpy()
        means = np.array([(w * each)[group == g].sum() / max(w[group == g].sum(), 1e-12) for g in range(4)])
        q = q * np.exp(step * means)
        q /= q.sum()
        loss = objective(one)
        assert objective.shares.numpy() == pytest.approx(q)
        present = np.array([(group == g).any() for g in range(4)])
        known = group >= 0
        of_known = (q * means)[present].sum() / q[present].sum()
        expected = w[known].sum() * of_known + (w * each)[~known].sum()
        assert float(loss.detach()) == pytest.approx(expected / w.sum())
        (found,) = torch.autograd.grad(loss, one.student)
        total = (
            sum(
                float(q[g] / q[present].sum() * w[known].sum() / w.sum() / w[group == g].sum())
                * (torch.from_numpy(w)[group == g] * losses_of(one)[group == g]).sum()
                for g in range(4)
                if present[g]
            )
            + (torch.from_numpy(w / w.sum())[~known] * losses_of(one)[~known]).sum()
        )
        np.testing.assert_allclose(found, torch.autograd.grad(total, one.student)[0], atol=1e-12)


def losses_of(one: Batch) -> torch.Tensor:
    """soft_targets a row, written out."""
    kl = functional.kl_div(
        (one.student / 2).log_softmax(1), (one.teacher / 2).log_softmax(1), log_target=True, reduction="none"
    ).sum(dim=1)
    return 0.6 * 4 * kl + 0.4 * functional.cross_entropy(one.student, one.y, reduction="none")


def rows_of(one: Batch, at: int) -> Batch:
    part = slice(at, at + 1)
    return replace(one, student=one.student[part], teacher=one.teacher[part], y=one.y[part], weight=None, group=None)


@pytest.mark.parametrize("loss", plugins.names("losses"))
def test_every_loss_tells_a_row_from_the_others(loss: str) -> None:
    kind = plugins.find("losses", loss)
    if getattr(kind, "max_classes", 3) < 3:
        pytest.skip("a loss of numbers")
    rng = torch.Generator().manual_seed(1)
    features = {name: torch.randn(64, 5, generator=rng, dtype=torch.float64) for name in ("student", "teacher")}
    one = replace(
        batch(1, weighted=True),
        student_features=features["student"] if kind.needs else None,
        teacher_features=features["teacher"] if kind.needs else None,
    )
    built = kind().build(replace(SHAPES, student_width=5, teacher_width=5))
    built = built.double() if isinstance(built, torch.nn.Module) else built
    found = row_losses(built, one)
    assert found.shape == (64,)
    assert bool(found.isfinite().all())
    assert float(found.std()) > 0
    if not kind.needs:  # of features a row counts as so many rows: such a loss is no mean of rows
        mean = float((one.weight * found).sum() / one.weight.sum())
        assert mean == pytest.approx(float(built(one).detach()), abs=1e-6)


def test_a_loss_that_reads_no_weights_cannot_be_turned() -> None:
    objective = GroupDro(lambda one: functional.cross_entropy(one.student, one.y), 4, 0.1)
    with pytest.raises(StudentError, match="does not read the weights"):
        objective(batch(1, weighted=False))


# ---- recipes ----


def searched(**distill: Any) -> space.Space:
    return space.read([{"family": "mlp"}, {"family": "tree"}], {"loss": ["soft_targets", "none"], **distill})


def candidates(made: space.Space) -> list[Candidate]:
    """Every combination of choices."""
    choices = {d.name: d.choices for d in made.dimensions}
    ways = (dict(zip(choices, one, strict=True)) for one in itertools.product(*choices.values()))
    return [made.candidate(0, way) for way in ways]


def test_what_is_off_is_the_recipe_of_old() -> None:
    plain, off = searched(), searched(reweigh=0, dro=0.0, trust="even", debias=0, debias_by="class", group_by="sex")
    assert {one.recipe for one in candidates(plain)} == {one.recipe for one in candidates(off)}
    assert plain.size() == off.size()
    kept = Candidate(number=0, family="mlp", student={"width": 3}, loss="none")
    assert kept.recipe == "3c61100b5bed"  # as before there was such an option


@pytest.mark.parametrize(
    ("option", "values", "reads"),
    [("reweigh", [0, 0.5, 1], True), ("dro", [0, 0.1], True), ("trust", ["even", "class", "group"], True),
     ("debias", [0, 0.5], True)],
)  # fmt: skip
def test_recipes_tell_options_apart_where_they_do_something(option: str, values: list[Any], reads: bool) -> None:
    made = searched(**{option: values})
    found: dict[tuple[str, str], set[str]] = {}
    for one in candidates(made):
        found.setdefault((one.family, one.loss), set()).add(one.recipe)
        fairness_of = one.fairness.get(option, fairness.OFF[option])
        assert (fairness_of == fairness.OFF[option]) == (option not in one.fairness)
    of_teacher = option in fairness.OF_TEACHER
    for (family, loss), recipes in found.items():
        does = (not of_teacher or loss != "none") and (option != "dro" or family == "mlp")
        assert len(recipes) == (len(values) if does else 1), (family, loss)
    assert made.size() == sum(map(len, found.values()))
    assert any(fairness.of_groups(one.fairness) for one in candidates(made)) == reads


def test_what_only_says_how_counts_where_something_is_on() -> None:
    made = searched(reweigh=[0, 1], debias=[0, 1], debias_by=["class", "group"], group_by=["sex", None])
    forms = {tuple(sorted(one.fairness.items(), key=str)) for one in candidates(made) if one.loss == "soft_targets"}
    assert made.size() == sum(len({c.recipe for c in candidates(made) if c.family == f}) for f in ("mlp", "tree"))
    assert () in forms
    assert (("debias", 1), ("debias_by", "class")) in forms  # of classes: no attribute is read, so none is named
    assert all("group_by" not in dict(form) or fairness.of_groups(dict(form)) for form in forms)
    under_dro = fairness.told({"reweigh": 1, "dro": 0.1}, "none", "gradient")
    assert under_dro == {"dro": 0.1}  # constant in each group and label: it changes nothing there


def test_the_label_only_twin_keeps_what_needs_no_teacher() -> None:
    label_only = plugins.build("controls", "label_only", {})
    made = Candidate(
        number=0, family="mlp", student={}, loss="soft_targets",
        fairness={"reweigh": 0.5, "trust": "group", "group_by": "sex"},
    )  # fmt: skip
    assert label_only.plan(made).fairness == {"group_by": "sex", "reweigh": 0.5}
    assert label_only.plan(replace(made, fairness={"trust": "group", "group_by": "sex"})).fairness == {}


def test_the_core_reads_no_fairness_file() -> None:
    """The group columns of a table enter training in one file: nobody else asks for them there."""
    room = Path(fair.__file__).parent
    readers = [p.name for p in room.glob("*.py") if "dataset.groups" in p.read_text(encoding="utf-8")]
    assert sorted(readers) == ["fair.py", "workshop.py"]
