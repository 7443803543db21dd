"""How a backbone of one's own is built and trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch

from ..core.errors import UsageError
from ..core.settings_table import Kind, SettingsTable, setting
from .c3d import C3D


@dataclass(frozen=True)
class BackboneSettings:
    """How the network is built and trained; all ours."""

    seed: int = setting(0, "of the weights, the clips and their order", low=0)
    width: int = setting(16, "channels of conv1a; 64 in the paper's C3D", low=1)
    input_size: int = setting(56, "height and width in pixels that frames are squeezed into; 112 in the paper's", low=1)
    depth: int = setting(4, "blocks of convolutions, 1 to 5; 5 in the paper's")
    clip_frames: int = setting(16, "frames of a clip; 16 in the paper's", low=1)
    frame_step: int = setting(1, "frames of the video from one of these to the next")
    fc_width: int = setting(256, "units of fc6 and fc7, the features' dimension; 4096 in the paper's", low=1)
    motion: bool = setting(
        True, "each clip is seen without its mean picture: of few videos a network else learns the places by heart"
    )
    epochs: int = setting(30, "passes over the videos")
    clips_per_video: int = setting(2, "clips learned from, of each video in a pass")
    candidates: int = setting(
        8, "clips drawn of each video in a pass, of which those are learned from that its labels fit best"
    )
    warm_up: float = setting(0.3, "share of the passes in which nothing is chosen, before the network knows anything")
    batch: int = setting(16, "clips a step, of whole videos")
    learning_rate: float = setting(
        1e-3, "highest, of Adam; it rises over the first tenth of the steps and falls as a cosine to 0"
    )
    weight_decay: float = setting(1e-4, "of Adam, decoupled")
    # So small a network hardly starts to learn from such noisy labels with dropout.
    dropout: float = setting(0.0, "of fc6 and fc7")
    shift_pixels: int = setting(0, "each clip is shifted by up to so many pixels either way")
    flip: bool = setting(False, "mirror every other clip; only where left and right mean the same")
    memory_gigabytes: float = setting(2.0, "frames are kept in memory up to here; others are decoded in every pass")
    precision: Literal["32", "bf16", "16"] = setting("32", "of the arithmetic: mixed for bf16 and 16")
    device: str = setting("auto", "cpu, cuda, cuda:1, or auto")

    def __post_init__(self) -> None:
        for name in ("epochs", "clips_per_video", "batch", "frame_step", "learning_rate"):
            self._require(name, getattr(self, name) > 0, "above 0")
        for name in ("weight_decay", "shift_pixels", "memory_gigabytes"):
            self._require(name, getattr(self, name) >= 0, "0 or more")
        self._require("dropout", 0 <= self.dropout < 1, "from 0 to below 1")
        self._require("warm_up", 0 <= self.warm_up <= 1, "from 0 to 1")
        if self.candidates < self.clips_per_video:
            raise UsageError(
                f"{self.clips_per_video} clips of a video cannot be chosen among {self.candidates} candidates",
                next=f"raise candidates to {self.clips_per_video} or more, or lower clips_per_video",
                subject="candidates",
            )
        if self.shift_pixels >= self.input_size:
            raise UsageError(
                f"clips of {self.input_size} px cannot be shifted by {self.shift_pixels}", next="lower shift_pixels"
            )

    def _require(self, name: str, holds: bool, must: str) -> None:
        if not holds:
            value = getattr(self, name)
            raise UsageError(f"{name} must be {must}, but is {value}", next="correct it", subject=name)

    def network(self, classes: int, generator: torch.Generator) -> C3D:
        """A network with drawn weights.

        Raises:
            UsageError: These settings leave nothing of the input.
        """
        try:
            network = C3D(
                width=self.width,
                input_size=self.input_size,
                clip_frames=self.clip_frames,
                depth=self.depth,
                fc_width=self.fc_width,
                classes=classes,
                motion=self.motion,
                generator=generator,
            )
        except ValueError as error:
            raise UsageError(
                "such a network cannot be built", why=str(error), next="change width, input_size, depth or clip_frames"
            ) from None
        network.dropout.p = self.dropout
        return network


@dataclass(frozen=True)
class BackboneRunSettings(SettingsTable):
    """What the settings.toml of a backbone's training holds."""

    kind: ClassVar[Kind] = "backbone"
    earlier: ClassVar[Mapping[str, object]] = {"backbone.motion": False}

    backbone: BackboneSettings = field(default_factory=BackboneSettings)
