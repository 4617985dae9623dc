"""Gradient training of small students: one thread, the same result every time.

A batch of a small network costs less than a data loader's hand-over, so rows are drawn by index: those of an epoch at
once where they are few, batch by batch where they may be mapped from a file that does not fit into memory. An epoch is
a pure function of (state, seed, epoch): a training that was cut and went on equals one that was not. On a GPU the
passes of training are of mixed precision; what is judged and exported is float32.
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from autodistill.errors import StudentError
from autodistill.losses import Objective
from autodistill.space import Training
from autodistill.train.batches import batch
from autodistill.train.dro import GroupDro
from autodistill.train.rows import Rows, errors

__all__ = ["GroupDro", "Limits", "Rows", "State", "Trained", "errors", "fit_gradient", "mixed", "outputs"]

State = Mapping[str, Tensor]

COPIED = 64 << 20  # bytes of rows that are copied as a whole; more are read where they are
PASSED = 8 << 20  # bytes of those that one pass reads


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When to stop: after ``to_epoch``, past ``deadline`` (``time.monotonic()``), or as soon as ``stop()`` says so."""

    to_epoch: int | None = None
    deadline: float | None = None
    stop: Callable[[], bool] | None = None

    def reached(self) -> bool:
        """Whether the clock or the caller ends the training now."""
        late = self.deadline is not None and time.monotonic() >= self.deadline
        return late or (self.stop is not None and self.stop())


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A training's result. ``state`` is the module's at its best epoch (least search error, then least log-loss);
    ``checkpoint`` goes on from here; ``history`` has a line an epoch; ``complete`` unless a limit cut it."""

    state: State
    checkpoint: Mapping[str, Any]
    epochs: int
    best_epoch: int
    error: float
    history: tuple[Mapping[str, float], ...]
    seconds: float
    complete: bool


@dataclass(frozen=True)
class _Learner:
    """The optimiser. ``half`` is the type of mixed passes (None: float32); float16 needs a ``scaler`` of losses."""

    optimiser: torch.optim.Optimizer
    half: torch.dtype | None
    scaler: torch.amp.GradScaler | None

    @classmethod
    def of(cls, parameters: list[nn.Parameter], training: Training, device: str) -> "_Learner":
        half = mixed(device)
        optimiser = torch.optim.AdamW(
            parameters, lr=training.learning_rate, weight_decay=training.weight_decay, fused=True
        )
        return cls(optimiser, half, torch.amp.GradScaler(device) if half == torch.float16 else None)

    def passes(self, device: str) -> AbstractContextManager[Any]:
        """What the passes of one batch are done under."""
        return nullcontext() if self.half is None else torch.autocast(device, dtype=self.half)

    def step(self, loss: Tensor) -> None:
        """One step down the gradient of a loss."""
        self.optimiser.zero_grad(set_to_none=True)
        if self.scaler is None:
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            return
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(self.optimiser)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        return {**self.optimiser.state_dict(), "scaler": {} if self.scaler is None else self.scaler.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.optimiser.load_state_dict({name: value for name, value in state.items() if name != "scaler"})
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])


def mixed(device: str) -> torch.dtype | None:
    """The type of mixed passes on a device: none on a CPU, bfloat16 where a GPU has it, else float16."""
    if device != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


@dataclass
class _Progress:
    epoch: int = 0
    best_epoch: int = 0
    best: tuple[float, float] = (math.inf, math.inf)
    best_state: State = field(default_factory=dict)
    history: list[Mapping[str, float]] = field(default_factory=list)


def fit_gradient(
    module: nn.Module,
    objective: Objective,
    train: Rows,
    search: Rows,
    training: Training,
    *,
    seed: int = 0,
    limits: Limits | None = None,
    checkpoint: Mapping[str, Any] | None = None,
) -> Trained:
    """Train ``module`` in place by AdamW under a cosine schedule with warm-up, and return its best epoch.

    ``module`` takes (numeric, codes) to logits [n, C] ([n, 1] values for regression) and must have been built under
    ``torch.manual_seed(seed)`` if its start is to repeat. The schedule spans ``training.epochs`` even where
    ``limits.to_epoch`` stops before; its last ``training.fine_tune`` sees labels alone. Where rows carry a teacher's
    features, the module needs ``features`` and ``head``. At least one epoch is run. Raises ``StudentError`` if the loss
    is not finite.
    """
    began, limits = time.monotonic(), limits or Limits()
    torch.set_num_threads(1)
    projector = list(objective.parameters()) if isinstance(objective, nn.Module) else []
    learner = _Learner.of([*module.parameters(), *projector], training, train.y.device.type)
    progress = _restored(checkpoint, module, objective, learner)
    last = min(training.epochs, limits.to_epoch or training.epochs)
    while progress.epoch < last:
        rows = train if progress.epoch < training.taught else train.labels_alone()
        loss = _epoch(module, objective, rows, learner, training, progress.epoch, seed)
        progress.epoch += 1
        if not math.isfinite(loss):
            raise StudentError(
                f"the loss is {loss} at epoch {progress.epoch}", where="training", do="lower learning_rate"
            )
        _judge(module, search, loss, progress)
        if limits.reached():
            break
    return Trained(
        state=progress.best_state,
        checkpoint=_checkpoint(module, objective, learner, progress),
        epochs=progress.epoch,
        best_epoch=progress.best_epoch,
        error=progress.best[0],
        history=tuple(progress.history),
        seconds=time.monotonic() - began,
        complete=progress.epoch >= last,
    )


def _epoch(
    module: nn.Module,
    objective: Objective,
    rows: Rows,
    learner: _Learner,
    training: Training,
    epoch: int,
    seed: int,
) -> float:
    """One pass in an order that (seed, epoch) fixes; the mean loss of its batches."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    torch.manual_seed(seed * 1_000_003 + epoch)  # dropout
    device = rows.y.device
    order = torch.randperm(len(rows.y), generator=generator).to(device)
    shuffled = rows.at(order) if rows.size <= COPIED else None  # a slice costs less than an index
    module.train()
    size = min(max(training.batch_size, 2 if _normalised(module) else 1), len(rows.y))
    steps = len(rows.y) // size  # the rest of an epoch differs from epoch to epoch
    total = torch.zeros((), device=device)
    for step in range(steps):
        share = (epoch * steps + step) / (training.epochs * steps)
        learner.optimiser.param_groups[0]["lr"] = training.learning_rate * _schedule(share, training.warmup)
        batch_at = slice(step * size, (step + 1) * size)
        part = rows.at(order[batch_at]) if shuffled is None else shuffled.at(batch_at)
        with learner.passes(device.type):
            found = batch(module, part, share)
        loss = objective(found)
        learner.step(loss)
        total += loss.detach()
    return float(total) / steps


