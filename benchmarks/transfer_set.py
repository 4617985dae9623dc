"""What does each loss add to labels, where labels are few and where there are many?

Handwritten digits (scikit-learn, 1,797 rows of 8 x 8 pixels), split anew for each seed into 600 rows that the teacher
learned from, 600 of the student's, 147 on which the best epoch is chosen (by every arm alike) and 450 of the test. The
teacher, a network of two layers of 256 units, has never seen the student's rows: what it says of them is no memory of
their labels.

- ``few``: 5 labels a class of the student's rows; the other 550 have none, and the teacher labels them. The student has
  32 units. ``none`` learns from the 50 labels alone. Expected of every loss: 10 points more, on the mean of 10 seeds.
- ``all``: all 600 rows have labels, and the student has 8 units. Nothing is expected: where a loss costs accuracy, the
  table says so.

All losses under their own defaults, nothing tuned: the same student's start, epochs and step size in every arm of a
seed. Gains are paired over seeds: their mean with the interval of Student's t (95 %), so they speak of these splits and
seeds of this data, and not of other data.

Run: ``python benchmarks/transfer_set.py [--seeds 10]``; it writes ``benchmarks/results/transfer_set.json`` and ``.md``.
"""

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from autodistill import __version__, plugins
from autodistill.inputs import Shapes
from autodistill.space import Training
from autodistill.train import Rows, errors, fit_gradient

RESULTS = Path(__file__).parent / "results"
CLASSES, PIXELS, FEW, EXPECTED = 10, 64, 5, 10.0
TEACHER = {"width": 256, "depth": 2}
STUDENTS = {"few": {"width": 32, "depth": 1}, "all": {"width": 8, "depth": 1}}
TAUGHT = Training(learning_rate=3e-3, epochs=40, batch_size=64)
TRAINING = Training(learning_rate=1e-2, epochs=40, batch_size=64)
SHAPES = Shapes(numeric=PIXELS, cardinalities=(), classes=CLASSES)


def rows(X: Any, y: Any) -> Rows:
    """Pixels and labels as tensors."""
    numeric = torch.from_numpy(np.asarray(X, np.float32) / 16)
    return Rows(numeric=numeric, codes=torch.zeros(len(y), 0, dtype=torch.int64), y=torch.from_numpy(y))


def network(options: dict[str, int], seed: int) -> torch.nn.Module:
    """An untrained network, always the same for a seed."""
    torch.manual_seed(seed)
    built: torch.nn.Module = plugins.build("students", "mlp", options).build(SHAPES, CLASSES)
    return built


def teacher_of(own: Rows, search: Rows, seed: int) -> torch.nn.Module:
    """The teacher, fitted on its own rows."""
    module = network(TEACHER, seed)
    objective = plugins.build("losses", "none", {}).build(SHAPES)
    module.load_state_dict(fit_gradient(module, objective, own, search, TAUGHT, seed=seed).state)
    return module.eval()


def told(known: Rows, teacher: torch.nn.Module, labelled: torch.Tensor | None) -> Rows:
    """The rows with what the teacher says of them."""
    with torch.no_grad():
        features = teacher.features(known.numeric, known.codes)
        logits = teacher.head(features)
    return Rows(
        numeric=known.numeric,
        codes=known.codes,
        y=known.y if labelled is None else known.y.where(labelled, 0),
        teacher=logits,
        teacher_features=features,
        labelled=labelled,
    )


def accuracy(loss: str, width: dict[str, int], taught: Rows, search: Rows, test: Rows, seed: int) -> float:
    """Accuracy on the test rows, in points, of a student that was trained to one loss."""
    module = network(width, seed)
    shapes = Shapes(
        numeric=PIXELS,
        cardinalities=(),
        classes=CLASSES,
        student_width=width["width"],
        teacher_width=TEACHER["width"],
    )
    objective = plugins.build("losses", loss, {}).build(shapes)
    seen = taught.labels_alone() if loss == "none" else taught
    module.load_state_dict(fit_gradient(module, objective, seen, search, TRAINING, seed=seed).state)
    return 100 * (1 - wrong(module, test))


def wrong(module: torch.nn.Module, known: Rows) -> float:
    """Share of the rows that a network decides wrongly."""
    with torch.no_grad():
        return errors(module.eval()(known.numeric, known.codes), known)[0]


