"""What MLflow is told of a run: names and values that it takes."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from autodistill.records import Entry, Reading

NAMES = {"latency": "latency_us", "latency@32": "latency_at_32_us", "size": "size_bytes"}


class Sent(NamedTuple):
    """What MLflow has of a candidate; it lets a parameter be said once."""

    run_id: str
    content: str
    params: frozenset[str]


def asked(report: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a parent run: what was searched, by whose policy, from which data."""
    spec, policy, data = (report.get(name) or {} for name in ("spec", "policy", "data"))
    return {
        "seed": spec.get("seed"),
        "spec_sha256": spec.get("sha256"),
        "policy": f"{policy.get('name')} {policy.get('version')}",
        "policy_sha256": policy.get("sha256"),
        "table": data.get("table"),
        "data_sha256": data.get("sha256"),
    }


def metrics(entry: Entry) -> dict[str, float]:
    """The figures of a candidate by MLflow's names; an energy carries its tier: ``energy_uJ.modelled``."""
    found = {} if entry.error is None else {"error_search": entry.error}
    for name, reading in entry.readings.items():
        ends = {"": reading.value, ".low": reading.low, ".high": reading.high}
        found |= {metric(name, reading) + end: float(value) for end, value in ends.items() if value is not None}
    return found | {f"seconds.{mlflow_name(name)}": float(value) for name, value in entry.seconds.items()}


def metric(name: str, reading: Reading) -> str:
    """The name of a reading among MLflow's metrics."""
    if name == "energy":
        return f"energy_uJ.{reading.source}"
    return NAMES.get(name, mlflow_name(name.replace("@", "_at_")))


def params(entry: Entry) -> dict[str, str]:
    """What makes a candidate, as MLflow's parameters."""
    candidate = entry.candidate
    found: dict[str, Any] = {"number": candidate.number, "family": candidate.family, "loss": candidate.loss}
    found |= {"precision": candidate.precision, "seed": candidate.seed, "architecture": candidate.architecture}
    for room, options in (
        ("student", candidate.student),
        ("distill", candidate.distill),
        ("training", candidate.training),
        ("fairness", candidate.fairness),
    ):
        found |= {f"{room}.{name}": value for name, value in options.items()}
    return {mlflow_name(name): str(value)[:5000] for name, value in found.items()}


def digests(report: Mapping[str, Any]) -> dict[str, str]:
    """What a decision rests on, as tags."""
    found = {
        f"autodistill.{name}_sha256": (report.get(name) or {}).get("sha256") for name in ("spec", "policy", "data")
    }
    found["autodistill.ledger_head"] = report.get("ledger_head")
    found["autodistill.teacher_digest"] = (report.get("teacher") or {}).get("digest")
    found["autodistill.verdict"] = report["verdict"]["decision"]
    found["autodistill.certified"] = report.get("certified") or "none"
    return {name: str(value) for name, value in found.items() if value}


def mlflow_name(text: str) -> str:
    """A name that MLflow takes."""
    return re.sub(r"[^\w.\- /]", "_", text)[:250]
