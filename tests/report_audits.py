"""Reports made by hand, as an audit of a table of predictions would leave them."""

from dataclasses import replace
from typing import Any

from report_findings import LONG, NASTY, gap, group_findings, loss, worst_group

from autodistill.records import Finding

TPR = "true_positive_rate"


def change(moved: tuple[float, float, float], gaps: tuple[float, float]) -> dict[str, Any]:
    """A gap's values with both models, and what became of it."""
    names = ("change", "change_low", "change_high")
    details = dict(zip(names, moved, strict=True)) | {"smallest_margin": 0.045}
    return {"gap_teacher": gaps[0], "gap_student": gaps[1], "details": details}


def women(**more: Any) -> list[Finding]:
    """Both findings of a gap that the student widened: 3.1 points fewer positives found, beside men."""
    said = {"teacher": 0.586, "student": 0.555, "teacher_reference": 0.662, "student_reference": 0.660}
    said |= {"reference": "Male", "origin": "amplified", **change((0.029, 0.012, 0.046), (0.076, 0.105)), **more}
    now = gap("sex", "Female", TPR, "at_most", (0.105, 0.082, 0.128), **said | {"limit": 0.06, "outcome": "FAIL"})
    grows = gap("sex", "Female", TPR, "grows_by_at_most", (0.029, 0.012, 0.046), **said | {"limit": 0.05})
    return [now, grows]


def split(of: Finding, parts: tuple[tuple[float, float, float], tuple[float, float, float]], **more: Any) -> Finding:
    """Distillation's part of a difference, and what comes without it."""
    stem = of.id.removesuffix(f"/{of.limit_kind}")
    rest = dict(zip(("estimate", "low", "high"), parts[1], strict=True))
    made = {
        "id": f"attribution/{stem}",
        "check": "attribution",
        "options": {"of": of.check, **of.options},
        "group": of.group,
        "reference": of.reference,
        "split": "audit",
        "quantity": "distillation",
        "level": 0.05,
        "method": "mover-tango",
        "outcome": "REPORTED",
        "rows": of.rows,
        "denominator": of.denominator,
        "details": {"not_distillation": rest, "seeds": 1, "about": "descriptive", **more},
    }
    return Finding(**made | dict(zip(("estimate", "low", "high"), parts[0], strict=True)))


def rowlevel() -> list[Finding]:
    """Scores, calibration and the checks of over-simplification, each in its own unit."""
    common = {"reference": None, "limit": None, "limit_kind": None, "outcome": "REPORTED", "required": False}
    return [
        loss(0.0121, 0.004, 0.0202, id="score_loss/log_loss/at_most", check="score_loss", teacher=0.412, student=0.4241,
             options={"metric": "log_loss"}, quantity="loss", unit="nats", limit=0.03),
        gap("sex", "Female", "log_loss", "grows_by_at_most", (0.02, 0.0, 0.09), check="score_gap", unit="nats",
            id="score_gap/log_loss/sex=Female/grows_by_at_most", limit=0.05, outcome="INCONCLUSIVE",
            rows_needed=9_400, teacher=0.40, student=0.43, note=""),
        *(
            gap("race", group, "", "at_most", value, id=f"calibration/race={group}/at_most", check="calibration",
                quantity="calibration_in_the_large", reference="", limit=0.05, teacher=0.011, student=student,
                options={"metric": "in_the_large", "attribute": "race"}, statement="|mean score − share| < 0.05")
            for group, student, value in (
                ("Black", -0.021, (0.021, 0.008, 0.034)), ("White", 0.012, (0.012, 0.007, 0.017))
            )
        ),
        gap("sex", "Female", "", "at_least", (0.62, 0.55, 0.69), id="impact_ratio/sex=Female/at_least",
            check="impact_ratio", quantity="impact_ratio", unit="ratio", limit=0.5, statement="ratio > 0.5",
            reference="Male", teacher=0.12, student=0.11, student_reference=0.18, teacher_reference=0.19,
            options={"attribute": "sex"}, details={"four_fifths": True}),
        loss(0.094, 0.088, 0.1, id="beats_control/majority/at_least", check="beats_control", teacher=0.76,
             student=0.854,
             options={"control": "majority"}, quantity="gain", limit=0.05, limit_kind="at_least",
             statement="gain > 0.05"),
        loss(0.011, 0.004, 0.018, id="noise_flips", check="noise_flips", teacher=0.02, student=0.031,
             quantity="increase_in_flips", options={}, **common),
        loss(-0.006, -0.012, 0.001, id="reliance_shift/sex", check="reliance_shift", teacher=0.014, student=0.008,
             quantity="permutation_importance", options={"column": "sex"}, **common),
        loss(0.03, 0.01, 0.05, id="membership", check="membership", teacher=0.08, student=None,
             quantity="membership_advantage", options={}, **common),
        *map(unjudged, ("latency", "size")),
    ]  # fmt: skip


