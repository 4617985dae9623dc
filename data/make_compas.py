"""ProPublica's counts of COMPAS scores and two-year rearrests as rows, beside a made-up student.

python data/make_compas.py compas.csv

The counts are those of "How We Analyzed the COMPAS Recidivism Algorithm" (Larson, Mattu, Kirchner and Angwin 2016): Low
against Medium and High. ``high`` is the published score, here the teacher. The student is invented: it changes
every 40th decision, and calls every 6th Black person high that the teacher calls low.
"""

import csv
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

COUNTS: Mapping[str, tuple[int, int, int, int]] = {
    # not rearrested: low, high; rearrested: low, high
    "African-American": (990, 805, 532, 1369),
    "Caucasian": (1139, 349, 461, 505),
    "Hispanic": (318, 87, 129, 103),
    "Other": (208, 36, 90, 43),
    "Asian": (21, 2, 3, 6),
    "Native American": (5, 3, 1, 9),
}


def rows() -> Iterator[tuple[int, str, int, int, int]]:
    """Person, race, rearrested, the score's decision, the student's."""
    person = low = 0
    for race, counts in COUNTS.items():
        for at, count in enumerate(counts):
            rearrested, high = divmod(at, 2)
            for _ in range(count):
                student = 1 - high if person % 40 == 0 else high
                if race == "African-American" and not high:
                    low += 1
                    student = 1 if low % 6 == 0 else student
                yield person, race, rearrested, high, student
                person += 1


if __name__ == "__main__":
    with Path(sys.argv[1]).open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["person", "race", "rearrested", "high", "student"])
        out.writerows(rows())
