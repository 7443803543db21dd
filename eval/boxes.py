"""Boxes in images: the scores of weakly supervised object localization.

Fixed-threshold scores are those of Zhou et al. (CVPR 2016) and Singh & Lee (ICCV 2017): Top-1 Loc, GT-known Loc, Top-1
Clas. They stand beside two boxes that look at no image: the whole image, and the best box in the middle. Scores that
choose the threshold on the test images themselves are in `swept_maps`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..core.errors import DataError, plural


@dataclass(frozen=True, eq=False)
class BoxTruth:
    """The annotated boxes of N images, any number M of them in all; a hit on any box of an image counts.

    Attributes:
        image: (M,) int, which image each box is in.
        box: (M, 4) float64, x0, y0, x1, y1 in pixels; x1 and y1 are the first column and row outside.
        images: N.

    Raises:
        DataError: A box is not finite or turned round, names no image, or an image has no box.
    """

    image: np.ndarray
    box: np.ndarray
    images: int

    def __init__(self, image: Sequence[int] | np.ndarray, box: Sequence | np.ndarray, *, images: int) -> None:
        object.__setattr__(self, "image", np.asarray(image, dtype=np.int64).reshape(-1))
        object.__setattr__(self, "box", np.asarray(box, dtype=np.float64).reshape(-1, 4))
        object.__setattr__(self, "images", images)
        if len(self.image) != len(self.box):
            boxes, images_named = plural(len(self.box), "box names", "boxes name"), plural(len(self.image), "image")
            raise DataError(f"{boxes} {images_named}", next="name one image a box")
        _check_boxes(self.box)
        strange = self.image[(self.image < 0) | (self.image >= images)]
        if len(strange):
            raise DataError(f"a box is in image {strange[0]} of {images}", next="number the images from 0")
        bare = np.flatnonzero(np.bincount(self.image, minlength=images) == 0)
        if len(bare):
            raise DataError(
                f"image {bare[0]} has no box",
                why=f"images without one: {len(bare)} of {images}",
                next="score only images that have boxes",
            )

    @classmethod
    def from_lists(cls, boxes: Sequence[Sequence[Sequence[float]]]) -> BoxTruth:
        """From a list of boxes for each image."""
        image = [i for i, own in enumerate(boxes) for _ in own]
        return cls(image, [box for own in boxes for box in own], images=len(boxes))


@dataclass(frozen=True)
class LocalizationScores:
    """Fractions of the images, at a fixed threshold on the map and IoU above `iou`.

    Attributes:
        top1_loc: The most likely class is right and its box hits.
        gt_known_loc: The box of the true class hits.
        top1_clas: The most likely class is right.
        whole_image: GT-known Loc of the whole image's box.
        centred: GT-known Loc of the best box in the middle.
        images: N.
        iou: The threshold.
    """

    top1_loc: float
    gt_known_loc: float
    top1_clas: float
    whole_image: float
    centred: float
    images: int
    iou: float = 0.5


def box_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU of boxes, element by element; the leading axes broadcast. 0 where both are empty.

    >>> box_iou(np.array([0.0, 0.0, 2.0, 2.0]), np.array([[1.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0]])).tolist()
    [0.5, 1.0]
    """
    boxes, others = np.asarray(boxes, dtype=np.float64), np.asarray(others, dtype=np.float64)
    side = np.minimum(boxes[..., 2:], others[..., 2:]) - np.maximum(boxes[..., :2], others[..., :2])
    inside = np.maximum(side, 0).prod(axis=-1)
    total = (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1) + (others[..., 2:] - others[..., :2]).prod(axis=-1) - inside
    return np.divide(inside, total, out=np.zeros(np.shape(total)), where=total > 0)


def best_iou(boxes: np.ndarray, truth: BoxTruth) -> np.ndarray:
    """The IoU of each box with whichever annotated box of its image it fits best.

    Args:
        boxes: (N, ..., 4), for example one for each threshold.
        truth: Of the N images.

    Returns:
        (N, ...) fractions.
    """
    boxes = np.asarray(boxes, dtype=np.float64)
    if len(boxes) != truth.images:
        raise DataError(
            f"boxes are of {plural(len(boxes), 'image')}, the truth of {truth.images}", next="score the same images"
        )
    _check_boxes(boxes.reshape(-1, 4))
    annotated = truth.box.reshape(-1, *(1,) * (boxes.ndim - 2), 4)
    overlap = box_iou(boxes[truth.image], annotated)
    result = np.zeros(boxes.shape[:-1])
    np.maximum.at(result, truth.image, overlap)
    return result


class LocalizationHits(NamedTuple):
    """What the paper's three scores are means of; (N,) bool each, an image each.

    Attributes:
        top1: The likeliest class is right and its box hits.
        known: The true class's box hits.
        right: The likeliest class is right.
    """

    top1: np.ndarray
    known: np.ndarray
    right: np.ndarray


