"""Findings to a verdict, to the optimiser's constraints, and meters to findings."""

from collections.abc import Mapping, Sequence

from autodistill.records import Finding, LimitKind, Outcome, Policy, Reading, Requirement, Verdict

WIDEN = 1.15
"""How much a reading that is not ok may be off, on either side (MEASURE §2)."""


TARGET = {"target": "units of the target", "target²": "squared units of the target"}


def judge(findings: Sequence[Finding]) -> Verdict:
    """FAIL if any required finding fails, PASS only if all pass, else INCONCLUSIVE; in plain words.

    INSUFFICIENT and a required NOT_APPLICABLE count as inconclusive; so does having nothing required.
    """
    required = [f for f in findings if f.required]
    failed = tuple(f for f in required if f.outcome == "FAIL")
    open_ = tuple(f for f in required if f.outcome not in {"PASS", "FAIL"})
    excluded = sorted({f"{f.options.get('attribute')} {g}" for f in findings for g in f.details.get("excluded", ())})
    aside = f" Undecided by the policy's leave: {_listed(excluded)}." if excluded else ""
    if failed:
        others = f"; {len(open_)} more cannot be decided" if open_ else ""
        sentence = f"Refused: {_named(failed)}{others}.{aside}"
        return Verdict(decision="FAIL", because=tuple(f.id for f in failed), sentence=sentence)
    if open_ or not required:
        needs = [f.rows_needed for f in open_ if f.rows_needed]
        more = f" About {max(needs):,} rows are needed where most are." if needs else ""
        what = f"these data cannot decide {_named(open_)}" if open_ else "nothing was required"
        return Verdict(
            decision="INCONCLUSIVE",
            because=tuple(f.id for f in open_),
            sentence=f"Not decided: {what}.{more}{aside}",
        )
    tests = f"all {len(required)} required tests pass" if len(required) > 1 else "the one required test passes"
    return Verdict(decision="PASS", because=tuple(f.id for f in required), sentence=f"Accepted: {tests}.{aside}")


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _named(findings: Sequence[Finding]) -> str:
    shown = [_words(f) for f in findings[:3]]
    if len(findings) > 3:
        shown.append(f"{len(findings) - 3} more")
    return _listed(shown)


def _words(finding: Finding) -> str:
    metric = str(finding.options.get("metric", "")).replace("_", " ")
    subject = f"{finding.check.replace('_', ' ')}{f' ({metric})' if metric else ''}"
    if finding.group is not None:
        subject += f" for {finding.options.get('attribute', 'group')} {finding.group}"
    if finding.outcome in {"INSUFFICIENT", "NOT_APPLICABLE"} or finding.estimate is None or finding.limit is None:
        return f"{subject}: {finding.note}" if finding.note else subject
    measured = f"{_number(finding.estimate, finding.unit)} against a limit of {_number(finding.limit, finding.unit)}"
    why = f" ({'; '.join(reasons(finding))})" if inside(finding) and reasons(finding) else ""
    return f"{subject}, {measured}{why}"


def reasons(finding: Finding) -> list[str]:
    """What a finding's note says of its outcome: a reading's begins with how it was read, which is none."""
    parts = finding.note.split("; ")[1 if finding.split == "device" else 0 :]
    return [part for part in parts if part and not part.startswith("largest of")]


def inside(finding: Finding) -> bool:
    """Whether the interval is inside an upper limit and the outcome no PASS: then ``reasons`` say why."""
    if finding.outcome != "INCONCLUSIVE" or finding.limit_kind == "at_least":
        return False
    return finding.high is not None and finding.limit is not None and finding.high < finding.limit


def _number(value: float, unit: str) -> str:
    if unit == "share":
        return f"{100 * value:.2f} points"
    unit = TARGET.get(unit, unit)
    return f"{value:.3g}" if unit in {"ratio", "classes"} else f"{value:,.4g} {unit}"


def constraints(findings: Sequence[Finding], names: Sequence[str]) -> tuple[float, ...]:
    """One number for each of ``names`` (``constraint_names``), feasible where ≤ 0: (point − limit)/max(|limit|, 0.01).

    1 or −1 for a rule without a limit; 0 where nothing is known (INSUFFICIENT, NOT_APPLICABLE, absent).
    """
    found = {finding.id: finding for finding in findings if finding.required}
    return tuple(_excess(found.get(name)) for name in names)