def one(seed: int) -> dict[str, dict[str, float]]:
    """Accuracies of every loss under one seed, in both settings, and the teacher's."""
    X, y = load_digits(return_X_y=True)
    rest, X_test, left, y_test = train_test_split(X, y, test_size=450, stratify=y, random_state=seed)
    rest, X_search, left, y_search = train_test_split(rest, left, test_size=147, stratify=left, random_state=seed)
    X_own, X_his, y_own, y_his = train_test_split(rest, left, test_size=600, stratify=left, random_state=seed)
    search, test, his = rows(X_search, y_search), rows(X_test, y_test), rows(X_his, y_his)
    teacher = teacher_of(rows(X_own, y_own), search, seed)
    order = np.random.default_rng(seed).permutation(len(y_his))
    few = np.concatenate([order[y_his[order] == label][:FEW] for label in range(CLASSES)])
    labelled = torch.zeros(len(y_his), dtype=torch.bool)
    labelled[torch.from_numpy(few)] = True
    taught = {"few": told(his, teacher, labelled), "all": told(his, teacher, None)}
    found = {
        setting: {
            loss: accuracy(loss, STUDENTS[setting], taught[setting], search, test, seed)
            for loss in plugins.names("losses")
        }
        for setting in STUDENTS
    }
    return {**found, "teacher": {"teacher": 100 * (1 - wrong(teacher, test))}}


def gains(seeds: list[dict[str, dict[str, float]]], setting: str) -> list[dict[str, Any]]:
    """A line a loss: mean accuracy, and the mean gain over labels alone with its interval."""
    lines = []
    for loss in seeds[0][setting]:
        gain = np.array([seed[setting][loss] - seed[setting]["none"] for seed in seeds])
        half = 0.0
        if len(gain) > 1:
            half = float(stats.t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain)))
        lines.append(
            {
                "loss": loss,
                "accuracy": float(np.mean([seed[setting][loss] for seed in seeds])),
                "gain": float(gain.mean()),
                "low": float(gain.mean()) - half,
                "high": float(gain.mean()) + half,
                "worst": float(gain.min()),
            }
        )
    return sorted(lines, key=lambda line: -line["gain"])


def verdict(line: dict[str, Any], setting: str) -> str:
    """What is to be said of a loss: whether it kept the promise, or whether it helps at all."""
    if line["loss"] == "none":
        return "the labels alone"
    if setting == "few":
        return "yes" if line["gain"] >= EXPECTED else "**no**"
    if line["low"] > 0:
        return "helps"
    return "**costs accuracy**" if line["high"] < 0 else "no difference shown"


def page(found: dict[str, Any]) -> str:
    """The tables in Markdown."""
    heads = {
        "few": f"## {FEW} labels a class, 550 rows without label, 32 units\n",
        "all": "## All 600 labels, 8 units\n",
    }
    asked = {"few": f"gains {EXPECTED:.0f} points or more", "all": "against labels alone"}
    lines = [
        "# Losses on a transfer set (`transfer_set.py`)\n",
        f"{found['seeds']} seeds, {found['machine']}, PyTorch {found['torch']}, autodistill {found['version']}; "
        f"{found['cpu_seconds']:.0f} s of one core. Teacher: {found['teacher']:.1f} %. What is what, and what these "
        "figures do not say, stands at the head of the script.\n",
    ]
    for setting, head in heads.items():
        lines += [head, f"| loss | accuracy | gain, 95 % | worst seed | {asked[setting]} |", "|---|---|---|---|---|"]
        for line in found[setting]:
            gain = f"{line['gain']:+.1f} [{line['low']:+.1f}, {line['high']:+.1f}]"
            said = (line["loss"], f"{line['accuracy']:.1f} %", gain, f"{line['worst']:+.1f}", verdict(line, setting))
            lines.append("| " + " | ".join(said) + " |")
        lines += ["", summary(found[setting], setting), ""]
    return "\n".join(lines)


def summary(lines: list[dict[str, Any]], setting: str) -> str:
    """A setting in one sentence."""
    said = [verdict(line, setting) for line in lines if line["loss"] != "none"]
    if setting == "few":
        return f"{said.count('yes')} of {len(said)} losses gain {EXPECTED:.0f} points or more on the mean of the seeds."
    helps, costs = said.count("helps"), said.count("**costs accuracy**")
    return (
        f"With all labels {helps} of {len(said)} losses are shown to help a student this small and {costs} to cost it "
        f"accuracy: `none` belongs into every search, and a loss's options are worth searching."
    )


def main() -> None:
    """Run, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    start, seeds = time.process_time(), []
    for seed in range(asked.seeds):
        seeds.append(one(seed))
        print(f"seed {seed}: {time.process_time() - start:.0f} s", flush=True)
    found = {
        "seeds": asked.seeds,
        "machine": platform.machine(),
        "torch": torch.__version__,
        "version": __version__,
        "cpu_seconds": time.process_time() - start,
        "teacher": float(np.mean([seed["teacher"]["teacher"] for seed in seeds])),
        "few": gains(seeds, "few"),
        "all": gains(seeds, "all"),
        "by_seed": seeds,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "transfer_set.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "transfer_set.md").write_text(page(found), encoding="utf-8")
    print(page(found))


if __name__ == "__main__":
    main()
