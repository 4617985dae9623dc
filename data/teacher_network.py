"""The network of data/fashion_teacher.onnx and data/keywords_teacher.onnx, trained and written as one ONNX file that
reads the table's own cells. Used by make_fashion_teacher.py and make_keywords.py."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (16, 32, 64, 96)
BATCH = 128
PEAK = 4e-3


class Block(nn.Module):
    """Two convolutions beside a shortcut (He et al. 2016), at half the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            *(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()),
            *(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)),
        )
        self.short = nn.Conv2d(inputs, outputs, 1)

    def forward(self, maps: Tensor) -> Tensor:
        maps = functional.max_pool2d(maps, 2)
        return functional.relu(self.path(maps) + self.short(maps))


class Network(nn.Module):
    """``front`` makes maps [n, H, W] of raw cells; three blocks, the mean over places and a linear layer: logits."""

    def __init__(self, front: nn.Module, classes: int) -> None:
        super().__init__()
        self.front = front
        first, *_ = WIDTHS
        self.stem = nn.Sequential(nn.Conv2d(1, first, 3, padding=1), nn.BatchNorm2d(first), nn.ReLU())
        self.blocks = nn.Sequential(*(Block(a, b) for a, b in pairwise(WIDTHS)))
        self.last = nn.Linear(WIDTHS[-1], classes)

    def forward(self, cells: Tensor) -> Tensor:
        maps = self.blocks(self.stem(self.front(cells)[:, None]))
        found: Tensor = self.last(maps.mean(dim=(2, 3)))
        return found


def fitted(network: Network, cells: Tensor, y: Tensor, epochs: int, moved: Callable[[Tensor], Tensor]) -> Network:
    """Trained by AdamW in one cycle of the step size, each batch ``moved`` (augmented) before it is seen."""
    steps = -(-len(y) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=PEAK, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK, total_steps=epochs * steps)
    network.train()
    for epoch in range(epochs):
        total = 0.0
        for at in torch.randperm(len(y)).split(BATCH):
            loss = functional.cross_entropy(network(moved(cells[at])), y[at], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss) * len(at)
        print(f"epoch {epoch + 1} of {epochs}: loss {total / len(y):.4f}", flush=True)
    return network.eval()


def error(network: Network, cells: Tensor, y: Tensor) -> float:
    """Share of rows that are decided wrongly."""
    with torch.no_grad():
        found = torch.cat([network(part).argmax(dim=1) for part in cells.split(1000)])
    return float((found != y).float().mean())


def save(network: Network, column: str, cells: Tensor, path: Path) -> None:
    """One file with an input called ``column`` and an output ``logits``."""
    with torch.no_grad():
        program = torch.onnx.export(
            network, (cells[:2],), dynamo=True, verbose=False, input_names=[column], output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("N")},),
        )  # fmt: skip
    model = program.model_proto
    for node in model.graph.node:  # where in PyTorch a node comes from: half the file, and paths of this machine
        del node.metadata_props[:]
    for value in model.graph.value_info:
        del value.metadata_props[:]
    del model.functions[:]
    path.write_bytes(model.SerializeToString(deterministic=True))
    _same(path, network, column, cells)
    print(f"{path}: {path.stat().st_size:,} bytes")


def _same(path: Path, network: Network, column: str, cells: Tensor) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = network(cells[:64]).numpy()
    found = session.run(["logits"], {column: cells[:64].numpy()})[0]
    np.testing.assert_allclose(found, expected, atol=1e-3)
