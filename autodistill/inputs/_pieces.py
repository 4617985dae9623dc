"""A tokenizer's pieces for an artefact that runs without the tokenizer: a table from words to the codes of pieces.

Word-piece and byte-pair tokenizers cut a text into words and each word into pieces, whatever stands beside it. So what
the artefact needs of one is which pieces each word has. Words are cut by ONNX Runtime's operator Tokenizer, as BERT
cuts them: at white space, and each mark of punctuation by itself.
"""

import importlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from autodistill.errors import SpecError
from autodistill.inputs._front import CONTRIB, FIRST, UNSEEN, Front
from autodistill.records import FloatArray

INT64, STRING = 7, 8  # ONNX's numbers of these types
MARKS = r"\p{P}$+<=>^`|~\x{4E00}-\x{9FFF}"  # what BERT's tokenizer cuts off by itself, Chinese characters among it
WORD = rf"[^\s{MARKS}]+|[{MARKS}]"
MOST = 6  # pieces of a word; the rest of a longer one is cut off
KEPT = 128  # directions of word vectors that are kept: no student of a text is as wide
WEIGHTS = "model.safetensors"
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
    folder = carried(model)
    if folder is None or not (folder / "tokenizer.json").is_file():
        return {}
    return {"pieces": model, "vectors": (folder / WEIGHTS).is_file(), "min_rows": 1}


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
        try:
            own = tokenizers.Tokenizer.from_file(str(self.folder / "tokenizer.json"))
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
        rows = list(self._split(texts))
        every = list(dict.fromkeys(word for row in rows for word in row))
        cut = {word: self._word(word) for word in every}
        seen = Counter(number for row in rows for number in {one for word in row for one in cut[word]})
        known = sorted((n for n in seen if seen[n] >= min_rows), key=lambda n: (-seen[n], n))
        special = {number for number, token in self._own.get_added_tokens_decoder().items() if token.special}
        own = {number: token for token, number in self._own.get_vocab(with_added_tokens=False).items()}
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

    def vectors(self, numbers: Sequence[int]) -> FloatArray:
        """The model's own vectors of pieces, float32 [FIRST + n, D]: centred, turned to their principal directions, the
        widest first and of spread one; zeros for what is no piece. Raises ``SpecError``."""
        try:
            from safetensors import safe_open

            with safe_open(self.folder / WEIGHTS, framework="pt") as file:
                shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
                tables = [name for name, shape in shapes.items() if len(shape) == 2 and shape[0] > max(numbers)]
                if not tables:
                    raise ValueError("no table of vectors of all its pieces")
                found = file.get_tensor(min(tables, key=lambda name: ("embed" not in name, len(name), name)))
        except (OSError, ImportError, ValueError) as fault:
            line = " ".join(str(fault).split())[:160]
            what = f"its vectors cannot be read from {WEIGHTS} ({line})"
            raise SpecError(
                what, where="data.input: vectors", do="save the model as safetensors, or leave it out"
            ) from None
        table = found.float().numpy().astype(np.float64)
        table = table - table.mean(axis=0)
        _, turned = np.linalg.eigh(table.T @ table)
        turned = turned[:, ::-1][:, :KEPT]
        turned = turned * np.sign(turned[np.abs(turned).argmax(axis=0), np.arange(turned.shape[1])])  # one of two ways
        made = table[np.asarray(numbers)] @ turned
        return np.concatenate([np.zeros((FIRST, made.shape[1])), made / made[:, 0].std()]).astype(np.float32)

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

    def _split(self, texts: npt.NDArray[Any]) -> Iterator[list[str]]:
        """The words of each text, by the artefact's own operators."""
        from autodistill import runtime

        front = Front("text", "string", ())
        front.add("Identity", [self.words(front)], "/words")
        session = runtime.open(front.model("/words", "string", ("L",)))
        for at in range(0, len(texts), 1000):
            (found,) = session.run({"text": np.asarray(texts[at : at + 1000], object)})
            yield from ([word for word in row if word] for row in found)

    def _word(self, word: str) -> list[int]:
        """A word's pieces, as they are where white space is before it; a mark's, where there is none."""
        return self._numbers(f" {word}" if word[:1].isalnum() else word)

    def _numbers(self, text: str) -> list[int]:
        return list(self._own.encode(str(text), add_special_tokens=False).ids)
