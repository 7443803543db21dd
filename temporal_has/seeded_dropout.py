"""What chance decides inside the network in training. It is drawn outside, so that all who share a batch draw alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .hide import Hiding


class Chance(NamedTuple):
    """What was drawn for B videos that a network learns from.

    Attributes:
        seeds: B numbers: what else a network draws of a video, it draws from that video's own.
        hiding: What to hide in the first layer's maps; None hides nothing there.
    """

    seeds: Sequence[int] = ()
    hiding: Hiding | None = None


class Dropout(nn.Module):
    """Drops values of maps with probability `p` while training, and scales up the rest; passes through in `eval()`.

    What is dropped of a video follows from its seed, its length and the number of maps: not from the rest of its batch,
    the padding, or torch's global generator. It is drawn on the maps' device; another kind of device draws otherwise.

    >>> dropout, maps = Dropout(0.5), torch.ones(2, 3, 4)
    >>> dropped = dropout(maps, Chance(seeds=[5, 5]))
    >>> sorted(set(dropped.flatten().tolist())), torch.equal(dropped[0], dropped[1])
    ([0.0, 2.0], True)
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def extra_repr(self) -> str:
        """Shown when the network is printed."""
        return f"p={self.p}"

    def forward(self, maps: Tensor, chance: Chance | None, valid: Tensor | None = None) -> Tensor:
        """Drop values.

        Args:
            maps: (B, T, M); not changed.
            chance: Whose seeds to draw from; not needed in `eval()`.
            valid: (B, T) bool, False on padding; None if there is none.

        Returns:
            (B, T, M); in training, padding is 0.

        Raises:
            ValueError: There is not a seed for each video.
        """
        if not self.training or self.p == 0:
            return maps
        seeds = chance.seeds if chance is not None else ()
        if len(seeds) != len(maps):
            raise ValueError(
                f"dropout needs a seed for each of {len(maps)} videos, but has {len(seeds)}: "
                "pass Chance(seeds=...), or call eval() to drop nothing"
            )
        lengths = [maps.shape[1]] * len(maps) if valid is None else valid.sum(dim=1).tolist()
        kept = torch.zeros(maps.shape, device=maps.device)
        for values, length, seed in zip(kept, lengths, seeds, strict=True):
            values[:length].uniform_(generator=torch.Generator(maps.device).manual_seed(seed))
        kept.ge_(self.p).div_(1 - self.p or 1)  # at 1 nothing is kept, whatever it is divided by
        return (maps * kept).to(maps.dtype)
