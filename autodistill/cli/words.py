"""What a person reads in the terminal: the verdict, the front, what stands beside it, where the report is."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from autodistill.cli import audited
from autodistill.cli.display import console, duration
from autodistill.records import Candidate, Entry, Finding
from autodistill.report import attribution, comparison, errors, group_words, model, sentence

MARK = {"PASS": "PASS", "FAIL": "FAIL", "INCONCLUSIVE": "INCONCLUSIVE", "BROKEN": "BROKEN"}
NARROW = 110  # columns under which a table leaves out what the page has anyway
LEFT_TO_THE_PAGE = ("× teacher", "energy µJ est.")
NOT_MADE = "Not made"
STYLE = {"PASS": "bold green", "FAIL": "bold red", "INCONCLUSIVE": "bold yellow", "BROKEN": "red"}


def name(candidate: Candidate) -> str:
    """A candidate in a few words: family, shape, loss."""
    shape = " ".join(f"{k}={v}" for k, v in candidate.student.items() if v is not None)
    fair = " ".join(f"{k}={v}" for k, v in candidate.fairness.items())
    loss = "labels alone" if candidate.loss == "none" else candidate.loss
    return f"{candidate.family} {shape} {candidate.precision} {loss} {fair}".replace("  ", " ").strip()


def entries(found: Mapping[str, Any]) -> list[Entry]:
    """A report's candidates as records."""
    return msgspec.convert(found["entries"], list[Entry])


def summary(found: Mapping[str, Any], folder: Path) -> None:
    """The verdict and the path of the report; of a search, the front, the controls and the cost too."""
    if found.get("kind") == "audit":
        audit_summary(found, folder)
        return
    out = console()
    _verdict(out, found)
    out.print()
    keep = set(found["front"]) | {found["certified"], found["finalist"]}
    kept = (e for e in entries(found) if e.candidate.key in keep)
    out.print(table(found, kept, controls=False, narrow=out.width < NARROW))
    _against(out, found)
    if found.get("worth"):
        out.print(f"Was distillation worth it? {found['worth']['sentence']}")
    if attribution(found):
        out.print(attribution(found))
    if (found.get("group_data") or {}).get("candidates"):
        out.print(" ".join(group_words(found)))
    floor = (found["measure"] or {}).get("runtime_floor")
    if floor and floor["value"]:
        out.print(f"Runtime floor (a graph of one node): {floor['value']:.1f} {floor['unit']} a call.")
    cost = found["cost"]
    out.print(
        f"Cost: {cost['trained']} trained{_left(cost)}, {cost['refused']} refused before training, "
        f"{cost['duplicates']} repeats not run, {cost['broken']} broken; "
        f"{duration(sum(cost['seconds'].values()))} in all."
    )
    if _short(cost, len(found["entries"])):
        out.print(_short(cost, len(found["entries"])))
    if found["certified"]:
        out.print(f"Student: {folder / 'student.onnx'} (autodistill predict {folder} TABLE scores rows with it)")
    out.print(f"Report: {folder / 'report.html'}")


def _short(cost: Mapping[str, Any], tried: int) -> str:
    """What is said of a search that did not come as far as every search begins."""
    first = cost.get("begins_with", 0)
    if tried >= first:
        return ""
    needed = duration(cost["seconds"].get("search", 0.0) / tried * first) if tried else "more minutes"
    return (
        f"The budget ended after {tried} of the {first} candidates that this search begins with, one or two of each "
        f"family; about {needed} would try them, and three minutes and more are a search (--minutes)."
    )


def _left(cost: Mapping[str, Any]) -> str:
    """Candidates that the search left as they were, where it left any."""
    kinds = {"stopped": "stopped early", "skipped": "left untrained"}
    return "".join(f", {cost[key]} {said}" for key, said in kinds.items() if cost.get(key))


def audit_summary(found: Mapping[str, Any], folder: Path) -> None:
    """An audit of predictions: the verdict, what stands in the way, both models' errors, what was not judged."""
    out = console()
    _verdict(out, found)
    out.print()
    for who in ("teacher", "student"):
        out.print(f"{who.capitalize()} {found[who]['name']}: {_error(found[who].get('error_audit'))}")
    line = attribution(found)
    if line:
        out.print(line)
    unjudged = found["method"].get("not_judged") or []
    if unjudged:
        out.print(f"Not judged, since predictions cannot show it: {', '.join(unjudged)}.")
    audited.show(out, found)
    out.print(f"Report: {folder / 'report.html'}")


