"""A second look at small things, whose maps tell where they are and not how small.

Cells of a map are as large as a small thing, so its box comes out too large. But the map's peak lies in it, and in a
larger picture the peak of a small thing is higher, that of a large one is not. So a window round the peak is shown once
more, as large as the image was; where the window's map leaves much of the window empty for how much the peak grew, it
is taken, and beside the window nothing. Measured in benchmarks/image.md.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from .activation import upsampled
from .box_workers import boxes_of
from .settings import ImageSettings
from .views import refined

SMALLER, LARGER = 0.45, 1.8
"""Sizes of the pictures between which the peak's growth is measured, as shares of the usual one."""
_PEAK = 0.8  # the peak's place is the middle of what reaches this share of it

Look = Callable[[Tensor, Tensor, int], Tensor]
"""Pictures (N, 3, S, S), classes (N, K) and the side that they are shown at -> the classes' maps (N, K, h, w)."""


def zoom_sides(size: int) -> tuple[int, int]:
    """The sides of the smaller and of the larger picture: multiples of 32, which all networks take.

    >>> zoom_sides(280)
    (128, 512)
    """
    smaller, larger = (max(64, 32 * round(size * share / 32)) for share in (SMALLER, LARGER))
    return smaller, larger


def whole_windows(maps: Tensor) -> Tensor:
    """(B, K, 4) int64, for maps (B, K, R, R) that cover their images: x0, y0, x1, y1 in pixels of the map."""
    side = maps.shape[-1]
    return torch.tensor([0, 0, side, side]).expand(*maps.shape[:2], 4).clone()


def with_small_things(
    maps: Tensor, *, classes: Tensor, x: Tensor, picture: Tensor, settings: ImageSettings, look: Look
) -> tuple[Tensor, Tensor]:
    """Maps in which small things are seen as large as others, and the windows that these maps speak of.

    Args:
        maps: (B, K, R, R), of the whole images; not changed.
        classes: (B, K) int64, whose maps they are.
        x: (B, 3, S, S), the images as networks see them.
        picture: (B, 3, R, R), their colours, to refine by.
        settings: Of the localizer.
        look: Draws maps.

    Returns:
        (B, K, R, R), beside its window zero; and (B, K, 4) int64, x0, y0, x1, y1 of the windows in pixels of the map.
    """
    rules, size, side = settings.localize, settings.input.size, maps.shape[-1]
    width = max(1, round(rules.zoom * side))
    less, more = (look(x, classes, one).clamp(min=0) for one in zoom_sides(size))
    growth = (more.amax((2, 3)) / less.amax((2, 3)).clamp(min=1e-6)).cpu().numpy()
    corners = np.array([[_corner(one, side, width) for one in several] for several in more.cpu().numpy()])
    maps, windows = maps.clone(), whole_windows(maps)
    for k in range(maps.shape[1]):
        new = torch.ones_like(classes[:, 0], dtype=torch.bool) if k == 0 else classes[:, k] != classes[:, 0]
        maps[~new, k], windows[~new.cpu(), k] = maps[~new, 0], windows[~new.cpu(), 0]
        for some in new.nonzero().flatten().split(8) if new.any() else ():
            rows = some.tolist()
            shown = torch.cat([_part(x[i], corners[i, k] / side, width / side) for i in rows])
            closer = upsampled(look(shown, classes[some, k : k + 1], size)[:, 0].clamp(min=0), (width, width))
            places = [(slice(top, top + width), slice(left, left + width)) for left, top in corners[rows, k]]
            if rules.refine:
                parts = torch.stack([picture[(i, slice(None), *place)] for i, place in zip(rows, places, strict=True)])
                closer = refined(closer[:, None], parts, iterations=round(rules.refine * rules.zoom))[:, 0]
            boxes = boxes_of(closer.cpu().numpy(), rules)
            fill = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / width**2
            taken = (closer.amax((1, 2)).cpu().numpy() > 0) & (fill < rules.zoom_below * growth[rows, k])
            for at in np.flatnonzero(taken):
                i, (left, top) = rows[at], corners[rows[at], k].tolist()
                maps[i, k] = 0
                maps[(i, k, *places[at])] = closer[at]
                windows[i, k] = torch.tensor([left, top, left + width, top + width])
    return maps, windows


def _corner(one: np.ndarray, side: int, width: int) -> tuple[int, int]:
    """The left and top of a window of a map of `side` pixels, so that it lies round the peak of `one`, and inside."""
    parts, _ = ndimage.label(one >= _PEAK * one.max())  # type: ignore[misc]
    weight = np.where(parts == parts.flat[one.argmax()], one, 0) + 1e-12
    middles = [
        float((weight.sum(axis=axis) * (np.arange(one.shape[1 - axis]) + 0.5)).sum() / weight.sum())
        / one.shape[1 - axis]
        for axis in (0, 1)
    ]
    left, top = (min(max(round(middle * side - width / 2), 0), side - width) for middle in middles)
    return left, top


def _part(one: Tensor, corner: np.ndarray, share: float) -> Tensor:
    """(1, 3, P, P), a square part of a picture (3, S, S); its corner and side are shares of the picture's side."""
    side = one.shape[-1]
    width = max(1, round(share * side))
    left, top = (min(max(round(float(at) * side), 0), side - width) for at in corner)
    return one[None, :, top : top + width, left : left + width]
