"""A language model end to end in parts: characters inside the file, a causal student, and perplexity side by side."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from audit_rows import check, policy
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from torch.nn import functional

from autodistill import auditor, export, plugins
from autodistill.errors import TableError
from autodistill.inputs import Encoding
from autodistill.records import Finding, Predictions
from autodistill.report import sentences, words
from autodistill.stats import Evidence, NotApplicable, Rows, RowSums
from autodistill.stats.influence import by_group, measured

TEXTS = np.array(["the cat", "", "a", "that hat, the cat sat at the mat.", "hé the"], object)


@functools.cache
def encoding(length: int = 12) -> Encoding:
    """Of ``TEXTS``."""
    made = plugins.build("inputs", "characters", {"column": "x", "length": length, "min_rows": 1, "counted": 3})
    found: Encoding = made.fit({"x": TEXTS}, np.zeros(5), ("a", "b"))
    return found


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_a_file_splits_any_text_into_its_last_characters(texts: list[str]) -> None:
    found = encoding()
    seen = [one for text in TEXTS for one in set(text)]
    order = sorted(set(seen), key=lambda one: (-seen.count(one), one))
    code = {one: 2 + at for at, one in enumerate(order)}
    told = np.array(texts, object)
    rows = [[code.get(one, 1) for one in text[-12:]] for text in texts]
    codes = found.apply({"x": told})[1]
    np.testing.assert_array_equal(codes, [[0] * (12 - len(row)) + row for row in rows])
    matrix = found.apply_matrix({"x": told}).reshape(len(texts), 3, -1)
    np.testing.assert_array_equal(matrix.argmax(axis=2), codes[:, -3:])
    np.testing.assert_array_equal(matrix.sum(axis=2), 1.0)


@pytest.mark.parametrize(("form", "kind"), [("split", onnx.TensorProto.INT64), ("matrix", onnx.TensorProto.FLOAT)])
def test_types_are_known_behind_an_operator_that_onnx_does_not_know(form: Any, kind: int) -> None:
    """The quantiser infers them, and the process ended where LabelEncoder was given none."""
    graph = encoding().graph(form)
    del graph.graph.output[0].type.tensor_type.shape.dim[:]
    inferred = onnx.shape_inference.infer_shapes(graph, strict_mode=True).graph
    coded = next(node for node in inferred.node if node.op_type == "LabelEncoder")
    types = {value.name: value.type.tensor_type.elem_type for value in (*inferred.value_info, *inferred.output)}
    assert (types[coded.input[0]], types[coded.output[0]]) == (onnx.TensorProto.STRING, onnx.TensorProto.INT64)
    assert types[inferred.output[0].name] == kind


def test_texts_without_a_common_character_are_refused() -> None:
    made = plugins.build("inputs", "characters", {"column": "x"})
    with pytest.raises(TableError, match="no character stands in enough rows; lower min_rows"):
        made.fit({"x": np.array(["ab", "cd", "ef"], object)}, np.zeros(3), ())


def attended(body: Any, codes: torch.Tensor, context: int, heads: int) -> torch.Tensor:
    """What PyTorch's own attention makes of full texts at every place, the last one taken afterwards."""
    rows = body.table(codes[:, -context:]) + body.place
    for block in body.blocks:
        x = block.before(rows)
        q, k, v = (
            layer(x).unflatten(2, (heads, -1)).transpose(1, 2) for layer in (block.asked, block.offered, block.told)
        )
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        rows = rows + block.joined(seen)
        rows = rows + block.narrow(torch.relu(block.wide(block.between(rows))))
    found: torch.Tensor = body.after(rows)[:, -1]
    return found


@pytest.mark.parametrize(("depth", "context"), [(1, 12), (2, 12), (3, 5), (2, 99)])
def test_the_student_is_a_causal_decoder_asked_at_its_last_place(depth: int, context: int) -> None:
    torch.manual_seed(0)
    options = {"width": 8, "depth": depth, "heads": 2, "context": context}
    network = plugins.build("students", "gpt", options).build(encoding().shapes(3), 3).eval()
    codes = torch.randint(1, 12, (20, 12))
    with torch.no_grad():
        expected = attended(network.body, codes, min(context, 12), heads=2)
        torch.testing.assert_close(network.features(torch.zeros(20, 0), codes), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("depth", "context", "precision"), [(1, 12, "fp32"), (3, 5, "fp32"), (2, 12, "int8")])
