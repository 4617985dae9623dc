"""Two hundred simulated months: does a champion change falsely more often than the policy allows?

    python benchmarks/nightly_months.py [--months 200] [--nights 30]

Nothing is trained. A night's audit rows are a table of what a teacher, the champion and three new challengers say of
them; the table grows every night, a row keeps its place in it, and each night makes its look by the project's own code:
``run.ordered.tests`` on a real ledger, then ``nightly.deciding``. The policy pays for ten looks, so that twenty of the
thirty nights are refused. Worlds:

* **at the limit**: the champion and every challenger lose exactly as much as the policy forbids, every challenger is
  smaller. Any certified student and any drift is false: the hardest case there is.
* **nothing better**: the champion is good; challengers are smaller and lose twice the limit.
* **a better student**: challengers that lose nothing and are smaller come from the fifth night on.
* **drift**: from the fifth night on the champion errs on 15 % more of the new rows, where the limit is 3 %.

"Every night at the whole α" is the same month if each look cost nothing: what a nightly job without an account does.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from autodistill import auditor
from autodistill.ledger import Ledger
from autodistill.nightly import deciding
from autodistill.records import Candidate, Entry, Finding, Policy, Predictions, Reading, Requirement, digest
from autodistill.run import ordered
from autodistill.run.ordered import Stands, Tested
from autodistill.stats import Evidence, paired_limits

LIMIT, LOOKS, BLOCK = 0.03, 10, 500
WRONG = 0.15  # of the rows the teacher decides wrongly
CHURN = 0.03  # of the rows a student gets right where the teacher is wrong
POLICY = Policy(
    name="months",
    version="1",
    require=(Requirement(kind="check", name="accuracy_loss", limits={"at_most": LIMIT}),),
    looks=LOOKS,
    sha256=digest(b"months"),
)


@dataclass
class Table:
    """Audit rows so far: labels, the teacher's decisions, each student's by its digest; names of the rows."""

    rng: np.random.Generator
    y: Any = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    teacher: Any = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    said: dict[str, Any] = field(default_factory=dict)
    loss: dict[str, float] = field(default_factory=dict)
    first: int = 0

    @property
    def names(self) -> Any:
        """A digest for each hundred rows (their place among all that ever were): accounts need no more to be told
        apart, and hashing every row would be most of the time."""
        return np.array([f"{at:016x}" for at in range(self.first, self.first + len(self.y), 100)])

    def grow(self, rows: int = BLOCK) -> None:
        """New rows; every student that is known decides them too."""
        y = self.rng.integers(0, 2, rows)
        teacher = np.where(self.rng.random(rows) < WRONG, 1 - y, y)
        for sha, loss in self.loss.items():
            self.said[sha] = np.concatenate([self.said[sha], self._student(y, teacher, loss)])
        self.y, self.teacher = np.concatenate([self.y, y]), np.concatenate([self.teacher, teacher])

    def forget(self, rows: int) -> None:
        """The first rows leave the table: a window moves on."""
        self.first += rows
        self.y, self.teacher = self.y[rows:], self.teacher[rows:]
        self.said = {sha: said[rows:] for sha, said in self.said.items()}

    def student(self, sha: str, loss: float) -> None:
        """A student that loses so much against the teacher, in truth; from now on its new rows follow it."""
        self.loss[sha] = loss
        if sha not in self.said:
            self.said[sha] = self._student(self.y, self.teacher, loss)

    def drop(self, kept: Iterable[str]) -> None:
        """Students that nobody asks for any more."""
        for sha in set(self.said) - set(kept):
            del self.said[sha], self.loss[sha]

    def _student(self, y: Any, teacher: Any, loss: float) -> Any:
        """P(student alone wrong) − P(teacher alone wrong) = ``loss``, with ``CHURN`` of the rows gained."""
        gain, lose = min(CHURN, WRONG), loss + min(CHURN, WRONG)
        chance = np.where(teacher == y, lose / (1 - WRONG), gain / WRONG)
        return np.where(self.rng.random(len(y)) < chance, 1 - teacher, teacher)

    def wrong(self, sha: str) -> Any:
        """Which rows a student decides wrongly."""
        return self.said[sha] != self.y

    def evidence(self, sha: str, split: str) -> Evidence:
        """Teacher and student side by side."""
        return Evidence(
            split=split,
            row_ids=np.arange(len(self.y)),
            y=self.y,
            classes=("no", "yes"),
            positive=1,
            favourable=1,
            groups={},
            teacher={split: _spoken(split, self.teacher)},
            student={split: _spoken(split, self.said[sha])},
            known={},
        )


def _spoken(view: str, decisions: Any) -> Predictions:
    scores = np.eye(2, dtype=np.float32)[decisions]
    return Predictions(view=view, row_ids=np.arange(len(decisions)), scores=scores, decisions=decisions)


@dataclass(frozen=True)
class Bench:
    """A table as certification sees a run (``ordered.Bench``)."""

    table: Table
    policy: Policy = POLICY
    folder: Path = Path("month")

    @property
    def rows(self) -> Mapping[str, int]:
        return {"search": len(self.table.y), "audit": len(self.table.y)}

    @property
    def audit_rows(self) -> Any:
        return self.table.names

    @property
    def audit_digest(self) -> str:
        return digest(self.table.names.tobytes())

    def evidence(self, candidate: Candidate, split: str) -> Evidence:
        return self.table.evidence(sha_of(candidate), split)

    def meters(self, readings: Mapping[str, Reading]) -> tuple[Finding, ...]:  # noqa: ARG002
        return ()


def candidate(number: int, size: float) -> Candidate:
    """A student by its number; its size is its only option."""
    return Candidate(number=number, family="tree", student={"leaves": round(size), "number": number}, loss="none")


def sha_of(one: Candidate) -> str:
    """Stands for the digest of its artefact."""
    return digest(one.key.encode())


def entry(one: Candidate, size: float) -> Entry:
    """A finished candidate as a search leaves it."""
    readings = {"size": Reading(quantity="size", unit="B", value=size, method="file")}
    return Entry(candidate=one, state="finished", readings=readings, error=WRONG, artefact={"sha256": sha_of(one)})


def night(table: Table, entries: list[Entry], champion: Entry | None, ledger: Ledger, policy: Policy = POLICY) -> Any:
    """One night's look and its outcome: (Certification, Seen, Decided)."""
    tested = [Tested(entry=one, order=order, power=1.0) for order, one in enumerate(entries)]
    stands = None
    if champion is not None:
        seen = table.evidence(sha_of(champion.candidate), "audit")
        stands = Stands(
            sha256=sha_of(champion.candidate), findings=lambda level: auditor.audit(seen, policy, level=level)
        )
    files = [sha_of(one.candidate) for one in entries]
    found = ordered.tests(Bench(table, policy), tested, ledger, stands=stands, artefacts=files)
    stood = made = None
    if champion is not None and found.stands is not None:
        failed = tuple(one.id for one in found.stands.found if one.required and one.outcome == "FAIL")
        stood = deciding.Champion(
            sha256=found.stands.sha256, decision=found.stands.decision, cost=_cost(champion), failed=failed
        )
    if found.chosen is not None:
        chosen = found.chosen.entry
        made = deciding.Challenger(
            key=chosen.candidate.key,
            sha256=sha_of(chosen.candidate),
            cost=_cost(chosen),
            worse_by=None if champion is None else loss(table, chosen, champion)["low"],
        )
    seen = deciding.Seen(
        champion=stood,
        challenger=made,
        refused=found.refused,
        open=any(one.decision == "INCONCLUSIVE" for one in found.shortlist),
    )
    return found, seen, deciding.decide(seen)


