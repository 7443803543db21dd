"""I3D (Carreira & Zisserman, Quo Vadis, Action Recognition?, CVPR 2017): Inception-v1 inflated to three dimensions.

As DeepMind's TensorFlow program computes it: padding is TensorFlow's SAME, which puts the larger part after where it is
uneven, and batch normalization has an epsilon of 1e-3. Layers are named as in the usual PyTorch checkpoints, so that
those load as they are; `i3d_state` renames what other files hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

_Three = tuple[int, int, int]

# Output channels of each Inception block's branches: 1x1; 1x1 then 3x3; again; pooling then 1x1 (the paper's figure 3).
_MIXED: dict[str, tuple[int, int, int, int, int, int]] = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
# Pooling between the blocks: kernel and stride, before the block of this name.
_POOLS: dict[str, tuple[_Three, _Three]] = {
    "Conv3d_2b_1x1": ((1, 3, 3), (1, 2, 2)),
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}
# The last layer's average covers two steps of time, each of which stands for eight frames.
SHORTEST_CLIP = 9


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """What TensorFlow's SAME adds before and after an axis, so that the output has ceil(size / stride) positions.

    >>> same_padding(224, 7, 2), same_padding(7, 3, 2), same_padding(8, 1, 1)
    ((2, 3), (1, 1), (0, 0))
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _padded(x: torch.Tensor, kernel: _Three, stride: _Three) -> tuple[torch.Tensor, _Three]:
    """The input, padded by hand where the two sides differ, and what is left for the operation itself to pad."""
    sides = [same_padding(size, k, s) for size, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    if all(before == after for before, after in sides):
        return x, (sides[0][0], sides[1][0], sides[2][0])
    return F.pad(x, [side for pair in reversed(sides) for side in pair]), (0, 0, 0)


def _quick(x: torch.Tensor) -> bool:
    """Whether to compute as is quickest on a processor, to the same values.

    Not where something is learned, nor where the network is compiled or exported: compilers do not follow it.
    """
    return x.device.type == "cpu" and not torch.is_grad_enabled() and not torch.compiler.is_compiling()


def _max_pool(x: torch.Tensor, kernel: _Three, stride: _Three) -> torch.Tensor:
    # Everything pooled here comes out of a ReLU, so zeros pad as well as minus infinity would.
    if _quick(x):
        for axis in range(3):
            x = _pooled_along(x, axis + 2, kernel[axis], stride[axis])
        return x
    x, padding = _padded(x, kernel, stride)
    return F.max_pool3d(x, kernel, stride, padding)


def _pooled_along(x: torch.Tensor, axis: int, kernel: int, stride: int) -> torch.Tensor:
    """The maximum over windows of one axis: axis by axis, the 27 values of a cube take 6 comparisons of whole rows."""
    if kernel == stride == 1:
        return x
    size, before = x.shape[axis], same_padding(x.shape[axis], kernel, stride)[0]
    count = -(-size // stride)
    layout = torch.channels_last_3d
    layout = layout if x.is_contiguous(memory_format=layout) else torch.contiguous_format
    steps = [slice(None)] * axis
    # Window i covers the places i * stride + shift; shift 0 lies inside for all windows, the others not at the borders.
    pooled = x[(*steps, slice(None, None, stride))].clone(memory_format=layout)
    for shift in range(-before, kernel - before):
        first, end = max(0, -(shift // stride)), min(count, (size - 1 - shift) // stride + 1)
        if shift and first < end:
            part = pooled.narrow(axis, first, end - first)
            place = first * stride + shift
            torch.maximum(part, x[(*steps, slice(place, place + (end - first - 1) * stride + 1, stride))], out=part)
    return pooled


def _convolved(x: torch.Tensor, layer: nn.Conv3d, stride: _Three, padding: _Three) -> torch.Tensor:
    if _quick(x) and x.dtype == torch.float32 and torch.backends.mkldnn.is_available():
        # Asked for by name: on one thread torch gives kernels of 1x1x1 to a loop of its own that takes longer.
        return torch.mkldnn_convolution(x, layer.weight, layer.bias, padding, stride, (1, 1, 1), 1)
    return F.conv3d(x, layer.weight, layer.bias, stride, padding)


class Unit3D(nn.Module):
    """Convolution, batch normalization and ReLU; or, as the classifier, a convolution with a bias alone."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, plain: bool = False) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=plain)
        self.bn = None if plain else nn.BatchNorm3d(outputs, eps=1e-3)
        self._plain = plain
        self._kernel, self._stride = (kernel, kernel, kernel), (stride, stride, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) to (B, outputs, T', H', W')."""
        x, padding = _padded(x, self._kernel, self._stride)
        x = _convolved(x, self.conv3d, self._stride, padding)
        if self._plain:
            return x
        return F.relu_(x if self.bn is None else self.bn(x))

    def fold(self) -> None:
        """Put the normalization into the convolution, for good: a twelfth of the time less, to the same values."""
        if self.bn is not None:
            self.conv3d, self.bn = fuse_conv_bn_eval(self.conv3d, self.bn), None


class InceptionBlock(nn.Module):
    """Four branches of the same input, side by side: 1x1x1; 3x3x3 twice, of different widths; pooling."""

    def __init__(self, inputs: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.b0 = Unit3D(inputs, widths[0], 1)
        self.b1a, self.b1b = Unit3D(inputs, widths[1], 1), Unit3D(widths[1], widths[2], 3)
        self.b2a, self.b2b = Unit3D(inputs, widths[3], 1), Unit3D(widths[3], widths[4], 3)
        self.b3b = Unit3D(inputs, widths[5], 1)
        self.outputs = widths[0] + widths[2] + widths[4] + widths[5]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) to (B, outputs, T, H, W)."""
        pooled = _max_pool(x, (3, 3, 3), (1, 1, 1))
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], dim=1)


class I3D(nn.Module):
    """I3D: clips (B, channels, T, H, W) in [-1, 1] to features (B, 1024), or to logits.

    Args:
        channels: 3 for RGB, 2 for optical flow.
        classes: Units of the classifier, 400 for Kinetics-400; 0 leaves it out.
        width: Channels of the first convolution, 64 in the paper; the others in proportion.

    >>> I3D(width=4, classes=5).eval()(torch.zeros(1, 3, 16, 64, 64)).shape
    torch.Size([1, 64])
    """

    def __init__(self, *, channels: int = 3, classes: int = 0, width: int = 64) -> None:
        super().__init__()

        def scaled(count: int) -> int:
            return max(1, count * width // 64)

        self.Conv3d_1a_7x7 = Unit3D(channels, scaled(64), 7, 2)
        self.Conv3d_2b_1x1 = Unit3D(scaled(64), scaled(64), 1)
        self.Conv3d_2c_3x3 = Unit3D(scaled(64), scaled(192), 3)
        inputs = scaled(192)
        for name, widths in _MIXED.items():
            block = InceptionBlock(inputs, tuple(scaled(count) for count in widths))
            self.add_module(name, block)
            inputs = block.outputs
        self.dimension = inputs
        if classes:
            self.logits = Unit3D(inputs, classes, 1, plain=True)

    def _pooled(self, clips: torch.Tensor) -> torch.Tensor:
        """(B, D, T', H', W') averages, each over two steps of time and 7x7 places."""
        x = clips
        for name, layer in self.named_children():
            if name == "logits":
                break
            if name in _POOLS:
                x = _max_pool(x, *_POOLS[name])
            x = layer(x)
        if x.shape[2] < 2:
            raise ValueError(f"I3D needs {SHORTEST_CLIP} frames or more, but was given {clips.shape[2]}")
        # In single precision, since processors average nothing else.
        return F.avg_pool3d(x.float(), (2, min(7, x.shape[3]), min(7, x.shape[4])), 1).to(x.dtype)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """(B, D) features of clips (B, channels, T, H, W): what the classifier sees, averaged over time and place."""
        return self._pooled(clips).mean(dim=(2, 3, 4))


class TwoStreamI3D(nn.Module):
    """RGB and flow, each through an I3D of its own: (B, 5, T, H, W) to (B, 2048), RGB first."""

    def __init__(self) -> None:
        super().__init__()
        self.rgb, self.flow = I3D(), I3D(channels=2)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """(B, 2 D) features of clips (B, 5, T, H, W): colours, then flow."""
        return torch.cat([self.rgb(clips[:, :3]), self.flow(clips[:, 3:])], dim=1)


# A branch's unit in DeepMind's names, and in those of the PyTorch checkpoints.
_BRANCHES = {
    "Branch_0/Conv3d_0a_1x1": "b0",
    "Branch_1/Conv3d_0a_1x1": "b1a",
    "Branch_1/Conv3d_0b_3x3": "b1b",
    "Branch_2/Conv3d_0a_1x1": "b2a",
    "Branch_2/Conv3d_0b_3x3": "b2b",
    "Branch_3/Conv3d_0b_1x1": "b3b",
}
_PARTS = {
    "Conv_0.kernel": "conv3d.weight",
    "Conv_0.bias": "conv3d.bias",
    "BatchNorm_0.bias": "bn.bias",
    "BatchNorm_0.mean": "bn.running_mean",
    "BatchNorm_0.var": "bn.running_var",
}
_FLAX = re.compile(r"^(?:params|batch_stats)\.(.+)\.((?:Conv|BatchNorm)_0\.\w+)$")


def i3d_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights in this module's names, from a file of either kind; what is neither stays as it is, to be told.

    Known are the PyTorch checkpoints (`rgb_imagenet.pt`, `flow_imagenet.pt`) and Flax's tree with DeepMind's names:
    kernels (t, h, w, in, out), statistics (1, 1, 1, 1, C), no scales.
    """
    found: dict[str, torch.Tensor] = {}
    for key, value in state.items():
        match = _FLAX.match(key)
        if not match or match.group(2) not in _PARTS:
            found[key] = value
            continue
        place, part = match.groups()
        block, _, rest = place.partition(".")
        unit = {"Logits/Conv3d_0c_1x1": "logits"}.get(place, f"{block}.{_BRANCHES.get(rest, rest)}".rstrip("."))
        if part == "Conv_0.kernel":
            value = value.permute(4, 3, 0, 1, 2)
        elif part.startswith("BatchNorm"):
            value = value.reshape(-1)
            found.setdefault(f"{unit}.bn.weight", torch.ones_like(value))
        found[f"{unit}.{_PARTS[part]}"] = value
    return found
