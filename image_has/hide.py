"""Hiding: cells of an image's grid, or of a layer's maps, are replaced while the network learns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_SAME_WIDTH = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def hide_mask(
    shape: tuple[int, int, int],
    *,
    size: int | Sequence[int],
    probability: float,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw which pixels are hidden.

    Args:
        shape: (B, H, W).
        size: Side of a square cell in pixels. Of several sizes each image draws one, uniformly; 0 hides nothing. The
            grid starts at the top left corner; its last row and column of cells are truncated.
        probability: With which each cell is hidden, independently, 0 to 1.
        generator: The only source of randomness, on any device; on the CPU a mask does not depend on the device.
        device: Where the mask is returned.

    Returns:
        (B, H, W) bool, True where hidden.

    Raises:
        ValueError: A size is negative or no whole number, there is none, or the probability is no probability.

    >>> hide_mask((1, 2, 3), size=2, probability=1.0, generator=torch.Generator()).tolist()
    [[[True, True, True], [True, True, True]]]
    """
    sizes = checked_sizes(size)
    if not 0 <= probability <= 1:
        raise ValueError(f"probability must be from 0 to 1, but is {probability!r}")
    images, height, width = shape
    at = generator.device
    drawn = torch.tensor(sizes, device=at)
    if len(sizes) > 1:
        drawn = drawn[torch.randint(len(sizes), (images,), generator=generator, device=at)]
    drawn = drawn.expand(images)[:, None]
    # One number a cell of the finest grid, whatever the image drew, so that one image's size never shifts the next
    # image's numbers; a coarser grid uses the first of its row. Numbers below the probability hide.
    finest = min((s for s in sizes if s > 0), default=max(height, width, 1))
    rows, columns = -(-height // finest), -(-width // finest)
    hidden = torch.rand(images, rows, columns, generator=generator, device=at) < probability
    # Only the few cells travel to another device; they become pixels there.
    hidden, drawn = hidden.to(device, non_blocking=True), drawn.to(device, non_blocking=True)
    hidden &= drawn[..., None] > 0
    row_of_pixel = torch.arange(height, device=device) // drawn.clamp(min=finest)
    column_of_pixel = torch.arange(width, device=device) // drawn.clamp(min=finest)
    stripes = hidden.gather(1, row_of_pixel[:, :, None].expand(-1, -1, columns))
    return stripes.gather(2, column_of_pixel[:, None, :].expand(-1, height, -1))


def hide(
    x: Tensor,
    *,
    size: int | Sequence[int],
    probability: float,
    fill: float | Tensor,
    generator: torch.Generator,
) -> Tensor:
    """A copy of `x` with random square cells hidden (Hide-and-Seek, section 3.1).

    Args:
        x: (B, M, H, W), images or a layer's maps; not changed. A cell is hidden in all M channels together.
        size: Side of a cell in pixels of `x`, or several sizes of which each image draws one; 0 hides nothing.
        probability: With which each cell is hidden.
        fill: What hidden pixels take: a number, or (M,) one a channel. The paper takes the data set's mean colour,
            which is 0 where images are normalised by it, so that the average the network meets stays the same.
        generator: The only source of randomness.

    Returns:
        (B, M, H, W), same dtype, device and memory format as `x`; visible pixels are bit-equal, and not rescaled.

    >>> x = torch.ones(1, 3, 4, 4)
    >>> hide(x, size=2, probability=1.0, fill=0.5, generator=torch.Generator()).unique().tolist()
    [0.5]
    """
    if x.ndim != 4:
        raise ValueError(f"x must be (B, M, H, W), but its shape is {tuple(x.shape)}")
    mask = hide_mask(
        (x.shape[0], x.shape[2], x.shape[3]), size=size, probability=probability, generator=generator, device=x.device
    )
    return filled(x, mask, fill=fill)


def filled(x: Tensor, mask: Tensor, *, fill: float | Tensor) -> Tensor:
    """A copy of `x` that takes `fill` where the mask is True, whatever stood there (NaN and infinity too).

    Args:
        x: (B, M, H, W).
        mask: (B, H, W) bool, on the device of `x`.
        fill: A number, or (M,).

    Returns:
        (B, M, H, W).

    >>> filled(torch.full((1, 1, 1, 2), torch.inf), torch.tensor([[[True, False]]]), fill=0.0).tolist()
    [[[[0.0, inf]]]]
    """
    value = torch.as_tensor(fill, dtype=x.dtype, device=x.device)
    if value.ndim > 1 or (value.ndim == 1 and len(value) not in (1, x.shape[1])):
        raise ValueError(
            f"fill must be a number or one a channel ({x.shape[1]}), but its shape is {tuple(value.shape)}"
        )
    value = value.reshape(1, -1, 1, 1)
    mask = mask[:, None]
    differentiable = torch.is_grad_enabled() and (x.requires_grad or value.requires_grad)
    if differentiable or x.device.type != "cpu" or not (x.is_floating_point() or x.dtype in _SAME_WIDTH.values()):
        return torch.where(mask, value, x)
    # On the CPU a select is slower than arithmetic, and arithmetic on the numbers would not keep them bit-equal; so
    # select by their bits: (x ^ fill) & 0 ^ fill is the fill, with all ones it is x. An image at a time stays in cache.
    kind = _SAME_WIDTH[x.element_size()]
    result = torch.empty_like(x)
    theirs, ours, bits = x.view(kind), result.view(kind), value.view(kind)
    colours_last = not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)
    if colours_last:  # the channels of a pixel lie together: rows of width x channels numbers
        theirs, ours = (one.permute(0, 2, 3, 1).flatten(2) for one in (theirs, ours))
        bits = bits.flatten().expand(x.shape[1]).repeat(x.shape[3])
    else:
        bits = bits[0]
    for i in range(len(x)):
        kept = mask[i, 0].to(kind) - 1
        if colours_last:
            kept = kept[:, :, None].expand(-1, -1, x.shape[1]).flatten(1)
        torch.bitwise_xor(theirs[i], bits, out=ours[i]).bitwise_and_(kept).bitwise_xor_(bits)
    return result


def checked_sizes(size: int | Sequence[int]) -> tuple[int, ...]:
    """The sizes as a tuple.

    >>> checked_sizes(16), checked_sizes([0, 16])
    ((16,), (0, 16))
    """
    given: list[object] = list(size) if isinstance(size, Sequence) else [size]
    sizes = tuple(one for one in given if isinstance(one, int) and not isinstance(one, bool) and one >= 0)
    if not given or len(sizes) < len(given):
        raise ValueError(f"size must be 0 or more pixels, or several such sizes, but is {size!r}")
    return sizes
