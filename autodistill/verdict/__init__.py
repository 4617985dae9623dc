"""Findings against a policy: what is stated, what follows, which candidates come first."""

from autodistill.verdict.judging import TARGET, constraints, inside, judge, meters, reading, reasons
from autodistill.verdict.ordering import Step, choose, fallback, front
from autodistill.verdict.screening import further, screened
from autodistill.verdict.statements import ALWAYS, REST, UNKNOWN, Line, constraint_names, count, lines, pairs

__all__ = [
    "ALWAYS",
    "REST",
    "TARGET",
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
    "inside",
    "judge",
    "lines",
    "meters",
    "pairs",
    "reading",
    "reasons",
    "screened",
]
