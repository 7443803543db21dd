"""The network of a run of images as a file that needs no thas: probabilities and class activation maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ..image_has.activation import activation_map
from ..image_has.loading import normalised
from ..image_has.localizer import Localizer
from ..image_has.weights import TrainedNetwork
from .parts import About, Exported, Format, Part, about_run, refuse_dropout, write_parts


class ExportedClassifier(nn.Module):
    """Squashed pictures, (N, 3, S, S) uint8, to probabilities (N, C) and class activation maps (N, C, h, w).

    Raises:
        UsageError: The network drops values of pictures at random when it is used (input.dropout=always).
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, trained: TrainedNetwork) -> None:
        super().__init__()
        seen = trained.settings.input
        refuse_dropout(seen.dropout)
        self.network = trained.network
        self.register_buffer("mean", torch.tensor(seen.mean).view(1, 3, 1, 1) * 255)
        self.register_buffer("scale", 1 / (torch.tensor(seen.std).view(1, 3, 1, 1) * 255))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, S, S) -> (N, C), (N, C, h, w)."""
        output = self.network((pictures.to(torch.float32) - self.mean) * self.scale)
        return output.logits.softmax(1), activation_map(output.maps, self.network.weight)


def export_image_run(
    run: Path | str, out: Path | str | None = None, *, formats: Sequence[Format] = ("onnx", "torch")
) -> tuple[Path, list[Exported]]:
    """Write the network of a run of images as files that need no thas, and compare each with thas's own output.

    Args:
        run: The run's folder.
        out: The folder for the files; `export` in the run's folder by default.
        formats: `onnx`, `torch` (`torch.export`), or both.

    Returns:
        The folder, and what was written there: `classifier.*`.

    Raises:
        UsageError: ONNX is not installed, or the network cannot be exported.
        DataError: An exported network computes something else; its file is removed.
        CheckpointError: The run holds no network.
    """
    run = Path(run)
    localizer = Localizer.from_run(run, device="cpu")
    (trained,) = localizer.members
    side = localizer.settings.input.size
    coarse = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    pictures = (nn.functional.interpolate(coarse, size=(side, side), mode="bilinear") * 255).round().to(torch.uint8)

    def own(x: Tensor) -> tuple[Tensor, ...]:
        output = trained.network(normalised(x, settings=trained.settings.input))
        return output.logits.softmax(1), activation_map(output.maps, trained.network.weight)

    module = ExportedClassifier(trained).eval()
    part = Part("classifier", module, "pictures", ("probabilities", "maps"), [pictures[:1], pictures], own, 0)
    folder = Path(out) if out is not None else run / "export"
    return folder, write_parts([part], folder, formats, _about(run, localizer))


def _about(run: Path, localizer: Localizer) -> About:
    (trained,) = localizer.members
    side, classes = localizer.settings.input.size, len(trained.classes)
    return about_run(
        run,
        localizer.files[0],
        trained.classes,
        titles=dict(trained.titles),
        inputs={
            "pictures": f"(N, 3, {side}, {side}) uint8, RGB, upright, the whole picture squashed to the square "
            "(Pillow's bilinear resize)"
        },
        outputs={
            "probabilities": f"(N, {classes}) float32",
            "maps": f"(N, {classes}, h, w) float32, each class's activation map, to be enlarged linearly",
        },
        localize=vars(localizer.settings.localize),
    )
