"""The certified student's model card: ``README.md`` as Hugging Face reads it, every figure with its interval."""

from collections.abc import Mapping
from typing import Any

import yaml

from autodistill.records import Finding
from autodistill.report import against, dossier, errors, grouped, words
from autodistill.report.sentences import sentence

MISSING = "Not recorded."


def card(report: Mapping[str, Any], findings: list[Finding]) -> str:
    """Markdown with its front matter; text from data and files is escaped, so that it can neither format nor run."""
    spec, data, policy = (report.get(name) or {} for name in ("spec", "data", "policy"))
    verdict = report["verdict"]
    parts = [
        _front_matter(report, findings),
        f"# {_plain(report['name'])}",
        f"**{verdict['decision']}** under policy {_plain(policy.get('name'))} {_plain(policy.get('version'))} "
        f"(sha256 `{str(policy.get('sha256'))[:12]}`): {_plain(verdict['sentence'])}",
        "## Intended use",
        _plain(spec.get("purpose")) or MISSING,
        "**Out of scope.** " + (_plain(spec.get("out_of_scope")) or MISSING),
        "**Owner.** " + (_plain(spec.get("owner")) or MISSING),
        "## Model",
        f"Student of {_plain((report.get('teacher') or {}).get('name'))}, one ONNX file that takes raw rows: "
        f"`student.onnx`, sha256 `{(report.get('files') or {}).get('student.onnx', 'not recorded')}`.",
        *([" ".join(map(_plain, grouped.sentences(report)))] if report.get("group_data") else []),
        "## Data",
        f"{_plain(data.get('table'))}, {data.get('rows', '?')} rows "
        f"({', '.join(f'{k} {v}' for k, v in (data.get('splits') or {}).items())}). "
        + (_plain(spec.get("provenance")) or "Provenance: not recorded."),
        "## Audit",
        "Student against teacher on the same rows of the audit split, which took no part in training or search.",
        _tests(findings),
        *_against(report),
        "## Limits and risks",
        _plain(spec.get("residual_risks")) or "Residual risks: not recorded.",
        _undecided(findings),
        "## Decisions",
        _decisions(report),
        "## What is missing for a file under the EU AI Act, NIST AI RMF or Local Law 144",
        _missing(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(report: Mapping[str, Any], findings: list[Finding]) -> str:
    data = report.get("data") or {}
    task = "tabular-classification" if data.get("classes") else "tabular-regression"
    accuracy = next((f.student for f in findings if f.check == "accuracy_loss" and f.student is not None), None)
    head: dict[str, Any] = {
        "library_name": "onnx",
        "pipeline_tag": task,
        "tags": ["knowledge-distillation", "autodistill", "audited"],
    }
    kind, value, unit = "accuracy", accuracy, ""
    if not data.get("classes"):
        scores = (f for f in findings if f.check == "score_loss" and f.group is None and f.student is not None)
        value = next((f.student for f in scores if f.options.get("metric") == "rmse"), None)
        kind, unit = "rmse", f", {errors.unit(report)}"
    if value is not None:
        result = {
            "task": {"type": task},
            "dataset": {"name": str(data.get("table")), "type": "tabular", "split": "audit"},
            "metrics": [{"type": kind, "value": round(value, 6), "name": f"{kind}, audit split{unit}"}],
        }
        head |= {"metrics": [kind], "model-index": [{"name": str(report["name"]), "results": [result]}]}
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---"


def _plain(text: Any) -> str:
    """Text that means itself in Markdown and HTML, on one line."""
    line = " ".join(str(text or "").split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{letter}" if letter in "\\`*_[]|#~" else letter for letter in line)


def _tests(findings: list[Finding]) -> str:
    required = [f for f in findings if f.required]
    if not required:
        return "No required test was made."
    head = "| test | group | estimate | limit | outcome |\n|---|---|---|---|---|"
    rows = [
        f"| {_plain(f.id)} | {_plain(words.who(f)) or 'all rows'} | {_plain(words.measured(f))} "
        f"| {_plain(words.limit(f))} | {f.outcome} |"
        for f in required
    ]
    return "\n".join([head, *rows])


def _against(report: Mapping[str, Any]) -> list[str]:
    """The table of a search: its student, and what anyone would try first."""
    if report.get("kind") == "audit":
        return []
    head = "| model | size, × teacher | latency, × teacher | error, audit split | difference to the teacher | verdict |"
    lines = [head, "|---|---|---|---|---|---|"]
    for row in against.shown(report):
        name = f"{row['title']} ({row['reason']})" if row["reason"] else row["title"]
        cells = [f"{row[key]} {row[f'{key}_spread']}" for key in ("latency", "error", "difference")]
        lines.append("| " + " | ".join(_plain(one) for one in (name, row["size"], *cells, row["verdict"])) + " |")
    about = f"{against.teacher_line(report)} Controls are read without a test; only the student is judged."
    return ["## Distillation against traditional compression", _plain(about), "\n".join(lines)]


def _undecided(findings: list[Finding]) -> str:
    found = [f for f in findings if f.required and f.outcome not in {"PASS", "FAIL"}]
    return "\n".join(f"- {_plain(sentence(f))}" for f in found) or "Every required test was decided."


def _decisions(report: Mapping[str, Any]) -> str:
    found = [one["predicate"] for one in report.get("statements") or () if "decision" in (one.get("predicate") or {})]
    lines = [
        f"- {_plain(one['decision'])} by {_plain(one.get('by'))} ({_plain(one.get('role'))}), {_plain(one.get('at'))}"
        + (f", valid until {_plain(one['validUntil'])}" if one.get("validUntil") else "")
        + (f"; **{_plain(one['in_spite_of'])}**" if one.get("in_spite_of") else "")
        + "".join(f"; condition: {_plain(condition)}" for condition in one.get("conditions") or ())
        for one in found
    ]
    return "\n".join(lines) or "Nobody has decided about this student yet. `autodistill verify` proves a decision."


def _missing(report: Mapping[str, Any]) -> str:
    found = [one for one in dossier.answers(report) if one.status != "answered"]
    return "\n".join(f"- {one.framework} {one.clause}, {one.asks}: {one.note}." for one in found) or "Nothing."
