"""A project folder with one small search that Ada approved, and how tests sign in it and verify it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import small_run

from autodistill import cli, signoff, spec
from autodistill.records import decode, encode
from autodistill.run import attest, verifying

RUN = Path("reports") / "small"


def project(recorded: small_run.Run, root: Path) -> Path:
    """A copy of the search in a folder of its own, approved by Ada; her key and the trust file beside."""
    shutil.copytree(recorded.root / "reports", root / "reports")
    trust(root, [("Ada", "approver", signoff.make(root / "ada.pem"))])
    assert at(root, "sign", "reports/small", *ada("approved")) == 0
    return root


def trust(root: Path, people: list[tuple[str, str, Any]], auditor: Any = None) -> None:
    """A trust file with this machine's auditor (or another) and these people."""
    lines = [("auditor", "auditor", auditor or signoff.auditor()), *people]
    text = "keys:\n" + "".join(
        f"  - {{name: {name}, role: {role}, public: '{signoff.public_text(key)}'}}\n" for name, role, key in lines
    )
    (root / "policies").mkdir(exist_ok=True)
    (root / "policies" / "trust.yaml").write_text(text)


def ada(decision: str, *more: str, by: str = "Ada") -> tuple[str, ...]:
    """What Ada adds to ``sign RUN``."""
    return ("--key", "ada.pem", "--by", by, "--role", "model risk", "--decision", decision, *more)


def inside(root: Path, work: Callable[[], Any]) -> Any:
    """Something done in a folder."""
    before = Path.cwd()
    os.chdir(root)
    try:
        return work()
    finally:
        os.chdir(before)


def at(root: Path, *arguments: str) -> int:
    """One verb, run in a folder; its exit code."""
    code: int = inside(root, lambda: cli.main(arguments))
    return code


def asked(root: Path, **more: Any) -> signoff.Asked:
    """What a verifier supplies in this project."""
    known = spec.load_trust(root / "policies" / "trust.yaml")
    return signoff.Asked(**({"trust": known, "root": root / "reports", "now": attest.now()} | more))


def refused(root: Path, run: Path = RUN, **more: Any) -> dict[str, str]:
    """What does not hold, and why; empty for a valid run."""
    return {one.what: one.why for one in verifying.folder(root / run, asked(root, **more)) if not one.ok}


def unproven(root: Path, run: Path = RUN) -> dict[str, str]:
    """As ``refused``, of the facts alone."""
    return {one.what: one.why for one in verifying.facts(root / run, asked(root)) if not one.ok}


def restated(root: Path, change: Callable[[dict[str, Any]], Any], run: Path = RUN) -> dict[str, str]:
    """What is refused where the auditor's own key signed a report that was changed: by what follows from the rest. Its
    pages are as they were."""
    path = root / run / "report.json"
    found = decode(path.read_bytes(), dict[str, Any])
    change(found)
    path.write_bytes(encode(found))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(attest, "rendered", lambda *_: None)
        assert inside(root, lambda: attest.attest(root / run, found, attest.book(root / "reports"))) == ()
    return unproven(root, run)
