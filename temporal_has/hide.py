"""Hide random segments of a video, so that no single moment is enough to tell what happens in it.

Singh & Lee, "Hide-and-Seek", ICCV 2017, section 3.3: the sampled frames are divided into contiguous segments of a fixed
size, and in training each segment is hidden with a probability, anew every time the video is seen. Nothing is hidden at
test time. The image half hides patches with the same verb (`thas.image_has.hide`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor


def segment_size(snippets: int, segments: int) -> int:
    """Snippets in each of `segments` equal parts of a video; the last part is the shorter one where it must be.

    >>> segment_size(2000, 20), segment_size(47, 20)
    (100, 3)
    """
    return max(1, -(-snippets // segments))


def hide_mask(
    shape: tuple[int, int],
    *,
    size: int | Sequence[int] | Tensor,
    probability: float,
    generator: torch.Generator,
    lengths: Sequence[int] | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw which snippets are hidden.

    Args:
        shape: (B, T).
        size: Snippets in a segment. Of several sizes each item draws one, uniformly; a tensor (B,) int64 holds each
            item's own. 0 hides nothing. The grid starts at the first snippet and its last segment is truncated.
        probability: With which each segment is hidden, independently, 0 to 1.
        generator: The only source of randomness; on the CPU, so that a mask does not depend on the device.
        lengths: B numbers of snippets, after which an item is padding: not hidden, and nothing drawn for it. None if
            all have T.
        device: Where the mask is returned.

    Returns:
        (B, T) bool, True where hidden.

    Raises:
        ValueError: A size is negative, there is none, or the probability is no probability.

    >>> hide_mask((1, 5), size=2, probability=1.0, generator=torch.Generator()).tolist()
    [[True, True, True, True, True]]
    """
    items, snippets = shape
    sizes = size if isinstance(size, Tensor) else torch.tensor([size] if isinstance(size, int) else list(size))
    if not len(sizes) or sizes.min() < 0:
        raise ValueError(f"size must be 0 or more snippets, or several such sizes, but is {size!r}")
    if not 0 <= probability <= 1:
        raise ValueError(f"probability must be from 0 to 1, but is {probability!r}")
    if len(sizes) > 1 and sizes is not size:
        sizes = sizes[torch.randint(len(sizes), (items,), generator=generator)]
    ends = torch.full((items, 1), snippets) if lengths is None else torch.tensor(lengths)[:, None]
    sizes, snippet = sizes[:, None], torch.arange(snippets)
    # One number a segment, item after item. Numbers below the probability hide.
    segments = -(-ends // sizes.clamp(min=1))
    hidden = torch.rand(int(segments.sum()), generator=generator) < probability
    segment = segments.cumsum(0) - segments + snippet // sizes.clamp(min=1)
    mask = hidden[segment.clamp(max=len(hidden) - 1)] & (snippet < ends) & (sizes > 0)
    return mask.to(device)


def hide(
    x: Tensor,
    *,
    size: int | Sequence[int],
    probability: float,
    fill: float | Tensor,
    generator: torch.Generator,
) -> Tensor:
    """A copy of `x` with random segments hidden.

    Args:
        x: (B, T, D), the features of B videos; not changed.
        size: Snippets in a segment, or several sizes of which each item draws one; 0 hides nothing.
        probability: With which each segment is hidden.
        fill: What hidden snippets take: a number, or (D,). The paper takes the data set's mean feature, so that the
            network meets the same average in training and at test time.
        generator: The only source of randomness.

    Returns:
        (B, T, D), same dtype and device as `x`.

    >>> x = torch.ones(1, 4, 2)
    >>> hide(x, size=2, probability=1.0, fill=0.5, generator=torch.Generator())[0, :, 0].tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    mask = hide_mask((x.shape[0], x.shape[1]), size=size, probability=probability, generator=generator, device=x.device)
    return torch.where(mask[..., None], torch.as_tensor(fill, dtype=x.dtype, device=x.device), x)


class Hiding(NamedTuple):
    """What to hide in the first layer's maps instead of the features; the image half hides "at conv1" by the same name.

    Attributes:
        mask: (B, T) bool, True where hidden, as `hide_mask` draws it.
        fill: "mean" takes each map's mean over the batch, "zero" takes 0.
        total: Sums a tensor over the processes that share the batch; None where one has it whole.
    """

    mask: Tensor
    fill: Literal["mean", "zero"] = "mean"
    total: Callable[[Tensor], Tensor] | None = None


def hide_maps(maps: Tensor, hiding: Hiding, valid: Tensor | None = None) -> Tensor:
    """A copy of a layer's maps with segments hidden.

    The mean feature is known before training, the mean of maps changes with every step. So hidden snippets take each
    map's mean over the batch, hidden snippets included and padding left out; no gradient flows through it.

    Args:
        maps: (B, T, M); not changed.
        hiding: What and how.
        valid: (B, T) bool, False on padding; None if there is none.

    Returns:
        (B, T, M).

    >>> maps = torch.tensor([[[1.0], [3.0], [8.0]]])
    >>> hide_maps(maps, Hiding(torch.tensor([[True, False, False]])))[0, :, 0].tolist()
    [4.0, 3.0, 8.0]
    """
    fill = maps.new_zeros(())
    if hiding.fill == "mean":
        weight = torch.ones_like(hiding.mask) if valid is None else valid
        sums = (maps.detach().float() * weight[..., None]).sum(dim=(0, 1))
        both = torch.cat([sums, weight.sum().to(sums)[None]])
        both = both if hiding.total is None else hiding.total(both)
        fill = (both[:-1] / both[-1]).to(maps.dtype)
    return torch.where(hiding.mask[..., None], fill, maps)


class HideSegments(torch.nn.Module):
    """`hide` as a module for a pipeline of one's own: hides while training, passes through in `eval()`.

    Args:
        size: Snippets in a segment, or several sizes.
        probability: With which each segment is hidden.
        fill: A number or (D,), best the mean of the training features.
        generator: The source of randomness; a fresh one seeded with 0 if none is given.

    >>> module = HideSegments(size=2, probability=1.0, fill=0.0)
    >>> float(module(torch.ones(1, 4, 2)).sum()), float(module.eval()(torch.ones(1, 4, 2)).sum())
    (0.0, 8.0)
    """

    fill: Tensor

    def __init__(
        self,
        *,
        size: int | Sequence[int],
        probability: float = 0.5,
        fill: float | Tensor = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        self.probability = probability
        self.register_buffer("fill", torch.as_tensor(fill, dtype=torch.float32))
        self.generator = generator or torch.Generator().manual_seed(0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) in, (B, T, D) out."""
        if not self.training:
            return x
        return hide(x, size=self.size, probability=self.probability, fill=self.fill, generator=self.generator)
