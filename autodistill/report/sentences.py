"""Findings as plain sentences, for a reader who signs and does not compute.

Every sentence takes its direction from the two models' own values, so that it cannot contradict the table beside it,
and carries the interval of the quantity that was tested.
"""

from autodistill.records import Finding
from autodistill.report import numbers, words

SAME = 5e-4  # a difference of shares that one decimal of a point does not show


def sentence(finding: Finding) -> str:
    """One finding as one sentence, with its outcome."""
    origin = f" Origin: {finding.origin}." if finding.origin else ""
    return f"{body(finding)}; {words.outcome(finding)}.{origin}"


def body(finding: Finding) -> str:
    """What a finding found, without its outcome and without a full stop."""
    return SENTENCES.get(finding.check, _other)(finding)


def rest(finding: Finding) -> str:
    """What a group is compared with."""
    return "the rest" if finding.reference in {None, "rest"} else str(finding.reference)


def comparison(finding: Finding) -> str:
    """What the student does in this group beside the teacher: ``misses 3.1 points more positives than the teacher``."""
    rate = words.rate(finding)
    if rate is None or finding.teacher is None or finding.student is None:
        return ""
    difference = finding.student - finding.teacher
    if abs(difference) < SAME:
        return f"{rate.does} as many {rate.what} as the teacher does"
    more = "more" if difference > 0 else "fewer"
    return f"{rate.does} {numbers.points(abs(difference))} {more} {rate.what} than the teacher does"


def _start(finding: Finding) -> str:
    return f"For {words.who(finding)}, the student" if finding.group is not None else "The student"


def _bounds(finding: Finding) -> str:
    return f" {words.interval(finding)}" if words.interval(finding) else ""


def _gap(finding: Finding) -> str:
    rate, group = words.rate(finding), words.who(finding) or "this group"
    if rate is not None and finding.estimate is None and finding.student is not None and finding.teacher is not None:
        shares = numbers.percent(finding.student), numbers.percent(finding.teacher)
        return f"For {group}, the student {rate.does} {shares[0]} of the {rate.what}, the teacher {shares[1]}"
    if rate is None or finding.estimate is None:
        return f"For {group}, {words.check_title(finding.check).lower()}: {words.measured(finding)}"
    if finding.limit_kind == "grows_by_at_most":
        grows = f"grows by {words.measured(finding)}" if finding.estimate else f"does not grow{_bounds(finding)}"
        growth = f"set against {rest(finding)}, the teacher's gap {grows}"
        beside = comparison(finding)
        return f"For {group}, the student {beside}; {growth}" if beside else f"For {group}, {growth}"
    if finding.student is None or finding.student_reference is None:
        return f"For {group}, the gap in {rate.name} is {words.measured(finding)}"
    return (
        f"For {group}, the student {rate.does} {numbers.percent(finding.student)} of the {rate.what}, against "
        f"{numbers.percent(finding.student_reference)} for {rest(finding)}: a gap of {words.measured(finding)}"
    )


def _score_gap(finding: Finding) -> str:
    score, group = words.score(finding) or "score", words.who(finding) or "this group"
    if finding.estimate is None:
        return f"For {group}, gap in the {score}: {words.measured(finding)}"
    if finding.limit_kind == "grows_by_at_most":
        grows = f"grows by {words.measured(finding)}" if finding.estimate else f"does not grow{_bounds(finding)}"
        return f"For {group}, set against {rest(finding)}, the teacher's gap in the {score} {grows}"
    beside = ""
    if finding.student is not None and finding.student_reference is not None:
        beside = f" ({words.own(finding, finding.student)} against {words.own(finding, finding.student_reference)})"
    return f"For {group}, the student's {score} is {words.measured(finding)} away from that of {rest(finding)}{beside}"


def _loss(finding: Finding) -> str:
    if finding.estimate is None:
        check = words.check_title(finding.check).lower()
        return f"{_start(finding)} against the teacher, {check}: {words.measured(finding)}"
    if abs(finding.estimate) < 5e-5:
        return f"{_start(finding)} decides rightly as often as the teacher does{_bounds(finding)}"
    more = "fewer" if finding.estimate > 0 else "more"
    lost = numbers.points(abs(finding.estimate))
    signed = "" if finding.estimate > 0 else f"; the loss is {words.measured(finding)}"
    end = signed or _bounds(finding)
    return f"{_start(finding)} decides {lost} {more} rows rightly than the teacher does{end}"


def _score_loss(finding: Finding) -> str:
    score = words.score(finding) or "score"
    if finding.estimate is None:
        return f"{_start(finding)} against the teacher, loss in the {score}: {words.measured(finding)}"
    if finding.limit_kind == "at_most_ratio":
        return f"{_start(finding)}'s {score} is {words.measured(finding)} times the teacher's{_both_values(finding)}"
    if finding.estimate == 0:
        return f"{_start(finding)} has the teacher's {score}{_bounds(finding)}"
    way, size = ("worse", finding.estimate) if finding.estimate > 0 else ("better", -finding.estimate)
    signed = "" if finding.estimate > 0 else f"; the loss is {words.measured(finding)}"
    end = signed or _bounds(finding)
    by = words.amount(finding, size)
    return f"{_start(finding)}'s {score} is {by} {way} than the teacher's{_both_values(finding)}{end}"