def _normalised(module: nn.Module) -> bool:
    """Whether it is normalised over a batch, of which one row has no deviation."""
    return any(isinstance(one, nn.BatchNorm1d | nn.BatchNorm2d) for one in module.modules())


def outputs(module: nn.Module, rows: Rows) -> Tensor:
    """What a network says of rows [n, C]: in one pass where they are few, else so many at a time."""
    step = len(rows.y) if rows.size <= COPIED else max(1, PASSED * len(rows.y) // rows.size)
    parts = (rows.at(slice(at, at + step)) for at in range(0, len(rows.y), step))
    found = [module(part.numeric, part.codes) for part in parts]
    return found[0] if len(found) == 1 else torch.cat(found)


def _schedule(share: float, warmup: float) -> float:
    """Linear rise over ``warmup`` of the steps, then a half cosine to zero."""
    if share < warmup:
        return (share + 1e-3) / (warmup + 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (share - warmup) / (1 - warmup)))


def _judge(module: nn.Module, search: Rows, loss: float, progress: _Progress) -> None:
    """Error and log-loss on the search split, and the state if they are the best yet."""
    module.eval()
    with torch.no_grad():
        error, log_loss = errors(outputs(module, search), search)
    progress.history.append({"epoch": progress.epoch, "loss": loss, "error": error, "log_loss": log_loss})
    if (error, log_loss) < progress.best:
        progress.best, progress.best_epoch = (error, log_loss), progress.epoch
        progress.best_state = {name: value.detach().clone() for name, value in module.state_dict().items()}


def _restored(
    checkpoint: Mapping[str, Any] | None, module: nn.Module, objective: Objective, learner: _Learner
) -> _Progress:
    if checkpoint is None or not _fits(checkpoint["module"], module):
        return _Progress()
    module.load_state_dict(checkpoint["module"])
    if isinstance(objective, nn.Module):
        objective.load_state_dict(checkpoint["objective"])
    learner.load_state_dict(checkpoint["learner"])
    return _Progress(
        epoch=checkpoint["epoch"],
        best_epoch=checkpoint["best_epoch"],
        best=tuple(checkpoint["best"]),
        best_state=checkpoint["best_state"],
        history=list(checkpoint["history"]),
    )


def _fits(state: State, module: nn.Module) -> bool:
    """Whether a state is of such a module: one that another version left is as if it were not there."""
    own = module.state_dict()
    return own.keys() == state.keys() and all(value.shape == state[name].shape for name, value in own.items())


def _checkpoint(module: nn.Module, objective: Objective, learner: _Learner, progress: _Progress) -> Mapping[str, Any]:
    """Plain dicts, numbers and tensors: ``torch.load(weights_only=True)`` reads it back."""
    return {
        "module": {name: value.detach().clone() for name, value in module.state_dict().items()},
        "objective": objective.state_dict() if isinstance(objective, nn.Module) else {},
        "learner": learner.state_dict(),
        "epoch": progress.epoch,
        "best_epoch": progress.best_epoch,
        "best": list(progress.best),
        "best_state": dict(progress.best_state),
        "history": list(progress.history),
    }
