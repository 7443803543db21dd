"""C3D (Tran et al., Learning Spatiotemporal Features with 3D Convolutional Networks, ICCV 2015).

The defaults are the paper's network as its Caffe definition computes it. Width, input size and depth are settings, for
small networks of the same kind that train on a laptop.
"""

from __future__ import annotations

from collections import OrderedDict
from math import ceil, floor
from typing import Literal, TypedDict, cast, get_args

import torch
from torch import nn

Layer = Literal["fc7", "fc6"]
Pool5 = Literal["caffe", "port"]


class Architecture(TypedDict):
    """What a network's shape follows from; see `C3D`."""

    width: int
    input_size: int
    clip_frames: int
    depth: int
    fc_width: int
    classes: int
    pool5: Pool5
    motion: bool


# Convolutions of each block and their width as a multiple of the first one's (paper, figure 3).
_BLOCKS: tuple[tuple[tuple[str, int], ...], ...] = (
    (("conv1a", 1),),
    (("conv2a", 2),),
    (("conv3a", 4), ("conv3b", 4)),
    (("conv4a", 8), ("conv4b", 8)),
    (("conv5a", 8), ("conv5b", 8)),
)


class C3D(nn.Module):
    """C3D: blocks of 3x3x3 convolutions with max pooling, then fc6, fc7 and the classifier fc8.

    Args:
        width: Channels of conv1a; the deeper ones have 2, 4, 8 and 8 times as many. 64 in the paper.
        input_size: Height and width of the input in pixels. 112 in the paper.
        clip_frames: Frames of a clip. 16 in the paper.
        depth: Blocks, 1 to 5; 5 are the paper's conv1a to conv5b.
        fc_width: Units of fc6 and of fc7. 4096 in the paper.
        classes: Units of fc8, 487 for Sports-1M; 0 leaves fc8 out.
        pool5: "caffe" rounds the last pooling up, as the original does: its windows start at rows 0, 2, 4, 6 of 7.
            "port" pads by one row and column instead, as the well-known PyTorch ports do: same size, windows that
            start at -1, 1, 3, 5. Take the one that the checkpoint was trained or converted with.
        motion: Whether each clip is seen without its mean picture, so that what does not move in it is not seen.
        layer: What the network gives where there is no fc8.
        generator: Draws the initial weights; None takes torch's global generator.

    Raises:
        ValueError: A setting is out of range, or the pooling leaves nothing of so small an input.

    >>> C3D(width=2, input_size=32, fc_width=8, classes=3).extract(torch.zeros(1, 3, 16, 32, 32)).shape
    torch.Size([1, 8])
    """

    def __init__(
        self,
        *,
        width: int = 64,
        input_size: int = 112,
        clip_frames: int = 16,
        depth: int = 5,
        fc_width: int = 4096,
        classes: int = 487,
        pool5: Pool5 = "caffe",
        motion: bool = False,
        layer: str = "fc7",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        counts = {"width": width, "input_size": input_size, "clip_frames": clip_frames, "fc_width": fc_width}
        for name, value in counts.items():
            if value < 1:
                raise ValueError(f"{name} must be 1 or more, but is {value}")
        if not 1 <= depth <= len(_BLOCKS):
            raise ValueError(f"depth must be 1 to {len(_BLOCKS)}, but is {depth}")
        if classes < 0:
            raise ValueError(f"classes must not be negative, but is {classes}")
        for name, value, known in (("pool5", pool5, get_args(Pool5)), ("layer", layer, get_args(Layer))):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, but is {value!r}")
        self.architecture = Architecture(
            width=width,
            input_size=input_size,
            clip_frames=clip_frames,
            depth=depth,
            fc_width=fc_width,
            classes=classes,
            pool5=pool5,
            motion=motion,
        )
        frames, size, channels = clip_frames, input_size, 3
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for i, block in enumerate(_BLOCKS[:depth], start=1):
            for name, multiple in block:
                layers[name] = nn.Conv3d(channels, multiple * width, 3, padding=1)
                if name != block[-1][0]:
                    layers[name.replace("conv", "relu")] = nn.ReLU(inplace=True)
                channels = multiple * width
            time = 1 if i == 1 else 2
            if pool5 == "port" and i == 5:
                layers["pool5"] = nn.MaxPool3d((time, 2, 2), (time, 2, 2), padding=(0, 1, 1))
                frames, size = frames // time, floor(size / 2) + 1
            else:
                # Caffe rounds every pooling up; at the paper's sizes it shows in pool5 alone.
                up = pool5 == "caffe"
                layers[f"pool{i}"] = nn.MaxPool3d((time, 2, 2), (time, 2, 2), ceil_mode=up)
                rounded = ceil if up else floor
                frames, size = rounded(frames / time), rounded(size / 2)
            # A block's last ReLU comes after its pooling: the maximum of the ReLUs is the ReLU of the maximum, bit for
            # bit, and there are four to eight times fewer numbers to pass over.
            layers[block[-1][0].replace("conv", "relu")] = nn.ReLU(inplace=True)
        if frames < 1 or size < 1:
            raise ValueError(
                f"clips of {clip_frames} frames at {input_size} px are too small for {depth} blocks; lower the depth"
            )
        self.features = nn.Sequential(layers)
        self.fc6 = nn.Linear(channels * frames * size * size, fc_width)
        self.fc7 = nn.Linear(fc_width, fc_width)
        self.fc8 = nn.Linear(fc_width, classes) if classes else None
        self.dropout = nn.Dropout(0.5)  # as in the paper, of fc6 and fc7; `dropout.p` is another's to set
        self.layer: Layer = cast("Layer", layer)
        # He et al. 2015: keeps the scale of activations through the depth, so that random weights give usable numbers.
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @property
    def dimension(self) -> int:
        """Length of a feature vector, fc6 and fc7 alike."""
        return self.fc7.out_features

    def extract(self, clips: torch.Tensor, layer: Layer = "fc7") -> torch.Tensor:
        """Features after the ReLU of fc6 or fc7, not normalised.

        Args:
            clips: (B, 3, clip_frames, input_size, input_size), preprocessed.
            layer: "fc7" or "fc6".

        Returns:
            (B, fc_width)
        """
        if layer not in get_args(Layer):
            raise ValueError(f"layer must be one of {', '.join(get_args(Layer))}, but is {layer!r}")
        expected = (3, self.architecture["clip_frames"], *[self.architecture["input_size"]] * 2)
        if tuple(clips.shape[1:]) != expected:
            raise ValueError(f"clips must be (B, {', '.join(map(str, expected))}), but are {tuple(clips.shape)}")
        if self.architecture["motion"]:
            clips = clips - clips.mean(dim=2, keepdim=True)
        # flatten() of a channels-last tensor still orders by channel, time, row, column, as fc6's weights do.
        x = self.dropout(torch.relu(self.fc6(self.features(clips).flatten(1))))
        return x if layer == "fc6" else self.dropout(torch.relu(self.fc7(x)))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """(B, classes) logits of clips (B, 3, clip_frames, input_size, input_size); a layer where there is no fc8."""
        x = self.extract(clips, self.layer)
        return x if self.fc8 is None else self.fc8(x)
