"""Weights into networks: which family a checkpoint is of is told by its keys, and the file's SHA-256 is recorded.

Four families of C3D are known, and each brings the preprocessing and the pool5 that it was published with. A
safetensors file of our own carries its architecture and preprocessing inside.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlparse

import numpy as np

from ..core.errors import CheckpointError, listing
from .backbones import C3D_ORIGINAL, Backbone, get_backbone
from .preprocessing import Preprocessing

if TYPE_CHECKING:
    import torch
    from torch import nn

_CONVOLUTIONS = ("conv1a", "conv2a", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b")


@dataclass(frozen=True)
class _Family:
    """One way of naming C3D's layers, and what goes with the checkpoints that use it."""

    name: str
    layers: tuple[str, ...]  # of the eight convolutions, fc6, fc7, fc8
    pool5: Literal["caffe", "port"]
    preprocessing: Preprocessing


_FAMILIES = (
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


@dataclass(frozen=True, eq=False)
class LoadedBackbone:
    """A network with its weights, ready for extraction, and how to describe it.

    Attributes:
        network: (B, 3, clip_frames, H, W) float -> (B, dimension).
        backbone: Its entry in the registry, with this checkpoint's clip and preprocessing.
        layer: The layer that features are taken from.
        recipe: What a cache writes down about it.
        mean_cube: (3, clip_frames, resize_height, resize_width) float32, subtracted instead of the mean; or None.
    """

    network: nn.Module
    backbone: Backbone
    layer: str
    recipe: Mapping[str, Any]
    mean_cube: np.ndarray | None = None


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_backbone(
    name: str = "c3d",
    *,
    weights: str | Path | None = None,
    weights_sha256: str | None = None,
    random_weights: bool = False,
    layer: str | None = None,
    mean_cube: Path | None = None,
    pool5: Literal["caffe", "port"] | None = None,
) -> LoadedBackbone:
    """Build a backbone and load its weights.

    Args:
        name: A name of the registry, or MODULE:ATTRIBUTE.
        weights: A file, or an address to download from; None takes the registry's address, if it has one.
        weights_sha256: What the file's SHA-256 must be.
        random_weights: Draw the weights from seed 0 instead.
        layer: The layer to take features from; None for the backbone's first.
        mean_cube: A .npy file (3, frames, height, width), subtracted from C3D's clips instead of the mean.
        pool5: Overrides the pool5 that goes with a C3D checkpoint.

    Raises:
        CheckpointError: There are no weights, they cannot be read, or do not fit.
        UsageError: No such backbone.
    """
    import torch

    backbone = get_backbone(name)
    layer = layer or backbone.layers[0]
    if layer not in backbone.layers:
        raise CheckpointError(
            f"backbone {name} has no layer {layer!r}",
            why=f"features can be taken from {listing(backbone.layers)}",
            next=f"--layer {backbone.layers[0]}",
            subject=layer,
        )
    about: dict[str, Any] = {"backbone": backbone.name, "layer": layer}
    if random_weights:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = _with_pool5(backbone, layer, pool5)
        about |= {"weights_sha256": "random, seed 0", "weights_source": "random"}
    else:
        path = _file(backbone, weights, weights_sha256)
        digest = sha256(path)
        if weights_sha256 and not digest.startswith(weights_sha256.lower()):
            raise CheckpointError(
                f"{path} is not the file that was meant",
                why=f"its SHA-256 is {digest}, not {weights_sha256}",
                next="download it again",
                subject=str(path),
            )
        state, own = read_checkpoint(path)
        if own is not None:
            backbone, network = _own(path, backbone, layer, state, own)
        elif backbone.name == "c3d":
            backbone, network = _c3d(path, backbone, layer, state, pool5)
        else:
            network = backbone.build(layer)
            _load(path, network, state, drop=_HEADS)
        about |= {"weights_sha256": digest, "weights_source": _source(weights or path)}
    cube = _cube(mean_cube, backbone) if mean_cube else None
    if cube is not None:
        digest = hashlib.sha256(cube.tobytes()).hexdigest()
        backbone = replace(backbone, preprocessing=replace(backbone.preprocessing, mean_cube=digest))
    about |= {"dimension": backbone.dimension, "clip_frames": backbone.clip_frames, "frame_step": backbone.frame_step}
    architecture = getattr(getattr(network, "c3d", None), "architecture", None)
    about["architecture"] = json.dumps(architecture or {}, sort_keys=True)
    about |= backbone.preprocessing.to_dict()
    return LoadedBackbone(network.eval().requires_grad_(False), backbone, layer, about, cube)


def _source(weights: str | Path) -> str:
    """Where weights came from: an address, or a file's path from the root, so that it is found from any folder."""
    return str(weights) if "://" in str(weights) else str(Path(weights).resolve())


def find_weights(recipe: Mapping[str, Any], near: Sequence[Path] = ()) -> str | Path:
    """The weights that features were made with, as their recipe names them: by their place, or by their SHA-256.

    Args:
        recipe: Of the features. A place in it may be seen from a folder that is no longer the working folder.
        near: Where to look besides: in these folders, and seen from them and from the folders that they lie in.

    Raises:
        CheckpointError: They are not at hand.
    """
    source, digest = str(recipe.get("weights_source") or ""), str(recipe.get("weights_sha256"))
    if "://" in source or (source and Path(source).is_file()):
        return source
    around = [place for folder in near for place in (folder.resolve(), *folder.resolve().parents)]
    seen = [] if not source or Path(source).is_absolute() else [place / source for place in around]
    for path in dict.fromkeys([*seen, *(place / Path(source).name for place in around if source)]):
        if path.is_file() and sha256(path) == digest:
            return path
    raise CheckpointError(
        "the backbone's weights that the run's features were made with are not at hand",
        why=f"they lay at {source or 'an unknown place'}, SHA-256 {digest[:16]}",
        next="name them with --weights FILE",
        subject=source,
    )


def _with_pool5(backbone: Backbone, layer: str, pool5: Literal["caffe", "port"] | None) -> nn.Module:
    if backbone.name != "c3d" or pool5 in (None, "caffe"):
        return backbone.build(layer)
    from .c3d import C3D
    from .networks import C3DFeatures

    return C3DFeatures(C3D(classes=0, pool5=pool5), layer)


def _file(backbone: Backbone, weights: str | Path | None, digest: str | None) -> Path:
    """The weights as a file on this machine; an address is downloaded into the torch hub folder."""
    address = str(weights) if weights is not None else (backbone.url() if backbone.url else "")
    if not address:
        raise CheckpointError(
            f"backbone {backbone.name} needs weights",
            why=f"none come with thas; take {backbone.origin}",
            next="--weights FILE, or make your own with `thas train-backbone`, or insist with --random-weights",
            subject=backbone.name,
        )
    if urlparse(address).scheme not in ("http", "https"):
        path = Path(address)
        if not path.is_file():
            raise CheckpointError(
                f"there is no weights file {path}",
                why="it is a folder" if path.is_dir() else "no such file",
                next="--weights FILE, or make your own with `thas train-backbone`",
                subject=str(path),
            )
        return path
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(address).path).name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # torchvision's file names carry the first digits of the hash.
        named = re.search(r"-([0-9a-f]{8,})\.", path.name)
        try:
            torch.hub.download_url_to_file(address, str(path), digest or (named.group(1) if named else None))
        except (OSError, RuntimeError) as error:
            path.unlink(missing_ok=True)
            raise CheckpointError(
                f"the weights of {backbone.name} could not be downloaded",
                why=f"{error} ({address})",
                next=f"put the file at {path} yourself, or name it with --weights",
                subject=address,
            ) from error
    return path


