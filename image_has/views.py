"""What networks are shown of an image, whole, mirrored, in crops and at other sizes, and refined maps of it.

A class activation map is as coarse as its network's last layer, and its edges fall where the cells do. The edges of
things are in the picture: in a refined map each place takes the mean of its neighbours', the more the more alike they
look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

REACHES = (1, 2, 4, 8, 12, 24)
"""How far away the neighbours are, in pixels: those of the paper."""


def refined(
    maps: Tensor, image: Tensor, *, iterations: int = 10, reaches: Sequence[int] = REACHES, sharpness: float = 10.0
) -> Tensor:
    """Pixel-adaptive refinement (Araslanov & Roth, "Single-Stage Semantic Segmentation from Image Labels", CVPR 2020).

    A pixel has eight neighbours at each reach. How much it takes of each follows from the difference of their colours,
    measured in standard deviations of the colours around it. There is nothing to learn, and no box is read.

    Args:
        maps: (B, K, H, W), K maps of an image; not changed.
        image: (B, 3, H, W), its colours, on any scale.
        iterations: How often; 0 changes nothing.
        reaches: In pixels.
        sharpness: How soon an unlike neighbour counts for nothing; 1 / 0.1 in the paper.

    Returns:
        (B, K, H, W), between the least and the greatest value of each map.

    Raises:
        ValueError: Maps and images are not of one size.

    >>> image = torch.tensor([0.0, 0.0, 0.0, 9.0]).expand(1, 3, 4, 4)
    >>> maps = torch.tensor([3.0, 0.0, 0.0, 0.0]).expand(1, 1, 4, 4)
    >>> [round(value, 1) for value in refined(maps, image, iterations=50, reaches=[1])[0, 0, 0].tolist()]
    [1.1, 1.1, 1.1, 0.0]
    """
    if maps.shape[0] != image.shape[0] or maps.shape[-2:] != image.shape[-2:]:
        raise ValueError(f"maps {tuple(maps.shape)} and images {tuple(image.shape)} must agree in number and size")
    if iterations == 0:
        return maps
    weights = _likeness(image.float(), reaches, sharpness)
    for _ in range(iterations):
        taken = torch.zeros_like(maps)
        for weight, neighbour in zip(weights.unbind(1), _neighbours(maps, reaches), strict=True):
            taken.addcmul_(weight[:, None], neighbour)
        maps = taken
    return maps


def _likeness(image: Tensor, reaches: Sequence[int], sharpness: float) -> Tensor:
    """(B, N, H, W), how much each pixel takes of its N neighbours; sums to 1 over them."""
    # Sums of differences from the pixel itself: the deviation around it without a copy of all neighbours.
    total, squares, count = torch.zeros_like(image), torch.zeros_like(image), 8 * len(reaches) + 1
    for neighbour in _neighbours(image, reaches):
        difference = neighbour - image
        total += difference
        squares.addcmul_(difference, difference)
    deviation = ((squares - total**2 / count) / (count - 1)).clamp(min=0).sqrt()
    scale = sharpness / (deviation + 1e-8 * sharpness)
    unlike = [((neighbour - image).abs() * scale).mean(dim=1) for neighbour in _neighbours(image, reaches)]
    return torch.stack(unlike, dim=1).neg_().softmax(dim=1)


def _neighbours(x: Tensor, reaches: Sequence[int]) -> Iterator[Tensor]:
    """The eight neighbours of all pixels at each reach, (B, C, H, W) each; beyond the border it is repeated."""
    height, width = x.shape[-2:]
    for reach in reaches:
        wide = functional.pad(x, (reach,) * 4, mode="replicate")
        for down in (0, reach, 2 * reach):
            for right in (0, reach, 2 * reach):
                if (down, right) != (reach, reach):
                    yield wide[..., down : down + height, right : right + width]


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
        places = group.nonzero().flatten()
        for first in range(0, len(places), 8):  # few at a time: 48 weights for each pixel
            rows = places[first : first + 8]
            result[rows, :count] = refined(maps[rows, :count], picture[rows], iterations=iterations)
    result[twice, -1] = result[twice, 0]
    return result