def _both_values(finding: Finding) -> str:
    if finding.teacher is None or finding.student is None:
        return ""
    return f" ({words.own(finding, finding.student)} against {words.own(finding, finding.teacher)})"


def _calibration(finding: Finding) -> str:
    where = f"For {words.who(finding)}, the" if finding.group is not None else "The"
    if finding.estimate is None:
        return f"{where} calibration of the student: {words.measured(finding)}"
    if finding.limit_kind == "grows_by_at_most":
        return f"{where} student's scores are further off than the teacher's by {words.measured(finding)}"
    if finding.quantity.startswith(words.SQUARED) or finding.student is None:
        return f"{where} student's squared calibration error is {words.measured(finding)}"
    if abs(finding.student) < SAME:
        return f"{where} student's scores are right on average{_bounds(finding)}"
    way = "high" if finding.student > 0 else "low"
    return f"{where} student's scores are {words.measured(finding)} too {way} on average"


def _worst(finding: Finding) -> str:
    beta = finding.options.get("beta", 0.9)
    part = numbers.percent(1 - float(beta), 0)
    if finding.estimate is None:
        return f"Loss added in the worst {part} of the rows: {words.measured(finding)}"
    added = f"the student adds {words.measured(finding)} a row to the teacher's loss"
    return f"In the {part} of the rows that lose most, {added}"


def _lead(finding: Finding) -> str:
    control = str(finding.options.get("control", "a control"))
    rival = words.CONTROLS.get(control, control)
    if finding.estimate is None:
        return f"The student beside {rival}: {words.measured(finding)}"
    way = "more" if finding.estimate >= 0 else "fewer"
    signed = "" if finding.estimate >= 0 else f"; the lead is {words.measured(finding)}"
    size = words.amount(finding, abs(finding.estimate))
    return f"The student decides {size} {way} rows rightly than {rival} does{signed or _bounds(finding)}"


def _impact(finding: Finding) -> str:
    if finding.estimate is None or finding.student is None or finding.student_reference is None:
        return _other(finding)
    share = f"{numbers.percent(finding.student)} of them, {words.measured(finding)} times the rate of {rest(finding)}"
    under = ", under four fifths" if finding.details.get("four_fifths") else ""
    return f"For {words.who(finding)}, the student selects {share}{under}"


def _both(finding: Finding, verb: str, shares: tuple[str, str]) -> str:
    """Both models' own values, and the difference that was tested."""
    if finding.estimate is None:
        return f"{words.check_title(finding.check)}: {words.measured(finding)}"
    more = "more" if finding.estimate > 0 else "less"
    size = f"{words.amount(finding, abs(finding.estimate))} {more}" if abs(finding.estimate) >= SAME else "no more"
    signed = "" if finding.estimate >= 0 or not words.interval(finding) else "; signed,"
    return f"{verb} {shares[0]} with the student and {shares[1]} with the teacher: {size}{signed}{_bounds(finding)}"


def _flips(finding: Finding) -> str:
    shares = numbers.percent(finding.student), numbers.percent(finding.teacher)
    return _both(finding, "Under small noise in the numbers the decisions that flip are", shares)


def _reliance(finding: Finding) -> str:
    column = str(finding.options.get("column", "a column"))
    shares = numbers.points(finding.student), numbers.points(finding.teacher)
    return _both(finding, f"Where the cells of {column} change rows, the accuracy lost is", shares)


def _membership(finding: Finding) -> str:
    if finding.estimate is None:
        return _other(finding)
    beside = f"; from the teacher's by {numbers.points(finding.teacher)}" if finding.teacher is not None else ""
    return (
        "From the student's scores an outsider tells rows that it was trained on from others better than by chance by "
        f"{words.measured(finding)}{beside}"
    )


def _collapse(finding: Finding) -> str:
    if finding.estimate is None or finding.student is None or finding.teacher is None:
        return f"Class collapse: {words.measured(finding)}"
    return (
        f"The student predicts {finding.student:g} of the {finding.teacher:g} classes that the teacher predicts, "
        f"the rarest of them {numbers.digits(finding.estimate, 2)} times as often"
    )


def _other(finding: Finding) -> str:
    start = f"For {words.who(finding)}, " if finding.group is not None else ""
    name = words.check_title(finding.check)
    name = name[0].lower() + name[1:] if start else name
    if finding.estimate is None:
        return f"{start}{name}: {words.measured(finding)}"
    times = " the teacher's" if finding.quantity.endswith("_ratio") and finding.limit_kind == "at_most_ratio" else ""
    return f"{start}{name}: {words.amount(finding, finding.estimate)}{times}{_bounds(finding)}"


SENTENCES = {
    "group_gap": _gap,
    "score_gap": _score_gap,
    "accuracy_loss": _loss,
    "worst_group_loss": _loss,
    "score_loss": _score_loss,
    "perplexity": _score_loss,
    "calibration": _calibration,
    "cvar": _worst,
    "tail_loss": _loss,
    "beats_control": _lead,
    "impact_ratio": _impact,
    "class_collapse": _collapse,
    "noise_flips": _flips,
    "reliance_shift": _reliance,
    "membership": _membership,
}
