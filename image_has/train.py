"""Training from image labels, with hiding."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import torch
from torch import Tensor

from ..core.checkpoints import CHECKPOINT, OLD_CHECKPOINT, read_header
from ..core.errors import CheckpointError, DataError, Failure, UsageError
from ..core.log import Epoch
from ..core.narrowing import as_int
from ..core.runners import choose_runner
from ..core.runs import WEIGHTS
from ..core.training import Schedule, fit
from ..core.weight_store import find_weights
from .images import ImageTable
from .library import LibraryNetwork, is_library_name
from .loading import seed_of
from .network import CamNetwork, OwnNetwork
from .settings import ImageSettings
from .task import ImageTask
from .weights import TrainedNetwork, fresh_network, save_weights, start_from


def train(
    table: ImageTable,
    *,
    settings: ImageSettings,
    network: OwnNetwork | None = None,
    folder: Path | None = None,
    resume: bool = False,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> tuple[CamNetwork | OwnNetwork, list[Failure]]:
    """Train a network on a table's labels; its boxes are never read.

    A run on one device is a function of the settings and the images: interrupted and resumed it gives the same bits, as
    far as the kernels of the device repeat themselves.

    Args:
        table: The training images.
        settings: All of them.
        network: Your own, with as many logits as the table has classes, trained in place of the settings' network.
        folder: Where checkpoint.safetensors, log.jsonl and, at the end, weights.safetensors go; None keeps nothing.
        resume: Continue from the folder's checkpoint, if it holds one.
        on_epoch: Called after each epoch.
        on_batch: Called after each batch with its number of images.

    Returns:
        The network in evaluation mode, on the CPU, and the images that could not be read.

    Raises:
        DataError: There are too few images, or none can be read.
        ValueError: Your network's logits or maps do not fit.
        CheckpointError: The checkpoint is of another network, other images, or an older thas.
        ThasError: The loss became infinite.
        UsageError: The device does not exist.
    """
    _check(table, settings, network)
    if resume and folder is not None:
        _check_checkpoint(folder, settings)
    runner = choose_runner(settings.train.device, settings.train.precision)
    plain = (network or _fresh(table.classes, settings)).to(runner.device)
    if isinstance(plain, OwnNetwork):
        with torch.inference_mode():  # in evaluation mode it checks its maps, and not only once it is trained
            noise = torch.rand(2, 3, settings.input.size, settings.input.size, generator=torch.Generator())
            _looked_at(plain.eval(), noise.to(runner.device))
    if settings.train.channels_last:
        plain = plain.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    task = ImageTask(TrainedNetwork(plain, table.classes, settings, table.titles), table, runner=runner)
    schedule = Schedule(settings.train.epochs, settings.train.checkpoint_epochs)
    with closing(task.loader):
        fit(task, schedule, runner=runner, folder=folder, resume=resume, on_epoch=on_epoch, on_batch=on_batch)
    if folder is not None and runner.rank == 0:
        save_weights(folder / WEIGHTS, plain, classes=table.classes, settings=settings, titles=table.titles)
    # None leaves before the weights are written: the first that did with an error would take the others with it.
    failed = {problem.subject: problem for problem in runner.gathered(list(task.failed.values()))}
    return plain.to("cpu").eval(), list(failed.values())


def _check(table: ImageTable, settings: ImageSettings, network: OwnNetwork | None) -> None:
    if not settings.input.mean:
        raise UsageError(
            "input.mean is empty",
            why="only a run measures it",
            next="measured_colours(table) of thas.image_has.session gives mean and std",
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


def _check_checkpoint(folder: Path, settings: ImageSettings) -> None:
    """Refuse an older thas's checkpoint; take away weights that are about to be those of an earlier epoch."""
    if not (folder / CHECKPOINT).exists():
        if (folder / OLD_CHECKPOINT).exists():
            raise CheckpointError(
                f"{folder / OLD_CHECKPOINT} was written by an older thas, whose training cannot be continued",
                why="checkpoints of images are safetensors now, as those of videos are",
                next="use its weights.safetensors, if it came to its end, or train anew without --resume",
                subject=str(folder),
            )
    elif as_int(read_header(folder / CHECKPOINT).get("epoch", 0)) < settings.train.epochs:
        (folder / WEIGHTS).unlink(missing_ok=True)


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
    if settings.train.freeze_statistics or 0 in settings.train.trunk_rate:
        raise UsageError(
            "these settings train a network further, but name no weights to begin from",
            why="train.freeze_statistics or train.trunk_rate keeps what fresh weights do not have yet",
            next="--set network.weights=efficientnet_lite0, or a file",
        )
    return fresh_network(settings.network, classes=len(classes), seed=seed_of(settings.train.seed, 3))
