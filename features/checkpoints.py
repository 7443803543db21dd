"""Checkpoint files: read without running what they may hold, and put into a network only if they fit it whole.

Of C3D there are four families, each with the preprocessing and the pool5 that it was published with; which one a
checkpoint is of is told by its keys. A safetensors file of our own carries its architecture and preprocessing inside.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..core.checkpoints import check_unchanged, raw_tensors, torch_tensors
from ..core.errors import CheckpointError, FeatureError, listing
from ..core.narrowing import as_int, as_table
from ..core.reading import advice, refuse_pipe, said
from .backbones import C3D_ORIGINAL, Backbone
from .pickled_arrays import load_tree
from .preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .c3d import Architecture, Pool5


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, object] | None]:
    """The weights in a file, and the description that a file of our own carries.

    Pickled files are read with torch's restricted loader, plain pickles of arrays with ours: they can hold weights and
    run nothing.

    Raises:
        CheckpointError: It cannot be read.
    """
    import torch

    tree_fault = ""
    try:
        refuse_pipe(path)
        with open(path, "rb") as file:
            start = file.read(9)
        if path.suffix == ".safetensors" or start[8:9] == b"{":
            tensors, metadata = raw_tensors(path)
            description = dict(as_table(json.loads(metadata["thas"]))) if metadata.get("thas") else None
            if description:
                check_unchanged(tensors, description, path)
            return tensors, description
        if start[:1] == b"\x80" and start[1:2] >= b"\x04":  # torch itself writes protocol 2, or a zip archive
            try:
                return {key: torch.as_tensor(value) for key, value in load_tree(path).items()}, None
            except FeatureError as error:
                tree_fault = error.why
        tensors = torch_tensors(path)
    except CheckpointError as error:
        if tree_fault:
            next = "bring it again if it is cut short; else name a file of weights alone"
            raise CheckpointError(error.what, why=tree_fault, next=next, subject=str(path)) from None
        raise
    except Exception as error:  # each loader has its own kinds
        raise CheckpointError(
            f"{path} holds no weights",
            why=said(error),
            next=advice(error, "bring it again: it is damaged, or cut short"),
            subject=str(path),
        ) from error
    return {key.removeprefix("module.").removeprefix("backbone."): value for key, value in tensors.items()}, None


# The classifiers that features are taken before; a checkpoint may have them, the networks here have not.
_HEADS = re.compile(r"^(fc8|fc|classifier|head|logits|cls_head.*|blocks\.\d+\.proj|(network\.)?blocks\.\d+\.proj)\.")


def load_state(path: Path, network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put weights, by name, into a network, which may have no memory of its own yet (`torch.device("meta")`).

    Raises:
        CheckpointError: Something is missing, unexpected or of another shape, or a weight is not a number.
    """
    import torch

    expected = network.state_dict()
    # SlowFast lies one level deeper than its checkpoint.
    if expected and all(key.startswith("network.") for key in expected):
        state = {f"network.{key}": value for key, value in state.items()}
    state = {key: value for key, value in state.items() if key in expected or not _HEADS.match(key)}
    # Old files lack the counters of batches, which nothing here reads.
    counters = {key: value for key, value in expected.items() if key.endswith(".num_batches_tracked")}
    state = {key: torch.zeros_like(value, device="cpu") for key, value in counters.items()} | dict(state)
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in state if key not in expected]
    shapes = [
        f"{key} is {tuple(state[key].shape)}, not {tuple(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    faults = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    failed = partial(CheckpointError, subject=str(path))
    if any(faults.values()):
        raise failed(
            f"the weights in {path} do not fit the network",
            why="; ".join(f"{what}: {listing(names, 4)}" for what, names in faults.items() if names),
            next="name the --backbone that they were trained for: thas list backbones",
        )
    broken = [key for key, value in state.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if broken:
        why, next = (
            f"NaN or infinity in {listing(broken, 4)}",
            "take another file: a training that went astray left these",
        )
        raise failed(f"the weights in {path} are broken", why=why, next=next)
    full = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    # Taken over instead of copied: C3D is 312 MB, and its network was built without memory of its own.
    network.load_state_dict(full, assign=True)


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
