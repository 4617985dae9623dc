"""Is the audit a measuring instrument? False passes, false FAILs, coverage and labels, worst cells named (AUDIT §10).

Exact sums over all count tables where that is possible, else simulation with fixed seeds: the worst cells of a
simulation are drawn again with another seed and more draws, and that figure is the one printed. Beside ours stand
Wald's interval, the percentile bootstrap and fairlearn's ``difference_ci`` where they answer the same question.
Run: ``python benchmarks/audit_validity.py [--quick] [--only TOPIC …]``; it writes ``results/audit_validity.md`` and
``.json`` (with ``--quick`` beside them, as ``audit_validity_quick``; ``--only`` renews the lines of these topics).
Figures are the same on every machine, seconds are not.
"""

import argparse
import importlib
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from validity.common import Claim

SHOWN = ("Wald", "percentile", "fairlearn")
TOPICS = (
    "loss",
    "contrasts",
    "growth",
    "groups",
    "clusters",
    "certify",
    "ratio",
    "rowlevel",
    "scores",
    "attributions",
    "rivals",
)


Stored = Mapping[str, Any]
"""A claim as it is stored: the fields of ``Claim``, and ``ok``."""


def percent(value: float | None) -> str:
    """A share as the table shows it."""
    return "" if value is None else f"{100 * value:.2f} %"


def line(claim: Stored) -> str:
    """One row of the table."""
    ours = percent(claim["ours"]) + (f" ± {100 * claim['error']:.2f}" if claim["error"] else "")
    rivals = [percent(claim["rivals"].get(name)) for name in SHOWN]
    more = [f"{name} {percent(value)}" for name, value in claim["rivals"].items() if name not in SHOWN]
    notes = "; ".join(part for part in (*more, claim["rivals_at"], claim["note"]) if part)
    limit, floor = claim["bound"], claim["floor"]
    bound = "reported" if limit is None else f"{'≥' if floor else '≤'} {100 * limit:.1f} %"
    ok = {True: "yes", False: "**no**", None: ""}[claim["ok"]]
    cells = (claim["topic"], claim["claim"], str(claim["cells"]), claim["worst"], ours, *rivals, bound, ok, notes)
    return "| " + " | ".join(cells) + " |"


def text(found: Mapping[str, Any], quick: bool) -> str:
    """The whole page."""
    claims = [claim for topic in TOPICS if topic in found for claim in found[topic]["claims"]]
    missed = [claim for claim in claims if claim["ok"] is False]
    seconds = sum(part["seconds"] for part in found.values())
    held = sum(claim["ok"] is True for claim in claims)
    begun = "Quick run: fewer cells and draws. " if quick else ""
    counted = f"{len(claims)} claims: {held} hold, {len(missed)} do not, the others are reported without a bound."
    head = [
        "# The audit as a measuring instrument (`audit_validity.py`)\n",
        f"{begun}{counted} {seconds:.0f} processor seconds on one core.\n",
        "α = 5 % one-sided. ± is one standard error of a simulation (the worst cells drawn again with a fresh seed); "
        "without it a figure is an exact sum. Figures of other methods are in our worst cell unless the notes say "
        "otherwise.\n",
    ]
    if missed:
        head.append("Bounds that are missed:\n")
        head += [f"- {c['topic']}: {c['claim']}: {percent(c['ours'])} at {c['worst']}" for c in missed]
        head.append("")
    columns = "topic | claim | cells | worst cell | ours | Wald | percentile | fairlearn | bound | holds | notes"
    return "\n".join([*head, f"| {columns} |", "|---" * 11 + "|", *map(line, claims)]) + "\n"


def stored(claim: Claim) -> dict[str, Any]:
    """A claim as plain values."""
    plain = {name: getattr(claim, name) for name in claim.__dataclass_fields__}
    numbers = {"ours": float(claim.ours), "error": float(claim.error)}
    rivals = {name: float(value) for name, value in claim.rivals.items()}
    return plain | numbers | {"rivals": rivals, "ok": None if claim.ok is None else bool(claim.ok)}


def main() -> None:
    """Run the topics, print as they come, write after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer cells and draws: about a minute")
    parser.add_argument("--only", choices=TOPICS, nargs="+", help="run these and keep the lines of the others")
    asked = parser.parse_args()
    out = Path(__file__).parent / "results" / ("audit_validity_quick" if asked.quick else "audit_validity")
    kept = out.with_suffix(".json")
    if not asked.only:
        kept.unlink(missing_ok=True)
    found: dict[str, Any] = {}
    for topic in asked.only or TOPICS:
        begun = time.process_time()
        claims = [stored(claim) for claim in importlib.import_module(f"validity.{topic}").run(asked.quick)]
        print("\n".join(map(line, claims)), flush=True)
        # Read again each time: topics may run in several processes.
        found = json.loads(kept.read_text()) if kept.exists() else {}
        found[topic] = {"seconds": round(time.process_time() - begun, 1), "claims": claims}
        kept.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        out.with_suffix(".md").write_text(text(found, asked.quick))
    sys.exit(any(claim["ok"] is False for part in found.values() for claim in part["claims"]))


if __name__ == "__main__":
    main()
