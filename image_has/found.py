"""What trained networks find in images: probabilities and maps of a batch, and the boxes of one image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor


class Localization(NamedTuple):
    """What networks say about B images.

    Attributes:
        probabilities: (B, C).
        ranked: (B, K) int64, the likeliest classes, first the likeliest.
        maps: (B, K, S, S) float32, their maps over the whole image; where the true classes are known (B, K + 1, S, S),
            those' maps last. S is the localizer's side, or `localize.refine_size` where maps were refined at that.
    """

    probabilities: Tensor
    ranked: Tensor
    maps: Tensor

    @property
    def predicted(self) -> Tensor:
        """(B,) int64, the likeliest class."""
        return self.ranked[:, 0]


class FoundBox(NamedTuple):
    """A class in an image, and where.

    Attributes:
        label: The class.
        score: Its probability.
        box: x0, y0, x1, y1 in pixels of the image; x1 and y1 are the first column and row outside.
    """

    label: str
    score: float
    box: tuple[float, float, float, float]


class LocalizedImage(NamedTuple):
    """What was found in one image.

    Attributes:
        boxes: One for each of the likeliest classes, first the likeliest.
        map: (S, S) float32, the likeliest class's map over the whole image.
    """

    boxes: tuple[FoundBox, ...]
    map: np.ndarray
