"""A training's checkpoint in the run's folder: whole, checked and numbers only, or as if it were not there.

A lost one costs the training's time and nothing else: trained from the start, the student is the same.
"""

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autodistill.jobs.files import write
from autodistill.jobs.workshop import Workshop
from autodistill.records import Candidate, digest
from autodistill.space import Training

MARK = len(digest(b""))


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """How far a training is: the trainer's own ``state``, the planned epochs, the rungs passed, the seconds spent."""

    state: Mapping[str, Any]
    of: int
    rungs: tuple[int, ...]
    seconds: float


def place(candidate: Candidate, shop: Workshop) -> Path:
    """Where a candidate's checkpoint lies."""
    return shop.folder / "checkpoints" / f"{candidate.key}.pt"


def load(candidate: Candidate, shop: Workshop) -> Checkpoint | None:
    """A candidate's checkpoint; None where there is none, it is damaged, or it is of another number of epochs."""
    import torch

    try:
        data = place(candidate, shop).read_bytes()
    except OSError:
        return None
    if digest(data[MARK:]).encode() != data[:MARK]:
        return None
    try:
        found = torch.load(io.BytesIO(data[MARK:]), map_location=shop.device, weights_only=True)
        kept = Checkpoint(**{**found, "rungs": tuple(found["rungs"])})
    except (pickle.UnpicklingError, RuntimeError, KeyError, TypeError):  # of another version of torch or of this file
        return None
    return kept if kept.of == Training(**candidate.training).epochs else None


def save(candidate: Candidate, shop: Workshop, kept: Checkpoint) -> None:
    """Write a candidate's checkpoint, or raise RunError."""
    import torch

    file = io.BytesIO()
    torch.save({"state": kept.state, "of": kept.of, "rungs": list(kept.rungs), "seconds": kept.seconds}, file)
    data = file.getvalue()
    write(place(candidate, shop), digest(data).encode() + data)


def discard(candidate: Candidate, shop: Workshop) -> None:
    """Remove the checkpoint of a candidate that is trained no more; no error where there is none."""
    place(candidate, shop).unlink(missing_ok=True)
