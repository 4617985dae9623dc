"""Students of language taught at every place of their texts: targets, teacher, loss, refusals, and what it is worth."""

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small_run
import test_modal_searches as toys
import torch
from scipy.special import log_softmax

from autodistill import plugins, runtime, spec, train
from autodistill.errors import SpecError, TableError, TeacherError
from autodistill.inputs import Encoding, Shapes
from autodistill.jobs import Workshop, making, placed, taught
from autodistill.losses import teacher_logits
from autodistill.records import Candidate
from autodistill.run import prepare, twins
from autodistill.run.progress import silent
from autodistill.space import Training
from autodistill.train.batches import batch
from autodistill.train.rows import Rows

CLASSES = {**{one: one for one in "abcdef"}, "gap": " ", **{one: one for one in "hijklmnopqrst"}}  # by name, in order
LETTERS = "".join(CLASSES.values())
LENGTH, ROWS, KEPT, MANY = 12, 400, 0.85, len(CLASSES)
INPUT = '{kind: characters, column: x, length: 12, min_rows: 1, classes: {gap: " "}}'
GPT = "[{family: gpt, width: 8, depth: 2, heads: 2, context: 8}]"


def texts(rng: np.random.Generator, many: int, least: int = 2) -> list[str]:
    """Of up to 13 characters: each is mostly said by the one before it."""
    found = []
    for length in rng.integers(least, LENGTH + 2, many):
        row = [int(rng.integers(0, MANY))]
        while len(row) < length:
            row.append(follower(row[-1]) if rng.random() < KEPT else int(rng.integers(0, MANY)))
        found.append("".join(LETTERS[at] for at in row[:length]))
    return found


def follower(last: int) -> int:
    return (7 * last + 3) % MANY


def recurrent(path: Path) -> None:
    """A teacher as data/make_letters.py writes one, untrained, for which nothing in front of a text is nothing."""
    found = importlib.util.spec_from_file_location("letters_network", "data/letters_network.py")
    assert found is not None
    assert found.loader is not None
    script = importlib.util.module_from_spec(found)
    found.loader.exec_module(script)
    torch.manual_seed(0)
    network = script.Network(len(LETTERS))
    with torch.no_grad():
        network.table.weight[0] = 0.0
        network.gru.bias_ih_l0.zero_()
        network.gru.bias_hh_l0.zero_()
        network.last.weight *= 20
    script.save(network, LETTERS, list(CLASSES), LENGTH, path)


def written(folder: Path, distill: str = "places: 6, ", student: str = GPT, **parts: str) -> Path:
    whole = texts(np.random.default_rng(1), ROWS)
    named = {character: name for name, character in CLASSES.items()}
    columns = {"x": [one[:-1] for one in whole], "y": [named[one[-1]] for one in whole]}
    pq.write_table(pa.table({**columns, "side": pa.array(toys.GROUPS[np.arange(ROWS) % 2])}), folder / "toy.parquet")
    (folder / "policy.yaml").write_text(toys.POLICY, encoding="utf-8")
    told = f"{{kind: onnx, path: {folder}/teacher.onnx, inputs: {{text: x}}, places: places, saw: 'no'}}"
    text = toys.SPEC.format(input=parts.get("input", INPUT), teacher=parts.get("teacher", told), student=student)
    text = text.replace("table: toy", f"table: {folder}/toy").replace("policy: ", f"policy: {folder}/")
    text = text.replace("loss: [soft_targets, none]", parts.get("loss", "loss: [soft_targets, none]"))
    (folder / "toy.yaml").write_text(text.replace("distill: {", f"distill: {{{distill}"), encoding="utf-8")
    return folder / "toy.yaml"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    root = tmp_path_factory.mktemp("places")
    recurrent(root / "teacher.onnx")
    with small_run.inside(root, root / "cache"):
        return prepare.prepare(spec.load(written(root)), root / "run", silent).shop


@pytest.fixture
def shop(bench: Workshop, tmp_path: Path) -> Workshop:
    return dataclasses.replace(bench, folder=tmp_path, kept={}, seen={}, cache=tmp_path / "cache")


def asked(loss: str = "soft_targets", **training: Any) -> Candidate:
    training = {"learning_rate": 0.02, "epochs": 2, "batch_size": 16, "places": 6, **training}
    student = {"width": 8, "depth": 2, "heads": 2, "context": 8}
    return Candidate(number=0, family="gpt", student=student, loss=loss, distill={}, training=training)


