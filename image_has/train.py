"""Training from image labels, with hiding."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..core.errors import CheckpointError, DataError, UsageError
from ..core.files import write_atomically
from ..core.runners import Runner, choose_runner
from ..core.runs import WEIGHTS
from ..core.weight_store import find_weights
from .hide import hide
from .images import ImageTable, Problem
from .library import LibraryNetwork, is_library_name
from .loading import Batch, TrainingLoader, flipped, normalised, seed_of
from .network import CamNetwork, Hiding, OwnNetwork
from .settings import ImageSettings, InputSettings
from .weights import fresh_network, save_weights, start_from

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"


@dataclass(frozen=True)
class Epoch:
    """One line of log.jsonl.

    Attributes:
        epoch: Counted from 1.
        loss: Mean cross-entropy of the hidden images.
        accuracy: Fraction of hidden images classified right.
        learning_rate: Of this epoch.
        images_per_second: Over all devices, loading included.
        seconds: The epoch took.
    """

    epoch: int
    loss: float
    accuracy: float
    learning_rate: float
    images_per_second: float
    seconds: float


@dataclass
class _State:
    """What changes while training, and is kept in the checkpoint."""

    network: Any
    optimizer: Any
    runner: Runner
    epochs_done: int = 0
    failed: dict[str, Problem] = field(default_factory=dict)

    def to_bytes_file(self, path: Path) -> None:
        import io

        content = io.BytesIO()
        torch.save(
            {
                "network": _plain(self.network).state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "runner": self.runner.state(),
                "epochs_done": self.epochs_done,
                "failed": [(p.subject, p.kind, p.detail) for p in self.failed.values()],
            },
            content,
        )
        write_atomically(path, content.getvalue())


def train(
    table: ImageTable,
    *,
    settings: ImageSettings,
    network: OwnNetwork | None = None,
    folder: Path | None = None,
    resume: bool = False,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> tuple[CamNetwork | OwnNetwork, list[Problem]]:
    """Train a network on a table's labels; its boxes are never read.

    A run on one device is a function of the settings and the images: interrupted and resumed it gives the same bits, as
    far as the kernels of the device repeat themselves.

    Args:
        table: The training images.
        settings: All of them.
        network: Your own, with as many logits as the table has classes, trained in place of the settings' network.
        folder: Where checkpoint.pt, log.jsonl and, at the end, weights.safetensors are written; None writes nothing.
        resume: Continue from the folder's checkpoint.
        on_epoch: Called after each epoch.
        on_batch: Called after each batch with its number of images.

    Returns:
        The network in evaluation mode, on the CPU, and the images that could not be read.

    Raises:
        DataError: There are too few images, or none can be read.
        ValueError: Your network's logits or maps do not fit.
        CheckpointError: The checkpoint is missing or of another network.
        UsageError: The loss became infinite; or the device does not exist.
    """
    _check(table, settings, network)
    runner = choose_runner(settings.train.device, settings.train.precision)
    if folder is not None and not resume and runner.rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
    fresh = (network or _fresh(table.classes, settings)).to(runner.device)
    if isinstance(fresh, OwnNetwork):
        with torch.inference_mode():  # in evaluation mode it checks its maps, and not only once it is trained
            noise = torch.rand(2, 3, settings.input.size, settings.input.size, generator=torch.Generator())
            _looked_at(fresh.eval(), noise.to(runner.device))
    if settings.train.channels_last:
        fresh = fresh.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(fresh.parameters(), lr=1.0, momentum=settings.train.momentum)
    state = _State(fresh, optimizer, runner)
    if resume and folder is not None:
        _restore(state, folder / CHECKPOINT, runner.device)
        if runner.rank == 0:
            _cut_log(folder / LOG, state.epochs_done)
    state.network, state.optimizer = runner.set_up(fresh, optimizer)
    loader = TrainingLoader(table, settings=settings.input, train=settings.train, rank=runner.rank, world=runner.world)
    for epoch in range(state.epochs_done, settings.train.epochs):
        line = _run_epoch(epoch, state, loader, runner, settings, on_batch)
        state.epochs_done = epoch + 1
        last = epoch + 1 == settings.train.epochs
        if folder is not None and runner.rank == 0:
            with (folder / LOG).open("a", encoding="utf-8") as log:
                log.write(json.dumps(asdict(line)) + "\n")
            if last or (epoch + 1) % settings.train.checkpoint_epochs == 0:
                state.to_bytes_file(folder / CHECKPOINT)
        if on_epoch is not None and runner.rank == 0:
            on_epoch(line)
    plain = _plain(state.network)
    if folder is not None and runner.rank == 0:
        save_weights(folder / WEIGHTS, plain, classes=table.classes, settings=settings, titles=table.titles)
    # None leaves before the weights are written: the first that did with an error would take the others with it.
    failed = {problem.subject: problem for problem in runner.gathered(list(state.failed.values()))}
    return plain.to("cpu").eval(), list(failed.values())


def _check(table: ImageTable, settings: ImageSettings, network: OwnNetwork | None) -> None:
    if not settings.input.mean:
        raise UsageError(
            "input.mean is empty",
            why="only a run measures it",
            next="measured_colours(table) of thas.image_has.mean_colour gives mean and std",
        )
    if len(table) < 2:
        raise DataError(
            f"{table.root} has {len(table)} training images", why="at least two are needed", next="add some images"
        )
    if settings.input.dropout != "none" and settings.hide.at == "conv1":
        raise UsageError("dropping pixels and hiding at conv1 exclude each other", next="--set input.dropout=none")
    if (network is not None or is_library_name(settings.network.name)) and settings.hide.at == "conv1":
        raise UsageError(
            "in a network of your own, or a library's, nothing is hidden at conv1", next="set hide.at to input"
        )
    if network is not None and len(network.weight) != len(table.classes):
        raise ValueError(f"the network has {len(network.weight)} logits, the images {len(table.classes)} classes")


def _looked_at(network: OwnNetwork, noise: Tensor) -> None:
    try:
        network(noise)
    except ValueError as error:
        if isinstance(network, LibraryNetwork):
            side = noise.shape[-1]
            raise UsageError(
                f"this network cannot be trained on images of {side} pixels",
                why=str(error),
                next=f"--set input.size={2 * side} input.resize={2 * side}",
            ) from None
        raise


def _fresh(classes: tuple[str, ...], settings: ImageSettings) -> CamNetwork | LibraryNetwork:
    if settings.network.weights:
        path = find_weights(settings.network.weights)
        return start_from(path, settings.network, classes=classes, seed=seed_of(settings.train.seed, 3))
    return fresh_network(settings.network, classes=len(classes), seed=seed_of(settings.train.seed, 3))


def _plain(network: Any) -> CamNetwork | OwnNetwork:
    """The network inside Fabric's wrapper."""
    return network if isinstance(network, CamNetwork | OwnNetwork) else network.module