def localization_hits(
    predicted_boxes: np.ndarray,
    known_boxes: np.ndarray,
    *,
    predicted: Sequence | np.ndarray,
    true: Sequence | np.ndarray,
    truth: BoxTruth,
    iou: float = 0.5,
) -> LocalizationHits:
    """Which images count for each of the paper's scores; the arguments are those of `localization_scores`."""
    right = np.asarray(predicted) == np.asarray(true)
    if right.shape != (truth.images,):
        raise DataError(f"there are not {truth.images} predicted and true classes", next="give one of each an image")
    top1 = right & (best_iou(predicted_boxes, truth) > iou)
    return LocalizationHits(top1, best_iou(known_boxes, truth) > iou, right)


def localization_scores(
    predicted_boxes: np.ndarray,
    known_boxes: np.ndarray,
    *,
    predicted: Sequence | np.ndarray,
    true: Sequence | np.ndarray,
    truth: BoxTruth,
    sizes: np.ndarray,
    iou: float = 0.5,
) -> LocalizationScores:
    """Top-1 Loc, GT-known Loc and Top-1 Clas, beside the blind boxes.

    Args:
        predicted_boxes: (N, 4) from the map of the most likely class.
        known_boxes: (N, 4) from the map of the true class.
        predicted: (N,) most likely classes, numbers or names.
        true: (N,) true classes.
        truth: Annotated boxes of the N images.
        sizes: (N, 2) height and width of the images, in the boxes' pixels.
        iou: A box hits above this.
    """
    hits = localization_hits(predicted_boxes, known_boxes, predicted=predicted, true=true, truth=truth, iou=iou)
    whole, centred, _ = blind_boxes(truth, sizes, iou=iou)
    return LocalizationScores(
        top1_loc=float(hits.top1.mean()),
        gt_known_loc=float(hits.known.mean()),
        top1_clas=float(hits.right.mean()),
        whole_image=whole,
        centred=centred,
        images=truth.images,
        iou=iou,
    )


def blind_boxes(
    truth: BoxTruth, sizes: np.ndarray, *, iou: float = 0.5, steps: int = 20
) -> tuple[float, float, tuple[float, float]]:
    """What boxes score that look at no image.

    Args:
        truth: Annotated boxes of N images.
        sizes: (N, 2) height and width.
        iou: A box hits above this.
        steps: Heights and widths of centred boxes to try, as multiples of 1/steps of the image's.

    Returns:
        GT-known Loc of the whole image, of the best centred box, and that box's height and width as fractions.
    """
    sizes = np.asarray(sizes, dtype=np.float64).reshape(-1, 2)
    size = np.concatenate([sizes[:, ::-1], sizes[:, ::-1]], axis=1)
    fractions = np.arange(1, steps + 1) / steps
    accuracy = np.zeros((steps, steps))
    for i, tall in enumerate(fractions):
        margin = np.stack([(1 - fractions) / 2, np.full(steps, (1 - tall) / 2)], axis=1)
        boxes = np.concatenate([margin, 1 - margin], axis=1) * size[:, None, :]
        accuracy[i] = (best_iou(boxes, truth) > iou).mean(axis=0)
    i, j = np.unravel_index(accuracy.argmax(), accuracy.shape)
    return float(accuracy[-1, -1]), float(accuracy[i, j]), (float(fractions[i]), float(fractions[j]))


def paired_interval(
    hits: np.ndarray, others: np.ndarray | None = None, *, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of an accuracy, or of the difference of two on the same images (bootstrap over images).

    Args:
        hits: (N,) bool; of S networks (S, N), of which each image counts by its mean, for the images are the same.
        others: The same shape, taken off if given.
        draws: Of the bootstrap.
        seed: Of the draws.

    A single image tells nothing of others: of it the interval is all that there could be.

    >>> paired_interval(np.ones(10, dtype=bool))
    (1.0, 1.0)
    >>> paired_interval(np.ones(1, dtype=bool))
    (0.0, 1.0)
    """
    differences = np.asarray(hits, dtype=np.int64) - (0 if others is None else np.asarray(others, dtype=np.int64))
    networks = np.atleast_2d(differences)
    if networks.shape[1] == 1:
        return (0.0 if others is None else -1.0), 1.0
    # Only how often each sum over the networks occurs matters, and in a draw these numbers are multinomial.
    value, count = np.unique(networks.sum(axis=0), return_counts=True)
    n = count.sum()
    drawn = np.random.default_rng(seed).multinomial(n, count / n, size=draws)
    low, high = np.percentile(drawn @ value / (n * len(networks)), [2.5, 97.5])
    return float(low), float(high)


def _check_boxes(boxes: np.ndarray) -> None:
    bad = ~np.isfinite(boxes).all(axis=1) | (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"box {row} is not a box: {boxes[row].tolist()}",
            why="it must be x0, y0, x1, y1, finite, with x0 <= x1 and y0 <= y1",
            next="correct it; some tools give x, y, width, height",
        )
