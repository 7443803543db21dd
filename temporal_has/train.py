"""Training from video-level labels, with hiding."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from ..devices import choose_device
from ..errors import CheckpointError, DataError, ThasError, listing
from ..settings import HideSettings, Settings
from .data import TrainingFeatures, pad
from .hide import Hiding, dropped, hide_mask, segment_size
from .log import LOG, Epoch, append_log
from .model import Model, build_network, load_model

if TYPE_CHECKING:
    from ..features.cache import Features

CHECKPOINT = "checkpoint.safetensors"
# Settings that leave the bytes of a training as they are, so that it can be resumed with others.
MAY_CHANGE = frozenset({"train.epochs", "train.checkpoint_epochs", "train.memory_gigabytes", "train.device"})


def video_loss(video_logits: Tensor, labels: Tensor, *, loss: str) -> Tensor:
    """The loss of each video from its labels alone.

    Args:
        video_logits: (B, C).
        labels: (B, C), 1 where a video has a class.
        loss: `softmax`: cross-entropy, the mass shared evenly among a video's labels. `sigmoid`: the mean over classes
            of binary cross-entropy.

    Returns:
        (B,).
    """
    if loss == "sigmoid":
        return functional.binary_cross_entropy_with_logits(video_logits, labels, reduction="none").mean(dim=1)
    target = labels / labels.sum(dim=1, keepdim=True)
    return -(target * video_logits.log_softmax(dim=1)).sum(dim=1)


def hidden_snippets(count: int, *, settings: HideSettings, generator: torch.Generator) -> Tensor:
    """(T,) bool: which of a video's `count` snippets are hidden this time."""
    size = settings.size or (segment_size(count, settings.segments),)
    return hide_mask((1, count), size=size, probability=settings.probability, generator=generator)[0]


