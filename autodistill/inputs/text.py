"""Text in one column: split at white space inside the artefact, and each known word becomes its number."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic.fields import Field

from autodistill.errors import TableError
from autodistill.inputs import CODES, FEATURES, Encoding, Modality
from autodistill.inputs._front import FIRST, Front
from autodistill.inputs._pieces import Codes, Tokenizer
from autodistill.records import Features

PUNCTUATION = '.,!?;:"()'
"""Cut off the ends of words by listing them with it: an artefact has no operator that replaces characters."""

ASCII = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
"""To lower case as the locale C knows it: the only locale that every machine has."""


@dataclass(frozen=True)
class Text:
    """The first words of a text as numbers: ``/codes`` [N, length], 0 fills up, 1 is a word that is not known.

    Words are what stands between white space, A to Z in lower case; a word beside one of ``. , ! ? ; : " ( )`` counts
    as the word where the train rows have both. For families that are fitted a text is how often each of the commonest
    words stands in it.

    With ``pieces`` it is the pieces of a model's tokenizer instead, the teacher's as a rule: what they are of each word
    of the train rows, and of each whole word that the tokenizer knows, stands in the artefact as a table. Another word
    is not known. With ``vectors`` the students' word vectors begin as the model's own, cut to their width.
    """

    modality: ClassVar[Modality] = "text"

    column: Annotated[str, Field(description="the column of texts")]
    vocabulary: Annotated[int, Field(ge=16, le=200_000, description="most words that are known, by frequency")] = 10_000
    length: Annotated[int, Field(ge=1, le=4096, description="words that are read; the rest is cut off")] = 128
    min_rows: Annotated[int, Field(ge=1, description="a word of fewer train rows is not known")] = 2
    counted: Annotated[int, Field(ge=16, le=5000, description="words counted for families that are fitted")] = 500
    pieces: Annotated[
        str | None, Field(description="a model's directory (or an import path of one): words in its tokenizer's pieces")
    ] = None
    vectors: Annotated[bool, Field(description="word vectors begin as that model's own")] = False

    def __post_init__(self) -> None:
        if self.vectors and self.pieces is None:
            raise ValueError("vectors are those of a model: name it under pieces")

    def fit(self, features: Features, y: npt.NDArray[Any], classes: Sequence[str]) -> Encoding:  # noqa: ARG002
        """The words of the train rows. Raises ``TableError`` where none is common enough, ``SpecError`` where there is
        no such tokenizer."""
        texts, vectors, made_of, also = features[self.column], None, "", ""
        if self.pieces is None:
            many, coded = self._words_of(texts)
        else:
            tokenizer = Tokenizer(self.pieces)
            words = tokenizer.fit(texts, self.vocabulary, self.min_rows)
            many, coded = len(words.numbers), partial(tokenizer.codes, words=words)
            exactly = math.floor(words.exactly * 1000) / 10
            also = f"; {exactly:g} % of the train rows are cut exactly as its tokenizer cuts them"
            if self.vectors:
                vectors, made_of = tokenizer.vectors(words.numbers)
                also += "; every student's word vectors begin as its own, those of the twin without a teacher, too"
        if not many:
            do = "lower min_rows, or give more texts"
            raise TableError("no word stands in enough rows", where=f"column {self.column!r}", do=do)
        split = Front(self.column, "string", ())
        split.add("Identity", [coded(split, most=many, length=self.length)], CODES)
        matrix = Front(self.column, "string", ())
        counted = min(self.counted, many)
        codes = coded(matrix, most=counted, length=self.length)
        depth, values = matrix.constant("/depth", np.array(FIRST + counted)), np.array([0, 1], np.float32)
        hot = matrix.add("OneHot", [codes, depth, matrix.constant("/hot", values)], axis=-1)
        totals = matrix.add("ReduceSum", [hot, matrix.constant("/words", np.array([1]))], keepdims=0)
        ends = [matrix.constant(name, np.array([at])) for name, at in (("/from", FIRST), ("/to", FIRST + counted))]
        matrix.add("Slice", [totals, *ends, matrix.constant("/axis", np.array([1]))], FEATURES)
        what = "words" if self.pieces is None else f"pieces of {self.pieces}"
        return Encoding(
            inputs=((self.column, "string"),),
            numeric=0,
            cardinalities=(FIRST + many,),
            split=split.model(CODES, "int64", (self.length,)),
            matrix=matrix.model(FEATURES, "float", (counted,)),
            modality="text",
            length=self.length,
            notes=(f"{many:,} {what} are known; a row's first {self.length} are read{also}",),
            vectors=vectors,
            vectors_digest=made_of,
        )

    def _words_of(self, texts: npt.NDArray[Any]) -> tuple[int, Codes]:
        """How many words are known, and the operators that give the codes of the commonest."""
        seen = Counter(word for text in texts for word in set(_words(text)))
        common = sorted((one for one in seen if seen[one] >= self.min_rows), key=lambda one: (-seen[one], one))
        cores = list(dict.fromkeys(core for one in common if (core := one.strip(PUNCTUATION))))[: self.vocabulary]
        code = {word: FIRST + at for at, word in enumerate(cores)}
        known = {one: code[core] for one in common if (core := one.strip(PUNCTUATION)) in code} | code

        def coded(front: Front, *, most: int, length: int) -> str:
            """int64 [N, length]: words to codes, cut off or filled up with 0."""
            lower = front.add(
                "StringNormalizer", [front.name], case_change_action="LOWER", is_case_sensitive=1, locale="C"
            )
            words = front.several("StringSplit", [lower], ["/words/split", "/words/count"])
            return front.cut(front.coded(words, {w: at for w, at in known.items() if at < FIRST + most}), length)

        return len(cores), coded


def _words(text: str) -> list[str]:
    return str(text).translate(ASCII).split()
