"""Nights: rows keep their splits, one of five outcomes, thirty simulated nights, and a few that really train."""

import importlib.util
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import signed_run
import small_run
from filelock import FileLock

from autodistill import cli, records, signoff, spec, track
from autodistill.data import DataSpec
from autodistill.data.kept import Growth, load_kept
from autodistill.errors import RunError, SignatureError, SpecError, TableError, UserError
from autodistill.nightly import champion, conducting, delta, notifying, recorded, scheduling, warm, working
from autodistill.nightly.deciding import Challenger, Champion, Cost, Seen, decide
from autodistill.nightly.recorded import Plan, Record, Student
from autodistill.nightly.working import Asked, Worked
from autodistill.records import SPLITS, Dataset, Entry, plain
from autodistill.run import attest
from autodistill.run.unattended import Night

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


def _months() -> Any:
    """The simulated tables of the benchmark."""
    path = Path(__file__).parents[1] / "benchmarks" / "nightly_months.py"
    made = importlib.util.spec_from_file_location("nightly_months", path)
    assert made is not None
    assert made.loader is not None
    module = importlib.util.module_from_spec(made)
    sys.modules["nightly_months"] = module  # dataclasses look their module up
    made.loader.exec_module(module)
    return module


months = _months()


# Rows keep their splits.


