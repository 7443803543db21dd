"""Networks of the library timm as backbones: `timm:NAME`, or `timm:FOLDER` as `timm.models.save_for_hf` writes it.

They take each frame; the vectors are averaged. Size, crop, mean, std and dimension are the model's own
(`pretrained_cfg`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypedDict, cast

import torch
from torch import nn

from ..core.errors import CheckpointError, UsageError, suggestion
from ..core.weight_catalogue import CATALOGUE
from ..core.weight_store import find_weights, stored
from .backbones import Backbone
from .checkpoints import load_state, read_checkpoint
from .library_backbone import (
    LibraryBackbone,
    cached_folder,
    licence_of,
    missing_model,
    needs_library,
    probe,
    revision_of,
    weight_files,
    weights_digest,
)
from .preprocessing import Preprocessing, Values

# Four frames, spread over 0.64 s of 25 frames a second: an image network sees no motion, more add little.
_FRAMES, _STEP = 4, 4


class TimmSettings(TypedDict, total=False):
    """What timm says of a model, as far as it matters here."""

    input_size: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop_pct: float
    crop_mode: str
    license: str
    hf_hub_id: str
    classifier: str | tuple[str, ...]


class FrameFeatures(nn.Module):
    """An image network's vectors of a clip's frames, averaged."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """(B, D) features of clips (B, 3, T, H, W)."""
        items, _, frames = clips.shape[:3]
        return self.network(clips.transpose(1, 2).flatten(0, 1)).view(items, frames, -1).mean(dim=1)


def load_timm(name: str, weights: str | Path | None, *, random_weights: bool = False) -> LibraryBackbone:
    """A model of timm, its weights from a file, a folder, a name of `thas weights list`, or the library's cache.

    Raises:
        CheckpointError: The weights are not on this machine, or do not fit.
        UsageError: timm is not installed, or has no such model.
    """
    try:
        import timm
    except ImportError:
        raise needs_library("timm", name) from None
    model_name = name.removeprefix("timm:")
    folder = Path(model_name) if (Path(model_name) / "config.json").is_file() else None
    network, settings = _built(name, f"local-dir:{folder.resolve()}" if folder else model_name)
    about: dict[str, object] = {"weights_sha256": "random, seed 0", "weights_source": "random", "revision": None}
    how = timm_preprocessing(settings, name)
    licence = str(settings.get("license") or "not stated")
    if not random_weights:
        file = _weights_file(name, folder, weights, settings)
        entry = next((one for one in CATALOGUE.values() if weights == one.name or stored(one.name) == file), None)
        state = _state(file, network, settings, by_order=entry is not None)
        load_state(file, network, state)
        if entry is not None:
            licence = entry.licence
            if entry.mean and entry.std:
                how = replace(how, mean=entry.mean, std=entry.std)
        else:
            licence = licence_of(file.parent) if licence == "not stated" else licence
        about |= {
            "weights_sha256": weights_digest([file]),
            "weights_source": str(file.resolve()),
            "revision": revision_of(file.parent),
        }
    backbone = Backbone(
        name,
        dimension=0,
        clip_frames=_FRAMES,
        frame_step=_STEP,
        preprocessing=how,
        licence=licence,
        origin="timm",
        build=lambda layer: network,
        fps=25.0,
        stride_seconds=0.64,
    )
    wrapped = FrameFeatures(network.eval())
    dimension = probe(wrapped, backbone)
    about["timm_version"] = timm.__version__
    return LibraryBackbone(replace(backbone, dimension=dimension), wrapped, about)


def _built(name: str, model: str) -> tuple[nn.Module, TimmSettings]:
    """The network without its classifier, and what timm says of its input."""
    import timm

    try:
        network = timm.create_model(model, pretrained=False, num_classes=0)
    except Exception as error:  # each architecture has its own complaints
        known = suggestion(model.partition(".")[0], timm.list_models())
        unknown = "nknown model" in str(error)
        raise UsageError(
            f"timm cannot build {name}",
            why=known if unknown else " ".join(str(error).split())[:300],
            next="python -c 'import timm; print(timm.list_models())'",
            subject=name,
        ) from error
    return network, cast("TimmSettings", dict(getattr(network, "pretrained_cfg", None) or {}))


def timm_preprocessing(settings: TimmSettings, name: str) -> Preprocessing:
    """How pictures are prepared for a network of timm, by its `pretrained_cfg`; messages call it by `name`.

    Raises:
        CheckpointError: They do not say.
    """
    size, mean, std = settings.get("input_size"), settings.get("mean"), settings.get("std")
    if not size or not mean or not std:
        raise CheckpointError(
            f"{name} does not say how its pictures are prepared",
            why="its pretrained_cfg has no input_size, mean and std",
            next="take a model whose configuration has them",
            subject=name,
        )
    _, height, width = size
    share = float(settings.get("crop_pct") or 1.0)
    values: Values = {"value_range": 1.0, "mean": tuple(mean), "std": tuple(std)}
    if height != width or settings.get("crop_mode") == "squash":
        return Preprocessing(height, width, height, width, **values)
    return Preprocessing(max(height, int(height / share)), None, height, width, **values)


def _weights_file(name: str, folder: Path | None, weights: str | Path | None, settings: TimmSettings) -> Path:
    if weights is not None:
        path = find_weights(weights)
        folder = path if path.is_dir() else None
        if folder is None:
            return path
    if folder is None:
        repository = str(settings.get("hf_hub_id") or "")
        found = cached_folder(repository) if repository else None
        if found is None:
            raise missing_model(name, repository or name, ("config.json", "model.safetensors"))
        folder = found
    files = weight_files(folder)
    if not files:
        raise CheckpointError(f"{folder} holds no weights", why=f"{name} needs model.safetensors", subject=name)
    return next((path for path in files if path.name.startswith("model.")), files[0])


def _state(file: Path, network: nn.Module, settings: TimmSettings, *, by_order: bool) -> dict[str, torch.Tensor]:
    """A file's weights in the network's names, without its classifier's and what else its head holds.

    Weights of the catalogue come from other programs: the same tensors in the same order under other names.
    """
    state, _ = read_checkpoint(file)
    classifiers = settings.get("classifier") or ()
    classifiers = (classifiers,) if isinstance(classifiers, str) else classifiers
    # The whole head, of which "head.linear" is the classifier: LeViT's normalizes before it.
    heads = {name.partition(".")[0] for name in classifiers}
    expected = network.state_dict()
    if by_order and not set(expected) <= set(state):
        pairs = list(zip(expected.items(), state.items(), strict=False))
        if all(mine.shape == theirs.shape for (_, mine), (_, theirs) in pairs):
            return {key: value for (key, _), (_, value) in pairs}
    return {key: value for key, value in state.items() if key in expected or key.partition(".")[0] not in heads}
