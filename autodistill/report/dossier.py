"""An index for the file of a system: where the report answers what the EU AI Act, NIST and Local Law 144 ask for.

It says where an answer stands, or that there is none. It is a finding aid, and no statement that any law is met.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["answered", "partly", "missing", "outside"]
Report = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a framework asks for. ``anchor`` is the section of the page, ``known`` says whether it is there;
    ``without`` is what to say where it is not."""

    framework: str
    clause: str
    asks: str
    anchor: str
    known: Callable[[Report], bool]
    without: str = "not recorded in this run"


@dataclass(frozen=True, slots=True)
class Answer:
    """A field of the index with what became of it."""

    framework: str
    clause: str
    asks: str
    anchor: str
    status: Status
    note: str


def _said(*path: str) -> Callable[[Report], bool]:
    """Whether the report has something at a path."""

    def known(report: Report) -> bool:
        value: Any = report
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        return bool(value)

    return known


def _signed(report: Report) -> bool:
    return any("decision" in (one.get("predicate") or {}) for one in report.get("statements") or ())


def _never(_: Report) -> bool:
    return False


ACT, NIST, NYC = "EU AI Act, Annex IV", "NIST AI RMF 1.0", "NYC Local Law 144"
OUTSIDE = "outside of what a search and an audit can know: the provider states it"
DESCRIBE = "give it in the experiment file, under "
FIELDS: tuple[Field, ...] = (
    Field(ACT, "1(a)", "intended purpose, provider, version", "record", _said("spec", "purpose"), DESCRIBE + "purpose"),
    Field(ACT, "1(b)", "interaction with other hardware or software", "record", _never, OUTSIDE),
    Field(ACT, "1(c)", "versions of relevant software", "record", _said("environment", "packages")),
    Field(ACT, "1(d)", "forms in which it is placed on the market", "record", _never, OUTSIDE),
    Field(ACT, "1(e)", "hardware it is meant to run on", "measured", _said("measure", "machine")),
    Field(ACT, "1(f)-(g)", "photographs, user interface", "record", _never, OUTSIDE),
    Field(ACT, "1(h)", "instructions for use", "record", _said("spec", "out_of_scope"), DESCRIBE + "out_of_scope"),
    Field(ACT, "2(a)", "methods and steps of development, pre-trained systems used", "method", _said("teacher",
          "name")),
    Field(ACT, "2(b)", "design specifications, main choices and trade-offs", "front", _said("front")),
    Field(ACT, "2(c)", "architecture, computational resources used", "cost", _said("cost", "seconds")),
    Field(ACT, "2(d)", "data: provenance, scope, labelling", "data", _said("spec", "provenance"),
          DESCRIBE + "provenance"),
    Field(ACT, "2(e)", "human oversight", "record", _said("spec", "oversight"), DESCRIBE + "oversight"),
    Field(ACT, "2(f)", "pre-determined changes", "record", _said("spec", "changes"), DESCRIBE + "changes"),
    Field(ACT, "2(g)", "validation and testing: metrics, biases, test reports dated and signed", "tests", _signed,
          "tested, and not signed by anybody yet"),
    Field(ACT, "2(h)", "cybersecurity", "record", _never, OUTSIDE),
    Field(ACT, "3", "capabilities and limits, accuracy for groups of persons, foreseeable risks", "groups",
          _said("findings")),
    Field(ACT, "4", "appropriateness of the performance metrics", "method", _said("policy", "text")),
    Field(ACT, "5", "risk management system", "record", _said("spec", "residual_risks"), DESCRIBE + "residual_risks"),
    Field(ACT, "6", "changes through the lifecycle", "record", _said("method", "looks")),
    Field(ACT, "7-8", "standards applied, declaration of conformity", "record", _never, OUTSIDE),
    Field(ACT, "9", "plan for monitoring after placing on the market", "record", _said("spec", "revocation_triggers"),
          DESCRIBE + "revocation_triggers"),
    Field(NIST, "MAP 1.1", "intended purpose and context", "record", _said("spec", "purpose"), DESCRIBE + "purpose"),
    Field(NIST, "MAP 1.5", "risk tolerance", "tests", _said("policy", "text")),
    Field(NIST, "MAP 2.1-2.2", "tasks and methods; limits of knowledge, oversight", "method", _said("spec",
          "oversight"),
          DESCRIBE + "oversight"),
    Field(NIST, "MAP 2.3", "scientific integrity of tests", "method", _said("method")),
    Field(NIST, "MAP 3.1-3.2", "benefits and costs", "verdict", _said("teacher", "name")),
    Field(NIST, "MAP 3.3", "targeted scope of use", "record", _said("spec", "out_of_scope"), DESCRIBE + "out_of_scope"),
    Field(NIST, "MAP 4.1-4.2", "third-party components and their risks", "record", _said("environment", "packages")),
    Field(NIST, "MEASURE 1.1", "metrics chosen, and what is not measured", "undecided", _said("findings")),
    Field(NIST, "MEASURE 1.3", "assessors who are not the developers", "record", _signed, "nobody has signed yet"),
    Field(NIST, "MEASURE 2.1", "test sets, metrics and tools documented", "data", _said("data", "digests")),
    Field(NIST, "MEASURE 2.3", "performance under deployment-like conditions", "measured", _said("measure")),
    Field(NIST, "MEASURE 2.4", "monitoring in production", "nights", _said("night"),
          "no nightly run belongs to this report"),
    Field(NIST, "MEASURE 2.5", "validity, reliability, limits of generalising", "tests", _said("findings")),
    Field(NIST, "MEASURE 2.7", "security and resilience", "record", _never, OUTSIDE),
    Field(NIST, "MEASURE 2.8", "transparency and accountability", "record", _signed, "nobody has signed yet"),
    Field(NIST, "MEASURE 2.10", "privacy", "simplification", lambda r: _checked(r, "membership"),
          "add the check membership to the policy"),
    Field(NIST, "MEASURE 2.11", "fairness and bias", "groups", lambda r: _checked(r, "group_gap")),
    Field(NIST, "MEASURE 2.12", "environmental impact", "cost", _said("cost", "energy"),
          "the energy of the search was not read"),
    Field(NIST, "MEASURE 2.13", "how good the measuring itself is", "method", _said("method")),
    Field(NIST, "MANAGE 1.1", "decision whether to go on", "record", _signed, "nobody has signed yet"),
    Field(NIST, "MANAGE 1.4", "residual risks", "record", _said("spec", "residual_risks"), DESCRIBE + "residual_risks"),
    Field(NIST, "MANAGE 2.4", "how to take it out of use", "record", _said("spec", "rollback"), DESCRIBE + "rollback"),
    Field(NIST, "MANAGE 3.2", "pre-trained models watched", "verdict", _said("teacher", "digest")),
    Field(NIST, "MANAGE 4.1", "monitoring after deployment", "record", _said("spec", "revocation_triggers"),
          DESCRIBE + "revocation_triggers"),
    Field(NYC, "§5-301(b)(1)-(3)", "selection rates and impact ratios by category and intersection", "simplification",
          lambda r: _checked(r, "impact_ratio"), "add the check impact_ratio to the policy, and a cross of the groups"),
    Field(NYC, "§5-301(b)(4)", "number of persons of unknown category", "data", _said("data", "groups")),
    Field(NYC, "§5-302(a)", "date of the audit, source of the data", "data", _said("created")),
)  # fmt: skip


def _checked(report: Report, check: str) -> bool:
    shown = {"NOT_APPLICABLE"}
    return any(f["check"] == check and f["outcome"] not in shown for f in report.get("findings") or ())


def answers(report: Report) -> list[Answer]:
    """Every field with where it is answered, or that it is missing."""
    return [_answer(field, report) for field in FIELDS]


def _answer(field: Field, report: Report) -> Answer:
    known = field.known(report)
    status: Status = "answered" if known else "outside" if field.without == OUTSIDE else "missing"
    note = "" if known else field.without
    return Answer(field.framework, field.clause, field.asks, field.anchor, status, note)
