"""Every default of the image half in one place, each with its source; the twin of `thas.temporal_has.settings`.

Sources: "paper" (Singh & Lee, ICCV 2017), "unverified" (how its experiments are said to have been run), "ours" (where
nothing is said).
How presets, files and options go over them says `thas.core.presets`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self

from ..core.plugins import bring
from ..core.presets import resolve_settings
from ..core.settings_table import Kind, SettingsTable, setting

PAPER_SIZES = (0, 16, 32, 44, 56)
"""HaS-Mixed: each image draws one of these sizes, in pixels of a 224 pixel crop; 0 hides nothing (section 4.2)."""

OTSU_THRESHOLDS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6)
"""Around Otsu's level, since no single cut suits all maps; ours."""


NETWORKS = ("alexnet", "googlenet", "vgg16", "resnet50", "resnet18", "small")
"""Those of the module `architectures`, whose functions have these names."""
LIBRARIES = ("timm:", "torchvision:")
"""How the names of networks of other libraries begin."""
bring("networks", {name: f"image_has.architectures:{name}" for name in NETWORKS}, prefixes=LIBRARIES)


@dataclass(frozen=True)
class InputSettings:
    """What the network is shown."""

    size: int = setting(224, "side of the square the network sees, in pixels", "paper", low=8)
    resize: int = setting(
        256, "the short side before a random crop in training, and of ten-crop testing", "paper", low=8
    )
    flip: float = setting(0.5, "probability of a horizontal flip, in training", "paper", low=0, high=1)
    mean: tuple[float, ...] = setting(
        (0.485324, 0.455342, 0.403978),
        "mean RGB of the data set; empty: measure it, or that of a library's network",
        "paper",
    )
    std: tuple[float, ...] = setting((0.22788, 0.223455, 0.222665), "its standard deviation", "paper", low=1e-6)
    dropout: Literal["none", "training", "always"] = setting(
        "none", "drop single values of the image: a baseline of the paper; always: at test time too", "paper"
    )


@dataclass(frozen=True)
class HideSettings:
    """What is hidden in training."""

    probability: float = setting(
        0.5, "p_hide of each cell; 0 hides nothing (the paper's GAP rows)", "paper", low=0, high=1
    )
    size: tuple[int, ...] = setting(
        PAPER_SIZES, "side of a cell; of several each image draws one; 0 hides nothing", "paper", low=0
    )
    at: Literal["input", "conv1"] = setting("input", "hide in the image, or in the first convolution's maps", "paper")
    fill: Literal["mean", "zero"] = setting("mean", "hidden places take the data set's mean, or zero (black)", "paper")


@dataclass(frozen=True)
class NetworkSettings:
    """The network."""

    name: str = setting(
        "alexnet", f"{', '.join(NETWORKS)}, or timm:NAME, torchvision:NAME, or a plug-in", "paper", part="networks"
    )
    pooling: Literal["average", "max"] = setting("average", "of the last maps, over the image", "paper")
    batch_norm: bool = setting(True, "after each convolution (alexnet, googlenet, vgg16)", "unverified")
    width: float = setting(1.0, "times the usual number of kernels (alexnet, resnet18, resnet50, small)", low=0.01)
    stride: int = setting(
        4, "of the first convolution (alexnet); 2 keeps the paper's map size for 128 pixels", "paper", low=1
    )
    cell_pixels: Literal[8, 16, 32] = setting(
        16, "side of a cell of the last maps, in pixels of the image (resnet18, resnet50)"
    )
    weights: str = setting("", "a file of weights to start from, torchvision's or ours; empty: from scratch", "paper")


@dataclass(frozen=True)
class TrainSettings:
    """How it learns."""

    seed: int = setting(0, "of the weights, the order, the crops and the hiding", low=0)
    epochs: int = setting(55, "passes over the training images", "paper", low=1)
    batch_size: int = setting(128, "images, over all devices together", "paper", low=1)
    momentum: float = setting(0.9, "of SGD", "paper", low=0, high=1)
    learning_rate: tuple[float, ...] = setting((1e-2, 5e-3, 1e-3, 5e-4, 1e-4), "of SGD, one a stage", "paper", low=0)
    trunk_rate: tuple[float, ...] = setting(
        (1.0,), "times the learning rate, of all but the classifier, one a stage; 0: they stay", low=0
    )
    freeze_statistics: bool = setting(
        False, "batch normalization keeps the means and variances of the weights that were begun from"
    )
    weight_decay: tuple[float, ...] = setting((5e-4, 5e-4, 0.0, 0.0, 0.0), "of SGD, one a stage", "paper", low=0)
    stages: tuple[int, ...] = setting((18, 29, 43, 52), "the epochs after which a new stage begins", "paper", low=1)
    checkpoint_epochs: int = setting(1, "a checkpoint to resume from every so many epochs", low=1)
    workers: int = setting(-1, "processes that decode images; -1: one a core less one, 0: none", low=-1)
    cache_gigabytes: float = setting(2.0, "decoded training images are kept in memory up to here", low=0)
    precision: Literal["32", "bf16", "16"] = setting("32", "of the arithmetic: mixed for bf16 and 16")
    channels_last: bool = setting(True, "memory layout of the images")
    device: str = setting("auto", "cpu, cuda, cuda:1, or auto")


