"""A registered version is verified whole: any file of it that was changed, added or lost is refused, by its name."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small_run

from autodistill import cli, signoff, track
from autodistill.ledger import Ledger
from autodistill.records import plain
from autodistill.run import attest, gate
from autodistill.track import contents, registry

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # mlflow's own imports
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # MLflow leaves its SQLite connections to the collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
MODEL = "models:/small@signed-off"
RUN = Path("reports/small")
FILES, LOADED = "registry: every file", "registry: MLflow's own ONNX loader"
SIGN = ("sign", str(RUN), "--key", "ada.pem", "--by", "Ada", "--role", "model risk", "--decision", "approved")


@contextmanager
def inside(root: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(root)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def project(recorded: small_run.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was approved and registered, its alias moved."""
    root = tmp_path_factory.mktemp("alias")
    shutil.copytree(recorded.root / "reports", root / "reports")
    people = [("auditor", "auditor", signoff.auditor()), ("Ada", "approver", signoff.make(root / "ada.pem"))]
    lines = [f"  - {{name: {n}, role: {r}, public: '{signoff.public_text(k)}'}}\n" for n, r, k in people]
    (root / "policies").mkdir()
    (root / "policies" / "trust.yaml").write_text("keys:\n" + "".join(lines))
    with inside(root):
        assert cli.main(["report", str(RUN), "--track", track.URI]) == 0
        assert cli.main([*SIGN, "--track", track.URI]) == 0
    return root


def refused() -> dict[str, str]:
    """What does not hold of the registered model, and why."""
    return {one.what: one.why for one in gate.verify(MODEL, gate.Options()) if not one.ok}


def home() -> Path:
    """Where MLflow keeps the version's files."""
    (found,) = Path("mlruns").rglob("MLmodel")
    return found.parent


@contextmanager
def restored(folder: Path) -> Iterator[None]:
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    try:
        yield
    finally:
        shutil.rmtree(folder)
        for path, data in kept.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def _swapped(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return change


def _code(folder: Path) -> None:
    (folder / "code").mkdir()
    (folder / "code" / "loader.py").write_text("def _load_pyfunc(path): raise SystemExit\n")


CHANGES: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "a loader of its own": (_swapped("MLmodel", "loader_module: mlflow.onnx", "loader_module: loader"), LOADED,
                            "its loader is loader"),
    "code in its recipe": (_swapped("MLmodel", "code: null", "code: code"), LOADED, "it brings code of its own"),
    "another flavour": (_swapped("MLmodel", "flavors:\n", "flavors:\n  sklearn:\n    pickled_model: model.pkl\n"),
                        LOADED, "it can be loaded as sklearn too"),
    "another file is loaded": (_swapped("MLmodel", "data: model.onnx", "data: other.onnx"), LOADED, "model.onnx"),
    "another provider": (_swapped("MLmodel", "CPUExecutionProvider", "OtherExecutionProvider"), FILES,
                         "MLmodel was changed"),
    "a folder of code": (_code, LOADED, "it holds code/loader.py, which we do not write"),
    "a package": (_swapped("requirements.txt", "onnx==", "onnx-evil\nonnx=="), FILES, "requirements.txt was changed"),
    "its conda environment": (_swapped("conda.yaml", "conda-forge", "elsewhere"), FILES, "conda.yaml was changed"),
    "its environment": (_swapped("python_env.yaml", "- wheel", "- wheel2"), FILES, "python_env.yaml was changed"),
    "a file more": (lambda folder: (folder / "weights.bin").write_bytes(b"x"), FILES, "weights.bin was added"),
    "a file less": (lambda folder: (folder / "conda.yaml").unlink(), FILES, "conda.yaml is missing"),
    "no recipe": (lambda folder: (folder / "MLmodel").unlink(), FILES, "MLmodel is missing"),
    "a recipe that is none": (lambda folder: (folder / "MLmodel").write_text("[: "), LOADED, "cannot be read"),
    "another student": (lambda folder: (folder / "model.onnx").write_bytes(b"x"), FILES, "model.onnx was changed"),
    "two students": (lambda folder: (folder / "b.onnx").write_bytes(b"x"), FILES, "b.onnx was added"),
}  # fmt: skip


