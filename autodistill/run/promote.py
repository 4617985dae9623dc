"""Moving the alias of a registered model: only after verification, and written in the ledger, which is the truth."""

from pathlib import Path

from autodistill import report, signoff, track
from autodistill.errors import SignatureError
from autodistill.ledger import Ledger
from autodistill.records import digest
from autodistill.records.trust import Trust, TrustedKey
from autodistill.run import attest, verifying
from autodistill.signoff import Asked

AUDITED, SIGNED_OFF = "audited", "signed-off"


def audited(run: Path, uri: str, ledger: Ledger) -> str:
    """Point ``audited`` at the student of a run that ended here, once its facts verify by this machine's own key."""
    own = TrustedKey(name="this machine", role="auditor", public=signoff.public_text(signoff.auditor()))
    asked = Asked(trust=Trust(keys=(own,)), root=ledger.root, now=attest.now())
    return promote(run, uri, AUDITED, asked, ledger)


def promote(run: Path, uri: str, alias: str, asked: Asked, ledger: Ledger) -> str:
    """Point ``alias`` at the registered version of this run's student; the version's number.

    Raises SignatureError where the run does not verify (``signed-off`` needs the decision too) or has no registered
    student, RunError where MLflow is away.
    """
    checks = verifying.folder(run, asked) if alias == SIGNED_OFF else verifying.facts(run, asked)
    broken = [one for one in checks if not one.ok]
    if broken:
        what = f"does not verify, the alias stays: {broken[0].what}: {broken[0].why}"
        raise SignatureError(what, where=str(run), do="see `autodistill verify`")
    found = report.read(run)
    sha = digest((run / "student.onnx").read_bytes())
    name = str(found["name"])
    number = track.registered(uri, name, sha)
    if number is None:
        raise SignatureError(
            "MLflow has no version of this student", where=uri, do=f"`autodistill report {run} --track {uri}` sends it"
        )
    data = {"model": track.model_name(name), "alias": alias, "version": number, "student": sha, "uri": uri}
    # The ledger first: an alias that is written and not yet moved is refused by `verify`, one moved by hand too.
    ledger.append("alias", data)
    tags = {"autodistill.report_sha256": digest((run / "report.json").read_bytes()), f"autodistill.{alias}": asked.now}
    track.move(uri, name, alias, number, tags)
    return number
