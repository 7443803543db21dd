"""Boxes for a whole table of images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import DataError, Failure
from ..core.messages import Progress, silent
from ..core.processes import cores
from .box_workers import Boxed, boxer
from .decode import image_size
from .images import ImageTable, clean_boxes
from .loading import whole_batches
from .localizer import Localizer

MANY = 2000
"""From here on images are worth the start of processes that decode and box them."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Classes and boxes for the N images of a table.

    Attributes:
        table: The images, with labels in the order of the networks' classes.
        predicted: (N,) int64, the likeliest classes; -1 where there is none (a broken image).
        probabilities: (N, 2) float64, of the predicted and of the true class.
        predicted_boxes: (N, 4) float64, of the predicted class, in pixels of the image; zeros where there is none.
        known_boxes: (N, 4) float64, of the true class.
        sizes: (N, 2) int64, height and width of the images; 0 where unknown.
        thresholds: (K,) of the sweep; none where nothing was swept.
        largest: (N, K), IoU of the box of the largest part at each threshold, for the true class.
        any_part: (N, K), highest IoU of any part.
        failed: Images without prediction, and why.
    """

    table: ImageTable
    predicted: np.ndarray
    probabilities: np.ndarray
    predicted_boxes: np.ndarray
    known_boxes: np.ndarray
    sizes: np.ndarray
    thresholds: np.ndarray
    largest: np.ndarray
    any_part: np.ndarray
    failed: tuple[Failure, ...] = ()

    @classmethod
    def nothing(cls, table: ImageTable, thresholds: np.ndarray | None = None) -> Predictions:
        """No class and no box for any image yet."""
        n, swept = len(table), np.zeros(0) if thresholds is None else thresholds
        return cls(
            table=table,
            predicted=np.full(n, -1, dtype=np.int64),
            probabilities=np.zeros((n, 2)),
            predicted_boxes=np.zeros((n, 4)),
            known_boxes=np.zeros((n, 4)),
            sizes=np.zeros((n, 2), dtype=np.int64),
            thresholds=swept,
            largest=np.zeros((n, len(swept))),
            any_part=np.zeros((n, len(swept))),
        )


def predict(
    localizer: Localizer,
    table: ImageTable,
    *,
    sweep: int = 0,
    batch_size: int = 32,
    workers: int = 0,
    progress: Progress = silent,
) -> Predictions:
    """Run networks over a table of images and box their maps.

    Args:
        localizer: The networks; its settings say the threshold.
        table: Its labels in any order of classes that the networks know.
        sweep: Compare the maps with the annotated boxes at so many evenly spaced thresholds too; 0 does not.
        batch_size: Images.
        workers: Processes that decode, and as many that box; -1 for one a core less one, 0 for none.
        progress: Called after each batch with its number of images.

    Raises:
        DataError: The table has classes that the networks do not know.
    """
    result = Predictions.nothing(table.relabelled(localizer.classes), np.arange(sweep) / sweep if sweep else None)
    failed: list[Failure] = []
    workers = max(0, cores() - 1) if workers < 0 else workers

    def store(rows: np.ndarray, boxed: Boxed) -> None:
        result.known_boxes[rows], result.predicted_boxes[rows] = boxed.known, boxed.predicted
        result.largest[rows], result.any_part[rows] = boxed.largest, boxed.any_part

    with boxer(workers, store) as submit:
        for batch in whole_batches(result.table, side=localizer.side, batch_size=batch_size, workers=workers):
            failed += batch.failed
            rows = batch.rows.numpy()
            if len(rows):
                found = localizer.maps(batch.pixels, batch.labels)
                likely = found.probabilities.double().cpu().numpy()
                result.predicted[rows] = found.predicted.cpu().numpy()
                result.probabilities[rows, 0] = likely.max(1)
                result.probabilities[rows, 1] = likely[np.arange(len(rows)), batch.labels.numpy()]
                result.sizes[rows] = batch.sizes.numpy()
                submit(
                    rows,
                    found.maps.cpu().numpy(),
                    right=result.predicted[rows] == batch.labels.numpy(),
                    sizes=result.sizes[rows],
                    annotated=annotated_boxes(_cut(result.table.take(rows), result.sizes[rows])),
                    settings=localizer.settings.localize,
                    thresholds=result.thresholds,
                    windows=found.windows.numpy(),
                )
            progress(len(rows) + len(batch.failed))
    return replace(result, table=_cut(result.table, result.sizes), failed=tuple(failed))


def annotated_boxes(table: ImageTable) -> list[list[list[float]]]:
    """The boxes of each image, maybe none."""
    return [table.boxes[path].tolist() if path in table.boxes else [] for path in table.paths]


def _cut(table: ImageTable, sizes: np.ndarray) -> ImageTable:
    """With boxes cut to the images, now that their sizes are known: ILSVRC's solution file does not give them."""
    known = {path: (width, height) for path, (height, width) in zip(table.paths, sizes.tolist(), strict=True) if height}
    boxes, problems = clean_boxes(table.boxes, known)
    return replace(table, boxes=boxes, problems=(*table.problems, *problems))


def with_sizes(result: Predictions) -> Predictions:
    """With the images' sizes, from the files' headers, 0 where they cannot be read; and with boxes cut to them."""
    for i, name in enumerate(result.table.paths):
        if name in result.table.boxes:
            try:
                width, height = image_size(result.table.path(i), upright=result.table.upright)
                result.sizes[i] = (height, width)
            except DataError:
                continue
    return replace(result, table=_cut(result.table, result.sizes))
