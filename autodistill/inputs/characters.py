"""Text in one column, character by character, its last ones read: what a language model sees of what came before."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic.fields import Field

from autodistill.errors import TableError
from autodistill.inputs import CODES, FEATURES, Encoding, Modality
from autodistill.inputs._front import CONTRIB, EMPTY, FIRST, INT64, STRING, Front
from autodistill.plugins import suggest
from autodistill.records import Features


@dataclass(frozen=True)
class Characters:
    """The last characters of a text as numbers.

    ``/codes`` [N, length], the last at the end, 0 in front of a shorter text, 1 a character that is not known.
    Characters are Unicode's code points, as they stand: capitals are not made small. The artefact splits a text by
    itself, by ONNX Runtime's own operator Tokenizer: ONNX has none, so other runtimes do not open it. For families that
    are fitted a text is its last ``counted`` characters, each as ones and zeros.
    Where every class is a character, a text says of each of its places what follows: ``distill: {places: …}``.
    """

    modality: ClassVar[Modality] = "text"

    column: Annotated[str, Field(description="the column of texts")]
    length: Annotated[int, Field(ge=1, le=4096, description="characters that are read, the last ones")] = 64
    alphabet: Annotated[int, Field(ge=2, le=20_000, description="most characters that are known, by frequency")] = 256
    min_rows: Annotated[int, Field(ge=1, description="a character of fewer train rows is not known")] = 2
    counted: Annotated[int, Field(ge=1, le=64, description="last characters for families that are fitted")] = 6
    classes: Annotated[
        Mapping[str, str], Field(description="class of the table: the character that it is, where its name is another")
    ] = field(default_factory=dict)

    def fit(self, features: Features, y: npt.NDArray[Any], classes: Sequence[str]) -> Encoding:  # noqa: ARG002
        """The characters of the train rows. Raises ``TableError`` where none is common enough."""
        seen = Counter(one for text in features[self.column] for one in set(str(text)))
        known = sorted((one for one in seen if seen[one] >= self.min_rows), key=lambda one: (-seen[one], one))
        known = known[: self.alphabet]
        if not known:
            do = "lower min_rows, or give more texts"
            raise TableError("no character stands in enough rows", where=f"column {self.column!r}", do=do)
        split = Front(self.column, "string", ())
        split.add("Identity", [self._codes(split, known, self.length)], CODES)
        matrix, depth = Front(self.column, "string", ()), FIRST + len(known)
        codes = self._codes(matrix, known, self.counted)
        ends = matrix.constant("/depth", np.array(depth)), matrix.constant("/hot", np.array([0, 1], np.float32))
        hot = matrix.add("OneHot", [codes, *ends], axis=-1)
        matrix.add("Reshape", [hot, matrix.constant("/flat", np.array([-1, self.counted * depth]))], FEATURES)
        return Encoding(
            inputs=((self.column, "string"),),
            numeric=0,
            cardinalities=(depth,),
            split=split.model(CODES, "int64", (self.length,)),
            matrix=matrix.model(FEATURES, "float", (self.counted * depth,)),
            modality="text",
            length=self.length,
            notes=(f"{len(known):,} characters are known; a row's last {self.length} are read",),
            follows=self._follows(known, classes),
        )

    def _follows(self, known: Sequence[str], classes: Sequence[str]) -> tuple[int, ...]:
        """The class of each code, −1 of one that is none; nothing where a class is no character."""
        for name in self.classes:
            if name not in classes:
                where = f"column {self.column!r}: classes"
                raise TableError(f"the target has no class {name!r}", where=where, do=suggest(name, classes))
        meant = [self.classes.get(name, name) for name in classes]
        if not meant or any(len(one) != 1 for one in meant) or len({*meant}) < len(meant):
            return ()
        code = {one: at for at, one in enumerate(meant)}
        return (*[-1] * FIRST, *(code.get(one, -1) for one in known))

    def _codes(self, front: Front, known: Sequence[str], length: int) -> str:
        """int64 [N, length]. A row of c characters fills the first c of the longest row's places, so after ``length``
        zeros in front its last ``length`` begin at c."""
        each = front.add(
            "Tokenizer", [self.column], domain=CONTRIB, mark=0, mincharnum=1, pad_value="", separators=[""]
        )
        # Without the cast nobody knows the type of what Tokenizer says, and ONNX's shape inference, which the quantiser
        # calls, ends the process in LabelEncoder.
        told = {one: code for code, one in enumerate(known, start=FIRST)}
        coded = front.coded(front.add("Cast", [each], to=STRING), told)
        there = front.add("Greater", [coded, front.constant("/none", np.array(EMPTY))])
        count = front.add(
            "ReduceSum", [front.add("Cast", [there], to=INT64), front.constant("/along", np.array([1]))], keepdims=1
        )
        at = front.add("Add", [count, front.constant("/places", np.arange(length)[None])])
        fill = front.constant("/fill", np.array([0, length, 0, 0]))
        return front.add("GatherElements", [front.add("Pad", [coded, fill]), at], axis=1)
