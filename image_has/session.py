"""Training as the command does it: on a data set's images, into a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Never

from ..core.data_options import DataOptions
from ..core.errors import failure_lines, listing, plural
from ..core.log import LOG, Epoch, Event, OnEvent, Seen, Started, read_log
from ..core.messages import logger
from ..core.resume import Begin, begun
from ..core.run_settings import RunData
from ..core.runs import ROOTS, first_process, point_latest
from ..core.train_result import TrainResult, epochs_of
from .datasets import ImageDataset, open_images
from .images import NO_IMAGES, ImageTable
from .library import is_library_name
from .mean_colour import measured_colours
from .settings import ImageSettings
from .train import train
from .untrained import own_colours


def train_run(
    dataset: str,
    *,
    settings: ImageSettings,
    origins: Mapping[str, str] | None = None,
    options: DataOptions | None = None,
    begin: Begin | None = None,
    on_event: OnEvent = lambda event: None,
) -> TrainResult[Never]:
    """Train on a data set's images into a new run, or continue one.

    Args:
        dataset: `ilsvrc` or a folder.
        settings: Of the run.
        origins: Where each changed setting came from, for settings.toml.
        options: The subsets, `train` and the data set's own for testing if they are not named.
        begin: Where runs lie, and which to go on with; a new one in `runs/image` if None.
        on_event: Called with what happens: `Started`, `Seen` a batch, and each `Epoch`.

    Raises:
        UsageError: There is no such data set or subset, or nothing to resume.
        DataError: The data set holds nothing to learn from.
    """
    options, begin = options or DataOptions(), begin or Begin(ROOTS["image"])
    opened = open_images(dataset, data_root=options.data_root, boxes=False)
    subset = options.train_subset or "train"
    table = opened.subset(subset)
    _warn_of_data(opened, table, subset)
    data = RunData(
        dataset=opened.kept or str(opened.folder.resolve()),
        data_root=str(options.data_root.resolve()),
        train_subset=subset,
        test_subset=options.test_subset or opened.test_subset,
    )
    if not settings.input.mean and not (begin.resume and begin.into is None):
        library = is_library_name(settings.network.name)
        mean, std = own_colours(settings.network.name) if library else measured_colours(table)
        settings = settings.updated({"input.mean": mean, "input.std": std})
        source = "the network's own" if library else "measured"
        origins = dict(origins or {}) | dict.fromkeys(("input.mean", "input.std"), source)
    new_epochs = 0

    def told(event: Event) -> None:
        nonlocal new_epochs
        new_epochs += isinstance(event, Epoch)
        on_event(event)

    with begun(begin, settings, data, name=opened.name, origins=origins) as kept:
        folder, settings = kept.folder, kept.settings
        epochs_done = len(read_log(folder / LOG)) if kept.resuming else 0
        told(Started(settings.train.epochs, epochs_done, len(table), folder))
        _, failed = train(
            table,
            settings=settings,
            folder=folder,
            resume=kept.resuming,
            on_epoch=told,
            on_batch=lambda items: told(Seen(items)),
        )
    if begin.into is None and first_process():
        point_latest(begin.root, folder)
    last = epochs_of(folder)[0] if first_process() else {}
    items = len(table) - len(failed)
    return TrainResult(folder, "images", items, len(table.classes), last, new_epochs, tuple(failed))


def _warn_of_data(opened: ImageDataset, table: ImageTable, subset: str) -> None:
    """What a person should know of the data before hours are spent on them."""
    for line in failure_lines(one for one in opened.problems if one.what != NO_IMAGES or one not in table.problems):
        logger.warning(line)
    seen = set(table.labels.tolist())
    if bare := [name for i, name in enumerate(table.classes) if i not in seen]:
        some = plural(len(bare), "class has", "classes have")
        logger.warning("%s no image in %s and a place in the network all the same: %s", some, subset, listing(bare))
