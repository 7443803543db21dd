"""The convolutions of each network, up to the maps that are pooled over the whole image.

Each function returns a `nn.Sequential` whose first block is named `conv1` (the maps that the paper hides "at conv1"),
together with the number of its last maps. Sizes in the comments are for 224 x 224 pixels.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor, nn


def _block(
    n_in: int, n_out: int, kernel: int, *, stride: int = 1, padding: int = 0, norm: bool = True
) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=padding, bias=not norm)
    if norm:
        layers["bn"] = nn.BatchNorm2d(n_out)
    layers["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


def alexnet(*, batch_norm: bool = True, width: float = 1.0, stride: int = 4) -> tuple[nn.Sequential, int]:
    """The deeper AlexNet-GAP of Zhou et al. (CVPR 2016), as Hide-and-Seek uses it: 11 x 11 maps.

    Without groups; with batch normalisation, as the authors' code is said to have it. The original crops 227 pixels
    without padding; a padding of 2 gives the same 55 x 55 from the paper's 224.

    Args:
        batch_norm: After each convolution.
        width: Times the number of kernels.
        stride: Of the first convolution; 2 gives images of half the side maps of about the same size.
    """
    n = [max(8, round(width * kernels / 8) * 8) for kernels in (96, 256, 384, 384, 384, 512, 512)]
    layers = OrderedDict[str, nn.Module](
        conv1=_block(3, n[0], 11, stride=stride, padding=2, norm=batch_norm),  # 55 x 55
        pool1=nn.MaxPool2d(3, 2),  # 27 x 27
        conv2=_block(n[0], n[1], 5, padding=2, norm=batch_norm),
        pool2=nn.MaxPool2d(3, 2),  # 13 x 13
        conv3=_block(n[1], n[2], 3, padding=1, norm=batch_norm),
        conv4=_block(n[2], n[3], 3, padding=1, norm=batch_norm),
        conv5=_block(n[3], n[4], 3, padding=1, norm=batch_norm),
        pool5=nn.MaxPool2d(3, 1),  # 11 x 11
        conv6=_block(n[4], n[5], 3, padding=1, norm=batch_norm),
        conv7=_block(n[5], n[6], 3, padding=1, norm=batch_norm),
    )
    return nn.Sequential(layers), n[6]


class Inception(nn.Module):
    """Four branches side by side (Szegedy et al., CVPR 2015); submodules are named as torchvision's.

    Args:
        n_in: Channels in.
        n1: Kernels of the 1x1 branch.
        n3: (reducing, 3x3).
        n5: (reducing, 5x5).
        pool: Kernels after the pooling.
        norm: Batch normalisation.
        kernel5: 5 in the paper; torchvision's weights are for 3.
    """

    def __init__(
        self, n_in: int, n1: int, n3: tuple[int, int], n5: tuple[int, int], pool: int, *, norm: bool, kernel5: int
    ) -> None:
        super().__init__()
        self.branch1 = _block(n_in, n1, 1, norm=norm)
        self.branch2 = nn.Sequential(_block(n_in, n3[0], 1, norm=norm), _block(n3[0], n3[1], 3, padding=1, norm=norm))
        self.branch3 = nn.Sequential(
            _block(n_in, n5[0], 1, norm=norm), _block(n5[0], n5[1], kernel5, padding=kernel5 // 2, norm=norm)
        )
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, padding=1, ceil_mode=True), _block(n_in, pool, 1, norm=norm))

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, H, W) -> (B, n1 + n3[1] + n5[1] + pool, H, W)."""
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], dim=1)


