"""What networks are shown of an image, whole, mirrored, in crops and at other sizes, and refined maps of it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .refine import refined


class View(NamedTuple):
    """A part of the image that a network is shown.

    Attributes:
        top: Of the part, in pixels.
        left: Of the part.
        mirrored: Whether it is shown mirrored.
    """

    top: int
    left: int
    mirrored: bool


def views(side: int, size: int, *, mirror: bool = False) -> list[View]:
    """The whole image where it has the network's size; else ten crops: corners, centre, and their mirror images.

    Args:
        side: Of the square image, in pixels.
        size: Of what a network sees.
        mirror: Whether the whole image's mirror image is a view too.

    >>> len(views(224, 224)), len(views(224, 224, mirror=True)), len(views(256, 224)), views(256, 224)[8]
    (1, 2, 10, View(top=16, left=16, mirrored=False))
    """
    if side == size:
        return [View(0, 0, mirrored) for mirrored in ((False, True) if mirror else (False,))]
    last, middle = side - size, (side - size) // 2
    places = [(0, 0), (0, last), (last, 0), (last, last), (middle, middle)]
    return [View(top, left, mirrored) for top, left in places for mirrored in (False, True)]


def part_of(x: Tensor, look: View, size: int) -> Tensor:
    """What a view shows, so many pixels wide."""
    part = x[..., look.top : look.top + size, look.left : look.left + size]
    return part.flip(-1) if look.mirrored else part


def resized(x: Tensor, side: int) -> Tensor:
    """(B, 3, S, S) pictures at another side, smoothed where they shrink."""
    if x.shape[-1] == side:
        return x
    return torch.nn.functional.interpolate(x, size=(side, side), mode="bilinear", antialias=True)


def shrunk_to(images: Tensor, side: int) -> Tensor:
    """(B, M, S, S) pictures or maps at a side of at most `side` pixels, each pixel the mean of those it stands for.

    Args:
        images: Square.
        side: 0 leaves them.

    >>> shrunk_to(torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]]), 1)
    tensor([[[[4.]]]])
    """
    if not 0 < side < images.shape[-1]:
        return images
    return torch.nn.functional.interpolate(images, size=(side, side), mode="area")


def refined_together(maps: Tensor, picture: Tensor, twice: Tensor, *, iterations: int) -> Tensor:
    """(B, K, S, S) maps refined; of the images where (B,) `twice` the last map is the first once more."""
    result = torch.empty_like(maps)
    for group, count in ((~twice, maps.shape[1]), (twice, maps.shape[1] - 1)):
        for rows in group.nonzero().flatten().split(8):  # few at a time: 48 weights for each pixel
            if len(rows):
                result[rows, :count] = refined(maps[rows, :count], picture[rows], iterations=iterations)
    result[twice, -1] = result[twice, 0]
    return result
