"""Findings that are shown, and the one rule without a level."""

import numpy as np

from autodistill.auditor.look import Look, clean
from autodistill.records import Finding
from autodistill.stats import ClassCounts, PairedCounts, RowSums, Shares, katz, wilson, z_value
from autodistill.stats.shares import Floats
from autodistill.verdict import Line

FOUR_FIFTHS = 0.8


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
    low, high = wilson(found.count, found.n, look.level)
    return [
        look.finding(
            line,
            None,
            "REPORTED" if found.n[g] >= look.policy.n_min else "INSUFFICIENT",
            id=f"{line.prefix}={name}" if name else line.prefix,
            required=False,
            group=name or None,
            quantity=line.name,
            estimate=float(found.count[g] / found.n[g]) if found.n[g] else None,
            low=float(low[g]),
            high=float(high[g]),
            method="wilson",
            rows=int(found.n[g]),
            denominator=int(found.n[g]),
            details=clean(found.details[g]) if found.details else {},
        )
        for g, name in enumerate(found.names)
    ]


def ratios(look: Look, line: Line, found: PairedCounts) -> list[Finding]:
    """Each group's share over the highest, with Katz's interval for the student's and the four-fifths screen."""
    n = found.cells.sum(axis=(-2, -1))
    counts = found.cells[:, 1, :].sum(axis=-1), found.cells[:, :, 1].sum(axis=-1)
    out = []
    rates = [x / np.where(n > 0, n, 1.0) for x in counts]
    tops = [int(np.argmax(rate)) if rate.size else 0 for rate in rates]
    for g, name in enumerate(found.names):
        top = tops[1]
        low, high = katz(counts[1][g], n[g], counts[1][top], n[top], look.level)
        teacher, student = (
            float(rate[g] / rate[best]) if n[g] and rate[best] > 0 else None
            for rate, best in zip(rates, tops, strict=True)
        )
        itself = g == top
        out.append(
            look.finding(
                line,
                None,
                "REPORTED" if min(n[g], n[top]) >= look.policy.n_min else "INSUFFICIENT",
                id=f"{line.prefix}={name}",
                required=False,
                group=name,
                reference=found.names[top],
                teacher=float(rates[0][g]) if n[g] else None,
                student=float(rates[1][g]) if n[g] else None,
                teacher_reference=float(rates[0][tops[0]]),
                student_reference=float(rates[1][top]),
                quantity="impact_ratio",
                estimate=student,
                low=None if itself or student is None else float(low),
                high=None if itself or student is None or not np.isfinite(high) else float(high),
                method="katz",
                rows=int(found.sizes[g]),
                denominator=int(n[g]),
                note="the highest rate is picked on the same rows",
                details={"teacher_ratio": teacher, "four_fifths": None if student is None else student < FOUR_FIFTHS},
            )
        )
    return out


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