def _restore(state: _State, path: Path, device: torch.device) -> None:
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        state.network.load_state_dict(content["network"])
        state.optimizer.load_state_dict(content["optimizer"])
        state.runner.restore(content["runner"])
        state.epochs_done = int(content["epochs_done"])
        state.failed = {subject: Problem(subject, kind, detail) for subject, kind, detail in content["failed"]}
    except FileNotFoundError:
        raise CheckpointError(
            f"there is nothing to resume in {path.parent}",
            why="no epoch was finished there",
            next="train without --resume",
            subject=str(path),
        ) from None
    except Exception as error:  # torch.load raises whatever the damaged bytes provoke
        raise CheckpointError(
            f"{path} cannot be resumed",
            why=" ".join(str(error).split())[:200],
            next="train a new run",
            subject=str(path),
        ) from None


def _cut_log(path: Path, epochs: int) -> None:
    """Leave out the epochs after the checkpoint, which are about to be run again."""
    if path.exists():
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if json.loads(line)["epoch"] <= epochs]
        write_atomically(path, "".join(f"{line}\n" for line in lines))


def _run_epoch(
    epoch: int,
    state: _State,
    loader: TrainingLoader,
    runner: Runner,
    settings: ImageSettings,
    on_batch: Callable[[int], None] | None,
) -> Epoch:
    rate, decay = settings.at_epoch(epoch)
    for group in state.optimizer.param_groups:
        group["lr"], group["weight_decay"] = rate, decay
    # All randomness of an epoch starts from its number, so that a checkpoint between epochs needs none of it.
    generator = torch.Generator().manual_seed(seed_of(settings.train.seed, epoch, runner.rank, 4))
    sums = torch.zeros(3, device=runner.device)  # loss, right, images: added up there, so that no batch waits
    start = time.perf_counter()
    state.network.train()
    devices = [runner.device] if runner.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed_of(settings.train.seed, epoch, runner.rank, 5))  # dropout knows no other source
        for batch in loader.of_epoch(epoch):
            state.failed |= {problem.subject: problem for problem in batch.failed}
            if len(batch.labels) < 2 and runner.world > 1:
                raise DataError("a process was left without images in a batch", next="raise train.batch_size")
            if len(batch.labels) > 1:  # batch normalisation cannot learn from one image
                sums += _run_batch(batch, state, runner, settings, generator)
            if on_batch is not None and runner.rank == 0:
                on_batch(len(batch.labels) * runner.world)
    loss, right, images = runner.total(sums).tolist()
    seconds = time.perf_counter() - start
    if not images:
        first = next(iter(state.failed.values()), None)
        raise DataError(
            f"none of the images of {loader.table.root} could be read",
            why=f"{first.subject}: {first.detail}" if first else "there are none",
            next="check the files",
        )
    if loss != loss or loss == float("inf"):
        raise UsageError(
            f"the loss is {loss} in epoch {epoch + 1}",
            why=f"a learning rate of {rate:g} is too high for this network, or the weights it began from are broken",
            next="--set train.learning_rate=... with smaller values",
        )
    return Epoch(epoch + 1, loss / images, right / images, rate, images / seconds, seconds)


