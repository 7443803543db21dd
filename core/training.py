"""Training, of heads, networks of images and backbones alike: the loop seen whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .checkpoints import CHECKPOINT
from .errors import ThasError
from .interruptions import raising_on_sigterm
from .log import Epoch
from .runners import Runner
from .task import Batch, Task
from .training_state import State, keeping


@dataclass(frozen=True)
class Schedule:
    """How long a training lasts and what is kept of it.

    Attributes:
        epochs: Passes over the data.
        checkpoint_epochs: A checkpoint is written every so many.
        patience: Stop so many epochs after the best one; 0 never does.
        clip_norm: Longer gradients are shortened to this; 0 leaves them.
    """

    epochs: int
    checkpoint_epochs: int = 1
    patience: int = 0
    clip_norm: float = 0.0

    def finished(self, state: State) -> bool:
        """Whether all epochs are done, or the last best one is too long ago."""
        stalled = state.best is not None and 0 < self.patience <= state.epochs_done - state.best.epoch
        return stalled or state.epochs_done >= self.epochs


def fit(
    task: Task[Batch],
    schedule: Schedule,
    *,
    runner: Runner,
    folder: Path | None = None,
    resume: bool = False,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> int:
    """Train a task's network; it ends with the last epoch's weights, or the best one's where data is held out.

    Interrupted at any moment and resumed it comes to the same bytes.

    Args:
        task: What is trained, on what and how.
        schedule: How long.
        runner: The devices. Of several processes only the first writes.
        folder: Where log and checkpoints go; None keeps nothing. `checkpoint.safetensors` is the last epoch's, also
            after Ctrl-C or SIGTERM; `best.safetensors` the best one's.
        resume: Go on from the folder's checkpoint, if it holds one.
        on_epoch: Called after each epoch.
        on_batch: Called after each batch with its number of items, over all processes.

    Returns:
        The epoch, counted from 1, whose weights the network has.

    Raises:
        CheckpointError: The checkpoint belongs to another training, or cannot be gone on from.
        ThasError: The loss became infinite.
        Terminated: SIGTERM came; what was finished is kept.
    """
    state = State(task, runner)
    if resume and folder is not None and (folder / CHECKPOINT).exists():
        state.restore(folder / CHECKPOINT)
    state.check_agreement()
    trained, optimiser = runner.set_up(task.trained, task.optimiser)
    kept_by = folder if runner.rank == 0 else None
    with raising_on_sigterm(), keeping(kept_by, state, every=schedule.checkpoint_epochs) as keep:
        while not schedule.finished(state):
            started = time.perf_counter()
            trained.train()
            sums = torch.zeros(2, dtype=torch.float64, device=runner.device)  # added up there, so that no batch waits
            items = 0
            with task.epoch(state.epochs_done) as batches:
                for batch in batches:
                    step = task.step(trained, batch)
                    if step.loss is not None and step.sums is not None:
                        optimiser.zero_grad(set_to_none=True)
                        runner.step(step.loss, optimiser, clip_norm=schedule.clip_norm)
                        sums += step.sums
                        items += step.items
                    if on_batch is not None:
                        on_batch(step.items * runner.world)
            loss, right, count = map(float, runner.total(torch.cat([sums, sums.new_tensor([items])])))
            seconds = time.perf_counter() - started
            state.epochs_done += 1
            rate = float(task.optimiser.param_groups[0]["lr"])
            if not np.isfinite(loss):
                raise ThasError(
                    f"training diverged: the loss became {loss} in epoch {state.epochs_done}",
                    why=f"the learning rate of {rate:g} is too high here, or the weights it began from are broken",
                    next=task.cure,
                )
            verdict = state.judged()
            epoch = Epoch(
                number=state.epochs_done,
                loss=loss / count,
                accuracy=right / count,
                seconds=seconds,
                learning_rate=rate,
                per_second=count / max(seconds, 1e-9),
                things=task.things,
                validation_map=verdict.map if verdict else None,
                validation_loss=-verdict.minus_loss if verdict else None,
            )
            keep(epoch, schedule.finished(state))
            if on_epoch is not None:
                on_epoch(epoch)
    runner.total(torch.zeros(1, device=runner.device))  # the others wait here until the first has written
    if state.best is None:
        return state.epochs_done
    task.network.load_state_dict(state.best.weights)
    return state.best.epoch