def train(
    features: Mapping[str, Features],
    labels: Mapping[str, Sequence[str]],
    *,
    classes: Sequence[str],
    settings: Settings | None = None,
    recipe: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    resume: bool = False,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Model:
    """Train a temporal network on videos of which only the labels are known.

    Same seed, same device and same number of threads: same bytes. Runs that differ only in `hide.probability` meet the
    same initial weights and the same videos in the same order.

    Args:
        features: By video.
        labels: The training videos' labels; videos without any are left out.
        classes: C names, the order of the network's outputs.
        settings: Of everything; the paper's if None.
        recipe: How the features were made, kept with the model.
        folder: Where checkpoints and the log go; None keeps nothing.
        resume: Continue from the checkpoint in `folder`, to the same bytes as without an interruption.
        on_epoch: Called after each epoch.

    Raises:
        DataError: No training video has a label, or a label is none of the classes.
        FeatureError: A video has no features, or features of another width.
        CheckpointError: The checkpoint to resume from belongs to another run.
    """
    settings = settings or Settings()
    videos = [video for video, known in labels.items() if known]
    if not videos:
        raise DataError("no training video has a label", next="write the labels into labels.csv")
    column = {label: i for i, label in enumerate(classes)}
    if len(classes) < 2 and settings.train.loss == "softmax":
        raise DataError(
            f"there is only one class, {listing(classes)}, and a softmax over one class learns nothing",
            why="a video of anything else would teach what the action is not",
            next="add videos of another class, or --set train.loss=sigmoid",
        )
    unknown = sorted({label for video in videos for label in labels[video]} - set(column))
    if unknown:
        raise DataError(f"labels outside the classes: {listing(unknown)}", next="name them in `classes`")
    data = TrainingFeatures(
        features, videos, snippets=settings.input.snippets, memory_bytes=settings.train.memory_gigabytes * 1e9
    )
    targets = torch.zeros(len(videos), len(classes))
    for row, video in enumerate(videos):
        targets[row, [column[label] for label in labels[video]]] = 1
    device = choose_device(settings.train.device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(settings.train.seed)
        network = build_network(data.dimension, len(classes), settings.network).to(device)
        model = Model(network, data.mean, data.deviation, tuple(classes), settings, dict(recipe or {}))
        trainer = _Trainer(model, data, targets)
        if resume and folder is not None and (folder / CHECKPOINT).exists():
            trainer.restore(folder / CHECKPOINT)
        for epoch in trainer.run():
            if folder is not None:
                append_log(folder / LOG, epoch)
                if epoch.number % settings.train.checkpoint_epochs == 0 or epoch.number == settings.train.epochs:
                    trainer.save(folder / CHECKPOINT)
            if on_epoch is not None:
                on_epoch(epoch)
    return model


class _Trainer:
    """The state of a training: what must be saved to go on with the same bytes."""

    def __init__(self, model: Model, data: TrainingFeatures, targets: Tensor) -> None:
        self.model = model
        self.data = data
        self.targets = targets
        self.epochs_done = 0
        self.optimiser = torch.optim.AdamW(
            model.network.parameters(),
            lr=model.settings.train.learning_rate,
            weight_decay=model.settings.train.weight_decay,
        )
        # Two generators, so that hiding more or less does not change the order of the videos.
        self.order = torch.Generator().manual_seed(model.settings.train.seed)
        self.hiding = torch.Generator().manual_seed(model.settings.train.seed + 1)

    def run(self) -> Iterator[Epoch]:
        settings = self.model.settings.train
        while self.epochs_done < settings.epochs:
            started = time.perf_counter()
            self.model.network.train()
            loss_sum = right = 0.0
            order = torch.randperm(len(self.data), generator=self.order)
            for batch in order.split(settings.batch_size):
                loss, hits = self._step(batch)
                loss_sum += loss
                right += hits
            self.epochs_done += 1
            count = len(self.data)
            yield Epoch(self.epochs_done, loss_sum / count, right / count, time.perf_counter() - started)

    def _step(self, batch: Tensor) -> tuple[float, float]:
        settings = self.model.settings
        target = self.targets[batch].to(self.model.device)
        video_logits = self._video_logits([self.data[int(i)] for i in batch])
        losses = video_loss(video_logits, target, loss=settings.train.loss)
        if not torch.isfinite(losses).all():
            raise ThasError(
                f"training diverged: the loss became {float(losses.detach().mean())} in epoch {self.epochs_done + 1}",
                why=f"the learning rate of {settings.train.learning_rate:g} is too high for these features",
                next="--set train.learning_rate=1e-5, or --set input.normalise=standard",
            )
        self.optimiser.zero_grad(set_to_none=True)
        losses.mean().backward()
        self.optimiser.step()
        top = video_logits.detach().argmax(dim=1)
        return float(losses.detach().sum()), float(target[torch.arange(len(batch)), top].sum())

    def _video_logits(self, videos: list[Tensor]) -> Tensor:
        model, settings = self.model, self.model.settings.hide
        if model.settings.input.dropout != "none":
            # A seed a video, so that what one loses does not depend on how long the others are.
            seeds = torch.randint(2**62, (len(videos),), generator=self.hiding).tolist()
            x, valid = (
                tensor.to(model.device)
                for tensor in pad(
                    [
                        dropped(
                            model.normalised(x),
                            probability=settings.probability,
                            generator=torch.Generator().manual_seed(s),
                        )
                        for x, s in zip(videos, seeds, strict=True)
                    ]
                )
            )
            return model.network(x, valid).video_logits
        fill = model.mean if settings.fill == "mean" else torch.zeros_like(model.mean)
        masks = [hidden_snippets(len(x), settings=settings, generator=self.hiding) for x in videos]
        if settings.layer > 0:
            x, valid = (tensor.to(model.device) for tensor in pad(videos))
            hiding = Hiding(pad(masks)[0].to(model.device), settings.fill)
            return model.network(model.normalised(x), valid, hiding).video_logits
        if model.network.sees_single_snippets:
            visible = [
                model.normalised((x[~mask] if mask.any() else x).to(model.device))
                for x, mask in zip(videos, masks, strict=True)
            ]
            count = [int(mask.sum()) for mask in masks]
            return model.network.video_logits_of_visible(visible, count, model.normalised(fill.to(model.device)))
        shown = [torch.where(mask[:, None], fill, x) for x, mask in zip(videos, masks, strict=True)]
        x, valid = (tensor.to(model.device) for tensor in pad(shown))
        return model.network(model.normalised(x), valid).video_logits

    def save(self, path: Path) -> None:
        state = self.optimiser.state_dict()["state"]
        extra = {f"optimiser.{i}.{name}": value for i, entry in state.items() for name, value in entry.items()}
        extra |= {"random.order": self.order.get_state(), "random.hiding": self.hiding.get_state()}
        extra["random.torch"] = torch.get_rng_state()
        if self.model.device.type == "cuda":
            extra["random.cuda"] = torch.cuda.get_rng_state(self.model.device)
        self.model.save(path, extra, {"epoch": self.epochs_done})

    def restore(self, path: Path) -> None:
        saved, extra, description = load_model(path)
        mine, theirs = self.model.settings.flat(), saved.settings.flat()
        differing = [key for key in mine if mine[key] != theirs[key] and key not in MAY_CHANGE]
        if differing or saved.classes != self.model.classes or not torch.equal(saved.mean, self.model.mean):
            why = ", ".join(f"{key} was {theirs[key]}, now {mine[key]}" for key in differing)
            raise CheckpointError(
                f"{path} belongs to a run with other settings or other features",
                why=why or "the classes or the training features differ",
                next="resume with the same settings, or train anew without --resume",
                subject=str(path),
            )
        self.model.network.load_state_dict(saved.network.state_dict())
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in extra.items():
            if name.startswith("optimiser."):
                _, index, key = name.split(".")
                state.setdefault(int(index), {})[key] = value
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": state})
        self.order.set_state(extra["random.order"])
        self.hiding.set_state(extra["random.hiding"])
        torch.set_rng_state(extra["random.torch"])
        if "random.cuda" in extra and self.model.device.type == "cuda":
            torch.cuda.set_rng_state(extra["random.cuda"], self.model.device)
        self.epochs_done = int(description["epoch"])
