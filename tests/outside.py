"""A user's script, for type checkers: each result has the types that its documentation says. It is never run."""

from pathlib import Path

import autodistill

found = autodistill.search(Path("people.yaml"), trials=4, out="reports/people")
key: str | None = found.certified
code: int = found.exit_code
rows: int = len(found.to_pandas())
found.plot().savefig("front.png")
said: str = found.verdict.sentence
judged = autodistill.audit("said.csv", policy="policy.yaml", label="y", teacher="t", student="s", groups=["sex"])
for finding in judged.findings:
    limit: float | None = finding.limit
again = autodistill.rejudge("reports/people", "other.yaml")
own: bool = again.own
try:
    scored: int = len(autodistill.predict("reports/people", "new.csv"))
except autodistill.UserError as fault:
    way: str = fault.do
