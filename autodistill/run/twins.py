"""Models trained beside the candidates, kept by what they are: none of them is trained twice, in this run or the next.

Nothing here is read on the audit split before the look is paid for: certification asks for it after that.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from autodistill import jobs, plugins, verdict
from autodistill.auditor.attribution import CONTROL
from autodistill.errors import UserError
from autodistill.jobs import Workshop
from autodistill.jobs.files import keep
from autodistill.records import Candidate, Predictions
from autodistill.run.progress import Progress, Watch, silent

STUDENT = "student.onnx"
CHEAP = ("majority", "linear")
"""Controls that need no finalist."""


def twin_of(candidate: Candidate) -> Candidate | None:
    """The candidate without its teacher; None where it has none."""
    twin: Candidate | None = plugins.build("controls", "label_only", {}).plan(candidate)
    return twin


def trained(shop: Workshop, candidate: Candidate, home: Path | None = None) -> Path:
    """The artefact of a candidate outside of the search, from its folder, or trained and put there whole."""
    folder = shop.folder / "replicates" / candidate.key if home is None else home
    out = folder / STUDENT
    if out.exists():
        return out
    # Made in another place: an artefact that turns out not to be its model must not be found here the next time.
    making = shop.folder / ".making" / candidate.key
    artefact, _ = jobs.make(candidate, shop, home=making)
    shop.kept.pop(str(making), None)
    folder.mkdir(parents=True, exist_ok=True)
    artefact.path.replace(out)
    return out


def home_of(shop: Workshop, name: str, candidate: Candidate) -> Path:
    """Where a control lies: by its name where it is the same for every finalist, else by its recipe."""
    return shop.folder / "controls" / name if name in CHEAP else shop.folder / "replicates" / candidate.key


def replicates(candidate: Candidate, seeds: int) -> list[Candidate]:
    """The candidate with several seeds, itself first; itself alone where its family is fitted without randomness."""
    if plugins.find("students", candidate.family).trains == "fit":
        return [candidate]
    more = [seed for seed in range(seeds + 1) if seed != candidate.seed]
    return [candidate, *(replace(candidate, seed=seed) for seed in more[: seeds - 1])]


def others(
    shop: Workshop, candidate: Candidate, watch: Watch = silent
) -> tuple[Mapping[str, Predictions], Mapping[str, str]]:
    """What further models say of the audit rows, by name, and why one is missing: the controls that need no finalist,
    and the candidate's twin where the policy asks for it."""
    _, asked = verdict.further(shop.policy)
    found: dict[str, Predictions] = {}
    missing: dict[str, str] = {}
    for name in (*CHEAP, *([CONTROL] if CONTROL in asked else [])):
        plain = "label_only" if name == CONTROL else name
        planned = plugins.build("controls", plain, {}).plan(candidate)
        if planned is None:
            missing[name] = "it is the student itself" if name in CHEAP else "the student was trained without a teacher"
            continue
        try:
            key = f"other/{name}/{planned.key}"
            if key not in shop.kept:
                watch(Progress(phase="certify", text=f"the control that students are compared with: {plain}"))
                home = home_of(shop, plain, planned)
                shop.kept[key] = shop.predict(trained(shop, planned, home), "audit")
                keep(home, shop.kept[key])
            found[name] = shop.kept[key]
        except (UserError, ArithmeticError, ValueError, RuntimeError) as fault:
            missing[name] = " ".join(str(fault).split())
    return found, missing