def _run_batch(
    batch: Batch, state: _State, runner: Runner, settings: ImageSettings, generator: torch.Generator
) -> Tensor:
    pixels = batch.pixels.to(runner.device, non_blocking=True)
    labels = batch.labels.to(runner.device, non_blocking=True)
    pixels = flipped(pixels, probability=settings.input.flip, generator=generator)
    x = normalised(pixels, settings=settings.input, channels_last=settings.train.channels_last)
    x, hiding = hidden_input(x, settings=settings, generator=generator)
    state.optimizer.zero_grad(set_to_none=True)
    with runner.autocast():
        logits = (state.network(x) if hiding is None else state.network(x, hiding)).logits
    loss = functional.cross_entropy(logits.float(), labels)
    runner.step(loss, state.optimizer)
    right = (logits.argmax(1) == labels).sum()
    return torch.stack([loss.detach() * len(labels), right, torch.tensor(float(len(labels)), device=x.device)])


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


def dropped(x: Tensor, *, probability: float, generator: torch.Generator) -> Tensor:
    """Dropout of single values, the rest scaled up as dropout does: the paper's baseline to hiding whole cells.

    >>> dropped(torch.ones(1, 1, 1, 4), probability=0.0, generator=torch.Generator()).tolist()
    [[[[1.0, 1.0, 1.0, 1.0]]]]
    """
    if probability >= 1:
        return torch.zeros_like(x)
    kept = torch.rand(x.shape, generator=generator, device=generator.device) >= probability
    return x * kept.to(x.device) / (1 - probability)
