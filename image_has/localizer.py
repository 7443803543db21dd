"""Trained networks at work on images: probabilities and maps, from one network or several, one view or ten crops."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from ..devices import choose_device
from ..errors import UsageError, plural
from .activation import activation_map, upsampled
from .loading import normalised, seed_of
from .refine import refined
from .settings import ImageSettings
from .train import dropped
from .weights import TrainedNetwork


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


class Localization(NamedTuple):
    """What networks say about B images.

    Attributes:
        probabilities: (B, C).
        predicted: (B,) int64, the likeliest class.
        maps: (B, K, S, S) float32, the maps of the predicted class and, where the true ones are known, of those.
    """

    probabilities: Tensor
    predicted: Tensor
    maps: Tensor


@dataclass
class Localizer:
    """One trained network, or several whose maps and probabilities are averaged.

    The paper's ensemble averages the maps of the networks trained with four sizes of cells, and the probabilities of
    those and of the one trained without hiding: give all five, and the first four as `map_members`.

    Attributes:
        members: Networks of the same classes and input.
        settings: Of the first; its `localize` says which views are averaged.
        device: Where they run.
        map_members: Which members' maps are averaged; all if None.
    """

    members: Sequence[TrainedNetwork]
    settings: ImageSettings
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    map_members: Sequence[int] | None = None

    @classmethod
    def of(
        cls,
        *members: TrainedNetwork,
        settings: ImageSettings | None = None,
        device: str = "auto",
        map_members: Sequence[int] | None = None,
    ) -> Localizer:
        """Networks on a device.

        Raises:
            UsageError: Their classes or inputs differ, a map member is none of them, or the device does not exist.
        """
        first = members[0]
        for other in members[1:]:
            if other.classes != first.classes or other.settings.input != first.settings.input:
                raise UsageError(
                    "these networks cannot be averaged",
                    why="they know different classes, or see images of different sizes or means",
                    next="average networks trained on one data set",
                )
        strange = [i for i in map_members or () if not 0 <= i < len(members)]
        if strange:
            raise UsageError(
                f"there is no network {strange[0]} to give maps",
                why=f"there is a mean of {plural(len(members), 'network')}, counted from 0",
                next=f"--map-members takes numbers from 0 to {len(members) - 1}",
            )
        chosen = choose_device(device)
        for member in members:
            member.network.to(chosen).eval()
        return cls(members, settings or first.settings, chosen, map_members)

    @property
    def classes(self) -> tuple[str, ...]:
        """C names."""
        return self.members[0].classes

    @property
    def side(self) -> int:
        """Side of the square that images are squashed to, in pixels; larger than the network's for ten crops."""
        seen = self.settings.input
        return seen.resize if self.settings.localize.ten_crop else seen.size

    @torch.inference_mode()
    def __call__(self, pixels: Tensor, known: Tensor | None = None) -> Localization:
        """Probabilities and maps of images.

        Args:
            pixels: (B, 3, S, S) uint8, with S the localizer's `side`.
            known: (B,) int64, the true classes, if their maps are wanted too.
        """
        seen = self.settings.input
        x = normalised(pixels.to(self.device), settings=seen, channels_last=True)
        picture = x
        if seen.dropout == "always":
            x = torch.stack([self._dropped(*pair) for pair in zip(x, pixels, strict=True)])
        looks = views(x.shape[-1], seen.size, mirror=self.settings.localize.mirror)
        outputs = [(look, [member.network(self._part(x, look)) for member in self.members]) for look in looks]
        everything = [one.logits.float().softmax(1) for _, several in outputs for one in several]
        probabilities = torch.stack(everything).mean(0)
        predicted = probabilities.argmax(1)
        wanted = predicted[:, None] if known is None else torch.stack([predicted, known.to(self.device)], dim=1)
        drawing = list(self.map_members) if self.map_members is not None else range(len(self.members))
        total = torch.zeros(*wanted.shape, *x.shape[-2:], device=self.device)
        count = torch.zeros(x.shape[-2:], device=self.device)
        for look, several in outputs:
            for i in drawing:
                weight = self.members[i].network.weight
                one = upsampled(activation_map(several[i].maps.float(), weight.float(), wanted), (seen.size, seen.size))
                place = (slice(look.top, look.top + seen.size), slice(look.left, look.left + seen.size))
                total[(..., *place)] += one.flip(-1) if look.mirrored else one
                count[place] += 1
        # Where no crop reaches, which happens when they are smaller than half the image, nothing speaks for a class.
        maps = total / count.clamp(min=1)
        if times := self.settings.localize.refine:
            # What speaks against a class would eat into what speaks for it. Of a range it is a part, though.
            maps = maps if self.settings.localize.scale == "range" else maps.clamp(min=0)
            parts = zip(maps.split(8), picture.split(8), strict=True)  # few at a time: 48 weights for each pixel
            maps = torch.cat([refined(some, image, iterations=times) for some, image in parts])
        return Localization(probabilities, predicted, maps)

    def _dropped(self, x: Tensor, pixels: Tensor) -> Tensor:
        """Values dropped as the picture itself determines, so that it is seen alike alone and among others."""
        seed = seed_of(self.settings.train.seed, 6, zlib.crc32(pixels.cpu().numpy().tobytes()))
        generator = torch.Generator().manual_seed(seed)
        return dropped(x, probability=self.settings.hide.probability, generator=generator)

    def _part(self, x: Tensor, look: View) -> Tensor:
        size = self.settings.input.size
        part = x[..., look.top : look.top + size, look.left : look.left + size]
        return part.flip(-1) if look.mirrored else part
