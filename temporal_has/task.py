"""What is peculiar to training a head on videos: what is drawn, the loss, and how held-out videos are judged."""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..core.checkpoints import part
from ..core.narrowing import as_int, as_table
from ..core.runners import Runner
from ..core.task import Step, Verdict
from .data import TrainingFeatures
from .losses import get_loss
from .model import Model
from .settings import Settings
from .training_view import Drawing, NetworkWithLoss
from .validation import Calibration, calibrate, label_map


@dataclass(frozen=True)
class LabelledVideos:
    """Videos and what is known of them.

    Attributes:
        data: The features of N videos.
        targets: (N, C), 1 where a video has a class.
        points: For each video (P, 2), snippet and class of what somebody clicked; empty if nothing was.
    """

    data: TrainingFeatures
    targets: Tensor
    points: Sequence[Tensor] = ()


class HeadTask:
    """The training of a head; see `thas.core.training.Task`.

    Args:
        model: Of which the network learns.
        train: The videos to learn from.
        held_out: Those by which the best epoch is chosen; None chooses none.
        runner: The devices. Several share each batch: the result is that of one, but for the order of additions.
        labels: A digest of all videos' labels.
    """

    kind: str = "temporal"
    things: str = "videos"
    cure: str = "--set train.learning_rate=1e-5, or --set input.normalise=standard"

    def __init__(
        self, model: Model, train: LabelledVideos, held_out: LabelledVideos | None, *, runner: Runner, labels: str
    ) -> None:
        self.model, self.train, self.held_out, self.runner = model, train, held_out, runner
        settings = model.settings.train
        self.network: nn.Module = model.network
        # With `train.average` another network learns, and the one that is kept follows it.
        self._learning = copy.deepcopy(model.network) if settings.average else model.network
        self._steps = 0
        self.trained: nn.Module = NetworkWithLoss(
            self._learning, loss=settings.loss, autocast=runner.autocast, points=settings.points
        )
        self.optimiser: torch.optim.Optimizer = torch.optim.AdamW(
            self._learning.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.settings: Mapping[str, object] = model.settings.flat()
        self.usual: Mapping[str, object] = Settings.kept({}).flat()
        self.identity: Mapping[str, object] = {"labels": labels, "classes": list(model.classes)}
        self.constants: Mapping[str, Tensor] = {"mean": model.mean}
        # A generator each, so that hiding more or less does not change the order of the videos, nor dropping what is
        # hidden. Each process draws the same from all, whichever part of a batch is its own.
        self._number, self.calibrations = 0, dict[int, Calibration]()  # of each epoch, by the held-out videos
        self.random = {
            name: torch.Generator().manual_seed(settings.seed + i)
            for i, name in enumerate(("order", "hiding", "dropout"))
        }

    @contextmanager
    def epoch(self, number: int) -> Generator[Iterable[Tensor]]:
        """Each video once, in an order of its own: the rows of each batch."""
        self._number = number + 1
        self.network.train()  # also where it only follows
        order = torch.randperm(len(self.train.data), generator=self.random["order"])
        yield self._followed(order.split(self.model.settings.train.batch_size))

    def _followed(self, batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """Each batch; after the step on it the mean of the weights takes in what was learned.

        Polyak and Juditsky ("Acceleration of stochastic approximation by averaging", 1992), over about the last
        1 / (1 - average) steps; over all of them while there are fewer.
        """
        for batch in batches:
            yield batch
            if self._learning is self.network:
                continue
            self._steps += 1
            share = max(1 - self.model.settings.train.average, 1 / self._steps)
            learned = self._learning.state_dict()
            for name, mean in self.network.state_dict().items():
                mean.copy_(mean.lerp(learned[name], share) if mean.is_floating_point() else learned[name])

    def step(self, trained: nn.Module, batch: Tensor) -> Step:
        """The mean loss of a batch of videos."""
        data, runner, rows = self.train.data, self.runner, batch.tolist()
        drawing = Drawing(
            self.model,
            [data.lengths[row] for row in rows],
            hiding=self.random["hiding"],
            dropout=self.random["dropout"],
            every_snippet=bool(self.train.points),
        )
        places = list(range(len(rows)))[runner.rank :: runner.world]
        # A process that is left without a video takes part all the same, with one that does not count.
        count, weight = len(places), 1.0 if places else 0.0
        places = places or [0]
        total = None if runner.world == 1 else lambda values: runner.total(values * weight)
        shown = drawing.shown([data[rows[i]] for i in places], places, total)
        target = self.train.targets[batch[places]].to(self.model.device)
        points = self.train.points
        clicks = [drawing.clicks(points[rows[i]], i, data.lengths[rows[i]]) for i in places] if points else None
        losses, video_logits = trained(shown, target, clicks)
        # The mean over the whole batch: gradients are averaged over the processes, whose shares may be uneven.
        loss = losses.sum() / len(rows) * (weight * runner.world)
        top = video_logits.detach().argmax(dim=1, keepdim=True)
        return Step(loss, torch.stack([losses.detach().sum(), target.gather(1, top).sum()]).double() * weight, count)

    def judge(self) -> Verdict | None:
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
        loss = get_loss(self.model.settings.train.loss)
        self.calibrations[self._number] = calibrate(loss.probabilities(logits).numpy(), targets.numpy())
        comparable = loss.comparable(logits)  # across videos
        return Verdict(label_map(comparable.numpy(), targets.numpy()), -float(losses.mean()))

    def packed(self, extra: Mapping[str, Tensor], facts: Mapping[str, object], weights: Mapping[str, Tensor]) -> bytes:
        """The model's file."""
        known: dict[str, object] = {"spread": self.spread(weights)}
        epoch = as_int(facts["epoch"])
        if epoch in self.calibrations:
            known["calibration"] = list(self.calibrations[epoch])
        return self.model.to_bytes(extra, {**facts, **known}, weights=weights)

    def spread(self, weights: Mapping[str, Tensor]) -> float:
        """The standard deviation of the activations on some stretches of training videos, nothing hidden."""
        model, found = self.model, []
        model.network.eval()
        with torch.inference_mode():
            for video, x in self.train.data.stretches.items():
                shown = model.shown(x.to(model.device), video)[None]
                output = torch.func.functional_call(model.network, dict(weights), (shown,))
                found.append(output.sequence.flatten())
        return float(torch.cat(found).std(correction=0))

    def state(self) -> tuple[dict[str, Tensor], dict[str, object]]:
        """The generators', what the held-out videos said, and the network that learns, where another is kept."""
        extra = {f"random.{name}": generator.get_state() for name, generator in self.random.items()}
        facts: dict[str, object] = {}
        if self.calibrations:
            facts["calibrations"] = {str(number): list(one) for number, one in self.calibrations.items()}
        if self._learning is not self.network:
            extra |= {f"learning.{name}": value for name, value in self._learning.state_dict().items()}
            facts["averaged_steps"] = self._steps
        return extra, facts

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
        """All of it as it was."""
        for name, generator in self.random.items():
            generator.set_state(tensors[f"random.{name}"])
        for number, one in as_table(facts.get("calibrations", {})).items():
            self.calibrations[int(number)] = Calibration.of(one)
        if self._learning is not self.network:
            self._learning.load_state_dict(part(tensors, "learning"))
            self._steps = as_int(facts["averaged_steps"])
