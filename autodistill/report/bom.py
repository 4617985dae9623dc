"""A bill of materials for the certified student: CycloneDX 1.6 with a model card (ML-BOM)."""

import uuid
from collections.abc import Mapping
from typing import Any

from autodistill.records import Finding

SPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 4122's own name space for URLs
TASKS = {"regression": "tabular-regression", "classes": "tabular-classification"}


def bom(report: Mapping[str, Any], findings: list[Finding]) -> dict[str, Any]:
    """The document as plain values: the student, its teacher, its data, the libraries that made it.

    The same report gives the same document. Figures are those of the audit split.
    """
    files, name = report.get("files") or {}, str(report["name"])
    student = _model(report, findings)
    parts = [_teacher(report), _data(report), *_libraries(report)]
    seed = f"https://pypi.org/project/autodistill-audit/{name}/{files.get('student.onnx', report.get('created'))}"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(SPACE, seed)}",
        "version": 1,
        "metadata": {
            "timestamp": str(report.get("created")),
            "tools": {"components": [_tool(report)]},
            "component": student,
        },
        "components": parts,
        "dependencies": [{"ref": "student", "dependsOn": [part["bom-ref"] for part in parts]}],
    }


def _tool(report: Mapping[str, Any]) -> dict[str, Any]:
    version = str((report.get("environment") or {}).get("autodistill", "unknown"))
    return {"type": "application", "name": "autodistill-audit", "version": version}


def _hashes(sha256: Any) -> dict[str, Any]:
    return {"hashes": [{"alg": "SHA-256", "content": str(sha256)}]} if sha256 else {}


def _model(report: Mapping[str, Any], findings: list[Finding]) -> dict[str, Any]:
    spec, data = report.get("spec") or {}, report.get("data") or {}
    wanted = [(f"{f.id} ({f.quantity})", f) for f in findings if f.required and f.estimate is not None]
    metrics = [_metric(title, finding) for title, finding in wanted]
    limits = [str(spec["out_of_scope"])] if spec.get("out_of_scope") else []
    considered: dict[str, Any] = {"technicalLimitations": limits} if limits else {}
    if spec.get("purpose"):
        considered["useCases"] = [str(spec["purpose"])]
    undecided = [f.id for f in findings if f.required and f.outcome not in {"PASS", "FAIL"}]
    if undecided:
        considered["performanceTradeoffs"] = [f"not decided by these data: {one}" for one in undecided]
    return {
        "type": "machine-learning-model",
        "bom-ref": "student",
        "name": str(report["name"]),
        **_hashes((report.get("files") or {}).get("student.onnx")),
        "modelCard": {
            "modelParameters": {
                "task": TASKS["classes" if data.get("classes") else "regression"],
                "datasets": [{"ref": "data"}],
            },
            "quantitativeAnalysis": {"performanceMetrics": metrics},
            "considerations": considered,
        },
    }


def _metric(title: str, finding: Finding) -> dict[str, Any]:
    out: dict[str, Any] = {"type": title, "value": f"{finding.estimate:.6g} {finding.unit}".strip()}
    if finding.group is not None:
        out["slice"] = f"{finding.options.get('attribute', 'group')}={finding.group}"
    bounds = {"lowerBound": finding.low, "upperBound": finding.high}
    interval = {end: f"{value:.6g}" for end, value in bounds.items() if value is not None}
    return out | ({"confidenceInterval": interval} if interval else {})


def _teacher(report: Mapping[str, Any]) -> dict[str, Any]:
    teacher = report.get("teacher") or {}
    note = [{"name": "autodistill:teacher_digest", "value": str(teacher.get("digest"))}]
    return {
        "type": "machine-learning-model",
        "bom-ref": "teacher",
        "name": str(teacher.get("name", "teacher")),
        "description": "the teacher: labels the training rows, and is what the student is audited against",
        "properties": note,
        **_hashes((report.get("files") or {}).get("teacher.onnx")),
    }


def _data(report: Mapping[str, Any]) -> dict[str, Any]:
    data = report.get("data") or {}
    found = {"rows": data.get("rows"), **{f"rows.{k}": v for k, v in (data.get("splits") or {}).items()}}
    return {
        "type": "data",
        "bom-ref": "data",
        "name": str(data.get("table", "table")),
        "properties": [{"name": f"autodistill:{k}", "value": str(v)} for k, v in found.items()],
        **_hashes(data.get("sha256")),
    }


def _libraries(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    packages = ((report.get("environment") or {}).get("packages") or {}).items()
    return [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{name}@{version}",
            "name": str(name),
            "version": str(version),
            "purl": f"pkg:pypi/{name}@{version}",
        }
        for name, version in sorted(packages)
        if version != "not installed"
    ]
