"""What is signed: in-toto statements over digests. Facts by the auditor, decisions by the approver.

A statement names its subjects by SHA-256 (in-toto Statement v1); its predicate says what is claimed about them: the
audit is a Test Result v0.1, the decision a predicate of this project's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from autodistill.records import Decision, Finding, digest, plain

STATEMENT = "https://in-toto.io/Statement/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
DECISION = "https://pypi.org/project/autodistill-audit/decision/v1"
OURS = "autodistill"
"""The one key that we add to a Test Result: consumers ignore what they do not know."""

RESULT: Mapping[str, str] = {"PASS": "PASSED", "FAIL": "FAILED", "INCONCLUSIVE": "WARNED", "BROKEN": "FAILED"}
APPROVED = frozenset({"approved", "approved-with-conditions"})
Decided = Literal["approved", "approved-with-conditions", "rejected", "revoked"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiver:
    """Leave to accept a finding that did not pass: which, why, by whom, until which UTC day."""

    finding: str
    because: str
    by: str
    until: str


@cache
def code_revision() -> str:
    """SHA-256 over the package's own source files, by path: what computed the figures."""
    root = Path(__file__).parent.parent
    files = sorted(path for path in root.rglob("*.py") if "__pycache__" not in path.parts)
    parts = [f"{path.relative_to(root).as_posix()}\0{digest(path.read_bytes())}\n" for path in files]
    return digest("".join(parts).encode())


def subjects(files: Mapping[str, str]) -> list[dict[str, Any]]:
    """Files by name and SHA-256."""
    return [{"name": name, "digest": {"sha256": sha}} for name, sha in sorted(files.items())]


def facts(
    files: Mapping[str, str],
    decision: Decision,
    findings: Sequence[Finding],
    configuration: Mapping[str, str],
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """What a machine saw: the tests of one split and their outcomes, over ``files`` and under ``configuration``."""
    required = [f for f in findings if f.required]

    def named(*outcomes: str) -> list[str]:
        return [f.id for f in required if f.outcome in outcomes]

    return {
        "_type": STATEMENT,
        "subject": subjects(files),
        "predicateType": TEST_RESULT,
        "predicate": {
            "result": RESULT[decision],
            "configuration": subjects(configuration),
            "passedTests": named("PASS"),
            "warnedTests": named("INCONCLUSIVE", "INSUFFICIENT", "NOT_APPLICABLE"),
            "failedTests": named("FAIL"),
            OURS: {"code": code_revision(), "verdict": decision, **more},
        },
    }


def decision(files: Mapping[str, str], decided: Decided, more: Mapping[str, Any]) -> dict[str, Any]:
    """What a person decided about ``files``: with scope, conditions, waivers, expiry in ``more``."""
    return {
        "_type": STATEMENT,
        "subject": subjects(files),
        "predicateType": DECISION,
        "predicate": {"decision": decided, **plain(dict(more))},
    }


def waivable(finding: Finding) -> str:
    """The name by which a finding is waived. Those of the sealed rows have names of their own: leave that was given
    before an opening does not cover what the opening finds."""
    return f"sealed/{finding.id}" if finding.split == "sealed" else finding.id


def digests(statement: Mapping[str, Any]) -> dict[str, str]:
    """Name -> SHA-256 of a statement's subjects; malformed ones are left out (a verifier then misses them)."""
    out: dict[str, str] = {}
    for one in statement.get("subject") or ():
        if isinstance(one, Mapping) and isinstance(one.get("digest"), Mapping):
            out[str(one.get("name"))] = str(one["digest"].get("sha256"))
    return out
