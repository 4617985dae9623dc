"""Was distillation worth it? In a sentence with an interval."""

from collections.abc import Mapping
from typing import Any

from autodistill import verdict
from autodistill.jobs import Workshop
from autodistill.run import beside, rates
from autodistill.run.attributing import Attributed
from autodistill.run.beside import Beside
from autodistill.run.ordered import Certification

ONE_TWIN = "One twin, one seed: about this artefact, not about the recipe."


def worth(
    shop: Workshop, found: Certification, controls: list[Beside], split: Attributed, unit: str | None = None
) -> dict[str, Any]:
    """The finalist against its label-only twin, on the same audit rows; and over seeds, where several were trained.
    ``unit``: what the target of a regression counts."""
    recipe = _over_seeds(split)
    if found.finalist is None or found.refused:
        return {}
    candidate = found.finalist.entry.candidate
    if candidate.loss == "none":
        return {"sentence": "The finalist was trained without its teacher: distillation is not what it rests on."}
    twin = beside.twin(controls)
    if twin is None or twin.predictions is None:
        return {"sentence": "The label-only twin could not be made, so what distillation added is not known."}
    student = beside.wrong(shop, beside.audit_predictions(shop, candidate))
    alone, teacher = beside.wrong(shop, twin.predictions), beside.wrong(shop, shop.teacher_predictions("audit"))
    gain = rates.difference(alone, student, shop.policy.alpha)
    words = _of_classes(gain) if shop.dataset.classes else _of_numbers(gain, unit or verdict.TARGET["target"])
    return {
        "student_loss": rates.difference(student, teacher, shop.policy.alpha)["estimate"],
        "twin_loss": rates.difference(alone, teacher, shop.policy.alpha)["estimate"],
        "difference": gain,
        "recipe": recipe.get("recipe"),
        "sentence": f"{words} {recipe['about']}",
    }


def _of_classes(gain: Mapping[str, Any]) -> str:
    size = f"{100 * abs(gain['estimate']):.2f} points"
    spread = f"[{100 * gain['low']:.2f}, {100 * gain['high']:.2f}]"
    way = "more" if gain["estimate"] >= 0 else "less"
    if gain["low"] > 0:
        return f"Yes: distillation made it {size} more accurate {spread} than the same student trained on labels alone."
    if gain["high"] < 0:
        return f"No: distillation cost {size} of accuracy {spread} against the same student trained on labels alone."
    return f"No clear difference: the twin trained on labels alone errs {size} {way} often {spread}."


def _of_numbers(gain: Mapping[str, Any], unit: str) -> str:
    """Of a regression: by how much the root mean squared error is smaller than the twin's."""
    size = f"{abs(gain['estimate']):.3g} {unit}"
    larger = gain["estimate"] >= 0
    ends = (gain["low"], gain["high"]) if larger else (-gain["high"], -gain["low"])
    spread = f"[{ends[0]:.3g}, {ends[1]:.3g}]"
    way = "larger" if larger else "smaller"
    if gain["low"] > 0:
        return f"Yes: by distillation its root mean squared error is {size} smaller {spread} than from labels alone."
    if gain["high"] < 0:
        return f"No: by distillation its root mean squared error is {size} larger {spread} than from labels alone."
    same = "No clear difference: the root mean squared error of the twin trained on labels alone is"
    return f"{same} {size} {way} {spread}."


def _over_seeds(split: Attributed) -> dict[str, Any]:
    """What distillation gained over several seeds of both, where they were trained: fewer errors are a gain."""
    about = next((f for f in split.findings if f.id == "attribution/accuracy_loss/recipe"), None)
    if about is None or about.estimate is None or about.low is None or about.high is None:
        return {"about": f"{ONE_TWIN} ({split.few.capitalize()}.)" if split.few else ONE_TWIN}
    gain, low, high, seeds = -about.estimate, -about.high, -about.low, len(split.students)
    found = "a gain" if low > 0 else "a loss" if high < 0 else "no clear change"
    spread = f"{100 * gain:+.2f} points of accuracy [{100 * low:.2f}, {100 * high:.2f}]"
    return {
        "recipe": {"estimate": gain, "low": low, "high": high, "seeds": seeds},
        "about": f"Over {seeds} seeds of both, which speaks of the recipe: {found}, {spread}.",
    }