def test_the_file_of_a_student_reads_raw_text_alone(tmp_path: Path, depth: int, context: int, precision: str) -> None:
    torch.manual_seed(0)
    made = plugins.build("students", "gpt", {"width": 8, "depth": depth, "heads": 4, "context": context})
    network = made.build(encoding().shapes(3), 3).eval()
    answer, rows = export.Answer(classes=("a", "b", "c")), {"x": np.tile(TEXTS, 20)}
    path = export.export(encoding(), network, answer, tmp_path / "s.onnx", rows, precision=precision).path
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run([f"probability_{one}" for one in "abc"], {"x": TEXTS})
    numeric, codes = (torch.from_numpy(part) for part in encoding().apply({"x": TEXTS}))
    with torch.no_grad():
        expected = network(numeric, codes).softmax(dim=1).numpy()
    np.testing.assert_allclose(np.stack(found, axis=1), expected, atol=2e-6 if precision == "fp32" else 0.05)


def told(y: Any, teacher: Any, student: Any, groups: Any = None, **more: Any) -> Evidence:
    """Evidence on scores [n, C]."""
    ids, classes = np.arange(len(y)), np.shape(teacher)[1]

    def said(p: Any) -> dict[str, Predictions]:
        scores = np.asarray(p, np.float32)
        return {"search": Predictions(view="search", row_ids=ids, scores=scores, decisions=scores.argmax(axis=1))}

    groups = {} if groups is None else {"domain": np.asarray(groups, object)}
    return Evidence(
        split="search", row_ids=ids, y=np.asarray(y, np.int64), classes=tuple("abcdefgh"[:classes]), groups=groups,
        teacher=said(teacher), student=said(student), positive=None, favourable=None, **more,
    )  # fmt: skip


