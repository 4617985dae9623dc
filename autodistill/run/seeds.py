"""What luck was in a shortlisted student: its recipe trained again with further seeds, its error on the search rows.

Trained after certification: what is certified is one artefact, tested on rows that chose nothing, so its luck is no
part of a verdict. The spread says what training the recipe once more would give.
"""

import time
from typing import Any

from autodistill.errors import UserError
from autodistill.jobs import Workshop
from autodistill.run import twins
from autodistill.run.ordered import Certification
from autodistill.run.progress import Progress, Watch

SEEDS = 3
SHARE = 0.25
"""Of the search's own time so much may go into further seeds."""
LEAST = 20.0
"""Seconds that they may take in any case."""
FITTED = "fitted without randomness"
LATE = "not trained: further seeds may take a quarter of the search's time, and would have taken more"


def seeds(shop: Workshop, found: Certification, searched: float, watch: Watch) -> dict[str, dict[str, Any]]:
    """Of each shortlisted candidate the errors on the search split with each seed, its own first, or a reason;
    ``searched``: seconds that the search took."""
    if found.refused:
        return {}
    until = time.monotonic() + max(LEAST, SHARE * searched)
    listed = [one.entry for one in found.shortlist]
    told: dict[str, dict[str, Any]] = {}
    for at, entry in enumerate(listed):
        watch(Progress(phase="certify", text="further seeds of the shortlist", done=at, total=len(listed)))
        again = twins.replicates(entry.candidate, SEEDS)[1:]
        one: dict[str, Any] = {"errors": [entry.error], "reason": "" if again else FITTED}
        for other in again:
            if time.monotonic() + float(entry.seconds.get("train", 0.0)) > until:
                one["reason"] = LATE
                break
            try:
                one["errors"].append(shop.error(shop.predict(twins.trained(shop, other), "search"), "search"))
            except (UserError, ArithmeticError, ValueError, RuntimeError) as fault:
                one["reason"] = f"a seed could not be trained: {' '.join(str(fault).split())}"
        told[entry.candidate.key] = one
    return told
