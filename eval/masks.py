"""PxAP: average precision of a map's pixels against a mask (Choe et al., CVPR 2020)."""

from __future__ import annotations

import numpy as np

from ..core.errors import DataError

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
