"""Dropout of single values, the baseline to hiding in both halves."""

from __future__ import annotations

import torch
from torch import Tensor


def dropped(x: Tensor, *, probability: float, generator: torch.Generator) -> Tensor:
    """Dropout of single values, the rest scaled up as dropout does: the paper's baseline to hiding segments and cells.

    Args:
        x: Of any shape; not changed.
        probability: With which each value becomes 0.
        generator: The only source of randomness; on the CPU a draw does not depend on the device of `x`.

    >>> dropped(torch.ones(4), probability=0.0, generator=torch.Generator()).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    if probability >= 1:
        return torch.zeros_like(x)
    kept = torch.rand(x.shape, generator=generator, device=generator.device) >= probability
    return x * kept.to(x.device) / (1 - probability)
