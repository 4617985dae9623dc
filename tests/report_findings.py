"""Findings, readings and controls made by hand, as the auditor and the meters would leave them; nasty words."""

from typing import Any

from autodistill.records import Finding, Reading

NASTY = '<script>alert(1)</script> & "quotes" </script> Ünïcødé 漢字 🙂 =1+1'
LONG = "a-very-long-name-without-any-place-to-break-" * 6

P10 = "p10 of clean samples, minimum over accepted runs"
DEVICE = "x86_64, 2 cores, ONNX Runtime 1.32, 1 thread"


def reading(quantity: str, unit: str, value: float | None, spread: float = 0.0, **more: Any) -> Reading:
    known = value is not None and spread
    return Reading(
        quantity=quantity,
        unit=unit,
        value=value,
        low=value * (1 - spread) if known and value is not None else None,
        high=value * (1 + spread) if known and value is not None else None,
        repeats=3 if spread else 1,
        method=more.pop("method", P10 if unit == "us" else "bytes on disk"),
        device=DEVICE,
        **more,
    )


def readings(latency: float, size: float, energy: float, ratio: float | None = None, **more: Any) -> dict[str, Reading]:
    made = {
        "latency": reading("latency", "us", latency, 0.012, **more),
        "latency@32": reading("latency@32", "us", latency / 14, 0.02),
        "size": reading("size", "bytes", size),
        "energy_uJ.modelled": reading(
            "energy_uJ.modelled",
            "uJ",
            energy,
            0.4,
            source="modelled",
            method="operations of the executed graph, 7–45 nm",
        ),
        "parameters": reading("parameters", "count", size / 4, method="initialisers of the graph"),
    }
    if ratio:
        made["latency_ratio"] = reading("latency_ratio", "ratio", ratio, 0.03, method="interleaved in one process")
    return made


def loss(estimate: float, low: float, high: float, outcome: str = "PASS", split: str = "audit", **more: Any) -> Finding:
    made = {
        "id": "accuracy_loss/at_most",
        "check": "accuracy_loss",
        "split": split,
        "teacher": 0.8703,
        "student": 0.8703 - estimate,
        "quantity": "loss",
        "estimate": estimate,
        "low": low,
        "high": high,
        "level": 0.025,
        "method": "tango",
        "limit": 0.015,
        "limit_kind": "at_most",
        "statement": "loss < 0.015",
        "outcome": outcome,
        "rows": 10_990,
        "required": True,
    }
    return Finding(**(made | more))


def gap(attribute: str, group: str, metric: str, kind: str, value: tuple[float, float, float], **more: Any) -> Finding:
    limits = {"at_most": 0.25 if metric == "true_positive_rate" else 0.15, "grows_by_at_most": 0.10}
    made = {
        "id": f"group_gap/{metric}/{attribute}={group}/{kind}",
        "check": "group_gap",
        "options": {"metric": metric, "attribute": attribute},
        "group": group,
        "reference": "rest",
        "split": "audit",
        "quantity": "gap" if kind == "at_most" else "gap_growth",
        "estimate": value[0],
        "low": value[1],
        "high": value[2],
        "level": 0.025,
        "method": "mover-wilson" if kind == "at_most" else "mover-tango",
        "limit": limits.get(kind),
        "limit_kind": kind,
        "statement": "|gap| < 0.25" if kind == "at_most" else "growth < 0.10",
        "outcome": "PASS",
        "rows": 3_600,
        "denominator": 610,
        "required": True,
    }
    return Finding(**(made | more))


def group_findings() -> list[Finding]:
    tpr, fpr = "true_positive_rate", "false_positive_rate"
    women = {"teacher": 0.586, "student": 0.555, "teacher_reference": 0.662, "student_reference": 0.660}
    black = {"teacher": 0.571, "student": 0.548, "teacher_reference": 0.655, "student_reference": 0.648}
    asian = {"teacher": 0.640, "student": 0.652, "teacher_reference": 0.650, "student_reference": 0.643}
    other = {"teacher": 0.500, "student": 0.444, "teacher_reference": 0.650, "student_reference": 0.643}
    false = {"teacher": 0.021, "student": 0.018, "teacher_reference": 0.084, "student_reference": 0.086}
    small = {"rows": 171, "denominator": 18, "outcome": "INSUFFICIENT", "note": "18 positives, under n_min 30"}
    tiny = {"rows": 31, "denominator": 6, "outcome": "INSUFFICIENT", "note": "6 positives, under n_min 30"}
    return [
        gap("sex", "Female", tpr, "at_most", (0.105, 0.062, 0.147), origin="inherited", **women),
        gap("sex", "Female", tpr, "grows_by_at_most", (0.029, 0.012, 0.047), origin="inherited", **women),
        gap("race", "Black", tpr, "at_most", (0.100, 0.027, 0.173), origin="undetermined", denominator=131, **black),
        gap(
            "race",
            "Black",
            tpr,
            "grows_by_at_most",
            (0.016, 0.0, 0.112),
            outcome="INCONCLUSIVE",
            origin="undetermined",
            denominator=131,
            rows=1_050,
            rows_needed=1_640,
            **black,
        ),
        gap("race", "Asian-Pac-Islander", tpr, "at_most", (-0.009, -0.110, 0.090), origin="clear", **asian),
        gap("race", "Asian-Pac-Islander", tpr, "grows_by_at_most", (0.0, 0.0, 0.055), origin="clear", **asian),
        gap("race", "Other", tpr, "at_most", (0.199, -0.02, 0.40), **small, **other),
        gap("race", NASTY, tpr, "at_most", (0.3, -0.2, 0.70), **tiny, **other),
        gap("sex", "Female", fpr, "at_most", (-0.068, -0.081, -0.055), origin="inherited", **false),
        gap("sex", "Female", fpr, "grows_by_at_most", (0.005, 0.0, 0.011), limit=0.05, origin="inherited", **false),
    ]


