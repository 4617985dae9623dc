"""Texts in the pieces of a tokenizer, cut by the artefact alone as the tokenizer cuts them, and its word vectors."""

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autodistill import export, plugins
from autodistill.errors import SpecError
from autodistill.export.tables import LEAST, narrow_tables
from autodistill.inputs import Encoding
from autodistill.inputs._pieces import Tokenizer
from autodistill.records import digest

tokenizers = pytest.importorskip("tokenizers")
safetensors = pytest.importorskip("safetensors.torch")

TEXTS = np.array(
    [
        "Good food, and good tea!",
        "The tealeaf wasn't bad... (foods; teas)",
        "Café «foods» — 東京 costs $5",
        "",
        "bad bad BAD foodstuffs",
        "unbelievably good: teacups & foods",
    ],
    object,
)
ALPHABET = "aAbdefgost Té.,!'$-\n"


def saved(folder: Path, tokenizer: Any, vectors: torch.Tensor | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    if vectors is not None:
        safetensors.save_file(
            {"other": torch.zeros(3, 3), "embeddings.word_embeddings.weight": vectors}, folder / "model.safetensors"
        )
    return folder


def wordpiece() -> Any:
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=90, special_tokens=["[PAD]", "[UNK]", "[CLS]"], show_progress=False
    )
    made.train_from_iterator([*TEXTS[:3], "teatime breakfast"], trainer)
    return made


def bytepair() -> Any:
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=330, special_tokens=["<s>"], initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    made.train_from_iterator(list(TEXTS), trainer)
    return made


@functools.cache
def fitted(kind: str, folder: str, **options: Any) -> Encoding:
    made = plugins.build("inputs", "text", {"column": "x", "length": 12, "min_rows": 1, "pieces": folder, **options})
    found: Encoding = made.fit({"x": TEXTS}, np.zeros(len(TEXTS)), ("a", "b"))
    return found


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pieces")
    generator = torch.Generator().manual_seed(0)
    word, byte = wordpiece(), bytepair()
    vectors = torch.randn(word.get_vocab_size(), 6, generator=generator) * torch.tensor([1.0, 5, 2, 0.1, 3, 0.5]) + 7
    return {"word": saved(root / "word", word, vectors), "byte": saved(root / "byte", byte)}


