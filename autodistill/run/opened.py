"""The sealed test of a signed run, verified: paid for first, signed by the auditor, its verdict recomputed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from autodistill import signoff, verdict
from autodistill.errors import SignatureError
from autodistill.ledger import Head, Ledger, Line, row_hashes
from autodistill.records import Finding, digest, file_digest
from autodistill.run import attest, vouched
from autodistill.run.looked import row_digests
from autodistill.run.vouched import content
from autodistill.signoff import Asked, Checked, Checks


def sealed(run: Path, asked: Asked) -> list[Checked]:
    """The checks of a sealed test; none where there was none."""
    checks = Checks()
    path = run / attest.SEALED
    if not path.exists():
        return []
    what = "sealed test: signed by a trusted auditor"
    with checks.guarded(what):
        data = content(path)
        statement, key = signoff.unseal(data, asked.trusted("auditor"))
        said = vouched.told(statement, signoff.TEST_RESULT)[signoff.OURS]
        if said.get("split") != "sealed":
            raise SignatureError("it is not a statement about a sealed test")
        checks.add(what, *vouched.dated(asked, key, str(said["at"])))
        book = Ledger(asked.root)
        checks.faults(
            "sealed test: on the files of this run",
            lambda: [
                *signoff.differing(signoff.digests(statement), run, file_digest),
                *vouched.written(book, asked, run, "sealed", data, (said, key)),
            ],
        )
        checks.faults(
            "sealed test: its opening came first",
            lambda: _opening(run, statement, book.lines(), vouched.before(said)),
        )
        findings = msgspec.convert(said["findings"], list[Finding])
        judged = verdict.judge(findings).decision
        checks.add("sealed test: its verdict follows from its findings", judged == said["verdict"], judged)
    return checks.done


def _opening(run: Path, statement: Mapping[str, Any], lines: Sequence[Line], head: Head) -> list[str]:
    """The opening is a line that the statement vouches for, of these rows, this policy, this student; its tests are of
    these rows, at its share."""
    files, said = signoff.digests(statement), statement["predicate"][signoff.OURS]
    rules = vouched.rules(run)
    student = [sha for name, sha in files.items() if name.endswith("student.onnx")]
    wanted = {
        "rows": digest(row_hashes(row_digests(run / "sealed.parquet", "sealed")).tobytes()),
        "policy": rules.sha256,
        "of": rules.openings,
    }
    paid = [line for line in lines[: head.index + 1] if line.kind == "opening"]
    mine = [x for x in paid if x.data["candidate"] in student and all(x.data[n] == v for n, v in wanted.items())]
    if not mine:
        return ["no line of the ledger that its statement vouches for is this opening"]
    share = rules.alpha / rules.openings
    wrong = []
    if abs(float(mine[0].data["share"]) - share) > 1e-12 or abs(float(said["look"]["share"]) - share) > 1e-12:
        wrong.append(f"the policy gives an opening {share:.4g}, another level was taken")
    for one in said["findings"]:
        if one["required"] and one["split"] not in {"sealed", "device"}:
            wrong.append(f"{one['id']} is of the {one['split']} split")
        elif one["required"] and one["split"] == "sealed" and abs(float(one["level"]) - share) > 1e-9:
            wrong.append(f"{one['id']} is at another level than the opening's")
    return wrong