def worst_group() -> list[Finding]:
    made = []
    for name, value in {
        "Black": (0.011, 0.001, 0.019),
        "Female": (0.004, -0.001, 0.008),
        "White": (0.006, 0.001, 0.01),
    }.items():
        made.append(
            loss(
                *value,
                id=f"worst_group_loss/{name}",
                check="worst_group_loss",
                options={"attribute": "sex" if name == "Female" else "race"},
                group=name,
                reference=None,
                limit=0.04,
                statement="loss < 0.04",
                method="tango, largest of 3",
                rows=1_050,
            )
        )
    return made


def meter(name: str, unit: str, estimate: float, limit: float, kind: str, **more: Any) -> Finding:
    made = {
        "id": f"{name}/{kind}",
        "check": name,
        "split": "search",
        "quantity": name,
        "estimate": estimate,
        "low": estimate * 0.98 if unit == "×" else None,
        "high": estimate * 1.02 if unit == "×" else None,
        "level": 0.05,
        "method": "interleaved" if unit == "×" else "bytes on disk",
        "unit": unit,
        "limit": limit,
        "limit_kind": kind,
        "statement": f"{name} < {limit}",
        "outcome": "PASS",
        "required": True,
    }
    return Finding(**(made | more))


def audit_findings() -> list[Finding]:
    collapse = loss(
        0.02,
        -0.01,
        0.04,
        id="class_collapse",
        check="class_collapse",
        quantity="recall_drop",
        limit=0.1,
        statement="drop < 0.10",
    )
    churn = loss(
        0.031,
        0.027,
        0.035,
        "REPORTED",
        id="churn",
        check="churn",
        quantity="churn",
        limit=None,
        limit_kind=None,
        statement="",
        required=False,
        teacher=None,
        student=None,
    )
    lost = loss(0.0061, 0.0022, 0.0099)
    meters = [meter("latency", "×", 0.41, 0.6, "at_most_ratio"), meter("size", "bytes", 21_400, 200_000, "at_most")]
    return [lost, *worst_group(), *group_findings(), collapse, *meters, churn]


def controls() -> list[dict[str, Any]]:
    rows = [
        (
            "label_only",
            "Label-only twin",
            "Same architecture, trained on labels.",
            0.139,
            0.0094,
            (23.9, 21_500, 0.0042),
        ),
        ("linear", "Linear", "Logistic regression on the same inputs.", 0.151, 0.0213, (18.1, 3_900, 0.0009)),
        ("majority", "Majority class", "Always says the most frequent class.", 0.2393, 0.1096, (5.2, 410, 0.00001)),
        (
            "best_member",
            "Best member of the teacher",
            "Gradient boosting alone.",
            0.1301,
            0.0004,
            (48.0, 702_000, 0.71),
        ),
    ]
    return [
        {
            "name": name,
            "title": title,
            "what": what,
            "candidate": None,
            "readings": readings(*read),
            "error": error,
            "audit_error": {"value": error + 0.0005, "low": error - 0.006, "high": error + 0.0065},
            "loss": {"estimate": lost, "low": lost - 0.004, "high": lost + 0.004},
            "findings": [],
        }
        for name, title, what, error, lost, read in rows
    ] + [
        {
            "name": "quantised",
            "title": "teacher in int8",
            "what": "The teacher with int8 weights, not trained again.",
            "candidate": None,
            "readings": {},
            "error": None,
            "audit_error": None,
            "loss": None,
            "findings": [],
            "reason": "not applicable: it is made of trees, and fewer bits would leave its file as large",
        }
    ]
