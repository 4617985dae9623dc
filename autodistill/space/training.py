"""How a gradient family is trained: the options that ``distill:`` takes beside those of its losses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """How a gradient family is trained. Families that are fitted have no use for it."""

    learning_rate: Annotated[float, Field(gt=0, le=1, description="peak step size of AdamW")] = 1e-3
    epochs: Annotated[int, Field(ge=1, le=10_000, description="passes over the train split")] = 30
    batch_size: Annotated[int, Field(ge=1, le=1_000_000, description="rows a step")] = 256
    weight_decay: Annotated[float, Field(ge=0, le=1, description="decoupled decay a step, times the step size")] = 0.0
    warmup: Annotated[float, Field(ge=0, lt=1, description="share of the steps over which the step size rises")] = 0.05
    fine_tune: Annotated[
        float, Field(ge=0, lt=1, description="share of the epochs, the last ones, that see labels alone")
    ] = 0.0

    perturb: Annotated[
        float,
        Field(ge=0, le=100, description="perturbed rows a train row, labelled by the teacher; not of texts and series"),
    ] = 0.0
    jitter: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="noise of a perturbed row: deviations of a number, share of words swapped; of a picture shares "
            "of sides, quarter turn and size; of a sound shares of length, 20 dB and deviation",
        ),
    ] = 0.1
    assistant: Annotated[
        int | None, Field(ge=1, le=4096, description="width of a network of the family between teacher and student")
    ] = None

    places: Annotated[
        int,
        Field(
            ge=1,
            le=4096,
            description="last places of a text that are taught, each by the character after it and by the teacher; the "
            "row's own alone is 1",
        ),
    ] = 1

    @staticmethod
    def told(options: Mapping[str, Any]) -> dict[str, Any]:
        """Options without what says nothing: the row's own place alone, which is all that there was once."""
        return {name: value for name, value in options.items() if (name, value) != ("places", 1)}

    @property
    def taught(self) -> int:
        """The epochs in which the teacher has a say: at least the first."""
        return max(1, self.epochs - round(self.fine_tune * self.epochs))
