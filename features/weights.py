"""Weights into networks: a backbone by its name, its weights found, loaded and written down with their SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import CheckpointError, listing
from ..core.reading import reading
from ..core.weight_catalogue import CATALOGUE
from ..core.weight_store import find_weights, not_fetched, sha256, stored, stored_by_hash
from .backbones import Backbone, build_c3d, get_backbone
from .checkpoints import load_c3d, load_own, load_state, read_checkpoint
from .library_backbone import LIBRARIES, LibraryBackbone
from .pickled_arrays import load_array

if TYPE_CHECKING:
    from torch import nn

    from .c3d import Pool5


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
    recipe: Mapping[str, object]
    mean_cube: np.ndarray | None = None


def load_backbone(
    name: str = "c3d",
    *,
    weights: str | Path | None = None,
    weights_sha256: str | None = None,
    random_weights: bool = False,
    layer: str | None = None,
    mean_cube: Path | None = None,
    pool5: Pool5 | None = None,
) -> LoadedBackbone:
    """Build a backbone and load its weights.

    Args:
        name: A name of the registry, MODULE:ATTRIBUTE, hf:ORG/NAME (transformers), timm:NAME, or a folder after hf:
            or timm:.
        weights: A file, a name of `thas weights list`, or an address to fetch from; None takes the backbone's
            published ones, if they were fetched.
        weights_sha256: What the file's SHA-256 must be, or its first digits.
        random_weights: Draw the weights from seed 0 instead.
        layer: The layer to take features from; None for the backbone's first.
        mean_cube: A .npy file (3, frames, height, width), subtracted from C3D's clips instead of the mean.
        pool5: Overrides the pool5 that goes with a C3D checkpoint.

    Raises:
        CheckpointError: There are no weights, they cannot be read, or do not fit.
        UsageError: No such backbone.
    """
    import torch

    from .c3d import C3D

    library = None
    if name.partition(":")[0] in LIBRARIES:
        library = _from_library(name, weights, random_weights=random_weights)
        backbone = library.backbone
    else:
        backbone = get_backbone(name)
    layer = layer or backbone.layers[0]
    if layer not in backbone.layers:
        raise CheckpointError(
            f"backbone {name} has no layer {layer!r}",
            why=f"features can be taken from {listing(backbone.layers)}",
            next=f"--layer {backbone.layers[0]}",
            subject=layer,
        )
    called = backbone.name if library is not None else name  # so that it is found again
    about: dict[str, object] = {"backbone": called, "layer": layer}
    if library is not None:
        network = library.network
        about |= library.about
        _expect(str(about["weights_source"]), str(about["weights_sha256"]), weights_sha256)
    elif random_weights:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = build_c3d(layer, pool5) if backbone.name == "c3d" else backbone.build(layer)
        about |= {"weights_sha256": "random, seed 0", "weights_source": "random"}
    else:
        paths = _parts(backbone, weights, weights_sha256)
        path = paths[0]
        state, own = read_checkpoint(path)
        if backbone.streams:
            network = backbone.build(layer)
            for part, one in zip(backbone.streams, paths, strict=True):
                stream = read_checkpoint(one)[0]
                load_state(one, getattr(network, part), backbone.adapt(stream) if backbone.adapt else stream)
        elif own is not None:
            backbone, network = load_own(path, backbone, layer, state, own)
        elif backbone.name == "c3d":
            backbone, network = load_c3d(path, backbone, layer, state, pool5)
        else:
            network = backbone.build(layer)
            load_state(path, network, backbone.adapt(state) if backbone.adapt else state)
        about |= {
            "weights_sha256": ",".join(sha256(one) for one in paths),
            "weights_source": ",".join(str(one.resolve()) for one in paths),
        }
    cube = _cube(mean_cube, backbone) if mean_cube else None
    if cube is not None:
        digest = hashlib.sha256(cube.tobytes()).hexdigest()
        backbone = replace(backbone, preprocessing=replace(backbone.preprocessing, mean_cube=digest))
    about |= {"dimension": backbone.dimension, "clip_frames": backbone.clip_frames, "frame_step": backbone.frame_step}
    about["architecture"] = json.dumps(network.architecture if isinstance(network, C3D) else {}, sort_keys=True)
    about |= backbone.preprocessing.to_dict()
    return LoadedBackbone(network.eval().requires_grad_(False), backbone, layer, about, cube)


def weights_of_recipe(recipe: Mapping[str, object], near: Sequence[Path] = ()) -> str | Path | None:
    """The weights that features were made with, as their recipe names them: by their place, or by their SHA-256.

    Args:
        recipe: Of the features. A place in it may be seen from a folder that is no longer the working folder.
        near: Where to look besides the fetched weights: in these folders, and seen from them and from the folders that
            they lie in.

    Raises:
        CheckpointError: They are not at hand.
    """
    sources, digests = (str(recipe.get(key) or "").split(",") for key in ("weights_source", "weights_sha256"))
    found = [_place(recipe, source, digest, near) for source, digest in zip(sources, digests + [""] * 9, strict=False)]
    return found[0] if len(found) == 1 else ",".join(map(str, found))


def _place(recipe: Mapping[str, object], source: str, digest: str, near: Sequence[Path]) -> str | Path | None:
    if "://" in source or (source and Path(source).exists()):
        return source
    fetched = stored_by_hash(digest)
    if fetched is not None or str(recipe.get("backbone")).partition(":")[0] in LIBRARIES:
        return fetched  # a library's network lies in its cache, where None looks
    around = [place for folder in near for place in (folder.resolve(), *folder.resolve().parents)]
    seen = [] if not source or Path(source).is_absolute() else [place / source for place in around]
    for path in dict.fromkeys([*seen, *(place / Path(source).name for place in around if source)]):
        if path.is_file() and sha256(path) == digest:
            return path
    name = str(recipe.get("backbone"))
    raise CheckpointError(
        "the backbone's weights that the run's features were made with are not at hand",
        why=f"they lay at {source or 'an unknown place'}, SHA-256 {digest[:16]}",
        next=(f"thas weights fetch {name}, or " if name in CATALOGUE else "") + "name them with --weights FILE",
        subject=source,
    )


def _parts(backbone: Backbone, weights: str | Path | None, digest: str | None) -> list[Path]:
    """The file of weights; for a network of several streams one for each."""
    if not backbone.streams:
        return [weights_file(backbone, weights, digest)]
    names = str(weights or "").split(",")
    if len(names) != len(backbone.streams):
        raise CheckpointError(
            f"backbone {backbone.name} needs {len(backbone.streams)} files of weights",
            why=f"one for each of {listing(backbone.streams)}; {len([name for name in names if name])} given",
            next="--weights i3d,flow_imagenet.pt",
            subject=backbone.name,
        )
    digests: list[str | None] = [*digest.split(",")] if digest else [None] * len(names)
    if len(digests) != len(names):
        raise CheckpointError(
            f"{len(names)} files need {len(names)} hashes", next="--weights-sha256 HASH,HASH", subject=backbone.name
        )
    return [weights_file(backbone, name, one) for name, one in zip(names, digests, strict=True)]


def weights_file(backbone: Backbone, weights: str | Path | None, digest: str | None) -> Path:
    """The weights as a file on this machine.

    Raises:
        CheckpointError: They are not here, or are others than the hash says.
    """
    path = stored(backbone.name) if weights is None else find_weights(weights, digest)
    if path is None:
        raise _no_weights(backbone)
    if path.is_dir():
        raise CheckpointError(
            f"there is no weights file {path}", why="it is a folder", next="--weights FILE", subject=str(path)
        )
    if digest:
        _expect(str(path), sha256(path), digest)
    return path


def _expect(path: str, found: str, digest: str | None) -> None:
    if digest and not found.startswith(digest.lower()):
        raise CheckpointError(
            f"{path} is not the file that was meant",
            why=f"its SHA-256 is {found}, not {digest}",
            next="fetch it again",
            subject=path,
        )


def _from_library(name: str, weights: str | Path | None, *, random_weights: bool) -> LibraryBackbone:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if name.startswith("hf:"):
            from .transformers_backbone import load_transformers

            return load_transformers(name, weights, random_weights=random_weights)
        from .timm_backbone import load_timm

        return load_timm(name, weights, random_weights=random_weights)


def _no_weights(backbone: Backbone) -> CheckpointError:
    if backbone.name in CATALOGUE:
        return not_fetched(backbone.name)
    fetch = "" if stored("i3d") else "thas weights fetch i3d, then "
    return CheckpointError(
        f"backbone {backbone.name} needs weights",
        why=f"none are published for it in a place that thas knows; take {backbone.origin}",
        next=f"{fetch}--weights i3d, the field's usual network; or --weights FILE for {backbone.name}",
        subject=backbone.name,
    )


def _cube(path: Path, backbone: Backbone) -> np.ndarray:
    """A mean cube, cut to the window that the frames are cut to."""
    how = backbone.preprocessing
    with reading(path, "is no mean cube", next="--mean-cube FILE.npy", kind=CheckpointError):
        cube = load_array(path).astype(np.float32)
        if not np.isfinite(cube).all():
            raise ValueError("it holds NaN or infinity")
    expected = (3, backbone.clip_frames, how.resize_height, how.resize_width)
    if cube.shape != expected:
        raise CheckpointError(
            f"{path} is no mean cube for this backbone", why=f"it is {cube.shape}, not {expected}", subject=str(path)
        )
    _, _, top, left = how.window(how.resize_height, how.resize_width or how.resize_height)
    return np.ascontiguousarray(cube[:, :, top : top + how.crop_height, left : left + how.crop_width])
