"""Is the audit a measuring instrument? False passes, false FAILs, coverage and labels, worst cells named (AUDIT §10).

Exact sums over all count tables where that is possible, else simulation with fixed seeds: the worst cells of a
simulation are drawn again with another seed and more draws, and that figure is the one printed. Beside ours stand
Wald's interval, the percentile bootstrap and fairlearn's ``difference_ci`` where they answer the same question.
Run: ``python benchmarks/audit_validity.py [--quick] [--only TOPIC]``; it writes ``results/audit_validity.md`` and
``.json`` (not with ``--only``; with ``--quick`` beside them, as ``audit_validity_quick``). Figures are the same on
every machine, seconds are not.
"""

import argparse
import importlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from validity.common import Claim

TOPICS = (
    "loss",
    "contrasts",
    "growth",
    "groups",
    "clusters",
    "certify",
    "ratio",
    "rowlevel",
    "attributions",
    "rivals",
)


def percent(value: float | None) -> str:
    """A share as the table shows it."""
    return "" if value is None else f"{100 * value:.2f} %"


def line(claim: Claim) -> str:
    """One row of the table."""
    ours = percent(claim.ours) + (f" ± {100 * claim.error:.2f}" if claim.error else "")
    rivals = [percent(claim.rivals.get(name)) for name in ("Wald", "percentile", "fairlearn")]
    named = {"Wald", "percentile", "fairlearn"}
    more = [f"{name} {percent(value)}" for name, value in claim.rivals.items() if name not in named]
    notes = "; ".join(part for part in (*more, claim.rivals_at, claim.note) if part)
    bound = "reported" if claim.bound is None else f"{'≥' if claim.floor else '≤'} {100 * claim.bound:.1f} %"
    ok = {True: "yes", False: "**no**", None: ""}[claim.ok]
    cells = (claim.topic, claim.claim, str(claim.cells), claim.worst, ours, *rivals, bound, ok, notes)
    return "| " + " | ".join(cells) + " |"


def text(claims: Sequence[Claim], seconds: float, quick: bool) -> str:
    """The whole page."""
    missed = [claim for claim in claims if claim.ok is False]
    head = [
        "# The audit as a measuring instrument (`audit_validity.py`)\n",
        f"{'Quick run: fewer cells and draws. ' if quick else ''}{len(claims)} claims, "
        f"{sum(claim.ok is True for claim in claims)} hold, {len(missed)} do not; {seconds:.0f} s on one core of a "
        "2-core machine. α = 5 % one-sided. ± is one standard error of a simulation (the worst cells drawn again with "
        "a fresh seed); without it a figure is an exact sum. Rivals without a word on their cell are in ours.\n",
    ]
    if missed:
        head.append("Bounds that are missed:\n")
        head += [f"- {c.topic}: {c.claim}: {percent(c.ours)} at {c.worst}" for c in missed]
        head.append("")
    columns = "topic | claim | cells | worst cell | ours | Wald | percentile | fairlearn | bound | holds | notes"
    table = [f"| {columns} |", "|---" * 11 + "|", *(line(claim) for claim in claims)]
    return "\n".join([*head, *table]) + "\n"


def record(claim: Claim) -> dict[str, object]:
    """A claim as it is stored."""
    plain = {name: getattr(claim, name) for name in claim.__dataclass_fields__}
    numbers = {"ours": float(claim.ours), "error": float(claim.error)}
    rivals = {name: float(value) for name, value in claim.rivals.items()}
    return plain | numbers | {"rivals": rivals, "ok": None if claim.ok is None else bool(claim.ok)}


def main() -> None:
    """Run the topics, print as they come, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer cells and draws: about a minute")
    parser.add_argument("--only", choices=TOPICS, help="one topic, printed and not written")
    asked = parser.parse_args()
    begun = time.perf_counter()
    claims: list[Claim] = []
    for topic in [asked.only] if asked.only else TOPICS:
        start = time.perf_counter()
        found = importlib.import_module(f"validity.{topic}").run(asked.quick)
        claims += found
        print(f"{topic}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
        for claim in found:
            print(line(claim), flush=True)
    if not asked.only:
        name = "audit_validity_quick" if asked.quick else "audit_validity"
        out = Path(__file__).parent / "results" / name
        out.with_suffix(".md").write_text(text(claims, time.perf_counter() - begun, asked.quick))
        lines = json.dumps([record(claim) for claim in claims], indent=1, ensure_ascii=False)
        out.with_suffix(".json").write_text(lines + "\n")
    sys.exit(any(claim.ok is False for claim in claims))


if __name__ == "__main__":
    main()
