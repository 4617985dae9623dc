"""What do the options of fairness in training do to the gaps between groups?

UCI Adult, split anew for each seed: a gradient-boosting teacher learns from one half of the train split, one fixed
student (a network of one layer of 16 units) from the other half, 8,000 rows, so that what the teacher says of them is
no memory of their labels. The search split chooses the best epoch by its error, in every arm alike, as a search does;
gaps are read on audit and sealed split together, which nothing was chosen on. Sex is no feature of either model.

A gap is the rate of men less that of women: of those predicted to earn more than 50,000 dollars (selection), of those
who do and are predicted to (true positives), of those who do not and are (false positives). ``worst`` is the error of
the worst of the four groups of sex and income. Every arm is compared with plain ``soft_targets`` under the same seed:
the mean of the paired changes with the interval of Student's t over seeds (95 %). The seeds share one table, so the
intervals speak of these splits and starts of this data, not of other data; and 15 arms with five figures each are many
intervals: of true changes of nothing one in twenty is shown.

Run: ``python benchmarks/fairness.py [--seeds 10]``; it writes ``benchmarks/results/fairness.json`` and the tables of
``benchmarks/results/fairness.md`` and ``docs/fairness.md``.
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
from sklearn.ensemble import HistGradientBoostingClassifier

from autodistill import __version__, data, plugins
from autodistill.jobs import fair
from autodistill.losses import teacher_logits
from autodistill.space import Fairness, Training
from autodistill.spec.reader import read
from autodistill.spec.table import read_data
from autodistill.train import GroupDro, Rows, fit_gradient

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "results", HERE.parent / "docs" / "fairness.md"
MARK = "<!-- fairness-table -->", "<!-- end of fairness-table -->"
ROWS, WIDTH = 8_000, 16
TRAINING = Training(learning_rate=5e-3, epochs=15, batch_size=256)
PLAIN = "soft_targets"
SOFT = {"temperature": 2.0, "teacher_weight": 0.9}
ARMS: dict[str, tuple[str, dict[str, float], dict[str, Any]]] = {
    PLAIN: ("soft_targets", SOFT, {}),
    "temperature: 8": ("soft_targets", {**SOFT, "temperature": 8.0}, {}),
    "reweigh: 0.5": ("soft_targets", SOFT, {"reweigh": 0.5}),
    "reweigh: 1": ("soft_targets", SOFT, {"reweigh": 1.0}),
    "dro: 0.01": ("soft_targets", SOFT, {"dro": 0.01}),
    "dro: 0.1": ("soft_targets", SOFT, {"dro": 0.1}),
    "trust: class": ("soft_targets", SOFT, {"trust": "class"}),
    "trust: group": ("soft_targets", SOFT, {"trust": "group"}),
    "debias: 0.5": ("soft_targets", SOFT, {"debias": 0.5}),
    "debias: 1": ("soft_targets", SOFT, {"debias": 1.0}),
    "debias: 1, reweigh: 1": ("soft_targets", SOFT, {"debias": 1.0, "reweigh": 1.0}),
    "debias: 1, debias_by: class": ("soft_targets", SOFT, {"debias": 1.0, "debias_by": "class"}),
    "none": ("none", {}, {}),
    "none, reweigh: 1": ("none", {}, {"reweigh": 1.0}),
    "none, dro: 0.1": ("none", {}, {"dro": 0.1}),
}
FIGURES = ("error", "selection", "true_positives", "false_positives", "worst")


def materials(seed: int) -> dict[str, Any]:
    """Rows, groups and what the teacher says under one seed."""
    asked = read_data(read(HERE.parent / "search_spaces" / "adult_income.yaml").at("data"))
    table = data.load(asked, seed)
    order = np.random.default_rng(seed).permutation(table.splits["train"])
    own, his = order[: len(order) // 2], order[len(order) // 2 :][:ROWS]
    test = np.concatenate([table.splits["audit"], table.splits["sealed"]])
    columns = {name: {k: v[at] for k, v in table.features.items()} for name, at in parts(table, own, his, test).items()}
    encoding = plugins.build("inputs", "tabular", {}).fit(columns["his"], table.y[his], table.classes)
    teacher = HistGradientBoostingClassifier(random_state=seed)
    teacher.fit(encoding.apply_matrix(columns["own"]), table.y[own])
    encoded = {name: encoding.apply(rows) for name, rows in columns.items() if name != "own"}
    women = np.asarray(table.groups["sex"] == "Female")
    return {
        "shapes": encoding.shapes(2),
        "rows": {n: tensors(*encoded[n], table.y[at]) for n, at in (("his", his), ("search", table.splits["search"]))},
        "test": (tensors(*encoded["test"], table.y[test]), women[test]),
        "y": table.y[his],
        "groups": women[his].astype(np.int64),
        "logits": teacher_logits(teacher.predict_proba(encoding.apply_matrix(columns["his"]))),
        "teacher": teacher.predict(encoding.apply_matrix(columns["test"])),
    }


def parts(table: Any, own: Any, his: Any, test: Any) -> dict[str, Any]:
    """Row positions by what they are for."""
    return {"own": own, "his": his, "search": table.splits["search"], "test": test}


def tensors(numeric: Any, codes: Any, y: Any) -> Rows:
    """Encoded rows as tensors."""
    return Rows(numeric=torch.from_numpy(numeric), codes=torch.from_numpy(codes), y=torch.from_numpy(y))


def decisions(made: dict[str, Any], arm: str, seed: int) -> Any:
    """What the student of an arm decides on the test rows."""
    loss, options, asked = ARMS[arm]
    fairness, y, groups, ones = Fairness(**asked), made["y"], made["groups"], np.ones(len(made["y"]))
    logits, known = made["logits"], made["rows"]["his"]
    if fairness.debias:
        logits = fair.debiased(logits, y, groups if fairness.debias_by == "group" else None, ones, fairness.debias)
    if fairness.trust != "even":
        logits = fair.trusted(logits, y, groups if fairness.trust == "group" else None, ones)
    weight = torch.from_numpy(fair.reweighed(groups, y, ones, fairness.reweigh).astype(np.float32))
    seen = Rows(
        numeric=known.numeric,
        codes=known.codes,
        y=known.y,
        teacher=None if loss == "none" else torch.from_numpy(logits),
        weight=weight if fairness.reweigh else None,
        group=torch.from_numpy(groups * 2 + y) if fairness.dro else None,
    )
    torch.manual_seed(seed)
    network = plugins.build("students", "mlp", {"width": WIDTH, "depth": 1}).build(made["shapes"], 2)
    objective = plugins.build("losses", loss, options).build(made["shapes"])
    objective = GroupDro(objective, 4, fairness.dro) if fairness.dro else objective
    found = fit_gradient(network, objective, seen, made["rows"]["search"], TRAINING, seed=seed)
    network.load_state_dict(found.state)
    test = made["test"][0]
    with torch.no_grad():
        return network.eval()(test.numeric, test.codes).argmax(dim=1).numpy()


def figures(said: Any, made: dict[str, Any]) -> dict[str, float]:
    """Error, signed gaps and the worst group's error, in points."""
    rows, women = made["test"]
    y = rows.y.numpy()

    def gap(among: Any) -> float:
        return 100 * float(said[among & ~women].mean() - said[among & women].mean())

    cells = [(women == sex) & (y == label) for sex in (False, True) for label in (0, 1)]
    return {
        "error": 100 * float((said != y).mean()),
        "selection": gap(np.ones(len(y), bool)),
        "true_positives": gap(y == 1),
        "false_positives": gap(y == 0),
        "worst": 100 * max(float((said != y)[cell].mean()) for cell in cells),
    }


