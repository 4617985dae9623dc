"""The gate before a deployment: a run's folder, a single artefact, or a registered model, verified."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autodistill import spec
from autodistill.data import fingerprint
from autodistill.errors import RunError
from autodistill.records import decode
from autodistill.run import attest, verifying
from autodistill.signoff import Asked, Checked, Checks

MODEL = "models:/"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the verifier supplies, and how deep it looks: findings again (``deep``), the table hashed (``data``)."""

    trust: Path = Path("policies/trust.yaml")
    root: Path = Path("reports")
    head: tuple[int, str] | None = None
    deep: bool = False
    data: bool = False
    track: str = "sqlite:///mlflow.db"


def verify(what: str, options: Options) -> list[Checked]:
    """One result for each thing checked; a subject is valid where all hold. Raises UserError for what is not there."""
    asked = Asked(trust=spec.load_trust(options.trust), root=options.root, now=attest.now(), head=options.head)
    if what.startswith(MODEL):
        return _model(what, asked, options)
    path = Path(what)
    if path.is_dir():
        found = verifying.folder(path, asked)
        return [*found, *_further(path, options)]
    if path.is_file():
        return verifying.artefact(path, asked)
    raise RunError("no such run or file", where=what, do="name a run's folder, an artefact or models:/NAME@ALIAS")


def _further(run: Path, options: Options) -> list[Checked]:
    checks = Checks()
    if options.data:
        checks.faults("data: the table is the one that was read", lambda: _table(run))
    if options.deep:
        checks.faults("findings: computed again from the predictions", lambda: _again(run))
    return checks.done


def _report(run: Path) -> dict[str, Any]:
    return decode((run / "report.json").read_bytes(), dict[str, Any])


def _table(run: Path) -> list[str]:
    data = _report(run)["data"]
    path = Path(data["table"])
    if not path.is_file():
        return [f"{path} is not here (paths are relative to the working directory)"]
    now = fingerprint(path, data.get("split_column"))
    return [] if now == data["digests"]["table"] else [f"{path} was changed"]


def _again(run: Path) -> list[str]:
    from autodistill.run.deep import differences

    return differences(run, _report(run))


def _model(what: str, asked: Asked, options: Options) -> list[Checked]:
    """A registered model: the version behind the alias, its bytes, its run, and what the ledger says of the alias."""
    from autodistill import track
    from autodistill.ledger import Ledger

    checks = Checks()
    with checks.guarded("registry: the model is there"):
        version = track.version(options.track, what)
        checks.add("registry: the model is there", True, f"version {version.number}")
        lines = [
            x
            for x in Ledger(asked.root).lines("alias")
            if (x.data["model"], x.data["alias"]) == (version.name, version.alias)
        ]
        moved = lines[-1].data if lines else {}
        same = moved.get("version") == version.number and moved.get("student") == version.sha256
        why = "" if same else "the ledger does not know that this alias was moved to this version"
        checks.add("registry: the alias is where it was moved after verification", same, why)
        checks.add(
            "registry: the model's bytes are the audited ones",
            version.sha256 == version.tags.get(track.STUDENT),
            version.sha256[:12],
        )
        checks.done += _its_run(version.sha256, asked)
    return checks.done


def _its_run(sha: str, asked: Asked) -> list[Checked]:
    checks = Checks()
    what = "artefact: a decision names it"
    with checks.guarded(what):
        checks.done += verifying.named(sha, asked)
    return checks.done
