"""A tokenizer's pieces for an artefact that runs without the tokenizer: a table from words to the codes of pieces.

Word-piece and byte-pair tokenizers cut a text into words and each word into pieces, whatever stands beside it. So what
the artefact needs of one is which pieces each word has. Words are cut by ONNX Runtime's operator Tokenizer, as BERT
cuts them: at white space, and each mark of punctuation by itself.
"""

import importlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from autodistill.errors import SpecError
from autodistill.inputs._front import CONTRIB, FIRST, INT64, STRING, UNSEEN, Front
from autodistill.records import FloatArray, digest

MARKS = r"\p{P}$+<=>^`|~\x{4E00}-\x{9FFF}"  # what BERT's tokenizer cuts off by itself, Chinese characters among it
WORD = rf"[^\s{MARKS}]+|[{MARKS}]"
MOST = 6  # pieces of a word; the rest of a longer one is cut off
TOGETHER, ROOM = 1000, 1 << 21  # texts that are split at a time, and characters if all were as long as the longest
KEPT = 128  # directions of word vectors that are kept: no student of a text is as wide
WEIGHTS = "model.safetensors"
TABLES = ("word_embeddings", "embed_tokens", "tok_embeddings", "wte", "shared", "embedding.weight")
TABLE = re.compile("|".join(map(re.escape, TABLES)))
WHERE = "data.input: pieces"


def carried(name: str) -> Path | None:
    """The directory that ``name`` is, or that an import path names (a package that carries one); else None."""
    if Path(name).is_dir():
        return Path(name)
    module, _, attribute = name.rpartition(".")
    if module and all(part.isidentifier() for part in name.split(".")):
        try:
            found = getattr(importlib.import_module(module), attribute, None)
        except ImportError:
            return None
        return Path(found) if isinstance(found, str | Path) and Path(found).is_dir() else None
    return None


class Codes(Protocol):
    """Adds the operators to a front that give codes int64 [N, length] of its texts, those of the ``most`` commonest."""

    def __call__(self, front: Front, *, most: int, length: int) -> str: ...


def _turned(table: FloatArray) -> FloatArray:
    """Rows about their mean in their principal directions, the widest first, on one thread: else the last digits are
    those of the number of threads."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        centred = table.astype(np.float64) - table.mean(axis=0, dtype=np.float64)
        _, axes = np.linalg.eigh(centred.T @ centred)
        axes = axes[:, ::-1][:, :KEPT]
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])  # of two ways one
        return centred @ axes  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Words:
    """``pieces`` gives the codes of each word's pieces, the first of the commonest; ``numbers`` is the tokenizer's own
    number of each code from ``FIRST`` on."""

    pieces: dict[str, tuple[int, ...]]
    numbers: tuple[int, ...]
    exactly: float
    """Share of the texts whose pieces are exactly the tokenizer's own."""


def options(model: str) -> dict[str, Any]:
    """What a text's input asks of a model's directory: its pieces, and its word vectors where they can be read; nothing
    where it has no tokenizer of this kind."""
    tokenizer = Tokenizer(model)
    try:
        tokenizer.lower  # noqa: B018 - reads it
    except SpecError:
        return {}
    return {"pieces": model, "vectors": (tokenizer.folder / WEIGHTS).is_file(), "min_rows": 1}


