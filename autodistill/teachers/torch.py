"""A teacher that is a PyTorch network: an exported program, or an import path with a state dict."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from autodistill.errors import TeacherError
from autodistill.inputs import CODES, NUMERIC, Encoding
from autodistill.plugins import Fixed, Rest
from autodistill.records import IntArray, digest
from autodistill.teachers import Labelled, Saw, Task, _pruning, _pt2, silent
from autodistill.teachers._classes import Scale, order, scores, width
from autodistill.teachers._fronts import Feed, front
from autodistill.teachers._imported import called
from autodistill.teachers._nets import Manner, onnx, quiet, run

if TYPE_CHECKING:
    from torch import Tensor

PROGRAM = ".pt2"
WHERE = "teacher: path"


@dataclass(frozen=True)
class Torch:
    """A PyTorch network, fitted elsewhere; it is run and not changed."""

    gives: ClassVar[frozenset[str]] = frozenset({"teacher_features"})

    path: Annotated[
        Path, Fixed, Field(description="an exported program (.pt2), or a state dict (.pt, .pth, .safetensors)")
    ]
    network: Annotated[
        str | None, Fixed, Field(description="import path of the network that the state dict is for")
    ] = None
    reads: Annotated[
        Literal["encoded", "columns"],
        Fixed,
        Field(
            description="encoded: the numbers and codes that students read; columns: the table's columns as they are"
        ),
    ] = "encoded"
    prepare: Annotated[
        str | None, Fixed, Field(description="import path of a function from columns to the network's input(s)")
    ] = None
    says: Annotated[Scale, Fixed, Field(description="what its outputs are")] = "logits"
    order: Annotated[
        tuple[str, ...], Fixed, Field(description="the classes of its outputs (default: the table's)")
    ] = ()
    hook: Annotated[str | None, Fixed, Field(description="the layer whose output losses compare features with")] = None
    batch: Annotated[int, Fixed, Field(ge=1, description="rows a call")] = 256
    trust: Annotated[bool, Fixed, Field(description="unpickle the file: whoever made it can run code here")] = False
    artefact: Annotated[bool, Fixed, Field(description="make an ONNX file of it, to measure its latency")] = True
    saw: Annotated[Saw, Fixed, Field(description="whether it was fitted on the train rows")] = "unknown"
    options: Annotated[Mapping[str, Any], Rest, Field(description="options of the network itself")] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        program = self.path.suffix == PROGRAM
        if program and self.network:
            raise ValueError(f"{self.path} is a whole program, and network names another")
        if self.options and (program or not self.network):
            raise ValueError(f"no option {next(iter(self.options))!r}: only a network named by its import path has any")

    def fingerprint(self) -> dict[str, str]:
        """Version of PyTorch, digests of the file and of the code named; TeacherError where it cannot be opened."""
        import torch

        self._open()
        found = {"torch": str(torch.__version__), "file": digest(self.path.read_bytes())}
        for name in (self.network, self.prepare):
            source = None if name is None else inspect.getsourcefile(called(name, "teacher", "my_package.my_net.Net"))
            if name is not None:
                found[name] = digest(Path(source).read_bytes()) if source else ""
        return found

    def label(self, task: Task) -> Labelled:
        """Every row through the network; features of the layer ``hook`` beside."""
        network, fixed = self._open()
        given = self._given(network, task)
        at, note = self._order(task)
        manner = Manner(batch=fixed or self.batch, fixed=bool(fixed), layer=self.hook, who=self.path.stem)
        # Two rows first: what cannot fit is refused before all rows are labelled.
        first = run(network, given, min(2, len(task.y)), manner, silent)
        width(first.values.shape[1], task.classes, "it")
        ran = run(network, given, len(task.y), manner, task.progress)
        found = scores(ran.values, task.classes, self.says, "it", task.row_ids)
        core, why, before = self._core(network, given, task, at, bool(fixed))
        return Labelled(
            name=self.path.stem,
            scores=found if at is None else found[:, at],
            core=core,
            why_no_onnx=why,
            form="split",
            front=before,
            features=ran.features,
            saw=self.saw,
            notes=(note,) if note else (),
        )

    def pruned(self, task: Task, share: float) -> Labelled:
        """The network without a share of its channels, trained on for a little, as a core. Raises ``TeacherError``."""
        network, _ = self._open()
        if self.path.suffix == PROGRAM:
            what = "an exported program is a fixed list of operations: no channel can be taken out"
            raise TeacherError(what, where="teacher: path", do="name network and its state dict")
        at, _ = self._order(task)
        network = _pruning.without(network, self._given(network, task), share)
        _pruning.tuned(network, self._given(network, task), task, at, self.says)
        core, why, before = self._core(network, self._given(network, task), task, at, fixed=False)
        return Labelled(
            name=self.path.stem, scores=np.empty((0, 0)), core=core, why_no_onnx=why, form="split", front=before
        )

    def _order(self, task: Task) -> tuple[IntArray | None, str]:
        if not task.classes:
            return None, ""
        if not self.order:
            return None, f"its outputs are taken in the order {', '.join(task.classes)}"
        return order(self.order, task.classes, {}, "it"), ""

    def _open(self) -> tuple[Any, int]:
        """The network, ready to run, and the number of rows that it takes (0: any)."""
        if not self.path.is_file():
            raise TeacherError(f"no file {self.path}", where=WHERE, do="paths are relative to the working directory")
        if self.path.suffix == PROGRAM:
            return self._program()
        state = self._state()
        if self.network is None:
            if not callable(state):
                what = f"{self.path} holds weights, and not what they are weights of"
                raise TeacherError(what, where=WHERE, do="name network, or export the program: torch.export.save")
            return state.eval(), 0
        made = called(self.network, "teacher: network", "my_package.my_net.Net")
        try:
            network = made(**self.options)
        except Exception as fault:
            line = " ".join(str(fault).split())[:200]
            raise TeacherError(f"{self.network} failed ({line})", where="teacher", do="correct its options") from fault
        self._fill(network, state)
        return network.eval(), 0

    def _program(self) -> tuple[Any, int]:
        import torch

        if not self.trust:
            _pt2.refuse(self.path)
        try:
            with quiet():
                program = torch.export.load(self.path)
                return (torch.export.unflatten(program) if self.hook else program.module()), _fixed(program)
        except Exception as fault:
            line = " ".join(str(fault).split())[:200]
            raise TeacherError(f"it cannot be opened ({line})", where=str(self.path), do="export it again") from fault

    def _state(self) -> Any:
        """The tensors of a file by name; of a trusted file, what is in it."""
        import torch

        if self.path.suffix == ".safetensors":
            try:
                from safetensors.torch import load_file
            except ModuleNotFoundError:
                do = "pip install safetensors"
                raise TeacherError("safetensors is not installed", where=str(self.path), do=do) from None
            return load_file(self.path)
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=not self.trust)
        except Exception as fault:
            line = " ".join(str(fault).split())[:80]
            what = f"it holds more than tensors, or is damaged ({line})"
            do = "save network.state_dict(); or trust: true, if you know who made it"
            raise TeacherError(what, where=str(self.path), do=do) from None
        return state["state_dict"] if isinstance(state, dict) and "state_dict" in state else state

    def _fill(self, network: Any, state: Any) -> None:
        import torch

        if isinstance(state, torch.nn.Module):
            state = state.state_dict()
        own = network.state_dict()
        lacking, odd = [n for n in own if n not in state], [n for n in state if n not in own]
        bent = [n for n in own if n in state and own[n].shape != state[n].shape]
        if lacking or odd:
            theirs = f"the file has {odd[0]!r}" if odd else f"the file lacks {lacking[0]!r}"
            ours = f"{self.network} has {lacking[0]!r}" if odd and lacking else f"of {self.network}"
            raise TeacherError(f"{theirs}, {ours}", where=WHERE, do="the options that the network was fitted with")
        if bent:
            what = (
                f"{bent[0]} is {list(state[bent[0]].shape)} in the file, {list(own[bent[0]].shape)} in {self.network}"
            )
            raise TeacherError(what, where=WHERE, do="the options that the network was fitted with")
        network.load_state_dict(state)

    def _given(self, network: Any, task: Task) -> "Callable[[slice | IntArray], tuple[Tensor, ...]]":
        """What the network is given for some rows."""
        import torch

        if self.prepare is not None:
            make = called(self.prepare, "teacher: prepare", "my_package.my_net.prepare")

            def prepared(at: slice | IntArray) -> "tuple[Tensor, ...]":
                found = make({name: column[at] for name, column in task.features.items()})
                return tuple(torch.as_tensor(one) for one in (found if isinstance(found, tuple | list) else (found,)))

            return prepared
        if self.reads == "columns":
            words = [name for name, column in task.features.items() if column.dtype == object]
            if words:
                what = f"column {words[0]!r} holds strings, and a network reads numbers"
                raise TeacherError(what, where="teacher: reads", do="reads: encoded, or a function under prepare")
            return lambda at: tuple(torch.from_numpy(np.array(column[at])) for column in task.features.values())
        asked = _inputs(network)
        whole = _encoded(task, slice(0, 1))
        use = (0, 1) if asked > 1 else tuple(k for k in (0, 1) if whole[k].shape[1])
        if len(use) > asked:
            both = f"numbers {list(whole[0].shape[1:])} and codes {list(whole[1].shape[1:])}"
            what = f"it takes one input, a row of the table is {both}"
            raise TeacherError(what, where="teacher: reads", do="make its input in a function under prepare")
        return lambda at: tuple(_encoded(task, at)[k] for k in use)

    def _core(
        self, network: Any, given: Any, task: Task, at: IntArray | None, fixed: bool
    ) -> tuple[bytes | None, str, Encoding | None]:
        """The network as ONNX with what stands in front of it, or why there is none."""
        if not self.artefact:
            return None, "none was asked for", None
        if self.prepare is not None:
            return None, f"{self.prepare} prepares its rows in Python", None
        if fixed:
            return None, "it takes one number of rows a call, and no other", None
        example = given(slice(0, 2))
        if len(example[0]) < 2:
            return None, "one row is too few to trace it with", None
        if self.reads == "columns":
            names = list(task.features)
            feeds = [
                Feed(to=f"m/{name}", columns=(name,), kind="uint8" if column.dtype == np.uint8 else "float",
                     shape=column.shape[1:], dtype=str(column.dtype), rank=column.ndim)
                for name, column in task.features.items()
            ]  # fmt: skip
            core, why = onnx(network, {f"m/{n}": e for n, e in zip(names, example, strict=True)}, at, self.says, {})
            return core, why, front(feeds)
        known = (NUMERIC, CODES) if len(example) == 2 else (NUMERIC if example[0].is_floating_point() else CODES,)
        core, why = onnx(network, dict(zip(known, example, strict=True)), at, self.says, {})
        return core, why, None


def _encoded(task: Task, at: slice | IntArray) -> "tuple[Tensor, ...]":
    import torch

    numeric, codes = task.encoding.apply({name: column[at] for name, column in task.features.items()})
    return torch.from_numpy(np.array(numeric)), torch.from_numpy(np.array(codes))


def _inputs(network: Any) -> int:
    """How many inputs a network takes by place."""
    kinds = [p for p in inspect.signature(network.forward).parameters.values() if p.default is p.empty]
    if any(p.kind is p.VAR_POSITIONAL for p in kinds):
        spec = getattr(network, "_in_spec", None)  # an exported program takes any, and says so elsewhere
        return 2 if spec is None else int(spec.child(0).num_leaves)
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in kinds)


def _fixed(program: Any) -> int:
    """The number of rows that a program takes, 0 for any."""
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in program.graph_signature.user_inputs:
            rows = node.meta["val"].shape[0]
            return rows if isinstance(rows, int) else 0
    return 0
