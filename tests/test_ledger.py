"""The ledger: any changed byte is found, a torn line is named, and a set of rows has one level to spend."""

import json
import subprocess
import sys
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodistill.errors import LedgerError
from autodistill.ledger import START, Ledger, Look, accounts, cost, row_hashes

AT = "2026-01-02T03:04:05Z"


def filled(root: Path, count: int = 4) -> Ledger:
    ledger = Ledger(root)
    for number in range(count):
        ledger.append("policy", {"sha256": f"{number:064x}", "name": "é", "share": 0.05, "n": number}, at=AT)
    return ledger


def rows(*numbers: int) -> np.ndarray:
    return np.array([f"row-{number}" for number in numbers])


def look(ledger: Ledger, where: np.ndarray, shortlist: str = "a", looks: int = 1, policy: str = "p") -> Look:
    return ledger.look(where, policy=policy, shortlist=shortlist, looks=looks, alpha=0.05, at=AT)


def test_the_chain_is_what_it_says(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    previous = START
    for index, text in enumerate(ledger.path.read_text().splitlines()):
        record = json.loads(text)
        own = record.pop("sha256")
        body = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert sha256(body.encode()).hexdigest() == own
        assert (record["index"], record["previous"], record["at"]) == (index, previous, AT)
        previous = own
    assert ledger.head() == (3, previous)
    assert ledger.verify() == []
    assert [line.data["n"] for line in ledger.lines("policy")] == [0, 1, 2, 3]
    assert ledger.lines("look") == ()


def test_an_empty_ledger(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "reports")
    assert (ledger.lines(), ledger.head(), ledger.verify()) == ((), (-1, START), [])
    assert ledger.repair("Ada") == ()
    assert ledger.append("signature", {}).at.endswith("Z")
    with pytest.raises(ValueError, match="is none of"):
        ledger.append("party", {})  # type: ignore[arg-type]


def test_any_flip_of_any_byte_is_found(tmp_path: Path) -> None:
    ledger = filled(tmp_path, 3)
    data = ledger.path.read_bytes()
    for place in range(len(data)):
        for bit in (0, 3, 5):
            ledger.path.write_bytes(data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :])
            assert ledger.verify() != [], (place, bit)
    ledger.path.write_bytes(data)
    assert ledger.verify() == []


