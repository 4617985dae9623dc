"""What a wheel and a source distribution hold: the package with its templates, and no data, reports or keys."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NEVER = (".pem", ".db", ".parquet", ".pyc", ".csv", ".key", ".jsonl")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both, built without isolation so that no network is needed."""
    pytest.importorskip("hatchling")
    out = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(out)],
        cwd=ROOT, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out


def test_the_wheel_is_the_package_alone(built: Path) -> None:
    names = zipfile.ZipFile(next(built.glob("*.whl"))).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"autodistill", next(top for top in tops if top.endswith(".dist-info"))}
    assert "autodistill/py.typed" in names
    kept = {f"autodistill/templates/{p.relative_to(ROOT / 'autodistill' / 'templates')}" for p in templates()}
    assert kept
    assert kept <= set(names)
    assert not [name for name in names if name.endswith(NEVER)]


def test_the_source_distribution_holds_no_data(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {"pyproject.toml", "README.md", "LICENSE"} <= set(names)
    assert not [name for name in names if name.startswith(("reports/", "mlruns/", "data/")) or name.endswith(NEVER)]


def templates() -> list[Path]:
    folder = ROOT / "autodistill" / "templates"
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
