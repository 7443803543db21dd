"""From a class activation map to a box: threshold, largest connected component, tight box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from torch import Tensor

Scale = Literal["max", "range", "otsu"]

_NEIGHBOURS = {4: ndimage.generate_binary_structure(2, 1), 8: ndimage.generate_binary_structure(2, 2)}


def localize(
    activation: np.ndarray | Tensor,
    *,
    threshold: float | Sequence[float] = 0.2,
    scale: Scale = "max",
    neighbours: Literal[4, 8] = 8,
) -> np.ndarray:
    """The box round the largest part of each map that exceeds a fraction of the map's maximum.

    Hide-and-Seek, section 3.1: 20 % for AlexNet-GAP, 30 % for GoogLeNet-GAP. A map that tells nothing (flat, or
    nowhere above zero with `scale="max"`) gives the whole map's box. Of components of the same size the one met first,
    row by row, is taken.

    Args:
        activation: (..., H, W), maps; upsampled to the size of the image for boxes in pixels.
        threshold: Fraction of the maximum, 0 to below 1, of Otsu's level also more; or K of them.
        scale: Take the fraction of the maximum as it is (the paper); or of the range from minimum to maximum, which
            also works for maps that are nowhere positive (Choe et al., CVPR 2020); or of `otsu_level`, a level of each
            map's own, where what is below zero counts as zero.
        neighbours: Whether pixels that touch at a corner are connected (8) or not (4).

    Returns:
        (..., 4) or, with K thresholds, (..., K, 4) float64: x0, y0, x1, y1 in pixels of the map; x1 and y1 are the
        first column and row outside.

    Raises:
        ValueError: A threshold is out of bounds, or a map holds NaN or infinity.

    >>> localize(np.array([[0, 0, 0, 0], [0, 5, 4, 0], [0, 0, 0, 1.5]]), threshold=0.2).tolist()
    [1.0, 1.0, 4.0, 3.0]
    >>> localize(np.zeros((3, 4))).tolist()
    [0.0, 0.0, 4.0, 3.0]
    """
    if neighbours not in _NEIGHBOURS or scale not in get_args(Scale):
        raise ValueError(f"neighbours must be 4 or 8 and scale one of {get_args(Scale)}: {neighbours!r}, {scale!r}")
    fractions = np.asarray(threshold, dtype=np.float64)
    most = np.inf if scale == "otsu" else 1
    if fractions.ndim > 1 or fractions.size == 0 or not ((fractions >= 0) & (fractions < most)).all():
        raise ValueError(f"threshold must be from 0 to below {most:g}, but is {threshold!r}")
    maps = _as_array(activation)
    if maps.ndim < 2 or 0 in maps.shape[-2:]:
        raise ValueError(f"activation must be (..., H, W), but its shape is {maps.shape}")
    flat = maps.reshape(-1, *maps.shape[-2:])
    order = np.argsort(fractions.reshape(-1), kind="stable")
    boxes = np.empty((len(flat), fractions.size, 4))
    for i, one in enumerate(flat):
        low, high = (float(one.min()), float(one.max())) if one.size else (0.0, 0.0)
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ValueError(f"map {i} holds {low} to {high}, not only finite numbers")
        # Upsampling a flat map leaves rounding errors, which are no place to put a box round.
        flat_map = high - low <= 1e-6 * max(abs(low), abs(high))
        floor = low if scale == "range" else 0.0
        top = otsu_level(one.clip(min=0)) if scale == "otsu" else high
        levels = floor + fractions.reshape(-1)[order] * (top - floor)
        boxes[i, order] = _nested_boxes(one, levels, high, whole=flat_map or high <= floor, neighbours=neighbours)
    return boxes.reshape(*maps.shape[:-2], *fractions.shape, 4)


def _nested_boxes(one: np.ndarray, levels: np.ndarray, high: float, *, whole: bool, neighbours: int) -> np.ndarray:
    """(K, 4), the boxes at rising levels of one map.

    What exceeds a level lies within what exceeds the one before, so each step searches only the part still left.
    """
    boxes = np.empty((len(levels), 4))
    boxes[:] = (0, 0, one.shape[1], one.shape[0])
    if whole:
        return boxes
    x0, y0 = 0, 0
    for k, level in enumerate(levels):
        # Rounding can lift a level onto the maximum itself.
        above = np.asarray(one >= high if level >= high else one > level)
        inside_rows = np.flatnonzero(above.any(axis=1))
        inside_columns = np.flatnonzero(above.any(axis=0))
        top, bottom = int(inside_rows[0]), int(inside_rows[-1]) + 1
        left, right = int(inside_columns[0]), int(inside_columns[-1]) + 1
        one, above = one[top:bottom, left:right], above[top:bottom, left:right]
        x0, y0 = x0 + left, y0 + top
        parts, count = ndimage.label(above, _NEIGHBOURS[neighbours])  # type: ignore[misc]
        if count == 1:
            boxes[k] = (x0, y0, x0 + above.shape[1], y0 + above.shape[0])
            continue
        sizes = np.bincount(parts.reshape(-1))
        largest = int(sizes[1:].argmax())
        vertical, horizontal = ndimage.find_objects(parts, max_label=largest + 1)[largest]
        boxes[k] = (x0 + horizontal.start, y0 + vertical.start, x0 + horizontal.stop, y0 + vertical.stop)
    return boxes


def otsu_level(values: np.ndarray) -> float:
    """The level that divides values into two groups as far apart as can be, for how many they hold (Otsu, 1979).

    Exact: every division is tried, not those of a histogram. The level lies midway between the groups' means.

    Args:
        values: Any shape, at least one, finite.

    >>> otsu_level(np.array([0.0, 1.0, 0.0, 9.0, 11.0]))
    5.166666666666667
    """
    ordered = np.sort(values, axis=None).astype(np.float64)
    count = np.arange(1, len(ordered))
    if not len(count):
        return float(ordered[0])
    sums = ordered.cumsum()
    below, above = sums[:-1] / count, (sums[-1] - sums[:-1]) / count[::-1]
    best = (count * count[::-1] * (above - below) ** 2).argmax()
    return float((below[best] + above[best]) / 2)


def _as_array(activation: np.ndarray | Tensor) -> np.ndarray:
    if isinstance(activation, np.ndarray):
        return activation
    values = activation.detach().cpu()
    return (values if values.element_size() >= 4 else values.float()).numpy()


def scaled_boxes(boxes: np.ndarray, *, map_size: tuple[int, int], image_size: tuple[int, int]) -> np.ndarray:
    """Boxes from one size of the image to another.

    Args:
        boxes: (..., 4), x0, y0, x1, y1 in pixels of the map.
        map_size: (H, W) of the map.
        image_size: (H, W) of the image that the whole map covers.

    Returns:
        (..., 4) float64, in pixels of the image.

    >>> scaled_boxes(np.array([1.0, 0.0, 2.0, 2.0]), map_size=(2, 2), image_size=(10, 100)).tolist()
    [50.0, 0.0, 100.0, 10.0]
    """
    vertical, horizontal = image_size[0] / map_size[0], image_size[1] / map_size[1]
    return np.asarray(boxes, dtype=np.float64) * np.array([horizontal, vertical, horizontal, vertical])
