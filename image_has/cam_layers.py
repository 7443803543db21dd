"""Where a classifier keeps its class activation maps: the layer that is pooled, and the linear layer behind it.

Found by looking, not by name: whatever a model is called, its maps localize exactly when its logits follow from their
mean (or maximum) over the image by one linear layer (Zhou et al., CVPR 2016).
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from .network import Pooling, channels_first, pool

_SAME = 1e-4  # of the largest value: rounding of other kernels


class CamLayers(NamedTuple):
    """Names of layers, as `OwnNetwork` takes them.

    Attributes:
        features: The layer whose output is pooled.
        classifier: The linear layer, or 1x1 convolution.
        pooling: How the output is pooled.
    """

    features: str
    classifier: str
    pooling: Pooling


class _Call(NamedTuple):
    name: str
    module: nn.Module
    given: Tensor | None
    result: Tensor


def find_cam_layers(model: nn.Module, *, side: int = 160, subject: str = "the model") -> CamLayers:
    """The layers of a classifier whose class activation maps are exact.

    Args:
        model: (B, 3, H, W) images -> (B, C) logits. Run once, in evaluation mode, on noise.
        side: Of that noise, in pixels: large enough that the last maps have more than one cell.
        subject: What the model is called in an error.

    Raises:
        UsageError: The logits do not follow from maps by pooling and one linear layer; the reason is given.

    >>> from torch.nn import AdaptiveAvgPool2d, Conv2d, Flatten, Linear, ReLU, Sequential
    >>> find_cam_layers(Sequential(Conv2d(3, 8, 3), ReLU(), AdaptiveAvgPool2d(1), Flatten(), Linear(8, 5)), side=8)
    CamLayers(features='1', classifier='4', pooling='average')
    """
    calls, logits = _watched(model, side)
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        what = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise _refused(subject, f"it gives {what}, not one number for each class")
    head = next((one for one in reversed(calls) if _is_linear(one.module) and _same(one.result, logits)), None)
    if head is None or head.given is None:
        last = next((one for one in reversed(calls) if _same(one.result, logits) and one.name), None)
        by = f"its logits come from {last.name} ({type(last.module).__name__})" if last else "its logits are computed"
        raise _refused(subject, f"{by}, not straight from one linear layer")
    vector = head.given.flatten(1)
    for one in reversed(calls):
        maps = channels_first(one.result, vector.shape[1]) if one.result.ndim == 4 else one.result
        if maps.ndim == 4 and maps.shape[1] == vector.shape[1] and maps.shape[2] * maps.shape[3] > 1:
            for pooling in ("average", "max"):
                if _same(pool(maps, pooling=pooling), vector):
                    return CamLayers(one.name, head.name, pooling)
    passing = (nn.Dropout, nn.Identity, nn.Flatten)
    makers = [one for one in calls if _same(one.result, vector) and one.name and not isinstance(one.module, passing)]
    by = f"the output of {makers[0].name} ({type(makers[0].module).__name__})" if makers else "something computed"
    raise _refused(subject, f"its linear layer {head.name} is given {by}, which is not the mean of any layer's maps")


def _refused(subject: str, why: str) -> UsageError:
    return UsageError(
        f"{subject} has no exact class activation maps",
        why=why,
        next="a network that ends in average pooling and one linear layer: resnet, efficientnet, mobilenetv2, regnet",
        subject=subject,
    )


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1))


def _same(a: Tensor, b: Tensor) -> bool:
    a, b = (a.flatten(1), b.flatten(1)) if a.ndim > 1 and b.ndim > 1 else (a, b)
    return a.shape == b.shape and bool((a - b).abs().max() <= _SAME * b.abs().max().clamp(min=1e-12))


@torch.no_grad()
def _watched(model: nn.Module, side: int) -> tuple[list[_Call], object]:
    """What every layer was given and gave, in the order in which they finished; and the model's answer."""
    calls: list[_Call] = []

    def keep(name: str):
        def hook(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
            if isinstance(output, Tensor) and output.ndim > 1:
                first = inputs[0] if inputs else None
                calls.append(_Call(name, module, first if isinstance(first, Tensor) else None, output))

        return hook

    was_training = model.training
    noise = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with ExitStack() as stack:
        for name, module in model.named_modules():
            stack.callback(module.register_forward_hook(keep(name)).remove)
        answer = model.eval()(noise)
    model.train(was_training)
    return calls, answer
