"""Findings that are shown, and the one rule without a level."""

import numpy as np

from autodistill.auditor import clusters
from autodistill.auditor.look import Look, clean, finite
from autodistill.records import Finding
from autodistill.stats import ClassCounts, RowSums, Shares, wilson, z_value
from autodistill.stats.shares import Floats
from autodistill.verdict import Line


def collapse(look: Look, line: Line, found: ClassCounts) -> list[Finding]:
    """FAIL where the student predicts one class only, or loses one that the teacher predicts often enough."""
    predicted = int((found.student > 0).sum())
    judged = found.teacher >= look.policy.n_min
    lost = judged & (found.student < found.keep * found.teacher)
    alone = predicted < 2 and int((found.labels >= look.policy.n_min).sum()) >= 2
    names = [found.names[k] for k in np.flatnonzero(lost)]
    share = np.divide(found.student, found.teacher, out=np.ones_like(found.teacher), where=judged)
    notes = []
    if alone:
        notes.append("the student predicts one class only")
    if names:
        notes.append(f"under {found.keep:.0%} of the teacher's count: {', '.join(names)}")
    fails = alone or bool(names)
    enough = bool(judged.any()) or fails
    outcome = "FAIL" if fails else "PASS" if enough else "INSUFFICIENT"
    total = found.student.sum()
    return [
        look.finding(
            line,
            None,
            outcome if line.required else "REPORTED",  # type: ignore[arg-type]
            teacher=float((found.teacher > 0).sum()),
            student=float(predicted),
            quantity="classes_predicted",
            estimate=float(share.min()) if share.size else None,
            method="counts",
            unit="ratio",
            statement=f"each class is predicted at least {found.keep:g} times as often as by the teacher",
            rows=int(total),
            denominator=int(total),
            note="; ".join(notes),
            details={
                "labels": dict(zip(found.names, found.labels.tolist(), strict=True)),
                "teacher": dict(zip(found.names, found.teacher.tolist(), strict=True)),
                "student": dict(zip(found.names, found.student.tolist(), strict=True)),
                "collapsed": names,
                "classes_predicted": {"teacher": int((found.teacher > 0).sum()), "student": predicted},
                "entropy_ratio": entropy_ratio(found),
            },
        )
    ]


def entropy_ratio(found: ClassCounts) -> float | None:
    """Entropy of the student's decisions over that of the teacher's: under 1 the student says fewer different things.
    None where the teacher says one class only."""

    def entropy(counts: Floats) -> float:
        shares = counts[counts > 0] / counts.sum()
        return float(-(shares * np.log(shares)).sum())

    return entropy(found.student) / entropy(found.teacher) if (found.teacher > 0).sum() > 1 else None


def shares(look: Look, line: Line, found: Shares) -> list[Finding]:
    """One finding a group, with Wilson limits."""
    shared = clusters.shares(look, found)
    low, high = clusters.limits(shared, wilson)(found.count, found.n, look.level)
    few, why = clusters.too_few(shared, found.n, look.policy.n_min)
    return [
        look.finding(
            line,
            None,
            "INSUFFICIENT" if few[g] else "REPORTED",
            id=f"{line.prefix}={name}" if name else line.prefix,
            required=False,
            group=name or None,
            quantity=line.name,
            estimate=float(found.count[g] / found.n[g]) if found.n[g] else None,
            low=finite(low[g]),
            high=finite(high[g]),
            method="wilson" if shared is None else "wilson-clusters",
            note=why[g] if few[g] else "",
            rows=int(found.n[g]),
            denominator=int(found.n[g]),
            details=clean(found.details[g]) if found.details else {},
        )
        for g, name in enumerate(found.names)
    ]


def means(look: Look, line: Line, found: RowSums) -> list[Finding]:
    """Mean of the teacher's and the student's rows by group; the change with a paired standard error."""
    out = []
    z = float(z_value(look.level))
    for g, name in enumerate(found.names):
        at = found.codes == g
        n = int(at.sum())
        change = found.student[at, 0] - found.teacher[at, 0]
        half = z * float(change.std(ddof=1)) / n**0.5 if n > 1 else None
        mean = float(change.mean()) if n else None
        out.append(
            look.finding(
                line,
                None,
                "REPORTED" if n >= look.policy.n_min else "INSUFFICIENT",
                id=f"{line.prefix}={name}" if name else line.prefix,
                required=False,
                group=name or None,
                teacher=float(found.teacher[at, 0].mean()) if n else None,
                student=float(found.student[at, 0].mean()) if n else None,
                quantity=found.quantity,
                estimate=mean,
                low=None if mean is None or half is None else mean - half,
                high=None if mean is None or half is None else mean + half,
                method="paired-se",
                rows=n,
                denominator=n,
                note="estimate and interval are of the change from teacher to student",
                details=dict(found.more[g]) if found.more else {},
            )
        )
    return out
