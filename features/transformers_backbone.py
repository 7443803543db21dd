"""Networks of the library transformers as backbones: `hf:ORG/NAME`, or `hf:FOLDER`.

Everything is read from the model's own files: frames, size and crop, mean and std, dimension. How the model wants its
clips is found by trying: most take (B, T, 3, H, W), some (B, 3, T, H, W), and networks for images take each frame,
whose vectors are averaged. The vector is what the family documents: its pooled output if that was trained, else the
class token, else the mean of all tokens. No code that comes with weights is run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from ..core.errors import CheckpointError, listing
from .backbones import Backbone
from .library_backbone import (
    LibraryBackbone,
    cached_folder,
    clip_step,
    licence_of,
    missing_model,
    needs_library,
    probe,
    revision_of,
    weight_files,
    weights_digest,
)
from .transformers_pictures import preprocessings, setting_of

_FILES = ("config.json", "preprocessor_config.json", "model.safetensors")
# Where a model takes pictures, the whole towers of models for pictures and texts last.
_METHODS = ("get_vision_features", "get_video_features", "forward", "vision_model.forward", "get_image_features")
_Made = TypeVar("_Made")
_ARGUMENTS = ("pixel_values_videos", "pixel_values")


class TransformersFeatures(nn.Module):
    """A model with the way in which it wants its clips and gives its vector.

    Args:
        model: Of transformers.
        method: The method to call, dotted.
        argument: The name of its input.
        layout: "frames first", "channels first", or "each frame".
        pooler: Whether its pooled output was trained.
    """

    def __init__(self, model: nn.Module, method: str, argument: str, layout: str, *, pooler: bool) -> None:
        super().__init__()
        self.model = model
        self.method, self.argument, self.layout, self.pooler = method, argument, layout, pooler
        self.class_token = any(name.endswith(("cls_token", "class_embedding")) for name, _ in model.named_parameters())
        self.pooling = ""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """(B, D) features of clips (B, 3, T, H, W)."""
        items, _, frames = clips.shape[:3]
        x = clips if self.layout == "channels first" else clips.transpose(1, 2)
        x = x.flatten(0, 1) if self.layout == "each frame" else x
        call = self.model
        for part in self.method.split("."):
            call = getattr(call, part)
        vectors = self._vector(call(**{self.argument: x.contiguous()}))
        return vectors.view(items, frames, -1).mean(dim=1) if self.layout == "each frame" else vectors

    def _vector(self, output: object) -> torch.Tensor:
        pooled, tokens = (getattr(output, name, None) for name in ("pooler_output", "last_hidden_state"))
        if isinstance(output, torch.Tensor):
            found, self.pooling = output, "the model's features"
        elif self.pooler and pooled is not None:
            found, self.pooling = pooled.flatten(1), "pooled output"
        elif tokens is None:
            raise ValueError(f"its output has no last_hidden_state but is a {type(output).__name__}")
        else:
            found = tokens
        if found.ndim == 3:
            self.pooling = "class token" if self.class_token else "mean of tokens"
            return found[:, 0] if self.class_token else found.mean(dim=1)
        if found.ndim > 3:
            self.pooling = "mean of places"
        return found.flatten(2).mean(dim=2) if found.ndim > 3 else found


def load_transformers(name: str, weights: str | Path | None, *, random_weights: bool = False) -> LibraryBackbone:
    """A model of transformers, from a folder (its name's, or `weights`) or the library's cache.

    Raises:
        CheckpointError: It is not on this machine, its files are incomplete or damaged, or it cannot be given clips.
        UsageError: transformers is not installed.
    """
    try:
        import transformers
    except ImportError:
        raise needs_library("transformers", name) from None
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    place = _folder(name, weights)
    config = _read(name, place, lambda: transformers.AutoConfig.from_pretrained(str(place), local_files_only=True))
    if hasattr(config, "mask_ratio"):
        # A masked autoencoder is shown a quarter of each picture, another one each time.
        vars(config)["mask_ratio"] = 0.0
    files = weight_files(place)
    if random_weights:
        model, missing = _read(name, place, lambda: transformers.AutoModel.from_config(config)), list[str]()
    else:
        if not files:
            raise CheckpointError(f"{place} holds no weights", why=f"{name} needs model.safetensors", subject=name)
        model, missing = _model(name, place, config)
    hows = preprocessings(name, place, config)
    frames = setting_of(config, "num_frames", "frames_per_clip")
    backbone = Backbone(
        name,
        dimension=0,
        clip_frames=frames or 4,
        frame_step=4 if frames is None else clip_step(frames),
        preprocessing=hows[0],
        licence=licence_of(place),
        origin="transformers",
        build=lambda layer: model,
        fps=25.0,
        stride_seconds=0.64,
    )
    pooler = not any("pooler" in key for key in missing)
    backbone, network = _probed(model.eval(), [replace(backbone, preprocessing=how) for how in hows], pooler=pooler)
    about = {
        "weights_sha256": "random, seed 0" if random_weights else weights_digest(files),
        "weights_source": "random" if random_weights else str(place.resolve()),
        "revision": revision_of(place),
        "pooling": network.pooling,
        "layout": network.layout,
        "transformers_version": transformers.__version__,
    }
    return LibraryBackbone(backbone, network, about)


def _folder(name: str, weights: str | Path | None) -> Path:
    repository = str(weights or name.removeprefix("hf:"))
    place = Path(repository) if Path(repository).is_dir() else cached_folder(repository)
    if place is None:
        raise missing_model(name, repository, _FILES)
    if not (place / "config.json").is_file():
        raise CheckpointError(
            f"{place} is no model of transformers",
            why="it has no config.json, which says what network it is",
            next=f"put {', '.join(_FILES)} of the model there",
            subject=name,
        )
    return place


def _read(name: str, place: Path, action: Callable[[], _Made]) -> _Made:
    """Do what reads a model's files, with the library's many kinds of errors as one of ours."""
    try:
        return action()
    except Exception as error:  # the library raises almost anything
        why = " ".join(str(error).split())[:300] or type(error).__name__
        own = "trust_remote_code" in str(error)
        raise CheckpointError(
            f"{name} cannot be loaded from {place}",
            why="it comes with code of its own, and thas runs none" if own else why,
            next="take a model that the library itself contains" if own else "bring the model's files there once more",
            subject=name,
        ) from error


def _model(name: str, place: Path, config: object) -> tuple[nn.Module, list[str]]:
    """The model with its weights, and the names of those that the files lack; only a pooler may be missing."""
    import transformers

    def load() -> tuple[nn.Module, Mapping[str, Sequence[str]]]:
        return transformers.AutoModel.from_pretrained(
            str(place), config=config, local_files_only=True, dtype=torch.float32, output_loading_info=True
        )

    model, info = _read(name, place, load)
    missing = sorted(info["missing_keys"])
    wrong = [key for key in missing if "pooler" not in key] + [str(key) for key in info.get("mismatched_keys", ())]
    if wrong:
        raise CheckpointError(
            f"the weights in {place} do not fit {type(model).__name__}",
            why=f"missing or of another shape: {listing(wrong, 4)}",
            next="bring the model's files there once more",
            subject=name,
        )
    broken = [key for key, value in model.state_dict().items() if not torch.isfinite(value).all()]
    if broken:
        raise CheckpointError(
            f"the weights in {place} are broken", why=f"NaN or infinity in {listing(broken, 4)}", subject=name
        )
    return model, missing


def _probed(model: nn.Module, variants: list[Backbone], *, pooler: bool) -> tuple[Backbone, TransformersFeatures]:
    """The first way of giving the model a clip that yields a vector."""
    errors: list[str] = []
    for backbone in variants:
        for method, argument, layout in _ways(model):
            network = TransformersFeatures(model, method, argument, layout, pooler=pooler)
            try:
                return replace(backbone, dimension=probe(network, backbone)), network
            except Exception as error:  # whatever a forward of another kind makes of such an input
                errors.append(f"{method}: {' '.join(str(error).split())[:300] or type(error).__name__}")
    one = variants[0]
    raise CheckpointError(
        f"{one.name} cannot be given clips of {one.clip_frames} frames of {one.preprocessing.crop_height} pixels",
        why="; ".join(dict.fromkeys((errors[0], errors[-1])))
        if errors
        else f"{type(model).__name__} takes neither {' nor '.join(_ARGUMENTS)}",
        next="take a model for videos or images",
        subject=one.name,
    )


def _ways(model: nn.Module) -> Iterator[tuple[str, str, str]]:
    for method in _METHODS:
        call: object = model
        for part in method.split("."):
            call = getattr(call, part, None)
        if call is None:
            continue
        assert callable(call)
        parameters = inspect.signature(call).parameters
        for argument in _ARGUMENTS:
            if argument in parameters:
                for layout in ("frames first", "channels first", "each frame"):
                    yield method, argument, layout
