"""The attention head: what today's users would choose, with hiding as a setting like on any other.

Its parts, each with the paper it comes from:

- an embedding over a few snippets and the mean of each class's top activations (Paul et al., "W-TALC", ECCV 2018)
- class-agnostic attention, which says how much a moment belongs to any action (Nguyen et al., "STPN", CVPR 2018)
- a background class that every video has, and that attention must suppress (Lee et al., "BaS-Net", AAAI 2020)
- hiding, in training, from Hide-and-Seek

The sequence is smoothed over some snippets *before* the top is taken, so that what counts in training is activation
that lasts, not a spike of one snippet. That part is ours.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .hide import hide_maps
from .losses import video_loss
from .network import Head, NetworkOutput, over_time
from .seeded_dropout import Chance, Dropout


def smooth(x: Tensor, valid: Tensor, *, size: int) -> Tensor:
    """Average over neighbouring snippets with triangular weights; at the ends, over those there are.

    Args:
        x: (B, T, C).
        valid: (B, T) bool, False on padding.
        size: Snippets, odd; 1 changes nothing.

    Returns:
        (B, T, C); on padding, whatever it may be.

    >>> one = torch.tensor([[[0.0], [0.0], [4.0], [0.0]]])
    >>> smooth(one, torch.ones(1, 4, dtype=torch.bool), size=3).flatten().tolist()
    [0.0, 1.0, 2.0, 1.3333333730697632]
    """
    if size == 1:
        return x
    half = size // 2
    weights = torch.arange(1, size + 1, dtype=x.dtype, device=x.device)
    weights = torch.minimum(weights, weights.flip(0)).view(1, 1, size)

    def summed(values: Tensor) -> Tensor:
        channels = values.shape[1]
        return functional.conv1d(values, weights.expand(channels, 1, size), padding=half, groups=channels)

    there = valid[:, None].to(x.dtype)
    return (summed(x.transpose(1, 2) * there) / summed(there).clamp(min=1)).transpose(1, 2)


def top_mean(x: Tensor, valid: Tensor, *, share: float) -> Tensor:
    """The mean of each class's highest activations, over a share of the video's snippets, at least one.

    Args:
        x: (B, T, C).
        valid: (B, T) bool, False on padding.
        share: Above 0, to 1; 1 takes the mean over all.

    Returns:
        (B, C).

    >>> x = torch.tensor([[[1.0], [4.0], [2.0], [9.0]]])
    >>> top_mean(x, torch.tensor([[True, True, True, False]]), share=0.5).item()
    3.0
    """
    count = (valid.sum(dim=1).float() * share - 1e-6).ceil().clamp(min=1)
    # An exported network cannot have a shape that follows from numbers: there all are sorted, and the rest left out.
    highest = x.shape[1] if torch.compiler.is_exporting() else int(count.max())
    top = x.masked_fill(~valid[..., None], -torch.inf).topk(highest, dim=1).values
    counted = torch.arange(highest, device=x.device)[None] < count[:, None]
    return top.masked_fill(~counted[..., None], 0).sum(dim=1) / count[:, None]


class AttentionNetwork(Head):
    """Embedding, class-agnostic attention, smoothed sequence, mean of the top activations.

    Args:
        features: D, the width of a feature.
        classes: C.
        channels: M, kernels of the embedding.
        kernel_size: Of the embedding, in snippets, odd.
        dropout: Probability of dropping a map's value, in training.
        top: Share of the video's snippets that stand for it.
        smoothing: Snippets over which the sequence is smoothed, odd; 1 smooths nothing.
        background: Whether there is a background class: every video has it, and what attention lets through has it not.
        attention: Whether there is attention; without, each class's activation stands for itself.

    Raises:
        ValueError: A size is even, or there is a background class without attention that could suppress it.
    """

    def __init__(
        self,
        features: int,
        classes: int,
        *,
        channels: int = 256,
        kernel_size: int = 3,
        dropout: float = 0.7,
        top: float = 0.25,
        smoothing: int = 3,
        background: bool = False,
        attention: bool = True,
    ) -> None:
        super().__init__()
        for name, size in {"kernel_size": kernel_size, "smoothing": smoothing}.items():
            if size % 2 == 0:
                raise ValueError(f"{name} must be odd, so that a snippet is at its centre, but is {size}")
        self.classes, self.top, self.smoothing = classes, top, smoothing
        self.background = background
        self.embedding = nn.Conv1d(features, channels, kernel_size, padding=kernel_size // 2)
        if background and not attention:
            raise ValueError("a background class needs attention, which suppresses it")
        self.attention = nn.Linear(channels, 1) if attention else None
        self.classifier = nn.Linear(channels, classes + background)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, valid: Tensor | None = None, chance: Chance | None = None) -> NetworkOutput:
        """(B, T, D) features, (B, T) bool valid or None, what chance decides in training -> NetworkOutput."""
        if valid is None:
            valid = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        maps = torch.relu(over_time(self.embedding, x, valid))
        if chance is not None and chance.hiding is not None:
            maps = hide_maps(maps, chance.hiding, valid)
        maps = self.dropout(maps, chance, valid)
        attention = None if self.attention is None else torch.sigmoid(self.attention(maps).float())
        # In 32 bits, also where the rest is in 16: what is added up here decides the loss.
        everything = smooth(self.classifier(maps).float(), valid, size=self.smoothing)
        attended = everything if attention is None else attention * everything
        sequence = attended[..., : self.classes]
        background = None
        if self.background:
            background = torch.stack(
                [top_mean(one[..., self.classes :], valid, share=self.top)[:, 0] for one in (everything, attended)], 1
            )
        return NetworkOutput(
            video_logits=top_mean(sequence, valid, share=self.top),
            maps=maps,
            sequence=sequence,
            attention=None if attention is None else attention[..., 0],
            background=background,
        )

    def losses(self, output: NetworkOutput, labels: Tensor, *, loss: str) -> Tensor:
        """(B,) the loss of each video from its labels (B, C) alone."""
        losses = video_loss(output.video_logits, labels, loss=loss)
        if output.background is None:
            return losses
        # Everywhere there is background; none of it where attention looks.
        wanted = torch.tensor([1.0, 0.0], device=labels.device).expand_as(output.background)
        both = functional.binary_cross_entropy_with_logits(output.background, wanted, reduction="none")
        return losses + both.mean(dim=1)