def loss(table: Table, one: Entry, other: Entry) -> dict[str, float]:
    """How much oftener one student errs than another on the same rows."""
    mine, theirs = table.wrong(sha_of(one.candidate)), table.wrong(sha_of(other.candidate))
    b, c, n = int((mine & ~theirs).sum()), int((theirs & ~mine).sum()), len(mine)
    low, high = paired_limits(b, c, n, POLICY.alpha)
    return {"estimate": (b - c) / n, "low": float(low), "high": float(high)}


def _cost(one: Entry) -> deciding.Cost:
    return deciding.Cost.of(one.readings, POLICY.choose)


@dataclass(frozen=True, kw_only=True)
class World:
    """True losses: of the champion, of challengers before and after ``turn``; drift of the champion's new rows."""

    champion: float
    challengers: float
    later: float | None = None
    drift: float | None = None
    turn: int = 5


WORLDS = {
    "at the limit": World(champion=LIMIT, challengers=LIMIT),
    "nothing better": World(champion=0.0, challengers=2 * LIMIT),
    "a better student": World(champion=0.0, challengers=2 * LIMIT, later=0.0),
    "drift": World(champion=0.0, challengers=2 * LIMIT, drift=0.15),
}


def month(seed: int, world: World, nights: int, paid: bool = True) -> dict[str, Any]:
    """One month: outcomes by night, whether anything false was claimed, when drift and a better student were found."""
    rng = np.random.default_rng(seed)
    table = Table(rng)
    table.grow(4 * BLOCK)
    champion = entry(candidate(0, 1000), 1000.0)
    table.student(sha_of(champion.candidate), world.champion)
    false, outcomes, found_at = False, [], None
    with tempfile.TemporaryDirectory() as folder:
        for at in range(1, nights + 1):
            turned = at >= world.turn
            if turned and world.drift is not None:
                table.student(sha_of(champion.candidate), world.drift)
            table.grow()
            truth = world.later if turned and world.later is not None else world.challengers
            made = [candidate(10 * at + k, 400 + 50 * k) for k in range(3)]
            entries = [entry(one, 400.0 + 50 * k) for k, one in enumerate(made)]
            for one in made:
                table.student(sha_of(one), truth)
            # A ledger of its own for every night is an account that is never spent: each look at the whole level.
            ledger = Ledger(Path(folder) if paid else Path(folder) / str(at))
            policy = POLICY if paid else Policy(**{**_fields(POLICY), "looks": 1})
            found, _, decided = night(table, entries, champion, ledger, policy)
            outcomes.append(decided.outcome)
            if found.refused:  # and so are all that follow: the table only grows
                outcomes += ["inconclusive"] * (nights - at)
                break
            certified = any(one.decision == "PASS" for one in found.shortlist)
            drifted = world.drift is not None and turned
            false |= certified and truth >= LIMIT
            false |= decided.outcome == "drift" and not drifted
            right = decided.outcome == ("drift" if world.drift is not None else "proposes")
            if found_at is None and turned and right:
                found_at = at - world.turn
            table.drop([sha_of(champion.candidate)])
    return {"false": bool(false), "outcomes": dict(Counter(outcomes)), "found_after": found_at}


