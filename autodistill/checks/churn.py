"""How many decisions change when the student takes the teacher's place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from autodistill.plugins import Fixed
from autodistill.records import LimitKind
from autodistill.stats import Estimand, NotApplicable, Rows, Shares, marked


@dataclass(frozen=True)
class Churn:
    """Share of rows that the student decides otherwise than the teacher, in all rows and in each group.

    Good churn mends an error, bad churn makes one, neutral churn swaps one error for another. What exceeds the change
    in accuracy is unnecessary. Beside it each group's share of all changed rows against its share of all rows: where
    changes gather is where to read (Hooker et al. 2019).
    """

    attribute: Annotated[str | None, Fixed, Field(description="group column; every one if left out")] = None

    views: ClassVar[tuple[str, ...]] = ("audit",)
    limits: ClassVar[tuple[LimitKind, ...]] = ()
    unit: ClassVar[str] = "share"
    compare: ClassVar[str] = "shares"

    def statistic(self, rows: Rows, reference: Mapping[str, Any]) -> Estimand:
        """Changed decisions among all rows ("") and in each known group."""
        del reference
        seen = rows.evidence
        if seen is None:
            return NotApplicable(reason="needs rows", rows=True)
        if self.attribute is not None and self.attribute not in seen.groups:
            return NotApplicable(reason=f"the table has no group column {self.attribute!r}")
        t, s = seen.teacher[seen.split].decisions, seen.student[seen.split].decisions
        changed, was, now = t != s, t == seen.y, s == seen.y
        names: tuple[str, ...] = ("",)
        codes = np.zeros(len(t), dtype=np.int64)
        if self.attribute is not None:
            names, codes = seen.encoded[self.attribute]
        kinds = {"good": changed & now, "bad": changed & was, "neutral": changed & ~was & ~now}
        count, n = (
            np.bincount(codes, weights=weight, minlength=len(names) + 1)[: len(names)].astype(float)
            for weight in (changed.astype(float), np.ones(len(t)))
        )
        parts = {k: np.bincount(codes[at], minlength=len(names) + 1)[: len(names)] for k, at in kinds.items()}
        details = tuple(
            {k: float(v[g]) for k, v in parts.items()}
            | {"unnecessary": float(count[g] - abs(parts["bad"][g] - parts["good"][g]))}
            | ({"share_of_changes": float(count[g] / changed.sum())} if changed.any() else {})
            | ({"population": float(n[g] / len(t))} if len(t) else {})
            for g in range(len(names))
        )
        by_row = marked(rows, self.attribute)
        more = {} if by_row is None else by_row.cells(changed)
        return Shares(names=names, count=count, n=n, details=details, **more)
