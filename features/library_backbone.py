"""What the backbones of transformers and timm have in common: how a clip is laid out in time, and trying it once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from .backbones import Backbone

# At 25 frames a second: about as much of a video as such networks saw of it in training.
_CLIP_SECONDS = 2.0
LIBRARIES = ("hf", "timm")


@dataclass(frozen=True, eq=False)
class LibraryBackbone:
    """A network of a library, loaded.

    Attributes:
        backbone: How it is used, from its own configuration.
        network: (B, 3, T, H, W) float -> (B, D).
        about: For the recipe: the weights' hash and place, the revision, the library's version.
    """

    backbone: Backbone
    network: nn.Module
    about: Mapping[str, object]


def clip_step(frames: int) -> int:
    """The step between the frames of a clip at 25 a second, so that it spans about two seconds.

    >>> clip_step(8), clip_step(16), clip_step(64)
    (6, 3, 1)
    """
    return max(1, round(_CLIP_SECONDS * 25 / frames))


def probe(network: nn.Module, backbone: Backbone) -> int:
    """Give a network one black clip; the length of the vector that comes out.

    Raises:
        ValueError: What comes out is not one vector, or another one each time.
    """
    how = backbone.preprocessing
    clip = torch.zeros(1, 3, backbone.clip_frames, how.crop_height, how.crop_width)
    with torch.inference_mode():
        chance = torch.get_rng_state()
        found = network(clip)
        drawn = not torch.equal(chance, torch.get_rng_state())
        again = network(clip) if drawn else found  # a second look costs seconds, and few draw anything
    if found.ndim != 2 or len(found) != 1:
        raise ValueError(f"it gives {tuple(found.shape)} for one clip")
    if not torch.allclose(found, again, rtol=1e-3, atol=1e-3 * float(found.abs().max())):
        raise ValueError("it gives another vector each time it is shown the same clip")
    return found.shape[1]
