"""What every job of one run needs, loaded once: rows, teacher, encoding, policy, and where artefacts go."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from autodistill import export, plugins, runtime, verdict
from autodistill.auditor import Evidence
from autodistill.inputs import Encoding
from autodistill.inputs._ranking import rank
from autodistill.jobs.encoded import encoded
from autodistill.losses import teacher_logits
from autodistill.measure import Lab
from autodistill.records import (
    Candidate,
    Dataset,
    Features,
    Finding,
    FloatArray,
    Policy,
    Predictions,
    Reading,
    digest,
    encode,
)
from autodistill.teacher import Teacher

if TYPE_CHECKING:
    from torch import Tensor

    from autodistill.train import Rows

CALIBRATION = 512  # train rows that int8 ranges are read off


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """One run's materials. ``seed`` is the study's; ``folder`` the run's, where candidates' files go; ``refit`` fits
    the encoding on some of the columns; ``cache`` is where large arrays are kept (None: in memory); ``unlabelled``
    are raw rows beside the table's, for the teacher to label; ``modality`` is the plugin that read the input, which may
    perturb rows in its own way (None: it has none); ``seen`` holds what the search saw under each reading key, which it
    goes on seeing: a status that changes with later runs of the machine is certification's to weigh."""

    dataset: Dataset
    encoding: Encoding
    teacher: Teacher
    teacher_readings: Mapping[str, Reading]
    policy: Policy
    lab: Lab
    seed: int
    folder: Path
    refit: Callable[[frozenset[str]], Encoding]
    cache: Path | None = None
    unlabelled: Features | None = None
    unlabelled_digest: str = ""
    modality: Any = None
    kept: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, Mapping[str, Reading]] = field(default_factory=dict)

    @cached_property
    def answer(self) -> export.Answer:
        """How an artefact decides."""
        return export.Answer.of(self.dataset)

    @cached_property
    def network_answer(self) -> export.Answer:
        """The same of a network, which learns a regression in units of the train rows' spread about their mean: else
        its learning rate would depend on whether a price is in cents."""
        if self.dataset.classes:
            return self.answer
        y = self.dataset.y[self.dataset.splits["train"]]
        return replace(self.answer, centre=float(y.mean()), spread=float(y.std()) or 1.0)

    def learned(self, values: FloatArray) -> FloatArray:
        """A teacher's logits as they are; values of a regression as networks learn them, float32 (see above)."""
        if self.dataset.classes:
            return values
        scale = self.network_answer
        return np.asarray((np.asarray(values, np.float64) - scale.centre) / scale.spread, np.float32)

    @property
    def outputs(self) -> int:
        """Columns of a student's output: one a class, one for regression."""
        return max(1, len(self.dataset.classes))

    @cached_property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Each audited attribute with its known names, sorted."""
        return {name: tuple(sorted(set(map(str, column)) - {""})) for name, column in self.dataset.groups.items()}

    @cached_property
    def groups_seen(self) -> str:
        """A digest of the train rows' group columns: what is fitted with their help depends on it."""
        at = self.dataset.splits["train"]
        return digest(encode({name: list(map(str, column[at])) for name, column in self.dataset.groups.items()}))

    @cached_property
    def constraint_names(self) -> tuple[str, ...]:
        """What a candidate is screened for, in a fixed order."""
        return verdict.constraint_names(verdict.screened(self.policy), self.groups)

    @cached_property
    def ranking(self) -> tuple[str, ...]:
        """The columns, most telling first; from train rows."""
        y = self.dataset.y[self.dataset.splits["train"]]
        matrix = self.matrix(self.encoding)
        return rank(self.encoding.names, matrix, y, classification=bool(self.dataset.classes), seed=self.seed)

    def encoding_of(self, candidate: Candidate) -> Encoding:
        """The front end of the columns that a candidate reads."""
        many = candidate.student.get("columns")
        if many is None or many >= len(self.encoding.names):
            return self.encoding
        if f"encoding/{many}" not in self.kept:
            self.kept[f"encoding/{many}"] = self.refit(frozenset(self.ranking[:many]))
        return self.kept[f"encoding/{many}"]  # type: ignore[no-any-return]

    def matrix(self, encoding: Encoding) -> FloatArray:
        """Train rows as one matrix float32 [n, F], for families that are fitted."""
        key = f"matrix/{encoding.digest}"
        if key not in self.kept:
            (self.kept[key],) = encoded(encoding, "matrix", self.dataset, "train", self.cache)
        return self.kept[key]  # type: ignore[no-any-return]

    @cached_property
    def teacher_logits(self) -> FloatArray:
        """The teacher's logits of the train rows [n, C] (its values for regression)."""
        scores = self.teacher.scores[self.dataset.splits["train"]]
        return teacher_logits(scores) if self.dataset.classes else np.asarray(scores, np.float32)

    @property
    def weight(self) -> FloatArray | None:
        """Train rows' weights."""
        return None if self.dataset.weights is None else self.dataset.weights[self.dataset.splits["train"]]

    @cached_property
    def calibration(self) -> Mapping[str, Any]:
        """Raw train rows that int8 ranges are read off."""
        return {name: column[:CALIBRATION] for name, column in self.dataset.rows("train").items()}

    @cached_property
    def device(self) -> str:
        """Where networks are trained."""
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"

    def tensors(self, encoding: Encoding) -> "tuple[Rows, Rows]":
        """Train and search rows as tensors, made once an encoding."""
        key = f"tensors/{encoding.digest}"
        if key not in self.kept:
            self.kept[key] = self._rows("train", encoding), self._rows("search", encoding)
        return self.kept[key]  # type: ignore[no-any-return]

    def _rows(self, split: str, encoding: Encoding) -> "Rows":
        import torch

        from autodistill.train import Rows

        at = self.dataset.splits[split]
        numeric, codes = encoded(encoding, "split", self.dataset, split, self.cache)
        y, weights = np.array(self.dataset.y[at]), self.dataset.weights
        rows = Rows(
            numeric=torch.from_numpy(np.require(numeric, requirements="W")),
            codes=torch.from_numpy(np.require(codes, requirements="W")),
            y=torch.from_numpy(self.learned(y)),
            teacher=torch.from_numpy(np.require(self.learned(self.teacher_logits), requirements="W"))
            if split == "train"
            else None,
            weight=None if weights is None else torch.from_numpy(np.array(weights[at], np.float32)),
            teacher_features=self._teacher_features(at) if split == "train" else None,
        )
        return rows.to(self.device)

    def _teacher_features(self, at: npt.NDArray[np.int64]) -> "Tensor | None":
        import torch

        features = self.teacher.features
        return None if features is None else torch.from_numpy(np.array(features[at], np.float32))

    def stream(self, candidate: Candidate) -> int:
        """The seed of a candidate's training: of study, recipe and replicate, so that it is the same in any order."""
        return int(digest(f"{self.seed}/{candidate.recipe}/{candidate.seed}".encode())[:7], 16)

    def reading_key(self, candidate: Candidate) -> str:
        """What a candidate's readings depend on: its shape on this table, or itself where weights matter."""
        family = plugins.find("students", candidate.family)
        table = digest(f"{self.encoding_of(candidate).digest}/{self.outputs}/{self.answer.threshold}".encode())[:8]
        if family.readings_depend_on == "architecture":
            return f"{candidate.architecture}-{table}"
        rows = self.dataset.digests["train"] + self.unlabelled_digest
        rows += self.groups_seen if candidate.fairness else ""
        made_from = digest(f"{self.teacher.digest}/{self.seed}/{rows}".encode())[:8]
        return f"{candidate.key}-{table}-{made_from}"

    def home(self, candidate: Candidate) -> Path:
        """A candidate's folder."""
        return self.folder / "candidates" / candidate.key

    def predict(self, artefact: Path | bytes, split: str, further: Features | None = None) -> Predictions:
        """What an artefact says of one split's raw rows, and of ``further`` columns of theirs where it reads those."""
        dataset = self.dataset
        return runtime.predict(
            runtime.open(artefact),
            {**dataset.rows(split), **(further or {})},
            dataset.row_ids[dataset.splits[split]],
            split,
            positive=dataset.positive,
            threshold=dataset.threshold,
        )

    def teacher_predictions(self, split: str) -> Predictions:
        """What the teacher says of one split."""
        at = self.dataset.splits[split]
        return Predictions(
            view=split,
            row_ids=self.dataset.row_ids[at],
            scores=np.asarray(self.teacher.scores[at]),
            decisions=np.asarray(self.teacher.decisions[at]),
        )

    def evidence(self, split: str, student: Predictions, against: Predictions | None = None) -> Evidence:
        """Student and teacher (or ``against``) side by side on one split."""
        dataset, at = self.dataset, self.dataset.splits[split]
        return Evidence(
            split=split,
            row_ids=dataset.row_ids[at],
            y=dataset.y[at],
            classes=dataset.classes,
            positive=dataset.positive,
            favourable=dataset.favourable,
            groups={name: column[at] for name, column in dataset.groups.items()},
            teacher={split: self.teacher_predictions(split) if against is None else against},
            student={split: student},
            known=self.groups,
            cluster=self.clusters(split),
        )

    def clusters(self, split: str) -> npt.NDArray[Any] | None:
        """What rows of a split share, where an entity column is named and some entity has several rows."""
        if self.dataset.entity is None:
            return None
        shared = self.dataset.entity[self.dataset.splits[split]]
        return shared if len(np.unique(shared)) < len(shared) else None

    def meters(self, readings: Mapping[str, Reading]) -> tuple[Finding, ...]:
        """The policy's meters on a candidate's readings."""
        return verdict.meters(self.policy, readings, self.teacher_readings)

    def error(self, predictions: Predictions, split: str) -> float:
        """Share of a split's rows decided wrongly (weighted where rows have weights); for regression RMSE / sd."""
        at = self.dataset.splits[split]
        y = self.dataset.y[at]
        weight = np.ones(len(at)) if self.dataset.weights is None else np.asarray(self.dataset.weights[at], float)
        weight = weight / weight.sum()
        if self.dataset.classes:
            return float(weight[predictions.decisions != y].sum())
        wrong = weight @ (predictions.scores[:, 0] - y) ** 2
        return float(np.sqrt(wrong / max(float(weight @ (y - weight @ y) ** 2), 1e-12)))
