"""The paper's temporal network: features in, video-level logits and a class activation sequence out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional

from .activation import activation_map
from .hide import hide_maps
from .losses import video_loss
from .seeded_dropout import Chance, Dropout

Pooling = Literal["max", "mean"]


class NetworkOutput(NamedTuple):
    """What a temporal network says about B videos.

    Attributes:
        video_logits: (B, C), one a class for the whole video.
        maps: (B, T, M), the last layer's maps, before pooling over time.
        sequence: (B, T, C), the class activation sequence.
        attention: (B, T), 0 to 1, how much each snippet belongs to any action; None if the head has none.
        background: (B, 2), the background class's video logits, of all snippets and of what attention lets through;
            None if the head has none.
        members: What each of several networks said, of which the rest is the mean; empty of a single one.
    """

    video_logits: Tensor
    maps: Tensor
    sequence: Tensor
    attention: Tensor | None = None
    background: Tensor | None = None
    members: tuple[NetworkOutput, ...] = ()


class Head(nn.Module):
    """What training and localization need of a network. Another head is a subclass with a `forward`.

    `forward(x (B, T, D), valid (B, T) bool or None, chance or None) -> NetworkOutput`. In training `chance` says what
    to hide in the first layer's maps and which seeds to draw from, as `Dropout` does; a head need not heed it.
    """

    def losses(self, output: NetworkOutput, labels: Tensor, *, loss: str) -> Tensor:
        """The loss of each video.

        Args:
            output: What the head said.
            labels: (B, C), 1 where a video has a class; all that training ever sees of the truth.
            loss: `softmax` or `sigmoid`, as in `video_loss`.

        Returns:
            (B,).
        """
        return video_loss(output.video_logits, labels, loss=loss)


@runtime_checkable
class SingleSnippets(Protocol):
    """What a head may have besides: it answers without computing what is hidden, as `HasNetwork` does."""

    @property
    def sees_single_snippets(self) -> bool:
        """Whether no snippet's maps depend on its neighbours, nor on chance."""
        ...

    def video_logits_of_visible(self, visible: Sequence[Tensor], hidden: Sequence[int], fill: Tensor) -> Tensor:
        """B videos' visible snippets (V_i, D), how many are hidden, and what these hold (D,) -> (B, C) logits."""
        ...


def over_time(convolution: nn.Conv1d, x: Tensor, valid: Tensor | None = None) -> Tensor:
    """Convolve over time, padding taken for zeros as the convolution's own is.

    The numbers are the module's but for rounding. It turns the axes round, which with wide features costs half a
    gigabyte and more; a matrix product for each snippet under the kernel takes them as they are, in less time on a CPU.

    Args:
        convolution: Of an odd size, M kernels, padded by half its size.
        x: (..., D) of single snippets for size 1, else (B, T, D).
        valid: (B, T) bool, False on padding; None if there is none.

    Returns:
        (..., M) or (B, T, M).
    """
    (size,) = convolution.kernel_size
    if size == 1:
        return functional.linear(x, convolution.weight[:, :, 0], convolution.bias)
    half = size // 2
    padded = functional.pad(x, (0, 0, half, half))
    if valid is not None:
        padded.masked_fill_(~functional.pad(valid, (half, half))[..., None], 0)
    # All videos in one row: where a kernel lies across two of them, its answer is cut off.
    row, maps = padded.flatten(0, 1), convolution.bias
    assert maps is not None
    count = row.shape[0] - size + 1  # not len(), which an export would take for a constant
    for i, weight in enumerate(convolution.weight.unbind(2)):
        maps = torch.addmm(maps, row[i : i + count], weight.t())
    return functional.pad(maps, (0, 0, 0, size - 1)).unflatten(0, padded.shape[:2])[:, : x.shape[1]]


