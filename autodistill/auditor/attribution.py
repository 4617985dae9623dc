"""What of a student's gap distillation did, and what any student of its shape would have: AUDIT §4.

u_S − u_T = (u_S − u_C) + (u_C − u_T), where C is the student's twin without distillation. The first part is
distillation's doing; the second is capacity, data, objective and seed. u is positive where the group is worse off.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from autodistill import verdict
from autodistill.auditor.arms import LEAST, Contrast, few_clusters
from autodistill.auditor.contrasts import denominators, gap_of, sides
from autodistill.auditor.losses import discordant
from autodistill.records import Finding, Policy, Predictions
from autodistill.stats import Counts, Evidence, Gap, PairedCounts, Rows, paired_limits
from autodistill.verdict import REST, UNKNOWN, Line

SEEDS = 3
"""Fewer replicates of an arm say nothing of the recipe."""
SPLIT = frozenset({"accuracy_loss", "group_gap"})
CONTROL = "control"

Part = tuple[float, float, float]
"""An estimate with its limits."""

Counted = PairedCounts | Counts


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One gap of a policy to be split, with its counts for twin against student and for teacher against twin.

    ``group`` and ``reference`` are None for all rows.
    """

    line: Line
    doing: Counted
    rest: Counted
    group: str | None = None
    reference: str | None = None

    @property
    def id(self) -> str:
        return self.line.prefix if self.group is None else f"{self.line.prefix}={self.group}"

    @property
    def metric(self) -> str:
        return str(self.line.options.get("metric", "error"))

    @property
    def of(self) -> str | None:
        return self.line.options.get("of")

    @property
    def harm(self) -> int:
        return 1 if self.group is None else self.doing.harm

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        return ((str(self.group), str(self.reference)),)


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """A gap taken apart: ``doing`` is u_S − u_C, ``rest`` is u_C − u_T; ``gaps`` of teacher, student and twin;
    ``counted`` rows under the metric in group and reference, the fewest of the models."""

    doing: Part
    rest: Part
    gaps: tuple[float, float, float]
    counted: tuple[int, ...]
    rows: int
    about: str
    method: str
    seeds: int = 1


def attribution(
    evidence: Evidence,
    policy: Policy,
    *,
    level: float,
    students: Sequence[Predictions] = (),
    controls: Sequence[Predictions] = (),
) -> tuple[Finding, ...]:
    """Split the accuracy loss and every group gap of ``policy`` into distillation's doing and the rest.

    ``evidence.others["control"]`` is the student's twin without distillation. ``students`` and ``controls`` are the
    predictions on the judged rows of both trained with several seeds; with three or more of each, two findings a gap
    know about seeds: of *this artefact* (the judged student against the mean twin) and of *the recipe* (mean against
    mean), else one is *descriptive*: this student against this twin. Each end is one-sided at ``level``. Empty where
    there is no twin.
    """
    several = min(len(students), len(controls)) >= SEEDS
    twin = evidence.others.get(CONTROL) or (controls[0] if controls else None)
    if twin is None or not evidence.classes or not len(evidence.row_ids):
        return ()
    shipped = [evidence.student[evidence.split]]
    out: dict[str, Finding] = {}
    for asked in _asked(evidence, policy, twin):
        if several:
            found = [_by_rows(evidence, asked, arm, controls, level) for arm in (shipped, students)]
        elif evidence.cluster is not None:
            found = [_by_rows(evidence, asked, shipped, [twin], level)]
        else:
            found = [_by_counts(asked, level)]
        for parts in found:
            finding = _finding(evidence, policy, asked, parts, level)
            out.setdefault(finding.id, finding)
    return tuple(out.values())


def _asked(evidence: Evidence, policy: Policy, twin: Predictions) -> Iterator[_Asked]:
    split = evidence.split
    pairs = (twin, evidence.student[split]), (evidence.teacher[split], twin)
    both = [replace(evidence, teacher={split: was}, student={split: now}) for was, now in pairs]
    for line in verdict.lines(policy, evidence.tables.groups):
        if line.name not in SPLIT:
            continue
        rows = [Rows(tables=one.tables, evidence=one) for one in both]
        doing, rest = (line.check.statistic(one, evidence.reference) for one in rows)
        if not isinstance(doing, Counted) or not isinstance(rest, Counted):
            continue
        asked = _Asked(line=line, doing=doing, rest=rest)
        if doing.compare == "whole":
            yield asked
        else:
            for group, reference in verdict.pairs(line.names, doing.reference):
                yield replace(asked, group=group, reference=reference)


def _by_counts(asked: _Asked, level: float) -> _Parts:
    """One student against one twin, by the inference of the policy's own line: about these two models."""
    if asked.group is None and isinstance(asked.doing, PairedCounts) and isinstance(asked.rest, PairedCounts):
        return _loss(asked.doing, asked.rest, level)
    doing, rest = (gap_of(found, asked.pairs) for found in (asked.doing, asked.rest))
    under = [denominators(found, asked.pairs) for found in (asked.doing, asked.rest)]
    sizes, _ = sides(asked.doing.sizes, np.asarray(asked.doing.unknown_rows), asked.doing.names, asked.pairs, -1)
    return _Parts(
        doing=_change(doing, level),
        rest=_change(rest, level),
        gaps=(float(rest.teacher[0]), float(doing.student[0]), float(doing.teacher[0])),
        counted=tuple(int(min(side[0] for side in both)) for both in zip(*under, strict=True)),
        rows=int(sizes[0]),
        about="descriptive",
        method="resampled-se" if isinstance(asked.doing, Counts) else "mover-tango",
    )


