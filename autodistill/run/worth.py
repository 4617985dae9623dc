"""Was distillation worth it? In a sentence with an interval."""

from typing import Any

from autodistill.jobs import Workshop
from autodistill.run import beside, rates
from autodistill.run.attributing import Attributed
from autodistill.run.beside import Beside
from autodistill.run.ordered import Certification

ONE_TWIN = "One twin, one seed: about this artefact, not about the recipe."


def worth(shop: Workshop, found: Certification, controls: list[Beside], split: Attributed) -> dict[str, Any]:
    """The finalist against its label-only twin, on the same audit rows; and over seeds, where several were trained."""
    recipe = _over_seeds(split)
    if found.finalist is None or found.refused or not shop.dataset.classes:
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
    size = f"{100 * abs(gain['estimate']):.2f} points"
    spread = f"[{100 * gain['low']:.2f}, {100 * gain['high']:.2f}]"
    way = "more" if gain["estimate"] >= 0 else "less"
    if gain["low"] > 0:
        words = (
            f"Yes: distillation made it {size} more accurate {spread} than the same student trained on labels alone."
        )
    elif gain["high"] < 0:
        words = f"No: distillation cost {size} of accuracy {spread} against the same student trained on labels alone."
    else:
        words = f"No clear difference: the twin trained on labels alone errs {size} {way} often {spread}."
    return {
        "student_loss": rates.difference(student, teacher, shop.policy.alpha)["estimate"],
        "twin_loss": rates.difference(alone, teacher, shop.policy.alpha)["estimate"],
        "difference": gain,
        "recipe": recipe.get("recipe"),
        "sentence": f"{words} {recipe['about']}",
    }


def _over_seeds(split: Attributed) -> dict[str, Any]:
    """What distillation gained over several seeds of both, where they were trained: fewer errors are a gain."""
    about = next((f for f in split.findings if f.id == "attribution/accuracy_loss/recipe"), None)
    if about is None or about.estimate is None or about.low is None or about.high is None:
        return {"about": ONE_TWIN}
    gain, low, high, seeds = -about.estimate, -about.high, -about.low, len(split.students)
    found = "a gain" if low > 0 else "a loss" if high < 0 else "no clear change"
    spread = f"{100 * gain:+.2f} points of accuracy [{100 * low:.2f}, {100 * high:.2f}]"
    return {
        "recipe": {"estimate": gain, "low": low, "high": high, "seeds": seeds},
        "about": f"Over {seeds} seeds of both, which speaks of the recipe: {found}, {spread}.",
    }
