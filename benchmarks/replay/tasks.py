"""The two recorded tasks as workshops: Adult with 6,000 train rows, and the digits of scikit-learn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from autodistill import data, jobs, measure, spec, teacher
from autodistill.run import prepare
from autodistill.spec import Spec

HERE = Path(__file__).resolve().parent
TASKS = ("adult", "digits")
ROWS = 6_000
"""Train rows of Adult."""


def digits(table: Path) -> Path:
    """The digits as a table: 64 pixels and the digit."""
    from sklearn.datasets import load_digits

    found = load_digits()
    columns = {f"p{at:02}": found.data[:, at].astype(np.float32) for at in range(found.data.shape[1])}
    table.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({**columns, "digit": [f"d{one}" for one in found.target]}), table)
    return table


def read(task: str, room: Path) -> Spec:
    """The experiment file of a task; the digits' table is written into ``room``."""
    path = HERE / f"{task}.yaml"
    if task == "digits":
        text = path.read_text().replace("table: digits.parquet", f"table: {digits(room / 'digits.parquet')}")
        path = room / "digits.yaml"
        path.write_text(text)
    return spec.load(path)


def workshop(task: str, room: Path) -> tuple[Spec, jobs.Workshop]:
    """Rows, teacher's labels and a laboratory for a task; run from the repository's root. Teacher's labels are kept in
    ``room``."""
    asked = read(task, room)
    dataset = data.load(asked.data, asked.seed)
    if task == "adult":
        some = np.sort(np.random.default_rng(0).permutation(len(dataset.splits["train"]))[:ROWS])
        train = dataset.splits["train"][some]
        digests = {**dataset.digests, "train": f"{dataset.digests['train']}/{ROWS}"}
        dataset = replace(dataset, splits={**dataset.splits, "train": train}, digests=digests)
    encoding = prepare.fit_encoding(asked, dataset)
    labels = teacher.prepare(
        *asked.teacher,
        dataset,
        encoding,
        cache=room,
        seed=asked.seed,
        refit=lambda features, y: prepare._fit(asked, features, y, dataset.classes),
    )
    folder = room / task
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "teacher.onnx"
    if labels.onnx is None:
        raise SystemExit(f"the teacher of {task} has no ONNX file: {labels.why_no_onnx}")
    path.write_bytes(labels.onnx)
    lab = measure.Lab(folder / "readings", dataset.rows("search"), path)
    shop = jobs.Workshop(
        dataset=dataset,
        encoding=encoding,
        teacher=labels,
        teacher_readings={},
        policy=asked.policy,
        lab=lab,
        seed=asked.seed,
        folder=folder,
        refit=prepare.columns_of(asked, dataset),
    )
    return asked, shop
