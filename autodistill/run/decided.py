"""What certification decided, in words and as a report holds it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from autodistill import verdict
from autodistill.records import Entry, Finding, Verdict, plain
from autodistill.run.ordered import Certification, Tested

ERRORS = {"rmse": "root mean squared error", "mae": "mean absolute error"}


def decide(found: Certification, entries: Sequence[Entry], unit: str = "") -> Verdict:
    """The verdict of a whole run; ``unit`` is a regression's, where its file names one."""
    if found.chosen is not None:
        sentence = _accepted(found, found.chosen, unit or verdict.TARGET["target"])
        return Verdict(decision="PASS", because=_because(found.chosen), sentence=sentence)
    if found.refused:
        return Verdict(decision="INCONCLUSIVE", sentence=f"No student was tested on the audit split: {found.refused}.")
    if found.finalist is None and not entries:
        return Verdict(decision="INCONCLUSIVE", sentence="No student was tried: the budget was spent before the first.")
    if found.finalist is None:
        kinds = Counter(entry.state for entry in entries)
        said = ", ".join(f"{count} {state}" for state, count in sorted(kinds.items()))
        return Verdict(decision="FAIL", sentence=f"No student is acceptable: no candidate could be tested ({said}).")
    decisions = {one.decision for one in found.shortlist}
    decided = verdict.judge(found.finalist.findings)
    sentence = f"No student is certified. {found.finalist.entry.candidate.family}: {decided.sentence}"
    return Verdict(
        decision="INCONCLUSIVE" if "INCONCLUSIVE" in decisions else "FAIL", because=decided.because, sentence=sentence
    )


def _because(one: Tested) -> tuple[str, ...]:
    return tuple(f.id for f in one.findings if f.required)


def _accepted(found: Certification, one: Tested, unit: str) -> str:
    size, teacher = one.entry.readings.get("size"), found.teacher_readings.get("size")
    speed = one.entry.readings.get("latency_ratio")
    loss = next((f for f in one.findings if f.check == "accuracy_loss"), None)
    parts = []
    if size and teacher and size.value and teacher.value:
        times = teacher.value / size.value
        share = f"1/{times:,.0f}" if times >= 1.5 else f"{1 / times:.0%}"
        parts.append(f"{size.value / 1000:,.1f} kB, {share} of the teacher's bytes")
    elif size and size.value:
        parts.append(f"{size.value / 1000:,.1f} kB")
    if speed and speed.value:
        parts.append(f"{speed.value:.2f} of its latency")
    if loss and loss.estimate is not None and loss.high is not None:
        less = "less" if loss.estimate >= 0 else "more"
        bound = (
            f"a loss of at most {100 * loss.high:.2f}"
            if loss.high >= 0
            else f"a gain of at least {-100 * loss.high:.2f}"
        )
        parts.append(f"{100 * abs(loss.estimate):.2f} points {less} accurate ({bound} at this test's level)")
    parts += [part for part in (_error(one.findings, unit),) if part]
    required = sum(f.required for f in one.findings)
    said = f"Certified: {one.entry.candidate.family}, {'; '.join(parts)}. All {required} required tests pass."
    return f"{said} {_again(found)}".strip()


def _error(findings: Iterable[Finding], unit: str) -> str:
    """What a regression's error came to, of all rows together ("" where none was required)."""
    for one in findings:
        metric = ERRORS.get(str(one.options.get("metric")))
        plain = one.check == "score_loss" and one.limit_kind == "at_most" and one.required and one.group is None
        if metric and plain and one.estimate is not None and one.high is not None:
            more = "higher" if one.estimate >= 0 else "lower"
            bound = f"at most {one.high:.3g} higher" if one.high >= 0 else f"at least {-one.high:.3g} lower"
            return f"{metric} {abs(one.estimate):.3g} {unit} {more} ({bound} at this test's level)"
    return ""


def _again(found: Certification) -> str:
    """What is said of a PASS on rows that an earlier look had read ("" where none had)."""
    used = (found.look or {}).get("used", 0)
    return f"Screened again on used rows ({used:,} of them): the confirmatory claim is the sealed test." if used else ""


def tested(one: Tested, told: Mapping[str, Any]) -> dict[str, Any]:
    """One candidate of the shortlist as a report holds it; ``told``: its error and loss where the look was paid for."""
    return {
        **told,
        "key": one.entry.candidate.key,
        "order": one.order + 1,
        "level": one.level,
        "decision": one.decision,
        "power": one.power,
        "findings": plain(one.findings),
    }


def rejected(entries: Iterable[Entry]) -> dict[str, int]:
    """What refused candidates failed, and how many failed it."""
    reasons: Counter[str] = Counter()
    for entry in entries:
        if entry.state == "broken":
            reasons["broke"] += 1
        for finding in entry.findings:
            if finding.required and finding.outcome == "FAIL":
                when = "before training" if entry.state == "refused" else "search split"
                reasons[f"{finding.id} ({when})"] += 1
    return dict(reasons)