@dataclass(frozen=True)
class LocalizeSettings:
    """From maps to boxes."""

    threshold: tuple[float, ...] = setting(
        (0.2,), "as `scale` says: 0.2 AlexNet-GAP, 0.3 GoogLeNet-GAP; the boxes at several are averaged", "paper", low=0
    )
    scale: Literal["max", "range", "otsu"] = setting(
        "max", "thresholds are of the map's maximum, of its range, or of its Otsu level", "paper"
    )
    refine: int = setting(
        0, "times the maps are drawn towards the picture's edges (pixel-adaptive, CVPR 2020); 0: not", "paper", low=0
    )
    refine_size: int = setting(
        0, "side in pixels that picture and maps are shrunk to before refining; 0: as the network sees them", low=0
    )
    mirror: bool = setting(False, "average maps and probabilities over the image and its mirror image")
    sizes: tuple[int, ...] = setting(
        (), "more sides in pixels that the whole image is looked at; maps and probabilities are averaged", low=8
    )
    ten_crop: bool = setting(False, "average maps and probabilities over ten crops (GoogLeNet)", "unverified")
    zoom: float = setting(
        0.0,
        "side of the window in which small things are looked at once more, as a share of the image's; 0: not",
        low=0,
        high=1,
    )
    zoom_below: float = setting(
        0.3, "things are small whose box fills less of the window than this, times how their map's peak grows", low=0
    )


@dataclass(frozen=True)
class EvalSettings:
    """How boxes are scored."""

    iou: float = setting(0.5, "a box counts when its IoU with a true one is above", "paper", low=0, high=1)
    thresholds: int = setting(100, "evenly spaced, of the sweep that shows what the best threshold would give", low=1)


@dataclass(frozen=True)
class ImageSettings(SettingsTable):
    """All settings of an image run; a section each for input, hide, network, train, localize and eval.

    >>> ImageSettings().updated({"hide.probability": 0}).hide.probability
    0.0
    >>> ImageSettings.preset("googlenet").localize.threshold
    (0.3,)
    """

    kind: ClassVar[Kind] = "image"

    input: InputSettings = field(default_factory=InputSettings)
    hide: HideSettings = field(default_factory=HideSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    localize: LocalizeSettings = field(default_factory=LocalizeSettings)
    eval: EvalSettings = field(default_factory=EvalSettings)

    def updated(self, values: Mapping[str, object], *, origin: str = "settings") -> Self:
        """As `SettingsTable.updated`; `localize.scale=otsu` without a threshold brings `OTSU_THRESHOLDS`.

        >>> ImageSettings().updated({"localize.scale": "otsu"}).localize.threshold == OTSU_THRESHOLDS
        True
        """
        if values.get("localize.scale") == "otsu" and self.localize.scale != "otsu":
            values = {"localize.threshold": OTSU_THRESHOLDS, **values}
        return super().updated(values, origin=origin)

    def localizing(self, values: Mapping[str, object]) -> Self:
        """As `SettingsTable.localizing`; of another `input.size`, `input.resize` follows in proportion.

        >>> ImageSettings().localizing({"input.size": "448"}).input.resize
        512
        """
        if "input.size" in values:
            roomy = replace(self, input=replace(self.input, resize=sys.maxsize), hide=HideSettings())
            times = roomy.updated({"input.size": values["input.size"]}, origin="option").input.size / self.input.size
            # Nothing is hidden any more, so that cells of the size trained with need not fit.
            values = {"input.resize": round(self.input.resize * times), "hide.size": PAPER_SIZES, **values}
        return super().localizing(values)

    @classmethod
    def preset(cls, name: str) -> ImageSettings:
        """The settings of a preset.

        Raises:
            UsageError: There is no such preset.
        """
        return resolve_settings(cls, presets=[name])[0]

    def problems(self) -> Mapping[str, object]:
        """As `SettingsTable.problems`."""
        train, seen, localize, cells = self.train, self.input, self.localize, self.hide.size
        stages = len(train.stages) + 1
        each = f"needs one value a stage, of which there are {stages}"
        return {
            f"train.learning_rate {each}": len(train.learning_rate) not in (1, stages),
            f"train.weight_decay {each}": len(train.weight_decay) not in (1, stages),
            f"train.trunk_rate {each}": len(train.trunk_rate) not in (1, stages),
            "train.stages must rise": list(train.stages) != sorted(set(train.stages)),
            "input.mean and input.std need three values, or none both to be measured": (
                len(seen.mean) != len(seen.std) or len(seen.mean) not in (0, 3)
            ),
            "input.resize must not be below input.size": seen.resize < seen.size,
            "hide.size needs at least one size": not cells,
            "hide.size must not be above input.size, where one cell is the whole image": (
                cells != PAPER_SIZES and max(cells, default=0) > seen.size
            ),
            "localize.threshold must be below 1, unless localize.scale is otsu": (
                localize.scale != "otsu" and max(localize.threshold, default=0) >= 1
            ),
            "localize.ten_crop needs an input.resize above input.size": localize.ten_crop and seen.resize == seen.size,
            "localize.ten_crop and localize.zoom exclude each other": localize.ten_crop and localize.zoom,
            "localize.ten_crop and localize.sizes exclude each other": localize.ten_crop and localize.sizes,
            "localize.threshold needs at least one value": not localize.threshold,
        }

    def at_epoch(self, epoch: int) -> tuple[float, float, float]:
        """Learning rate, weight decay and the trunk's part of the rate in an epoch, counted from 0.

        >>> ImageSettings().at_epoch(17), ImageSettings().at_epoch(29)
        ((0.01, 0.0005, 1.0), (0.001, 0.0, 1.0))
        """
        stage, train = sum(epoch >= end for end in self.train.stages), self.train
        rate, decay, trunk = (
            values[min(stage, len(values) - 1)]
            for values in (train.learning_rate, train.weight_decay, train.trunk_rate)
        )
        return rate, decay, trunk
