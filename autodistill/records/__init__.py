"""The frozen values that pass between rooms, and onto disk.

Standard library, numpy and msgspec only: no torch, no pydantic, no pandas. Absence has a reason: a value that is not
there is None beside a ``reason`` or ``note``, never NaN, zero or a dropped row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from autodistill.records.canonical import canonical as canonical
from autodistill.records.canonical import decode as decode
from autodistill.records.canonical import digest as digest
from autodistill.records.canonical import encode as encode
from autodistill.records.canonical import file_digest as file_digest
from autodistill.records.canonical import plain as plain
from autodistill.records.columns import Column as Column
from autodistill.records.columns import batches as batches
from autodistill.records.columns import in_file as in_file
from autodistill.records.columns import pieces as pieces
from autodistill.records.columns import take as take

FORMAT = 1

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]
ObjectArray = npt.NDArray[np.object_]
Features = Mapping[str, npt.NDArray[Any]]

SPLITS = ("train", "search", "audit", "sealed")
Split = Literal["train", "search", "audit", "sealed"]
Outcome = Literal["PASS", "FAIL", "INCONCLUSIVE", "INSUFFICIENT", "NOT_APPLICABLE", "REPORTED"]
Decision = Literal["PASS", "FAIL", "INCONCLUSIVE", "BROKEN"]
LimitKind = Literal["at_most", "at_least", "grows_by_at_most", "at_most_ratio"]
LIMIT_KINDS: tuple[LimitKind, ...] = ("at_most", "at_least", "grows_by_at_most", "at_most_ratio")


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """A table with its four splits.

    ``features`` maps a column to float32 [N] (NaN is missing), to object [N] of str ("" is missing), or of an input of
    one column to [N, ...]; one that is large is a ``Column`` in a file. All else is in memory: ``y`` is
    int64 [N] class codes (float64 for regression, where ``classes`` is empty); ``groups`` maps an attribute to object
    [N] of str ("" is unknown); ``splits`` maps a split to int64 row positions; ``digests`` has ``table`` and one
    for each split (over its rows' content, in order of content). ``units`` int64 [N] numbers what may not be torn
    apart: rows with equal features and label, rows of one entity (None: every row is its own).
    """

    features: Features
    y: npt.NDArray[Any]
    classes: tuple[str, ...]
    positive: int | None
    favourable: int | None
    threshold: float | None = None
    groups: Mapping[str, ObjectArray]
    row_ids: npt.NDArray[Any]
    splits: Mapping[str, IntArray]
    weights: FloatArray | None = None
    entity: npt.NDArray[Any] | None = None
    units: IntArray | None = None
    digests: Mapping[str, str]
    row_digests: npt.NDArray[Any]
    leakage: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def rows(self, split: str) -> Features:
        """The feature columns of one split: copies, or where a column is in a file what reads its rows."""
        at = self.splits[split]
        return {name: take(column, at) for name, column in self.features.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One proposed student: what to build, how to distil it, at which precision.

    ``student`` holds the family's options and decides the artefact's shape together with ``precision``; ``distill``
    holds the loss's options, ``training`` those of the trainer (empty for families that are fitted). ``seed`` is the
    replicate index. ``fairness`` holds what training does about gaps between groups (what is on; empty: nothing).
    ``parameters`` are the sampler's own values by dimension, kept for replay. All in canonical form.
    """

    number: int
    family: str
    student: Mapping[str, Any]
    loss: str
    distill: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    fairness: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "fp32"
    seed: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def architecture(self) -> str:
        """Hash of what decides the artefact's shape."""
        return digest(encode(canonical({"family": self.family, "student": self.student, "precision": self.precision})))[
            :12
        ]

    @property
    def recipe(self) -> str:
        """Hash of the canonical form without number and replicate: candidates with one recipe are one candidate."""
        names = ("family", "student", "loss", "distill", "training", "precision")
        made = {name: getattr(self, name) for name in (*names, *(("fairness",) if self.fairness else ()))}
        return digest(encode(canonical(made)))[:12]

    @property
    def key(self) -> str:
        """Recipe and replicate: the name of its folder."""
        return f"{self.recipe}-{self.seed}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Predictions:
    """What one model says of one view of some rows: ``scores`` float32 [n, C] (probabilities; [n, 1] the value for
    regression) and ``decisions`` int64 [n] class codes (float64 for regression)."""

    view: str
    row_ids: npt.NDArray[Any]
    scores: FloatArray
    decisions: npt.NDArray[Any]


def decide(scores: FloatArray, positive: int | None = None, threshold: float | None = None) -> IntArray:
    """Class codes [n] from probabilities [n, C]: argmax, or ``positive`` iff its probability ≥ ``threshold``."""
    if threshold is None or positive is None:
        return np.asarray(scores.argmax(axis=1), dtype=np.int64)
    return np.asarray(np.where(scores[:, positive] >= threshold, positive, 1 - positive), dtype=np.int64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Artefact:
    """One ONNX file that runs on raw rows. ``path`` is where its bytes are; ``parity`` is the largest absolute
    difference between its probabilities and the model it was exported from, on real rows (None before training)."""

    path: Path
    sha256: str
    size: int
    precision: str
    parameters: int
    parity: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One quantity read off an artefact. ``low``/``high`` is its interval, None where there is none (size).

    ``quantity``: latency, latency@32, energy, size, parameters, macs, latency_ratio … ``source``: measured or modelled.
    ``status``: ok, few_accepted, slow_phase_only, or unavailable (then ``value`` is None and ``reason`` says why).
    """

    quantity: str
    unit: str
    value: float | None
    low: float | None = None
    high: float | None = None
    repeats: int = 0
    method: str
    device: str = ""
    source: Literal["measured", "modelled"] = "measured"
    status: Literal["ok", "few_accepted", "slow_phase_only", "unavailable"] = "ok"
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One test of one statement about one candidate; see AUDIT in the documentation. Keys are stable."""

    id: str
    check: str
    options: Mapping[str, Any] = field(default_factory=dict)
    group: str | None = None
    reference: str | None = None
    split: str
    teacher: float | None = None
    student: float | None = None
    teacher_reference: float | None = None
    student_reference: float | None = None
    quantity: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    gap_teacher: float | None = None
    gap_student: float | None = None
    level: float
    method: str
    unit: str = "share"
    limit: float | None = None
    limit_kind: LimitKind | None = None
    statement: str = ""
    outcome: Outcome
    origin: str | None = None
    rows: int = 0
    denominator: int | None = None
    rows_needed: int | None = None
    required: bool = False
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The decision about one candidate and the ids of the findings it rests on."""

    decision: Decision
    because: tuple[str, ...] = ()
    sentence: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """Everything known of one candidate. ``state``: finished; refused (by the policy, before training); skipped (before
    training: dominated even at an optimistic error); stopped (at a rung: it counts as what it was there); broken.

    ``error`` (search split: share of rows decided wrongly) is None unless trained. ``readings`` by quantity.
    """

    candidate: Candidate
    state: Literal["finished", "refused", "skipped", "stopped", "broken"]
    readings: Mapping[str, Reading] = field(default_factory=dict)
    error: float | None = None
    constraints: tuple[float, ...] = ()
    findings: tuple[Finding, ...] = ()
    verdict: Verdict | None = None
    artefact: Mapping[str, Any] = field(default_factory=dict)
    fidelity: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """One line of a policy: a check or a meter, its options and its limits (``LIMIT_KINDS`` present in the line)."""

    kind: Literal["check", "meter"]
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What is acceptable. ``require`` decides, ``report`` is only shown; ``sha256`` is of the file's bytes."""

    name: str
    version: str
    confidence: float = 0.95
    choose: str = "size"
    require: tuple[Requirement, ...]
    report: tuple[Requirement, ...] = ()
    looks: int = 1
    openings: int = 3
    n_min: int = 30
    unknown: Literal["list", "require"] = "list"
    unknown_at_most: float = 0.05
    exclude_below: float | None = None
    because: str = ""
    rows_shown: Literal["none", "ids"] = "none"
    same_person_may_approve: bool = False
    group_data_in_training: Literal["allowed", "forbidden"] = "allowed"
    sha256: str = ""

    @property
    def alpha(self) -> float:
        """The one-sided level of the whole policy."""
        return 1.0 - self.confidence


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One unit of work that the search asks for; a training goes on from its checkpoint, to ``to_epoch`` or the end."""

    kind: Literal["measure", "train"]
    candidate: Candidate
    to_epoch: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One line of a journal: something that happened to a candidate. Numbers and strings only."""

    kind: Literal[
        "proposed", "duplicate", "measured", "refused", "skipped", "rung", "stopped", "finished", "broken", "note"
    ]
    number: int
    candidate: Candidate | None = None
    entry: Entry | None = None
    readings: Mapping[str, Reading] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    at: str = ""