def _excess(finding: Finding | None) -> float:
    if finding is None or finding.outcome in {"INSUFFICIENT", "NOT_APPLICABLE"}:
        return 0.0
    if finding.limit is None or finding.estimate is None:
        return {"FAIL": 1.0, "PASS": -1.0}.get(finding.outcome, 0.0)
    beyond = finding.estimate - finding.limit
    return (-beyond if finding.limit_kind == "at_least" else beyond) / max(abs(finding.limit), 0.01)


def reading(readings: Mapping[str, Reading], name: str) -> Reading | None:
    """The reading that a policy or an objective means by ``name``: itself, else its first variant (``energy`` is
    ``energy_uJ.modelled`` where that is what there is), never a ratio or another batch."""
    if name in readings:
        return readings[name]
    variants = [key for key in readings if key.startswith((f"{name}_", f"{name}.")) and not key.endswith("_ratio")]
    return readings[min(variants)] if variants else None


def meters(
    policy: Policy, readings: Mapping[str, Reading], teacher_readings: Mapping[str, Reading]
) -> tuple[Finding, ...]:
    """The policy's required meters as findings; the student's readings against limits and against the teacher's.

    Passes where the upper end of the interval is under the limit, fails where the lower end is above it. A ratio whose
    reading is not ok is widened by ×/÷ 1.15; an absolute limit needs a reading that is.
    """
    found: list[Finding] = []
    for requirement in policy.require:
        if requirement.kind == "meter":
            for kind in ("at_most", "at_most_ratio"):
                if kind in requirement.limits:
                    student, teacher = reading(readings, requirement.name), reading(teacher_readings, requirement.name)
                    ratio = readings.get(f"{requirement.name}_ratio") if kind == "at_most_ratio" else None
                    found.append(_meter(policy, requirement, kind, (student, teacher, ratio)))
    return tuple(found)


Span = tuple[float, float, float]


def _span(reading: Reading | None) -> Span | None:
    if reading is None or reading.value is None or reading.status == "unavailable":
        return None
    low = reading.value if reading.low is None else reading.low
    high = reading.value if reading.high is None else reading.high
    return reading.value, low, high


def _ratio(student: Reading | None, teacher: Reading | None, ratio: Reading | None) -> tuple[Span | None, bool]:
    """Ratio to the teacher with its interval, and whether every reading behind it is ok. Interleaved if there is."""
    span = _span(ratio)
    if span is not None and ratio is not None:
        return span, ratio.status == "ok"
    above, below = _span(student), _span(teacher)
    if above is None or below is None or min(below) <= 0 or student is None or teacher is None:
        return None, False
    return (above[0] / below[0], above[1] / below[2], above[2] / below[1]), student.status == teacher.status == "ok"


def _meter(
    policy: Policy,
    requirement: Requirement,
    kind: LimitKind,
    readings: tuple[Reading | None, Reading | None, Reading | None],
) -> Finding:
    student, teacher, ratio = readings
    limit = requirement.limits[kind]
    relative = kind == "at_most_ratio"
    span, ok = _ratio(*readings) if relative else (_span(student), student is not None and student.status == "ok")
    source = ratio or student
    notes = [f"{source.source}: {source.method}"] if source is not None else []
    outcome: Outcome = "NOT_APPLICABLE"
    if span is None:
        missing = next((r.reason for r in (ratio, student, teacher) if r is not None and r.reason), "")
        notes = [missing or f"no reading of {requirement.name}"]
    else:
        if not ok and relative:
            span = (span[0], span[1] / WIDEN, span[2] * WIDEN)
            notes.append("widened by 1.15: not every reading is ok")
        outcome = "PASS" if span[2] < limit else "FAIL" if span[1] > limit else "INCONCLUSIVE"
        if not ok and not relative:
            outcome = "INCONCLUSIVE"
            notes.append(
                "too few clean runs: an absolute limit needs an ok reading, "
                f"this one is {student.status if student else 'absent'}; search again on a quiet machine"
            )
    return Finding(
        id=f"{requirement.name}/{kind}",
        check=requirement.name,
        options=dict(requirement.options),
        split="device",
        teacher=teacher.value if teacher is not None else None,
        student=student.value if student is not None else None,
        quantity=f"{requirement.name}_ratio" if relative else requirement.name,
        estimate=span[0] if span else None,
        low=span[1] if span else None,
        high=span[2] if span else None,
        level=policy.alpha,
        method="interval",
        unit="ratio" if relative else (student.unit if student is not None else ""),
        limit=limit,
        limit_kind=kind,
        statement=f"{requirement.name} {'ratio ' if relative else ''}< {limit:g}",
        outcome=outcome,
        required=True,
        note="; ".join(notes),
    )
