"""``autodistill --version``: read from what is installed, nothing of it is imported."""

import argparse
import json

PACKAGES = (
    "torch", "optuna", "onnxruntime", "scikit-learn", "fairlearn", "mlflow", "pandas", "numpy", "pyarrow", "onnx",
)  # fmt: skip


def run(asked: argparse.Namespace) -> int:
    """Print this package's version, Python's, and those of the libraries that figures depend on."""
    from autodistill.run.environment import environment

    found = environment(PACKAGES)
    if asked.json:
        print(json.dumps(found))
        return 0
    print(f"autodistill {found['autodistill']}")
    print(f"  python {found['python']}, {found['platform']}")
    for name, version in found["packages"].items():
        print(f"  {name} {version}")
    return 0