def _verdict(out: Any, found: Mapping[str, Any]) -> None:
    from rich.text import Text

    decision = found["verdict"]["decision"]
    out.print(Text(f"\n{MARK[decision]}  ", style=STYLE[decision]) + Text(found["verdict"]["sentence"], style=""))
    if decision != "PASS":
        for finding in errors.named(msgspec.convert(found["findings"], list[Finding]), found):
            if finding.required and finding.outcome != "PASS":
                out.print(f"  in the way: {finding.outcome} {sentence(finding)}")


def _error(share: Mapping[str, Any] | None) -> str:
    if share is None:
        return "no rate of errors (a regression counts none)"
    return f"error {_percent(share['value'])} [{100 * share['low']:.2f}, {100 * share['high']:.2f}]"


def _against(out: Any, found: Mapping[str, Any]) -> None:
    """Distillation against traditional compression, in one short block; what was not made says why beneath it."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold")
    first = "against traditional compression"
    for column in (first, "× size", "× latency", "error audit", "more than the teacher", ""):
        shown.add_column(column, justify="left" if column in {first, ""} else "right")
    reasons = []
    for row in comparison(found):
        if row["reason"]:
            reasons.append(f"  {row['title']}: {row['reason'][:1].lower()}{row['reason'][1:]}")
        if row["reason"].startswith(NOT_MADE):
            continue
        cells = (f"{row[name]} {row[f'{name}_spread']}".strip() for name in ("error", "difference"))
        judged = "" if row["verdict"] == "not judged" else row["verdict"]
        shown.add_row(row["title"], row["size"], row["latency"], *cells, judged)
    out.print(shown)
    for line in reasons:
        out.print(line)


def table(found: Mapping[str, Any], rows: Iterable[Entry], controls: bool = True, narrow: bool = False) -> Any:
    """Candidates, and controls (without: the teacher's own members alone), as a table; errors are of the search split,
    except where "audit" is said. ``narrow`` leaves the ratio of latencies and the energy to the page."""
    from rich.table import Table

    out = Table(box=None, pad_edge=False, header_style="bold")
    # A name that does not fit is folded: a cut one does not say which candidate it is.
    out.add_column("student", overflow="fold")
    for column in ("error search", "error audit", "latency µs", "× teacher", "size kB", "energy µJ est."):
        if not narrow or column not in LEFT_TO_THE_PAGE:
            out.add_column(column, justify="right")
    out.add_column("")
    shown = sorted(rows, key=lambda e: (e.error is None, e.error))
    called = Counter(name(entry.candidate) for entry in shown)
    for entry in shown:
        key, title = entry.candidate.key, name(entry.candidate)
        if called[title] > 1:  # they differ in how they were trained: `show --all` lists them by number
            title += f" #{entry.candidate.number}"
        mark = "certified" if key == found["certified"] else "finalist" if key == found["finalist"] else ""
        out.add_row(
            title,
            _search(entry.error, found),
            "",
            *_costs(msgspec.to_builtins(entry.readings), narrow),
            mark,
        )
    teacher = found["teacher"]
    out.add_row(
        f"teacher: {teacher['name']}", _search(teacher["error_search"], found), _audit(teacher["error_audit"], found),
        *_costs(teacher["readings"], narrow), "",
    )  # fmt: skip
    for control in found["controls"]:
        if not controls and not str(control["name"]).startswith("member_"):
            continue
        out.add_row(
            f"control: {model(str(control['title']))}",
            _search(control["error"], found), _audit(control["audit_error"], found),
            *_costs(control["readings"], narrow), control["reason"],
        )  # fmt: skip
    return out


def _audit(error: Mapping[str, Any] | None, found: Mapping[str, Any]) -> str:
    return "–" if error is None else errors.value(error, found)


def _search(error: float | None, found: Mapping[str, Any]) -> str:
    return "–" if error is None else errors.search(error, found)


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"


def _costs(readings: Mapping[str, Any], narrow: bool) -> tuple[str, ...]:
    def value(key: str, scale: float, digits: int) -> str:
        reading = readings.get(key)
        return "–" if reading is None or reading["value"] is None else f"{reading['value'] / scale:,.{digits}f}"

    energy = next((key for key in readings if key.startswith("energy")), "energy")
    ratio = (readings.get("latency_ratio") or {}).get("value")
    small = ratio is not None and ratio < 0.1  # two places would leave nothing of it
    times = value("latency_ratio", 1, 4 if small else 2)
    latency, size = value("latency", 1, 1), value("size", 1000, 1)
    return (latency, size) if narrow else (latency, times, size, value(energy, 1, 3))
