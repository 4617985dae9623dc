"""Who may decide: an approver's key, of a person who is not the one that ran the search.

Who ran it is what that process said of itself (``AUTODISTILL_RUN_BY``, or the account's name): the auditor signs the
claim, and cannot know better. Separation of duties is as good as that.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autodistill import signoff
from autodistill.errors import SignatureError
from autodistill.records.trust import Trust
from autodistill.run import attest, vouched
from autodistill.run.vouched import content


def approver(key_id: str, trust: Trust, where: str) -> str:
    """The name of the approver whose key this is. Raises SignatureError where the trust file has no such approver, or
    the key does not hold today."""
    mine = next((one for one in trust.keys if signoff.key_id(one.public) == key_id), None)
    if mine is None:
        do = "add the line that `autodistill keygen` printed, with role: approver"
        raise SignatureError(f"key {key_id[:12]} is not in the trust file", where=where, do=do)
    if mine.role != "approver":
        raise SignatureError(f"the key of {mine.name} is an {mine.role}'s", where=where, do="sign with an approver's")
    if not mine.holds(attest.now()):
        raise SignatureError(f"the key of {mine.name} does not hold today", where=where, do="see since and until")
    return mine.name


def refuse(run: Path, by: str, owner: str) -> None:
    """SignatureError where whoever ran the search would approve it and the policy does not let them."""
    path = run / attest.FACTS
    if not path.is_file():
        raise SignatureError("the facts of this run are not signed", where=str(path), do="run its search again")
    if faults(run, {"by": by}, owner):
        do = "let somebody else decide, or set same_person_may_approve in the policy"
        raise SignatureError(f"{_ran(run)['by']} ran the search and may not approve it", where=str(run), do=do)


def faults(run: Path, said: Mapping[str, Any], owner: str) -> list[str]:
    """Whoever ran the search does not approve it, by name or by the name of the key, unless the policy lets them."""
    ran = {str(_ran(run).get(name) or "").strip().casefold() for name in ("by", "account")} - {""}
    names = {str(said["by"]).strip().casefold(), owner.strip().casefold()}
    if ran & names and not vouched.rules(run).same_person_may_approve:
        return [f"{said['by']} ran the search"]
    return []


def claimed(run: Path) -> str:
    """Who ran the search, and that this is only what its process said."""
    said = _ran(run)
    return f"the search was run by {said.get('by')}: {said.get('by_from') or 'its own word'}"


def _ran(run: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = signoff.peek(content(run / attest.FACTS))["predicate"].get(signoff.OURS) or {}
    return found