def people(rows: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age, hours = rng.uniform(18, 80, rows).round(3), rng.uniform(0, 60, rows).round(3)
    return pd.DataFrame(
        {"age": age, "hours": hours, "who": [f"p{at}" for at in range(rows)], "yes": rng.integers(0, 2, rows)}
    )


def see(table: pd.DataFrame, root: Path, date: str, **more: Any) -> tuple[Dataset, Growth]:
    table.to_parquet(root / "table.parquet", index=False)
    asked = DataSpec(**({"table": root / "table.parquet", "target": "yes"} | more))
    return load_kept(asked, 0, root / "splits.parquet", date)


def placed(found: Dataset) -> dict[str, str]:
    return {str(found.row_digests[at]): name for name in SPLITS for at in found.splits[name]}


def test_a_row_keeps_its_first_split_and_the_shares_hold(tmp_path: Path) -> None:
    table = people(400)
    first, growth = see(table, tmp_path, "2024-01-01", drop=("who",))
    assert (growth.first, growth.rows) == (True, 400)
    before = placed(first)
    for day in range(2, 12):
        table = pd.concat([table, people(7, seed=day)]).sample(frac=1, random_state=day)
        found, growth = see(table, tmp_path, f"2024-01-{day:02d}", drop=("who",))
        now = placed(found)
        assert {row: now[row] for row in before} == before
        assert (growth.first, growth.rows, growth.vanished) == (False, 7, 0)
        before = now
    counts = [len(found.splits[name]) for name in SPLITS]
    assert counts == pytest.approx([0.4 * 470, 0.15 * 470, 0.225 * 470, 0.225 * 470], abs=4)


def test_the_first_night_deals_as_a_search_does(tmp_path: Path) -> None:
    from autodistill import data

    found, _ = see(people(300), tmp_path, "2024-01-01", drop=("who",))
    plain_load = data.load(DataSpec(table=tmp_path / "table.parquet", target="yes", drop=("who",)), 0)
    assert placed(found) == placed(plain_load)
    assert found.digests == plain_load.digests


def test_equal_rows_and_entities_follow_the_row_they_belong_to(tmp_path: Path) -> None:
    table = people(200)
    old = placed(see(table, tmp_path, "2024-01-01", entity="who")[0])
    more = pd.concat([people(30, seed=9).assign(who=table["who"][:30]), table[30:60].assign(who="new " + table["who"])])
    found, growth = see(pd.concat([table[60:], more]), tmp_path, "2024-01-02", entity="who")
    assert growth.vanished == 60  # and yet known: the new rows follow rows that are gone
    alone, _ = see(table, tmp_path, "2024-01-03", entity="who")  # they come back as what they were
    now = placed(found)
    assert placed(alone) == old
    digests = {str(row): at for at, row in enumerate(alone.row_digests)}
    split_of = {at: old[row] for row, at in digests.items()}
    fresh = list(map(str, found.row_digests[-60:]))
    assert [now[row] for row in fresh] == [split_of[at] for at in range(60)]


def test_a_row_that_ties_two_splits_is_left_out(tmp_path: Path) -> None:
    table = people(100)
    first, _ = see(table, tmp_path, "2024-01-01", entity="who")
    split = {at: name for name in SPLITS for at in first.splits[name]}
    trained, audited = (next(at for at in range(100) if split[at] == name) for name in ("train", "audit"))
    tie = table.iloc[[trained]].assign(who=table["who"][audited])
    found, growth = see(pd.concat([table, tie]), tmp_path, "2024-01-02", entity="who")
    assert growth.new[""] == 1
    assert any("left out" in note for note in growth.notes)
    assert 100 not in np.concatenate([found.splits[name] for name in SPLITS])
    again, growth = see(pd.concat([table, tie]), tmp_path, "2024-01-03", entity="who")
    assert placed(again) == placed(found)
    assert growth.rows == 0


def test_what_would_forget_the_splits_is_refused(tmp_path: Path) -> None:
    table = people(100).assign(part=np.resize(SPLITS, 100))
    see(table, tmp_path, "2024-01-01", split="part", drop=("who",))
    with pytest.raises(TableError, match=r"split column moves 1 rows.*keeps its first split"):
        see(table.assign(part=["audit", *table["part"][1:]]), tmp_path, "2024-01-02", split="part", drop=("who",))
    with pytest.raises(TableError, match=r"columns are not those of the nights before \(height\)"):
        see(table.assign(height=1.0), tmp_path, "2024-01-02", split="part", drop=("who",))
    (tmp_path / "splits.parquet").write_bytes(b"PAR1")
    with pytest.raises(TableError, match="cannot be read"):
        see(table, tmp_path, "2024-01-02", split="part", drop=("who",))


def test_a_search_before_the_first_night_keeps_its_rows(tmp_path: Path) -> None:
    """Its student may be signed off: what it trained on never audits it."""
    table = people(200)
    table.to_parquet(tmp_path / "table.parquet", index=False)
    asked = DataSpec(table=tmp_path / "table.parquet", target="yes", drop=("who",))
    other = {f"{at:016x}": "audit" for at in range(5)}  # of another table: no row of it is here
    found, _ = load_kept(asked, 0, tmp_path / "all.parquet", "2024-01-01", other)
    trained = {row for row, name in placed(found).items() if name == "train"}
    held = {row: name for row, name in placed(found).items() if name != "train"}
    pd.concat([table, people(20, seed=5)]).to_parquet(tmp_path / "table.parquet", index=False)
    grown, growth = load_kept(asked, 0, tmp_path / "splits.parquet", "2024-01-02", held)
    now = placed(grown)
    assert growth.first
    assert {row: now[row] for row in held} == held
    assert {row for row, name in now.items() if name == "train"} > trained


# The outcome.

SMALL, LARGE = (Cost(value=v, low=v, high=v, unit="B") for v in (1000.0, 2000.0))
STANDS = Champion(sha256="a", decision="PASS", cost=LARGE)
BETTER = Challenger(key="k", sha256="b", cost=SMALL, worse_by=-0.01)

NIGHTS: dict[str, tuple[Seen, str, str | None]] = {
    "nothing at all": (Seen(), "kept", None),
    "first": (Seen(challenger=replace(BETTER, worse_by=None)), "proposes", "k"),
    "undecided, nobody stands": (Seen(open=True), "inconclusive", None),
    "undecided, one stands": (Seen(champion=STANDS, open=True), "kept", None),
    "smaller": (Seen(champion=STANDS, challenger=BETTER), "proposes", "k"),
    "smaller, no more accurate": (Seen(champion=STANDS, challenger=replace(BETTER, worse_by=0.0)), "proposes", "k"),
    "smaller, certified worse": (Seen(champion=STANDS, challenger=replace(BETTER, worse_by=1e-9)), "kept", None),
    "smaller, not compared": (Seen(champion=STANDS, challenger=replace(BETTER, worse_by=None)), "kept", None),
    "same size": (Seen(champion=STANDS, challenger=replace(BETTER, cost=LARGE)), "kept", None),
    "smaller within error": (
        Seen(champion=STANDS, challenger=replace(BETTER, cost=Cost(value=1500.0, low=900.0, high=2000.0))),
        "kept",
        None,
    ),
    "unread": (Seen(champion=STANDS, challenger=replace(BETTER, cost=Cost(value=None))), "kept", None),
    "itself": (Seen(champion=STANDS, challenger=replace(BETTER, sha256="a")), "kept", None),
    "no longer decided": (Seen(champion=replace(STANDS, decision="INCONCLUSIVE")), "kept", None),
    "drift": (Seen(champion=replace(STANDS, decision="FAIL", failed=("x",))), "drift", None),
    "drift, replaced by a larger one": (
        Seen(
            champion=replace(STANDS, decision="FAIL", failed=("x",), cost=SMALL),
            challenger=replace(BETTER, cost=LARGE, worse_by=0.1),
        ),
        "drift",
        "k",
    ),
    "drift, itself certified": (
        Seen(champion=replace(STANDS, decision="FAIL"), challenger=replace(BETTER, sha256="a")),
        "drift",
        None,
    ),
    "spent": (Seen(champion=replace(STANDS, decision=None), refused="the level is spent"), "inconclusive", None),
    "all broke": (Seen(champion=STANDS, broke="all 3 candidates broke"), "failed", None),
    "all broke, and it drifts": (Seen(champion=replace(STANDS, decision="FAIL"), broke="all broke"), "drift", None),
}


@pytest.mark.parametrize("name", NIGHTS)
def test_each_night_has_one_outcome(name: str) -> None:
    seen, outcome, proposed = NIGHTS[name]
    found = decide(seen)
    assert (found.outcome, found.proposed) == (outcome, proposed)
    assert found.exit_code == {"kept": 0, "proposes": 0, "drift": 1, "failed": 1, "inconclusive": 3}[outcome]
    assert "\n" not in found.sentence
    if outcome == "drift":
        assert all(one in found.sentence for one in seen.champion.failed)  # type: ignore[union-attr]


def test_the_search_leaves_time_for_what_follows() -> None:
    night = Night(date="2024-01-01", dataset=None, seed=0, until=time.monotonic() + 100, reserve=12.0)  # type: ignore[arg-type]
    until = night.search_until(0.1)
    assert until is not None
    assert until - time.monotonic() == pytest.approx(80.0, abs=0.1)  # 80 s, a tenth of it waiting, 12 s of the rest
    later = night.search_until(0.1, elapsed=55.0)
    assert later is not None
    assert later - time.monotonic() == pytest.approx((88 - 5.5) / 1.1, abs=0.1)
    assert night.waiting(8.0) == 8.0
    assert night.waiting(200.0) == pytest.approx(88.0, abs=0.1)
    assert replace(night, until=None).search_until(0.1) is None


# Thirty simulated nights.

LOOKS = 12
POLICY = replace(months.POLICY, looks=LOOKS)
GOOD, BAD = 0.0, 0.06
SOME = {"value": 0.15, "low": 0.14, "high": 0.16}
Script = Mapping[int, tuple[str, str | None, list[tuple[float, float]]]]
"""Night -> outcome, who stands afterwards (the number of a candidate), the candidates' (true loss, size)."""

SCRIPT: Script = {
    1: ("inconclusive", None, [(GOOD, 800)]),  # too few rows
    2: ("proposes", "2", [(GOOD, 800)]),
    3: ("kept", "2", [(BAD, 300), (BAD, 200)]),
    4: ("kept", "2", [(BAD, 100)]),
    5: ("kept", "2", [(GOOD, 800)]),  # as good, no smaller
    6: ("proposes", "6", [(GOOD, 500), (BAD, 100)]),  # the better student
    7: ("failed", "6", []),  # the crash
    8: ("kept", "6", [(BAD, 300)]),  # without the tracking server
    9: ("kept", "6", [(GOOD, 900)]),
    10: ("kept", "6", [(0.025, 400)]),  # smaller, and close to the limit
    11: ("kept", "6", [(BAD, 300)]),
    12: ("kept", "6", [(BAD, 300)]),
    13: ("kept", "6", [(BAD, 300)]),
    14: ("inconclusive", "6", [(GOOD, 100)]),  # twelve looks are spent
    15: ("inconclusive", "6", [(GOOD, 100)]),
    16: ("kept", "6", [(BAD, 300)]),  # fresh rows: another account
    17: ("drift", "6", [(BAD, 300)]),
    18: ("drift", "18", [(GOOD, 900)]),  # and what takes its place, larger as it is
    19: ("kept", "18", [(BAD, 300)]),
    20: ("kept", "18", [(BAD, 300)]),  # two processes at once
    **dict.fromkeys(range(21, 28), ("kept", "18", [(BAD, 300)])),
    **dict.fromkeys(range(28, 31), ("inconclusive", "18", [(BAD, 300)])),
}


@contextmanager
def _inside(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A project's folder, with a cache and a key of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(root / "config"))
    with small_run.inside(root, root / "cache"):
        yield


def test_thirty_simulated_nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _inside(tmp_path, monkeypatch):
        asked = spec.load(small_run.write(tmp_path, table=small_run.ADULT))
        table = months.Table(np.random.default_rng(11))
        root = recorded.home(asked.name)
        for night, (outcome, stands, made) in SCRIPT.items():
            if night == 16:
                table.forget(len(table.y))  # a window moves on: none of these rows was looked at
            if night == 17:
                table.student(_standing(root).sha256, 0.2)
            table.grow({2: 2000, 16: 3000, 17: 1500}.get(night, 500))
            date = f"2024-05-{night:02d}"
            one = Asked(
                spec=asked, root=root, date=date, minutes=None, watch=lambda step: None, started=time.monotonic()
            )
            if night == 20:
                _two_at_once(asked.path, root, monkeypatch)
            record = conducting.conduct(one, (), work=lambda one: _simulated(one, table, night, made))  # noqa: B023
            assert record.outcome == outcome, (night, record)
            assert (root / date / "night.json").is_file()
            now = champion.kept(root)
            assert (None if now is None else str(now.candidate.number)) == stands, night
        nights = recorded.history(root)
    assert [one.outcome for one in nights if isinstance(one, Record)] == [outcome for outcome, _, _ in SCRIPT.values()]
    assert "KeyError: 'the tracks are gone'" in nights[6].sentence  # type: ignore[union-attr]
    assert "MLflow was away" in nights[7].notes[0]  # type: ignore[union-attr]
    assert (tmp_path / root / "2024-05-07" / conducting.FAULT).is_file()
    page = (tmp_path / root / "2024-05-30" / delta.FILE).read_text("utf-8")
    students = [one for night in nights if isinstance(night, Record) for one in (night.champion, night.challenger)]
    assert page.count("<circle") == 2 * sum(one is not None and one.error is not None for one in students)


def _standing(root: Path) -> champion.Kept:
    found = champion.kept(root)
    assert found is not None
    return found


def _two_at_once(file: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process is at work: one line, and nothing is changed."""
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    monkeypatch.setenv(recorded.TODAY, "2024-05-20")
    hold = "import filelock, sys\nwith filelock.FileLock(sys.argv[1]):\n print(1, flush=True)\n sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(root / ".lock")]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdin is not None
    holder.stdout.readline()
    with pytest.raises(RunError, match="another night is at work here"):
        conducting.nightly(file)
    holder.communicate()
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file() and path.name != ".lock"} == {
        path: at for path, at in before.items() if path.name != ".lock"
    }


def _simulated(asked: Asked, table: Any, night: int, made: list[tuple[float, float]]) -> Worked:
    """A night's work on a table of predictions: the project's own tests and ledger, and the report that they give."""
    if night == 7:
        raise KeyError("the tracks are gone")
    notes: tuple[str, ...] = ()
    if night == 8:
        tracker = track.Tracker(NOWHERE, "x", "x", asked.folder)
        tracker.start({})
        tracker.close(30.0)
        notes = tracker.notes
    kept = champion.standing(asked.root, asked.spec.name, attest.book(), attest.now())
    stands = None if kept is None else Entry(candidate=kept.candidate, state="finished", readings=kept.readings)
    entries = [months.entry(months.candidate(night + 100 * at, size), size) for at, (_, size) in enumerate(made)]
    for one, (loss, _) in zip(entries, made, strict=True):
        table.student(months.sha_of(one.candidate), loss)
        home = asked.folder / "candidates" / one.candidate.key
        home.mkdir(parents=True)
        (home / "student.onnx").write_bytes(one.candidate.key.encode())
    found, _, _ = months.night(table, entries, stands, attest.book(), POLICY)
    report = _report(found, entries, table, stands)
    (asked.folder / "report.json").write_bytes(records.encode(report))
    plan = Plan(date=asked.date, table="", champion=None if kept is None else plain(kept), warm=[])
    table.drop([months.sha_of(one.candidate) for one in (stands, *entries) if one is not None])
    return Worked(growth=Growth(first=night == 1, new={"audit": 500}), plan=plan, report=report, notes=notes)


def _report(found: Any, entries: list[Entry], table: Any, stands: Entry | None) -> dict[str, Any]:
    tonight: dict[str, Any] = {"date": "2024-05-01", "champion": None, "challenger": None}
    if stands is not None:
        tonight["champion"] = {
            "sha256": months.sha_of(stands.candidate), "key": stands.candidate.key,
            "candidate": plain(stands.candidate), "decision": found.stands.decision,
            "findings": plain(found.stands.found), "readings": plain(dict(stands.readings)), "error_audit": SOME,
        }  # fmt: skip
    if found.chosen is not None:
        chosen = found.chosen.entry
        tonight["challenger"] = {
            "key": chosen.candidate.key, "sha256": months.sha_of(chosen.candidate),
            "error_audit": SOME,
            "loss": None if stands is None else months.loss(table, chosen, stands),
        }  # fmt: skip
    return {
        "format": records.FORMAT, "verdict": {"decision": "PASS" if found.chosen else "INCONCLUSIVE"},
        "certified": found.chosen.entry.candidate.key if found.chosen else None,
        "finalist": None, "front": [], "teacher": {}, "controls": [], "findings": [], "cost": {"seconds": {}},
        "entries": plain(entries), "policy": {"choose": "size"}, "files": {}, "night": tonight,
        "shortlist": [{"key": one.entry.candidate.key, "order": one.order, "decision": one.decision}
                      for one in found.shortlist],
        "method": {"looks": dict(found.look or {})}, "notes": [found.refused] if found.refused else [],
    }  # fmt: skip


def test_a_month_is_seldom_false() -> None:
    """A sample of the benchmark: every claim is false at the limit; six months, all looks spent."""
    world = months.WORLDS["at the limit"]
    false = sum(months.month(seed, world, months.LOOKS)["false"] for seed in range(1, 7))
    assert false <= 2  # P(more than 2 of 6 at 5 %) = 0.2 %


# Warm starts, champions, notifications, schedules.

RECORD = Record(name="loans", date="2024-02-03", outcome="drift", sentence="the champion FAILs", exit_code=1)


def _run(folder: Path, entries: list[Entry], listed: list[str], certified: str | None) -> None:
    report = {
        "format": records.FORMAT, "verdict": {"decision": "PASS"}, "certified": certified, "finalist": certified,
        "front": [one.candidate.key for one in entries], "teacher": {}, "controls": [], "findings": [], "cost": {},
        "entries": plain(entries), "files": {}, "policy": {"choose": "size"},
        "shortlist": [{"key": key, "order": at + 1, "decision": "PASS" if key == certified else "FAIL"}
                      for at, key in enumerate(listed)],
    }  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "report.json").write_bytes(records.encode(report))


def test_a_warm_start_is_blind_to_the_audit(tmp_path: Path) -> None:
    entries = [
        months.entry(replace(months.candidate(at, 100 + at), parameters={"tree.leaves": at}), 100.0 + at)
        for at in range(1, 6)
    ]
    keys = [one.candidate.key for one in entries]
    seen = []
    for certified in (keys[2], keys[0], None):
        folder = tmp_path / str(certified)
        _run(folder, entries, [keys[3], keys[2], keys[0]], certified)
        seen.append(warm.warm([folder]))
    assert seen[0] == seen[1] == seen[2]
    assert [one["tree.leaves"] for one in seen[0]] == [4, 3, 1, 2, 5]
    assert warm.warm([tmp_path / "cut off"]) == ()
    assert len(warm.warm([tmp_path / str(keys[0])], most=2)) == 2


def _proposal(root: Path, date: str, number: int) -> str:
    """A night that proposed a student, which became the champion; its digest."""
    one = months.entry(months.candidate(number, 500), 500.0)
    run, key = root / date, one.candidate.key
    _run(run, [one], [key], key)
    (run / "candidates" / key).mkdir(parents=True)
    (run / "candidates" / key / "student.onnx").write_bytes(key.encode())
    sha = str(months.sha_of(one.candidate))
    student = Student(sha256=sha, key=key, name="")
    replace(RECORD, date=date, proposed=key, challenger=student).write(run)
    champion.crown(root, run, key, date, champion.PROPOSED)
    return sha


def test_a_signed_student_is_the_champion_while_it_is_in_force(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copy)
    root, ledger = recorded.home("small"), attest.book()
    proposed = _proposal(root, "2024-01-02", 2)
    found = champion.standing(root, "small", ledger, attest.now())
    approved = records.digest(Path("reports/small/student.onnx").read_bytes())
    assert (_sha(found), found and found.source) == (approved, champion.SIGNED_OFF)
    assert champion.standing(root, "small", ledger, attest.now()) == found  # known already, and verified again
    assert champion.signed("another", ledger, attest.now()) is None
    assert champion.signed("small", ledger, "2999-01-02T00:00:00Z") is None  # expired
    assert signed_run.at(copy, "sign", "reports/small", *signed_run.ada("revoked", "--because", "it drifts")) == 0
    found = champion.standing(root, "small", ledger, attest.now())
    assert (_sha(found), found and found.source) == (proposed, champion.PROPOSED)
    (root / "champion" / f"{proposed}.onnx").write_bytes(b"another")
    with pytest.raises(UserError, match="was changed"):
        _standing(root).stands(root)


def test_a_night_that_goes_on_asks_again_who_is_signed_off(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copy)
    root, date = recorded.home("small"), "2024-03-01"
    asked = Asked(
        spec=replace(spec.load(small_run.write(copy, table=small_run.ADULT)), name="small"),
        root=root, date=date, minutes=None, watch=lambda step: None, started=0.0,
    )  # fmt: skip

    def still(stands: champion.Kept | None) -> bool:
        plan = Plan(date=date, table="", champion=None if stands is None else plain(stands), warm=[])
        return working._still(plan, asked)

    _proposal(root, "2024-01-02", 2)
    proposed = _standing(root)
    signed = champion.standing(root, "small", attest.book(), attest.now())
    assert [still(one) for one in (signed, proposed, None)] == [True, False, False]
    _no_trust(copy)
    with pytest.raises(SignatureError, match="no trust file"):
        still(signed)
    attest.book().append("revocation", {"statements": [_decision(copy)], "student": "s"})
    assert [still(one) for one in (signed, proposed, None)] == [False, True, True]


def _decision(copy: Path) -> str:
    (path,) = copy.glob("reports/small/statements/decision-*.dsse.json")
    return records.digest(path.read_bytes())


def test_what_was_taken_back_stands_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _inside(tmp_path, monkeypatch):
        root, ledger = recorded.home("x"), attest.book()
        first, second = _proposal(root, "2024-01-01", 1), _proposal(root, "2024-01-02", 2)
        for student, stands in ((None, second), (second, first), (first, None)):
            if student is not None:
                ledger.append("revocation", {"statements": ["s"], "student": student})
            assert _sha(champion.standing(root, "x", ledger, attest.now())) == stands


def _no_trust(copy: Path) -> None:
    (copy / "policies" / "trust.yaml").unlink()


def _others_trusted(copy: Path) -> None:
    signed_run.trust(copy, [("Eve", "approver", signoff.make(copy / "eve.pem"))])


def _statement_changed(copy: Path) -> None:
    (path,) = copy.glob("reports/small/statements/decision-*.dsse.json")
    path.write_bytes(path.read_bytes().replace(b"A", b"B", 1))


def _statement_lost(copy: Path) -> None:
    (path,) = copy.glob("reports/small/statements/decision-*.dsse.json")
    path.unlink()


def _written_by_hand(copy: Path) -> None:
    """A line that approves another night's student, with no statement behind it."""
    _proposal(copy / "reports/small/nights", "2024-01-01", 1)
    report = (copy / "reports/small/nights/2024-01-01/report.json").read_bytes()
    line = {"what": "decision", "run": "small", "report": records.digest(report), "student": "s", "statement": "none",
            "decision": "approved", "until": "2999", "by": "Eve", "role": "x"}  # fmt: skip
    attest.book().append("signature", line)


def _elsewhere(copy: Path) -> None:
    shutil.move(copy / "reports/small", copy / "reports/other")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_no_trust, "no trust file says whose signature counts"),
        (_others_trusted, "does not verify.*signed by no trusted key"),
        (_statement_changed, "does not verify"),
        (_statement_lost, "does not verify"),
        (_written_by_hand, "does not verify"),
        (_elsewhere, "is of no run of these nights"),
    ],
)
def test_no_champion_is_taken_from_a_decision_that_does_not_verify(
    copy: Path, monkeypatch: pytest.MonkeyPatch, change: Any, why: str
) -> None:
    """And none in its place, although a proposal is there."""
    monkeypatch.chdir(copy)
    root = recorded.home("small")
    change(copy)
    _proposal(root, "2024-01-02", 2)
    with pytest.raises(UserError, match=why):
        champion.standing(root, "small", attest.book(), attest.now())


