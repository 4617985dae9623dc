"""Places of a text: what follows each of a row's last ones, by its own text, and what the teacher says there.

Asked of train rows alone, and only where training is told to teach more than the row's own place. At an inner place the
teacher knows what stands before it in its own context, the student what stands before it in a shorter one of its own:
it learns what the teacher says on average over what it cannot see.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from autodistill import runtime
from autodistill.inputs import Encoding
from autodistill.jobs.encoded import FORMAT, kept
from autodistill.jobs.workshop import Workshop
from autodistill.losses import FLOOR
from autodistill.records import digest

if TYPE_CHECKING:
    from torch import Tensor

    from autodistill.train import Rows

PLACES = "places"  # the output of the teacher's graph
STEP = 1024  # rows a call: of each the teacher's network has several numbers for every place


def placed(rows: "Rows", many: int, encoding: Encoding, shop: Workshop, *, told: bool) -> "Rows":
    """Train rows with the class that follows each of their last ``many`` places, and what the teacher says there where
    it is ``told``. The last place's class is the row's label."""
    import torch

    key = f"places/{many}/{encoding.digest}"
    if key not in shop.kept:
        follows = torch.tensor(encoding.follows, device=rows.codes.device)
        inner = rows.codes[:, max(1, rows.codes.shape[1] - many + 1) :]
        shop.kept[key] = torch.cat([follows[inner], rows.y[:, None]], dim=1)
    teacher = ask_at_places(many, shop).to(rows.y.device) if told else None
    return replace(rows, following=shop.kept[key], teacher_places=teacher)


def ask_at_places(many: int, shop: Workshop) -> "Tensor":
    """log max(p, 1e-4) float16 [n, places, C] of the teacher at the last ``many`` places of the train rows, or at all
    that it has: mapped from a file where they are large."""
    import torch

    key = f"taught/places/{many}"
    if key not in shop.kept:
        graph, rows = shop.teacher.places or b"", shop.dataset.rows("train")
        session, count = runtime.open(graph), len(shop.dataset.splits["train"])

        def said(at: slice) -> tuple[Any, ...]:
            (found,) = session.run(session.feed(rows, at), [PLACES])
            return (np.log(np.maximum(found[:, -many:], np.float32(FLOOR))).astype(np.float16),)

        def parts(step: int) -> Iterator[tuple[Any, ...]]:
            size = min(step, STEP)
            return (said(slice(at, min(at + size, count))) for at in range(0, count, size))

        asked = [FORMAT, PLACES, digest(graph), many, shop.dataset.digests["train"], runtime.VERSION]
        (found,) = kept(asked, parts, count, shop.cache)
        shop.kept[key] = torch.from_numpy(found)
    return shop.kept[key]  # type: ignore[no-any-return]
