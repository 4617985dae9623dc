"""The machine's own signature: what a finished run found, over the digests of its files."""

import getpass
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from autodistill import __version__, report, signoff, spec
from autodistill.errors import RunError, SignatureError
from autodistill.ledger import Ledger
from autodistill.records import Finding, digest, encode, file_digest
from autodistill.records.trust import Trust
from autodistill.report import signed as signing
from autodistill.run.folder import write_whole

TRUST = Path("policies/trust.yaml")
STATEMENTS = "statements"
FACTS, SEALED = f"{STATEMENTS}/facts.dsse.json", f"{STATEMENTS}/sealed.dsse.json"
RECORDS = (
    "report.json", "student.onnx", "teacher.onnx", "spec.yaml", "policy.yaml", "rows.parquet", "sealed.parquet",
    "readings.json", "journal.jsonl", "rows_to_read.csv",
)  # fmt: skip
TESTED = ("student.onnx", "predictions.search.parquet", "predictions.audit.parquet")
"""What is kept of each candidate that was tested."""
VIEWS = ("report.html", "front.png", "candidates.csv", "README.md", "bom.cdx.json")
"""Made from report.json, and made again at will: the ledger holds their digests, the statement does not."""


def now() -> str:
    """This moment, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


CLAIMED = "the word of its environment (AUTODISTILL_RUN_BY), not proven"
ACCOUNT = "the account that its process ran under"


def person() -> dict[str, str]:
    """Who runs this process, by its own word: ``AUTODISTILL_RUN_BY``, or the account's name. ``by_from`` says which,
    and ``account`` is the account's name in either case."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):
        account = ""
    said = os.environ.get("AUTODISTILL_RUN_BY")
    return {"by": said or account or "unknown", "by_from": CLAIMED if said else ACCOUNT, "account": account}


def book(root: Path | None = None, trust: Path = TRUST) -> Ledger:
    """The project's ledger, each of its lines vouched for by this machine's auditor; it goes on behind a head of its
    own, or of another auditor that ``trust`` lists."""
    auditor = signoff.Auditor(lambda: spec.load_trust(trust) if trust.is_file() else Trust())
    return Ledger(root or Path("reports"), auditor)


def records_of(folder: Path, found: Mapping[str, Any]) -> dict[str, str]:
    """Name -> SHA-256 of what a run rests on: its records, and the files of the candidates that were tested."""
    names = [name for name in RECORDS if (folder / name).is_file()]
    for one in found.get("shortlist") or ():
        home = folder / "candidates" / str(one["key"])
        files = (home / name for name in TESTED)
        names += [path.relative_to(folder).as_posix() for path in files if path.is_file()]
    return {name: file_digest(folder / name) for name in sorted(set(names))}


def attest(folder: Path, found: Mapping[str, Any], ledger: Ledger) -> tuple[str, ...]:
    """Sign the facts of a finished run and write it down; notes where that could not be done (the run stands)."""
    try:
        key = signoff.auditor()
        index, head = ledger.head()
        files = records_of(folder, found)
        policy = found.get("policy") or {}
        more = {
            "version": __version__,
            "run": found["name"],
            "kind": found.get("kind", "search"),
            "created": found.get("created"),
            "at": now(),
            **person(),
            "ledger": {"index": index, "sha256": head},
            "certified": found.get("certified"),
            "finalist": found.get("finalist"),
            "data": dict((found.get("data") or {}).get("digests") or {}),
            "teacher": (found.get("teacher") or {}).get("digest"),
            "environment": digest(encode(found.get("environment") or {})),
            "policy": {"name": policy.get("name"), "version": policy.get("version"), "sha256": policy.get("sha256")},
            "policy_came_after": "rejudged" in found,
        }
        configuration: dict[str, str] = {name: files[name] for name in ("policy.yaml", "spec.yaml") if name in files}
        findings = msgspec.convert(found.get("findings") or [], list[Finding])
        statement = signoff.facts(files, found["verdict"]["decision"], findings, configuration, more)
        sealed = signoff.seal(statement, key)
    except (SignatureError, OSError) as fault:
        return (f"The facts of this run are not signed: {fault}",)
    write_whole(folder / FACTS, sealed)
    line = {"what": "facts", "run": found["name"], "report": files["report.json"], "statement": digest(sealed)}
    ledger.once("signature", line | {"key": signoff.key_id(signoff.public_text(key))})
    rendered(folder, ledger)
    return ()


def rendered(folder: Path, ledger: Ledger) -> None:
    """Make the pages and papers of a signed run from its record and its statements, and write their digests down."""
    if not (folder / FACTS).is_file():
        return
    found, signed = report.read(folder), statements(folder, ledger)
    signing.write_page(folder, found, signed)
    signing.write_papers(folder, found, signed)
    views = {name: digest((folder / name).read_bytes()) for name in VIEWS if (folder / name).is_file()}
    ledger.append("rendered", {"report": digest((folder / "report.json").read_bytes()), "files": views})


def known(ledger: Ledger) -> set[str]:
    """The digests of all statements that the ledger names."""
    lines = (*ledger.lines("signature"), *ledger.lines("revocation"))
    return {str(line.data["statement"]) for line in lines if "statement" in line.data}


def statements(folder: Path, ledger: Ledger) -> list[dict[str, Any]]:
    """The statements beside a run that the ledger names, in order of their moment: what a page shows. Of any other
    file there only its name is shown: anybody can put it there."""
    named = known(ledger)
    out: list[dict[str, Any]] = []
    for path in sorted((folder / STATEMENTS).glob("*.dsse.json")):
        try:
            if not path.is_file():  # reading a pipe would wait for ever
                raise SignatureError("it is no file")
            data = path.read_bytes()
            if digest(data) not in named:
                raise SignatureError("the ledger does not know this file")
            out.append({"file": path.name, "sha256": digest(data), **signoff.peek(data)})
        except (OSError, SignatureError) as fault:
            out.append({"file": path.name, "sha256": "", "broken": str(fault)})
    return sorted(out, key=lambda one: (_moment(one), one["file"]))


def refuse_decided(folder: Path, ledger: Ledger) -> None:
    """RunError where somebody has decided about the report in this folder: it stays what the decision is about."""
    path = folder / "report.json"
    sha = digest(path.read_bytes()) if path.is_file() else ""
    named = (line.data for line in ledger.lines("signature"))
    if any(one.get("what") == "decision" and one["report"] == sha for one in named) or any(
        (folder / STATEMENTS).glob("decision-*.dsse.json")
    ):
        what = "holds a report that somebody has decided about, and another one would replace it"
        raise RunError(what, where=str(folder), do="give the new one a folder of its own with --out DIR")


def _moment(statement: Mapping[str, Any]) -> str:
    said = statement.get("predicate") or {}
    return str(said.get("at") or (said.get(signoff.OURS) or {}).get("at") or "")
