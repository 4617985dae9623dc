"""``autodistill check FILE``."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from autodistill.cli.display import console, duration

LIKELY = 0.8  # power under which a test is said to stay undecided


def run(asked: argparse.Namespace) -> int:
    """Say what a search would do, and what these rows can certify under the policy; run nothing."""
    from autodistill import spec

    found = _found(spec.load(asked.file))
    if asked.json:
        print(json.dumps(found))
    else:
        _print(found)
    return 0


def _found(asked: Any) -> dict[str, Any]:
    from autodistill import auditor, data, draft, spec
    from autodistill.run import refusing
    from autodistill.run.ordered import LENGTH

    dataset = data.load(asked.data, asked.seed)
    refusing.refuse(asked, dataset)
    level = asked.policy.alpha / asked.policy.looks
    return {
        "name": asked.name,
        "table": {
            "path": str(asked.data.table),
            "rows": len(dataset.y),
            "splits": {name: len(at) for name, at in dataset.splits.items()},
            "features": list(dataset.features),
            "classes": list(dataset.classes),
            "groups": {name: sorted(set(map(str, column))) for name, column in dataset.groups.items()},
            "leakage": dict(dataset.leakage),
            "notes": list(dataset.notes),
        },
        "teacher": {"kind": asked.teacher[0], "options": dict(asked.teacher[1])},
        "space": {"dimensions": [d.name for d in asked.space.dimensions], "candidates": asked.space.size()},
        "budget": asdict(asked.budget),
        "objectives": list(asked.objectives),
        "policy": {"name": asked.policy.name, "version": asked.policy.version, "alpha": asked.policy.alpha,
                   "looks": asked.policy.looks, "level": level, "first_level": level / LENGTH},
        "certifiable": {
            name: [asdict(one) for one in auditor.certifiable(asked.policy, dataset, level=at)]
            for name, at in (("level", level), ("first_level", level / LENGTH))
        },
        "assumed": None if dataset.classes else {
            "spread": draft.SPREAD,
            "first_level": [asdict(one) for one in draft.certified(asked.policy, dataset, level / LENGTH)],
        },
        "missing_for_sign_off": [name for name in spec.DESCRIPTIVE if not getattr(asked, name)],
    }  # fmt: skip


def _print(found: dict[str, Any]) -> None:
    out = console()
    table, policy = found["table"], found["policy"]
    splits = ", ".join(f"{name} {count:,}" for name, count in table["splits"].items())
    out.print(f"{found['name']}: {table['path']}, {table['rows']:,} rows ({splits})")
    out.print(f"  features: {', '.join(table['features'])}")
    out.print(f"  classes: {', '.join(table['classes']) or 'none (regression)'}")
    for name, groups in table["groups"].items():
        out.print(f"  group {name}: {', '.join(g or '(unknown)' for g in groups)}")
    for note in table["notes"]:
        out.print(f"  note: {note}")
    size = found["space"]["candidates"]
    many = "without end (a continuous setting)" if size is None else f"{size:,}"
    out.print(f"  space: {len(found['space']['dimensions'])} settings, distinct candidates: {many}")
    budget = [f"{found['budget']['trials']} candidates" if found["budget"]["trials"] else ""]
    budget.append(duration(60 * found["budget"]["minutes"]) if found["budget"]["minutes"] else "")
    out.print(f"  budget: at most {' and '.join(one for one in budget if one)}, after the teacher has given its labels")
    if table["classes"]:
        out.print(
            f"\nWhat the audit split can certify under {policy['name']} {policy['version']}, if the student neither "
            "gains nor loses (5 % of rows decided differently, assumed):"
        )
        out.print(_table(found))
        out.print(_read(found))
    else:
        out.print(
            f"\nWhat the audit split can certify under {policy['name']} {policy['version']}, if a row adds "
            f"{found['assumed']['spread']:g} standard deviations of the target to the difference of errors (assumed: "
            "no label tells it; the report has the smallest limits that were certified):"
        )
        out.print(_limits(found))
    _missing(out, found)


def _read(found: dict[str, Any]) -> str:
    """The table in a sentence or two."""
    from autodistill.auditor.forecast import SCORES

    both = found["certifiable"]
    least = 100 * both["first_level"][-1]["power"]
    apart = [one["id"] for one in both["first_level"][:-1] if one["note"] == SCORES]
    weak = [
        one["id"]
        for one in both["first_level"][:-1]
        if one["note"] != SCORES and (one["note"] or one["power"] < LIKELY)
    ]
    first = (
        "Power is how often such a student passes; the last column is for the first of five that are tested in order. "
        f"All together{f' (without {len(apart)} of scores, of which nothing is known yet)' if apart else ''}: "
        f"{least:.0f} times of 100."
    )
    if not weak:
        return first
    one = weak[0] + (f" and {len(weak) - 1} more" if len(weak) > 1 else "")
    return (
        f"{first} Too few rows for {one}: expect INCONCLUSIVE there. More rows decide it, or a wider limit if that is "
        "still acceptable, or the line under `report`."
    )


def _missing(out: Any, found: dict[str, Any]) -> None:
    if found["missing_for_sign_off"]:
        out.print(f"missing for a sign-off: {', '.join(found['missing_for_sign_off'])}")


def _limits(found: dict[str, Any]) -> Any:
    """Of a regression: each required check with the smallest limit that is certified nine times of ten."""
    from rich.table import Table

    out = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("required test", "rows", "limit", f"certifies at α={found['policy']['first_level']:.3g}", ""):
        out.add_column(column, justify="left" if column in {"required test", ""} else "right")
    for one in found["assumed"]["first_level"]:
        margin = "" if one["margin"] is None else f"< {one['margin']:g}"
        out.add_row(one["id"], f"{one['rows']:,}", f"{one['limit']:g}", margin, one["note"])
    return out


def _table(found: dict[str, Any]) -> Any:
    from rich.table import Table

    out = Table(box=None, pad_edge=False, header_style="bold")
    level, first = found["policy"]["level"], found["policy"]["first_level"]
    for column in ("required test", "rows", "limit", f"certifies at α={level:.3g}", "power", f"power at α={first:.3g}"):
        out.add_column(column, justify="left" if column == "required test" else "right")
    both = zip(found["certifiable"]["level"], found["certifiable"]["first_level"], strict=True)
    for one, hard in both:
        margin = "" if one["margin"] is None else f"< {one['margin']:.3f}"
        rows = f"{one['denominator']:,}" if one["denominator"] else ""
        limit = "" if one["limit"] is None else f"{one['limit']:.3g}"
        note = one["note"] or f"{100 * one['power']:.0f} %"
        least = "" if one["note"] else f"{100 * hard['power']:.0f} %"
        out.add_row(one["id"], rows, limit, margin, note, least)
    return out
