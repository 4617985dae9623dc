"""What the experiments of search_spaces ended with: a table of finished runs, for the README.

Each run is one command:

    autodistill search search_spaces/<file>.yaml --minutes 3

(or as many as ``--minutes`` says, which the table then says too).

Every figure is read from the run's report.json. Accuracy is of the audit split, with the interval at the policy's
confidence; "less accurate" is the tested loss on the same rows with its interval at the test's level; latency is one
row a call in ONNX Runtime on one thread, as the geometric mean of interleaved runs; size is of the file, preprocessing
included. Nothing is searched here.

Run: ``python benchmarks/modalities.py reports/<name> ...``; it writes ``benchmarks/results/modalities.json`` and the
table between its marks in README.md (a section of its own the first time). Without folders it writes the table again.
"""

import argparse
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS, README = HERE / "results" / "modalities.json", HERE.parent / "README.md"
USUAL = 3.0
MARKS = "<!-- modalities-table -->", "<!-- end of modalities-table -->"
HEAD, NEXT = "## What it was used on", "## Beside other tools"
USES = {
    "adult-income": "records: income, UCI Adult",
    "chains-clinic": "records: a clinic's risk score",
    "fashion-camera": "pictures: garments",
    "keywords-device": "sound: keywords, **synthetic**",
    "letters-keyboard": "language: the next letter",
    "snippets-tone": "texts: tone of snippets",
    "watch-exercise": "series: exercises on a watch",
    "wages-regression": "records: wages, a number (root mean square error)",
}


def measured(folder: Path, minutes: float) -> dict[str, Any]:
    """What one run's report says of its teacher and of the student that was tested."""
    report = json.loads((folder / "report.json").read_bytes())
    student = next((one for one in report["against"] if one["name"] == "student"), None)
    told = {
        "name": report["name"],
        "created": report["created"],
        "command": f"autodistill search search_spaces/{report['name'].replace('-', '_')}.yaml --minutes {minutes:g}",
        "minutes": minutes,
        "unit": None if report["data"]["classes"] else report["data"].get("unit") or "",
        "verdict": report["verdict"]["decision"],
        "sentence": report["verdict"]["sentence"],
        "teacher": {
            "name": report["teacher"]["name"],
            "error": report["teacher"]["error_audit"],
            "size_B": report["teacher"]["readings"]["size"]["value"],
            "latency_us": report["teacher"]["readings"]["latency"]["value"],
        },
        "rows": report["data"].get("rows"),
        "cost": report["cost"],
        "worth": None if report["worth"] is None else report["worth"]["sentence"],
        "package": report["environment"]["autodistill"],
        "platform": report["environment"]["platform"],
    }
    if student is None or student["error"] is None:
        return told | {"student": None, "because": (student or {}).get("reason", "")}
    names = ("what", "error", "difference", "latency_ratio", "size_ratio")
    return told | {"student": {name: student[name] for name in names}}


def table(runs: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = [
        "| experiment | teacher, accuracy | student, accuracy | less accurate | latency | size | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in sorted(runs, key=lambda one: list(USES).index(one["name"])):
        teacher, student = run["teacher"], run["student"]
        first = f"[{USES[run['name']]}](search_spaces/{run['name'].replace('-', '_')}.yaml)"
        if run["minutes"] != USUAL:
            first += f", {run['minutes']:g} minutes"
        cells = [first, f"{teacher['name']} {_accuracy(teacher['error'], run['unit'])}"]
        if student is None:
            cells += [f"none: {run['because']}", "", "", ""]
        else:
            lost = student["difference"]
            cells += [
                f"{student['what']} {_accuracy(student['error'], run['unit'])}",
                _lost(lost, run["unit"]),
                _times(student["latency_ratio"]),
                f"{student['size_ratio']:.2g} ×",
            ]
        lines.append("| " + " | ".join([*cells, run["verdict"]]) + " |")
    return "\n".join(lines)


def _accuracy(error: dict[str, float], unit: str | None) -> str:
    if unit is not None:
        return f"{error['value']:.3f} {unit} [{error['low']:.3f}, {error['high']:.3f}]"
    return f"{100 * (1 - error['value']):.1f} % [{100 * (1 - error['high']):.1f}, {100 * (1 - error['low']):.1f}]"


def _lost(lost: dict[str, float], unit: str | None) -> str:
    by, said, digits = (100, "points", 1) if unit is None else (1, unit, 3)
    low, middle, high = (f"{by * lost[name]:.{digits}f}" for name in ("low", "estimate", "high"))
    return f"{middle} {said} [{low}, {high}]"


def _times(ratio: dict[str, float] | None) -> str:
    return "–" if ratio is None else f"{ratio['value']:.2g} × [{ratio['low']:.2g}, {ratio['high']:.2g}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--minutes", type=float, default=USUAL, help="of these runs")
    asked = parser.parse_args()
    kept = {one["name"]: one for one in json.loads(RESULTS.read_text())} if RESULTS.exists() else {}
    kept |= {one["name"]: one for one in (measured(folder, asked.minutes) for folder in asked.folders)}
    runs = [kept[name] for name in USES if name in kept]
    RESULTS.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")
    text, told = README.read_text(encoding="utf-8"), f"{MARKS[0]}\n\n{table(runs)}\n\n{MARKS[1]}"
    before, found, rest = text.partition(MARKS[0])
    if found:
        README.write_text(before + told + rest.partition(MARKS[1])[2], encoding="utf-8")
    else:
        README.write_text(text.replace(NEXT, f"{HEAD}\n\n{told}\n\n{NEXT}", 1), encoding="utf-8")
    print(table(runs))


if __name__ == "__main__":
    main()
