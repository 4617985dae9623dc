"""A small language model: a causal transformer decoder (Radford et al. 2018) whose last place says what follows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic.fields import Field

from autodistill.inputs import CODES, Shapes
from autodistill.students import embedded
from autodistill.students._network import Core
from autodistill.students._pooled import pooled

if TYPE_CHECKING:
    from torch import nn

NEVER = -1e9
EPSILON = 1e-5


@dataclass(frozen=True)
class Gpt:
    """Character and place vectors, blocks of causal attention and two dense layers, and what follows the last place.

    No place sees a later one or an empty one. Only the last place is asked, so the last block is computed for it alone:
    one block costs little more than its keys and values. Made for the input ``characters``, whose last place is full;
    of ``text`` an empty last place, which sees all words, answers in its stead.
    """

    trains: ClassVar[str] = "gradient"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    readings_depend_on: ClassVar[str] = "architecture"
    forms: ClassVar[tuple[str, ...]] = ("text",)

    width: Annotated[int, Field(ge=4, le=1024, multiple_of=4, description="numbers of a vector")] = 32
    depth: Annotated[int, Field(ge=1, le=12, description="blocks")] = 2
    heads: Annotated[int, Field(ge=1, le=16, description="heads; the width should be a multiple")] = 4
    context: Annotated[int, Field(ge=1, le=4096, description="places that are read, the last ones")] = 32

    def build(self, inputs: Shapes, outputs: int) -> "nn.Module":
        """A module from codes [n, length], 0 being nothing, to logits [n, outputs]."""
        import torch
        from torch import Tensor, nn

        width, depth, context = self.width, self.depth, min(self.context, inputs.coded)
        heads = next(count for count in range(self.heads, 0, -1) if width % count == 0)
        each = width // heads

        class Block(nn.Module):
            """Attention and a dense pair, each beside a short cut, normalised first. Dense layers see rows
            [n·places, width], as ``Gemm`` does."""

            def __init__(self) -> None:
                super().__init__()
                self.before, self.between = nn.LayerNorm(width, EPSILON), nn.LayerNorm(width, EPSILON)
                self.asked, self.offered, self.told = (nn.Linear(width, width) for _ in range(3))
                self.joined = nn.Linear(width, width)
                self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

            def forward(self, rows: Tensor, mask: Tensor, asking: int) -> Tensor:
                """``rows`` [n·context, width]; the last ``asking`` places of each text are asked, and come out."""

                def parts(values: Tensor, places: int) -> Tensor:
                    return values.reshape(-1, places, heads, each).transpose(1, 2)

                x = self.before(rows)
                query = parts(self.asked(_last(x, asking)), asking)
                key, value = parts(self.offered(x), context), parts(self.told(x), context)
                seen = (query @ key.transpose(2, 3) * each**-0.5 + mask).softmax(dim=3) @ value
                rows = _last(rows, asking) + self.joined(seen.transpose(1, 2).reshape(-1, width))
                return rows + self.narrow(torch.relu(self.wide(self.between(rows))))  # type: ignore[no-any-return]

        def _last(rows: Tensor, places: int) -> Tensor:
            """The last places of each text, [n·places, width]."""
            return rows if places == context else rows.reshape(-1, context, width)[:, -places:].reshape(-1, width)

        class Body(nn.Module):
            """Blocks, then the last place, normalised."""

            later: Tensor

            def __init__(self) -> None:
                super().__init__()
                self.table = embedded(inputs, width, 0.3)
                self.place = nn.Parameter(0.1 * torch.randn(context, width))
                self.blocks = nn.ModuleList(Block() for _ in range(depth))
                self.after = nn.LayerNorm(width, EPSILON)
                self.register_buffer("later", torch.from_numpy(_later(context)), persistent=False)

            def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:  # noqa: ARG002
                return self.places(codes, 1)[:, 0]

            def places(self, codes: Tensor, many: int) -> Tensor:
                """The vectors of the last ``many`` places, or of all that are read: [n, places, width]."""
                codes, asking = codes[:, -context:], min(many, context)
                empty = ((codes == 0).float() * NEVER).reshape(-1, 1, 1, context)
                mask = empty + self.later
                rows = (self.table(codes) + self.place).reshape(-1, width)
                for block in self.blocks[:-1]:
                    rows = block(rows, mask, context)
                rows = self.blocks[-1](rows, mask[:, :, -asking:], asking)
                return self.after(rows).reshape(-1, asking, width)  # type: ignore[no-any-return]

            def written(self, core: Core) -> str:
                return _written(core, (context, heads, each), depth, context < inputs.coded)

        return pooled(Body(), width, inputs, outputs)


def _later(context: int) -> npt.NDArray[np.float32]:
    """[context, context]: what keeps a place from those behind it."""
    return np.triu(np.full((context, context), NEVER, np.float32), 1)


def _written(core: Core, sizes: tuple[int, int, int], depth: int, cut: bool) -> str:
    """The body as a graph; ``sizes`` are places, heads, and numbers a head."""
    context, heads, each = sizes
    width = heads * each

    def shaped(value: str, *shape: int) -> str:
        return core.add("Reshape", [value, core.constant(f"shape{shape}", np.array(shape))])

    def normalised(value: str, name: str) -> str:
        given = [value, core.weight(f"{name}.weight"), core.weight(f"{name}.bias")]
        return core.add("LayerNormalization", given, epsilon=EPSILON)

    def parts(value: str, name: str, places: int, order: tuple[int, ...]) -> str:
        found = core.dense(value, f"{name}.weight", f"{name}.bias")
        return core.add("Transpose", [shaped(found, -1, places, heads, each)], perm=order)

    def block(name: str, rows: str, mask: str, asking: int) -> str:
        def last(value: str) -> str:
            if asking == context:
                return value
            place = core.constant("last", np.array([context - 1]))
            return shaped(core.add("Gather", [shaped(value, -1, context, width), place], axis=1), -1, width)

        x = normalised(rows, f"{name}.before")
        query = parts(last(x), f"{name}.asked", asking, (0, 2, 1, 3))
        scores = core.add("MatMul", [query, parts(x, f"{name}.offered", context, (0, 2, 3, 1))])
        scores = core.add("Mul", [scores, core.constant("scale", np.array([each**-0.5], np.float32))])
        shares = core.add("Softmax", [core.add("Add", [scores, mask])], axis=3)
        seen = core.add("MatMul", [shares, parts(x, f"{name}.told", context, (0, 2, 1, 3))])
        seen = shaped(core.add("Transpose", [seen], perm=[0, 2, 1, 3]), -1, width)
        rows = core.add("Add", [last(rows), core.dense(seen, f"{name}.joined.weight", f"{name}.joined.bias")])
        wide = core.dense(normalised(rows, f"{name}.between"), f"{name}.wide.weight", f"{name}.wide.bias")
        narrow = core.dense(core.add("Relu", [wide]), f"{name}.narrow.weight", f"{name}.narrow.bias")
        return core.add("Add", [rows, narrow])

    codes = CODES
    if cut:
        ends = core.constant("from", np.array([-context])), core.constant("to", np.array([2**31 - 1]))
        codes = core.add("Slice", [CODES, *ends, core.constant("along", np.array([1]))])
    none = core.add("Cast", [core.add("Equal", [codes, core.constant("none", np.array([0]))])], to=1)
    empty = shaped(core.add("Mul", [none, core.constant("never", np.array([NEVER], np.float32))]), -1, 1, 1, context)
    rows = core.add("Gather", [core.weight("body.table.weight"), codes])
    rows = shaped(core.add("Add", [rows, core.weight("body.place")]), -1, width)
    if depth > 1:
        mask = core.add("Add", [empty, core.constant("later", _later(context))])
        for at in range(depth - 1):
            rows = block(f"body.blocks.{at}", rows, mask, context)
    return normalised(block(f"body.blocks.{depth - 1}", rows, empty, 1), "body.after")
