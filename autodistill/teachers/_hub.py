"""Models of Hugging Face: where they lie, what stands beside them, what they are given."""

import importlib.metadata
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from autodistill.errors import TeacherError
from autodistill.inputs import Encoding, Modality
from autodistill.inputs._pieces import carried
from autodistill.records import digest
from autodistill.teachers._nets import quiet

if TYPE_CHECKING:
    from torch import nn

PARTS: Mapping[str, tuple[str, str]] = {
    "text": ("AutoModelForSequenceClassification", "AutoTokenizer"),
    "image": ("AutoModelForImageClassification", "AutoImageProcessor"),
    "audio": ("AutoModelForAudioClassification", "AutoFeatureExtractor"),
}
READ = (".json", ".txt", ".model", ".safetensors", ".bin")
ON_HUB = re.compile(r"[\w.-]+(/[\w.-]+)?")
GRAY = 3  # rank of a batch of pictures without a channel axis
OPSET = 18

Prepare = Callable[[npt.NDArray[Any]], Mapping[str, npt.NDArray[Any]]]
"""Some cells of the column -> the model's inputs by name, each [n, ...]."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A local directory or a name on the hub, at a revision; ``trust`` lets weights be unpickled."""

    model: str
    revision: str | None = None
    trust: bool = False

    @property
    def folder(self) -> Path | None:
        """The directory, where it is one; an import path may name one that a package carries."""
        return carried(self.model)

    @property
    def name(self) -> str:
        """The last part of the path or of the hub's name; the package that carries a directory."""
        package, _, attribute = self.model.rpartition(".")
        carried = attribute.isupper() and not Path(self.model).is_dir()
        return package if carried else self.model.rstrip("/").rpartition("/")[2]

    def load(self, kind: str, **more: Any) -> Any:
        """``transformers.<kind>.from_pretrained``; offline from a directory. Raises ``TeacherError``."""
        transformers = library()
        folder = self.folder
        if folder is None and not ON_HUB.fullmatch(self.model):
            do = "paths are relative to the working directory; on the hub a name is like owner/model"
            raise TeacherError(f"no directory {self.model}", where="teacher: model", do=do)
        where = {"local_files_only": True} if folder is not None else {"revision": self.revision}
        try:
            with quiet():
                return getattr(transformers, kind).from_pretrained(folder or self.model, **where, **more)
        except Exception as fault:
            line = " ".join(str(fault).split())[:200]
            what = f"{kind} cannot be loaded from {self.model} ({type(fault).__name__}: {line})"
            do = "a directory with config.json, weights as safetensors, and the tokenizer or processor"
            raise TeacherError(what, where="teacher: model", do=do) from None

    def weights(self, kind: str, **more: Any) -> "nn.Module":
        """A model, ready to run. Weights that are pickles are read with trust alone."""
        loaded: nn.Module = self.load(kind, **more, **({} if self.trust else {"use_safetensors": True}))
        return loaded.eval()

    def fingerprint(self) -> dict[str, str]:
        """Versions, and digests of the files (of a name on the hub its commit)."""
        config = self.load("AutoConfig")
        versions = {name: importlib.metadata.version(name) for name in ("transformers", "torch")}
        if self.folder is None:
            return versions | {"commit": str(getattr(config, "_commit_hash", self.revision))}
        kept = sorted(path for path in self.folder.iterdir() if path.suffix in READ)
        return versions | {path.name: digest(path.read_bytes()) for path in kept}


def library() -> Any:
    """``transformers``, without its words and bars. Raises ``TeacherError`` where it is not installed."""
    try:
        import transformers
    except ModuleNotFoundError:
        what, do = "transformers is not installed", "pip install 'autodistill-audit[huggingface]'"
        raise TeacherError(what, where="teacher: kind", do=do) from None
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def modality(asked: Modality, column: npt.NDArray[Any]) -> str:
    """What a column holds: "text", "image" or "audio". Raises ``TeacherError`` for a table and for series."""
    found = "text" if column.dtype == object else asked
    if found not in PARTS:
        what = f"it reads text, images or sound, and the column holds {found}"
        raise TeacherError(what, where="teacher: column", do="another kind of teacher")
    return found


