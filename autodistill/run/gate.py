"""The gate before a deployment: a run's folder, a single artefact, or a registered model, verified."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autodistill import spec
from autodistill.data import fingerprint
from autodistill.errors import RunError
from autodistill.records import decode
from autodistill.run import attest, verifying
from autodistill.signoff import Asked, Checked, Checks

if TYPE_CHECKING:
    from autodistill.track import Version

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
    """A registered model: the version behind the alias, all its files, its run, what the ledger says of the alias."""
    from autodistill import track

    checks = Checks()
    with checks.guarded("registry: the model is there"):
        version = track.version(options.track, what)
        checks.add("registry: the model is there", True, f"version {version.number}")
        moved = _moved(version, asked)
        same = moved.get("version") == version.number and moved.get("student") == version.sha256
        why = "" if same else "the ledger does not know that this alias was moved to this version"
        checks.add("registry: the alias is where it was moved after verification", same, why)
        tagged = version.sha256 == version.tags.get(track.STUDENT)
        checks.add("registry: the model's bytes are the audited ones", tagged, version.sha256[:12])
        files = "registry: every file is as it was when the alias was moved"
        checks.faults(files, lambda: _files(version, moved), f"{len(version.contents.files)} files")
        loaded = "registry: MLflow's own ONNX loader loads it, and no code comes with it"
        checks.faults(loaded, lambda: list(version.contents.odd))
        checks.done += _its_run(version.sha256, asked)
    return checks.done


def _moved(version: "Version", asked: Asked) -> Mapping[str, Any]:
    """The last line that moved this alias, since a repair by hand; empty where there is none."""
    from autodistill.ledger import Ledger

    lines = [line.data for line in Ledger(asked.root).granted("alias")]
    mine = [one for one in lines if (one["model"], one["alias"]) == (version.name, version.alias)]
    return mine[-1] if mine else {}


def _files(version: "Version", moved: Mapping[str, Any]) -> list[str]:
    """What is not as the alias's line has it. A line from before that was written knows the student's bytes alone,
    which says nothing of the loader and the packages beside them: refused."""
    from autodistill import track

    if moved and "files" not in moved:
        again = "`autodistill sign RUN … --track URI` writes one that does"
        return [f"the line of this alias is of an earlier version and names the student alone, not every file: {again}"]
    wrong = track.differing(moved.get("files", {}), version.contents.files)
    if version.tags.get(track.FILES) != version.contents.digest:
        wrong.append("its tag names other files")
    return wrong


def _its_run(sha: str, asked: Asked) -> list[Checked]:
    checks = Checks()
    what = "artefact: a decision names it"
    with checks.guarded(what):
        checks.done += verifying.named(sha, asked)
    return checks.done
