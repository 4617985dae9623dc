"""Candidates by name, and what makes each."""

from collections.abc import Mapping
from typing import Any

from autodistill.records import Candidate
from autodistill.report import numbers
from autodistill.space import fairness


def candidate_name(candidate: Candidate) -> str:
    """A candidate in a few words: ``boosted, leaves 8, trees 40, int8``."""
    options = [f"{key} {_short(value)}" for key, value in sorted(candidate.student.items()) if value is not None]
    precision = [] if candidate.precision == "fp32" else [candidate.precision]
    fair = [f"{key} {_short(value)}" for key, value in sorted(candidate.fairness.items())]
    return ", ".join([candidate.family, *options, *precision, *fair])


def settings(candidate: Candidate) -> list[str]:
    """Everything that makes a candidate, a line a part."""
    lines = [f"{candidate.family}: {_options(candidate.student)}", f"precision: {candidate.precision}"]
    lines.append(f"loss: {candidate.loss}" + (f" ({_options(candidate.distill)})" if candidate.distill else ""))
    if candidate.training:
        lines.append(f"training: {_options(candidate.training)}")
    if candidate.fairness:
        groups = fairness.of_groups(candidate.fairness)
        said = f"read group columns: {', '.join(groups)}" if groups else "read no group column"
        lines.append(f"fairness: {_options(candidate.fairness)} ({said})")
    return [*lines, f"seed: {candidate.seed}"]


def _options(options: Mapping[str, Any]) -> str:
    set_ = [f"{key} {_short(value)}" for key, value in sorted(options.items()) if value is not None]
    return ", ".join(set_) or "no options"


def _short(value: Any) -> str:
    return numbers.digits(value) if isinstance(value, float) else str(value)


def shorten(text: str, length: int = 400) -> str:
    """A long text cut at a word, said to be cut."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1].rsplit(" ", 1)[0] + " … (cut)"