@pytest.mark.parametrize("kind", ["word", "byte"])
def test_the_file_alone_cuts_the_train_rows_as_the_tokenizer_cuts_their_words(
    kind: str, folders: dict[str, Path]
) -> None:
    own = tokenizers.Tokenizer.from_file(str(folders[kind] / "tokenizer.json"))
    found = fitted(kind, str(folders[kind]))
    session = onnxruntime.InferenceSession(found.split)
    (codes,) = session.run(["/codes"], {"x": TEXTS})
    assert codes.shape == (len(TEXTS), 12)
    words = [re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+|[^\w\s]", text) for text in TEXTS]
    number: dict[int, int] = {}
    for row, text, own_words in zip(codes, TEXTS, words, strict=True):
        whole = own.encode(text, add_special_tokens=False).ids
        if kind == "word":  # a word-piece tokenizer cuts as BERT does: its own pieces, whole
            expected = whole[:12]
        else:  # byte pairs see whether white space is before a word; a mark is cut as where a letter is before it
            letter = len(own.encode("a").ids)
            cut = [
                own.encode(f" {word}").ids[:6] if word[0].isalnum() else own.encode(f"a{word}").ids[letter:][:6]
                for word in own_words
            ]
            expected = [one for word in cut for one in word][:12]
        there = [int(code) for code in row if code]
        assert len(there) == len(expected)
        for code, piece in zip(there, expected, strict=True):
            assert number.setdefault(code, piece) == piece  # one code a piece
    assert len(set(number.values())) == len(number)


def test_a_word_that_the_train_rows_lack_is_known_where_the_tokenizer_has_it_whole(folders: dict[str, Path]) -> None:
    own = tokenizers.Tokenizer.from_file(str(folders["word"] / "tokenizer.json"))
    found = fitted("word", str(folders["word"]))
    (row, other) = found.apply({"x": np.array(["teatime", "zzyzx"], object)})[1]
    assert len(own.encode("teatime").ids) == 1
    assert row[0] > 1
    assert not row[1:].any()
    assert other[0] == 1
    few = fitted("word", str(folders["word"]), vocabulary=16)
    assert few.cardinalities == (18,)
    assert few.apply({"x": TEXTS})[1].max() == 17


@given(st.lists(st.text(ALPHABET, max_size=40), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_any_text_is_the_pieces_of_its_words_one_after_the_other(texts: list[str]) -> None:
    folder = Path(_folder())
    found, words = fitted("word", str(folder)), _words(str(folder))
    (codes,) = onnxruntime.InferenceSession(found.split).run(["/codes"], {"x": np.array(texts, object)})
    for text, row in zip(texts, codes, strict=True):
        low = "".join(one.lower() if one.isascii() else one for one in text)
        expected = [code for word in re.findall(r"\w+|[^\w\s]", low) for code in words.get(word, (1,))][:12]
        np.testing.assert_array_equal(row, expected + [0] * (12 - len(expected)))


@functools.cache
def _folder() -> str:
    import tempfile

    return str(saved(Path(tempfile.mkdtemp()), wordpiece()))


@functools.cache
def _words(folder: str) -> dict[str, tuple[int, ...]]:
    return Tokenizer(folder).fit(TEXTS, 10_000, 1).pieces


def test_families_that_are_fitted_see_how_often_each_of_the_commonest_pieces_stands(folders: dict[str, Path]) -> None:
    found = fitted("word", str(folders["word"]), counted=16, length=12)
    codes, matrix = found.apply({"x": TEXTS})[1], found.apply_matrix({"x": TEXTS})
    np.testing.assert_array_equal(matrix, [[np.sum(row == 2 + at) for at in range(16)] for row in codes])


def test_vectors_begin_as_the_models_own_turned_to_their_principal_directions(folders: dict[str, Path]) -> None:
    found = fitted("word", str(folders["word"]), vectors=True)
    assert found.vectors is not None
    own = (
        safetensors.load_file(folders["word"] / "model.safetensors")["embeddings.word_embeddings.weight"]
        .double()
        .numpy()
    )
    turned = (own - own.mean(axis=0)) @ np.linalg.svd(own - own.mean(axis=0), full_matrices=False)[2].T
    numbers = Tokenizer(str(folders["word"])).fit(TEXTS, 10_000, 1).numbers
    expected = turned[list(numbers)] / turned[list(numbers), 0].std()
    np.testing.assert_allclose(np.abs(found.vectors[2:]), np.abs(expected), rtol=1e-4, atol=1e-5)
    assert not found.vectors[:2].any()
    assert found.digest != fitted("word", str(folders["word"])).digest
    for family in ("embedding_bag", "textcnn", "transformer"):
        torch.manual_seed(0)
        module = plugins.build("students", family, {"width": 8}).build(found.shapes(2), 2)
        table = module.body.table.weight.detach().numpy()
        spread = table[2, 0] / found.vectors[2, 0]
        np.testing.assert_allclose(table[:, :6], spread * found.vectors, rtol=1e-5, atol=1e-6)
        assert table[2:, 6:].std() > 0.01  # wider than the model's: at random


def test_int8_tables_are_as_near_as_half_a_step_a_column(folders: dict[str, Path], tmp_path: Path) -> None:
    from onnx import numpy_helper

    found = fitted("word", str(folders["word"]), vectors=True)
    width = LEAST // found.cardinalities[0] + 4
    width += -width % 4
    rows, answer = {"x": TEXTS}, export.Answer(classes=("a", "b"))
    for family in ("embedding_bag", "textcnn", "transformer"):
        torch.manual_seed(0)
        module = plugins.build("students", family, {"width": width}).build(found.shapes(2), 2).eval()
        fp32 = export.export(found, module, answer, tmp_path / "a.onnx", rows)
        int8 = export.export(found, module, answer, tmp_path / "b.onnx", rows, precision="int8")
        assert int8.parity < 0.05
        assert fp32.path.stat().st_size - int8.path.stat().st_size > 2.5 * found.cardinalities[0] * width
        core = export.core_of(module, found.shapes(2))
        before = {one.name: numpy_helper.to_array(one) for one in core.graph.initializer}
        after = {one.name: numpy_helper.to_array(one) for one in narrow_tables(core).graph.initializer}
        (name,) = [name for name, value in after.items() if value.dtype == np.int8]
        step = after[f"{name}/scale"]
        assert np.all(np.abs(after[name] * step - before[name]) <= step / 2 + 1e-7)
    small = plugins.build("students", "embedding_bag", {"width": 2}).build(found.shapes(2), 2)
    core = export.core_of(small, found.shapes(2))
    assert narrow_tables(core).SerializeToString() == export.core_of(small, found.shapes(2)).SerializeToString()


def test_what_cannot_be_read_is_refused_in_a_line(folders: dict[str, Path], tmp_path: Path) -> None:
    def fit(**options: Any) -> None:
        made = plugins.build("inputs", "text", {"column": "x", "min_rows": 1, **options}, where="data.input")
        made.fit({"x": TEXTS}, np.zeros(len(TEXTS)), ("a", "b"))

    with pytest.raises(SpecError, match="vectors are those of a model: name it under pieces"):
        fit(vectors=True)
    with pytest.raises(SpecError, match=r"data\.input: pieces: no directory nowhere with a tokenizer\.json"):
        fit(pieces="nowhere")
    with pytest.raises(SpecError, match=r"vectors cannot be read from model\.safetensors"):
        fit(pieces=str(folders["byte"]), vectors=True)
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SpecError, match=r"its tokenizer\.json cannot be read"):
        fit(pieces=str(tmp_path))
    safetensors.save_file({"small": torch.zeros(3, 3)}, tmp_path / "model.safetensors")
    (tmp_path / "tokenizer.json").write_bytes((folders["word"] / "tokenizer.json").read_bytes())
    with pytest.raises(SpecError, match="no table of vectors"):
        fit(pieces=str(tmp_path), vectors=True)
    many = tokenizers.Tokenizer.from_file(str(folders["word"] / "tokenizer.json")).get_vocab_size()
    named = {"nan": torch.full((many, 2), torch.nan), "alike": torch.ones(many, 3)}
    for what, table in named.items():
        safetensors.save_file({"wte.weight": table}, tmp_path / "model.safetensors")
        with pytest.raises(SpecError, match="not finite" if what == "nan" else "all alike"):
            fit(pieces=str(tmp_path), vectors=True)
    (tmp_path / "model.safetensors").write_bytes(b"\x09" * 40)
    with pytest.raises(SpecError, match=r"vectors cannot be read from model\.safetensors"):
        fit(pieces=str(tmp_path), vectors=True)
    lost = tokenizers.Tokenizer(tokenizers.models.WordPiece({"good": 0}, unk_token="[UNK]"))
    lost.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(SpecError, match=r"its tokenizer\.json cannot be read"):
        fit(pieces=str(tmp_path))


def test_no_other_table_passes_for_word_vectors(folders: dict[str, Path], tmp_path: Path) -> None:
    own = tokenizers.Tokenizer.from_file(str(folders["word"] / "tokenizer.json"))
    many, generator = own.get_vocab_size(), torch.Generator().manual_seed(1)
    words, others = (torch.randn(many, 5, generator=generator) for _ in range(2))
    tables = {"h.0.mlp.weight": others, "rel_embeddings.weight": others, "wpe.weight": others, "wte.weight": words}
    saved(tmp_path, own)
    safetensors.save_file({name: value.clone() for name, value in tables.items()}, tmp_path / "model.safetensors")
    numbers = Tokenizer(str(tmp_path)).fit(TEXTS, 10_000, 1).numbers
    found, _ = Tokenizer(str(tmp_path)).vectors(numbers)
    centred = (words - words.mean(dim=0))[list(numbers)].double().numpy()
    inner = found[2:] @ found[2:].T
    np.testing.assert_allclose(
        inner / inner[0, 0], centred @ centred.T / (centred[0] @ centred[0]), rtol=1e-3, atol=1e-4
    )


def test_a_digest_is_of_what_vectors_are_made_of(folders: dict[str, Path], tmp_path: Path) -> None:
    """Their last digits are those of a processor and of a number of threads: a search goes on under another."""
    folder = str(folders["word"])
    tokenizer = Tokenizer(folder)
    numbers = tokenizer.fit(TEXTS, 10_000, 1).numbers
    table = safetensors.load_file(folders["word"] / "model.safetensors")["embeddings.word_embeddings.weight"]
    said = digest(table.numpy().tobytes() + np.asarray(numbers).tobytes() + f"{tuple(table.shape)}/128".encode())
    assert fitted("word", folder, vectors=True).vectors_digest == said
    saved(
        tmp_path, tokenizers.Tokenizer.from_file(folder + "/tokenizer.json"), table + 1e-3 * torch.ones(1, 6).cumsum(1)
    )
    assert fitted("word", str(tmp_path), vectors=True).digest != fitted("word", folder, vectors=True).digest


def test_tokens_that_were_added_and_long_texts_are_read(tmp_path: Path) -> None:
    own = wordpiece()
    own.add_tokens(["covid19"])
    saved(tmp_path, own)
    texts = np.array(["good covid19 food", *TEXTS, " ".join(["tea"] * 30_000)], object)
    words = Tokenizer(str(tmp_path)).fit(texts, 10_000, 1)
    assert words.numbers[words.pieces["covid19"][0] - 2] == own.token_to_id("covid19")
    assert [len(row) for row in Tokenizer(str(tmp_path))._split(texts)][::7] == [3, 30_000]
