"""A finished run judged again under another policy: without training, without its teacher.

The new policy's digest, its shortlist and the look stand in the ledger before an audit row is read. The run's own
report stays as it is; the new one is ``policies/<digest>/`` in the run's folder, whole or not at all.
"""

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autodistill import journal, report, spec
from autodistill.errors import RunError, SpecError
from autodistill.ledger import Ledger, row_hashes
from autodistill.records import Policy, digest
from autodistill.run import attest, rejudged_audit, rejudged_search
from autodistill.run.finished import STUDENT
from autodistill.run.folder import read_run, write_whole
from autodistill.run.found import Found
from autodistill.run.looked import ROWS, row_digests
from autodistill.run.progress import Progress, Watch, silent

FOLDER = "policies"


@dataclass(frozen=True, kw_only=True)
class Rejudged(Found):
    """The report under the other policy and where it is. ``own``: it is the policy that the run was made under;
    ``again``: this judgement was there already and cost nothing."""

    own: bool = False
    again: bool = False


def rejudge(run: str | Path, policy: str | Path, *, out: str | Path | None = None, watch: Watch = silent) -> Rejudged:
    """Judge a finished search or audit again under the policy of a file; a look at its audit rows is paid for.

    The same again is a replay and free. Where the rows' level is spent nothing of them is read, and the verdict is
    INCONCLUSIVE. Raises a ``UserError`` where the run, the policy or the ledger is not what this needs.
    """
    folder, path = Path(run), Path(policy)
    found, rules = report.read(folder), spec.load_policy(path)
    if "rejudged" in found:
        raise RunError("is itself a judgement made again", where=str(folder), do="name the run that it is of")
    if rules.sha256 == found["policy"]["sha256"]:
        return Rejudged(folder=folder, report=found, own=True)
    place = folder / FOLDER / rules.sha256[:12] if out is None else Path(out)
    with journal.lock(folder):
        _refuse_unfinished(folder, found)
        there = _there(place, found, rules)
        if there is not None:
            return Rejudged(folder=place, report=there, again=True)
        return Rejudged(folder=place, report=_judge(folder, found, rules, path, place, watch))


def _judge(
    folder: Path, found: Mapping[str, Any], rules: Policy, path: Path, place: Path, watch: Watch
) -> dict[str, Any]:
    began = time.monotonic()
    book = attest.book()
    attest.refuse_decided(place, book)
    _refuse_other_ledger(book, folder, found)
    _refuse_groups(rules, found, path)
    before = {name: found["policy"][name] for name in ("name", "version", "sha256")}
    after = {"run": str(folder), "after": before["sha256"]}
    book.once("policy", {"name": rules.name, "version": rules.version, "sha256": rules.sha256, **after})
    kind = rejudged_audit if found.get("kind") == "audit" else rejudged_search
    new, files = kind.judged(folder, found, rules, book)
    text = path.read_bytes()
    looks = new["method"]["looks"]
    new |= {
        "policy": {**new["policy"], "text": text.decode("utf-8-sig"), "path": str(path)},
        "rejudged": {
            "policy_before": before,
            "looks": looks,
            "created_before": found.get("created"),
            "verdict_before": found["verdict"]["decision"],
            "statement": _statement(found, rules),
        },
        "cost": {**found["cost"], "seconds": {"judging again": round(time.monotonic() - began, 2)}},
    }
    new["notes"] = [_statement(found, rules), *([looks["cost"]] if looks else []), *new["notes"]]
    files |= {"policy.yaml": text}
    new["files"] |= {name: digest(content) for name, content in files.items()}
    new["files"] |= _student(folder, new)
    _publish(place, new, files, _kept(folder, new))
    made = report.read(place)
    for note in attest.attest(place, made, book):
        watch(Progress(phase="report", text=note))
    return made


KEPT = ("rows.parquet", "sealed.parquet", "spec.yaml", "teacher.onnx")


def _kept(folder: Path, new: Mapping[str, Any]) -> dict[str, Path]:
    """What a decision about this judgement would rest on, so that its folder can be signed and verified by itself."""
    names = [*KEPT, *(f"candidates/{one['key']}/{name}" for one in new["shortlist"] for name in attest.TESTED)]
    out = {name: folder / name for name in names if (folder / name).is_file()}
    key = new["certified"] or new["finalist"]
    student = folder / "candidates" / str(key) / STUDENT
    return out | ({STUDENT: student} if student.is_file() else {})


