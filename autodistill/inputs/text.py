"""Text in one column: split at white space inside the artefact, and each known word becomes its number."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic.fields import Field

from autodistill.errors import TableError
from autodistill.inputs import CODES, FEATURES, Encoding, Modality
from autodistill.inputs._front import Front
from autodistill.records import Features

EMPTY, UNSEEN, FIRST = 0, 1, 2
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
    """

    modality: ClassVar[Modality] = "text"

    column: Annotated[str, Field(description="the column of texts")]
    vocabulary: Annotated[int, Field(ge=16, le=200_000, description="most words that are known, by frequency")] = 10_000
    length: Annotated[int, Field(ge=1, le=4096, description="words that are read; the rest is cut off")] = 128
    min_rows: Annotated[int, Field(ge=1, description="a word of fewer train rows is not known")] = 2
    counted: Annotated[int, Field(ge=16, le=5000, description="words counted for families that are fitted")] = 500

    def fit(self, features: Features, y: npt.NDArray[Any], classes: Sequence[str]) -> Encoding:  # noqa: ARG002
        """The words of the train rows. Raises ``TableError`` where none is common enough."""
        seen = Counter(word for text in features[self.column] for word in set(_words(text)))
        common = sorted((one for one in seen if seen[one] >= self.min_rows), key=lambda one: (-seen[one], one))
        cores = list(dict.fromkeys(core for one in common if (core := one.strip(PUNCTUATION))))[: self.vocabulary]
        if not cores:
            do = "lower min_rows, or give more texts"
            raise TableError("no word stands in enough rows", where=f"column {self.column!r}", do=do)
        code = {word: FIRST + at for at, word in enumerate(cores)}
        known = {one: code[core] for one in common if (core := one.strip(PUNCTUATION)) in code} | code
        split = Front(self.column, "string", ())
        split.add("Identity", [self._codes(split, known, self.length)], CODES)
        matrix = Front(self.column, "string", ())
        counted = min(self.counted, len(cores))
        codes = self._codes(matrix, {word: at for word, at in known.items() if at < FIRST + counted}, self.length)
        depth, values = matrix.constant("/depth", np.array(FIRST + counted)), np.array([0, 1], np.float32)
        hot = matrix.add("OneHot", [codes, depth, matrix.constant("/hot", values)], axis=-1)
        totals = matrix.add("ReduceSum", [hot, matrix.constant("/words", np.array([1]))], keepdims=0)
        ends = [matrix.constant(name, np.array([at])) for name, at in (("/from", FIRST), ("/to", FIRST + counted))]
        matrix.add("Slice", [totals, *ends, matrix.constant("/axis", np.array([1]))], FEATURES)
        return Encoding(
            inputs=((self.column, "string"),),
            numeric=0,
            cardinalities=(FIRST + len(cores),),
            split=split.model(CODES, "int64", (self.length,)),
            matrix=matrix.model(FEATURES, "float", (counted,)),
            modality="text",
            length=self.length,
            notes=(f"{len(cores):,} words are known; a row's first {self.length} are read",),
        )

    def _codes(self, front: Front, known: dict[str, int], length: int) -> str:
        """int64 [N, length]: words to codes, cut off or filled up with 0."""
        lower = front.add(
            "StringNormalizer", [self.column], case_change_action="LOWER", is_case_sensitive=1, locale="C"
        )
        words = front.several("StringSplit", [lower], ["/words/split", "/words/count"])
        coded = front.add(
            "LabelEncoder",
            [words],
            domain="ai.onnx.ml",
            keys_strings=["", *known],
            values_int64s=[EMPTY, *known.values()],
            default_int64=UNSEEN,
        )
        fill = front.constant("/fill", np.array([0, 0, 0, length]))
        padded = front.add("Pad", [coded, fill, front.constant("/nothing", np.array(EMPTY))])
        bounds = (("/begin", 0), ("/end", length), ("/along", 1))
        return front.add("Slice", [padded, *(front.constant(name, np.array([at])) for name, at in bounds)])


def _words(text: str) -> list[str]:
    return str(text).translate(ASCII).split()
