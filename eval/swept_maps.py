"""Maps at all thresholds (Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020).

Boxes at the threshold that is best for the test images themselves, an upper bound: MaxBoxAcc, and MaxBoxAccV2 of their
later article. And PxAP: average precision of a map's pixels against a mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import DataError, plural
from .boxes import BoxTruth, box_iou
from .components import components

#: The thresholds of MaxBoxAccV2.
V2_IOU = (0.3, 0.5, 0.7)


@dataclass(frozen=True, eq=False)
class SweptScores:
    """Scores at the best threshold on the map, chosen on these very images: an upper bound.

    Attributes:
        thresholds: (K,) on the map.
        curve: (K,) fraction of images whose largest part hits at IoU 0.5.
        max_box_acc: Its maximum.
        best_threshold: Where that is.
        v2: Maximum for each IoU of `V2_IOU`, where the box of any connected part may hit.
        max_box_acc_v2: Their mean.
    """

    thresholds: np.ndarray
    curve: np.ndarray
    max_box_acc: float
    best_threshold: float
    v2: tuple[float, ...]
    max_box_acc_v2: float


def swept_scores(
    maps: np.ndarray, truth: BoxTruth, *, sizes: np.ndarray, thresholds: np.ndarray | None = None, scale: str = "range"
) -> SweptScores:
    """MaxBoxAcc and MaxBoxAccV2 of the true class's maps.

    The published program rounds maps to 256 levels, takes the largest contour by the area of its polygon, and counts
    boxes a pixel too wide; here the largest part is that with most pixels, and boxes are exact.

    Args:
        maps: (N, H, W) finite.
        truth: Annotated boxes of the N images.
        sizes: (N, 2) height and width of the images that the maps cover, in the boxes' pixels.
        thresholds: (K,) fractions of the map, 0 to below 1; a hundred by default.
        scale: Fractions of the range (`range`) or of the maximum (`max`).
    """
    thresholds = np.arange(100) / 100 if thresholds is None else np.sort(np.asarray(thresholds, dtype=np.float64))
    largest, any_part = swept_iou(maps, truth, sizes=sizes, thresholds=thresholds, scale=scale)
    return swept_from_iou(largest, any_part, thresholds)


def swept_from_iou(
    largest: np.ndarray, any_part: np.ndarray, thresholds: np.ndarray, *, iou: float = 0.5
) -> SweptScores:
    """The scores from `swept_iou`, which may have been gathered in batches.

    Args:
        largest: (N, K) IoU of the largest part's box.
        any_part: (N, K) highest IoU of any part's box.
        thresholds: (K,) on the map.
        iou: Of MaxBoxAcc; 0.5 in the paper. MaxBoxAccV2 has its own.
    """
    curve = (largest >= iou).mean(axis=0)
    v2 = tuple(float((any_part >= least).mean(axis=0).max()) for least in V2_IOU)
    best = int(curve.argmax())
    return SweptScores(thresholds, curve, float(curve[best]), float(thresholds[best]), v2, float(np.mean(v2)))


def swept_iou(
    maps: np.ndarray, truth: BoxTruth, *, sizes: np.ndarray, thresholds: np.ndarray, scale: str = "range"
) -> tuple[np.ndarray, np.ndarray]:
    """How well the parts of each map fit at each threshold.

    Returns:
        Two (N, K) arrays: best IoU of the largest part's box, and of any part's box.
    """
    maps, sizes = np.asarray(maps), np.asarray(sizes, dtype=np.float64).reshape(-1, 2)
    if maps.ndim != 3 or len(maps) != truth.images or len(sizes) != truth.images:
        raise DataError(
            f"maps of shape {maps.shape} and {plural(len(sizes), 'size')} do not fit {plural(truth.images, 'image')}",
            next="give one (H, W) map and one size an image",
        )
    if not np.isfinite(maps).all():
        bad = int(np.flatnonzero(~np.isfinite(maps).all(axis=(1, 2)))[0])
        raise DataError(f"map {bad} holds NaN or infinity", next="look at what the network gives for that image")
    found = components(maps, thresholds, scale=scale)
    scale_xy = (sizes / maps.shape[1:])[:, ::-1]
    box = found.box * np.tile(scale_xy, 2)[found.map]
    # Every part against every annotated box of its image.
    order = np.argsort(truth.image, kind="stable")
    count = np.bincount(truth.image, minlength=truth.images)
    first = np.cumsum(count) - count
    times = count[found.map]
    part = np.repeat(np.arange(len(box)), times)
    within = np.arange(len(part)) - np.repeat(np.cumsum(times) - times, times)
    overlap = box_iou(box[part], truth.box[order[first[found.map[part]] + within]])
    any_part, largest = np.zeros((truth.images, len(thresholds))), np.zeros((truth.images, len(thresholds)))
    np.maximum.at(any_part, (found.map[part], found.threshold[part]), overlap)
    main = found.first[part]
    np.maximum.at(largest, (found.map[part][main], found.threshold[part][main]), overlap[main])
    return largest, any_part


#: Value of mask pixels that count neither way.
IGNORED = 255


class PixelCounts:
    """Histograms of scores inside and outside the masks, gathered image by image or batch by batch.

    >>> counts = PixelCounts(steps=10)
    >>> counts.add(np.array([[0.9, 0.1]]), np.array([[1, 0]]))
    >>> counts.average_precision()
    1.0
    """

    def __init__(self, *, steps: int = 1000) -> None:
        """Start from nothing, with thresholds at multiples of 1/steps."""
        self.bounds = np.append(np.arange(0, 1, 1 / steps), [1.0, 2.0, 3.0])
        self.inside = np.zeros(len(self.bounds) - 1)
        self.outside = np.zeros(len(self.bounds) - 1)

    def add(self, maps: np.ndarray, masks: np.ndarray) -> None:
        """Count some images.

        Args:
            maps: (..., H, W) scores from 0 to 1.
            masks: (..., H, W): 1 object, 0 background, 255 not counted.

        Raises:
            DataError: Shapes differ, scores are outside 0 to 1, or a mask holds another value.
        """
        maps, masks = np.asarray(maps), np.asarray(masks)
        if maps.shape != masks.shape:
            raise DataError(f"maps of shape {maps.shape} do not fit masks of shape {masks.shape}")
        if maps.size and not ((maps >= 0) & (maps <= 1)).all():
            raise DataError("a map's scores must lie from 0 to 1", next="scale each map by its minimum and maximum")
        strange = set(np.unique(masks).tolist()) - {0, 1, IGNORED}
        if strange:
            raise DataError(f"a mask holds {min(strange)}", why="it may hold 0, 1 and 255", next="correct the masks")
        for counts, chosen in ((self.inside, masks == 1), (self.outside, masks == 0)):
            place = np.searchsorted(self.bounds, maps[chosen], side="right") - 1
            counts += np.bincount(place, minlength=len(counts))[: len(counts)]

    def average_precision(self) -> float:
        """Area under the curve of precision over recall of the pixels; a fraction."""
        if self.inside.sum() == 0:
            raise DataError("no mask has any pixel of an object", next="check which value means object")
        found, wrong = self.inside[::-1].cumsum(), self.outside[::-1].cumsum()
        taken = found + wrong
        precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
        return float((precision[1:] * np.diff(found / self.inside.sum())).sum())