def test_a_night_fails_where_the_approval_does_not_verify(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is trained; the trust file may be elsewhere, and is named then."""
    monkeypatch.chdir(copy)
    toy(300, seed=1).to_parquet("toy.parquet")
    Path("toy-policy.yaml").write_text(TOY_POLICY)
    Path("toy.yaml").write_text(TOY.replace("name: toy", "name: small"))
    shutil.move("policies/trust.yaml", "keys.yaml")
    monkeypatch.setenv(recorded.TODAY, "2024-03-01")
    record = conducting.nightly("toy.yaml").record
    assert (record.outcome, record.exit_code) == ("failed", 1)
    assert "no trust file says whose signature counts" in record.sentence
    assert not (Path(record.folder) / "journal.jsonl").exists()
    assert _sha(champion.standing(recorded.home("small"), "small", attest.book(), attest.now(), Path("keys.yaml")))
    entry = scheduling.entry("cron", Path("toy.yaml"), None, Path("keys.yaml"))
    assert f"--trust {copy.resolve()}/keys.yaml" in entry


def _sha(found: champion.Kept | None) -> str | None:
    return None if found is None else found.sha256


@contextmanager
def _listening() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that takes what it is told, and its address as Apprise reads it."""
    heard: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *said: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"json://127.0.0.1:{server.server_port}/told", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_people_are_told_and_failing_to_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("apprise")
    with _listening() as (url, heard):
        notes = notifying.notify([url, "json://user:secret@127.0.0.1:9", "nothing"], RECORD)
    assert len(heard) == 1
    assert heard[0]["message"] == "loans 2024-02-03: drift: the champion FAILs"
    assert heard[0]["type"] == "failure"
    assert [note.split(" ")[1] for note in notes] == ["2", "3"]
    assert not any("secret" in note for note in notes)
    assert notifying.notify([], RECORD) == []
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert "not installed" in notifying.notify(["json://x"], RECORD)[0]


def test_addresses_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLD", "json://a json://b")
    assert notifying.addresses(["$TOLD", "${TOLD}", "mailto://c"]) == ("json://a", "json://b", "mailto://c")
    with pytest.raises(UserError, match="the environment has no LOST"):
        notifying.addresses(["$LOST"])


def test_the_nightly_block_is_closed(tmp_path: Path) -> None:
    file = small_run.write(tmp_path, table=small_run.ADULT)
    text = file.read_text(encoding="utf-8")
    file.write_text(text + "nightly: {minutes: 30, notify: [$WHERE]}\n", encoding="utf-8")
    found = spec.load(file)
    assert (found.nightly.minutes, found.nightly.notify) == (30, ("$WHERE",))
    file.write_text(text, encoding="utf-8")
    assert spec.load(file).sha256 == found.sha256
    for block, said in {
        "{minuts: 3}": "did you mean",
        "{minutes: 0}": "minutes",
        "{notify: json://x}": "a list of addresses",
        "[1]": "should be a mapping",
    }.items():
        file.write_text(f"{text}nightly: {block}\n", encoding="utf-8")
        with pytest.raises(SpecError, match=said):
            spec.load(file)


def test_the_cron_entry_runs_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder whose name a shell and cron would both misread."""
    here = tmp_path / "a 50% 'place' $HOME; rm"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "executable", "/bin/echo")
    said = scheduling.entry("cron", Path("it's.yaml"), 30.0).splitlines()
    assert said[0].startswith("#")
    assert said[1].startswith("0 2 * * * ")
    line = said[1].removeprefix("0 2 * * * ")
    assert "%" not in line.replace("\\%", "")
    subprocess.run(["/bin/sh", "-c", line.replace("\\%", "%")], check=True)
    written = (here / "reports" / "nightly.log").read_text()
    assert written == f"-m autodistill nightly {here}/it's.yaml --minutes 30\n"
    monkeypatch.setattr(sys, "executable", "/usr/bin/new\nline")
    with pytest.raises(UserError, match="line break"):
        scheduling.entry("cron", Path("x.yaml"))


def test_the_systemd_entry_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / 'a 50% "place" $X'
    here.mkdir()
    monkeypatch.chdir(here)
    said = scheduling.entry("systemd", Path("loans.yaml"))
    line = next(one for one in said.splitlines() if one.startswith("ExecStart=")).removeprefix("ExecStart=")
    words = [one.replace("%%", "%").replace("$$", "$") for one in shlex.split(line)]
    assert words == [sys.executable, "-m", "autodistill", "nightly", str(here / "loans.yaml")]
    service, timer = said.split("# ~/.config/systemd/user/autodistill-nightly-loans.timer\n")
    assert "[Timer]" in timer
    assert "WantedBy" not in service  # the timer starts it, and nothing else does
    if shutil.which("systemd-analyze"):
        unit = tmp_path / "loans.service"
        unit.write_text(service)
        done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
        assert "loans.service" not in done.stderr


def test_the_delta_page_escapes_and_fetches_nothing() -> None:
    odd = "<script>alert(1)</script>"
    student = Student(
        sha256="0" * 64, key="k", name=odd, error={"value": 0.1, "low": 0.09, "high": 0.12},
        cost={"value": 2000.0, "low": 2000.0, "high": 2000.0, "unit": "B"}, decision="FAIL",
    )  # fmt: skip
    one = replace(RECORD, champion=student, challenger=student, because=[odd], notes=[odd], sentence=odd)
    page = delta.html([replace(one, date="2024-02-02"), one])
    assert odd not in page
    assert "&lt;script&gt;" in page
    assert "http:" not in page
    assert "https:" not in page
    assert page.count("<circle") == 8
    assert len(page) < 50_000
    assert "<svg" not in delta.html([RECORD])


# Nights that really train.

TOY = """
name: toy
seed: 1
data: {table: toy.parquet, target: bought, positive: "yes", groups: [sex]}
teacher: {kind: sklearn, estimator: sklearn.tree.DecisionTreeClassifier, max_depth: 5}
student: [{family: tree, leaves: {low: 8, high: 24}}]
distill: {loss: [soft_targets, none]}
objectives: [error, size]
budget: {trials: 3}
policy: toy-policy.yaml
"""
TOY_POLICY = """
name: toy
version: "1"
choose: size
looks: 3
require:
  - {check: accuracy_loss, at_most: 0.2}
"""


def toy(rows: int, seed: int, *, turned: bool = False) -> pd.DataFrame:
    """Buyers: one rule, or after the turn the opposite one, for those of the new era."""
    rng = np.random.default_rng(seed)
    price, era = rng.normal(size=rows).round(4), (rng.normal(size=rows) + 8 * turned).round(4)
    sex = rng.choice(["F", "M"], rows)
    yes = (price > 0) ^ turned
    return pd.DataFrame({"price": price, "era": era, "sex": sex, "bought": np.where(yes, "yes", "no")})


def _night(date: str, *more: str) -> int:
    os.environ[recorded.TODAY] = date
    return cli.main(["nightly", "toy.yaml", *more])


def _said(date: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path("reports/toy/nights") / date / "night.json").read_bytes())
    return found


def _finished(folder: Path) -> list[bytes]:
    path = folder / "journal.jsonl"
    lines = path.read_bytes().split(b"\n")[1:-1] if path.exists() else []
    return [line for line in lines if (json.loads(line)["entry"] or {}).get("candidate")]


def test_real_nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Killed and gone on with, new rows without a tracking server, drift, spent looks, a table that is away."""
    pytest.importorskip("apprise")
    monkeypatch.setenv(recorded.TODAY, "2024-03-01")
    with _inside(tmp_path, monkeypatch), _listening() as (url, heard):
        monkeypatch.setenv("TOLD", url)
        Path("toy-policy.yaml").write_text(TOY_POLICY)
        first = _a_first_night(heard, capsys)
        second = _new_rows_and_no_tracking_server(first)
        _drift_and_what_follows()
        assert {one["type"] for one in heard} == {"success"}  # the later nights had nobody to tell

        capsys.readouterr()
        assert cli.main(["nightly", "toy.yaml", "--history", "--json"]) == 0
        nights = [one["outcome"] for one in json.loads(capsys.readouterr().out)]
        assert nights == ["proposes", second["outcome"], "drift", "inconclusive", "inconclusive"]
        assert cli.main(["nightly", "toy.yaml", "--history"]) == 0
        assert "3 of 3" in capsys.readouterr().out
        assert cli.main(["nightly", "toy.yaml", "--schedule", "cron"]) == 0
        assert "nightly" in capsys.readouterr().out
        assert {line.data["what"] for line in attest.book().lines("signature")} == {"facts"}  # it never signs


def _a_first_night(heard: list[Any], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    Path("toy.yaml").write_text(TOY + "nightly: {notify: [$TOLD]}\n")
    toy(900, seed=1).to_parquet("toy.parquet")
    root = Path("reports/toy/nights")
    kept = _killed(root / "2024-03-01")
    assert recorded.history(root) == ["2024-03-01"]
    assert _night("2024-03-01") == 0
    assert _finished(root / "2024-03-01")[: len(kept)] == kept
    first = _said("2024-03-01")
    assert (first["outcome"], first["rows"]["new"], first["rows"]["first"]) == ("proposes", 900, True)
    assert len(heard) == 1
    _cut_off_after_the_look(root, first)

    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert _night("2024-03-01") == 0
    assert "nothing was run again" in capsys.readouterr().err
    with FileLock(root / ".lock", is_singleton=False):
        assert _night("2024-03-02") == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    return first


def _cut_off_after_the_look(root: Path, first: dict[str, Any]) -> None:
    """As if killed before the report was written, and again before the outcome was: one night is one look."""
    night, paid = root / "2024-03-01", len(attest.book().lines("look"))
    run = json.loads((night / "run.json").read_bytes())
    (night / "run.json").write_text(json.dumps({**run, "finished": False}))
    (night / "report.json").unlink()
    for _ in range(2):
        (night / "night.json").unlink()
        shutil.rmtree(root / "champion", ignore_errors=True)
        assert _night("2024-03-01") == 0
        again = _said("2024-03-01")
        assert {name: again[name] for name in ("outcome", "proposed", "rows")} == {
            name: first[name] for name in ("outcome", "proposed", "rows")
        }
        assert again["challenger"]["sha256"] == first["challenger"]["sha256"] == _standing(root).sha256
    assert len(attest.book().lines("look")) == paid == 1


def _new_rows_and_no_tracking_server(first: dict[str, Any]) -> dict[str, Any]:
    pd.concat([toy(900, seed=1), toy(60, seed=2)]).to_parquet("toy.parquet")
    Path("toy.yaml").write_text(f"{TOY}track: {{mlflow: '{NOWHERE}'}}\n")
    assert _night("2024-03-02", "--minutes", "5") == 0
    second = _said("2024-03-02")
    assert second["outcome"] in {"kept", "proposes"}
    assert second["rows"]["new"] == 60
    assert any("MLflow was away" in note for note in second["notes"])
    assert second["looks"]["index"] == 2
    assert second["champion"]["sha256"] == first["challenger"]["sha256"]
    folder = Path("reports/toy/nights/2024-03-02")
    plan = json.loads((folder / "plan.json").read_bytes())
    recipe = plan["champion"]["candidate"]["parameters"]
    assert recipe in plan["warm"]
    assert recipe in [json.loads(one)["entry"]["candidate"]["parameters"] for one in _finished(folder)]
    return second


def _drift_and_what_follows() -> None:
    Path("toy.yaml").write_text(TOY)
    pd.concat([toy(900, seed=1), toy(60, seed=2), toy(900, seed=3, turned=True)]).to_parquet("toy.parquet")
    assert _night("2024-03-03") == 1
    third, root = _said("2024-03-03"), Path("reports/toy/nights")
    assert (third["outcome"], third["because"]) == ("drift", ["accuracy_loss/at_most"])
    assert third["challenger"] is not None
    assert third["proposed"] == third["challenger"]["key"]
    assert _standing(root).sha256 == third["challenger"]["sha256"]

    assert _night("2024-03-04") == 3  # the same rows, and their three looks are spent: nothing is trained
    assert "needs fresh rows" in _said("2024-03-04")["sentence"]
    assert not (root / "2024-03-04" / "journal.jsonl").exists()
    whole = Path("toy.parquet").read_bytes()
    Path("toy.parquet").write_bytes(whole[:1000])  # cut off by whatever writes it
    assert _night("2024-03-05") == 1
    assert _said("2024-03-05")["outcome"] == "failed"
    assert "toy.parquet" in _said("2024-03-05")["sentence"]
    Path("toy.parquet").write_bytes(whole)
    assert _night("2024-03-05") == 3  # a night that broke may be tried again
    assert _said("2024-03-05")["attempts"] == 2


def _killed(folder: Path) -> list[bytes]:
    """A night that is killed once a candidate of it is finished; what was finished."""
    process = subprocess.Popen(
        [sys.executable, "-m", "autodistill", "nightly", "toy.yaml"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    until = time.monotonic() + 90
    while not _finished(folder) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, process.stderr and process.stderr.read()
    if process.stderr is not None:
        process.stderr.close()
    assert not (folder / "night.json").exists()
    return _finished(folder)