def variants() -> list[Finding]:
    """A ratio, a squared error, a kind of row, a tail."""
    return [
        gap("race", "Black", "", "at_most", (0.0002, 0.0, 0.0019), id="calibration/squared_error/race=Black/at_most",
            check="calibration", quantity="calibration_squared_error", reference="", limit=0.01, teacher=0.0001,
            student=0.0002, options={"metric": "squared_error", "attribute": "race"}),
        loss(1.152, 1.141, 1.163, "FAIL", id="score_loss/brier/at_most_ratio", check="score_loss", teacher=0.0888,
             student=0.1023, options={"metric": "brier"}, quantity="ratio", unit="ratio", limit=1.1,
             limit_kind="at_most_ratio"),
        loss(0.044, 0.009, 0.079, "INCONCLUSIVE", id="tail_loss/at_most", check="tail_loss", group="low margin",
             teacher=0.531, student=0.487, options={"rare": 0.05}, quantity="worst_loss", rows=1_021,
             details={"groups": [{"group": "low margin", "estimate": 0.044, "low": 0.009, "high": 0.079, "rows": 1_021,
                                  "outcome": "INCONCLUSIVE"}], "smallest_margin": 0.035}),
        loss(0.556, 0.538, 0.575, id="cvar/log_loss/at_most", check="cvar", teacher=0.0, student=0.556, unit="nats",
             options={"metric": "log_loss", "beta": 0.9}, quantity="loss", limit=0.9),
    ]  # fmt: skip


def unjudged(meter: str) -> Finding:
    """A meter of the policy that no prediction can show."""
    why = "an audit of predictions cannot judge it"
    made = loss(0.0, 0.0, 0.0, "NOT_APPLICABLE", "device", id=f"{meter}/at_most", check=meter, note=why, required=False)
    return replace(made, teacher=None, student=None, estimate=None, low=None, high=None)


def findings() -> list[Finding]:
    """A widened gap that fails, groups that are too small, and one check of each kind."""
    small = [f for f in group_findings() if f.group not in {"Female", "Asian-Pac-Islander"}]
    unknown = gap("race", "(unknown)", TPR, "at_most", (0.0, 0.0, 0.0), limit=None, limit_kind=None)
    gone = {"estimate": None, "low": None, "high": None, "outcome": "REPORTED", "required": False, "reference": None}
    unknown = replace(unknown, **gone, rows=212, denominator=None, teacher=0.6, student=0.58)
    native = replace(small[0], id="group_gap/x/race=Native", group="Native", required=False, outcome="REPORTED")
    native = replace(native, details={"excluded": ["Native"]}, origin="undetermined", note="left undecided")
    lost = replace(loss(0.0061, 0.0022, 0.0099), details={"smallest_margin": 0.0041})
    return [lost, *worst_group(), *women(), *small, unknown, native, *rowlevel()]


def attribution(found: list[Finding]) -> list[Finding]:
    """What of the loss and of the women's gap came with distillation."""
    now = next(f for f in found if f.group == "Female" and f.check == "group_gap")
    return [
        split(found[0], ((0.001, -0.002, 0.004), (0.0051, 0.0015, 0.0087))),
        split(now, ((0.025, 0.009, 0.041), (0.004, -0.011, 0.019))),
    ]


