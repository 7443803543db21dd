"""What is peculiar to training a network of images: what is hidden, the loss, and the rates of its stages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..core.dropping import dropped
from ..core.errors import DataError, Failure
from ..core.narrowing import as_list
from ..core.runners import Runner
from ..core.task import Step, Verdict
from .hide import hide
from .images import ImageTable
from .loading import Batch, TrainingLoader, flipped, normalised, seed_of
from .network import CamNetwork, Hiding, OwnNetwork
from .settings import ImageSettings, InputSettings
from .weights import TrainedNetwork


class ImageTask:
    """The training of a network of images; see `thas.core.training.Task`.

    Args:
        trained: The network, on its device, with its classes and settings.
        table: The images to learn from; boxes are never read.
        runner: The devices; several share each batch.
    """

    kind: str = "image"
    things: str = "images"
    cure: str = "--set train.learning_rate=... with smaller values"

    def __init__(self, trained: TrainedNetwork, table: ImageTable, *, runner: Runner) -> None:
        self.model, self.runner = trained, runner
        self._own = trained.settings
        self.network: nn.Module = trained.network
        self.trained: nn.Module = trained.network
        self._trunk = trunk_of(trained.network)
        groups = [list(self.network.parameters())]
        if set(self._own.train.trunk_rate) != {1.0}:  # one group otherwise, in the order of earlier checkpoints
            trunk = {id(one) for one in self._trunk}
            groups = [[one for one in groups[0] if id(one) not in trunk], self._trunk]
        self.optimiser: torch.optim.Optimizer = torch.optim.SGD(
            [{"params": group} for group in groups], lr=1.0, momentum=self._own.train.momentum
        )
        self.settings: Mapping[str, object] = self._own.flat()
        self.usual: Mapping[str, object] = ImageSettings().flat()
        rows = json.dumps([table.paths, table.labels.tolist()])
        self.identity: Mapping[str, object] = {
            "labels": hashlib.sha256(rows.encode()).hexdigest(),
            "classes": list(table.classes),
        }
        self.constants: Mapping[str, Tensor] = {}
        self.loader = TrainingLoader(
            table, settings=self._own.input, train=self._own.train, rank=runner.rank, world=runner.world
        )
        self.failed: dict[str, Failure] = {}
        """Images that could not be read, by their paths."""
        self._generator = torch.Generator()

    @contextmanager
    def epoch(self, number: int) -> Generator[Iterator[Batch]]:
        """Random crops of the images; all that chance decides starts from the epoch's number."""
        rate, decay, trunk = self._own.at_epoch(number)
        for group, part in zip(self.optimiser.param_groups, (1.0, trunk), strict=False):
            group["lr"], group["weight_decay"] = rate * part, decay
        if self._own.train.freeze_statistics:
            for module in self.network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        seed, rank, seen = self._own.train.seed, self.runner.rank, 0

        def batches() -> Iterator[Batch]:
            nonlocal seen
            for batch in self.loader.of_epoch(number):
                self.failed |= {problem.subject: problem for problem in batch.failed}
                seen += len(batch.labels)
                yield batch

        self._generator = torch.Generator().manual_seed(seed_of(seed, number, rank, 4))
        with torch.random.fork_rng(devices=[self.runner.device] if self.runner.device.type == "cuda" else []):
            torch.manual_seed(seed_of(seed, number, rank, 5))  # dropout knows no other source
            # Gradients that nothing follows are not worth computing; several processes expect one of every weight.
            with self._at_rest(self._trunk if trunk == 0 and self.runner.world == 1 else ()):
                yield batches()
        if not seen:
            first = next(iter(self.failed.values()), None)
            raise DataError(
                f"none of the images of {self.loader.table.root} could be read",
                why=f"{first.subject}: {first.why}" if first else "there are none",
                next="check the files",
            )

    @staticmethod
    @contextmanager
    def _at_rest(weights: Sequence[nn.Parameter]) -> Generator[None]:
        """No gradients of these in the block; what had none before it has none after it."""
        weights = [one for one in weights if one.requires_grad]
        for one in weights:
            one.requires_grad_(False)
        try:
            yield
        finally:
            for one in weights:
                one.requires_grad_(True)

    def step(self, trained: nn.Module, batch: Batch) -> Step:
        """The mean loss of a batch of images."""
        count = len(batch.labels)
        if count < 2:
            if self.runner.world > 1:
                raise DataError("a process was left without images in a batch", next="raise train.batch_size")
            return Step(None, None, count)  # batch normalisation cannot learn from one image
        pixels = batch.pixels.to(self.runner.device, non_blocking=True)
        labels = batch.labels.to(self.runner.device, non_blocking=True)
        pixels = flipped(pixels, probability=self._own.input.flip, generator=self._generator)
        x = normalised(pixels, settings=self._own.input, channels_last=self._own.train.channels_last)
        x, hiding = hidden_input(x, settings=self._own, generator=self._generator)
        with self.runner.autocast():
            logits = (trained(x) if hiding is None else trained(x, hiding)).logits
        loss = functional.cross_entropy(logits.float(), labels)
        right = (logits.argmax(1) == labels).sum()
        return Step(loss, torch.stack([loss.detach() * count, right]).double(), count)

    def judge(self) -> Verdict | None:
        """No images are held out."""
        return None

    def packed(self, extra: Mapping[str, Tensor], facts: Mapping[str, object], weights: Mapping[str, Tensor]) -> bytes:
        """The network's file."""
        return self.model.to_bytes(extra, facts, weights=weights)

    def state(self) -> tuple[dict[str, Tensor], dict[str, object]]:
        """The images that could not be read."""
        return {}, {"failed": [(one.subject, one.what, one.why) for one in self.failed.values()]}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
        """These images."""
        rows = [[str(text) for text in as_list(row)] for row in as_list(facts["failed"])]
        self.failed = {subject: Failure(subject, what, why) for subject, what, why in rows}


def trunk_of(network: CamNetwork | OwnNetwork) -> list[nn.Parameter]:
    """The weights of all but the classifier."""
    if isinstance(network, OwnNetwork):
        classifier = network.model.get_submodule(network.classifier_name)
    else:
        classifier = network.classifier
    last = {id(one) for one in classifier.parameters()}
    return [one for one in network.parameters() if id(one) not in last]


def hidden_input(x: Tensor, *, settings: ImageSettings, generator: torch.Generator) -> tuple[Tensor, Hiding | None]:
    """The training images with what the settings hide in them, and what is to be hidden at conv1.

    Args:
        x: (B, 3, H, W), normalised.
        settings: Of input and hiding.
        generator: The source of randomness.
    """
    if settings.input.dropout != "none":
        return dropped(x, probability=settings.hide.probability, generator=generator), None
    if settings.hide.probability == 0:
        return x, None
    if settings.hide.at == "conv1":
        return x, Hiding(settings.hide.size, settings.hide.probability, settings.hide.fill, generator)
    fill = 0.0 if settings.hide.fill == "mean" else black(settings.input).to(x.device)
    hidden = hide(x, size=settings.hide.size, probability=settings.hide.probability, fill=fill, generator=generator)
    return hidden, None


def black(settings: InputSettings) -> Tensor:
    """(3,), a black pixel after normalisation."""
    return -torch.tensor(settings.mean) / torch.tensor(settings.std)
