"""Findings and candidates as plain sentences, for a reader who signs and does not compute.

Every sentence takes its direction from the two models' own values, so that it cannot contradict the table beside it,
and carries the interval of the quantity that was tested.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autodistill.records import Candidate, Finding
from autodistill.report import numbers


@dataclass(frozen=True, slots=True)
class Rate:
    """How to speak of one rate: its name, what a model does with what, and the words for its value."""

    name: str
    does: str
    what: str


RATES = {
    "selection_rate": Rate("selection rate", "selects", "rows"),
    "true_positive_rate": Rate("true positive rate", "finds", "positives"),
    "false_negative_rate": Rate("false negative rate", "misses", "positives"),
    "false_positive_rate": Rate("false positive rate", "wrongly flags", "negatives"),
    "true_negative_rate": Rate("true negative rate", "rightly clears", "negatives"),
    "accuracy": Rate("accuracy", "decides rightly", "rows"),
    "error": Rate("error rate", "decides wrongly", "rows"),
    "positive_predictive_value": Rate("precision", "confirms", "positive calls"),
}
ALIASES = {"ppv": "positive_predictive_value", "precision": "positive_predictive_value", "error_rate": "error"}
CHECKS = {
    "accuracy_loss": "Accuracy loss",
    "worst_group_loss": "Loss, group by group",
    "group_gap": "Gap between groups",
    "class_collapse": "Class collapse",
    "calibration": "Calibration",
    "churn": "Changed decisions (churn)",
    "impact_ratio": "Impact ratio",
}
OUTCOMES = {
    "PASS": "pass",
    "FAIL": "fail",
    "INCONCLUSIVE": "inconclusive",
    "INSUFFICIENT": "too few rows",
    "NOT_APPLICABLE": "not applicable",
    "REPORTED": "shown only",
}
ORIGINS = {
    "clear": "clear: neither model is beyond the limit",
    "inherited": "inherited: the student carries the teacher's gap on",
    "amplified": "amplified: the student widens the teacher's gap",
    "introduced": "introduced: the gap is the student's own",
    "mitigated": "mitigated: the student narrows the teacher's gap",
    "reversed": "introduced (reversed): the gap changed sides",
    "undetermined": "undetermined: these rows cannot tell",
}
LOSSES = frozenset({"accuracy_loss", "worst_group_loss"})
PLAIN_SHARES = frozenset({"accuracy", "error", "recall", "rate", "share", "churn", "impact_ratio", *RATES})


def rate(finding: Finding) -> Rate | None:
    """The rate that a finding speaks of, if it is one with words of its own."""
    name = str(finding.options.get("metric", "accuracy" if finding.check in LOSSES else ""))
    return RATES.get(ALIASES.get(name, name))


def check_title(check: str) -> str:
    """A check's or meter's name in words."""
    return CHECKS.get(check) or numbers.title(check)


def who(finding: Finding) -> str:
    """The group of a finding: ``race = Hispanic``; empty where the test is about all rows."""
    if finding.group is None:
        return ""
    attribute = finding.options.get("attribute")
    return f"{attribute} = {finding.group}" if attribute else str(finding.group)


def amount(finding: Finding, value: float | None, unit: bool = True) -> str:
    """A value in the unit of the finding's tested quantity."""
    if value is None:
        return "–" if not unit else "no value"
    if finding.unit == "share":
        words = numbers.percent(value) if finding.quantity in PLAIN_SHARES else numbers.points(value)
        return words if unit else numbers.fixed(100 * value)
    by, name = numbers.scale(finding.unit, reference_size(finding))
    number = numbers.digits(value / by)
    return f"{number}{numbers.NARROW}{name}" if unit and name else number


def reference_size(finding: Finding) -> float:
    """The magnitude that decides the unit of a whole finding, so that value, bounds and limit share one."""
    return next((v for v in (finding.estimate, finding.limit, finding.high, finding.low) if v), 0.0)


def interval(finding: Finding) -> str:
    """``[low, high]`` in the unit of the estimate; empty where there is none."""
    if (finding.low is None and finding.high is None) or finding.low == finding.high == finding.estimate:
        return ""
    return f"[{amount(finding, finding.low, unit=False)}, {amount(finding, finding.high, unit=False)}]"


def measured(finding: Finding) -> str:
    """The estimate with its interval."""
    if finding.estimate is None:
        return finding.note or "no estimate: the reason was not recorded"
    return f"{amount(finding, finding.estimate)} {interval(finding)}".strip()


def limit(finding: Finding) -> str:
    """The limit in words."""
    if finding.limit is None:
        return "none"
    how = {"at_least": "at least", "grows_by_at_most": "growth under"}.get(finding.limit_kind or "", "under")
    times = " the teacher's" if finding.limit_kind == "at_most_ratio" else ""
    return f"{how} {amount(finding, finding.limit)}{times}"


def outcome(finding: Finding) -> str:
    """What the outcome means here, and what would decide it."""
    words = OUTCOMES[finding.outcome]
    if finding.outcome in {"PASS", "FAIL", "INCONCLUSIVE"} and finding.limit is not None:
        growth = "the limit of growth" if finding.limit_kind == "grows_by_at_most" else "the limit"
        words += f", {growth} is {amount(finding, finding.limit)}"
    if finding.outcome == "INCONCLUSIVE" and rows_needed(finding):
        words += f"; {rows_needed(finding)}"
    if finding.outcome in {"INSUFFICIENT", "NOT_APPLICABLE"} and finding.note and finding.estimate is not None:
        words += f" ({finding.note})"
    return words


