"""The vocabulary of findings: what each is called, and its values in their unit."""

from dataclasses import dataclass

from autodistill import verdict
from autodistill.records import Finding
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
    "score_loss": "Loss in a score",
    "score_gap": "Gap in a score between groups",
    "perplexity": "Perplexity",
    "class_collapse": "Class collapse",
    "calibration": "Calibration",
    "churn": "Changed decisions (churn)",
    "impact_ratio": "Impact ratio",
    "tail_loss": "Loss on the hard rows",
    "cvar": "Added loss in the worst rows",
    "beats_control": "Lead over a control",
    "reliance_shift": "Reliance on a column",
    "noise_flips": "Decisions that flip under noise",
    "membership": "Training rows recognised from the scores",
    "attribution": "What distillation did",
}
SCORES = {
    "log_loss": "log-loss",
    "brier": "Brier score",
    "auc": "area under the ROC curve",
    "balanced_accuracy": "balanced accuracy",
    "f1": "F1 score",
    "rmse": "root mean squared error",
    "mae": "mean absolute error",
    "squared_error": "mean squared error",
    "mean_error": "mean error",
    "mean_score": "mean score",
    "calibration_in_the_large": "mean score less share of positives",
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
    "introduced (reversed)": "introduced (reversed): the gap changed sides",
    "undetermined": "undetermined: these rows cannot tell",
}
LOSSES = frozenset({"accuracy_loss", "worst_group_loss", "tail_loss"})
PLAIN_SHARES = frozenset({"accuracy", "error", "recall", "rate", "share", "churn", *RATES})
SIGNED = frozenset({"group_gap", "score_gap", "calibration"})  # what should be near 0 from either side
UNITS = {
    "nats": "nats",
    "target": "units of the target",
    "target²": "squared units of the target",
    "brier": "",
    "perplexity": "",
    "score": "",
    "classes": "classes",
}
SEGMENTS = {"low margin": "rows where the teacher is least sure", "rare classes": "rows of rare classes"}
CONTROLS = {
    "majority": "the most frequent class",
    "linear": "a linear model",
    "label_only": "its twin without distillation",
}
SQUARED = "calibration_squared_error"


def rate(finding: Finding) -> Rate | None:
    """The rate that a finding speaks of, if it is one with words of its own."""
    name = str(finding.options.get("metric", "accuracy" if finding.check in LOSSES else ""))
    known = RATES.get(ALIASES.get(name, name))
    one = finding.options.get("of") if finding.check == "group_gap" else None
    return known if known is None or one is None else _of_class(known, str(one))


def _of_class(known: Rate, one: str) -> Rate:
    """A rate of one class against all others."""
    calls = {"selects": "calls", "wrongly flags": "wrongly calls", "rightly clears": "rightly does not call"}
    rows = {"positives": f"rows of {one}", "positive calls": f"calls of {one}"}
    does, what = calls.get(known.does, known.does), rows.get(known.what, "rows")
    what = f"rows of other classes {one}" if known.what == "negatives" else f"rows {one}" if does == "calls" else what
    return Rate(f"{known.name} of {one}", does, what)


def kind(finding: Finding) -> tuple[str, str, str, str]:
    """What findings on different groups have in common: check, metric, class, attribute."""
    of = finding.options
    return finding.check, str(of.get("metric", "")), str(of.get("of", "")), str(of.get("attribute", ""))


def check_title(check: str) -> str:
    """A check's or meter's name in words."""
    return CHECKS.get(check) or numbers.title(check)


def who(finding: Finding) -> str:
    """The group of a finding: ``race = Hispanic``; empty where the test is about all rows."""
    if finding.group is None:
        return ""
    if finding.check == "tail_loss":
        return SEGMENTS.get(finding.group, finding.group)
    attribute = finding.options.get("attribute")
    return f"{attribute} = {finding.group}" if attribute else str(finding.group)


def score(finding: Finding) -> str:
    """The name of the score that a finding speaks of: ``log-loss``; a check of one score is called after it."""
    name = str(finding.options.get("metric", finding.check))
    if name == "mean_score" and finding.unit != "score":
        return "mean prediction"
    return SCORES.get(name) or name.replace("_", " ")


def about(finding: Finding) -> str:
    """What a finding speaks of in a few words: a rate, a score, a control, a column, else its check."""
    known = rate(finding)
    if finding.check in LOSSES:
        return check_title(finding.check).lower()
    if finding.check == "calibration":
        return "calibration, squared error" if finding.quantity.startswith(SQUARED) else "calibration"
    named = {"beats_control": "control", "reliance_shift": "column"}.get(finding.check, "")
    if named in finding.options:
        return f"{check_title(finding.check).lower()} ({str(finding.options[named]).replace('_', ' ')})"
    if finding.check in {"score_loss", "score_gap"}:
        return score(finding)
    return known.name if known else check_title(finding.check).lower()