def audited() -> dict[str, Any]:
    """An audit that refuses: one gap is beyond its limit."""
    found = findings()
    share = {"value": 0.1297, "low": 0.1235, "high": 0.1361}
    return {
        "kind": "audit",
        "name": "predictions",
        "title": "predictions",
        "created": "2026-11-24T05:00:00Z",
        "verdict": {
            "decision": "FAIL",
            "because": [f.id for f in found if f.required and f.outcome == "FAIL"],
            "sentence": "Refused: group gap (true positive rate) for sex Female, 10.50 points against a limit of 6.00 "
            "points; 3 more cannot be decided. Not judged: latency and size.",
        },
        "certified": None, "finalist": None, "front": [], "entries": [], "controls": [], "shortlist": [],
        "worth": {}, "rejected_because": {}, "measure": None, "spec": {},
        "teacher": {
            "name": "score_of_the_old_model", "kind": "predictions", "options": {}, "digest": "7c9e" * 16,
            "error_search": None, "error_audit": share, "readings": {}, "notes": [], "saw": "none",
        },
        "student": {
            "name": "score_of_the_new_model", "digest": "beef" * 16,
            "error_audit": {"value": 0.1358, "low": 0.1295, "high": 0.1423},
        },
        "findings": found,
        "attribution": attribution(found),
        "fairlearn": [
            {"metric": "demographic_parity_difference", "attribute": "sex", "teacher": 0.1802, "student": 0.1755}
        ],
        "rows_to_read": {
            "counts": {"good": 61, "bad": 128, "neutral": 0},
            "groups": [
                {"attribute": "sex", "group": "Female", "share": 0.41, "population": 0.33},
                {"attribute": "sex", "group": "Male", "share": 0.59, "population": 0.67},
                {"attribute": "race", "group": "Other", "share": 0.02, "population": 0.01},
            ],
            "ids": [], "file": "rows_to_read.csv", "shown": False,
            "reason": "the policy shows no row ids (rows_shown: none)",
        },
        "policy": {
            "name": "consumer-credit-default", "version": "1.0", "sha256": "ab12" * 16, "confidence": 0.95,
            "choose": "size", "require": [], "n_min": 30, "because": "so few people that no rate is worth a limit",
            "text": "name: consumer-credit-default\nrequire: [{check: accuracy_loss, at_most: 0.015}]\n",
        },
        "data": {
            "table": "predictions.csv", "rows": 10_990, "sha256": "0fe1" * 16, "splits": {"audit": 10_990},
            "digests": {},
            "groups": {"sex": {"Female": 3_600, "Male": 7_390}, "race": {"White": 10_778, "(unknown)": 212}},
            "features": [], "leakage": {}, "notes": [], "classes": ["0", "1"], "positive": "1", "favourable": "1",
            "threshold": 0.5,
        },
        "method": {
            "looks": {"share": 0.05, "alpha": 0.05, "replay": False, "account": 1, "index": 1, "used": 0, "accounts": 1,
                      "looks": 1},
            "m": 23, "shortlist_rule": "", "examined": 0, "not_judged": ["latency", "size"],
        },
        "cost": {"seconds": {"read": 0.2, "judge": 0.4}},
        "environment": {"python": "3.11.9", "packages": {"numpy": "2.4"}},
        "files": {"rows.parquet": "beef" * 16},
        "notes": [],
    }  # fmt: skip


def hostile() -> dict[str, Any]:
    """Names from a table that would break a page, ids that are shown, a teacher of unknown past."""
    made = audited()
    every = [*made["findings"], *variants()]
    nasty = [replace(f, group=f"{NASTY} {LONG}" if f.group else None) for f in every]
    read = made["rows_to_read"] | {"ids": [NASTY, LONG, "17"], "shown": True, "reason": ""}
    read["groups"] = [line | {"group": NASTY} for line in read["groups"]]
    return made | {
        "title": f"{NASTY} {LONG}",
        "findings": nasty,
        "attribution": [replace(f, note=NASTY, group=NASTY) for f in made["attribution"]],
        "rows_to_read": read,
        "teacher": made["teacher"] | {"name": NASTY, "saw": "unknown"},
        "student": made["student"] | {"name": LONG},
        "policy": made["policy"] | {"because": NASTY},
    }


def regression() -> dict[str, Any]:
    """An audit of numbers: no error, no decision that flips, and it is accepted."""
    made = audited()
    score = loss(0.12, 0.03, 0.21, id="score_loss/rmse/at_most", check="score_loss", teacher=3.41, student=3.53,
                 options={"metric": "rmse"}, quantity="loss", unit="target", limit=0.5)  # fmt: skip
    none = {"counts": {"good": 0, "bad": 0, "neutral": 0}, "groups": [], "ids": [], "shown": False}
    return made | {
        "verdict": {"decision": "PASS", "because": [score.id], "sentence": "Accepted: the one required test passes."},
        "findings": [score],
        "attribution": [],
        "fairlearn": [],
        "teacher": made["teacher"] | {"error_audit": None},
        "student": made["student"] | {"error_audit": None},
        "data": made["data"] | {"classes": [], "positive": None, "favourable": None, "groups": {}},
        "rows_to_read": none | {"file": "rows_to_read.csv", "reason": "a regression has no decisions that flip"},
    }