def leans(finding: Finding) -> bool:
    """Whether the estimate itself is not inside the limit."""
    if finding.estimate is None or finding.limit is None:
        return False
    if finding.limit_kind == "at_least":
        return finding.estimate <= finding.limit
    return (abs(finding.estimate) if finding.check == "group_gap" else finding.estimate) >= finding.limit


def rows_needed(finding: Finding) -> str:
    """How many rows would decide an undecided test with 80 % power; empty where that was not computed."""
    where = f"rows with {who(finding)}" if finding.group is not None else "rows"
    if finding.rows_needed is not None:
        return (
            f"about {numbers.count(finding.rows_needed)} {where} would decide it (here {numbers.count(finding.rows)})"
        )
    return "these data lean towards a fail, so that more rows alone are no remedy" if leans(finding) else ""


def comparison(finding: Finding) -> str:
    """What the student does in this group beside the teacher: ``misses 3.1 points more positives than the teacher``."""
    words = rate(finding)
    if words is None or finding.teacher is None or finding.student is None:
        return ""
    difference = finding.student - finding.teacher
    if abs(difference) < 5e-4:
        return f"{words.does} as many {words.what} as the teacher does"
    more = "more" if difference > 0 else "fewer"
    return f"{words.does} {numbers.points(abs(difference))} {more} {words.what} than the teacher does"


def sentence(finding: Finding) -> str:
    """One finding as one sentence, with its outcome."""
    body = SENTENCES.get(finding.check, _other)(finding)
    origin = f" Origin: {finding.origin}." if finding.origin else ""
    return f"{body}; {outcome(finding)}.{origin}"


def _gap(finding: Finding) -> str:
    words, group = rate(finding), who(finding) or "this group"
    rest = "the rest" if finding.reference in {None, "rest"} else str(finding.reference)
    if words is not None and finding.estimate is None and finding.student is not None and finding.teacher is not None:
        shares = numbers.percent(finding.student), numbers.percent(finding.teacher)
        return f"For {group}, the student {words.does} {shares[0]} of the {words.what}, the teacher {shares[1]}"
    if words is None or finding.estimate is None:
        return f"For {group}, {check_title(finding.check).lower()}: {measured(finding)}"
    if finding.limit_kind == "grows_by_at_most":
        grows = f"grows by {measured(finding)}" if finding.estimate else f"does not grow {interval(finding)}".strip()
        growth = f"set against {rest}, the teacher's gap {grows}"
        beside = comparison(finding)
        return f"For {group}, the student {beside}; {growth}" if beside else f"For {group}, {growth}"
    if finding.student is None or finding.student_reference is None:
        return f"For {group}, the gap in {words.name} is {measured(finding)}"
    return (
        f"For {group}, the student {words.does} {numbers.percent(finding.student)} of the {words.what}, against "
        f"{numbers.percent(finding.student_reference)} for {rest}: a gap of {measured(finding)}"
    )


def _loss(finding: Finding) -> str:
    start = f"For {who(finding)}, the student" if finding.group is not None else "The student"
    if finding.estimate is None:
        return f"{start} against the teacher, {check_title(finding.check).lower()}: {measured(finding)}"
    bounds = f" {interval(finding)}" if interval(finding) else ""
    if abs(finding.estimate) < 5e-5:
        return f"{start} decides rightly as often as the teacher does{bounds}"
    more = "fewer" if finding.estimate > 0 else "more"
    lost = numbers.points(abs(finding.estimate))
    signed = "" if finding.estimate > 0 else f"; the loss is {measured(finding)}"
    return f"{start} decides {lost} {more} rows rightly than the teacher does{signed or bounds}"


def _collapse(finding: Finding) -> str:
    if finding.estimate is None or finding.student is None or finding.teacher is None:
        return f"Class collapse: {measured(finding)}"
    return (
        f"The student predicts {finding.student:g} of the {finding.teacher:g} classes that the teacher predicts, "
        f"the rarest of them {amount(finding, finding.estimate)} as often"
    )


def _other(finding: Finding) -> str:
    start = f"For {who(finding)}, " if finding.group is not None else ""
    name = check_title(finding.check)
    name = name[0].lower() + name[1:] if start else name
    if finding.estimate is None:
        return f"{start}{name}: {measured(finding)}"
    times = " the teacher's" if finding.quantity.endswith("_ratio") and finding.limit_kind == "at_most_ratio" else ""
    bounds = f" {interval(finding)}" if interval(finding) else ""
    return f"{start}{name}: {amount(finding, finding.estimate)}{times}{bounds}"


SENTENCES = {"group_gap": _gap, "accuracy_loss": _loss, "worst_group_loss": _loss, "class_collapse": _collapse}


def candidate_name(candidate: Candidate) -> str:
    """A candidate in a few words: ``boosted, leaves 8, trees 40, int8``."""
    options = [f"{key} {_short(value)}" for key, value in sorted(candidate.student.items())]
    precision = [] if candidate.precision == "fp32" else [candidate.precision]
    return ", ".join([candidate.family, *options, *precision])


def settings(candidate: Candidate) -> list[str]:
    """Everything that makes a candidate, a line a part."""
    lines = [f"{candidate.family}: {_options(candidate.student)}", f"precision: {candidate.precision}"]
    lines.append(f"loss: {candidate.loss}" + (f" ({_options(candidate.distill)})" if candidate.distill else ""))
    if candidate.training:
        lines.append(f"training: {_options(candidate.training)}")
    return [*lines, f"seed: {candidate.seed}"]


def _options(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {_short(value)}" for key, value in sorted(options.items())) or "no options"


def _short(value: Any) -> str:
    return numbers.digits(value) if isinstance(value, float) else str(value)


def shorten(text: str, length: int = 400) -> str:
    """A long text cut at a word, said to be cut."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1].rsplit(" ", 1)[0] + " … (cut)"
