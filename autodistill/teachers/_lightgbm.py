"""LightGBM's cuts as float32 that decide as its doubles do."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

ARTEFACT: Mapping[str, dict[str, str]] = {"lightgbm": {"cuts": "rounded down"}}
"""Part of a teacher's fingerprint: what was kept without it lacks its artefact, or has another."""


def rounded(model: Any) -> Any:
    """A copy whose cuts are the largest float32 that is not above them; a model of another library as it is.

    LightGBM compares x <= cut in double. A cut between two neighbouring float32 becomes the upper one where it is
    rounded to the nearest, as a converter does, and a row at that value goes the other way.
    """
    if hasattr(model, "steps"):
        made = copy.copy(model)
        made.steps = [(name, rounded(step)) for name, step in model.steps]
        return made
    if not type(model).__module__.startswith("lightgbm") or not hasattr(model, "booster_"):
        return model
    from lightgbm import Booster

    made = copy.copy(model)
    made._Booster = Booster(model_str=_text(model.booster_.model_to_string()))
    return made


def _text(text: str) -> str:
    """The model as text with other cuts; ``tree_sizes`` counts the bytes of each tree, and is not needed."""
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("tree_sizes=")]
    return "".join(_cuts(line) if line.startswith("threshold=") else line for line in lines)


def _cuts(line: str) -> str:
    cuts = np.array([float(cut) for cut in line.removeprefix("threshold=").split()])
    near = cuts.astype(np.float32)
    low = np.where(near > cuts, np.nextafter(near, np.float32(-np.inf)), near)
    return "threshold=" + " ".join(repr(float(cut)) for cut in low) + "\n"
