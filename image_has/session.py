"""Training as the command does it: on a data set's images, into a run.

The mean colour of the images is measured before: hidden places take it, so that on average the network meets the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Never

import numpy as np

from ..core.data_options import DataOptions
from ..core.errors import DataError, failure_lines, listing, plural
from ..core.log import OnEvent, Seen
from ..core.messages import logger
from ..core.resume import Begin, begun
from ..core.run_settings import RunData
from ..core.runs import ROOTS
from ..core.train_result import TrainResult
from .datasets import ImageDataset, open_images
from .decode import read_image
from .images import NO_IMAGES, ImageTable
from .library import is_library_name
from .loading import shrunk
from .settings import ImageSettings
from .train import train
from .untrained import own_colours


def measured_colours(
    table: ImageTable, *, short_side: int = 64, most: int = 2000
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean RGB and its standard deviation over the pixels of a table's images.

    Args:
        table: The training images.
        short_side: Images are shrunk to this first.
        most: So many images at most, evenly spread over the table.

    Returns:
        (3,) means and (3,) standard deviations, of values from 0 to 1.

    Raises:
        DataError: None of the images can be read.
    """
    total, squares, pixels = np.zeros(3), np.zeros(3), 0
    for row in np.unique(np.linspace(0, len(table) - 1, min(len(table), most)).astype(int)):
        try:
            image = read_image(table.path(row), upright=table.upright, short_side=short_side)
            image = shrunk(image, short_side=short_side)
        except DataError:
            continue  # training meets it again, and names it
        values = np.asarray(image, dtype=np.float64).reshape(-1, 3) / 255
        total, squares, pixels = total + values.sum(0), squares + (values**2).sum(0), pixels + len(values)
    if not pixels:
        raise DataError(f"none of the images of {table.root} could be read", next="check the files")
    mean = total / pixels
    # A data set of one colour has no deviation to divide by.
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 1e-4))
    return tuple(mean.round(6).tolist()), tuple(std.round(6).tolist())


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
    with begun(begin, settings, data, name=opened.name, origins=origins, items=len(table), on_event=on_event) as run:
        _, failed = train(
            table,
            settings=run.settings,
            folder=run.folder,
            resume=run.resuming,
            on_epoch=run.tell,
            on_batch=lambda items: run.tell(Seen(items)),
        )
    return TrainResult[Never].of(run, "images", len(table) - len(failed), len(table.classes), failed)


def _warn_of_data(opened: ImageDataset, table: ImageTable, subset: str) -> None:
    """What a person should know of the data before hours are spent on them."""
    for line in failure_lines(one for one in opened.problems if one.what != NO_IMAGES or one not in table.problems):
        logger.warning(line)
    seen = set(table.labels.tolist())
    if bare := [name for i, name in enumerate(table.classes) if i not in seen]:
        some = plural(len(bare), "class has", "classes have")
        logger.warning("%s no image in %s and a place in the network all the same: %s", some, subset, listing(bare))