def test_removed_moved_and_forged_lines_are_found(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    for changed in (lines[1:], lines[:1] + lines[2:], [lines[0], lines[2], lines[1], lines[3]], [*lines, lines[3]]):
        ledger.path.write_bytes(b"".join(changed))
        assert any("does not follow" in fault for fault in ledger.verify())
        with pytest.raises(LedgerError, match="does not follow"):
            ledger.append("policy", {})
    spaced = lines[0].replace(b'"at":', b'"at": ')
    ledger.path.write_bytes(spaced + b"".join(lines[1:]))
    assert ledger.verify() == ["line 1 was changed: its bytes do not have their digest"]
    ledger.path.write_bytes(b"".join(lines).replace(b'"format":1', b'"format":7'))
    assert ledger.verify()[0] == "line 1 has format 7, not 1"


def test_a_torn_last_line_is_refused_until_repaired(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    data = ledger.path.read_bytes()
    start = data[:-1].rfind(b"\n") + 1
    for cut in range(start + 1, len(data)):
        ledger.path.write_bytes(data[:cut])
        assert len(ledger.verify()) == 1
        with pytest.raises(LedgerError, match=f"the last line is torn .{cut - start} bytes after line 3"):
            ledger.append("policy", {})
        (said,) = ledger.repair("Ada")
        assert said.startswith(f"dropped {cut - start} bytes after line 3: ")
        assert data[start:cut].decode(errors="replace") in said
        assert ledger.path.read_bytes() == data[:start]
    assert ledger.repair("Ada") == ()
    assert ledger.append("policy", {"n": 9}).index == 3


def test_once_writes_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    first = ledger.once("policy", {"sha256": "x", "values": (1, 2.0)})
    assert ledger.once("policy", {"sha256": "x", "values": (1, 2.0)}) == first
    assert ledger.once("shortlist", {"sha256": "x", "values": (1, 2.0)}).index == 1
    assert len(ledger.lines()) == 2


APPEND = """
import sys
from pathlib import Path
from autodistill.ledger import Ledger
for number in range(25):
    Ledger(Path(sys.argv[1])).append("signature", {"by": sys.argv[2], "number": number})
"""


def test_two_processes_append_at_once(tmp_path: Path) -> None:
    both = [subprocess.Popen([sys.executable, "-c", APPEND, str(tmp_path), name]) for name in ("a", "b")]
    assert [process.wait() for process in both] == [0, 0]
    ledger = Ledger(tmp_path)
    assert ledger.verify() == []
    for name in ("a", "b"):
        assert [line.data["number"] for line in ledger.lines() if line.data["by"] == name] == list(range(25))


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file where the folder should be")
    with pytest.raises(LedgerError, match="the folder cannot be written"):
        Ledger(tmp_path / "reports").append("policy", {})


def test_one_look_spends_all_and_the_same_again_is_free(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    first = look(ledger, rows(1, 2, 3))
    assert first == Look(share=0.05, spent=0.05, replay=False, account=0, index=1, used=0, accounts=1)
    again = look(ledger, rows(3, 2, 1, 1))
    assert again == Look(share=0.05, spent=0.05, replay=True, account=0, index=1, used=0, accounts=1)
    assert len(ledger.lines()) == 1
    for other in ({"shortlist": "b"}, {"policy": "q"}, {"looks": 10, "shortlist": "c"}):
        with pytest.raises(LedgerError, match=r"read 1 times before and their level is spent .* it needs fresh rows"):
            look(ledger, rows(3, 4), **other)
    fresh = look(ledger, rows(4, 5), shortlist="b")
    assert (fresh.account, fresh.index, fresh.accounts, fresh.used) == (1, 1, 2, 0)


def test_a_policy_with_several_looks(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    spent = [look(ledger, rows(1, 2, night), f"night-{night}", looks=3) for night in (3, 4, 5)]
    assert [one.share for one in spent] == [0.05 / 3] * 3
    assert [one.index for one in spent] == [1, 2, 3]
    assert [one.used for one in spent] == [0, 2, 2]
    assert [one.spent for one in spent] == pytest.approx([0.05 / 3, 0.1 / 3, 0.05])
    with pytest.raises(LedgerError, match="needs fresh rows"):
        look(ledger, rows(2), "night-6", looks=3)
    assert look(ledger, rows(2, 1, 4), "night-4", looks=3).replay


def test_two_accounts_that_a_third_look_joins_are_one(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    look(ledger, rows(1), "a", looks=3)
    look(ledger, rows(2), "b", looks=3)
    third = look(ledger, rows(1, 2), "c", looks=3)
    assert (third.account, third.index, third.used, third.accounts) == (0, 3, 2, 1)
    assert third.spent == pytest.approx(0.05)
    with pytest.raises(LedgerError, match="read 3 times"):
        look(ledger, rows(1), "d", looks=3)


def test_openings_have_accounts_of_their_own_and_count_used_rows(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    look(ledger, rows(1, 2, 3))
    for number in (1, 2, 3):
        opening = ledger.opening(rows(3, 4), policy="p", candidate=str(number), openings=3, alpha=0.05, at=AT)
        assert (opening.index, opening.share) == (number, 0.05 / 3)
        assert opening.used == (1 if number == 1 else 2)
    with pytest.raises(LedgerError, match="rows of this opening were read 3 times"):
        ledger.opening(rows(4), policy="p", candidate="4", openings=3, alpha=0.05)


def test_rows_kept_beside_the_ledger_are_checked(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    look(ledger, rows(1, 2, 3))
    (kept,) = (tmp_path / ".looks").iterdir()
    data = kept.read_bytes()
    kept.write_bytes(data[:-1] + b"x")
    assert "do not have the digest" in ledger.verify()[0]
    with pytest.raises(LedgerError, match="do not have the digest"):
        look(ledger, rows(7), "b")
    kept.unlink()
    assert "missing" in ledger.verify()[0]
    kept.write_bytes(data)
    assert ledger.verify() == []


def test_what_a_look_cost_in_words(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    said = []
    for rows_of, shortlist in ((rows(1, 2), "a"), (rows(2), "b"), (rows(9), "c"), (rows(2), "b")):
        one = look(ledger, rows_of, shortlist, looks=2)
        said.append(cost({**asdict(one), "looks": 2, "alpha": 0.05}))
    assert said == [
        "look 1 of 2 on these rows, spent 0.025 of 0.05, 1 account",
        "look 2 of 2 on these rows, spent 0.025 of 0.05, 1 account; 0.05 spent in all",
        "look 1 of 2 on these rows, spent 0.025 of 0.05, 2 accounts",
        "look 2 of 2 on these rows, spent 0.025 of 0.05, 2 accounts; 0.05 spent in all; paid for before, so free",
    ]


def test_row_hashes_take_text_and_bytes() -> None:
    text = row_hashes(np.array(["aa", "bb", "aa"]))
    assert text.tolist() == sorted(int(sha256(one).hexdigest()[:16], 16) for one in (b"aa", b"bb"))
    assert row_hashes(np.array([b"aa", b"bb"])).tolist() == text.tolist()
    assert row_hashes(np.array(["bb", "aa"], dtype=object)).tolist() == text.tolist()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.frozensets(st.integers(0, 12), max_size=4), max_size=7))
def test_accounts_are_the_components_of_sharing(sets: list[frozenset[int]]) -> None:
    labels = accounts.components([np.array(sorted(one), dtype="<u8") for one in sets])
    linked = {(i, j): bool(a & b) or i == j for i, a in enumerate(sets) for j, b in enumerate(sets)}
    for k in range(len(sets)):  # Warshall: the closure of sharing
        for i in range(len(sets)):
            for j in range(len(sets)):
                linked[i, j] = linked[i, j] or (linked[i, k] and linked[k, j])
    for (i, j), together in linked.items():
        assert (labels[i] == labels[j]) == together
