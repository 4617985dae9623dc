"""Sentences of every check, in its own unit, about what it compared."""

from dataclasses import replace

import pytest
import report_audits
from report_audits import change
from report_findings import gap

from autodistill.report import audited, plain, sentences, words


@pytest.mark.parametrize(
    ("check", "says"),
    [
        (
            "score_loss",
            "The student's log-loss is 0.0121 nats worse than the teacher's (0.424 against 0.412) [0.0040, 0.0202]",
        ),
        ("score_gap", "the teacher's gap in the log-loss grows by 0.0200 nats [0.0000, 0.0900]"),
        ("calibration", "the student's scores are 2.1 points [0.8, 3.4] too low on average"),
        (
            "impact_ratio",
            "the student selects 11.0 % of them, 0.62 [0.55, 0.69] times the rate of Male, under four fifths",
        ),
        (
            "beats_control",
            "The student decides 9.4 points more rows rightly than the most frequent class does [8.8, 10.0]",
        ),
        ("noise_flips", "flip are 3.1 % with the student and 2.0 % with the teacher: 1.1 points more [0.4, 1.8]"),
        (
            "reliance_shift",
            "the cells of sex change rows, the accuracy lost is 0.8 points with the student and 1.4 points",
        ),
        ("membership", "better than by chance by 3.0 points [1.0, 5.0]; from the teacher's by 8.0 points"),
    ],
)
def test_every_check_has_a_sentence_in_its_unit(check: str, says: str) -> None:
    found = next(f for f in report_audits.rowlevel() if f.check == check)
    assert says in sentences.sentence(found).replace("\u202f", " ")
    assert words.CHECKS[check]


@pytest.mark.parametrize(
    ("identity", "says"),
    [
        (
            "score_loss/brier/at_most_ratio",
            "Brier score is 1.15 [1.14, 1.16] times the teacher's (0.102 against 0.0888)",
        ),
        (
            "tail_loss/at_most",
            "For rows where the teacher is least sure, the student decides 4.4 points fewer rows rightly",
        ),
        (
            "cvar/log_loss/at_most",
            "In the 10 % of the rows that lose most, the student adds 0.556 nats [0.538, 0.575] a row",
        ),
        ("calibration/squared_error/race=Black/at_most", "squared calibration error is 0.000200 [0.000000, 0.001900]"),
    ],
)
def test_variants_of_a_check_have_words_of_their_own(identity: str, says: str) -> None:
    found = next(f for f in report_audits.variants() if f.id == identity)
    assert says in sentences.sentence(found).replace("\u202f", " ")


def test_a_gap_in_a_score_is_told_as_a_gap_in_a_rate_is() -> None:
    moved = change((0.0048, 0.003, 0.0067), (0.0638, 0.0687))
    values = {"teacher": 0.0462, "student": 0.0565, "reference": "Male", "unit": "brier", "check": "score_gap", **moved}
    made = gap("sex", "Female", "brier", "grows_by_at_most", (0.0048, 0.003, 0.0067), **values)
    found = plain.items({}, [made])["folded"][0]["text"]
    assert found == (
        "For sex = Female, the Brier score is 0.0565 with the student and 0.0462 with the teacher. Beside Male, this "
        "group stands 0.06870 worse off with the student and 0.06380 with the teacher: the gap is wider by 0.00480 "
        "[0.00300, 0.00670]."
    )


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        ("true_positive_rate", "the student finds 40.0 % of the rows of cat, against 50.0 % for the rest"),
        ("false_positive_rate", "the student wrongly calls 40.0 % of the rows of other classes cat, against 50.0 %"),
        ("selection_rate", "the student calls 40.0 % of the rows cat, against 50.0 %"),
    ],
)
def test_a_rate_of_one_class_among_several_names_it(metric: str, says: str) -> None:
    of = {"metric": metric, "attribute": "sex", "of": "cat"}
    made = gap("sex", "F", metric, "at_most", (0.1, 0.0, 0.2), options=of, student=0.4, student_reference=0.5)
    other = replace(made, options=of | {"of": "dog"})
    assert says in sentences.sentence(made).replace("\u202f", " ")
    assert [table["title"].rpartition(" ")[2] for table in audited.groups([made, other], judged=True)] == ["cat", "dog"]