def test_a_version_as_it_was_registered_is_valid(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with inside(project):
        assert cli.main(["verify", MODEL]) == 0
        shown = capfd.readouterr()
        assert "Downloading" not in shown.err + shown.out  # no progress bars
        line = Ledger(Path("reports")).lines("alias")[-1].data
        version = track.version(track.URI, MODEL)
    assert dict(line["files"]) == dict(version.contents.files)
    assert len(line["files"]) == 5
    assert line["content"] == version.tags["autodistill.files_sha256"] == version.contents.digest


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_to_any_file_is_refused(project: Path, change: str) -> None:
    do, what, why = CHANGES[change]
    with inside(project), restored(home()):
        do(home())
        found = refused()
    assert any(name.startswith(what) and why in said for name, said in found.items()), found
    assert any(name.startswith(FILES) for name in found)  # whatever else is wrong: its files are not the known ones


def test_a_tag_that_names_other_files_is_refused(project: Path) -> None:
    with inside(project), registry._client(track.URI) as client:
        version = track.version(track.URI, MODEL)
        client.set_model_version_tag("small", version.number, track.FILES, "0" * 64)
        assert "its tag names other files" in " ".join(refused().values())
        client.set_model_version_tag("small", version.number, track.FILES, version.contents.digest)
        assert refused() == {}


def test_nothing_is_promoted_that_is_not_as_it_was_registered(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The copy in MLflow was changed, its tags with it: the run's own record and the ledger know better."""
    with inside(project), restored(home()):
        _swapped("requirements.txt", "onnx==", "onnx-evil\nonnx==")(home())
        version = track.version(track.URI, MODEL)
        with registry._client(track.URI) as client:
            before = dict(version.tags)
            client.set_model_version_tag("small", version.number, track.FILES, version.contents.digest)
            assert cli.main([*SIGN, "--track", track.URI]) == 2
            said = capsys.readouterr().err
            client.set_model_version_tag("small", version.number, track.FILES, before[track.FILES])
    assert "its files are not those that were registered; requirements.txt was changed" in said


def test_an_alias_line_that_names_the_student_alone_is_refused(project: Path, tmp_path: Path) -> None:
    """As earlier versions wrote it: weaker, and said to be so."""
    root = tmp_path / "copy"
    shutil.copytree(project, root)
    with inside(root):
        book = attest.book()
        line = {k: v for k, v in plain(book.lines("alias")[-1].data).items() if k not in {"files", "content"}}
        book.append("alias", line)
        asked = gate.Options(track=f"sqlite:///{project / 'mlflow.db'}")
        found = {one.what: one.why for one in gate.verify(MODEL, asked) if not one.ok}
    assert list(found) == ["registry: every file is as it was when the alias was moved"]
    assert "of an earlier version and names the student alone" in found[next(iter(found))]


def test_a_version_that_was_planted_is_not_taken_for_ours(project: Path) -> None:
    """It has our tags, and its files are elsewhere: this folder did not write them."""
    with inside(project), registry._client(track.URI) as client:
        mine = track.version(track.URI, MODEL)
        planted = client.create_model_version("small", home().resolve().as_uri(), tags=dict(mine.tags))
        found = track.registered(track.URI, "small", mine.sha256, track.written(RUN))
        client.delete_model_version("small", planted.version)
    assert found is not None
    assert (found.number, found.source) == (mine.number, mine.source)


def test_one_digest_is_of_paths_and_bytes() -> None:
    files = {"a": "1" * 64, "b": "2" * 64}
    one = contents.Contents(files=files)
    assert one.digest == track.whole(dict(reversed(files.items())))
    assert one.digest != track.whole({"a": "2" * 64, "b": "1" * 64})
    assert replace(one, files={"a": "1" * 64}).digest != one.digest
    assert track.differing(files, {"b": "3" * 64, "c": ""}) == ["a is missing", "c was added", "b was changed"]
