"""C3D's weights: four families of checkpoints, each with the preprocessing and the pool5 that it was published with.

Which family a checkpoint is of is told by its keys. A safetensors file of our own carries its architecture and
preprocessing inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..core.errors import CheckpointError, listing
from ..core.narrowing import as_int, as_table
from .backbones import C3D_ORIGINAL, Backbone
from .checkpoints import load_state
from .preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .c3d import Architecture, Pool5

_CONVOLUTIONS = ("conv1a", "conv2a", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b")


@dataclass(frozen=True)
class _Family:
    """One way of naming C3D's layers, and what goes with the checkpoints that use it."""

    name: str
    layers: tuple[str, ...]  # of the eight convolutions, fc6, fc7, fc8
    pool5: Pool5
    preprocessing: Preprocessing


FAMILIES = (
    _Family(
        "c3d.pickle",
        ("conv1", "conv2", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b", "fc6", "fc7", "fc8"),
        "port",
        # As its authors' predict.py: RGB, no mean, 200x112 with the middle cut out.
        Preprocessing(112, 200, 112, 112, 0, 44),
    ),
    _Family(
        "mmaction2",
        (*(f"{name}.conv" for name in _CONVOLUTIONS), "fc6", "fc7", "fc8"),
        "port",
        Preprocessing(128, 171, 112, 112, 8, 30, mean=(104.0, 117.0, 128.0)),
    ),
    _Family(
        "c3d-pretrained.pth",
        (*(f"features.{i}" for i in (0, 3, 6, 8, 11, 13, 16, 18)), "classifier.0", "classifier.3", "classifier.6"),
        "port",
        Preprocessing(128, 171, 112, 112, 8, 30, colour="bgr", mean=(90.0, 98.0, 102.0)),
    ),
    _Family("caffe", (*_CONVOLUTIONS, "fc6", "fc7", "fc8"), "caffe", C3D_ORIGINAL),
)


def c3d_family(keys: Iterable[str]) -> str | None:
    """Which family of C3D checkpoints has these keys; None if none has.

    >>> c3d_family(["conv1.weight", "conv2.weight", "conv5b.bias", "fc6.weight", "fc7.weight"])
    'c3d.pickle'
    """
    present = set(keys)
    for family in FAMILIES:
        if {f"{family.layers[i]}.weight" for i in (0, 1, 8)} <= present:
            return family.name
    return None


def load_c3d(
    path: Path, backbone: Backbone, layer: str, state: Mapping[str, Tensor], pool5: Pool5 | None
) -> tuple[Backbone, nn.Module]:
    """C3D from a checkpoint of any known family, with what was published beside it.

    Raises:
        CheckpointError: It is of none of them, or does not fit.
    """
    import torch

    from .c3d import C3D

    name = c3d_family(state)
    if name is None:
        raise CheckpointError(
            f"{path} is not a C3D checkpoint of a known kind",
            why=f"its keys are {listing(state, 6)}",
            next=_advice(state),
            subject=str(path),
        )
    family = next(family for family in FAMILIES if family.name == name)
    ours = [f"features.{conv}" for conv in _CONVOLUTIONS] + ["fc6", "fc7", "fc8"]
    renamed = dict(zip(family.layers, ours, strict=True))
    state = {_renamed(key, renamed): value for key, value in state.items()}
    with torch.device("meta"):
        network = C3D(classes=0, layer=layer, pool5=pool5 or family.pool5)
    load_state(path, network, state)
    return replace(backbone, preprocessing=family.preprocessing), network


def _advice(keys: Iterable[str]) -> str:
    if any(key.removeprefix("params.").startswith("Conv3d_1a_7x7") for key in keys):
        return "it looks like I3D: --backbone i3d"
    return "known: " + ", ".join(family.name for family in FAMILIES) + "; name another network's with --backbone"


def _renamed(key: str, names: Mapping[str, str]) -> str:
    layer, _, kind = key.rpartition(".")
    return f"{names[layer]}.{kind}" if layer in names else key


def load_own(
    path: Path, backbone: Backbone, layer: str, state: Mapping[str, Tensor], about: Mapping[str, object]
) -> tuple[Backbone, nn.Module]:
    """A file of `thas train-backbone`: the architecture and the preprocessing come from the file."""
    import torch

    from .c3d import C3D

    try:
        if about["backbone"] != "c3d":
            raise ValueError(f"it is a {about['backbone']!r}, and only c3d is built from such files")
        preprocessing = Preprocessing.from_dict(about["preprocessing"])
        frame_step = as_int(about.get("frame_step", 1))
        architecture = {**as_table(about["architecture"]), "classes": 0, "layer": layer}
        with torch.device("meta"):
            network = C3D(**cast("Architecture", architecture))
    except (KeyError, TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not describe its network",
            why=f"{type(error).__name__}: {error}",
            next="make it again with `thas train-backbone`",
            subject=str(path),
        ) from error
    load_state(path, network, state)
    described = replace(
        backbone,
        dimension=network.dimension,
        clip_frames=network.architecture["clip_frames"],
        frame_step=frame_step,
        preprocessing=preprocessing,
        licence="your own, of your videos' labels",
    )
    return described, network
