"""A teacher from Hugging Face: a classifier as it was fitted, or a frozen encoder with a head that is fitted here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from autodistill.errors import TeacherError
from autodistill.inputs import Modality
from autodistill.plugins import Fixed, suggest
from autodistill.records import Features, FloatArray, IntArray
from autodistill.teachers import Labelled, Saw, Task, _hub
from autodistill.teachers._classes import order, scores
from autodistill.teachers._hub import PARTS, Place, Prepare
from autodistill.teachers._nets import Manner, Ran, onnx, run

if TYPE_CHECKING:
    from torch import Tensor

PREPARED = 64 << 20  # bytes of prepared rows that are kept to measure with
LEAST = 16


@dataclass(frozen=True)
class HuggingFace:
    """A model of Hugging Face on one column of text, images or sound, with its own tokenizer or processor."""

    gives: ClassVar[frozenset[str]] = frozenset({"teacher_features", "further"})

    model: Annotated[
        str, Fixed, Field(description="a directory, a name on the hub, or an import path of a package's directory")
    ]
    revision: Annotated[str | None, Fixed, Field(description="of a name on the hub")] = None
    column: Annotated[str | None, Fixed, Field(description="the column it reads (default: the only one)")] = None
    encoder: Annotated[
        bool, Fixed, Field(description="take its embeddings, and fit a linear head to the train rows, out of fold")
    ] = False
    features: Annotated[bool, Fixed, Field(description="keep its last layer's means, for losses that compare")] = False
    classes: Annotated[
        Mapping[str, str], Fixed, Field(description="class of the table: the model's name of it, where they differ")
    ] = field(default_factory=dict)
    length: Annotated[int, Fixed, Field(ge=4, le=8192, description="tokens read of a text; the rest is cut off")] = 128
    rate: Annotated[int, Fixed, Field(ge=1000, description="samples a second of the sounds")] = 16_000
    strength: Annotated[float, Fixed, Field(gt=0, description="the head's inverse penalty (encoder)")] = 10.0
    batch: Annotated[int, Fixed, Field(ge=1, description="rows a call")] = 32
    trust: Annotated[bool, Fixed, Field(description="unpickle weights: whoever made them can run code here")] = False
    artefact: Annotated[bool, Fixed, Field(description="make an ONNX file of it, to measure its latency")] = True
    saw: Annotated[Saw, Fixed, Field(description="whether it was fitted on the train rows")] = "unknown"

    @property
    def place(self) -> Place:
        """Where the model lies."""
        return Place(model=self.model, revision=self.revision, trust=self.trust)

    def fingerprint(self) -> dict[str, str]:
        """Versions of the libraries and digests of the model's files; TeacherError where there is no such model."""
        return self.place.fingerprint()

    def label(self, task: Task) -> Labelled:
        """Every row through the model, further ones too; classes are compared before anything is run."""
        name = self._column(task.features)
        cells = task.features[name]
        kind = _hub.modality(task.encoding.modality, cells)
        at = None if self.encoder else self._order(task)
        prepare = _hub.preparing(kind, self.place, length=self.length, rate=self.rate)
        names = tuple(prepare(cells[:1]))
        model = self.place.weights("AutoModel" if self.encoder else PARTS[kind][0])
        listened = self.features and not self.encoder
        network = _hub.named(model, names, embeds=self.encoder, listened=listened)
        ran = self._run(network, prepare, names, cells, kind, task)
        more = self._run(network, prepare, names, task.further[name], kind, task) if task.further else None
        made = Labelled(name=self.place.name, scores=ran.values, features=ran.features)
        if self.encoder:
            made = replace(made, further=None if more is None else more.values)
            return self._headed(made, network, prepare, cells, task)
        if more is not None:
            made = replace(made, further=self._scored(more.values, at, task, np.arange(len(more.values))))
        return self._whole(
            made, self._scored(ran.values, at, task, task.row_ids), network, at, prepare, cells[task.measured]
        )

    def _scored(self, values: FloatArray, at: IntArray | None, task: Task, row_ids: npt.NDArray[Any]) -> FloatArray:
        found = scores(values, task.classes, "logits", "it", row_ids)
        return found if at is None else found[:, at]

    def prepared(self, features: Features, modality: Modality) -> Features:
        """What the artefact reads of some rows: the model's inputs, by the names that ``front`` gives them."""
        cells = features[self._column(features)]
        prepare = _hub.preparing(_hub.modality(modality, cells), self.place, length=self.length, rate=self.rate)
        return {f"/{name}": value for name, value in prepare(cells).items()}

    def _column(self, features: Features) -> str:
        if self.column is not None and self.column not in features:
            do = suggest(self.column, features)
            raise TeacherError(f"the table has no column {self.column!r}", where="teacher: column", do=do)
        if self.column is None and len(features) != 1:
            listed = ", ".join(features)
            what = f"it reads one column, the table has {len(features)} ({listed})"
            raise TeacherError(what, where="teacher: column", do="name it")
        return self.column or next(iter(features))

    def _order(self, task: Task) -> IntArray | None:
        """Where the model has each class of the table. Raises ``TeacherError`` with both sides."""
        labels = self.place.load("AutoConfig").id2label
        given = [str(labels[at]) for at in sorted(labels)]
        if not task.classes and len(given) == 1:
            return None
        return order(given, task.classes, self.classes, "it")

    def _run(
        self, network: Any, prepare: Prepare, names: tuple[str, ...], cells: npt.NDArray[Any], kind: str, task: Task
    ) -> Ran:
        """All rows through the network, of texts the short ones together: they are filled up to the longest."""
        import torch

        by_length = np.arange(len(cells))
        if kind == "text":
            by_length = np.argsort([len(text) for text in cells], kind="stable")

        def given(at: slice | IntArray) -> "tuple[Tensor, ...]":
            made = prepare(cells[by_length[at]])
            return tuple(torch.from_numpy(np.array(made[name])) for name in names)

        layer = "pooled" if self.features and not self.encoder else None
        ran = run(network, given, len(cells), Manner(batch=self.batch, layer=layer, who=self.model), task.progress)
        back = np.argsort(by_length)
        return Ran(values=ran.values[back], features=None if ran.features is None else ran.features[back])

    def _headed(self, made: Labelled, network: Any, prepare: Prepare, cells: npt.NDArray[Any], task: Task) -> Labelled:
        """The embeddings as features, and a linear head on them: train rows by a head fitted without their fold."""
        import torch

        found, weight, bias = head(np.asarray(made.scores), task, self.strength)
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
        linear.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
        whole = _hub.chained(network, linear)
        labelled = self._whole(made, found, whole, None, prepare, cells[task.measured])
        if made.further is not None:
            labelled = replace(labelled, further=_said(made.further, weight, bias))
        note = "the encoder was fitted elsewhere, on what is not known here; its head out of fold"
        return replace(labelled, features=np.asarray(made.scores), saw="out of fold", notes=(note,))

    def _whole(
        self,
        made: Labelled,
        found: FloatArray,
        network: Any,
        at: IntArray | None,
        prepare: Prepare,
        cells: npt.NDArray[Any],
    ) -> Labelled:
        """The labels, with the model as an artefact that begins behind its tokenizer or processor."""
        import torch

        made = replace(made, scores=found, saw=self.saw, why_no_onnx="none was asked for")
        if not self.artefact or len(cells) < 2:
            return made
        first = prepare(cells[:2])
        row = max(1, sum(value.nbytes for value in first.values()) // 2)
        kept = prepare(cells[: max(LEAST, PREPARED // row)])
        prepared = {f"/{name}": value for name, value in kept.items()}
        example = {f"m{name}": torch.from_numpy(np.array(value[:2])) for name, value in prepared.items()}
        free = {f"m{name}": {1: "L"} for name, value in prepared.items() if _tokens(value, prepared)}
        core, why = onnx(network, example, at, "logits", free)
        if core is None:
            return replace(made, why_no_onnx=why)
        return replace(made, core=core, why_no_onnx="", form="split", front=_hub.front(prepared), prepared=prepared)


def _tokens(value: npt.NDArray[Any], prepared: Features) -> bool:
    mask = prepared.get("/attention_mask")
    return mask is not None and mask.ndim == 2 and value.shape == mask.shape


def head(embedded: FloatArray, task: Task, strength: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Probabilities (values) of all rows, train rows out of fold, and the last head's weight [C, D] and bias [C]."""
    fit = _ridge if not task.classes else _logistic
    train, rest = task.train, np.setdiff1d(np.arange(len(task.y)), task.train)
    found = np.empty((len(task.y), max(1, len(task.classes))), np.float32)
    for fold in np.unique(task.folds):
        inside = train[task.folds != fold]
        weight, bias = fit(embedded, inside, task, strength)
        out = train[task.folds == fold]
        found[out] = _said(embedded[out], weight, bias)
    weight, bias = fit(embedded, train, task, strength)
    found[rest] = _said(embedded[rest], weight, bias)
    return found, weight, bias


Fit = Callable[[FloatArray, IntArray, Task, float], tuple[FloatArray, FloatArray]]


def _said(embedded: FloatArray, weight: FloatArray, bias: FloatArray) -> FloatArray:
    z = embedded.astype(np.float64) @ weight.T + bias
    if len(bias) == 1:
        return z.astype(np.float32)
    shares = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)


def _logistic(embedded: FloatArray, at: IntArray, task: Task, strength: float) -> tuple[FloatArray, FloatArray]:
    from sklearn.linear_model import LogisticRegression

    weights = None if task.weights is None else task.weights[at]
    model = LogisticRegression(C=strength, max_iter=2000).fit(embedded[at], task.y[at], sample_weight=weights)
    weight = np.zeros((len(task.classes), embedded.shape[1]), np.float32)
    bias = np.full(len(task.classes), -30.0, np.float32)  # a class that the fold lacks is as good as impossible
    if len(model.classes_) == 2:
        weight[model.classes_], bias[model.classes_] = 0.0, 0.0
        weight[model.classes_[1]], bias[model.classes_[1]] = model.coef_[0], model.intercept_[0]
    else:
        weight[model.classes_], bias[model.classes_] = model.coef_, model.intercept_
    return weight, bias


def _ridge(embedded: FloatArray, at: IntArray, task: Task, strength: float) -> tuple[FloatArray, FloatArray]:
    from sklearn.linear_model import Ridge

    weights = None if task.weights is None else task.weights[at]
    model = Ridge(alpha=1.0 / strength).fit(embedded[at], task.y[at], sample_weight=weights)
    return np.asarray(model.coef_, np.float32)[None], np.array([model.intercept_], np.float32)