def preparing(kind: str, place: Place, *, length: int, rate: int) -> Prepare:
    """What makes a model's inputs of cells, with the tokenizer or processor that lies beside the model."""
    processor = place.load(PARTS[kind][1])
    if kind == "text":
        processor.padding_side = "right"
        longest = min(length, int(processor.model_max_length))

        def tokens(cells: npt.NDArray[Any]) -> Mapping[str, npt.NDArray[Any]]:
            given = processor([str(c) for c in cells], padding=True, truncation=True, max_length=longest)
            return {name: np.asarray(given[name], np.int64) for name in given}

        return tokens
    if kind == "image":

        def pictures(cells: npt.NDArray[Any]) -> Mapping[str, npt.NDArray[Any]]:
            coloured = np.repeat(cells[..., None], 3, axis=3) if cells.ndim == GRAY else cells
            coloured = np.repeat(coloured, 3, axis=3) if coloured.shape[3] == 1 else coloured
            given = processor(images=list(coloured), return_tensors="np", input_data_format="channels_last")
            return {"pixel_values": np.asarray(given["pixel_values"], np.float32)}

        return pictures
    if processor.sampling_rate != rate:
        what = f"it hears {processor.sampling_rate:,} samples a second, the rate said here is {rate:,}"
        raise TeacherError(what, where="teacher: rate", do="resample the sounds")

    def waves(cells: npt.NDArray[Any]) -> Mapping[str, npt.NDArray[Any]]:
        given = processor(list(np.asarray(cells, np.float32)), sampling_rate=rate, return_tensors="np", padding=True)
        return {name: np.asarray(value) for name, value in given.items()}

    return waves


def named(model: "nn.Module", names: tuple[str, ...], *, embeds: bool, listened: bool = False) -> "nn.Module":
    """A model that takes its inputs in order. ``embeds``: it gives one vector a row, the mean over its tokens or
    places, of length 1; else its logits. The layer ``pooled`` is that mean, where it is made (``listened``)."""
    import torch
    from torch.nn import functional

    class Named(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.pooled = model, torch.nn.Identity()

        def forward(self, *parts: Any) -> Any:
            given = dict(zip(names, parts, strict=True))
            if embeds:
                found = self.model(**given).last_hidden_state
                return functional.normalize(self.pooled(_mean(found, given.get("attention_mask"))), dim=1)
            if not listened:
                return self.model(**given).logits
            found = self.model(**given, output_hidden_states=True)
            self.pooled(_mean(found.hidden_states[-1], given.get("attention_mask")))
            return found.logits

    return Named().eval()


def chained(first: "nn.Module", last: "nn.Module") -> "nn.Module":
    """One network after the other; the first takes several inputs."""
    import torch

    class Chained(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = first, last

        def forward(self, *parts: Any) -> Any:
            return self.last(self.first(*parts))

    return Chained().eval()


def _mean(hidden: Any, mask: Any) -> Any:
    """[n, D] of [n, tokens, D], the filling left out, or of maps [n, D, H, W]."""
    if hidden.ndim == 4:
        return hidden.mean(dim=(2, 3))
    if mask is None or mask.shape[1] != hidden.shape[1]:
        return hidden.mean(dim=1)
    weight = mask[..., None].to(hidden.dtype)
    return (hidden * weight).sum(dim=1) / weight.sum(dim=1).clamp_min(1.0)


def front(prepared: Mapping[str, npt.NDArray[Any]]) -> Encoding:
    """What Python has prepared, as the model reads it: tokens without the filling that the longest row of the call
    does not need, so that a short text costs what it costs."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    mask = "/attention_mask" if "/attention_mask" in prepared and prepared["/attention_mask"].ndim == 2 else ""
    constants = [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in (("0", [0]), ("1", [1]))]
    if mask:
        nodes.append(helper.make_node("ReduceSum", [mask, "1"], ["lengths"], keepdims=0))
        nodes.append(helper.make_node("ReduceMax", ["lengths"], ["longest"], keepdims=1))
        nodes.append(helper.make_node("Max", ["longest", "1"], ["end"]))
    inputs, outputs, kinds = [], [], []
    for name, value in prepared.items():
        whole = value.dtype == np.int64
        kind = TensorProto.INT64 if whole else TensorProto.FLOAT
        cut = bool(mask) and value.shape == prepared[mask].shape
        read = [name, "0", "end", "1"] if cut else [name]
        nodes.append(helper.make_node("Slice" if cut else "Identity", read, [f"m{name}"]))
        inputs.append(helper.make_tensor_value_info(name, kind, ["N", "tokens"] if cut else ["N", *value.shape[1:]]))
        outputs.append(helper.make_tensor_value_info(f"m{name}", kind, ["N", None] if cut else ["N", *value.shape[1:]]))
        kinds.append((name, "int64" if whole else "float"))
    graph = helper.make_graph(nodes, "front_end", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model)
    data = bytes(model.SerializeToString(deterministic=True))
    return Encoding(inputs=tuple(kinds), numeric=0, cardinalities=(), split=data, matrix=b"")  # type: ignore[arg-type]