def _change(gap: Gap, level: float) -> Part:
    low, high = gap.change_limits(level)
    return float(gap.change[0]), float(low[0]), float(high[0])


def _loss(doing: PairedCounts, rest: PairedCounts, level: float) -> _Parts:
    """Error rates, from cells by (first model right, second right)."""
    parts = []
    for found in (doing, rest):
        b, c, n = (float(part[0]) for part in discordant(found.cells, found.harm))
        low, high = paired_limits(b, c, n, level)
        parts.append(((b - c) / n, float(low), float(high)))
    rows = float(doing.cells[0].sum())
    wrong = doing.cells[0, :, 0].sum(), doing.cells[0, 0].sum()
    return _Parts(
        doing=parts[0],
        rest=parts[1],
        gaps=(float(rest.cells[0, 0].sum()) / rows, float(wrong[0]) / rows, float(wrong[1]) / rows),
        counted=(int(rows),),
        rows=int(rows),
        about="descriptive",
        method="tango-guard",
    )


def _by_rows(
    evidence: Evidence, asked: _Asked, students: Sequence[Predictions], controls: Sequence[Predictions], level: float
) -> _Parts:
    """``students`` against ``controls``: one student is an artefact, several are a recipe, one twin is just that."""
    teacher, contrast = evidence.teacher[evidence.split], _contrast(evidence, asked)
    means = [float(np.mean([contrast.value(model) for model in arm])) for arm in (students, controls)]
    models = (teacher, *students, *controls)
    about = "the recipe" if len(students) > 1 else "this artefact"
    return _Parts(
        doing=contrast.difference(students, controls, level).part(level),
        rest=contrast.difference(controls, [teacher], level).part(level),
        gaps=(contrast.value(teacher), means[0], means[1]),
        counted=tuple(min(contrast.counted(model, at) for model in models) for _, at in contrast.sides),
        rows=int(np.count_nonzero(contrast.group)),
        about=about if len(controls) > 1 else "descriptive",
        method="influence-t",
        seeds=len(controls),
    )


def _contrast(evidence: Evidence, asked: _Asked) -> Contrast:
    """The rows of the group and of what it is compared with."""
    if asked.group is None or asked.line.attribute is None:
        everyone = np.ones(len(evidence.row_ids), dtype=bool)
        return Contrast(evidence=evidence, metric=asked.metric, harm=asked.harm, group=everyone, rest=None)
    names, codes = evidence.encoded[asked.line.attribute]
    at = {name: codes == code for code, name in enumerate(names)} | {UNKNOWN: codes == len(names)}
    group, of = at[asked.group], asked.of
    rated = evidence.rated if of is None else evidence.classes.index(of)
    rest = ~group & ~at[UNKNOWN] if asked.reference == REST else at[str(asked.reference)]
    return Contrast(evidence=evidence, metric=asked.metric, harm=asked.harm, group=group, rest=rest, rated=rated)


def _finding(evidence: Evidence, policy: Policy, asked: _Asked, parts: _Parts, level: float) -> Finding:
    few = min(parts.counted) < policy.n_min
    notes = [f"{' and '.join(map(str, parts.counted))} rows, n_min is {policy.n_min}"] if few else []
    if few_clusters(evidence):
        few = True
        notes.append(f"under {LEAST} clusters")
    defined = bool(np.isfinite([*parts.gaps, *parts.doing, *parts.rest]).all())
    if not defined:
        notes.append("undefined for one of the models")
    estimate, low, high = parts.doing if defined else (None, None, None)
    teacher, student, twin = parts.gaps
    options = {"of": asked.line.name, "metric": asked.metric, "attribute": asked.line.attribute, "class": asked.of}
    split = dict(zip(("estimate", "low", "high"), parts.rest, strict=True)) if defined else {}
    return Finding(
        id=f"attribution/{asked.id}" + ("/recipe" if parts.about == "the recipe" else ""),
        check="attribution",
        options={name: value for name, value in options.items() if value is not None},
        group=asked.group,
        reference=asked.reference,
        split=evidence.split,
        quantity="distillation",
        estimate=estimate,
        low=low,
        high=high,
        gap_teacher=teacher if defined else None,
        gap_student=student if defined else None,
        level=level,
        method=parts.method,
        outcome="INSUFFICIENT" if few or not defined else "REPORTED",
        rows=parts.rows,
        denominator=parts.counted[0],
        note="; ".join(notes),
        details={
            **({"teacher": teacher, "student": student, "control": twin} if defined else {}),
            "not_distillation": split,
            "seeds": parts.seeds,
            "about": parts.about,
        },
    )