def googlenet(*, batch_norm: bool = True, kernel5: int = 5) -> tuple[nn.Sequential, int]:
    """GoogLeNet-GAP (Zhou et al., CVPR 2016): cut after inception 4e, one 3x3 convolution of 1024: 14 x 14 maps.

    Args:
        batch_norm: After each convolution.
        kernel5: Of the third branch: 5 as in the paper, 3 for torchvision's weights.
    """

    def inception(n_in: int, n1: int, n3: tuple[int, int], n5: tuple[int, int], pool: int) -> Inception:
        return Inception(n_in, n1, n3, n5, pool, norm=batch_norm, kernel5=kernel5)

    layers = OrderedDict[str, nn.Module](
        conv1=_block(3, 64, 7, stride=2, padding=3, norm=batch_norm),  # 112 x 112
        maxpool1=nn.MaxPool2d(3, 2, ceil_mode=True),  # 56 x 56
        conv2=_block(64, 64, 1, norm=batch_norm),
        conv3=_block(64, 192, 3, padding=1, norm=batch_norm),
        maxpool2=nn.MaxPool2d(3, 2, ceil_mode=True),  # 28 x 28
        inception3a=inception(192, 64, (96, 128), (16, 32), 32),
        inception3b=inception(256, 128, (128, 192), (32, 96), 64),
        maxpool3=nn.MaxPool2d(3, 2, ceil_mode=True),  # 14 x 14
        inception4a=inception(480, 192, (96, 208), (16, 48), 64),
        inception4b=inception(512, 160, (112, 224), (24, 64), 64),
        inception4c=inception(512, 128, (128, 256), (24, 64), 64),
        inception4d=inception(512, 112, (144, 288), (32, 64), 64),
        inception4e=inception(528, 256, (160, 320), (32, 128), 128),
        conv_gap=_block(832, 1024, 3, padding=1, norm=batch_norm),
    )
    return nn.Sequential(layers), 1024


def vgg16(*, batch_norm: bool = True) -> tuple[nn.Sequential, int]:
    """VGG16-GAP: conv1_1 to conv5_3 without the last pooling, one 3x3 convolution of 1024: 14 x 14 maps."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    n_in = 3
    for stage, (count, kernels) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), start=1):
        for i in range(1, count + 1):
            layers["conv1" if (stage, i) == (1, 1) else f"conv{stage}_{i}"] = _block(
                n_in, kernels, 3, padding=1, norm=batch_norm
            )
            n_in = kernels
        if stage < 5:
            layers[f"pool{stage}"] = nn.MaxPool2d(2, 2)
    layers["conv_gap"] = _block(512, 1024, 3, padding=1, norm=batch_norm)
    return nn.Sequential(layers), 1024


def resnet(depth: int, *, width: float = 1.0, cell_pixels: int = 16) -> tuple[nn.Sequential, int]:
    """ResNet-18 or -50 (He et al., CVPR 2016) with larger maps than its own: 14 x 14 instead of 7 x 7.

    Its last stages keep the maps' size where the original halves it; torchvision's names and weights fit at width 1.

    Args:
        depth: 18 or 50.
        width: Times the number of kernels.
        cell_pixels: Side of a cell of the last maps, in pixels of the image: 8, 16, or 32 as in the original.
    """
    from torchvision.models.resnet import BasicBlock, Bottleneck

    blocks, counts = {18: (BasicBlock, (2, 2, 2, 2)), 50: (Bottleneck, (3, 4, 6, 3))}[depth]
    n_in = max(8, round(width * 64 / 8) * 8)
    layers = OrderedDict[str, nn.Module](
        conv1=nn.Conv2d(
            3, n_in, 7, stride=2, padding=3, bias=False
        ),  # 112 x 112; hidden "at conv1" is this plain output
        bn1=nn.BatchNorm2d(n_in),
        relu=nn.ReLU(inplace=True),
        maxpool=nn.MaxPool2d(3, 2, padding=1),  # 56 x 56
    )
    for stage, count in enumerate(counts):
        planes = max(8, round(width * (64 << stage) / 8) * 8)
        stride = 2 if stage and 4 << stage <= cell_pixels else 1
        several = nn.Sequential()
        for _ in range(count):
            n_out, shortcut = planes * blocks.expansion, None
            if stride != 1 or n_in != n_out:
                shortcut = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False), nn.BatchNorm2d(n_out))
            several.append(blocks(n_in, planes, stride, shortcut))
            n_in, stride = n_out, 1
        layers[f"layer{stage + 1}"] = several
    return nn.Sequential(layers), n_in


resnet18, resnet50 = partial(resnet, 18), partial(resnet, 50)


def small(*, width: float = 1.0) -> tuple[nn.Sequential, int]:
    """Four blocks for 64 pixel images, which a laptop trains in a minute: 16 x 16 maps."""
    n = [max(8, round(width * kernels / 8) * 8) for kernels in (16, 32, 64, 64)]
    layers = OrderedDict[str, nn.Module](
        conv1=_block(3, n[0], 3, padding=1),
        pool1=nn.MaxPool2d(2, 2),
        conv2=_block(n[0], n[1], 3, padding=1),
        pool2=nn.MaxPool2d(2, 2),
        conv3=_block(n[1], n[2], 3, padding=1),
        conv4=_block(n[2], n[3], 3, padding=1),
    )
    return nn.Sequential(layers), n[3]