def _student(folder: Path, new: Mapping[str, Any]) -> dict[str, str]:
    path = _kept(folder, new).get(STUDENT)
    return {} if path is None else {STUDENT: digest(path.read_bytes())}


def _statement(found: Mapping[str, Any], rules: Policy) -> str:
    kind = "audit" if found.get("kind") == "audit" else "search"
    before = found["policy"]
    return (
        f"The policy {rules.name} {rules.version} came after the {kind}, which was judged under {before['name']} "
        f"{before['version']}: whoever wrote it may have seen that report."
    )


def _publish(place: Path, new: Mapping[str, Any], files: Mapping[str, bytes], kept: Mapping[str, Path]) -> None:
    """Everything is made beside the place and moved there at once: a kill leaves the old or the new."""
    making = place.with_name(f".{place.name}.making")
    try:
        shutil.rmtree(making, ignore_errors=True)
        for name, content in files.items():
            write_whole(making / name, content, mode=0o600)
        for name, source in kept.items():
            _same(source, making / name)
        report.write(making, new)
        if place.exists():  # a judgement that was refused before: only its report is replaced
            for one in sorted(making.rglob("*"), key=lambda one: one.name == "report.json"):
                if one.is_file():
                    (place / one.relative_to(making)).parent.mkdir(parents=True, exist_ok=True)
                    one.replace(place / one.relative_to(making))
            shutil.rmtree(making)
        else:
            making.rename(place)
    except OSError as fault:
        raise RunError(
            f"cannot be written ({fault.strerror})", where=str(place), do="make room, or use --out"
        ) from None


def _same(source: Path, target: Path) -> None:
    """The same file under another name where the disk can; else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _there(place: Path, found: Mapping[str, Any], rules: Policy) -> dict[str, Any] | None:
    """This judgement where it was made before, unless its look was refused; RunError where something else is there."""
    if not place.exists() or (place.is_dir() and not any(place.iterdir())):
        return None
    do = "give this judgement a folder of its own with --out DIR"
    if not (place / "report.json").is_file():
        raise RunError("is not empty and holds no report", where=str(place), do=do)
    there = report.read(place)
    before = there.get("rejudged", {}).get("policy_before", {}).get("sha256")
    if (there["policy"]["sha256"], before) != (rules.sha256, found["policy"]["sha256"]):
        raise RunError("holds another report", where=str(place), do=do)
    same = there["rejudged"].get("created_before") == found.get("created")
    return there if same and there["method"]["looks"] else None


def _refuse_groups(rules: Policy, found: Mapping[str, Any], path: Path) -> None:
    """SpecError where the policy requires something of a group that the run does not have: it could never be met."""
    for one in rules.require:
        name = one.options.get("attribute")
        if name is not None and name not in found["data"]["groups"]:
            groups = ", ".join(found["data"]["groups"]) or "none"
            do = f"this run's groups: {groups}"
            raise SpecError(
                f"{one.name} is required of {name!r}, which is no group of this run", where=str(path), do=do
            )


def _refuse_unfinished(folder: Path, found: Mapping[str, Any]) -> None:
    there = read_run(folder)
    if there is None or not there.finished:
        raise RunError("is not a finished run", where=str(folder), do="give the command that made it again")
    rows, known = folder / ROWS, found["files"].get(ROWS)
    if not rows.is_file() or digest(rows.read_bytes()) != known:
        raise RunError("is missing, or is not the file that was audited", where=str(rows), do="restore it")


def _refuse_other_ledger(book: Ledger, folder: Path, found: Mapping[str, Any]) -> None:
    """A ledger that does not know of the run's own look would let the same rows be spent twice."""
    if not found["method"]["looks"]:
        return
    rows = digest(row_hashes(row_digests(folder / ROWS, "audit")).tobytes())
    own = (rows, found["policy"]["sha256"])
    if not any((line.data["rows"], line.data["policy"]) == own for line in book.lines("look")):
        raise RunError(
            "knows nothing of the look that this run paid for",
            where=str(book.path),
            do="work where the run was made (-C DIR), or restore the ledger",
        )