def read_checkpoint(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any] | None]:
    """The weights in a file, and the description that a file of our own carries.

    Pickled files are read with torch's restricted loader: they can hold weights and run nothing.

    Raises:
        CheckpointError: It cannot be read.
    """
    import torch

    try:
        with open(path, "rb") as file:
            start = file.read(9)
        if path.suffix == ".safetensors" or start[8:9] == b"{":
            from safetensors import safe_open

            with safe_open(str(path), framework="pt") as opened:
                own = (opened.metadata() or {}).get("thas")
                return {key: opened.get_tensor(key) for key in opened.keys()}, json.loads(own) if own else None  # noqa: SIM118
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each loader has its own kinds
        raise CheckpointError(
            f"{path} cannot be read as weights",
            why=(str(error).strip().splitlines() or [type(error).__name__])[0][:300],
            next="it must be safetensors, or a PyTorch file that holds nothing but weights",
            subject=str(path),
        ) from error
    for outer in ("state_dict", "model_state", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(outer), Mapping):
            loaded = loaded[outer]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise CheckpointError(
            f"{path} holds no weights", why="it is not a table of tensors", next="--weights FILE", subject=str(path)
        )
    return {key.removeprefix("module.").removeprefix("backbone."): value for key, value in loaded.items()}, None


# The classifiers that features are taken before; a checkpoint may have them, the networks here have not.
_HEADS = re.compile(r"^(fc8|fc|classifier|head|cls_head.*|blocks\.\d+\.proj|(network\.)?blocks\.\d+\.proj)\.")


