"""A certified run as the report of a night, with the nights before it; and those nights' own page."""

from dataclasses import replace
from typing import Any

import report_data

from autodistill.nightly import delta
from autodistill.nightly.recorded import Record, Student
from autodistill.records import Candidate, plain

OUTCOMES = ("inconclusive", "proposes", "kept", "kept", "failed", "kept", "drift", "kept", "proposes")
DATES = tuple(f"2024-05-{day:02d}" for day in range(1, len(OUTCOMES) + 1))


def records() -> list[Record]:
    """Nine nights: who stood, who was certified, one that broke, one drift."""
    made, champion = [], None
    for at, (date, outcome) in enumerate(zip(DATES, OUTCOMES, strict=True)):
        challenger = _student(f"tree, leaves {40 - 3 * at}", 0.131 + 0.002 * at, 9000.0 - 700 * at)
        proposed = outcome in ("proposes", "drift")
        told = outcome not in ("inconclusive", "failed")
        stood = champion if told or champion is None else _unread(champion)
        made.append(
            Record(
                name="adult-income",
                date=date,
                outcome=outcome,
                sentence=f"the night came to: {outcome}",  # type: ignore[arg-type]
                because=["accuracy_loss/at_most"] if outcome == "drift" else [],
                champion=stood,
                challenger=challenger if proposed or at == 3 else None,
                proposed=challenger.key if proposed else None,
                loss={"estimate": 0.002, "low": -0.003, "high": 0.007} if proposed and champion else None,
                looks={"index": at + 1, "looks": 20, "replay": False} if told else {},
                rows={"new": 500 + at, "vanished": 3 * at},
                seconds={"all": 1700.0 + at},
                budget_minutes=30,
                notes=["MLflow was away and has no full copy of this run."] if at == 3 else [],
            )
        )
        champion = replace(challenger, source="proposed") if proposed else champion
    return made


def _student(name: str, error: float, size: float) -> Student:
    return Student(
        sha256=f"{round(size):064x}", key=f"{round(size):012x}-0", name=name, decision="PASS",
        error={"value": error, "low": error - 0.006, "high": error + 0.007},
        cost={"value": size, "low": size, "high": size, "unit": "B"},
    )  # fmt: skip


def _unread(one: Student) -> Student:
    return Student(sha256=one.sha256, key=one.key, name=one.name, source=one.source)


def night() -> dict[str, Any]:
    """The report of the night after those."""
    found = report_data.certified()
    chosen = next(e for e in found["entries"] if e.candidate.key == found["certified"])
    stands = Candidate(number=4, family="tree", student={"leaves": 16}, loss="none")
    share = {"value": 0.138, "low": 0.132, "high": 0.144}
    found["night"] = {
        "date": "2024-05-10",
        "champion": {
            "sha256": "c" * 64, "key": stands.key, "candidate": stands, "level": 0.0025, "decision": "PASS",
            "findings": [], "readings": chosen.readings, "error_audit": share,
        },
        "challenger": {"key": chosen.candidate.key, "sha256": "d" * 64, "error_audit": share, "loss": None},
        "earlier": [plain(delta.shown(one)) for one in records()],
    }  # fmt: skip
    return found


def drift() -> str:
    """The page of the night that the champion failed."""
    return delta.html(records()[:7])