def drawn(n: int, seed: int, noise: float = 0.6, **more: Any) -> Evidence:
    """A calibrated teacher of five classes and a student with noise on its logits; domains a and b, some unknown."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1.5, (n, 5))
    p, q = (torch.from_numpy(part).softmax(dim=1).numpy() for part in (z, z + rng.normal(0, noise, z.shape)))
    y = np.minimum((p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1), 4)
    return told(y, p, q, rng.choice(["a", "b", ""], n, p=[0.6, 0.35, 0.05]), **more)


def judged(found: Evidence, limit: float | None = 1.3, **options: Any) -> Finding:
    line = check("perplexity", {} if limit is None else {"at_most_ratio": limit}, **options)
    rules = policy(line) if limit is not None else policy(report=(line,))
    return next(one for one in auditor.audit(found, rules) if one.check == "perplexity")


def test_values_are_the_exponents_of_scikit_learns_log_loss() -> None:
    found = drawn(900, seed=1)
    f = judged(found, attribute="domain", floor=0.05)
    for row in f.details["groups"]:
        at = found.groups["domain"] == row["group"]
        own = []
        for views in (found.teacher, found.student):
            mixed = 0.95 * views["search"].scores[at].astype(float) + 0.05 / 5
            own.append(metrics.log_loss(found.y[at], mixed / mixed.sum(axis=1, keepdims=True), labels=range(5)))
        assert row["estimate"] == pytest.approx(np.exp(own[1] - own[0]), rel=1e-6)
        if row["group"] == f.group:
            assert (f.teacher, f.student) == pytest.approx(np.exp(own), rel=1e-6)
    assert f.estimate == max(row["estimate"] for row in f.details["groups"])
    assert (f.quantity, f.unit, f.statement) == ("worst_ratio", "ratio", "ratio < 1.3 in every group")


def nll(found: Evidence, floor: float = 0.01) -> np.ndarray:
    """[2, n]: of the teacher and of the student."""
    rows = np.arange(len(found.y))
    p = [views["search"].scores[rows, found.y].astype(float) for views in (found.teacher, found.student)]
    return np.array([-np.log((1 - floor) * one + floor / len(found.classes)) for one in p])


def sums(found: Evidence, **options: Any) -> RowSums:
    counted = plugins.build("checks", "perplexity", options).statistic(Rows(tables=found.tables, evidence=found), {})
    assert isinstance(counted, RowSums)
    return counted


@pytest.mark.parametrize("clusters", [None, 40])
def test_the_error_is_that_of_the_mean_difference_of_rows_or_documents(clusters: int | None) -> None:
    cluster = None if clusters is None else np.random.default_rng(3).integers(0, clusters, 800)
    found = drawn(800, seed=2, cluster=cluster)
    spread = by_group(measured(sums(found), cluster)).ratio
    d = np.diff(nll(found), axis=0)[0]
    if cluster is None:
        error = d.std(ddof=1) / np.sqrt(800)
    else:
        moved = np.bincount(cluster, weights=d - d.mean())
        error = np.sqrt(clusters / (clusters - 1) * (moved**2).sum()) / 800
    assert spread.estimate[0] == pytest.approx(d.mean(), rel=1e-9)
    assert spread.error[0] == pytest.approx(error, rel=1e-6)
    f = judged(found, limit=2.0)
    assert f.method == ("influence" if cluster is None else "influence-clusters")


def test_what_nobody_has_seen_is_the_most_that_a_row_can_cost() -> None:
    found = told([0, 0, 0], [[1.0, 0], [0, 1.0], [0.5, 0.5]], [[0, 1.0], [1.0, 0], [0.5, 0.5]])
    d = np.diff(nll(found), axis=0)[0]
    assert (d.max(), d.min()) == pytest.approx((np.log(1 + 2 * 0.99 / 0.01), -np.log(1 + 2 * 0.99 / 0.01)))
    assert by_group(measured(sums(found))).ratio.worst[0] == pytest.approx(d.max())


@given(seed=st.integers(0, 10_000), floor=st.sampled_from([1e-6, 0.01, 0.2]))
@settings(max_examples=25, deadline=None)
def test_properties(seed: int, floor: float) -> None:
    found = drawn(200, seed)
    f = judged(found, attribute="domain", floor=floor)
    assert f.low is not None
    assert f.estimate is not None
    assert f.high is not None
    assert f.low <= f.estimate <= f.high
    order = np.random.default_rng(seed).permutation(200)
    scores = [views["search"].scores for views in (found.teacher, found.student)]
    moved = told(found.y[order], *(one[order] for one in scores), found.groups["domain"][order])
    assert judged(moved, attribute="domain", floor=floor).estimate == pytest.approx(f.estimate, rel=1e-9)
    # The other way round is the inverse, a student like its teacher has 1 and passes no limit of 1.
    turned, same = (told(found.y, *pair) for pair in ((scores[1], scores[0]), (scores[0], scores[0])))
    whole = judged(told(found.y, *scores), floor=floor).estimate
    assert judged(turned, floor=floor).estimate == pytest.approx(1 / (whole or 0.0), rel=1e-9)
    equal = judged(same, limit=1.0, floor=floor)
    assert (equal.estimate, equal.outcome) == (1.0, "INCONCLUSIVE")
    # Less on the label of one row is never a lower ratio.
    worse = scores[1].copy()
    worse[0] = (1 - np.eye(5)[found.y[0]]) / 4
    assert (judged(told(found.y, scores[0], worse), floor=floor).estimate or 0.0) >= (whole or 0.0) - 1e-12


@pytest.mark.parametrize(("rows", "sizes"), [(300, 1), (2400, 8)], ids=["rows", "documents"])
def test_a_student_at_the_limit_rarely_passes(rows: int, sizes: int) -> None:
    """Sure and wrong on 2 % of the units (rows, or whole documents), a little worse or better on all others."""
    p, slip, moved = 0.8, 0.02, 0.1

    def cost(q: np.ndarray) -> np.ndarray:
        return np.asarray(-np.log(0.99 * q + 0.01 / 2))

    near = np.array([p - moved, p + moved])
    limit = float(np.exp((1 - slip) * cost(near).mean() + slip * cost(np.zeros(1))[0] - cost(np.array([p]))[0]))
    rng, passed = np.random.default_rng(4), 0
    draws, cluster = 400, np.repeat(np.arange(rows // sizes), sizes)
    for _ in range(draws):
        lost = (rng.random(rows // sizes) < slip)[cluster]
        q = np.where(lost, 0.0, rng.choice(near, rows))
        scores = [np.stack([one, 1 - one], axis=1) for one in (np.full(rows, p), q)]
        found = told(np.zeros(rows), *scores, **({"cluster": cluster} if sizes > 1 else {}))
        passed += judged(found, limit).outcome == "PASS"
    assert passed / draws <= 0.06


def test_what_is_missing_is_said() -> None:
    found = drawn(300, seed=5)
    hard = told(found.y, np.eye(5)[found.y], np.eye(5)[found.y])
    assert "only decisions are given" in judged(hard).note
    nowhere = plugins.build("checks", "perplexity", {"attribute": "author"})
    said = nowhere.statistic(Rows(tables=found.tables, evidence=found), {})
    assert said == NotApplicable(reason="the table has no group column 'author'")
    shown = judged(found, limit=None)
    assert (shown.outcome, shown.unit) == ("REPORTED", "perplexity")
    assert shown.estimate == pytest.approx((shown.student or 0.0) - (shown.teacher or 0.0))


def test_a_finding_is_told_in_words() -> None:
    found = drawn(3000, seed=1)
    f = judged(found, attribute="domain")
    assert sentences.sentence(f) == (
        f"For domain = {f.group}, the student's perplexity is {f.estimate:.2f} [{f.low:.2f}, {f.high:.2f}] times the "
        f"teacher's ({f.student:.2f} against {f.teacher:.2f}); pass, the limit is 1.30."
    )
    assert words.limit(f) == "under 1.30 times the teacher's"
    shown = judged(found, limit=None)
    assert sentences.body(shown).startswith("The student's perplexity is 0.265 worse than the teacher's (3.19 against")
