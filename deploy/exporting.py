"""The networks of a run of videos as files that need no thas: plain tensors in and out, all arithmetic within."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..temporal_has.localizer import Localizer
from ..temporal_has.losses import get_loss
from ..temporal_has.model import checkpoint_path
from .parts import About, Exported, Format, Part, about_run, needs_onnx, refuse_dropout, write_parts

if TYPE_CHECKING:
    from ..features.weights import LoadedBackbone
    from ..temporal_has.model import Model


class ExportedHead(nn.Module):
    """Features as extracted, (1, T, D) float32, to the sequence (1, T, C) and the probabilities (1, C).

    What `Model.sequence` computes of features that nothing was lost of: normalisation, network, probabilities.

    Raises:
        UsageError: The network draws at random when it is used (input.dropout=always).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, model: Model) -> None:
        super().__init__()
        refuse_dropout(model.settings.input.dropout)
        self.network = model.network
        self.normalise = model.settings.input.normalise != "none"
        self.register_buffer("mean", model.mean.clone())
        self.register_buffer("deviation", model.deviation.clone())
        self._probabilities = get_loss(model.settings.train.loss).probabilities

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(1, T, D) -> (1, T, C), (1, C)."""
        x = (features - self.mean) / self.deviation if self.normalise else features
        output = self.network(x)
        return output.sequence, self._probabilities(output.video_logits)


class ExportedBackbone(nn.Module):
    """Clips of prepared frames, (B, F, H, W, 3) uint8, to features (B, D) float32.

    Frames are resized, cropped and ordered before, as the recipe says; range, mean and deviation are in here.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, loaded: LoadedBackbone) -> None:
        super().__init__()
        how = loaded.backbone.preprocessing
        self.network = loaded.network
        self.scale = how.value_range / 255.0
        shape = (1, how.channels, 1, 1, 1)
        mean = torch.tensor(how.mean).view(shape)
        self.register_buffer("mean", mean if loaded.mean_cube is None else torch.from_numpy(loaded.mean_cube)[None])
        self.register_buffer("std", torch.tensor(how.std).view(shape))

    def forward(self, clips: Tensor) -> Tensor:
        """(B, F, H, W, 3) -> (B, D)."""
        x = clips.permute(0, 4, 1, 2, 3).to(torch.float32) * self.scale
        return self.network((x - self.mean) / self.std)


class ExportedWhole(nn.Module):
    """All clips of a video, (T, F, H, W, 3) uint8, to the sequence (1, T, C) and the probabilities (1, C)."""

    def __init__(self, backbone: ExportedBackbone, head: ExportedHead) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """(T, F, H, W, 3) -> (1, T, C), (1, C)."""
        return self.head(self.backbone(clips)[None])


# Lengths that the head is tried with; the last is not among those that it was traced with.
_LENGTHS = (1, 2, 7, 50)


def export_run(
    run: Path | str,
    out: Path | str | None = None,
    *,
    formats: Sequence[Format] = ("onnx", "torch"),
    backbone: bool = False,
    weights: Path | str | None = None,
    checkpoint: Literal["best", "last"] = "best",
    localizer: Localizer | None = None,
) -> tuple[Path, list[Exported]]:
    """Write the network of a run of videos as files that need no thas, and compare each with thas's own output.

    `head.*` takes features (1, T, D) of any number T of snippets. With `backbone`, `backbone.*` takes clips of prepared
    frames, and `whole.*` all clips of a video.

    Args:
        run: The run's folder.
        out: The folder for the files; `export` in the run's folder by default.
        formats: `onnx`, `torch` (`torch.export`), or both.
        backbone: Whether to export the backbone, too, alone and before the head.
        weights: The backbone's, where they are no longer where the run found them.
        checkpoint: The best epoch's network, where there is one, or the last one's.
        localizer: The run, opened already; for networks of one's own.

    Returns:
        The folder, and what was written there.

    Raises:
        UsageError: ONNX is not installed, or the network cannot be exported.
        DataError: An exported network computes something else; its file is removed.
        CheckpointError: The run holds no network, or the backbone's weights are not at hand.
    """
    run = Path(run)
    if "onnx" in formats:
        needs_onnx()
    localizer = localizer or Localizer.from_run(run, device="cpu", weights=weights, checkpoint=checkpoint)
    model = localizer.model
    model.network.eval()
    folder = Path(out) if out is not None else run / "export"
    about = _about(run, model, checkpoint)
    head = ExportedHead(model).eval()
    draw = torch.Generator().manual_seed(0)
    width = len(model.mean)
    inputs = [model.mean + model.deviation * torch.randn(1, count, width, generator=draw) for count in _LENGTHS]
    parts: list[Part] = [Part("head", head, "features", ("sequence", "probabilities"), inputs, _own_head(model), 1)]
    if backbone:
        loaded = localizer.extractor.loaded
        clips = _clips(loaded, draw)
        own = _own_backbone(loaded)
        alone = ExportedBackbone(loaded).eval()
        parts.append(Part("backbone", alone, "clips", ("features",), [clips[:1], clips], own, 0))

        def whole(x: Tensor) -> tuple[Tensor, ...]:
            return _own_head(model)(own(x)[0][None])

        both = ExportedWhole(alone, head).eval()
        parts.append(Part("whole", both, "clips", ("sequence", "probabilities"), [clips[:2], clips], whole, 0))
    return folder, write_parts(parts, folder, formats, about)


def _own_head(model: Model) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """What localization computes: `Model.sequence` itself."""
    from ..features.cache import Features

    def own(x: Tensor) -> tuple[Tensor, ...]:
        count = x.shape[1]
        times = np.arange(float(count))
        sequence = model.sequence(Features("tried", x[0].numpy(), times, times + 1, float(count)))
        return torch.from_numpy(sequence.logits)[None], torch.from_numpy(sequence.probabilities)[None]

    return own


def _own_backbone(loaded: LoadedBackbone) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """What extraction computes."""
    from ..features.runner import Runner

    def own(clips: Tensor) -> tuple[Tensor, ...]:
        with Runner(loaded, device="cpu", batch=len(clips)) as runner:
            return (torch.from_numpy(runner(clips.numpy())),)

    return own


def _clips(loaded: LoadedBackbone, draw: torch.Generator) -> Tensor:
    """Three clips: noise, as coarse as pictures are."""
    how, frames = loaded.backbone.preprocessing, loaded.backbone.clip_frames
    coarse = torch.rand(3, how.channels, max(frames // 4, 1), 8, 8, generator=draw)
    size = (frames, how.crop_height, how.crop_width)
    fine = nn.functional.interpolate(coarse, size=size, mode="trilinear")
    return (fine * 255).round().to(torch.uint8).permute(0, 2, 3, 4, 1).contiguous()


def _about(run: Path, model: Model, checkpoint: Literal["best", "last"]) -> About:
    recipe = {name: value for name, value in model.recipe.items() if name != "weights_source"}
    return about_run(
        run,
        checkpoint_path(run, checkpoint),
        model.classes,
        inputs={
            "features": f"(1, T, {len(model.mean)}) float32, features as extracted, one row a snippet",
            "clips": "(T, frames, height, width, channels) uint8, resized, cropped and ordered as the recipe says",
        },
        outputs={
            "sequence": f"(1, T, {len(model.classes)}) float32, the class activation sequence",
            "probabilities": f"(1, {len(model.classes)}) float32, of the whole video",
        },
        spread=model.spread,
        localize=vars(model.settings.localize),
        recipe=recipe,
    )
