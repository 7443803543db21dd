"""Class activation maps: how much each place of an image speaks for a class; and what is found by them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn


def activation_map(maps: Tensor, weight: Tensor, classes: Tensor | None = None) -> Tensor:
    """M_c(y, x) = sum over i of W[c, i] F_i(y, x): the class activation map (Zhou et al., CVPR 2016).

    Exact, in one product for the whole batch, on the device of the maps.

    Args:
        maps: (B, M, H, W), the last convolution's maps.
        weight: (C, M), the classifier's weight.
        classes: (B,) int, one class an image; (B, K), several an image; None for all C.

    Returns:
        (B, H, W), (B, K, H, W) or (B, C, H, W).

    Raises:
        ValueError: Shapes do not fit.

    >>> maps = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
    >>> activation_map(maps, torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([1])).tolist()
    [[[0.0, 3.0]]]
    """
    if maps.ndim != 4 or weight.ndim != 2 or maps.shape[1] != weight.shape[1]:
        raise ValueError(f"maps (B, M, H, W) and weight (C, M) do not fit: {tuple(maps.shape)}, {tuple(weight.shape)}")
    if classes is None:
        return torch.einsum("bmhw,cm->bchw", maps, weight)
    if classes.ndim not in (1, 2) or len(classes) != len(maps):
        raise ValueError(
            f"classes must be (B,) or (B, K) with B = {len(maps)}, but its shape is {tuple(classes.shape)}"
        )
    if classes.ndim == 1:
        return torch.einsum("bmhw,bm->bhw", maps, weight[classes])
    return torch.einsum("bmhw,bkm->bkhw", maps, weight[classes])


def upsampled(activation: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps at the size of the image, linear between the centres of the map's cells.

    Args:
        activation: (..., h, w).
        size: (H, W) in pixels.

    Returns:
        (..., H, W).

    >>> upsampled(torch.tensor([[[0.0, 4.0]]]), (1, 4)).tolist()
    [[[0.0, 1.0, 3.0, 4.0]]]
    """
    flat = activation.reshape(-1, 1, *activation.shape[-2:])
    large = nn.functional.interpolate(flat, size=size, mode="bilinear", align_corners=False)
    return large.reshape(*activation.shape[:-2], *size)


@contextmanager
def captured(module: nn.Module) -> Generator[list[Tensor], None, None]:
    """Collect what a layer gives while the block runs; nothing stays attached after it, whatever happens inside.

    Args:
        module: The layer, `model.get_submodule("layer4")` for instance.

    Yields:
        A list that holds the layer's outputs, in order, inside the block and after it.

    >>> layer = nn.Identity()
    >>> with captured(layer) as outputs:
    ...     _ = layer(torch.ones(2))
    >>> len(outputs), len(layer._forward_hooks)
    (1, 0)
    """
    outputs: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        outputs.append(output)

    handle = module.register_forward_hook(keep)
    try:
        yield outputs
    finally:
        handle.remove()


class Localization(NamedTuple):
    """What networks say about B images.

    Attributes:
        probabilities: (B, C).
        ranked: (B, K) int64, the likeliest classes, first the likeliest.
        maps: (B, K, S, S) float32, their maps over the whole image; where the true classes are known (B, K + 1, S, S),
            those' maps last. S is the localizer's side, or `localize.refine_size` where maps were refined at that.
        windows: (B, K, 4) int64, x0, y0, x1, y1 of what each map speaks of, in its pixels: all of it, unless
            `localize.zoom` looked closer. Beside its window a map is zero.
    """

    probabilities: Tensor
    ranked: Tensor
    maps: Tensor
    windows: Tensor

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
