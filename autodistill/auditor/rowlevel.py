"""Findings on metrics that are sums over rows: log-loss, Brier, AUC, F1, RMSE, calibration.

Margin logic as for counts, from the limits of ``stats.influence``. A PASS needs ten rows that differ in each stratum
and a standard error above zero. Rows that share clusters count as many times as there are clusters.
"""

from dataclasses import replace

import numpy as np

from autodistill.auditor import gaps
from autodistill.auditor.look import Look
from autodistill.auditor.losses import nothing
from autodistill.auditor.rowlosses import UNDEFINED, Side, finite, loss, method_of, side_of, silent_of
from autodistill.records import Finding
from autodistill.stats import RowSums
from autodistill.stats.influence import Measured, Spreads, by_group, measured
from autodistill.stats.rowgaps import RowGap, against_zero, between
from autodistill.stats.shares import Floats
from autodistill.verdict import REST, UNKNOWN, Line, pairs

Pairs = tuple[tuple[str, str], ...]


def findings(look: Look, line: Line, found: RowSums) -> list[Finding]:
    """The findings of one line, by how its numbers are compared; rows of unknown group are listed with theirs."""
    cluster = look.rows.evidence.clusters if look.rows.evidence is not None else None
    data = measured(found, cluster)
    spreads = by_group(data)
    if found.compare in {"contrast", "zero"}:
        if found.compare == "contrast" and not pairs(line.names, found.reference):
            missing = found.reference is not None and found.reference not in found.names
            why = f"the reference {found.reference!r} is not a group" if missing else "fewer than two known groups"
            return nothing(look, line, why) + _unknown(look, line, data, spreads)
        compared, gap, sides = compare(line, data, spreads)
        return _listed(look, line, data, gap, compared, sides) + _unknown(look, line, data, spreads)
    return [one for kind in tuple(line.limits) or (None,) for one in loss(look, line, data, spreads, kind)]


def compare(line: Line, data: Measured, spreads: Spreads) -> tuple[Pairs, RowGap, tuple[Side, Side]]:
    """What is compared in a contrast, or with zero: (group, reference), the reference of zero being ""."""
    found, size = data.found, data.size
    if found.compare == "zero":
        names = line.names or ("",)
        places = {name: at for at, name in enumerate(found.names)} | {UNKNOWN: size - 1}
        at = np.array([places[name] for name in names], dtype=np.int64)
        side = side_of(data, np.eye(size)[at])
        return tuple((name, "") for name in names), against_zero(spreads, at, found.harm), (side, side)
    compared = pairs(line.names, found.reference)
    order = {name: at for at, name in enumerate(found.names)} | {UNKNOWN: size - 1}

    def member(name: str, other: str) -> Floats:
        out = np.zeros(size)
        if name == REST:
            out[:-1] = 1.0
            out[order[other]] = 0.0
        else:
            out[order[name]] = 1.0
        return out

    group, rest = (np.array([member(*pair[::way]) for pair in compared]).reshape(-1, size) for way in (1, -1))
    return compared, between(data, group, rest), (side_of(data, group), side_of(data, rest))


def _listed(
    look: Look,
    line: Line,
    data: Measured,
    gap: RowGap,
    compared: Pairs,
    sides: tuple[Side, Side],
) -> list[Finding]:
    first, second = sides
    fine = (np.isfinite(gap.change) & np.isfinite(gap.teacher)).tolist()
    doubts = zip(first.clusters, second.clusters, fine, strict=True)
    own = data.found.quantity
    zero = data.found.compare == "zero"
    computed = gaps.assemble(
        look,
        line,
        gap=gap,
        pairs=compared,
        n=(first.under, second.under),
        sizes=(first.rows, second.rows),
        values=gap.values,
        methods=dict.fromkeys(gaps.QUANTITY, method_of(data)),
        unknown_rows=float(data.rows[-1]) if line.attribute is not None else 0.0,
        undefined=[a or b or ("" if ok else UNDEFINED) for a, b, ok in doubts],
        silent=silent_of(np.minimum(first.differ, second.differ), gap.least_error, gap.heavy),
        quantities={"at_most": own, "grows_by_at_most": f"{own}_growth"} if zero else gaps.QUANTITY,
    )
    found = gaps.listed(look, line, computed)
    if not data.found.more:
        return found
    more = {name: dict(values) for name, values in zip(data.found.names, data.found.more, strict=True)}
    return [replace(one, details={**one.details, **more.get(one.group or "", {})}) for one in found]


def _unknown(look: Look, line: Line, data: Measured, spreads: Spreads) -> list[Finding]:
    """Rows of unknown group with their own values, where there are any and the policy does not judge them."""
    if line.attribute is None or not data.rows[-1] or look.policy.unknown == "require":
        return []
    return [
        look.finding(
            line,
            None,
            "REPORTED",
            id=f"{line.prefix}={UNKNOWN}",
            required=False,
            group=UNKNOWN,
            quantity=data.found.quantity,
            teacher=finite(spreads.teacher.estimate[-1]),
            student=finite(spreads.student.estimate[-1]),
            method="none",
            rows=int(data.rows[-1]),
            note="rows whose group is unknown: listed, not in the reference, not judged",
        )
    ]
