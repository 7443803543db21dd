"""The networks of a run as modules of plain tensors, with all arithmetic before and after, fit to be exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..temporal_has.losses import get_loss

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
        if model.settings.input.dropout == "always":
            raise UsageError(
                "a network that drops at random when it is used cannot be exported",
                why="its run has input.dropout=always",
                next="train with --set input.dropout=training, or none",
            )
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