def test_what_is_taught_inside_a_row_is_what_stands_there(shop: Workshop) -> None:
    rows, search = taught.rows(asked(), shop)
    assert rows.following is not None
    assert search.following is None
    cells, y = shop.dataset.rows("train")["x"], shop.dataset.y[shop.dataset.splits["train"]]
    assert shop.dataset.classes == tuple(CLASSES)
    for text, label, codes, found in zip(cells, y, rows.codes, rows.following.tolist(), strict=True):
        padded = (LENGTH * "\0" + str(text))[-6:]
        expected = [LETTERS.find(one) for one in padded[1:]]
        there = [one != "\0" for one in padded]
        assert (codes[-6:] != 0).tolist() == there
        assert [one for one, is_there in zip(found, there, strict=True) if is_there] == [
            one for one, is_there in zip([*expected, int(label)], there, strict=True) if is_there
        ]
    whole, _ = taught.rows(asked(places=99), shop)
    assert whole.following is not None
    assert whole.following.shape == (len(y), LENGTH)
    assert taught.rows(asked(places=1), shop)[0].following is None


def test_the_teacher_says_at_a_place_what_it_says_of_a_text_that_ends_there(shop: Workshop) -> None:
    rows, _ = taught.rows(asked(), shop)
    assert rows.teacher_places is not None
    assert rows.teacher_places.dtype == torch.float16
    session, cells = runtime.open(shop.teacher.onnx or b""), shop.dataset.rows("train")["x"]
    for back in range(6):
        long = np.array([len(text) > back for text in cells])
        ends = np.array([text[: len(text) - back] for text in cells[long]], object)
        expected = teacher_logits(session.probabilities({"x": ends}))
        np.testing.assert_allclose(rows.teacher_places[long, 5 - back].float(), expected, atol=5e-3)
        if not back:
            assert rows.teacher is not None
            np.testing.assert_allclose(expected, rows.teacher, atol=1e-4)
    assert float(rows.teacher_places.float().std(dim=2).mean()) > 0.5  # it does say something


def test_labels_alone_are_taught_at_places_too(shop: Workshop) -> None:
    twin = twins.twin_of(asked())
    assert twin is not None
    rows, _ = taught.rows(twin, shop)
    assert rows.following is not None
    assert (rows.teacher, rows.teacher_places) == (None, None)


