"""The state of a training: an epoch moves it on, and a checkpoint holds all that must be kept for the same bytes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.errors import CheckpointError, ThasError
from ..core.resume import MAY_CHANGE
from ..core.runners import Runner
from .data import TrainingFeatures
from .log import Epoch
from .losses import get_loss
from .model import Model, load_model
from .training_view import Drawing, NetworkWithLoss
from .validation import Verdict, label_map


@dataclass(frozen=True)
class LabelledVideos:
    """Videos and what is known of them.

    Attributes:
        data: The features of N videos.
        targets: (N, C), 1 where a video has a class.
    """

    data: TrainingFeatures
    targets: Tensor


@dataclass(frozen=True)
class Best:
    """The epoch with the best verdict so far, and its weights."""

    epoch: int
    verdict: Verdict
    weights: dict[str, Tensor]


class Trainer:
    """The state of a training: what must be saved to go on with the same bytes.

    Args:
        model: Of which the network learns.
        train: The videos to learn from.
        held_out: Those by which the best epoch is chosen; None chooses none.
        runner: The devices. Several share each batch: the result is that of one, but for the order of additions.
        facts: What else a checkpoint must agree in before it is resumed from.
    """

    def __init__(
        self,
        model: Model,
        train: LabelledVideos,
        held_out: LabelledVideos | None,
        *,
        runner: Runner,
        facts: Mapping[str, Any],
    ) -> None:
        self.model, self.train, self.held_out, self.runner, self.facts = model, train, held_out, runner, dict(facts)
        settings = model.settings.train
        self.epochs_done = 0
        self.best: Best | None = None
        self.optimiser = torch.optim.AdamW(
            model.network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        # A generator each, so that hiding more or less does not change the order of the videos, nor dropping what is
        # hidden. Each process draws the same from all, whichever part of a batch is its own.
        self.random = {
            name: torch.Generator().manual_seed(settings.seed + i)
            for i, name in enumerate(("order", "hiding", "dropout"))
        }
        self._answer: Any = None
        self._stepper: Any = None

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the last best one is too long ago."""
        settings = self.model.settings.train
        stalled = self.best is not None and 0 < settings.patience <= self.epochs_done - self.best.epoch
        return stalled or self.epochs_done >= settings.epochs

    def epoch(self) -> Epoch:
        """Learn from each video once, then judge the held-out ones."""
        if self._answer is None:  # not before a checkpoint was restored: the devices copy the weights
            answer = NetworkWithLoss(
                self.model.network, loss=self.model.settings.train.loss, autocast=self.runner.autocast
            )
            self._answer, self._stepper = self.runner.set_up(answer, self.optimiser)
        settings = self.model.settings.train
        started = time.perf_counter()
        self._answer.train()
        sums = torch.zeros(2, dtype=torch.float64, device=self.model.device)  # added up there: no batch waits
        order = torch.randperm(len(self.train.data), generator=self.random["order"])
        for batch in order.split(settings.batch_size):
            sums += self._step(batch)
        loss, right = (self.runner.total(sums) / len(self.train.data)).tolist()
        seconds = time.perf_counter() - started
        self.epochs_done += 1
        if not np.isfinite(loss):
            raise ThasError(
                f"training diverged: the loss became {loss} in epoch {self.epochs_done}",
                why=f"the learning rate of {settings.learning_rate:g} is too high for these features",
                next="--set train.learning_rate=1e-5, or --set input.normalise=standard",
            )
        verdict = self._judge()
        if verdict is not None and (self.best is None or verdict > self.best.verdict):
            self.best = Best(self.epochs_done, verdict, _copied(self.model.network.state_dict()))
        return Epoch(
            number=self.epochs_done,
            loss=loss,
            accuracy=right,
            seconds=seconds,
            learning_rate=settings.learning_rate,
            videos_per_second=len(self.train.data) / max(seconds, 1e-9),
            validation_map=verdict.map if verdict else None,
            validation_loss=-verdict.minus_loss if verdict else None,
        )

    def _step(self, batch: Tensor) -> Tensor:
        """One step on a batch of videos; returns the sum of this process's losses, and how many were told right."""
        data, runner = self.train.data, self.runner
        rows = batch.tolist()
        drawing = Drawing(
            self.model,
            [data.lengths[row] for row in rows],
            hiding=self.random["hiding"],
            dropout=self.random["dropout"],
        )
        places = list(range(len(rows)))[runner.rank :: runner.world]
        # A process that is left without a video takes part all the same, with one that does not count.
        weight = 1.0 if places else 0.0
        places = places or [0]
        total = None if runner.world == 1 else lambda values: runner.total(values * weight)
        shown = drawing.shown([data[rows[i]] for i in places], places, total)
        target = self.train.targets[batch[places]].to(self.model.device)
        losses, video_logits = self._answer(shown, target)
        self.optimiser.zero_grad(set_to_none=True)
        # The mean over the whole batch: gradients are averaged over the processes, whose shares may be uneven.
        loss = losses.sum() / len(rows) * (weight * runner.world)
        runner.step(loss, self._stepper, clip_norm=self.model.settings.train.clip_norm)
        top = video_logits.detach().argmax(dim=1, keepdim=True)
        return torch.stack([losses.detach().sum(), target.gather(1, top).sum()]).double() * weight

    def _judge(self) -> Verdict | None:
        """How well the held-out videos' labels are told, nothing hidden, in 32 bits; the same in all processes."""
        if self.held_out is None:
            return None
        data, targets, network = self.held_out.data, self.held_out.targets, self.model.network
        found = torch.zeros(len(data), targets.shape[1] + 1, device=self.model.device)
        network.eval()
        with torch.inference_mode():
            for row in range(self.runner.rank, len(data), self.runner.world):
                output = network(self.model.shown(data[row].to(self.model.device), data.videos[row])[None])
                target = targets[row : row + 1].to(self.model.device)
                found[row, :-1] = output.video_logits[0]
                found[row, -1] = network.losses(output, target, loss=self.model.settings.train.loss)[0]
        scores = self.runner.total(found).double().cpu()
        logits, losses = scores[:, :-1], scores[:, -1]
        probabilities = get_loss(self.model.settings.train.loss).comparable(logits)  # across videos
        return Verdict(label_map(probabilities.numpy(), targets.numpy()), -float(losses.mean()))

    def checkpoint(self) -> bytes:
        """All that is needed to go on, as the bytes of a safetensors file that is a model, too."""
        state = self.optimiser.state_dict()["state"]
        extra = {f"optimiser.{i}.{name}": value for i, entry in state.items() for name, value in entry.items()}
        extra |= {f"random.{name}": generator.get_state() for name, generator in self.random.items()}
        facts: dict[str, Any] = {**self.facts, "epoch": self.epochs_done, "runner": self.runner.state()}
        if self.best is not None:
            extra |= {f"best.{name}": value for name, value in self.best.weights.items()}
            facts["best"] = {"epoch": self.best.epoch, **vars(self.best.verdict)}
        return self.model.to_bytes(extra, facts)

    def best_model(self) -> bytes:
        """The best epoch's model as the bytes of a file."""
        assert self.best is not None
        facts = {**self.facts, "epoch": self.best.epoch, "best": {"epoch": self.best.epoch, **vars(self.best.verdict)}}
        return self.model.to_bytes(facts=facts, weights=self.best.weights)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            CheckpointError: It is no checkpoint, or belongs to another run or an older thas.
        """
        saved, extra, description = load_model(path)
        self._check_same_run(path, saved, description)
        if "random.dropout" not in extra:
            raise CheckpointError(
                f"{path} was written by an older thas, whose training cannot be continued",
                why="it left what is dropped to torch, and what is drawn now is not what it would have drawn",
                next="localize with it as it is, or train anew without --resume",
                subject=str(path),
            )
        self.model.network.load_state_dict(saved.network.state_dict())
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in extra.items():
            if name.startswith("optimiser."):
                _, index, key = name.split(".")
                state.setdefault(int(index), {})[key] = value
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": state})
        for name, generator in self.random.items():
            generator.set_state(extra[f"random.{name}"])
        self.runner.restore(description.get("runner", {}))
        self.epochs_done = int(description["epoch"])
        if "best" in description:
            weights = {name[5:]: value.to(self.model.device) for name, value in extra.items() if name[:5] == "best."}
            best = dict(description["best"])
            self.best = Best(best.pop("epoch"), Verdict(**best), weights)

    def check_agreement(self) -> None:
        """Refuse to start where the processes stand at different epochs.

        Raises:
            CheckpointError: Not all of them found the same checkpoint.
        """
        epochs = torch.tensor([self.epochs_done, self.epochs_done**2], dtype=torch.float64, device=self.model.device)
        mean, squares = (self.runner.total(epochs) / self.runner.world).tolist()
        if mean**2 != squares:
            raise CheckpointError(
                "not all processes found the checkpoint to resume from",
                why="the run's folder is not on a disk that all nodes share",
                next="copy the run's folder to every node, or share it",
            )

    def _check_same_run(self, path: Path, saved: Model, description: Mapping[str, Any]) -> None:
        mine, theirs = self.model.settings.flat(), saved.settings.flat()
        why = ", ".join(
            f"{key} was {theirs[key]}, now {mine[key]}"
            for key in mine
            if mine[key] != theirs[key] and key not in MAY_CHANGE
        )
        other = "settings" if why else ""
        if not why:
            for name, value in self.facts.items():
                if description.get(name, value) != value:
                    other, why = name, f"the training videos or their {name} changed since the checkpoint was written"
            if saved.classes != self.model.classes or not torch.equal(saved.mean, self.model.mean):
                other, why = other or "features", why or "the classes or the training features differ"
        if why:
            raise CheckpointError(
                f"{path} belongs to a run with other {other}",
                why=why,
                next=f"resume with the same {other}, or train anew without --resume",
                subject=str(path),
            )


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in tensors.items()}
