"""The Pareto front as a PNG, for a README or a slide: the same points as the interactive chart."""

import io
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from autodistill.report import chart, errors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = {  # what a point is: its mark, its colour, its name in the legend
    "stopped": ("v", "#b9c0c7", "stopped early"),
    "unscreened": ("o", "#6b737d", "not screened"),
    "fails": ("X", "#b3372b", "fails"),
    "undetermined": ("D", "#b07d12", "undetermined"),
    "meets": ("o", "#1a6f45", "meets the policy"),
    "control": ("s", "#5b4a8a", "controls"),
    "teacher": ("*", "#1c2733", "teacher"),
}
SIZES = {"teacher": 150, "control": 36}
INK, QUIET, ACCENT = "#1c2733", "#5c6670", "#1f5c99"

Point = dict[str, Any]


def front(report: Mapping[str, Any]) -> bytes:
    """The figure as PNG bytes, 1600 × 960."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; the page beside it shows it whole.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure(report).savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def figure(report: Mapping[str, Any]) -> "Figure":
    """Error on the search split against the first axis (latency where it was read), drawn by no window's backend."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    data = chart.data(report)
    made = Figure(figsize=(8, 4.8), dpi=200, layout="constrained")
    FigureCanvasAgg(made)
    axes = made.subplots()
    axis = data["axes"][0] if data["axes"] else {"key": "", "label": "no reading", "unit": ""}
    known = [p for p in data["points"] if p["error"] is not None and p["x"].get(axis["key"], {}).get("at")]
    points = [p | {"place": (p["x"][axis["key"]]["at"], data["error"]["by"] * p["error"])} for p in known]
    near = chart.in_sight(points)
    for kind in KINDS:
        _scatter(axes, [p for p in near if _kind(p) == kind], kind)
    _line(axes, near)
    _frame(axes, axis, report, bool(points))
    _names(axes, near)
    beyond = [p for p in points if p not in near]
    far = [f"{p['label']}: {errors.search(p['error'], report, 1)}" for p in beyond if p["kind"] == "control"]
    early = sum(p["kind"] != "control" for p in beyond)
    far += [f"{early} that {'was' if early == 1 else 'were'} stopped early"] if early else []
    if far:
        _text(axes, (0.015, 0.975), "off the scale: " + ", ".join(far), va="top", color=QUIET)
    return made


def _frame(axes: Any, axis: Mapping[str, Any], report: Mapping[str, Any], filled: bool) -> None:
    axes.set_xlabel(f"{axis['label']} ({axis['unit']})" if axis["unit"] else axis["label"], color=INK)
    unit = "standard deviations of the target" if errors.of_numbers(report) else "%"
    axes.set_ylabel(f"{errors.title(report)}, search split ({unit})", color=INK, fontsize=9)
    name = _short(str(report.get("title") or report.get("name", "")), 56)
    decision = report["verdict"]["decision"]
    axes.set_title(f"{name} · {decision}", loc="left", fontsize=11, color=INK, pad=10, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b9c0c7")
    axes.tick_params(colors=QUIET, labelsize=8.5, which="both")
    axes.grid(alpha=0.25, linewidth=0.6)
    if not filled:
        _text(axes, (0.5, 0.5), "no candidate finished", ha="center", color=QUIET)
        return
    axes.margins(x=0.09, y=0.09)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    low, high = axes.get_xlim()
    leading = "23456" if high < 8 * low else "25" if high < 200 * low else ""
    axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in leading else "")
    axes.legend(frameon=False, fontsize=8, loc="upper right", labelcolor=INK)


def _kind(point: Point) -> str:
    return str(point["kind"] if point["kind"] != "candidate" else point["screening"])


def _scatter(axes: Any, points: list[Point], kind: str) -> None:
    if not points:
        return
    mark, colour, name = KINDS[kind]
    strong = [1.0 if p["front"] or p["kind"] != "candidate" or p["role"] else 0.4 for p in points]
    xs, ys = zip(*(p["place"] for p in points), strict=True)
    axes.scatter(xs, ys, s=SIZES.get(kind, 26), marker=mark, color=colour, alpha=strong, linewidths=0, zorder=3)
    count = f" ({len(points)})" if kind != "teacher" else ""
    axes.scatter([], [], s=SIZES.get(kind, 26), marker=mark, color=colour, linewidths=0, label=name + count)


def _line(axes: Any, points: list[Point]) -> None:
    """The front's part that is non-dominated on these two axes, as a staircase."""
    steps: list[tuple[float, float]] = []
    for at, error in sorted(p["place"] for p in points if p["front"]):
        if not steps or error < steps[-1][1]:
            steps.append((at, error))
    if len(steps) > 1:
        axes.step(*zip(*steps, strict=True), where="post", color=ACCENT, linewidth=1.2, zorder=2, label="front")


def _names(axes: Any, points: list[Point]) -> None:
    """Names beside what a reader looks for, each where it lies on nothing; a control's may be left out."""
    marked = [p for p in points if p["kind"] != "candidate" or p["role"] in {"certified", "finalist"}]
    order = {"candidate": 0, "teacher": 1, "control": 2}
    canvas = axes.figure.canvas
    canvas.draw()
    at = {id(p): axes.transData.transform(p["place"]) for p in points}
    taken = [(x - 9, y - 9, x + 9, y + 9) for x, y in at.values()]
    for point in sorted(marked, key=lambda p: order[p["kind"]]):
        chosen = point["kind"] == "candidate"
        if chosen:
            axes.scatter(*point["place"], s=150, facecolors="none", edgecolors=INK, linewidths=1.3, zorder=4)
        text = point["role"] if chosen else ("teacher" if point["kind"] == "teacher" else _short(point["label"], 26))
        x, y = at[id(point)]
        wide, high = 11.5 * len(text), 24
        spots = [(26, -9), (-26 - wide, -9), (8, 22), (-8 - wide, 22), (8, -46), (-8 - wide, -46)]
        boxes = [(x + dx, y + dy, x + dx + wide, y + dy + high) for dx, dy in spots]
        inside = axes.get_window_extent()
        free = [b for b in boxes if b[0] > inside.x0 and b[2] < inside.x1 and all(_apart(b, other) for other in taken)]
        if not free and point["kind"] == "control":
            continue
        box = free[0] if free else boxes[2]
        taken.append(box)
        spot = axes.transData.inverted().transform((box[0], box[1] + 5))
        weight = "bold" if chosen else "normal"
        axes.text(*spot, text, fontsize=8, fontweight=weight, color=INK, parse_math=False, zorder=5)


def _apart(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] >= b[2] or a[2] <= b[0] or a[1] >= b[3] or a[3] <= b[1]


def _text(axes: Any, place: tuple[float, float], text: str, **style: Any) -> None:
    axes.text(*place, _short(text, 90), transform=axes.transAxes, fontsize=8, parse_math=False, **style)


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
