"""The registry of backbones: for each the clip it takes, its preprocessing, its dimension, and where weights come from.

To add one of your own, write a module with a `Backbone` in it and name it on the command line:

    # mine.py
    from thas.features.backbones import Backbone
    from thas.features.preprocessing import square

    def build(layer):
        ...  # a torch module: (B, 3, clip_frames, H, W) -> (B, dimension)

    network = Backbone(
        "mine", dimension=256, clip_frames=8, frame_step=2, preprocessing=square(96, value_range=1.0),
        licence="MIT", origin="my own", build=build,
    )

    thas extract-features --backbone mine:network --weights mine.pt ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from ..core import plugins
from ..core.errors import UsageError
from ..core.weight_catalogue import NETWORKS_OF_PICTURES
from .flow import FlowPreprocessing, tv_l1
from .preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .c3d import Pool5


@dataclass(frozen=True)
class Backbone:
    """A network that turns clips into feature vectors.

    Attributes:
        name: What `--backbone` calls it.
        dimension: Length D of a feature vector.
        clip_frames: Frames that it is given.
        frame_step: Frames of the video from one of them to the next.
        preprocessing: What happens to the frames before.
        licence: Of the code, and what the published weights were trained on.
        origin: Where weights come from, in words.
        build: Makes the network for a layer: (B, 3, clip_frames, H, W) float -> (B, D), without weights of its own.
        layers: The layers that features can be taken from; the first is the default.
        fps: The video is sampled at this rate before frames are taken; None takes its own frames.
        stride_seconds: From one clip's start to the next one's, where nobody says otherwise.
        adapt: Renames a checkpoint's weights to the network's.
        streams: Names of the parts that have a file of weights each, in the order of `--weights FILE,FILE`.
    """

    name: str
    dimension: int
    clip_frames: int
    frame_step: int
    preprocessing: Preprocessing
    licence: str
    origin: str
    build: Callable[[str], nn.Module] = field(compare=False)
    layers: tuple[str, ...] = ("pooled",)
    fps: float | None = None
    stride_seconds: float = 0.32
    adapt: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] | None = field(default=None, compare=False)
    streams: tuple[str, ...] = ()


def register(backbone: Backbone) -> Backbone:
    """Make a backbone known by its name; a second one of that name replaces the first."""
    return plugins.register("backbones", backbone.name, backbone)


def backbone_names() -> list[str]:
    """The names that `get_backbone` knows: those of thas, registered ones, and those of installed plug-ins."""
    return plugins.names("backbones")


def get_backbone(name: str) -> Backbone:
    """A backbone by its name, or by MODULE:ATTRIBUTE for one of the user's own; see `thas.core.plugins`.

    Raises:
        UsageError: There is no such backbone.
    """
    found = plugins.load("backbones", name)
    if isinstance(found, Backbone):
        return found
    raise UsageError(
        f"{name} is no Backbone but a {type(found).__name__}", next="see thas.features.backbones", subject=name
    )


def backbone_for(name: str | None, weights: str | None) -> str:
    """The backbone that is meant: the one named, else the one whose published weights are, else c3d.

    >>> backbone_for(None, "i3d"), backbone_for(None, "mine.safetensors"), backbone_for("s3d", "mine.pth")
    ('i3d', 'c3d', 's3d')
    >>> backbone_for(None, "efficientnet_lite0")
    'timm:tf_efficientnet_lite0'

    Raises:
        UsageError: The weights are of a network of pictures that no backbone is made of.
    """
    if name or weights is None:
        return name or "c3d"
    if weights in plugins.registered("backbones"):
        return weights
    pictures = NETWORKS_OF_PICTURES.get(weights, "c3d")
    if pictures.startswith("torchvision:"):
        raise UsageError(
            f"{weights} is a network of pictures, and no backbone of videos",
            why="it boxes things in photographs (thas image localize)",
            next="--weights i3d; or for single frames --weights efficientnet_lite0",
        )
    return pictures


# Sports-1M weights, in the original's geometry (facts: Tran et al.'s Caffe code). The mean is the usual stand-in for
# its mean cube, channel by channel; `--mean-cube` subtracts the cube itself.
C3D_ORIGINAL = Preprocessing(128, 171, 112, 112, 8, 29, colour="bgr", mean=(90.0, 98.0, 102.0))


def build_c3d(layer: str, pool5: Pool5 | None = None) -> nn.Module:
    """The original's network without weights of its own, or with the ports' last pooling."""
    from .c3d import C3D

    return C3D(classes=0, layer=layer, pool5=pool5 or "caffe")


register(
    Backbone(
        "c3d",
        dimension=4096,
        clip_frames=16,
        frame_step=1,
        preprocessing=C3D_ORIGINAL,
        licence="its authors', Sports-1M",
        origin="a file: c3d.pickle, c3d_sports1m_pretrain_*.pth, c3d-pretrained.pth, or of train-backbone",
        build=build_c3d,
        layers=("fc7", "fc6"),
    )
)


def _i3d(name: str, layer: str, **how: int) -> nn.Module:
    """A network of `i3d`; that flow cannot be had is told now rather than by every video."""
    from . import i3d

    if how or name != "I3D":
        tv_l1()
    return getattr(i3d, name)(**how)


def _i3d_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    from .i3d import i3d_state

    return i3d_state(state)


# As localization papers take it: 16 frames without overlap at 25 a second, the crop of 224 from a short side of 256,
# values from -1 to 1 (Carreira & Zisserman 2017).
_I3D = register(
    Backbone(
        "i3d",
        dimension=1024,
        clip_frames=16,
        frame_step=1,
        preprocessing=Preprocessing(256, None, 224, 224, value_range=2.0, mean=(1.0, 1.0, 1.0)),
        licence="Apache-2.0, Kinetics-400",
        origin="thas weights fetch i3d; or a file: rgb_imagenet.pt",
        build=partial(_i3d, "I3D"),
        fps=25.0,
        stride_seconds=0.64,
        adapt=_i3d_weights,
    )
)
_FLOW = FlowPreprocessing(256, None, 224, 224)
register(
    replace(
        _I3D,
        name="i3d_flow",
        preprocessing=_FLOW,
        origin="a file: flow_imagenet.pt",
        build=partial(_i3d, "I3D", channels=2),
    )
)
register(
    replace(
        _I3D,
        name="i3d_two_stream",
        dimension=2048,
        preprocessing=replace(_FLOW, with_rgb=True, mean=(127.5,) * 3 + (128,) * 2, std=(127.5,) * 3 + (127,) * 2),
        origin="two files: i3d,flow_imagenet.pt",
        build=partial(_i3d, "TwoStreamI3D"),
        streams=("rgb", "flow"),
    )
)


def _of_kinetics(library: str, licence: str, how: Preprocessing, **networks: tuple[int, int, int]) -> None:
    """Networks of a library that are prepared for alike: of each its dimension, its frames, and the step of these."""
    for name, (dimension, frames, step) in networks.items():

        def build(layer: str, name: str = name) -> nn.Module:
            from .networks import pytorchvideo_network, torchvision_network

            return (torchvision_network if library == "torchvision" else pytorchvideo_network)(name)

        register(
            Backbone(
                name,
                dimension=dimension,
                clip_frames=frames,
                frame_step=step,
                preprocessing=how,
                licence=f"{licence}, Kinetics-400",
                origin=library,
                build=build,
                stride_seconds=0.5,
            )
        )


def _prepared(
    height: int, width: int | None, crop: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> Preprocessing:
    return Preprocessing(height, width, crop, crop, value_range=1.0, mean=mean, std=std)


_MEAN, _STD = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_EVEN = (0.45,) * 3, (0.225,) * 3
_TORCHVISION = "torchvision", "BSD-3-Clause"
# Frames and steps as torchvision evaluates them, at 15 (mvit: 7.5) of 30 frames a second; s3d is given 16 instead of
# the 128 of its evaluation, which no snippet could be called.
_of_kinetics(
    *_TORCHVISION,
    _prepared(128, 171, 112, _MEAN, _STD),
    r3d_18=(512, 16, 2),
    mc3_18=(512, 16, 2),
    r2plus1d_18=(512, 16, 2),
)
_of_kinetics(*_TORCHVISION, _prepared(256, 256, 224, _MEAN, _STD), s3d=(1024, 16, 2))
_of_kinetics(*_TORCHVISION, _prepared(256, None, 224, *_EVEN), mvit_v2_s=(768, 16, 4))
_of_kinetics(*_TORCHVISION, _prepared(256, None, 224, *_IMAGENET), swin3d_t=(768, 32, 2))
_of_kinetics(
    "pytorchvideo",
    "Apache-2.0",
    _prepared(256, None, 256, *_EVEN),
    c2d_r50=(2048, 8, 8),
    slow_r50=(2048, 8, 8),
    slowfast_r50=(2304, 32, 2),
    x3d_m=(2048, 16, 5),
    csn_r101=(2048, 32, 2),
)

plugins.bring("backbones", dict.fromkeys(plugins.registered("backbones")))
