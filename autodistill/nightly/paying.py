"""Whether tonight's audit rows can still be looked at: asked before anything is trained."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from autodistill.ledger import Ledger, Line, row_hashes
from autodistill.ledger.accounts import components, kept
from autodistill.records import Policy


def account(ledger: Ledger, rows: npt.NDArray[np.str_]) -> Sequence[Line]:
    """The looks that a look at these rows would share its account with."""
    paid = ledger.lines("look")
    digests = sorted({str(line.data["rows"]) for line in paid})
    sets = [kept(ledger.root / ".looks", one) for one in digests]
    labels = components([*sets, row_hashes(rows)])
    mine = {one for one, label in zip(digests, labels, strict=False) if label == labels[-1]}
    return [line for line in paid if line.data["rows"] in mine]


def spent(ledger: Ledger, rows: npt.NDArray[np.str_], policy: Policy) -> str:
    """Why another look at these rows would be refused; empty if it would not be."""
    looks = account(ledger, rows)
    share = policy.alpha / policy.looks
    used = sum(float(line.data["share"]) for line in looks)
    if used + share <= policy.alpha * (1 + 1e-9):
        return ""
    return (
        f"the level of tonight's audit rows is spent ({used:.4g} of {policy.alpha:.4g} in {len(looks)} looks); rows "
        "that no look has read open another account"
    )