def pool(maps: Tensor, valid: Tensor | None, *, pooling: Pooling) -> Tensor:
    """Pool maps over time, leaving padding out.

    Args:
        maps: (B, T, M).
        valid: (B, T) bool, False on padding; None if there is none.
        pooling: The largest value or the mean of each map.

    Returns:
        (B, M).

    >>> maps = torch.tensor([[[1.0], [3.0], [9.0]]])
    >>> pool(maps, torch.tensor([[True, True, False]]), pooling="max").item()
    3.0
    """
    if valid is None:
        valid = torch.ones(maps.shape[:2], dtype=torch.bool, device=maps.device)
    if pooling == "max":
        return maps.masked_fill(~valid[..., None], -torch.inf).amax(dim=1)
    return (maps * valid[..., None]).sum(dim=1) / valid.sum(dim=1, keepdim=True)


class HasNetwork(Head):
    """Convolutions over time, global pooling, one linear classifier (Hide-and-Seek, section 4.4).

    As the paper has it: two layers of 500 kernels of size 1 with ReLU, and global *max* pooling. Because the pooling
    keeps only each map's best moment, such a network is content with one telling moment a class, unless that moment is
    hidden from time to time.

    Args:
        features: D, the width of a feature.
        classes: C.
        channels: M, kernels in each layer.
        layers: Number of convolutions.
        kernel_size: In snippets, odd.
        pooling: Over time.
        dropout: Probability of dropping a map's value, in training.
    """

    def __init__(
        self,
        features: int,
        classes: int,
        *,
        channels: int = 500,
        layers: int = 2,
        kernel_size: int = 1,
        pooling: Pooling = "max",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, so that a snippet is at its centre, but is {kernel_size}")
        self.pooling: Pooling = pooling
        widths = [features] + [channels] * layers
        self.convolutions = nn.ModuleList(
            nn.Conv1d(n_in, n_out, kernel_size, padding=kernel_size // 2) for n_in, n_out in pairwise(widths)
        )
        self.dropout = Dropout(dropout)
        self.classifier = nn.Linear(widths[-1], classes)

    @property
    def sees_single_snippets(self) -> bool:
        """Whether no snippet's maps depend on its neighbours, nor on chance."""
        return all(c.kernel_size == (1,) for c in self.convolutions) and (self.dropout.p == 0 or not self.training)

    def _maps(self, x: Tensor, valid: Tensor | None = None, chance: Chance | None = None) -> Tensor:
        maps = x
        for layer, convolution in enumerate(self.convolutions):
            assert isinstance(convolution, nn.Conv1d)
            maps = torch.relu(over_time(convolution, maps, valid))
            if layer == 0 and chance is not None and chance.hiding is not None:
                maps = hide_maps(maps, chance.hiding, valid)
        return self.dropout(maps, chance, valid)

    def video_logits_of_visible(self, visible: Sequence[Tensor], hidden: Sequence[int], fill: Tensor) -> Tensor:
        """Video-level logits without computing what is hidden.

        Hidden snippets are all equal, so a network of single snippets need see but one of them. The result is that of
        `forward` on the filled-in sequences, but for the order of additions.

        Args:
            visible: B tensors (V_i, D), the snippets of each video that are not hidden; V_i may be 0.
            hidden: B numbers, how many snippets of each video are hidden.
            fill: (D,), what hidden snippets hold.

        Returns:
            (B, C).

        Raises:
            ValueError: The network's kernels reach beyond a snippet, or it drops maps at random.
        """
        if not self.sees_single_snippets:
            raise ValueError("only a network of size-1 kernels without dropout sees each snippet by itself")
        *maps, fill_map = self._maps(torch.cat([*visible, fill[None]])).split([len(v) for v in visible] + [1])
        pooled = []
        for one, count in zip(maps, hidden, strict=True):
            if self.pooling == "mean":
                pooled.append((one.sum(dim=0) + count * fill_map[0]) / (len(one) + count))
            elif len(one) == 0:
                pooled.append(fill_map[0])
            else:
                top = one.amax(dim=0)
                pooled.append(torch.maximum(top, fill_map[0]) if count else top)
        return self.classifier(torch.stack(pooled))

    def forward(self, x: Tensor, valid: Tensor | None = None, chance: Chance | None = None) -> NetworkOutput:
        """(B, T, D) features, (B, T) bool valid or None, what chance decides in training -> NetworkOutput."""
        maps = self._maps(x, valid, chance)
        video_logits = self.classifier(pool(maps, valid, pooling=self.pooling))
        return NetworkOutput(video_logits, maps, activation_map(maps, self.classifier.weight))