def one(seed: int) -> dict[str, dict[str, float]]:
    """The figures of the teacher and of every arm under one seed."""
    made = materials(seed)
    found = {arm: figures(decisions(made, arm, seed), made) for arm in ARMS}
    return {"teacher": figures(made["teacher"], made), **found}


def changes(seeds: list[dict[str, dict[str, float]]], arm: str) -> dict[str, dict[str, float]]:
    """The means of an arm, and its paired changes against plain soft targets with their intervals."""
    out = {}
    for name in FIGURES:
        values = np.array([seed[arm][name] for seed in seeds])
        moved = values - np.array([seed[PLAIN][name] for seed in seeds])
        half = float(stats.t.ppf(0.975, len(moved) - 1) * moved.std(ddof=1) / np.sqrt(len(moved)))
        mean = float(moved.mean())
        out[name] = {"mean": float(values.mean()), "change": mean, "low": mean - half, "high": mean + half}
    return out


def cell(figure: dict[str, float], arm: str) -> str:
    """A mean, and its change where that is shown to be one (bold) or not."""
    if arm == PLAIN:
        return f"{figure['mean']:.1f}"
    moved = f"{figure['change']:+.1f} [{figure['low']:+.1f}, {figure['high']:+.1f}]"
    shown = figure["low"] > 0 or figure["high"] < 0
    return f"{figure['mean']:.1f}; {f'**{moved}**' if shown else moved}"


def table(found: dict[str, Any]) -> str:
    """The table in Markdown."""
    lines = [
        f"{found['seeds']} seeds, {found['machine']}, PyTorch {found['torch']}, autodistill {found['version']}; "
        f"{found['cpu_seconds']:.0f} s of one core. All in points: the mean over seeds; then its change against "
        "plain `soft_targets` with its 95 % interval, bold where that leaves out 0.\n",
        "| training | error | selection gap | true positive gap | false positive gap | worst of sex × income, error |",
        "|---|---|---|---|---|---|",
    ]
    for arm, each in found["arms"].items():
        name = "the teacher" if arm == "teacher" else f"`{arm}`"
        lines.append(f"| {name} | " + " | ".join(cell(each[figure], arm) for figure in FIGURES) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run, and write all three files."""
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
        "arms": {arm: changes(seeds, arm) for arm in ("teacher", *ARMS)},
        "by_seed": seeds,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "fairness.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "fairness.md").write_text(f"# Fairness in training (`fairness.py`)\n\n{table(found)}", encoding="utf-8")
    if PAGE.exists():
        before, rest = PAGE.read_text(encoding="utf-8").split(MARK[0])
        after = rest.split(MARK[1])[1]
        PAGE.write_text(f"{before}{MARK[0]}\n{table(found)}{MARK[1]}{after}", encoding="utf-8")
    print(table(found))


if __name__ == "__main__":
    main()
