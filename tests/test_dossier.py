"""The papers beside a student: a model card, a bill of materials, an index of what is answered and what is missing."""

import json
from typing import Any

import msgspec
import pytest
import small_run
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from autodistill.records import Finding
from autodistill.report import bom, card, dossier


def findings(found: dict[str, Any]) -> list[Finding]:
    return msgspec.convert(found["findings"], list[Finding])


def test_the_bill_of_materials_is_valid_by_its_own_schema(recorded: small_run.Run) -> None:
    found = recorded.report
    document = bom.bom(found, findings(found))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)) is None
    assert document == bom.bom(found, findings(found))  # the same report, the same document
    student = document["metadata"]["component"]
    assert student["hashes"][0]["content"] == found["files"]["student.onnx"]
    told = student["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    loss = next(one for one in told if one["type"].startswith("accuracy_loss"))
    stored = next(f for f in findings(found) if f.check == "accuracy_loss")
    assert loss["value"] == f"{stored.estimate:.6g} share"


def test_the_card_has_front_matter_and_every_required_test(recorded: small_run.Run) -> None:
    found = recorded.report
    text = card.card(found, findings(found))
    head = yaml.safe_load(text.split("---")[1])
    assert head["library_name"] == "onnx"
    assert head["pipeline_tag"] == "tabular-classification"
    accuracy = head["model-index"][0]["results"][0]["metrics"][0]["value"]
    stored = next(f for f in findings(found) if f.check == "accuracy_loss")
    assert accuracy == pytest.approx(stored.student, abs=1e-6)
    required = [f for f in findings(found) if f.required]
    tests = text.split("## Audit")[1].split("## Distillation against")[0]
    assert tests.count("| PASS |") == sum(f.outcome == "PASS" for f in required)


def test_text_from_data_cannot_format_or_run(recorded: small_run.Run) -> None:
    found = recorded.report
    found["name"] = "a<script>alert(1)</script>`|**b**\n# title"
    found["spec"] = {**found["spec"], "purpose": "[click](javascript:alert(1))"}
    text = card.card(found, findings(found))
    assert "<script>" not in text.split("---", 2)[2]
    assert "[click](" not in text
    assert "\n# title" not in text.split("---", 2)[2]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bom.bom(found, findings(found)))) is None


def test_every_field_is_answered_or_said_to_be_missing(recorded: small_run.Run) -> None:
    found = recorded.report
    answers = dossier.answers(found)
    assert {one.framework for one in answers} == {dossier.ACT, dossier.NIST, dossier.NYC}
    assert all(one.note or one.status == "answered" for one in answers)
    by = {(one.framework, one.clause): one for one in answers}
    assert by[dossier.ACT, "2(g)"].status == "missing"  # nobody has signed
    assert by[dossier.NIST, "MANAGE 2.4"].status == "missing"
    found["spec"] = {**found["spec"], "rollback": "the teacher, behind the same interface"}
    found["statements"] = [{"predicate": {"decision": "approved", "by": "Ada", "role": "risk", "at": "2026-01-01"}}]
    after = {(one.framework, one.clause): one for one in dossier.answers(found)}
    assert after[dossier.ACT, "2(g)"].status == after[dossier.NIST, "MANAGE 2.4"].status == "answered"