def _load(path: Path, network: nn.Module, state: Mapping[str, Any], *, drop: re.Pattern[str]) -> None:
    expected = network.state_dict()
    # SlowFast lies one level deeper than its checkpoint.
    if expected and all(key.startswith("network.") for key in expected):
        state = {f"network.{key}": value for key, value in state.items()}
    state = {key: value for key, value in state.items() if key in expected or not drop.match(key)}
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in state if key not in expected]
    shapes = [
        f"{key} is {tuple(state[key].shape)}, not {tuple(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    faults = [f"missing: {listing(missing, 4)}"] * bool(missing)
    faults += [f"unexpected: {listing(unexpected, 4)}"] * bool(unexpected)
    faults += [f"of another shape: {listing(shapes, 3)}"] * bool(shapes)
    if faults:
        raise CheckpointError(
            f"the weights in {path} do not fit the network",
            why="; ".join(faults),
            next="name the --backbone that they were trained for: thas list backbones",
            subject=str(path),
        )
    full = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    # Taken over instead of copied: C3D is 312 MB, and its network was built without memory of its own.
    network.load_state_dict(full, assign=True)


def c3d_family(keys: Any) -> str | None:
    """Which family of C3D checkpoints has these keys; None if none has.

    >>> c3d_family(["conv1.weight", "conv2.weight", "conv5b.bias", "fc6.weight", "fc7.weight"])
    'c3d.pickle'
    """
    keys = set(keys)
    for family in _FAMILIES:
        if {f"{family.layers[i]}.weight" for i in (0, 1, 8)} <= keys:
            return family.name
    return None


def _c3d(
    path: Path, backbone: Backbone, layer: str, state: Mapping[str, Any], pool5: Literal["caffe", "port"] | None
) -> tuple[Backbone, nn.Module]:
    import torch

    from .c3d import C3D
    from .networks import C3DFeatures

    name = c3d_family(state)
    if name is None:
        raise CheckpointError(
            f"{path} is not a C3D checkpoint of a known kind",
            why=f"its keys are {listing(state, 6)}",
            next="known: " + ", ".join(family.name for family in _FAMILIES),
            subject=str(path),
        )
    family = next(family for family in _FAMILIES if family.name == name)
    ours = [f"features.{conv}" for conv in _CONVOLUTIONS] + ["fc6", "fc7", "fc8"]
    renamed = dict(zip(family.layers, ours, strict=True))
    state = {_renamed(key, renamed): value for key, value in state.items()}
    with torch.device("meta"):
        network = C3D(classes=0, pool5=pool5 or family.pool5)
    _load(path, network, state, drop=_HEADS)
    return replace(backbone, preprocessing=family.preprocessing), C3DFeatures(network, layer)


def _renamed(key: str, names: Mapping[str, str]) -> str:
    layer, _, kind = key.rpartition(".")
    return f"{names[layer]}.{kind}" if layer in names else key


def _own(
    path: Path, backbone: Backbone, layer: str, state: Mapping[str, Any], about: Mapping[str, Any]
) -> tuple[Backbone, nn.Module]:
    """A file of `thas train-backbone`: the architecture and the preprocessing come from the file."""
    import torch

    from .c3d import C3D
    from .networks import C3DFeatures

    try:
        if about["backbone"] != "c3d":
            raise ValueError(f"it is a {about['backbone']!r}, and only c3d is built from such files")
        architecture: dict[str, Any] = dict(about["architecture"]) | {"classes": 0}
        preprocessing = Preprocessing.from_dict(about["preprocessing"])
        with torch.device("meta"):
            network = C3D(**architecture)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} does not describe its network",
            why=f"{type(error).__name__}: {error}",
            next="make it again with `thas train-backbone`",
            subject=str(path),
        ) from error
    _load(path, network, state, drop=_HEADS)
    described = replace(
        backbone,
        dimension=network.dimension,
        clip_frames=int(architecture.get("clip_frames", 16)),
        frame_step=int(about.get("frame_step", 1)),
        preprocessing=preprocessing,
    )
    return described, C3DFeatures(network, layer)


def _cube(path: Path, backbone: Backbone) -> np.ndarray:
    """A mean cube, cut to the window that the frames are cut to."""
    how = backbone.preprocessing
    try:
        cube = np.load(path, allow_pickle=False).astype(np.float32)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is no mean cube", why=str(error), next="--mean-cube FILE.npy") from error
    expected = (3, backbone.clip_frames, how.resize_height, how.resize_width)
    if cube.shape != expected:
        raise CheckpointError(
            f"{path} is no mean cube for this backbone", why=f"it is {cube.shape}, not {expected}", subject=str(path)
        )
    _, _, top, left = how.window(how.resize_height, how.resize_width or how.resize_height)
    return np.ascontiguousarray(cube[:, :, top : top + how.crop_height, left : left + how.crop_width])