@dataclass(frozen=True)
class Tokenizer:
    """The tokenizer of a directory: its ``tokenizer.json``, and its model's weights where vectors are asked for."""

    name: str

    @cached_property
    def folder(self) -> Path:
        """Where it lies. Raises ``SpecError``."""
        found = carried(self.name)
        if found is None or not (found / "tokenizer.json").is_file():
            what = f"no directory {self.name} with a tokenizer.json"
            raise SpecError(what, where=WHERE, do="name a model's directory, or the import path of a package's")
        return found

    @cached_property
    def _own(self) -> Any:
        try:
            import tokenizers
        except ImportError as fault:
            do = "pip install 'autodistill-audit[huggingface]'"
            raise SpecError(f"pieces need the package tokenizers ({fault})", where=WHERE, do=do) from None
        file = self.folder / "tokenizer.json"
        try:
            own = tokenizers.Tokenizer.from_file(str(file))
            own.encode("a word")
        except Exception as fault:  # the library raises nothing more particular
            line = " ".join(str(fault).split())[:160]
            raise SpecError(f"its tokenizer.json cannot be read ({line})", where=WHERE, do="save it again") from None
        own.no_padding()
        own.no_truncation()
        return own

    @cached_property
    def lower(self) -> bool:
        """Whether it makes capitals small."""
        return self._numbers("A") == self._numbers("a")

    def fit(self, texts: npt.NDArray[Any], vocabulary: int, min_rows: int) -> Words:
        """The words of some texts and all whole words of its own, in at most ``vocabulary`` pieces: those that stand in
        ``min_rows`` texts by frequency, then the others by its own numbers, which come by frequency as a rule."""
        rows = self._split(texts)
        every = list(dict.fromkeys(word for row in rows for word in row))
        cut = {word: self._word(word) for word in every}
        seen = Counter(number for row in rows for number in {one for word in row for one in cut[word]})
        known = sorted((n for n in seen if seen[n] >= min_rows), key=lambda n: (-seen[n], n))
        special = {number for number, token in self._own.get_added_tokens_decoder().items() if token.special}
        own = {number: token for token, number in self._own.get_vocab(with_added_tokens=True).items()}
        known += [number for number in sorted(own) if number not in seen and number not in special]
        code = {number: FIRST + at for at, number in enumerate(known[:vocabulary])}
        for number in code:
            whole = own[number].removeprefix("Ġ").removeprefix("▁")
            if whole not in cut and self._word(whole) == [number]:
                cut[whole] = [number]
        pieces = {word: tuple(code.get(n, UNSEEN) for n in numbers[:MOST]) for word, numbers in cut.items() if numbers}
        same = [[n for word in row for n in cut[word]] == self._numbers(t) for row, t in zip(rows, texts, strict=True)]
        return Words(
            pieces={word: codes for word, codes in pieces.items() if set(codes) != {UNSEEN}},
            numbers=tuple(code),
            exactly=float(np.mean(same)),
        )

    def vectors(self, numbers: Sequence[int]) -> tuple[FloatArray, str]:
        """The model's own vectors of pieces, float32 [FIRST + n, D]: centred, turned to their principal directions, the
        widest first and of spread one; zeros for what is no piece. And a digest of what they are made of. Raises
        ``SpecError``."""
        try:
            table = self._table()
            if not np.isfinite(table).all():
                raise ValueError("some of its numbers are not finite")
            made = _turned(table)[np.asarray(numbers)]
            spread = made[:, 0].std()
            if not spread > 0:
                raise ValueError("its vectors are all alike")
        except Exception as fault:  # safetensors' errors share no base with Python's own
            line = " ".join(str(fault).split())[:160]
            what = f"its vectors cannot be read from {WEIGHTS} ({line})"
            do = "save the model as safetensors, or leave it out"
            raise SpecError(what, where="data.input: vectors", do=do) from None
        given = digest(table.tobytes() + np.asarray(numbers).tobytes() + f"{table.shape}/{KEPT}".encode())
        return np.concatenate([np.zeros((FIRST, made.shape[1])), made / spread]).astype(np.float32), given

    def _table(self) -> FloatArray:
        """The model's table of word vectors, float32 [pieces or more, D]."""
        from safetensors import safe_open

        least = self._own.get_vocab_size(with_added_tokens=True)
        with safe_open(self.folder / WEIGHTS, framework="pt") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
            tables = [name for name, of in shapes.items() if len(of) == 2 and of[0] >= least and TABLE.search(name)]
            if not tables:
                raise ValueError(f"no table of vectors of its {least:,} pieces, called {' or '.join(TABLES)}")
            found: FloatArray = file.get_tensor(min(tables, key=lambda name: (len(name), name))).float().numpy()
        return found

    def codes(self, front: Front, *, words: Words, most: int, length: int) -> str:
        """int64 [N, length]: the pieces of the first words, those of a word that is not known being UNSEEN."""
        rows = {word: tuple(c if c < FIRST + most else UNSEEN for c in codes) for word, codes in words.pieces.items()}
        rows = {word: codes for word, codes in rows.items() if set(codes) != {UNSEEN}}
        longest = max((len(codes) for codes in rows.values()), default=1)
        if longest == 1:
            return front.cut(front.coded(self.words(front), {word: code for word, (code,) in rows.items()}), length)
        kind = np.int16 if FIRST + most < 2**15 else np.int32
        table = np.zeros((FIRST + len(rows), longest), kind)
        table[UNSEEN, 0] = UNSEEN
        for at, codes in enumerate(rows.values(), start=FIRST):
            table[at, : len(codes)] = codes
        # A word has a piece at least: no more words are read than pieces.
        told = {word: row for row, word in enumerate(rows, start=FIRST)}
        read = front.cut(front.coded(self.words(front), told), length)
        found = front.add("Gather", [front.constant("/pieces", table), read])
        every = length * longest
        flat = front.add(
            "Reshape", [front.add("Cast", [found], to=INT64), front.constant("/flat", np.array([-1, every]))]
        )
        there = front.add("Cast", [front.add("Greater", [flat, front.constant("/none", np.array(0))])], to=INT64)
        # Those that are there before those that are not, and each where it stood among its own.
        before = front.add("Mul", [there, front.constant("/every", np.array(every))])
        order = front.add("Sub", [before, front.constant("/places", np.arange(every)[None])])
        front.several("TopK", [order, front.constant("/length", np.array([length]))], ["/order", "/first"], axis=1)
        return front.add("GatherElements", [flat, "/first"], axis=1)

    def words(self, front: Front) -> str:
        """The words of the front's column, strings [N, longest row], "" filling up."""
        text = front.name
        if self.lower:
            text = front.add("StringNormalizer", [text], case_change_action="LOWER", is_case_sensitive=1, locale="C")
        each = front.add("Tokenizer", [text], domain=CONTRIB, mark=0, mincharnum=1, pad_value="", tokenexp=WORD)
        return front.add("Cast", [each], to=STRING)  # see characters: else nobody knows the type

    def _split(self, texts: npt.NDArray[Any]) -> list[list[str]]:
        """The words of each text, by the artefact's own operators."""
        from autodistill import runtime

        front = Front("text", "string", ())
        front.add("Identity", [self.words(front)], "/words")
        session = runtime.open(front.model("/words", "string", ("L",)))
        found: list[list[str]] = [[] for _ in texts]
        for some in _alike([len(str(text)) for text in texts]):
            (rows,) = session.run({"text": np.asarray(texts[some], object)})
            for at, row in zip(some, rows, strict=True):
                found[at] = [word for word in row if word]
        return found

    def _word(self, word: str) -> list[int]:
        """A word's pieces, as they are where white space is before it; a mark's, where a letter is."""
        if word[:1].isalnum():
            return self._numbers(f" {word}")
        before, both = self._numbers("a"), self._numbers(f"a{word}")
        return both[len(before) :] if both[: len(before)] == before else self._numbers(word)

    def _numbers(self, text: str) -> list[int]:
        return list(self._own.encode(str(text), add_special_tokens=False).ids)


def _alike(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of texts of about the same length, some at a time: the operator fills all up to the longest."""
    some: list[int] = []
    for at in map(int, np.argsort(lengths, kind="stable")):
        if some and (len(some) == TOGETHER or (len(some) + 1) * lengths[at] > ROOM):
            yield some
            some = []
        some.append(at)
    if some:
        yield some
