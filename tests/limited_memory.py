"""Sounds that are several times what this process may hold, loaded, encoded, labelled and learned from.

Run by ``test_wide_memory`` in a process of its own: the limit is of this process's own memory (``RLIMIT_DATA``), which
what is mapped for reading is no part of.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autodistill import data, plugins, teacher, train
from autodistill.data import wide
from autodistill.errors import TableError
from autodistill.jobs.encoded import encoded
from autodistill.losses import teacher_logits
from autodistill.space import Training
from autodistill.train import Rows

INPUT = {"column": "wave", "rate": 1000, "mels": 4, "hop": 0.1}
STUDENT = ("convnet", {"width": 2, "blocks": 1})


def held() -> int:
    """Bytes of this process's own memory."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmData"))


def main(few: str, many: str, cache: str, may_hold: int) -> None:
    """All of it over a few rows, for what libraries load and keep; then over many, with ``may_hold`` bytes more: first
    without mapping, as far as that goes."""
    everything(Path(few), Path(cache))
    resource.setrlimit(resource.RLIMIT_DATA, (held() + may_hold, resource.RLIM_INFINITY))
    least, wide.LEAST = wide.LEAST, 1 << 60
    try:
        everything(Path(many), Path(cache))
        without = "it fitted"
    except (MemoryError, TableError) as fault:
        without = str(fault)
    wide.LEAST = least
    print(json.dumps({"without": without, **everything(Path(many), Path(cache))}))


def everything(table: Path, cache: Path) -> dict[str, Any]:
    """What a search does with raw rows, once."""
    dataset = data.load(data.DataSpec(table=table, target="y", input=("audio", INPUT)))
    encoding = plugins.build("inputs", "audio", INPUT).fit(
        dataset.rows("train"), dataset.y[dataset.splits["train"]], dataset.classes
    )
    source = {"estimator": "sklearn.linear_model.LogisticRegression"}
    labels = teacher.prepare("sklearn", source, dataset, encoding, cache=cache)
    sides = [_rows(dataset, split, encoding, labels, cache) for split in ("train", "search")]
    torch.manual_seed(0)
    network = plugins.build("students", *STUDENT).build(encoding.shapes(2), 2)
    objective = plugins.build("losses", "soft_targets", {}).build(encoding.shapes(2))
    done = train.fit_gradient(network, objective, *sides, Training(epochs=2, batch_size=16, learning_rate=0.02))
    return {
        "decoded": dataset.features["wave"].nbytes,
        "digests": dict(dataset.digests),
        "teacher": labels.digest,
        "labelled by its file": labels.onnx is not None,
        "error": done.error,
    }


def _rows(dataset, split, encoding, labels, cache):
    at = dataset.splits[split]
    numeric, codes = encoded(encoding, "split", dataset, split, cache)
    return Rows(
        numeric=torch.from_numpy(np.require(numeric, requirements="W")),
        codes=torch.from_numpy(np.require(codes, requirements="W")),
        y=torch.from_numpy(np.array(dataset.y[at])),
        teacher=torch.from_numpy(teacher_logits(labels.scores[at])) if split == "train" else None,
    )


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))