def test_what_the_teacher_says_is_made_once(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    first = placed.ask_at_places(6, shop)
    monkeypatch.setattr("autodistill.jobs.encoded.LEAST", 1)
    kept = placed.ask_at_places(6, dataclasses.replace(shop, kept={}))
    assert len(list((shop.cache or Path()).glob("rows/*/0.npy"))) == 1
    asked_of, run = [], runtime.Session.run
    monkeypatch.setattr(runtime.Session, "run", lambda *given: asked_of.append(len(given[1]["x"])) or run(*given))
    again = placed.ask_at_places(6, dataclasses.replace(shop, kept={}))
    assert sum(asked_of) <= 1  # for its shape
    torch.testing.assert_close(again, first)
    torch.testing.assert_close(kept, first)


@dataclasses.dataclass(frozen=True)
class OfFeatures:
    """A loss of what a row's last layer reads."""

    needs: ClassVar[frozenset[str]] = frozenset({"student_features"})

    def build(self, shapes: Shapes) -> Any:
        raise NotImplementedError


def network(context: int = 8, depth: int = 2, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    options = {"width": 16, "depth": depth, "heads": 2, "context": context}
    shapes = Shapes(numeric=0, cardinalities=(MANY + 2,), classes=MANY, modality="text", length=LENGTH)
    return plugins.build("students", "gpt", options).build(shapes, MANY)


def drawn(many: int, least: int = 2, seed: int = 0) -> tuple[Any, Any]:
    """Codes [n, 12] and the class of the last of 13 characters."""
    whole = texts(np.random.default_rng(seed), many, least)
    found = encoding().apply({"x": np.array([one[:-1] for one in whole], object)})[1]
    return torch.from_numpy(found), torch.tensor([LETTERS.index(one[-1]) for one in whole])


def encoding(**options: Any) -> Encoding:
    options = {"column": "x", "length": LENGTH, "min_rows": 1, "classes": {"gap": " "}, **options}
    told = {"x": np.array([LETTERS], object)}
    made: Encoding = plugins.build("inputs", "characters", options).fit(told, np.zeros(1), tuple(CLASSES))
    return made


@pytest.mark.parametrize("depth", [1, 3])
def test_no_place_of_a_student_sees_what_comes_after_it(depth: int) -> None:
    module, (codes, _) = network(depth=depth), drawn(64, least=13)
    with torch.no_grad():
        said = module.places(None, codes, 8)
        torch.testing.assert_close(said[:, -1], module(None, codes))
        torch.testing.assert_close(module.places(None, codes, 3), said[:, -3:])
        assert module.places(None, codes, 50).shape == said.shape
        for place in range(8):
            other = codes.clone()
            other[:, -8 + place] = 2 + (codes[:, -8 + place] - 1) % MANY
            apart = (module.places(None, other, 8) - said).abs().amax(dim=(0, 2))
            assert float(apart[:place].max()) < 1e-6 if place else True
            assert float(apart[place:].min()) > 1e-4


@pytest.mark.parametrize("unknown", [False, True])
def test_the_loss_is_the_mean_over_all_places_that_are_there(unknown: bool) -> None:
    module, (codes, y) = network(), drawn(20)
    rng = np.random.default_rng(0)
    follows = torch.tensor(encoding().follows)
    following = torch.cat([follows[codes[:, 1:]], y[:, None]], dim=1)
    if unknown:
        following[::3, -1] = -1
    said = rng.normal(size=(20, 10, MANY)).astype(np.float16)  # of fewer places than the text has
    weight = rng.uniform(0.5, 2, 20).astype(np.float32)
    rows = Rows(
        numeric=torch.empty(20, 0),
        codes=codes,
        y=y,
        weight=torch.from_numpy(weight),
        following=following,
        teacher_places=torch.from_numpy(said),
    )
    with torch.no_grad():
        student = log_softmax(module.places(None, codes, 8).numpy().astype(float), axis=2)
    total, hard, count, labelled = 0.0, 0.0, 0.0, 0.0
    for row, place in np.ndindex(20, 8):
        if codes[row, LENGTH - 8 + place] == 0:
            continue
        log_p, log_q = log_softmax(said[row, 2 + place].astype(float)), student[row, place]
        label = int(following[row, LENGTH - 8 + place])
        share, own = (1.0, 0.0) if label < 0 else (0.7, -log_q[label])
        total += weight[row] * (share * float(np.exp(log_p) @ (log_p - log_q)) + (1 - share) * own)
        hard += weight[row] * own
        count += weight[row]
        labelled += weight[row] * (label >= 0)
    shapes = Shapes(numeric=0, cardinalities=(), classes=MANY)
    loss = plugins.build("losses", "soft_targets", {"temperature": 1.0, "teacher_weight": 0.7}).build(shapes)
    assert float(loss(batch(module, rows, 0.0)).detach()) == pytest.approx(total / count, rel=1e-5)
    alone = plugins.build("losses", "none", {}).build(shapes)
    assert float(alone(batch(module, rows.labels_alone(), 0.0)).detach()) == pytest.approx(hard / labelled, rel=1e-5)


def truth(codes: Any) -> Any:
    """log of what follows each place [n, 12, classes], by the rule that the texts were written by."""
    last = np.array(encoding().follows)[codes]
    found = np.full((*codes.shape, MANY), (1 - KEPT) / MANY)
    np.put_along_axis(found, follower(last)[..., None], KEPT + (1 - KEPT) / MANY, axis=2)
    return torch.from_numpy(np.log(found)).to(torch.float16)


def test_places_teach_more_than_ends_in_the_same_steps() -> None:
    codes, y = drawn(40, least=13)
    follows = torch.tensor(encoding().follows)
    known = Rows(numeric=torch.empty(40, 0), codes=codes, y=y, teacher=truth(codes)[:, -1].float())
    each = dataclasses.replace(
        known, following=torch.cat([follows[codes[:, 1:]], y[:, None]], dim=1), teacher_places=truth(codes)
    )
    other, labels = drawn(500, least=13, seed=1)
    search = Rows(numeric=torch.empty(500, 0), codes=other, y=labels)
    shapes = Shapes(numeric=0, cardinalities=(), classes=MANY)
    training = Training(learning_rate=0.01, epochs=30, batch_size=16)
    found = {}
    for loss in ("soft_targets", "none"):
        for name, rows in (("ends", known), ("places", each)):
            options = {"temperature": 1.0, "teacher_weight": 0.9} if loss == "soft_targets" else {}
            objective = plugins.build("losses", loss, options).build(shapes)
            taught_on = rows if loss == "soft_targets" else rows.labels_alone()
            found[loss, name] = train.fit_gradient(network(), objective, taught_on, search, training).error
    print(found)
    best = (1 - KEPT) * (1 - 1 / MANY)
    for loss in ("soft_targets", "none"):
        assert found[loss, "places"] < found[loss, "ends"] - 0.1
    assert found["soft_targets", "places"] < best + 0.08


def test_a_training_that_is_cut_goes_on_as_if_it_was_not(shop: Workshop) -> None:
    whole = making.descend(asked(epochs=4), shop)
    from autodistill.jobs.checkpoints import Checkpoint

    first = making.descend(asked(epochs=4), shop, to_epoch=2)
    kept = Checkpoint(state=first.trained.checkpoint, of=4, rungs=(), seconds=0.0)
    then = making.descend(asked(epochs=4), shop, kept=kept)
    for name, value in whole.trained.checkpoint["module"].items():
        torch.testing.assert_close(then.trained.checkpoint["module"][name], value, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ({"student": "[{family: textcnn, width: 4}]"}, "students that answer for each place, and textcnn answers for"),
        ({"input": "{kind: characters, column: x, length: 12}"}, "texts whose classes are what follows"),
        ({"input": "{kind: text, column: x, length: 12, min_rows: 1}"}, "texts whose classes are what follows"),
        ({"teacher": toys.LINEAR}, "what the teacher says of each; a teacher of kind sklearn does not"),
        ({"loss": "loss: [test_places.OfFeatures]"}, "losses of logits, and test_places.OfFeatures compares features"),
        ({"distill": "places: 6, perturb: 1.0, "}, "distill.perturb: it is of whole rows"),
        ({"distill": "places: 6, assistant: 16, "}, "distill.assistant: it is of whole rows"),
        ({"distill": "places: 6, reweigh: 1.0, "}, "distill.reweigh: it is of whole rows"),
    ],
)
def test_what_has_no_places_is_refused_in_a_line(bench: Workshop, tmp_path: Path, parts: Any, what: str) -> None:
    (tmp_path / "teacher.onnx").write_bytes((bench.folder.parent / "teacher.onnx").read_bytes())
    with small_run.inside(tmp_path, tmp_path / "cache"), pytest.raises(SpecError, match=what) as fault:
        prepare.prepare(spec.load(written(tmp_path, **parts)), tmp_path / "run", silent)
    assert "\n" not in str(fault.value)
    assert not (tmp_path / "cache" / "teachers").exists()  # before anything is labelled


def test_students_of_labels_alone_need_no_teacher_of_places(bench: Workshop, tmp_path: Path) -> None:
    with small_run.inside(tmp_path, tmp_path / "cache"):
        asked_for = spec.load(written(tmp_path, teacher=toys.LINEAR, loss="loss: [none]"))
        shop = prepare.prepare(asked_for, tmp_path / "run", silent).shop
    rows, _ = taught.rows(asked("none"), shop)
    assert rows.following is not None
    assert rows.teacher_places is None


@pytest.mark.parametrize(
    ("named", "what"), [("nowhere", "it has no output 'nowhere'"), ("probability_a", "has the shape")]
)
def test_an_output_that_is_none_of_places_is_refused(bench: Workshop, tmp_path: Path, named: str, what: str) -> None:
    path = f"{bench.folder.parent}/teacher.onnx"
    file = written(tmp_path, teacher=f"{{kind: onnx, path: {path}, inputs: {{text: x}}, places: {named}}}")
    with small_run.inside(tmp_path, tmp_path / "cache"), pytest.raises(TeacherError, match=what):
        prepare.prepare(spec.load(file), tmp_path / "run", silent)


def test_an_output_that_says_something_else_at_the_end_is_refused(bench: Workshop, tmp_path: Path) -> None:
    model = onnx.load(bench.folder.parent / "teacher.onnx")
    next(node for node in model.graph.node if node.output[0] == "places").attribute[0].i = 1  # shares of places
    onnx.save(model, tmp_path / "teacher.onnx")
    with small_run.inside(tmp_path, tmp_path / "cache"), pytest.raises(TeacherError, match="else of the last place"):
        prepare.prepare(spec.load(written(tmp_path)), tmp_path / "run", silent)


def test_a_class_that_is_no_character_leaves_places_without_targets() -> None:
    assert encoding().follows == (-1, -1, *(LETTERS.index(one) for one in sorted(LETTERS)))
    assert encoding(classes={}).follows == ()
    assert encoding(classes={"gap": "a"}).follows == ()  # two classes would be one
    with pytest.raises(TableError, match="no class 'gaps'"):
        encoding(classes={"gaps": " "})


def test_a_recipe_of_one_place_is_what_it_was() -> None:
    assert Training.told({"epochs": 3, "places": 1}) == {"epochs": 3}
    assert Training.told({"epochs": 3, "places": 2}) == {"epochs": 3, "places": 2}