def amount(finding: Finding, value: float | None, unit: bool = True) -> str:
    """A value in the unit of the finding's tested quantity."""
    if value is None:
        return "–" if not unit else "no value"
    if finding.unit == "share" and not finding.quantity.startswith(SQUARED):
        words = numbers.percent(value) if finding.quantity in PLAIN_SHARES else numbers.points(value)
        return words if unit else numbers.fixed(100 * value)
    if finding.unit == "ratio" and finding.check in CHECKS:
        return numbers.fixed(value, 2)
    if finding.unit in UNITS or finding.check in CHECKS:
        text, name = numbers.alike(value, reference_size(finding)), unit_name(finding)
        return f"{text}{numbers.NARROW}{name}" if unit and name else text
    by, name = numbers.scale(finding.unit, reference_size(finding))
    number = numbers.digits(value / by)
    return f"{number}{numbers.NARROW}{name}" if unit and name else number


def unit_name(finding: Finding) -> str:
    """The unit of a check in words: one that we know, else as it is given (a target's own)."""
    return UNITS.get(finding.unit, "" if finding.unit == "share" else finding.unit)


def reference_size(finding: Finding) -> float:
    """The magnitude that decides the unit of a whole finding, so that value, bounds and limit share one."""
    return next((v for v in (finding.estimate, finding.limit, finding.high, finding.low) if v), 0.0)


def own(finding: Finding, value: float | None) -> str:
    """One model's own value: a share as a percentage, another in its unit."""
    if value is None:
        return numbers.MISSING
    if finding.check == "calibration":
        return numbers.digits(value) if finding.quantity.startswith(SQUARED) else numbers.points(value)
    return (
        numbers.percent(value) if finding.unit == "share" or finding.check == "impact_ratio" else numbers.digits(value)
    )


def step(finding: Finding) -> str:
    """What the student's own value has over the teacher's; a dash where one is missing."""
    if finding.teacher is None or finding.student is None:
        return "–"
    moved = finding.student - finding.teacher
    return ("+" if moved > 0 else "") + (numbers.fixed(100 * moved) if _of_shares(finding) else numbers.digits(moved))


def _of_shares(finding: Finding) -> bool:
    """Whether the models' own values are shares, whatever the tested quantity is."""
    shares = finding.unit == "share" and not finding.quantity.startswith(SQUARED)
    return shares or finding.check == "impact_ratio"


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
    times = " times" if finding.check in CHECKS else ""
    times = f"{times} the teacher's" if finding.limit_kind == "at_most_ratio" else ""
    return f"{how} {bound(finding)}{times}"


def bound(finding: Finding) -> str:
    """The limit by itself, in all of its own digits."""
    value = finding.limit
    if value is None or finding.unit == "share":
        fine = value is not None and abs(round(1000 * value) - 1000 * value) > 1e-9
        return numbers.points(value, 2) if fine and finding.quantity not in PLAIN_SHARES else amount(finding, value)
    if finding.unit == "ratio" or (finding.unit not in UNITS and finding.check not in CHECKS):
        return amount(finding, value)
    return f"{numbers.digits(value)}{numbers.NARROW}{unit_name(finding)}".rstrip(numbers.NARROW)


def outcome(finding: Finding) -> str:
    """What the outcome means here, and what would decide it."""
    words = OUTCOMES[finding.outcome]
    if finding.outcome in {"PASS", "FAIL", "INCONCLUSIVE"} and finding.limit is not None:
        growth = "the limit of growth" if finding.limit_kind == "grows_by_at_most" else "the limit"
        words += f", {growth} is {bound(finding)}"
    if finding.outcome in {"INCONCLUSIVE", "INSUFFICIENT"} and rows_needed(finding):
        words += f"; {rows_needed(finding)}"
    if finding.outcome == "INCONCLUSIVE" and finding.split == "device" and "; " in finding.note:
        words += f" ({finding.note.partition('; ')[2]})"
    if inside(finding) and verdict.reasons(finding):
        words += f" (the interval is inside it, but {'; '.join(verdict.reasons(finding))})"
    if finding.outcome in {"INSUFFICIENT", "NOT_APPLICABLE"} and finding.note and finding.estimate is not None:
        words += f" ({finding.note})"
    return words


def inside(finding: Finding) -> bool:
    """Whether the interval is inside an upper limit, and something else keeps the test from passing."""
    return finding.split != "device" and verdict.inside(finding)


def leans(finding: Finding) -> bool:
    """Whether the estimate itself is not inside the limit."""
    if finding.estimate is None or finding.limit is None:
        return False
    if finding.limit_kind == "at_least":
        return finding.estimate <= finding.limit
    return (abs(finding.estimate) if finding.check in SIGNED else finding.estimate) >= finding.limit


def rows_needed(finding: Finding) -> str:
    """How many rows would decide an undecided test with 80 % power; empty where that was not computed."""
    if finding.split == "device":
        return ""  # no row decides about a reading
    where = f"rows with {who(finding)}" if finding.group is not None else "rows"
    where = who(finding) if finding.check == "tail_loss" and finding.group is not None else where
    if finding.rows_needed is not None:
        return (
            f"about {numbers.count(finding.rows_needed)} {where} would decide it (here {numbers.count(finding.rows)})"
        )
    return "these data lean towards a fail, so that more rows alone are no remedy" if leans(finding) else ""