def _fields(policy: Policy) -> dict[str, Any]:
    return {name: getattr(policy, name) for name in policy.__dataclass_fields__}


def run(months: int, nights: int) -> dict[str, Any]:
    """Every world, paid and unpaid."""
    rows = []
    with ProcessPoolExecutor() as pool:
        for name, world in WORLDS.items():
            for paid in (True, False) if name == "at the limit" else (True,):
                one = partial(month, world=world, nights=nights, paid=paid)
                start = time.monotonic()
                seen = list(pool.map(one, range(1, months + 1), chunksize=4))
                outcomes = sum((Counter(m["outcomes"]) for m in seen), Counter())
                sought = name in {"a better student", "drift"}
                after = [m["found_after"] for m in seen if sought and m["found_after"] is not None]
                false = sum(m["false"] for m in seen)
                rows.append(
                    {
                        "world": name,
                        "account": "ten looks" if paid else "every night at the whole alpha",
                        "false_months": false,
                        "share": false / months,
                        "standard_error": float(np.sqrt(max(false, 1) / months * (1 - false / months) / months)),
                        "found": len(after) / months if sought else None,
                        "median_nights_to_find": float(np.median(after)) if after else None,
                        "outcomes": dict(outcomes),
                        "seconds": round(time.monotonic() - start, 1),
                    }
                )
                print(json.dumps(rows[-1]), file=sys.stderr)
    settings = {"months": months, "nights": nights, "looks": LOOKS, "alpha": round(POLICY.alpha, 6), "limit": LIMIT,
                "rows_a_night": BLOCK, "challengers": 3, "churn": CHURN}  # fmt: skip
    return {"settings": settings, "worlds": {k: asdict(w) for k, w in WORLDS.items()}, "results": rows}


def page(found: dict[str, Any]) -> str:
    """The result as Markdown."""
    said = found["settings"]
    lines = [
        "# Two hundred simulated months of nights",
        "",
        f"`python benchmarks/nightly_months.py`: {said['months']} months of {said['nights']} nights, "
        f"{said['rows_a_night']} new audit rows and {said['challengers']} new challengers a night, limit "
        f"{100 * said['limit']:g} points, α = {said['alpha']:g}, {said['looks']} looks. A month is false if any "
        "student at or beyond the limit was certified, or drift was said of a champion within it.",
        "",
        "| world | account | false months | right event found | nights until then (median) | outcomes |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["results"]:
        share = f"{100 * row['share']:.1f} % ± {100 * row['standard_error']:.1f}"
        hit = "–" if row["found"] is None else f"{100 * row['found']:.0f} %"
        after = "–" if row["found"] is None else f"{row['median_nights_to_find']:g}"
        outcomes = ", ".join(f"{name} {many}" for name, many in sorted(row["outcomes"].items()))
        lines.append(f"| {row['world']} | {row['account']} | {share} | {hit} | {after} | {outcomes} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write ``results/nightly_months.json`` and ``.md``."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--months", type=int, default=200)
    asked.add_argument("--nights", type=int, default=30)
    given = asked.parse_args()
    found = run(given.months, given.nights)
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / "nightly_months.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (folder / "nightly_months.md").write_text(page(found), encoding="utf-8")
    print(page(found))


if __name__ == "__main__":
    main()
