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
    name, ours = str(found["name"]), track.written(run)
    version = track.registered(uri, name, sha, ours)
    if version is None:
        what, do = "MLflow has no version of this student", f"`autodistill report {run} --track {uri}` sends it"
        raise SignatureError(f"{what} that was registered from this folder", where=uri, do=do)
    _as_written(version, sha, ours[version.source], ledger)
    data = {
        "model": version.name,
        "alias": alias,
        "version": version.number,
        "student": sha,
        "files": dict(version.contents.files),
        "content": version.contents.digest,
        "uri": uri,
    }
    # The ledger first: an alias that is written and not yet moved is refused by `verify`, one moved by hand too.
    ledger.append("alias", data)
    tags = {
        "autodistill.report_sha256": digest((run / "report.json").read_bytes()),
        track.FILES: version.contents.digest,
        f"autodistill.{alias}": asked.now,
    }
    track.move(uri, name, alias, version.number, tags)
    return version.number


def _as_written(version: track.Version, student: str, files: str, ledger: Ledger) -> None:
    """SignatureError where the version is not what was registered: any of its files, not its student alone, since
    whoever loads it runs what they say."""
    wrong = list(version.contents.odd)
    if version.sha256 != student:
        wrong.append("its ONNX file is not this run's student")
    if version.contents.digest != files:
        wrong.append("its files are not those that were registered")
    for line in ledger.lines("alias"):
        if (line.data["model"], line.data["version"]) == (version.name, version.number) and "files" in line.data:
            wrong += track.differing(line.data["files"], version.contents.files)
    if wrong:
        what = f"version {version.number} is not as it was registered: {'; '.join(dict.fromkeys(wrong))}"
        raise SignatureError(what, where=version.name, do="find out who changed it, and register the student anew")
