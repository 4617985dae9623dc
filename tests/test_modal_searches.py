"""Every modality searched to its report at toy size, and the file that would ship run without this package."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small_run
import torch
from sklearn.linear_model import LogisticRegression

from autodistill import cli, plugins, train
from autodistill.records import Candidate
from autodistill.space import Training
from autodistill.spec import load
from autodistill.train.rows import Rows, errors

ROWS, RATE = 400, 4000
GROUPS = np.array(["left", "right"], object)
WORDS = {"good": ("fine", "lovely", "kind", "clear"), "bad": ("broken", "dull", "cruel", "vague")}
POLICY = """
name: loose
version: "1"
choose: size
require:
  - {check: accuracy_loss, at_most: 0.25}
  - {check: class_collapse}
  - {meter: size, at_most: 200 kB}
report:
  - {check: perplexity, attribute: side}
"""
SPEC = """
name: toy
data: {{table: toy.parquet, input: {input}, target: y, groups: [side]}}
teacher: {teacher}
student: {student}
distill: {{loss: [soft_targets, none], learning_rate: 0.02, epochs: 8, batch_size: 16}}
objectives: [error, latency, size]
budget: {{trials: 3}}
policy: policy.yaml
track: {{}}
"""


def images(rng: np.random.Generator) -> tuple[Any, Any]:
    """A bright bar, upright or lying."""
    upright = rng.random(ROWS) < 0.5
    pixels = rng.integers(0, 60, (ROWS, 8, 8), dtype=np.uint8)
    for one, stands, at in zip(pixels, upright, rng.integers(1, 7, ROWS), strict=True):
        (one.T if stands else one)[at] += 150
    return pa.FixedShapeTensorArray.from_numpy_ndarray(pixels), np.where(upright, "upright", "lying")


def series(rng: np.random.Generator) -> tuple[Any, Any]:
    """Slow or fast swinging in one of two channels."""
    fast = rng.random(ROWS) < 0.5
    swing = np.sin(np.arange(24) * np.where(fast, 1.5, 0.4)[:, None] + rng.uniform(0, 6, (ROWS, 1)))
    windows = rng.normal(0, 0.4, (ROWS, 24, 2)).astype(np.float32)
    windows[:, :, 1] += swing.astype(np.float32)
    return pa.FixedShapeTensorArray.from_numpy_ndarray(windows), np.where(fast, "fast", "slow")


def text(rng: np.random.Generator) -> tuple[Any, Any]:
    """Two telling words among others."""
    tone = np.where(rng.random(ROWS) < 0.5, "good", "bad")
    filled = [rng.choice(["the", "a", "day", "it", "was", "and", "house"], 6).tolist() for _ in range(ROWS)]
    texts = [" ".join([*some, *rng.choice(WORDS[one], 2)]) for some, one in zip(filled, tone, strict=True)]
    return pa.array(texts), tone


def audio(rng: np.random.Generator) -> tuple[Any, Any]:
    """A low or a high tone of a loudness and a phase of its own, in noise."""
    high = rng.random(ROWS) < 0.5
    pitch = np.where(high, rng.uniform(900, 1400, ROWS), rng.uniform(200, 500, ROWS))[:, None]
    wave = np.sin(2 * np.pi * pitch * np.arange(512) / RATE + rng.uniform(0, 6, (ROWS, 1)))
    wave = wave * rng.uniform(0.2, 0.6, (ROWS, 1)) + rng.normal(0, 0.1, wave.shape)
    return pa.FixedShapeTensorArray.from_numpy_ndarray(wave.astype(np.float32)), np.where(high, "high", "low")


def language(rng: np.random.Generator) -> tuple[Any, Any]:
    """What follows letters that go round, one in twenty of them by chance, after some that say nothing."""
    steps = np.where(rng.random((ROWS, 7)) < 0.05, rng.integers(0, 3, (ROWS, 7)), 1)
    letters = np.array(["a", "b", "c"])[(rng.integers(0, 3, (ROWS, 1)) + steps.cumsum(axis=1)) % 3]
    before = rng.choice(list("defghi "), (ROWS, 9))
    texts = ["".join([*some, *row]) for some, row in zip(before, letters[:, :-1], strict=True)]
    return pa.array(texts), letters[:, -1]


LINEAR = "{kind: sklearn, estimator: sklearn.linear_model.LogisticRegression}"
FITTED = "{kind: sklearn, estimator: sklearn.ensemble.ExtraTreesClassifier, n_estimators: 20, min_samples_leaf: 2}"
MODALITIES: dict[str, tuple[Callable[[np.random.Generator], tuple[Any, Any]], str, str, str]] = {
    "image": (images, "{kind: image, column: x}", FITTED, "[{family: convnet, width: [4, 8], blocks: 1}]"),
    "series": (series, "{kind: series, column: x}", LINEAR, "[{family: tcn, width: [4, 8], blocks: 1}]"),
    "text": (
        text,
        "{kind: text, column: x, length: 8, vocabulary: 40}",
        LINEAR,
        "[{family: embedding_bag, width: [2, 4]}, {family: textcnn, width: 4, filters: 4}]",
    ),
    "text in pieces": (
        text,
        "{kind: text, column: x, length: 10, min_rows: 1, pieces: bert, vectors: true}, unlabelled: more.parquet",
        "{kind: huggingface, model: bert, encoder: true, saw: 'no'}",
        "[{family: embedding_bag, width: 4, precision: int8}, {family: textcnn, width: 4, filters: 4}]",
    ),
    "audio": (
        audio,
        "{kind: audio, column: x, rate: 4000, mels: 12, window: 0.032, hop: 0.016}",
        LINEAR,
        "[{family: convnet, width: [2, 4], blocks: 1}, {family: resnet, width: 2, blocks: 1}]",
    ),
    "language": (
        language,
        "{kind: characters, column: x, length: 10}",
        LINEAR,
        "[{family: gpt, width: [8, 16], depth: 1, heads: 2, context: 8, precision: [fp32, int8]}]",
    ),
}


def encoder(folder: Path) -> None:
    """A small transformer of random weights, which knows most words whole and some in two pieces."""
    transformers = pytest.importorskip("transformers")
    known = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "the",
        "a",
        "day",
        "it",
        "was",
        "and",
        "house",
        "fine",
        "love",
    ]
    known += ["##ly", "kind", "clear", "broken", "dull", "cruel", "vague"]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(known), encoding="utf-8")
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(vocab_size=len(known), initializer_range=0.5, **sizes)
    transformers.BertModel(config).save_pretrained(folder)


@pytest.mark.parametrize("kind", list(MODALITIES))
def test_a_search_ends_with_a_report_and_a_file_that_runs_alone(tmp_path: Path, kind: str) -> None:
    made, asked, teacher, student = MODALITIES[kind]
    rng = np.random.default_rng(1)
    cells, y = made(rng)
    table = pa.table({"x": cells, "y": pa.array(y), "side": pa.array(GROUPS[rng.integers(0, 2, ROWS)])})
    pq.write_table(table, tmp_path / "toy.parquet")
    (tmp_path / "policy.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "toy.yaml").write_text(SPEC.format(input=asked, teacher=teacher, student=student), encoding="utf-8")
    if "pieces" in kind:
        encoder(tmp_path / "bert")
        pq.write_table(pa.table({"x": made(rng)[0]}), tmp_path / "more.parquet")
    with small_run.inside(tmp_path, tmp_path / "cache"):
        code = cli.main(["search", "toy.yaml"])
    run = tmp_path / "reports" / "toy"
    report = json.loads((run / "report.json").read_bytes())
    assert code == {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}[report["verdict"]["decision"]]
    assert [entry["error"] for entry in report["entries"] if entry["state"] == "broken"] == []
    assert min(entry["error"] for entry in report["entries"] if entry["state"] == "finished") < 0.15
    assert {"linear", "majority"} <= {one["name"] for one in report["controls"]}
    assert {"latency", "size", "energy"} <= set(report["teacher"]["readings"])
    page = (run / "report.html").read_text(encoding="utf-8")
    assert report["verdict"]["sentence"][:40] in page
    if "pieces" in kind:
        said = " ".join(report["data"]["notes"])
        assert "rows without label of more.parquet are labelled by the teacher" in said
        assert "100 % of the train rows are cut exactly as its tokenizer cuts them" in said
    _runs_alone(run, table)


def _runs_alone(run: Path, table: pa.Table) -> None:
    """ONNX Runtime gives the decisions that were audited, on the table's own cells."""
    from autodistill.data import modal

    session = onnxruntime.InferenceSession(str(run / "student.onnx"), providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == ["x"]
    cells = modal.restored(table["x"])
    labels = np.asarray(session.run(["label"], {"x": cells.astype(object) if cells.dtype.kind in "OU" else cells})[0])
    report = json.loads((run / "report.json").read_bytes())
    key = report["certified"] or report["finalist"]
    kept = pq.read_table(run / "candidates" / key / "predictions.audit.parquet").to_pandas()
    named = np.array(report["classes"] if "classes" in report else sorted(set(table["y"].to_pylist())), object)
    np.testing.assert_array_equal(labels[kept["row_id"].astype(int)], named[kept["decision"]])


def test_the_linear_control_is_as_good_as_logistic_regression_on_few_rows() -> None:
    spec = load(Path("search_spaces/chains_clinic.yaml"))
    from autodistill import data

    dataset = data.load(spec.data)
    train_y = dataset.y[dataset.splits["train"]]
    encoding = plugins.build("inputs", "tabular", {}).fit(dataset.rows("train"), train_y, dataset.classes)

    def rows(split: str) -> Rows:
        numeric, codes = (torch.from_numpy(np.array(part)) for part in encoding.apply(dataset.rows(split)))
        return Rows(numeric=numeric, codes=codes, y=torch.from_numpy(dataset.y[dataset.splits[split]]))

    known, other = rows("train"), rows("search")
    planned = plugins.build("controls", "linear", {}).plan(Candidate(number=0, family="tree", student={}, loss="none"))
    assert planned is not None
    torch.manual_seed(0)
    network = plugins.build("students", "linear", {}).build(encoding.shapes(2), 2)
    objective = plugins.build("losses", "none", {}).build(encoding.shapes(2))
    done = train.fit_gradient(network, objective, known, other, Training(**planned.training), seed=0)
    network.load_state_dict(done.state)
    with torch.no_grad():
        found = errors(network(other.numeric, other.codes), other)[0]
    assert encoding.cardinalities == ()  # numbers alone
    flat = [part.numeric.numpy() for part in (known, other)]
    expected = 1 - LogisticRegression(max_iter=2000).fit(flat[0], train_y).score(flat[1], other.y.numpy())
    assert found <= expected + 0.01


def test_a_table_that_a_script_makes_is_asked_for_by_the_script(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "make_toy.py").write_text("", encoding="utf-8")
    (tmp_path / "policy.yaml").write_text(POLICY, encoding="utf-8")
    spec = SPEC.format(input="{kind: text, column: x}", teacher=LINEAR, student="[{family: linear}]")
    (tmp_path / "toy.yaml").write_text(spec, encoding="utf-8")
    with small_run.inside(tmp_path, tmp_path / "cache"):
        assert cli.main(["check", "toy.yaml"]) == 2
    assert "make it: make_toy.py says how" in capsys.readouterr().err


def test_an_artefact_behind_a_tokenizer_takes_any_number_of_tokens() -> None:
    from autodistill import runtime
    from autodistill.teachers import _hub

    long = {"/input_ids": np.ones((3, 9), np.int64), "/attention_mask": np.ones((3, 9), np.int64)}
    session = runtime.open(_hub.front(long).split)
    mask = np.array([[1, 1, 1, 0, 0], [1, 0, 0, 0, 0]], np.int64)
    found = session.run({"/input_ids": np.full((2, 5), 7), "/attention_mask": mask}, ["m/input_ids"])[0]
    np.testing.assert_array_equal(found, np.full((2, 3), 7))


def test_an_undecided_reading_says_why_and_asks_for_no_rows() -> None:
    from autodistill import verdict
    from autodistill.records import Policy, Reading, Requirement
    from autodistill.report import sentences

    rule = Requirement(kind="meter", name="latency", options={}, limits={"at_most": 20.0})
    policy = Policy(name="p", version="1", require=(rule,), report=(), sha256="0" * 64)
    slow = Reading(
        quantity="latency", unit="µs", value=30.0, low=15.0, high=60.0, repeats=1, method="m", device="d",
        source="measured", status="few_accepted",
    )  # fmt: skip
    (found,) = verdict.meters(policy, {"latency": slow}, {})
    said = sentences.sentence(found)
    assert found.outcome == "INCONCLUSIVE"
    assert "too few clean runs" in said
    assert "rows alone" not in said
