"""A network without some of its channels: what structural pruning does to a teacher."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from autodistill.errors import TeacherError
from autodistill.records import IntArray
from autodistill.teachers import Task
from autodistill.teachers._nets import Given, device, output, quiet

if TYPE_CHECKING:
    from torch import Tensor, nn

EPOCHS, RATE, BATCH, ROWS = 3, 1e-3, 256, 20_000
HOW = f"{EPOCHS} epochs of training on the labels of at most {ROWS:,} train rows followed"


def without(network: "nn.Module", given: Given, share: float) -> "nn.Module":
    """The network without ``share`` of the channels of each layer, by the L2 norm of their weights and of what depends
    on them (Fang et al. 2023, arXiv 2301.12900); it is changed. Raises ``TeacherError``."""
    try:
        import torch_pruning
    except ModuleNotFoundError:
        do = "pip install 'autodistill-audit[pruning]'"
        raise TeacherError("torch-pruning is not installed, which takes channels out", where="teacher", do=do) from None
    import torch

    example = given(slice(0, 2))
    last = _last(network, example)
    try:
        with quiet():
            pruner = torch_pruning.pruner.BasePruner(
                network,
                example,
                importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
                pruning_ratio=share,
                ignored_layers=[last] if last is not None else [],
                output_transform=output,
            )
            pruner.step()
        with torch.no_grad():
            network(*example)
    except Exception as fault:
        line = " ".join(str(fault).split())[:160]
        what = f"torch-pruning cannot take channels out of it ({type(fault).__name__}: {line})"
        raise TeacherError(what, where="teacher", do="see its documentation") from fault
    return network


def _last(network: "nn.Module", example: "tuple[Tensor, ...]") -> Any:
    """The layer that runs last: its outputs are the classes, and stay."""
    import torch

    ran: list[Any] = []
    kinds = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d)
    handles = [
        module.register_forward_hook(lambda module, _given, _found: ran.append(module))
        for module in network.modules()
        if isinstance(module, kinds)
    ]
    with torch.no_grad():
        network(*example)
    for handle in handles:
        handle.remove()
    return ran[-1] if ran else None


def tuned(network: "nn.Module", given: Callable[[IntArray], Any], task: Task, at: IntArray | None, scale: str) -> None:
    """Train a pruned network for a few epochs on the labels of the train rows: pruning without that is no rival.

    ``given(rows)`` are its inputs; ``at`` is where it has each class, ``scale`` what its outputs are.
    """
    import torch
    from torch.nn import functional

    place, rows = device(), task.train[np.random.default_rng(task.seed).permutation(len(task.train))[:ROWS]]
    network.to(place).train()
    target = torch.from_numpy(np.array(task.y if task.classes else task.y.astype(np.float32)))
    if at is not None:
        target = torch.from_numpy(np.array(at))[target]
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    for epoch in range(EPOCHS):
        for part in np.array_split(np.random.default_rng([task.seed, epoch]).permutation(rows), -(-len(rows) // BATCH)):
            found = output(network(*(one.to(place) for one in given(part)))).float()
            wanted = target[torch.from_numpy(part)].to(place)
            if not task.classes:
                loss = functional.mse_loss(found.reshape(len(part)), wanted)
            elif found.numel() == len(part):  # one column, of the second class
                share = found.reshape(len(part)).sigmoid() if scale == "logits" else found.reshape(len(part))
                loss = functional.binary_cross_entropy(share.clamp(1e-6, 1 - 1e-6), wanted.float())
            else:
                logs = found.clamp_min(1e-9).log() if scale == "probabilities" else found.log_softmax(dim=1)
                loss = functional.nll_loss(logs, wanted)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    network.eval().cpu()
