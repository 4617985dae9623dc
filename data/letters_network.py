"""The language model of data/letters_teacher.onnx: recurrent, trained on windows of documents, written as one ONNX file
that reads texts. Used by make_letters.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

WIDTH, HIDDEN = 64, 256
BATCH, PEAK, STEPS = 64, 6e-3, 5000
PLACES = "places"


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Documents one after the other as ``codes`` [n] (0: none, ``context`` of them before each document), and where a
    window may begin."""

    codes: Tensor
    starts: Tensor
    context: int

    def drawn(self, many: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What stands at ``context`` places of some windows, and what follows each: [many, context] twice."""
        first = self.starts[torch.randint(len(self.starts), (many,), generator=generator)]
        found = self.codes[first[:, None] + torch.arange(self.context + 1)]
        return found[:, :-1], found[:, 1:]


def windows(texts: Sequence[str], alphabet: str, context: int) -> Windows:
    """Every window of ``context`` and one more characters that begins before or in a document, and ends in it."""
    code = {one: at for at, one in enumerate(alphabet, start=1)}
    parts, starts, at = [], [], 0
    for text in texts:
        parts += [0] * context + [code[one] for one in text]
        starts += range(at, at + len(text))
        at += context + len(text)
    return Windows(codes=torch.tensor(parts), starts=torch.tensor(starts), context=context)


class Network(nn.Module):
    """Gated recurrent units (Cho et al. 2014) over characters; ``forward`` says logits at every place."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.table = nn.Embedding(characters + 1, WIDTH)
        self.gru = nn.GRU(WIDTH, HIDDEN, batch_first=True)
        self.last = nn.Linear(HIDDEN, characters)

    def forward(self, codes: Tensor) -> Tensor:
        said: Tensor = self.last(self.gru(self.table(codes))[0])
        return said


def trained(network: Network, texts: Windows) -> Network:
    """AdamW in one cycle of the step size, on random windows; places before a document's first character are free."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=PEAK, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK, total_steps=STEPS, pct_start=0.1)
    generator, total = torch.Generator().manual_seed(0), 0.0
    for step in range(1, STEPS + 1):
        codes, following = texts.drawn(BATCH, generator)
        loss = functional.cross_entropy(network(codes).flatten(0, 1), following.flatten() - 1, ignore_index=-1)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        total += float(loss.detach())
        if step % 100 == 0:
            print(f"step {step:,} of {STEPS:,}: loss {total / 100:.4f} nats a character", flush=True)
            total = 0.0
    return network.eval()


def perplexity(network: Network, texts: Windows, many: int = 4000) -> float:
    """Of what follows the last place of random windows."""
    codes, following = texts.drawn(many, torch.Generator().manual_seed(1))
    with torch.no_grad():
        said = torch.cat([network(part)[:, -1] for part in codes.split(500)])
    return float(functional.cross_entropy(said, following[:, -1] - 1).exp())


def save(network: Network, alphabet: str, classes: Sequence[str], context: int, path: Path) -> None:
    """One file with an input ``text``, split into characters inside, and a probability of each of ``classes``; its
    output ``places`` says the same after each place."""
    from autodistill import export, plugins
    from autodistill.inputs import CODES
    from autodistill.students._network import Core

    texts = np.array([*alphabet, *alphabet], object)
    encoding = plugins.build("inputs", "characters", {"column": "text", "length": context}).fit(
        {"text": texts}, np.zeros(len(texts)), ()
    )
    places = torch.from_numpy(encoding.apply({"text": texts[: len(alphabet)]})[1][:, -1])
    core, gru = Core(network), network.gru
    table = torch.zeros(encoding.cardinalities[0], WIDTH)
    table[0], table[places] = network.table.weight.detach()[0], network.table.weight.detach()[1:]
    found = core.add("Gather", [core.constant("table", table.numpy()), CODES])
    steps = core.add("Transpose", [found], perm=[1, 0, 2])

    def gates(part: Tensor) -> np.ndarray:  # PyTorch keeps reset, update, new; ONNX update, reset, new
        reset, update, new = part.detach().chunk(3)
        return torch.cat([update, reset, new]).numpy()[None]

    bias = np.concatenate([gates(gru.bias_ih_l0), gates(gru.bias_hh_l0)], axis=1)
    weights = [core.constant(name, value) for name, value in (
        ("w", gates(gru.weight_ih_l0)), ("r", gates(gru.weight_hh_l0)), ("b", bias),
    )]  # fmt: skip
    every = core.add("GRU", [steps, *weights], hidden_size=HIDDEN, linear_before_reset=1)
    last = core.add("Gather", [every, core.constant("end", np.array([-1]))], axis=0)  # [1, directions = 1, N, HIDDEN]
    state = core.add("Squeeze", [last, core.constant("axis", np.array([0, 1]))])
    model = core.model(core.dense(state, "last.weight", "last.bias"), encoding.shapes(len(classes)), len(classes))
    export.wrap(encoding, model, export.Answer(classes=tuple(classes)), path, form="split")
    add_places(path, context, len(classes))
    _same(path, network, alphabet, context)
    print(f"{path}: {path.stat().st_size:,} bytes")


def add_places(path: Path, context: int, classes: int) -> None:
    """Put the output ``places`` [N, context, classes] into a file that ``save`` wrote: probabilities, by the
    dense layer at every state of the recurrent one."""
    model = onnx.load(path)
    graph, constants = model.graph, model.graph.initializer
    gru = next(node for node in graph.node if node.op_type == "GRU")
    dense = next(node for node in graph.node if node.op_type == "Gemm")
    states, (_, weight, bias) = gru.output[0], dense.input
    constants.append(numpy_helper.from_array(np.array([1]), "/directions"))
    for op, read, made, options in (
        ("Squeeze", [states, "/directions"], "/states", {}),  # [context, N, HIDDEN]
        ("Transpose", ["/states"], "/each", {"perm": [1, 0, 2]}),
        ("Transpose", [weight], "/weight", {"perm": [1, 0]}),
        ("MatMul", ["/each", "/weight"], "/product", {}),
        ("Add", ["/product", bias], "/logits", {}),
        ("Softmax", ["/logits"], PLACES, {"axis": 2}),
    ):
        graph.node.append(helper.make_node(op, read, [made], **options))
    graph.output.append(helper.make_tensor_value_info(PLACES, TensorProto.FLOAT, ["N", context, classes]))
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _same(path: Path, network: Network, alphabet: str, context: int) -> None:
    """The file says what the network says, of whole, short and empty texts."""
    from autodistill import runtime

    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list(alphabet), many)) for many in (0, 1, 7, context, 2 * context)]
    code = {one: at for at, one in enumerate(alphabet, start=1)}
    rows = [[0] * max(0, context - len(text)) + [code[one] for one in text[-context:]] for text in texts]
    with torch.no_grad():
        expected = network(torch.tensor(rows)).softmax(dim=2).numpy()
    session, given = runtime.open(path), {"text": np.array(texts, object)}
    np.testing.assert_allclose(session.probabilities(given), expected[:, -1], atol=1e-4)
    np.testing.assert_allclose(session.run(session.feed(given), [PLACES])[0], expected, atol=1e-4)
