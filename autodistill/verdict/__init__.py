"""Findings against a policy: what is stated, what follows, which candidates come first."""

from autodistill.verdict.judging import constraints, judge, meters, reading
from autodistill.verdict.ordering import Step, choose, fallback, front
from autodistill.verdict.screening import further, screened
from autodistill.verdict.statements import ALWAYS, REST, UNKNOWN, Line, constraint_names, count, lines, pairs

__all__ = [
    "ALWAYS",
    "REST",
    "UNKNOWN",
    "Line",
    "Step",
    "choose",
    "constraint_names",
    "constraints",
    "count",
    "fallback",
    "front",
    "further",
    "judge",
    "lines",
    "meters",
    "pairs",
    "reading",
    "screened",
]
